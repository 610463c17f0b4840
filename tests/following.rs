//! What is delivered, and what is told of it, by a storage that withholds answers.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;
#[path = "common/interrupted.rs"]
mod interrupted;

use std::{collections::BTreeSet, sync::Arc};

use common::{block_on, identity};
use docvault::{
    CaseId, DocumentId, GrantId, Identity, NewDocument, NoSleep, Pin, Recipient, Scope, Session, Terms,
    Vault, VaultOptions,
    keys::LocalKey,
    storage::{
        MemoryStorage, Storage,
        testing::{Fault, FaultyStorage},
    },
};
use futures_util::future::try_join_all;
use interrupted::Interrupted;

fn options() -> VaultOptions {
    VaultOptions::default().sleeper(NoSleep::default())
}

fn desk(vault: &Vault) -> Session {
    vault.session("a").purpose("p").begin().unwrap()
}

/// Another process on the same storage, which meets a read that finds nothing at the call of this number; counted are
/// those after it has read and written once.
async fn other(
    objects: &Arc<MemoryStorage>,
    key: &Arc<LocalKey>,
    (pin, document): (&Pin, DocumentId),
    nth: usize,
) -> Vault {
    let counted = Arc::new(FaultyStorage::scripted(objects.clone(), []));
    let vault = Vault::open_with(counted.clone(), key.clone(), pin, options()).await.unwrap();
    desk(&vault).describe(document).await.unwrap();
    let storage = FaultyStorage::script(objects.clone(), counted.calls() + nth, Fault::StaleRead);
    let vault = Vault::open_with(Arc::new(storage), key.clone(), pin, options()).await.unwrap();
    desk(&vault).describe(document).await.unwrap();
    vault
}

/// What is delivered by `other` under this grant, if it is: the contents of its documents.
async fn delivered(other: &Vault, grant: GrantId, to: &Identity) -> Option<BTreeSet<Vec<u8>>> {
    let sealed = desk(other).deliver(grant).await.ok()?.collect().await.ok()?;
    let (mut opened, mut found) = (to.open(&*sealed, &other.sender()).unwrap(), BTreeSet::new());
    while let Some(document) = opened.next_document().unwrap() {
        found.insert(document.content().unwrap());
    }
    Some(found)
}

/// An office's key, a notary, and what is kept on disk of them.
fn keys() -> (Arc<LocalKey>, Identity, Recipient, [tempfile::TempDir; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
    let (notary, file) = identity();
    let to = Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string()).unwrap();
    (key, notary, to, [folder, file])
}

async fn stored(desk: &Session) -> DocumentId {
    let case = desk.create_case("c").await.unwrap();
    desk.store(case, NewDocument::named("d"), b"old".to_vec()).await.unwrap().document
}

/// What a grant is on, by the document that is delivered.
type ScopeOf = fn(DocumentId) -> Scope;

/// What changes before the delivery is asked for, in another process.
#[derive(Debug, Clone, Copy)]
enum Change {
    AnotherVersion,
    AnotherDocument,
}

/// Which of the other process's reads, by their number, may find nothing and what had been replaced is delivered.
async fn stale(scope_of: ScopeOf, change: Change, wanted: &[&[u8]]) -> Vec<usize> {
    let (key, notary, to, _folders) = keys();
    let wanted = wanted.iter().map(|content| content.to_vec()).collect();
    let (mut stale, mut made) = (Vec::new(), 0);
    for nth in 0..20 {
        let objects = Arc::new(MemoryStorage::default());
        let vault = Vault::create_with(objects.clone(), key.clone(), options()).await.unwrap();
        let desk = desk(&vault);
        let document = stored(&desk).await;
        let terms = Terms::read().purpose("p").following();
        let grant = desk.grant(scope_of(document), &to, terms).await.unwrap();
        let other = other(&objects, &key, (&vault.pin(), document), nth).await;
        let new = NewDocument::named("d");
        match change {
            Change::AnotherVersion => desk.store_version(document, new, "r", b"new".to_vec()).await.unwrap(),
            Change::AnotherDocument => desk.store(document.case(), new, b"new".to_vec()).await.unwrap(),
        };
        let Some(found) = delivered(&other, grant, &notary).await else { continue };
        made += 1;
        if found != wanted {
            stale.push(nth);
        }
    }
    assert!(made > 15, "{made} deliveries were made");
    stale
}

/// The content is chosen by a log that was read before, and the record of the delivery follows a newer one, in which
/// another version, or document, had been stored before anything was asked.
#[test]
fn a_following_delivery_is_of_the_log_that_its_record_follows() {
    let on_case: ScopeOf = |document| document.case().into();
    let cases: [(ScopeOf, Change, &[&[u8]]); 3] = [
        (Scope::from, Change::AnotherVersion, &[b"new"]),
        (on_case, Change::AnotherVersion, &[b"new"]),
        (on_case, Change::AnotherDocument, &[b"new", b"old"]),
    ];
    for (scope_of, change, wanted) in cases {
        let stale = block_on(stale(scope_of, change, wanted));
        assert!(stale.is_empty(), "{change:?}: what had been was delivered, without the answers {stale:?}");
    }
}

/// Records, so many that a fold is among them.
async fn fold(desk: &Session, case: CaseId) {
    for _ in 0..2 {
        try_join_all((0..200).map(|_| desk.describe_case(case))).await.unwrap();
    }
}

