//! Reading the log: on record itself, authentic, and open to an auditor no further than it should be.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{block_on, identity, vault, vault_on};
use docvault::{
    AuditRecord, Auditor, CaseId, Disclosure, Error, ErrorKind, GrantId, Kind, NewDocument, NewStatement,
    NoSleep, Personal, Recipient, RecordFilter, Session, Stored, Terms, Vault, VaultOptions,
    keys::LocalKey,
    storage::{
        MemoryStorage, Storage,
        testing::{EvilStorage, Fault, FaultyStorage},
    },
};

fn kind<T>(result: Result<T, Error>) -> ErrorKind {
    match result {
        Ok(_) => panic!("it was done"),
        Err(error) => error.kind(),
    }
}

async fn all(auditor: &Auditor) -> Vec<AuditRecord> {
    auditor.records(&RecordFilter::all()).await.unwrap()
}

/// A25, "silent export": whoever is shown the log is on it.
#[test]
fn reading_the_log_is_on_the_log() {
    block_on(async {
        let (vault, _kept) = vault().await;
        let desk = vault.session("user:1").purpose("work").begin().unwrap();
        desk.create_case("c").await.unwrap();
        let auditor = vault.session("auditor:3").purpose("yearly review").request("r-1").auditor().unwrap();
        assert_eq!((auditor.actor(), auditor.purpose()), ("auditor:3", "yearly review"));
        let seen = all(&auditor).await.len();
        let changes = auditor.changes_since(0).await.unwrap();
        auditor.disclose(1).await.unwrap();
        vault.session("user:2").purpose("look").begin().unwrap().open_record(1).await.unwrap();
        assert_eq!((seen, changes.records.len(), changes.next), (2, 4, 4));
        let reads = RecordFilter::all();
        let reads = auditor.records(&reads).await.unwrap();
        let reads: Vec<_> = reads.iter().filter(|record| record.kind == Kind::LogRead).collect();
        let by: Vec<_> = reads.iter().map(|r| (r.seq, r.actor.as_str(), r.purpose.as_str())).collect();
        let review = "yearly review";
        let expected = [
            (2, "auditor:3", review),
            (3, "auditor:3", review),
            (4, "auditor:3", review),
            (5, "user:2", "look"),
        ];
        assert_eq!(by, expected);
        assert_eq!(reads[0].request.as_deref(), Some("r-1"));
        // What was read is on record too: what u8, from u64, to u64 (FORMAT §5.4).
        for (seq, what, from, to) in [(2, 1, 0, 2), (3, 2, 0, 3), (4, 5, 1, 2), (5, 3, 1, 2)] {
            let details = auditor.disclose(seq).await.unwrap().open().unwrap().details;
            let expected = [vec![what], u64::to_be_bytes(from).into(), u64::to_be_bytes(to).into()].concat();
            assert_eq!(details, expected, "record {seq}");
        }
        // Verifying shows no record and leaves none.
        let size = vault.pin().size();
        auditor.verify(&vault.pin()).await.unwrap();
        assert_eq!(auditor.verify_from_genesis().await.unwrap().checked, size);
        assert_eq!(vault.pin().size(), size);
    });
}

/// Whether a call under this fault from call `nth` on gives anything away.
async fn shown(nth: usize, call: usize) -> Result<(), Error> {
    let storage = Arc::new(MemoryStorage::default());
    let (vault, folder) = vault_on(storage.clone()).await;
    vault.session("a").purpose("p").begin()?.create_case("c").await?;
    let faults = (nth..nth + 10_000).map(|call| (call, Fault::Error));
    let faulty = Arc::new(FaultyStorage::scripted(storage.clone(), faults));
    let key = Arc::new(LocalKey::load(folder.path().join("key")).unwrap());
    let options = VaultOptions::default().sleeper(NoSleep::default());
    let vault = Vault::open_with(faulty, key, &vault.pin(), options).await?;
    let auditor = vault.session("b").purpose("q").auditor()?;
    let desk = vault.session("b").purpose("q").begin()?;
    let shown = match call {
        0 => auditor.records(&RecordFilter::all()).await.map(drop),
        1 => auditor.changes_since(0).await.map(drop),
        2 => auditor.disclose(1).await.map(drop),
        _ => desk.open_record(1).await.map(drop),
    };
    let on_record = {
        let key = LocalKey::load(folder.path().join("key")).unwrap();
        let again = Vault::open_unpinned(storage, Arc::new(key), VaultOptions::default()).await?;
        again.pin().size() > 2
    };
    assert!(shown.is_err() || on_record, "call {call} showed something that is not on record");
    shown
}

