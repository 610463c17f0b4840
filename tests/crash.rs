//! A crash, or a fault, at every storage call of a script of operations: what was acknowledged is
//! there, what was not is whole or absent, and the vault goes on.
#![cfg(feature = "testing")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod common;
#[path = "crash/erasure.rs"]
mod erasure;
#[path = "crash/outcomes.rs"]
mod outcomes;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use common::{block_on, identity};
use docvault::{
    CaseId, DocumentId, ErasureLevel, Error, ErrorKind, GrantId, NewDocument, NewStatement, NoSleep,
    OperationId, Outcome, Pin, Recipient, Session, Terms, Vault, VaultOptions,
    keys::{KeyWrap, LocalKey},
    storage::{
        MemoryStorage, ObjectKey, Storage,
        testing::{CrashStorage, Fault, FaultyStorage, InFlight},
    },
};
use tempfile::TempDir;

/// A vault with some history, and the keys to it.
struct Template {
    objects: MemoryStorage,
    pin: Pin,
    case: CaseId,
    document: DocumentId,
    folder: TempDir,
    recipient: Recipient,
}

impl Template {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let storage = Arc::new(MemoryStorage::default());
        let key = LocalKey::create(folder.path().join("old")).unwrap();
        LocalKey::create(folder.path().join("new")).unwrap();
        let vault = Vault::create_with(storage.clone(), Arc::new(key), options()).await.unwrap();
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("first").await.unwrap();
        let document =
            desk.store(case, NewDocument::named("first"), b"first".to_vec()).await.unwrap().document;
        // The script begins shortly before a fold, so that the fold is interrupted too.
        while vault.pin().size() < 250 {
            desk.describe(document).await.unwrap();
        }
        let (notary, _file) = identity();
        let recipient =
            Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string()).unwrap();
        Self { objects: storage.snapshot(), pin: vault.pin(), case, document, folder, recipient }
    }

    fn key(&self, name: &str) -> Arc<dyn KeyWrap> {
        Arc::new(LocalKey::load(self.folder.path().join(name)).unwrap())
    }

    async fn open(&self, storage: Arc<dyn Storage>, key: &str, pin: &Pin) -> Result<Vault, Error> {
        Vault::open_with(storage, self.key(key), pin, options()).await
    }
}

fn options() -> VaultOptions {
    // Uploads expire at once, so that a collection within the script finds something to delete.
    VaultOptions::default().sleeper(NoSleep::default()).upload_expiry(core::time::Duration::ZERO)
}

/// What the vault has acknowledged.
#[derive(Default)]
struct Acknowledged {
    pin: Option<Pin>,
    contents: BTreeMap<DocumentId, Vec<u8>>,
    cases: Vec<(CaseId, bool)>,
    granted: Vec<GrantId>,
    revoked: Vec<GrantId>,
    erased: Vec<CaseId>,
    stated: Vec<(CaseId, OperationId)>,
    new_root: bool,
}

