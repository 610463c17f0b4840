//! Taking in, interrupted: what a client remarked is on record once, whatever happens, and what cannot be read as a
//! form is set aside.

use std::sync::Arc;

use docvault::{
    CaseId, ContentDigest, NoSleep, SystemEntropy, Vault, VaultOptions,
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
    interrupted::Interrupted,
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

/// Said beside the form, whose fields are the template's.
#[test]
fn a_deposit_says_its_dates() {
    block_on(async {
        let office = Deposited::new(&[("@issued", "2026-01-01"), ("@valid-until", "2099-12-31")]).await;
        let desk = office.desk(office.kept.clone(), "user:2").await.unwrap();
        let taken = desk.take_in(office.case, &office.inbox().await, &office.promise).await.unwrap();
        let state = taken.file().state().requirement("statement").unwrap();
        let current = state.current.as_ref().unwrap();
        let day = |text: &str| text.parse::<Date>().ok();
        assert_eq!((current.issued, current.valid_until), (day("2026-01-01"), day("2099-12-31")));
    });
}

/// A bank statement that somebody with an account hands in.
fn direct(number: u64) -> NewSubmission {
    NewSubmission::direct().file(NewFile::from_memory("a.pdf", "application/pdf", pdf(number)))
}

/// What becomes of the deposit if somebody hands the same in before the storage call of this number; none if there are
/// fewer calls.
async fn overtaken_at(office: &Deposited, inbox: &Inbox, nth: usize) -> Option<Submitted> {
    let found = Arc::new(office.kept.snapshot());
    let colleague = office.desk(found.clone(), "user:3").await.unwrap();
    let storage = Arc::new(Interrupted::new(found));
    let desk = office.desk(storage.clone(), "user:2").await.unwrap();
    let case = office.case;
    // Refused if the deposit is in the case already.
    storage.interrupt_at(nth, move || drop(block_on(colleague.submit(case, &key("statement"), direct(1)))));
    let taken = desk.take_in(case, inbox, &office.promise).await.unwrap();
    storage.interrupted()?;
    let past = desk.history(case, None).await.unwrap().events;
    let submitted = past.iter().filter_map(|past| match &past.event.change {
        Change::Submitted { submission, .. } => Some(submission.digest),
        _ => None,
    });
    let same = ContentDigest::of_page_digests([ContentDigest::of(&pdf(1))]);
    assert_eq!(submitted.filter(|digest| *digest == same).count(), 1, "call {nth}");
    Some(taken)
}

/// It was promised, so it is answered: what the case has become while it was stored is a reason to set it aside, be it that
/// there is a document now or that the document has this very content.
#[test]
fn a_deposit_that_somebody_overtakes_is_set_aside_wherever_that_was() {
    block_on(async {
        for earlier in [None, Some(9)] {
            let office = Deposited::new(&[]).await;
            let inbox = office.inbox().await;
            if let Some(number) = earlier {
                let desk = office.desk(office.kept.clone(), "user:1").await.unwrap();
                desk.submit(office.case, &key("statement"), direct(number)).await.unwrap();
            }
            let (mut accepted, mut refused) = (0, 0);
            for nth in 0.. {
                match overtaken_at(&office, &inbox, nth).await {
                    None => break,
                    Some(Submitted::Accepted(_)) => accepted += 1,
                    Some(Submitted::SetAside { verdict: Verdict::Refused, .. }) => refused += 1,
                    other => panic!("call {nth}: {other:?}"),
                }
            }
            assert!(accepted > 0 && refused > 5, "{accepted} {refused}");
        }
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
