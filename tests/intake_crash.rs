//! A crash at every storage call of a case's life, and two reviewers at once: what a desk acknowledged stands,
//! everything stated follows from what was stated before it, and the case goes on.
#![cfg(all(feature = "intake", feature = "testing"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use std::sync::Arc;

use common::block_on;
use docvault::{
    CaseId, NoSleep, Pin, Vault, VaultOptions,
    intake::*,
    keys::LocalKey,
    storage::{
        MemoryStorage, Storage,
        testing::{CrashStorage, Fault, FaultyStorage, InFlight},
    },
};
use tempfile::TempDir;

const TEMPLATE: &str = r#"
    format = 1
    name = "two"
    version = 1
    language = "en"
    title = { en = "Two papers" }

    [[requirements]]
    key = "proof"
    title = { en = "Proof of address" }
    files = { media_types = ["application/pdf"], max_bytes = 1_000_000 }

    [[requirements]]
    key = "name"
    title = { en = "Name" }
    fields = [{ key = "name", type = "text", title = { en = "Name" }, required = true }]
"#;

/// A vault with a case file, and its key.
struct Begun {
    objects: MemoryStorage,
    folder: TempDir,
    pin: Pin,
    case: CaseId,
}

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

impl Begun {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let storage = Arc::new(MemoryStorage::default());
        let local = LocalKey::create(folder.path().join("key")).unwrap();
        let vault = Vault::create_with(storage.clone(), Arc::new(local), options()).await.unwrap();
        let opening = Opening::new("client:1");
        let template = Template::from_toml(TEMPLATE).unwrap();
        let case = desk(&vault, "user:1").open_case("A", &template, opening).await.unwrap();
        Self { objects: storage.snapshot(), folder, pin: vault.pin(), case }
    }

    async fn open(&self, storage: Arc<dyn Storage>) -> Result<Vault, docvault::Error> {
        let local = LocalKey::load(self.folder.path().join("key")).unwrap();
        Vault::open_with(storage, Arc::new(local), &self.pin, options()).await
    }
}

fn options() -> VaultOptions {
    VaultOptions::default().sleeper(NoSleep::default())
}

fn desk(vault: &Vault, actor: &str) -> Desk {
    Desk::new(vault.session(actor).purpose("p").begin().unwrap()).role(key("reviewer"))
}

fn pdf(number: u8) -> NewSubmission {
    NewSubmission::direct().file(NewFile::from_memory(
        "a.pdf",
        "application/pdf",
        vec![b'%', b'P', b'D', b'F', b'-', number],
    ))
}

/// The life of a case; after each step the state that was acknowledged.
async fn life(vault: &Vault, case: CaseId, acknowledged: &mut Vec<CaseState>) -> Result<(), IntakeError> {
    let desk = desk(vault, "user:1");
    let mut acknowledge = |file: &CaseFile| acknowledged.push(file.state().clone());
    let first = desk.submit(case, &key("proof"), pdf(1)).await?.accepted().unwrap();
    acknowledge(&first.file);
    acknowledge(&desk.act(case, first.reject("too old")).await?);
    let second = desk.submit(case, &key("proof"), pdf(2)).await?.accepted().unwrap();
    acknowledge(&second.file);
    acknowledge(&desk.act(case, second.approve()).await?);
    let set_aside =
        NewSubmission::direct().file(NewFile::from_memory("a.pdf", "application/pdf", b"no".to_vec()));
    acknowledge(desk.submit(case, &key("proof"), set_aside).await?.file());
    let form = NewSubmission::direct().form(Form::new().with(key("name"), "Juan"));
    let form = desk.submit(case, &key("name"), form).await?.accepted().unwrap();
    acknowledge(&desk.act(case, form.approve()).await?);
    acknowledge(&desk.act(case, Command::Complete).await?);
    acknowledge(&desk.act(case, Command::Reopen { reason: "a doubt".into() }).await?);
    Ok(())
}