/// Runs the script until an operation fails; notes after each what was acknowledged.
async fn script(vault: &Vault, template: &Template, done: &mut Acknowledged) -> Result<(), Error> {
    let desk = vault.session("a").purpose("p").begin()?;
    let case = desk.create_case("second").await?;
    done.cases.push((case, false));
    done.pin = Some(vault.pin());
    let small = desk.store(case, NewDocument::named("small"), b"small".to_vec()).await?.document;
    done.contents.insert(small, b"small".to_vec());
    // Two pages, so two parts.
    let large = vec![7; 20_005];
    let mut upload = desk.upload(template.case, NewDocument::named("large")).await?;
    upload.write(&large[..10_000]).await?;
    upload.next_page().await?;
    upload.write(&large[10_000..]).await?;
    let stored = upload.finish().await?.document;
    done.contents.insert(stored, large);
    done.pin = Some(vault.pin());
    let mut upload = desk.upload(case, NewDocument::named("stated")).await?;
    upload.write(b"stated").await?;
    let sealed = upload.seal().await?;
    let first = NewStatement::on("test.first").payload("first").content(sealed.digest()).follows(None);
    let (stored, made) = sealed.publish_stating(first).await?;
    done.contents.insert(stored.document, b"stated".to_vec());
    done.stated.push((case, made.id));
    let made = desk.make_statement(case, NewStatement::on("test.second").follows(Some(made.id))).await?;
    done.stated.push((case, made.id));
    desk.store_version(small, NewDocument::named("small"), "better", b"smaller".to_vec()).await?;
    done.contents.insert(small, b"smaller".to_vec());
    let grant = desk.grant(small, &template.recipient, Terms::read().purpose("p")).await?;
    done.granted.push(grant);
    desk.deliver(grant).await?.collect().await?;
    desk.revoke(grant).await?;
    done.revoked.push(grant);
    done.pin = Some(vault.pin());
    done.cases.clear();
    desk.close_case(case, "done").await?;
    desk.reopen_case(case, "not yet").await?;
    done.cases.push((case, false));
    give_up(&desk, template).await?;
    desk.collect_garbage().await?;
    let third = desk.create_case("third").await?;
    desk.store(third, NewDocument::named("x"), b"third".to_vec()).await?;
    desk.close_case(third, "done").await?;
    desk.erase_case(third).await?;
    done.erased.push(third);
    done.pin = Some(vault.pin());
    desk.rotate_epoch().await?;
    let slot = vault.slots().await?.first().map(|slot| slot.id).expect("a slot");
    desk.rotate_root(slot, &*template.key("new")).await?;
    done.new_root = true;
    done.pin = Some(vault.pin());
    Ok(())
}

/// Uploads that come to nothing: one given up, one with two pages left lying there, for the collection.
async fn give_up(desk: &Session, template: &Template) -> Result<(), Error> {
    for abort in [true, false] {
        let mut upload = desk.upload(template.case, NewDocument::named("nothing")).await?;
        upload.write(b"a page").await?;
        upload.next_page().await?;
        if abort {
            upload.abort().await?;
        }
    }
    Ok(())
}

async fn reopen(template: &Template, storage: Arc<dyn Storage>, done: &Acknowledged) -> Vault {
    let pin = done.pin.as_ref().unwrap_or(&template.pin);
    match template.open(storage.clone(), "new", pin).await {
        Ok(vault) => vault,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
            assert!(!done.new_root, "an acknowledged rotation stands");
            template.open(storage, "old", pin).await.unwrap()
        }
    }
}

async fn objects_of(storage: &dyn Storage, case: CaseId) -> Vec<ObjectKey> {
    let mut found = Vec::new();
    for prefix in ["key", "head", "part"] {
        found.extend(storage.list(&format!("{prefix}/{case}/"), None, 1000).await.unwrap());
    }
    found
}

/// Everything acknowledged is there, everything visible is whole, and the vault goes on.
async fn check(template: &Template, storage: Arc<dyn Storage>, done: &Acknowledged) {
    let vault = reopen(template, storage.clone(), done).await;
    vault.audit().verify_from_genesis().await.unwrap();
    let desk = vault.session("b").purpose("q").begin().unwrap();
    for (document, content) in &done.contents {
        let found = desk.retrieve(*document).await.unwrap();
        let newer = content == b"small" && found == b"smaller".as_slice();
        assert!(found == *content || newer, "an acknowledged document has its content");
    }
    for (case, closed) in &done.cases {
        assert_eq!(desk.describe_case(*case).await.unwrap().closed, *closed);
    }
    for (case, statement) in &done.stated {
        let found = desk.statements(*case, None).await.unwrap().statements;
        assert!(found.iter().any(|found| found.made.id == *statement), "an acknowledged statement stands");
    }
    for grant in &done.granted {
        let outcome = desk.outcome(grant.operation()).await.unwrap();
        assert!(matches!(outcome, Outcome::Committed { .. }));
    }
    for grant in &done.revoked {
        assert_eq!(desk.deliver(*grant).await.unwrap_err().kind(), ErrorKind::Denied);
    }
    for case in &done.erased {
        assert_eq!(desk.describe_case(*case).await.unwrap_err().kind(), ErrorKind::Erased);
    }
    everything_is_whole(&desk).await;
    let more = desk.store(template.case, NewDocument::named("more"), b"more".to_vec()).await.unwrap();
    assert_eq!(desk.retrieve(more.document).await.unwrap(), b"more".as_slice());
    assert_eq!(desk.retrieve(template.document).await.unwrap(), b"first".as_slice());
    desk.collect_garbage().await.unwrap();
    everything_is_whole(&desk).await;
    for case in &done.erased {
        // A create that landed after the deletion was still there until now.
        assert!(objects_of(&*storage, *case).await.is_empty());
    }
}

