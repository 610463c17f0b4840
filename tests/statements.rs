//! Statements about a case: in order, whole, sealed, provable.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::sync::Arc;

use common::block_on;
use docvault::{
    CaseId, ErrorKind, Kind, NewDocument, NewStatement, OperationId, Personal, Receipt, RecordFilter,
    Session, TrustPolicy, Vault,
    keys::LocalKey,
    storage::{MemoryStorage, Storage},
};
use tempfile::TempDir;

async fn desk() -> (Session, CaseId, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let key = LocalKey::create(folder.path().join("vault.key")).unwrap();
    let vault = Vault::create(MemoryStorage::default(), key).await.unwrap();
    let desk = vault.session("user:1").purpose("review").begin().unwrap();
    let case = desk.create_case("a case").await.unwrap();
    (desk, case, folder)
}

async fn refused(desk: &Session, case: CaseId, statement: NewStatement) -> ErrorKind {
    let before = desk.vault().pin().size();
    let kind = desk.make_statement(case, statement).await.unwrap_err().kind();
    assert_eq!(desk.vault().pin().size(), before, "nothing was put on record");
    kind
}

#[test]
fn what_is_largest_fits_and_a_byte_more_does_not() {
    block_on(async {
        let (_, _, folder) = desk().await;
        let key = LocalKey::create(folder.path().join("other.key")).unwrap();
        let vault = Vault::create(MemoryStorage::default(), key).await.unwrap();
        let talkative = vault.session("a".repeat(256)).purpose("p".repeat(1024)).request("r".repeat(256));
        let desk = talkative.begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let (payload, claim, topic) = (vec![7; 48 << 10], vec![8; 4 << 10], "t".repeat(64));
        let largest = || NewStatement::on(topic.clone()).payload(payload.clone()).claim(claim.clone());
        desk.make_statement(case, largest()).await.unwrap();
        let found = desk.newest_statement(case).await.unwrap().unwrap();
        assert_eq!((found.payload.as_slice(), &found.claim, &found.topic), (&payload[..], &claim, &topic));
        let longer = |bytes: &[u8]| [bytes, &[0]].concat();
        for wrong in [
            largest().payload(longer(&payload)),
            largest().claim(longer(&claim)),
            NewStatement::on(format!("{topic}t")),
            NewStatement::on(""),
            NewStatement::on("Juan Pérez"),
        ] {
            assert_eq!(refused(&desk, case, wrong).await, ErrorKind::Invalid);
        }
    });
}

#[test]
fn a_statement_stands_only_on_the_state_it_was_decided_on() {
    block_on(async {
        let (desk, case, _folder) = desk().await;
        let unknown = OperationId::from_bytes([9; 16]);
        assert_eq!(
            refused(&desk, case, NewStatement::on("a").follows(Some(unknown))).await,
            ErrorKind::Superseded
        );
        let first = desk.make_statement(case, NewStatement::on("a").follows(None)).await.unwrap();
        assert_eq!(refused(&desk, case, NewStatement::on("b").follows(None)).await, ErrorKind::Superseded);
        // Two at once on the same state: one of them.
        let both = futures_util::future::join(
            desk.make_statement(case, NewStatement::on("b").follows(Some(first.id))),
            desk.make_statement(case, NewStatement::on("c").follows(Some(first.id))),
        );
        let (one, other) = both.await;
        assert!(one.is_ok() != other.is_ok());
        assert_eq!(one.err().or(other.err()).unwrap().kind(), ErrorKind::Superseded);
        desk.close_case(case, "done").await.unwrap();
        assert_eq!(refused(&desk, case, NewStatement::on("d")).await, ErrorKind::Denied);
        let nowhere = CaseId::from_bytes([1; 16]);
        assert_eq!(refused(&desk, nowhere, NewStatement::on("d")).await, ErrorKind::NotFound);
        let newest = desk.newest_statement(case).await.unwrap().unwrap();
        assert_eq!(newest.previous, Some(first.id), "a closed case still tells");
    });
}

#[test]
fn histories_and_listings_page_and_miss_nothing() {
    block_on(async {
        let (desk, case, _folder) = desk().await;
        let other = desk.create_case("other").await.unwrap();
        let silent = desk.create_case("silent").await.unwrap();
        desk.make_statement(other, NewStatement::on("other").payload("x")).await.unwrap();
        let mut made = Vec::new();
        // Enough for folds, so that rows come from tables and from the tail, and for two pages.
        for number in 0..1005u32 {
            let new = NewStatement::on("n").payload(number.to_be_bytes());
            made.push(desk.make_statement(case, new).await.unwrap().id);
        }
        made.reverse();
        let first = desk.statements(case, None).await.unwrap();
        let second = desk.statements(case, first.next).await.unwrap();
        assert_eq!((first.statements.len(), second.statements.len(), second.next), (1000, 5, None));
        let found: Vec<_> = first.statements.iter().chain(&second.statements).collect();
        assert_eq!(found.iter().map(|found| found.made.id).collect::<Vec<_>>(), made);
        assert_eq!(found[0].payload.as_slice(), 1004u32.to_be_bytes());
        assert!(found.windows(2).all(|pair| pair[0].previous == Some(pair[1].made.id)));
        assert!(desk.newest_statement(silent).await.unwrap().is_none());
        let listed = desk.newest_statements(None).await.unwrap();
        let mut newest: Vec<_> = listed.statements.iter().map(|found| (found.case, found.made.seq)).collect();
        newest.sort_by_key(|(_, seq)| *seq);
        assert_eq!(newest.iter().map(|(case, _)| *case).collect::<Vec<_>>(), [other, case]);
        desk.close_case(other, "done").await.unwrap();
        desk.erase_case(other).await.unwrap();
        let listed = desk.newest_statements(None).await.unwrap().statements;
        assert_eq!(listed.iter().map(|found| found.case).collect::<Vec<_>>(), [case]);
        assert_eq!(desk.statements(other, None).await.unwrap_err().kind(), ErrorKind::Erased);
    });
}