#[test]
fn what_cannot_be_put_on_record_is_not_shown() {
    block_on(async {
        for call in 0..4 {
            let mut refused = 0;
            // The storage fails from its nth call on, until all calls fit before that.
            while shown(refused, call).await.is_err() {
                refused += 1;
            }
            assert!(refused > 5, "opening, the record and what is read all take calls");
        }
    });
}

#[test]
fn changes_come_in_pages_without_a_gap_and_waiting_leaves_no_trace() {
    block_on(async {
        let (vault, _kept) = vault().await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        for _ in 0..23 {
            let all = (0..100).map(|_| desk.describe_case(case));
            futures_util::future::try_join_all(all).await.unwrap();
        }
        let auditor = vault.session("siem").purpose("follow").auditor().unwrap();
        let (mut followed, mut next, mut pages) = (Vec::new(), 0, Vec::new());
        loop {
            let changes = auditor.changes_since(next).await.unwrap();
            assert_eq!(changes.next, next + u64::try_from(changes.records.len()).unwrap());
            if changes.records.is_empty() {
                break;
            }
            next = changes.next;
            pages.push(changes.records.len());
            followed.extend(changes.records);
        }
        assert!(pages.len() == 3 && pages[..2] == [1000, 1000]);
        let size = vault.pin().size();
        assert_eq!((next, auditor.changes_since(next).await.unwrap().next), (size, size));
        assert_eq!(vault.pin().size(), size, "nothing new, nothing recorded");
        assert_eq!(followed, all(&auditor).await, "the same as reading everything");
        assert_eq!(auditor.changes_since(u64::MAX).await.unwrap().next, u64::MAX);
        desk.describe_case(case).await.unwrap();
        let changes = auditor.changes_since(next).await.unwrap();
        let kinds: Vec<_> = changes.records.iter().map(|record| record.kind).collect();
        assert_eq!(kinds, [Kind::LogRead, Kind::Browsed, Kind::LogRead]);
        // Of a full page its own record is not one.
        let size = vault.pin().size();
        let changes = auditor.changes_since(size - 1000).await.unwrap();
        assert_eq!((changes.records.len(), changes.next), (1000, size));
    });
}

struct Story {
    case: CaseId,
    stored: Stored,
    version: Stored,
    grant: GrantId,
}

/// One record of each kind that has something personal.
async fn story(desk: &Session) -> Story {
    let case = desk.create_case("c").await.unwrap();
    let stored = desk.store(case, NewDocument::named("x"), b"one".to_vec()).await.unwrap();
    let new = NewDocument::named("x");
    let version = desk.store_version(stored.document, new, "blurred", b"two".to_vec()).await.unwrap();
    let (notary, _file) = identity();
    let recipient = Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string()).unwrap();
    let grant =
        desk.grant(stored.document, &recipient, Terms::read().purpose("protocolización")).await.unwrap();
    desk.revoke_because(grant, "mistaken").await.unwrap();
    desk.close_case(case, "paid").await.unwrap();
    desk.reopen_case(case, "appeal").await.unwrap();
    desk.close_case(case, "lost").await.unwrap();
    Story { case, stored, version, grant }
}

async fn opened(desk: &Session, seq: u64) -> (Kind, Personal) {
    let opened = desk.open_record(seq).await.unwrap();
    assert_eq!(opened.record.seq, seq);
    (opened.record.kind, opened.personal)
}

#[test]
fn a_record_opens_with_what_is_personal_in_it_until_its_case_is_erased() {
    block_on(async {
        let (vault, _kept) = vault().await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let Story { case, stored, version, grant } = story(&desk).await;
        assert_eq!(opened(&desk, 0).await, (Kind::Genesis, Personal::None));
        assert_eq!(opened(&desk, 1).await, (Kind::CaseOpened, Personal::None));
        let first = Personal::Version { reason: String::new(), digest: stored.digest };
        assert_eq!(opened(&desk, stored.seq).await, (Kind::Stored, first));
        let second = Personal::Version { reason: "blurred".into(), digest: version.digest };
        assert_eq!(opened(&desk, version.seq).await, (Kind::Stored, second));
        let granted = version.seq + 1;
        assert_eq!(
            opened(&desk, granted).await,
            (Kind::Granted, Personal::Purpose("protocolización".into()))
        );
        assert_eq!(desk.open_record(granted).await.unwrap().record.operation, grant.operation());
        let reasons =
            [(Kind::Revoked, "mistaken"), (Kind::CaseClosed, "paid"), (Kind::CaseReopened, "appeal")];
        for (seq, (kind, reason)) in (granted + 1..).zip(reasons) {
            assert_eq!(opened(&desk, seq).await, (kind, Personal::Reason(reason.into())));
        }
        assert_eq!(kind(desk.open_record(10_000).await), ErrorKind::NotFound);
        assert_eq!(kind(desk.auditor().disclose(10_000).await), ErrorKind::NotFound);
        assert_eq!(kind(desk.auditor().disclose(0).await), ErrorKind::Invalid);

        let by = desk.erase_case(case).await.unwrap().seq;
        assert_eq!(opened(&desk, version.seq).await, (Kind::Stored, Personal::Erased { by }));
        assert_eq!(opened(&desk, granted).await, (Kind::Granted, Personal::Erased { by }));
        assert_eq!(opened(&desk, 1).await, (Kind::CaseOpened, Personal::None));
        assert_eq!(opened(&desk, by).await, (Kind::CaseErased, Personal::None));
        // The outer layer stays: who did what, and what for.
        let outer = desk.auditor().disclose(version.seq).await.unwrap().open().unwrap();
        assert_eq!((outer.record.actor.as_str(), outer.record.document), ("a", Some(stored.document)));
    });
}

