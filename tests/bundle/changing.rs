//! Cases that change while they are handed over.

use std::sync::Arc;

use docvault::{
    Kind, NewDocument, NoSleep, RecordFilter, Terms, Vault, VaultOptions,
    intake::*,
    keys::LocalKey,
    storage::{MemoryStorage, Storage},
};
use tempfile::TempDir;

use crate::{
    common::{block_on, vault_on},
    interrupted::Interrupted,
    office::*,
};

/// A case with one approved document, and its root key.
struct Approved {
    kept: Arc<MemoryStorage>,
    vault: Vault,
    case: docvault::CaseId,
    approved: AcceptedSubmission,
    folder: TempDir,
}

fn reviewer(vault: &Vault, actor: &str) -> Desk {
    Desk::new(vault.session(actor).purpose("p").begin().unwrap()).role(key("reviewer"))
}

impl Approved {
    async fn new() -> Self {
        let kept = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(kept.clone()).await;
        let desk = reviewer(&vault, "user:1");
        let template = Template::from_toml(SMALL).unwrap();
        let case = desk.open_case("A", &template, Opening::new("client:1")).await.unwrap();
        let note = NewSubmission::direct().file(NewFile::from_memory("note.txt", "text/plain", "A note."));
        let approved = desk.submit(case, &key("note"), note).await.unwrap().accepted().unwrap();
        desk.act(case, approved.approve()).await.unwrap();
        Self { kept, vault, case, approved, folder }
    }

    /// Another process on the same objects.
    async fn opened(&self, storage: Arc<dyn Storage>) -> Vault {
        let key = Arc::new(LocalKey::load(self.folder.path().join("key")).unwrap());
        let options = VaultOptions::default().sleeper(NoSleep::default());
        Vault::open_with(storage, key, &self.vault.pin(), options).await.unwrap()
    }
}

/// Somebody rejects the document at the storage call of this number; whether it came to that, and whether the
/// manifest of the delivery tells of a rejection that its record follows.
async fn rejected_at(nth: usize) -> Option<bool> {
    let office = Approved::new().await;
    let storage = Arc::new(Interrupted::new(office.kept.clone()));
    let desk = reviewer(&office.opened(storage.clone()).await, "user:2");
    desk.case(office.case).await.unwrap();
    let other = reviewer(&office.opened(office.kept.clone()).await, "user:3");
    let (case, reject) = (office.case, office.approved.reject("a doubt"));
    let deed = move || drop(block_on(other.act(case, reject)).unwrap());
    storage.interrupt_at(nth, deed);

    let (notary, recipient, _file) = notary();
    let delivery = desk.hand_over(case, &recipient, Terms::read().purpose("x")).await.unwrap();
    storage.interrupted()?;
    let sealed = delivery.collect().await.unwrap();
    let opened = notary.open(&sealed[..], &office.vault.sender()).unwrap();
    let manifest = unpack_handed_over(opened, &office.folder.path().join("out")).unwrap();

    let newest = desk.history(case, None).await.unwrap().events[0].seq;
    let auditor = office.vault.session("auditor").purpose("p").auditor().unwrap();
    let records = auditor.records(&RecordFilter::all().case(case)).await.unwrap();
    let delivered = records.iter().filter(|record| record.kind == Kind::Delivered).map(|record| record.seq);
    let before = newest < delivered.max().unwrap();
    Some(!before || (manifest.record == newest && manifest.requirements[0].standing == Standing::Rejected))
}

#[test]
fn a_manifest_tells_of_every_event_that_its_delivery_follows() {
    block_on(async {
        let mut told = Vec::new();
        while let Some(holds) = rejected_at(told.len()).await {
            told.push(holds);
        }
        assert!(told.len() > 15, "{} storage calls", told.len());
        assert_eq!(
            told.iter().position(|holds| !holds),
            None,
            "a storage call at which a rejection is not told of"
        );
    });
}

#[test]
fn what_is_asked_for_anew_stays_confidential() {
    block_on(async {
        let office = Office::complete().await;
        let [reviewer, _] = &office.reviewers;
        let again =
            Command::AskAgain { requirement: key("statement"), reason: "of another month".into(), due: None };
        reviewer.act(office.case, again).await.unwrap();
        let (_, recipient, _folder) = notary();
        let terms = Terms::read().purpose("deed 1234");
        let refused = office.executive.hand_over(office.case, &recipient, terms.clone()).await.unwrap_err();
        assert!(matches!(refused, IntakeError::Refused(Refusal::Confidential { .. })), "{refused}");
        reviewer.hand_over(office.case, &recipient, terms).await.unwrap();
    });
}

/// Somebody stores something past intake at the storage call of this number; what is unpacked then, if it came to that.
async fn stored_at(nth: usize, new_version: bool) -> Option<Result<BundleManifest, BundleError>> {
    let office = Approved::new().await;
    let storage = Arc::new(Interrupted::new(office.kept.clone()));
    let desk = reviewer(&office.opened(storage.clone()).await, "user:2");
    desk.case(office.case).await.unwrap();
    let other = office.opened(office.kept.clone()).await.session("user:3").purpose("p").begin().unwrap();
    let (case, document) = (office.case, office.approved.document);
    storage.interrupt_at(nth, move || {
        block_on(async {
            let (new, content) = (NewDocument::named("slip").media_type("text/plain"), b"A slip.".to_vec());
            let stored = match new_version {
                true => other.store_version(document, new, "a slip", content).await,
                false => other.store(case, new, content).await,
            };
            stored.unwrap();
        });
    });
    let (notary, recipient, _file) = notary();
    let delivery = desk.hand_over(case, &recipient, Terms::read().purpose("x")).await.unwrap();
    storage.interrupted()?;
    let sealed = delivery.collect().await.unwrap();
    let opened = notary.open(&sealed[..], &office.vault.sender()).unwrap();
    Some(unpack_handed_over(opened, &office.folder.path().join("out")))
}

#[test]
fn a_delivery_holds_what_its_manifest_lists_whatever_is_stored_meanwhile() {
    block_on(async {
        for new_version in [false, true] {
            let mut nth = 0;
            while let Some(unpacked) = stored_at(nth, new_version).await {
                unpacked.unwrap_or_else(|refused| panic!("at storage call {nth}: {refused}"));
                nth += 1;
            }
            assert!(nth > 15, "{nth} storage calls");
        }
    });
}