/// The script's first statement stands with the version it is about, or neither does.
async fn stated_with_its_version(desk: &Session, case: CaseId) {
    let statements = desk.statements(case, None).await.unwrap().statements;
    let stated = statements.iter().filter_map(|statement| statement.content).collect::<Vec<_>>();
    let documents = desk.documents(case, None).await.unwrap().documents;
    let stored = documents.iter().filter(|found| found.name == "stated").map(|found| found.digest);
    assert_eq!(stated, stored.collect::<Vec<_>>());
}

/// What the script does comes once of each kind, so that whatever is there twice was doubled.
async fn everything_is_whole(desk: &Session) {
    let mut names = Vec::new();
    for case in desk.cases(None).await.unwrap().cases {
        names.push(format!("case {}", if case.erased { case.id.to_string() } else { case.title }));
        if case.erased {
            // Interrupted or not, it is erased for everyone.
            assert_eq!(desk.documents(case.id, None).await.unwrap_err().kind(), ErrorKind::Erased);
            continue;
        }
        stated_with_its_version(desk, case.id).await;
        let statements = desk.statements(case.id, None).await.unwrap().statements;
        names.extend(statements.iter().map(|statement| format!("statement {}", statement.topic)));
        for document in desk.documents(case.id, None).await.unwrap().documents {
            assert_eq!(desk.retrieve(document.document).await.unwrap().len() as u64, document.len);
            let history = desk.history(document.document).await.unwrap();
            let versions = history.iter().map(|version| (&version.described.name, version.described.len));
            names.extend(versions.map(|(name, len)| format!("document {name}, {len} bytes")));
            let grants = desk.who_can_open(document.document).await.unwrap().grants;
            names.extend(grants.iter().map(|_| format!("grant on {}", document.name)));
        }
    }
    assert!(!names.iter().any(|name| name.starts_with("document nothing")), "given up, and there: {names:?}");
    assert!(names.iter().collect::<BTreeSet<_>>().len() == names.len(), "doubled: {names:?}");
}

#[test]
fn a_crash_at_any_storage_call_loses_nothing_acknowledged() {
    block_on(async {
        let template = Template::new().await;
        let mut crashes = 0;
        for nth in 0.. {
            let storage = Arc::new(CrashStorage::new(&template.objects, nth));
            let mut done = Acknowledged::default();
            let run = match template.open(storage.clone(), "old", &template.pin).await {
                Ok(vault) => script(&vault, &template, &mut done).await,
                Err(error) => Err(error),
            };
            if !storage.crashed() {
                run.unwrap();
                break;
            }
            crashes += 1;
            for in_flight in InFlight::BOTH {
                check(&template, Arc::new(storage.recover(in_flight).await.unwrap()), &done).await;
            }
        }
        println!("{crashes} storage calls crashed at, each with the call landed and not");
        assert!(crashes > 50);
    });
}

#[test]
fn a_fault_at_any_storage_call_loses_and_doubles_nothing() {
    block_on(async {
        let template = Template::new().await;
        let mut rounds = 0;
        for fault in Fault::ALLOWED {
            for nth in 0.. {
                let objects = Arc::new(template.objects.snapshot());
                let storage = Arc::new(FaultyStorage::script(objects.clone(), nth, fault));
                let mut done = Acknowledged::default();
                let run = match template.open(storage.clone(), "old", &template.pin).await {
                    Ok(vault) => script(&vault, &template, &mut done).await,
                    Err(error) => Err(error),
                };
                if nth >= storage.calls() {
                    run.unwrap();
                    break;
                }
                rounds += 1;
                storage.land().await.unwrap();
                check(&template, objects, &done).await;
            }
        }
        println!("{rounds} faults");
        assert!(rounds > 200);
    });
}
