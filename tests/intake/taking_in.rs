//! Taking in, interrupted: what a client remarked is on record once, whatever happens, and what cannot be read as a
//! form is set aside.

use std::sync::Arc;

use docvault::{
    CaseId, NoSleep, SystemEntropy, Vault, VaultOptions,
    deposit::{Inbox, Promise, SignedRequest},
    intake::*,
    keys::LocalKey,
    storage::{
        MemoryStorage, Storage,
        testing::{CrashStorage, InFlight},
    },
};
use futures_util::future::join;
use tempfile::TempDir;

use crate::{
    REQUIREMENTS,
    common::{self, block_on},
    key,
    office::*,
    pdf, template,
};

/// An office to which a bank statement was deposited, with a remark.
struct Deposited {
    kept: Arc<MemoryStorage>,
    intake: Intake,
    folder: TempDir,
    case: CaseId,
    signed: SignedRequest,
    promise: Promise,
}

impl Deposited {
    async fn new(form: &[(&str, &str)]) -> Self {
        let kept = Arc::new(MemoryStorage::default());
        let (vault, folder) = common::vault_on(kept.clone()).await;
        let intake = Intake::of(vault).await;
        let desk = Desk::new(intake.vault.session("user:1").purpose("loans").begin().unwrap());
        let template = template(REQUIREMENTS);
        let case = desk.open_case("A", &template, Opening::new("client:42")).await.unwrap();
        let expires = intake.vault.now().saturating_add(DAY);
        let new = NewRequest::new(carrier_key().public(), expires).requirement(key("statement"));
        let signed = desk.request(case, new.policy(intake.policy.to_string())).await.unwrap();
        let carrier = intake.carrier();
        carrier.publish(signed.descriptor.to_bytes()).await.unwrap();
        let contents = [pdf(1)];
        let file = docvault::deposit::File::new("a.pdf", "application/pdf", contents[0].len() as u64);
        let mut client = intake.open(&signed).begin(0, vec![file], &SystemEntropy::default()).unwrap();
        for place in client.places() {
            carrier.receive(seal(&mut client, &contents, place)).await.unwrap();
        }
        let form = form.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let manifest = client.finish(form, "con gusto").unwrap();
        let promise = carrier.finish(manifest.clone()).await.unwrap();
        let promise = client.check_promise(&promise, &manifest).unwrap();
        Self { kept, intake, folder, case, signed, promise }
    }

    /// Another process on these objects.
    async fn desk(&self, storage: Arc<dyn Storage>, actor: &str) -> docvault::Result<Desk> {
        let key = Arc::new(LocalKey::load(self.folder.path().join("key")).unwrap());
        let options = VaultOptions::default().sleeper(NoSleep::default());
        let vault = Vault::open_with(storage, key, &self.intake.vault.pin(), options).await?;
        // A remark on what is confidential is shown to who may open that.
        Ok(Desk::new(vault.session(actor).purpose("loans").begin()?).role("reviewer".parse().unwrap()))
    }

    async fn inbox(&self) -> Inbox {
        let request = self.signed.descriptor.request();
        let session = self.intake.vault.session("user:1").purpose("loans").begin().unwrap();
        let secrets = session.request_secrets(self.case, request).await.unwrap();
        let sender = self.intake.vault.sender();
        Inbox::open(self.intake.kept.clone(), request, &sender, secrets).await.unwrap()
    }
}

/// The comments on the bank statement.
async fn remarks(desk: &Desk, case: CaseId) -> Vec<String> {
    let events = desk.history(case, None).await.unwrap().events;
    let remark = |past: PastEvent| match past.event.change {
        Change::Commented { text, .. } => Some(text),
        _ => None,
    };
    events.into_iter().filter_map(remark).collect()
}

#[test]
fn a_remark_is_on_record_once_wherever_taking_in_was_interrupted() {
    block_on(async {
        let office = Deposited::new(&[]).await;
        let inbox = office.inbox().await;
        let before = office.kept.snapshot();
        let take_in = async |desk: Desk| desk.take_in(office.case, &inbox, &office.promise).await;
        for nth in 0.. {
            let storage = Arc::new(CrashStorage::new(&before, nth));
            let first = async { take_in(office.desk(storage.clone(), "user:2").await?).await }.await;
            assert!(first.is_ok() || storage.crashed(), "{first:?}");
            for in_flight in InFlight::BOTH {
                let found = Arc::new(storage.recover(in_flight).await.unwrap());
                for _ in 0..2 {
                    let desk = office.desk(found.clone(), "user:3").await.unwrap();
                    match take_in(desk.clone()).await {
                        Ok(Submitted::Accepted(_)) | Err(IntakeError::Refused(Refusal::AlreadyTaken)) => {}
                        other => panic!("call {nth}: {other:?}"),
                    }
                    assert_eq!(remarks(&desk, office.case).await, ["con gusto"], "call {nth}, {in_flight:?}");
                }
            }
            if !storage.crashed() {
                return assert!(nth > 10, "{nth} storage calls");
            }
        }
    });
}

#[test]
fn a_remark_is_on_record_once_if_two_desks_take_in_at_once() {
    block_on(async {
        let office = Deposited::new(&[]).await;
        let inbox = office.inbox().await;
        let one = office.desk(office.kept.clone(), "user:2").await.unwrap();
        let other = office.desk(office.kept.clone(), "user:3").await.unwrap();
        let both = join(
            one.take_in(office.case, &inbox, &office.promise),
            other.take_in(office.case, &inbox, &office.promise),
        );
        let (one_took, other_took) = both.await;
        assert!(one_took.is_ok() != other_took.is_ok(), "{one_took:?} {other_took:?}");
        assert_eq!(remarks(&one, office.case).await, ["con gusto"]);
    });
}

/// What was promised is answered: no field has a key like this, and the deposit is set aside.
#[test]
fn a_deposit_whose_answers_are_no_form_is_set_aside() {
    block_on(async {
        for form in
            [&[("A", "x")][..], &[("unknown", "x")], &[("", "x")], &[("A", "x"), ("@issued", "2026-01-01")]]
        {
            let office = Deposited::new(form).await;
            let desk = office.desk(office.kept.clone(), "user:2").await.unwrap();
            let inbox = office.inbox().await;
            let taken = desk.take_in(office.case, &inbox, &office.promise).await.unwrap();
            assert!(
                matches!(taken, Submitted::SetAside { verdict: Verdict::Refused, .. }),
                "{form:?}: {taken:?}"
            );
            let note = desk.session().vault().audit().checkpoint().await.unwrap();
            desk.answer(office.case, &inbox, &office.promise, &note).await.unwrap();
        }
    });
}