/// A vault with an index, in which one document has one version.
struct Indexed {
    objects: Arc<MemoryStorage>,
    key: Arc<LocalKey>,
    vault: Vault,
    document: DocumentId,
    notary: Identity,
    to: Recipient,
    _folders: [tempfile::TempDir; 2],
}

impl Indexed {
    async fn new() -> Self {
        let (key, notary, to, folders) = keys();
        let objects = Arc::new(MemoryStorage::default());
        let vault = Vault::create_with(objects.clone(), key.clone(), options()).await.unwrap();
        let document = stored(&desk(&vault)).await;
        fold(&desk(&vault), document.case()).await;
        Self { objects, key, vault, document, notary, to, _folders: folders }
    }

    /// A process that opens by this pin.
    async fn open(&self, storage: Arc<dyn Storage>, pin: &Pin) -> Vault {
        Vault::open_with(storage, self.key.clone(), pin, options()).await.unwrap()
    }
}

/// Makes of the older objects what the newer ones are.
async fn catch_up(older: &MemoryStorage, newer: &MemoryStorage) {
    for name in newer.list("", None, 100_000).await.unwrap() {
        older.create(&name, newer.read(&name, None).await.unwrap().unwrap()).await.unwrap();
    }
}

/// The grant was made on the newer version, and the process that delivers had seen the older one: it is told at first that
/// there is no more, and then that a page of the index is not there.
#[test]
fn a_snapshot_is_of_the_versions_that_stood_when_its_grant_was_made() {
    block_on(async {
        let world = Indexed::new().await;
        let (desk1, pin) = (desk(&world.vault), world.vault.pin());
        let before = world.objects.snapshot();
        let new = NewDocument::named("d");
        desk1.store_version(world.document, new, "r", b"new".to_vec()).await.unwrap();
        let grant = desk1.grant(world.document, &world.to, Terms::read().purpose("p")).await.unwrap();
        fold(&desk1, world.document.case()).await;
        let (mut made, mut found_late) = (0, 0);
        for (first, second) in (0..12).flat_map(|first| (first + 1..24).map(move |second| (first, second))) {
            let objects = Arc::new(before.snapshot());
            let counted = Arc::new(FaultyStorage::scripted(objects.clone(), []));
            world.open(counted.clone(), &pin).await;
            let calls = counted.calls();
            let objects = Arc::new(before.snapshot());
            let faults = [first, second].map(|nth| (calls + nth, Fault::StaleRead));
            let faulty = Arc::new(FaultyStorage::scripted(objects.clone(), faults));
            let other = world.open(faulty.clone(), &pin).await;
            catch_up(&objects, &world.objects).await;
            let Some(found) = delivered(&other, grant, &world.notary).await else { continue };
            made += 1;
            // Of these the first was the look for what others have committed.
            found_late += usize::from(first == 0 && faulty.fired() == 2);
            assert_eq!(found, [b"new".to_vec()].into(), "without the answers {first} and {second}");
        }
        assert!(made > 20 && found_late > 0, "{made} deliveries were made, {found_late} without two answers");
    });
}

/// While an answer is held back, and then said not to be there, another process delivers, and revokes.
#[test]
fn nobody_is_left_out_of_who_can_open_while_that_is_asked() {
    block_on(async {
        let world = Indexed::new().await;
        let (desk1, case) = (desk(&world.vault), world.document.case());
        let grant = desk1.grant(world.document, &world.to, Terms::read().purpose("p")).await.unwrap();
        // So many that rows about the document and about its grants are on pages of their own.
        for _ in 0..4 {
            let stores = (0..100).map(|_| desk1.store(case, NewDocument::named("d"), b"other".to_vec()));
            try_join_all(stores).await.unwrap();
        }
        fold(&desk1, case).await;
        let (before, pin) = (world.objects.snapshot(), world.vault.pin());
        let (mut told, mut superseded, mut reports) = (0, 0, 0);
        for (nth, asks_who) in (0..24).flat_map(|nth| [(nth, true), (nth, false)]) {
            let objects = Arc::new(before.snapshot());
            let counted = Arc::new(FaultyStorage::scripted(objects.clone(), []));
            // The first record of a process proves the storage.
            desk(&world.open(counted.clone(), &pin).await).describe_case(case).await.unwrap();
            let objects = Arc::new(before.snapshot());
            let faulty = FaultyStorage::script(objects.clone(), counted.calls() + nth, Fault::StaleRead);
            let interrupted = Arc::new(Interrupted::new(Arc::new(faulty)));
            let asking = world.open(interrupted.clone(), &pin).await;
            desk(&asking).describe_case(case).await.unwrap();
            let meanwhile = desk(&world.open(objects, &pin).await);
            interrupted.interrupt_at(nth, move || {
                block_on(async {
                    meanwhile.deliver(grant).await.unwrap().collect().await.unwrap();
                    meanwhile.revoke(grant).await.unwrap();
                    fold(&meanwhile, case).await;
                });
            });
            if asks_who {
                let Ok(who) = desk(&asking).who_can_open(world.document).await else { continue };
                told += 1;
                let found = who.grants.iter().find(|opener| opener.grant == grant);
                let found = found.unwrap_or_else(|| panic!("call {nth}: left out"));
                superseded += usize::from(found.revoked.is_some());
            } else if let Ok(report) = desk(&asking).revocation(grant).await {
                reports += 1;
                assert_eq!((report.delivered.len(), report.exposed.len()), (1, 1), "call {nth}");
            }
        }
        assert!(told > 10 && superseded > 0, "{told} answers, {superseded} of them after the revocation");
        assert!(reports > 0, "no revocation was reported");
    });
}