/// What was acknowledged stands, and all that was stated folds into what is.
async fn check(begun: &Begun, storage: Arc<dyn Storage>, acknowledged: &[CaseState]) {
    let vault = begun.open(storage).await.unwrap();
    let desk = desk(&vault, "user:2");
    let file = desk.case(begun.case).await.unwrap();
    let history = desk.history(begun.case, None).await.unwrap();
    let events: Vec<_> = history.events.iter().rev().map(|past| past.event.clone()).collect();
    let states: Vec<_> =
        (1..=events.len()).map(|n| CaseState::replay(file.template(), &events[..n]).unwrap()).collect();
    assert_eq!(states.last(), Some(file.state()), "the newest statement is the fold of all");
    assert!(acknowledged.iter().all(|state| states.contains(state)), "an acknowledged state is in the past");
    for (key, state) in ["proof", "name"].map(|key| (key, file.state().requirement(key))) {
        let Some(current) = state.and_then(|state| state.current.as_ref()) else { continue };
        let described = desk.session().describe(state.unwrap().document.unwrap()).await.unwrap();
        assert_eq!((described.version, described.digest), (current.version, current.digest), "{key}");
        desk.session().retrieve(described.document).await.unwrap();
    }
    let comment = Command::Comment { requirement: None, text: "on".into(), audience: Audience::Office };
    desk.act(begun.case, comment).await.unwrap();
    vault.audit().verify_from_genesis().await.unwrap();
}

#[test]
fn a_crash_at_any_storage_call_leaves_a_case_as_it_was_stated() {
    block_on(async {
        let begun = Begun::new().await;
        let mut crashes = 0;
        for nth in 0.. {
            let storage = Arc::new(CrashStorage::new(&begun.objects, nth));
            let mut acknowledged = Vec::new();
            if let Ok(vault) = begun.open(storage.clone()).await {
                let run = life(&vault, begun.case, &mut acknowledged).await;
                assert!(run.is_ok() || storage.crashed(), "{run:?}");
            }
            if !storage.crashed() {
                assert_eq!(acknowledged.len(), 8);
                break;
            }
            crashes += 1;
            for in_flight in InFlight::BOTH {
                check(&begun, Arc::new(storage.recover(in_flight).await.unwrap()), &acknowledged).await;
            }
        }
        println!("{crashes} storage calls crashed at, each with the call landed and not");
        assert!(crashes > 40);
    });
}

#[test]
fn a_fault_at_any_storage_call_loses_nothing_of_a_case() {
    block_on(async {
        let begun = Begun::new().await;
        let mut rounds = 0;
        for fault in Fault::ALLOWED {
            for nth in 0.. {
                let objects = Arc::new(begun.objects.snapshot());
                let storage = Arc::new(FaultyStorage::script(objects.clone(), nth, fault));
                let mut acknowledged = Vec::new();
                if let Ok(vault) = begun.open(storage.clone()).await {
                    drop(life(&vault, begun.case, &mut acknowledged).await);
                }
                if nth >= storage.calls() {
                    assert_eq!(acknowledged.len(), 8);
                    break;
                }
                rounds += 1;
                storage.land().await.unwrap();
                check(&begun, objects, &acknowledged).await;
            }
        }
        println!("{rounds} faults");
        assert!(rounds > 150);
    });
}

/// Two reviewers, in two processes, decide on the same two submissions: each decision is one or the other.
#[test]
fn two_reviewers_at_once_never_decide_on_what_they_did_not_see() {
    block_on(async {
        let begun = Begun::new().await;
        let shared = Arc::new(begun.objects.snapshot());
        let (one, other) =
            (begun.open(shared.clone()).await.unwrap(), begun.open(shared.clone()).await.unwrap());
        let (one, other) = (desk(&one, "user:1"), desk(&other, "user:2"));
        let mut seen = one.submit(begun.case, &key("proof"), pdf(0)).await.unwrap().accepted().unwrap();
        let proof = key("proof");
        for number in 1..20u8 {
            let (approve, reject) = (seen.approve(), seen.reject("no"));
            let decided = futures_util::future::join3(
                one.act(begun.case, approve),
                other.act(begun.case, reject),
                other.submit(begun.case, &proof, pdf(number)),
            );
            let (approved, rejected, submitted) = decided.await;
            for refused in [approved.err(), rejected.err()].into_iter().flatten() {
                assert!(matches!(refused, IntakeError::Refused(_)), "{refused}");
            }
            seen = submitted.unwrap().accepted().unwrap();
        }
        let file = one.case(begun.case).await.unwrap();
        let history = one.history(begun.case, None).await.unwrap();
        let events: Vec<_> = history.events.iter().rev().map(|past| past.event.clone()).collect();
        assert_eq!(CaseState::replay(file.template(), &events).as_ref(), Some(file.state()));
        // Every approval is of the submission that was the newest when it was stated.
        let mut newest = None;
        for event in &events {
            match &event.change {
                Change::Submitted { submission, .. } => newest = Some(submission.version),
                Change::Approved { version, .. } | Change::Rejected { version, .. } => {
                    assert_eq!(Some(*version), newest);
                }
                _ => {}
            }
        }
    });
}