#[test]
fn a_missing_key_is_no_erasure() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let Story { case, stored, .. } = story(&desk).await;
        let evil = Arc::new(EvilStorage::new(&storage));
        let keys = evil.list(&format!("key/{case}/"), None, 10).await.unwrap();
        let open = |storage: Arc<EvilStorage>| async {
            let key = LocalKey::load(folder.path().join("key")).unwrap();
            let vault = Vault::open(storage, key, &vault.pin()).await.unwrap();
            vault.session("b").purpose("q").begin().unwrap()
        };
        evil.substitute(&keys[0], b"altered".to_vec().into());
        assert_eq!(kind(open(evil.clone()).await.open_record(stored.seq).await), ErrorKind::Corrupt);
        evil.delete(&keys[0]).await.unwrap();
        let desk = open(evil).await;
        let error = desk.open_record(stored.seq).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BodyMissing);
        assert!(error.to_string().contains(&format!("record {} ", stored.seq)), "{error}");
        assert_eq!(kind(desk.retrieve(stored.document).await), ErrorKind::Corrupt);
        assert_eq!(opened(&desk, 1).await, (Kind::CaseOpened, Personal::None));
    });
}

/// A commit that lost its race is signed like one that won; storage saw it, and shows it later.
#[test]
fn a_signed_commit_that_lost_its_race_is_not_taken_for_history() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let fork = Arc::new(storage.snapshot());
        let key = || LocalKey::load(folder.path().join("key")).unwrap();
        let loser = Vault::open(fork.clone(), key(), &vault.pin()).await.unwrap();
        loser.session("mallory").purpose("m").begin().unwrap().describe_case(case).await.unwrap();
        desk.describe_case(case).await.unwrap();
        for _ in 0..12 {
            let all = (0..100).map(|_| desk.describe_case(case));
            futures_util::future::try_join_all(all).await.unwrap();
        }
        assert_eq!(opened(&desk, 2).await.0, Kind::Browsed);
        let evil = Arc::new(EvilStorage::new(&storage));
        let lost = fork.list("log/", None, 1).await.unwrap().remove(0);
        let bytes = fork.read(&lost, None).await.unwrap().unwrap();
        assert!(
            evil.read(&lost, None).await.unwrap().is_some_and(|won| won != bytes),
            "one name, two commits"
        );
        evil.substitute(&lost, bytes);
        let fooled = Vault::open(evil, key(), &vault.pin()).await.unwrap();
        let fooled = fooled.session("b").purpose("q").begin().unwrap();
        assert_eq!(kind(fooled.open_record(2).await), ErrorKind::Corrupt);
        assert_eq!(kind(fooled.auditor().disclose(2).await), ErrorKind::Corrupt);
        assert_eq!(kind(fooled.auditor().changes_since(2).await), ErrorKind::Corrupt);
        assert_eq!(kind(fooled.auditor().changes_since(1).await), ErrorKind::Corrupt);
        assert_eq!(opened(&fooled, 1).await.0, Kind::CaseOpened);
    });
}

#[test]
fn every_record_of_a_long_log_opens_by_its_number() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        for i in 0..7u8 {
            desk.store(case, NewDocument::named("x"), vec![i]).await.unwrap();
            let all = (0..80).map(|_| desk.describe_case(case));
            futures_util::future::try_join_all(all).await.unwrap();
            desk.describe_case(case).await.unwrap();
        }
        let everything = all(&desk.auditor()).await;
        assert!(everything.len() > 560);
        let key = LocalKey::load(folder.path().join("key")).unwrap();
        let again = Vault::open(storage, key, &vault.pin()).await.unwrap();
        let again = again.session("b").purpose("q").begin().unwrap();
        for record in everything.iter().step_by(7) {
            assert_eq!(again.open_record(record.seq).await.unwrap().record, *record);
        }
    });
}

