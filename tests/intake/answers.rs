//! Each deposit is answered by what was stated of it; a carrier that alters one makes nobody state that its client did.

use std::sync::Arc;

use docvault::{
    Entropy, ErrorKind, NewStatement, SystemEntropy,
    deposit::{DepositReceipt, File, Inbox, Promise, SignedRequest, Verdict as Answered},
    intake::*,
    storage::{ObjectKey, Storage, testing::EvilStorage},
};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{Scanner, common::block_on, office::*, pdf, unreadable::Asking};

impl Asking {
    /// Deposits a bank statement by this link.
    async fn deposited(&self, signed: &SignedRequest, content: Vec<u8>, entropy: &dyn Entropy) -> Promise {
        let carrier = self.intake.carrier();
        let file = File::new("a.pdf", "application/pdf", content.len() as u64);
        let mut client = self.intake.open(signed).begin(0, vec![file], entropy).unwrap();
        let contents = [content];
        for place in client.places() {
            carrier.receive(seal(&mut client, &contents, place)).await.unwrap();
        }
        let manifest = client.finish(Default::default(), "").unwrap();
        let promise = carrier.finish(manifest.clone()).await.unwrap();
        client.check_promise(&promise, &manifest).unwrap()
    }

    async fn answered(&self, inbox: &Inbox, promise: &Promise) -> Result<DepositReceipt, IntakeError> {
        let note = self.intake.vault.audit().checkpoint().await.unwrap();
        self.desk.answer(self.case, inbox, promise, &note).await
    }

    async fn state(&self) -> CaseState {
        self.desk.case(self.case).await.unwrap().state().clone()
    }

    /// How many parts and answers the carrier has of the deposit.
    async fn held(&self, promise: &Promise) -> (usize, usize) {
        let held = self.intake.carrier().held(promise.request(), promise.deposit()).await.unwrap();
        (held.parts.len(), held.answers.len())
    }
}

#[test]
fn what_is_in_quarantine_stays_with_the_carrier() {
    block_on(async {
        let mut office = Asking::new().await;
        office.desk = office.desk.inspector(Scanner);
        let infected = [pdf(1), b"worm".to_vec()].concat();
        let promise = office.deposited(&office.signed, infected.clone(), &SystemEntropy::default()).await;
        let inbox = office.inbox_of(&office.signed, office.intake.kept.clone()).await;
        let taken = office.desk.take_in(office.case, &inbox, &promise).await.unwrap();
        assert!(matches!(taken, Submitted::SetAside { verdict: Verdict::Quarantined, .. }), "{taken:?}");
        let receipt = office.answered(&inbox, &promise).await.unwrap();
        let proven = receipt.verify(&office.intake.policy, &office.signed.descriptor).unwrap();
        assert_eq!(proven.claim.verdict, Answered::Quarantined("inspection".to_owned()));
        assert_eq!(office.held(&promise).await, (1, 1));
        let kept = inbox.deposit(&promise).await.unwrap().read(0).unwrap().collect().await.unwrap();
        assert_eq!(kept.as_slice(), infected);
    });
}

/// Ids are the clients' choice: whoever has two links deposits under one id by both.
#[test]
fn two_deposits_of_one_id_have_an_answer_each() {
    block_on(async {
        let (office, first) = Asking::new().await.again().await;
        let kept = &office.intake.kept;
        let signed = [&first, &office.signed];
        let mut found = Vec::new();
        for signed in signed {
            let promise = office.deposited(signed, pdf(1), &Seeded::new(7)).await;
            let inbox = office.inbox_of(signed, kept.clone()).await;
            office.desk.take_in(office.case, &inbox, &promise).await.unwrap();
            found.push((promise, inbox));
        }
        assert_eq!(found[0].0.deposit(), found[1].0.deposit());
        // The second is of the same content, and set aside.
        let verdicts = [Answered::Accepted, Answered::Refused("rules".to_owned())];
        for ((promise, inbox), (signed, verdict)) in found.iter().zip(signed.into_iter().zip(verdicts)) {
            let receipt = office.answered(inbox, promise).await.unwrap();
            let proven = receipt.verify(&office.intake.policy, &signed.descriptor).unwrap();
            assert_eq!(proven.claim.verdict, verdict);
        }
    });
}