#[test]
fn a_version_and_its_statement_stand_together_or_not_at_all() {
    block_on(async {
        let (desk, case, _folder) = desk().await;
        let first = desk.make_statement(case, NewStatement::on("first")).await.unwrap();
        let mut upload = desk.upload(case, NewDocument::named("INE")).await.unwrap();
        upload.write(b"front").await.unwrap();
        upload.next_page().await.unwrap();
        upload.write(b"back").await.unwrap();
        let sealed = upload.seal().await.unwrap();
        assert_eq!(sealed.pages().iter().map(|page| page.len).collect::<Vec<_>>(), [5, 4]);
        let late = sealed.publish_stating(NewStatement::on("second").follows(None)).await.unwrap_err();
        assert_eq!(late.kind(), ErrorKind::Superseded);
        assert_eq!(desk.describe(sealed.document()).await.unwrap_err().kind(), ErrorKind::NotFound);
        let new = NewStatement::on("second").content(sealed.digest()).follows(Some(first.id));
        let (stored, made) = sealed.publish_stating(new).await.unwrap();
        assert_eq!((stored.version, stored.seq + 1, stored.time), (sealed.version(), made.seq, made.time));
        assert_eq!(desk.retrieve(stored.document).await.unwrap(), b"frontback".as_slice());
        let newest = desk.newest_statement(case).await.unwrap().unwrap();
        assert_eq!((newest.made, newest.content), (made, Some(stored.digest)));
        assert!(sealed.publish().await.is_err(), "it is stored already");
    });
}

#[test]
fn outsiders_are_shown_the_claim_and_auditors_the_topic() {
    block_on(async {
        let (desk, case, _folder) = desk().await;
        let stored = desk.store(case, NewDocument::named("INE"), b"INE".to_vec()).await.unwrap();
        let new =
            NewStatement::on("deposit.accepted").payload("Juan").claim("a claim").content(stored.digest);
        let made = desk.make_statement(case, new).await.unwrap();
        let note = desk.vault().audit().checkpoint().await.unwrap();
        let receipt = desk.receipt(made.seq, &note).await.unwrap().to_string();
        let key = desk.vault().audit().log().await.unwrap().verifier_keys().await.unwrap().remove(0);
        let policy = TrustPolicy::parse(&format!("log {key}\nquorum none\n")).unwrap();
        let proven = Receipt::parse(&receipt).unwrap().verify(&policy).unwrap();
        let claimed: [u8; 32] =
            sha2::Digest::finalize(sha2::Digest::chain_update(sha2::Sha256::default(), "a claim")).into();
        assert_eq!(
            (proven.kind, proven.claim, proven.content),
            (Kind::Stated, Some(claimed), Some(stored.digest))
        );
        assert!(
            proven
                .to_json()
                .contains(&format!("\"claim\":\"{}", claimed.map(|byte| format!("{byte:02x}")).concat()))
        );

        let auditor = desk.auditor();
        let records = auditor.records(&RecordFilter::all()).await.unwrap();
        let record = records.iter().find(|record| record.seq == made.seq).unwrap();
        assert_eq!((record.kind, record.topic.as_deref()), (Kind::Stated, Some("deposit.accepted")));
        let opened = desk.open_record(made.seq).await.unwrap();
        assert_eq!(
            opened.personal,
            Personal::Statement { payload: b"Juan".to_vec(), claim: b"a claim".to_vec() }
        );
    });
}

/// Of the newest statements those of erased cases are left out. One whose record is gone is not: it may be the one that
/// somebody would rather not have made.
#[test]
fn a_statement_that_is_gone_is_not_left_out() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, _folder) = common::vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        desk.make_statement(case, NewStatement::on("verdict").claim("approved")).await.unwrap();
        let record = storage.list("log/", None, 1).await.unwrap().remove(0);
        assert_eq!(desk.newest_statements(None).await.unwrap().statements.len(), 1);
        storage.delete(&record).await.unwrap();
        assert_eq!(desk.newest_statements(None).await.map(drop).unwrap_err().kind(), ErrorKind::Corrupt);
    });
}