#[test]
fn a_disclosure_opens_one_record_for_somebody_with_no_key() {
    block_on(async {
        let (vault, _kept) = vault().await;
        let desk = vault.session("user:1").purpose("review").request("r-7").begin().unwrap();
        let case = desk.create_case("Juan Pérez").await.unwrap();
        let stored = desk.store(case, NewDocument::named("INE.pdf"), b"one".to_vec()).await.unwrap();
        let text = desk.auditor().disclose(stored.seq).await.unwrap().to_text();
        let vault_id = vault.id();
        drop((desk, vault));
        let shown = Disclosure::parse(&text).unwrap().open().unwrap();
        assert_eq!((shown.vault, shown.record.seq, shown.record.kind), (vault_id, stored.seq, Kind::Stored));
        assert_eq!((shown.record.actor.as_str(), shown.record.purpose.as_str()), ("user:1", "review"));
        assert_eq!((shown.record.request.as_deref(), shown.record.time), (Some("r-7"), stored.time));
        assert_eq!(shown.details, 3u64.to_be_bytes());
    });
}

/// What somebody who reads the log is shown while the storage's answer to call `nth` is that there is nothing, and
/// whether it came to that.
async fn shown_but_for(nth: usize) -> (Option<Vec<u64>>, bool) {
    let storage = Arc::new(MemoryStorage::default());
    let (vault, folder) = vault_on(storage.clone()).await;
    let key = LocalKey::load(folder.path().join("key")).unwrap();
    let stale = Arc::new(FaultyStorage::script(storage, nth, Fault::StaleRead));
    let Ok(reader) = Vault::open(stale.clone(), key, &vault.pin()).await else { return (None, true) };
    let auditor = reader.session("auditor").purpose("review").auditor().unwrap();
    let desk = vault.session("user:2").purpose("work").begin().unwrap();
    for _ in 0..5 {
        desk.create_case("opened meanwhile").await.unwrap();
    }
    let found = auditor.records(&RecordFilter::all()).await;
    (found.ok().map(|found| found.iter().map(|record| record.seq).collect()), stale.calls() > nth)
}

/// Another process has put five records between the auditor's opening and its reading.
#[test]
fn everything_before_its_own_record_is_shown_whatever_one_read_leaves_out() {
    block_on(async {
        let (mut nth, mut shown) = (0, 0);
        loop {
            let (found, fired) = shown_but_for(nth).await;
            if let Some(found) = found {
                assert_eq!(found, [0, 1, 2, 3, 4, 5], "read {nth}");
                shown += 1;
            }
            if !fired {
                break;
            }
            nth += 1;
        }
        assert!(nth > 10 && shown > 1, "{nth} {shown}");
    });
}

/// How many items the newest record says were released.
async fn told(desk: &Session) -> usize {
    let newest = desk.vault().pin().size() - 1;
    let auditor = desk.vault().session("auditor").purpose("review").auditor().unwrap();
    let details = auditor.disclose(newest).await.unwrap().open().unwrap().details;
    usize::try_from(u32::from_be_bytes(*details.last_chunk().unwrap())).unwrap()
}

/// A process that has not heard of what others committed gives all of it, and says on record how much.
#[test]
fn as_many_names_are_on_record_as_are_given() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let begin = |vault: &Vault| vault.session("a").purpose("p").begin().unwrap();
        let desk = begin(&vault);
        let case = desk.create_case("c").await.unwrap();
        let new = || NewDocument::named("x");
        let document = desk.store(case, new(), b"1".to_vec()).await.unwrap().document;
        for round in 0..2 {
            let key = LocalKey::load(folder.path().join("key")).unwrap();
            let late = begin(&Vault::open(storage.clone(), key, &vault.pin()).await.unwrap());
            desk.create_case("another").await.unwrap();
            assert_eq!(
                (late.cases(None).await.unwrap().cases.len(), told(&late).await),
                (2 + round, 2 + round)
            );
            vault.sync().await.unwrap();
            desk.store(case, new(), b"2".to_vec()).await.unwrap();
            let documents = late.documents(case, None).await.unwrap().documents.len();
            assert_eq!((documents, told(&late).await), (2 + round, 2 + round));
            desk.store_version(document, new(), "better", b"3".to_vec()).await.unwrap();
            let versions = late.history(document).await.unwrap().len();
            assert_eq!((versions, told(&late).await), (2 + round, 2 + round));
            desk.make_statement(case, NewStatement::on("said")).await.unwrap();
            let said = late.statements(case, None).await.unwrap().statements.len();
            assert_eq!((said, told(&late).await), (1 + round, 1 + round));
            for _ in 0..300 * (1 - round) {
                desk.describe_case(case).await.unwrap();
            }
        }
    });
}