/// However much was stated since; and nothing is answered of which nothing was.
#[test]
fn what_was_stated_long_ago_is_answered() {
    block_on(async {
        let office = Asking::new().await;
        let entropy = SystemEntropy::default();
        let inbox = office.inbox_of(&office.signed, office.intake.kept.clone()).await;
        let taken = office.deposited(&office.signed, pdf(1), &entropy).await;
        office.desk.take_in(office.case, &inbox, &taken).await.unwrap();
        let waiting = office.deposited(&office.signed, pdf(2), &entropy).await;
        let note = |_| office.intake.desk.make_statement(office.case, NewStatement::on("app.note"));
        stream::iter(0..1001).map(note).buffer_unordered(256).try_collect::<Vec<_>>().await.unwrap();

        let foreign = office.answered(&inbox, &waiting).await.unwrap_err();
        let of = waiting.deposit();
        assert!(matches!(foreign, IntakeError::ForeignDeposit(found) if found == of), "{foreign}");
        assert_eq!(office.held(&waiting).await, (1, 0));
        let receipt = office.answered(&inbox, &taken).await.unwrap();
        let proven = receipt.verify(&office.intake.policy, &office.signed.descriptor).unwrap();
        assert_eq!(proven.claim.verdict, Answered::Accepted);
    });
}

/// An object of the carrier's, with its last bit flipped.
async fn altered(storage: &dyn Storage, key: &ObjectKey) -> bytes::Bytes {
    let mut bytes = storage.read(key, None).await.unwrap().unwrap().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    bytes.into()
}

fn is_corrupt<T>(done: Result<T, IntakeError>) -> bool {
    matches!(done, Err(IntakeError::Vault(error)) if error.kind() == ErrorKind::Corrupt)
}

/// The client did what it signed: its deposit is taken in as soon as the carrier gives what it was given.
#[test]
fn nothing_is_stated_of_a_deposit_that_the_carrier_has_altered_or_lost() {
    block_on(async {
        for object in ["manifest", "part-0000-00000000"] {
            let office = Asking::new().await;
            let promise = office.deposited(&office.signed, pdf(1), &SystemEntropy::default()).await;
            let carrier = Arc::new(EvilStorage::over(office.intake.kept.clone()));
            let inbox = office.inbox_of(&office.signed, carrier.clone()).await;
            let name = format!("deposit/{}/{}/{object}", promise.request(), promise.deposit());
            let name: ObjectKey = name.parse().unwrap();
            let before = office.state().await;

            carrier.show(&name, altered(&*carrier, &name).await);
            assert!(is_corrupt(office.desk.take_in(office.case, &inbox, &promise).await), "{object}");
            carrier.hide(&name);
            assert!(is_corrupt(office.desk.take_in(office.case, &inbox, &promise).await), "{object}");
            assert_eq!(office.state().await, before, "{object}");

            carrier.repent();
            let taken = office.desk.take_in(office.case, &inbox, &promise).await.unwrap();
            assert!(matches!(taken, Submitted::Accepted(_)), "{object}: {taken:?}");
        }
    });
}

/// Whoever cannot seal the client's answer for a lie of the carrier's has not answered, and lets nothing be forgotten.
#[test]
fn no_deposit_is_answered_past_a_manifest_that_the_carrier_has_altered() {
    block_on(async {
        let office = Asking::new().await;
        let promise = office.deposited(&office.signed, pdf(1), &SystemEntropy::default()).await;
        let carrier = Arc::new(EvilStorage::over(office.intake.kept.clone()));
        let inbox = office.inbox_of(&office.signed, carrier.clone()).await;
        office.desk.take_in(office.case, &inbox, &promise).await.unwrap();
        let name = format!("deposit/{}/{}/manifest", promise.request(), promise.deposit());
        let name: ObjectKey = name.parse().unwrap();

        carrier.show(&name, altered(&*carrier, &name).await);
        assert!(is_corrupt(office.answered(&inbox, &promise).await));
        assert_eq!(office.held(&promise).await, (1, 0));
        carrier.repent();
        office.answered(&inbox, &promise).await.unwrap();
        assert_eq!(office.held(&promise).await, (0, 1));
    });
}
