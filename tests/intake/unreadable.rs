//! What a client seals so that nobody can read it is answered all the same.

use std::sync::Arc;

use docvault::{
    CaseId, ContentDigest, ErrorKind, Secret, SystemEntropy, Timestamp, TrustPolicy, chunked,
    deposit::{File, Inbox, OpenedRequest, Promise, SignedRequest, Standing, Verdict as Answered},
    intake::*,
    storage::Storage,
};

use crate::{
    DAY, REQUIREMENTS, carrier_key,
    common::block_on,
    forge::{Holder, context, deposit_id, sha256, subkey},
    key,
    office::*,
    pdf, template,
};

/// An office that asks for a bank statement.
pub(crate) struct Asking {
    pub(crate) intake: Intake,
    pub(crate) desk: Desk,
    pub(crate) case: CaseId,
    pub(crate) signed: SignedRequest,
}

impl Asking {
    pub(crate) async fn new() -> Self {
        let intake = Intake::new().await;
        let desk = Desk::new(intake.vault.session("user:1").purpose("loans").begin().unwrap());
        let template = template(REQUIREMENTS);
        let case = desk.open_case("A", &template, Opening::new("client:42")).await.unwrap();
        let signed = Self::request(&intake, &desk, case).await;
        Self { intake, desk, case, signed }
    }

    async fn request(intake: &Intake, desk: &Desk, case: CaseId) -> SignedRequest {
        let new = NewRequest::new(carrier_key().public(), intake.vault.now().saturating_add(DAY));
        let new = new.requirement(key("statement")).policy(intake.policy.to_string());
        let signed = desk.request(case, new).await.unwrap();
        intake.carrier().publish(signed.descriptor.to_bytes()).await.unwrap();
        signed
    }

    /// The same office, with another request for the same.
    pub(crate) async fn again(self) -> (Self, SignedRequest) {
        let signed = Self::request(&self.intake, &self.desk, self.case).await;
        let before = self.signed;
        (Self { signed, ..self }, before)
    }

    fn client(&self) -> OpenedRequest {
        self.intake.open(&self.signed)
    }

    async fn inbox(&self) -> Inbox {
        self.inbox_of(&self.signed, self.intake.kept.clone()).await
    }

    pub(crate) async fn inbox_of(&self, signed: &SignedRequest, storage: Arc<dyn Storage>) -> Inbox {
        let request = signed.descriptor.request();
        let secrets = self.desk.session().request_secrets(self.case, request).await.unwrap();
        Inbox::open(storage, request, &self.intake.vault.sender(), secrets).await.unwrap()
    }

    /// Takes the deposit in, which sets it aside, and answers it: whoever has the promise alone can verify that.
    async fn answer(&self, promise: &Promise) {
        let inbox = self.inbox().await;
        let taken = self.desk.take_in(self.case, &inbox, promise).await.unwrap();
        let Submitted::SetAside { verdict, .. } = taken else { panic!("{taken:?}") };
        assert_eq!(verdict, Verdict::Refused);
        let again = self.desk.take_in(self.case, &inbox, promise).await.unwrap_err();
        assert!(matches!(again, IntakeError::Refused(Refusal::AlreadyTaken)), "{again}");

        let note = self.intake.vault.audit().checkpoint().await.unwrap();
        let receipt = self.desk.answer(self.case, &inbox, promise, &note).await.unwrap();
        let policy: TrustPolicy = self.intake.policy.clone();
        let proven = receipt.verify(&policy, &self.signed.descriptor).unwrap();
        assert_eq!(proven.claim.verdict, Answered::Refused("unreadable".to_owned()));
        // The office has seen no page of it, whatever its client has signed.
        assert!(proven.claim.pages.is_empty(), "{proven:?}");
        assert_eq!(proven.receipt.content, Some(ContentDigest::of_page_digests([])));
        let newest = self.desk.history(self.case, None).await.unwrap().events.remove(0).event.change;
        assert!(matches!(newest, Change::SetAside { digest: None, .. }), "{newest:?}");
        let late = promise.answer_by().saturating_add(DAY);
        assert_eq!(promise.standing(late, Some(&proven)), Standing::Answered);
        assert_eq!(promise.standing(late, None), Standing::Dropped, "which the receipt answers");
    }
}

#[test]
fn a_deposit_whose_key_does_not_open() {
    block_on(async {
        let office = Asking::new().await;
        let (holder, carrier) = (Holder::of(&office.signed), office.intake.carrier());
        let id = deposit_id(0, 9);
        let part = holder.part(&id, crate::forge::At { page: 0, part: 0, last: true }, 5);
        carrier.receive(part.clone()).await.unwrap();
        let manifest = holder.manifest(&id, &[vec![sha256(&part[152..])]]);
        let promise = carrier.finish(manifest).await.unwrap();
        let promise = Promise::verify(&promise, &office.signed.descriptor).unwrap();
        let refused = office.inbox().await.deposit(&promise).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unreadable, "{refused}");
        office.answer(&promise).await;
    });
}

/// Its manifest says the digest of one file, and lists a part of another, sealed by the same key.
#[test]
fn a_page_that_is_not_the_one_described() {
    block_on(async {
        let office = Asking::new().await;
        let (holder, carrier, client) =
            (Holder::of(&office.signed), office.intake.carrier(), office.client());
        let (said, sent) = ([pdf(1)], [pdf(2)]);
        let file = File::new("a.pdf", "application/pdf", said[0].len() as u64);
        let mut honest = client.begin(0, vec![file], &SystemEntropy::default()).unwrap();
        let journal = honest.journal(&SystemEntropy::default()).unwrap();
        seal(&mut honest, &said, (0, 0));
        let manifest = honest.finish(Default::default(), "").unwrap();
        let mut other = client.resume(&journal).unwrap();
        let part = seal(&mut other, &sent, (0, 0));

        let id = honest.id();
        let bound = context("deposit journal", &[&holder.digest, id.as_bytes()]);
        let journal_key = Secret::copy_from(&subkey(&holder.root, "key of deposit journal", &[])).unwrap();
        let opened = chunked::open(&journal_key, &bound, &journal[40..]).unwrap();
        let deposit_key = Secret::copy_from(&opened[4..36]).unwrap();
        let mixed = holder.with_part(&manifest, &deposit_key, &sha256(&part[152..]));

        carrier.receive(part).await.unwrap();
        let promise = carrier.finish(mixed).await.unwrap();
        let promise = Promise::verify(&promise, &office.signed.descriptor).unwrap();
        let incoming = office.inbox().await.deposit(&promise).await.unwrap();
        let mut reader = incoming.read(0).unwrap();
        for _ in 0..2 {
            assert_eq!(reader.next().await.unwrap_err().kind(), ErrorKind::Unreadable);
        }
        office.answer(&promise).await;
        // The client has the key, and finds the answer with the carrier.
        let held = carrier.held(office.signed.descriptor.request(), id).await.unwrap();
        let receipt = other.open_answer(0, &held.answers[0]).unwrap();
        let proven = receipt.verify(&office.intake.policy, &office.signed.descriptor).unwrap();
        assert!(proven.receipt.time < Timestamp::from_millis(u64::MAX));
    });
}
