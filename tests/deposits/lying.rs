//! What an office, a carrier and a holder of a link can do who keep to their keys and not to their word.

use std::sync::Arc;

use docvault::{
    ContentDigest, ErrorKind, SystemEntropy, Vault, VaultOptions,
    deposit::*,
    keys::LocalKey,
    storage::{MemoryStorage, ObjectKey, Storage, testing::EvilStorage},
};

use crate::{
    common::block_on,
    forge::{self, Holder, deposit_id},
    intake::*,
    interrupted::{Call, Interrupted},
};

/// A deposit that was promised.
async fn promised(office: &Intake, signed: &SignedRequest) -> Promise {
    let contents = [content(1, 40)];
    let mut client = begin(&office.open(signed), &contents);
    deposit(&office.carrier(), &mut client, &contents).await.unwrap()
}

/// An office with a request, and a deposit for it that was promised.
async fn begun() -> (Intake, SignedRequest, Promise) {
    let office = Intake::new().await;
    let signed = office.request().await;
    let promise = promised(&office, &signed).await;
    (office, signed, promise)
}

/// What a carrier calls a deposit's manifest.
fn manifest(signed: &SignedRequest, deposit: DepositId) -> ObjectKey {
    format!("deposit/{}/{deposit}/manifest", signed.descriptor.request()).parse().unwrap()
}

/// What an office's record says beside the claim is held against it: an auditor would find another document's digest there.
#[test]
fn a_record_of_other_content_is_no_receipt_for_a_claim() {
    block_on(async {
        let (office, signed, promise) = begun().await;
        let incoming = office.inbox(&signed).await.deposit(&promise).await.unwrap();
        let claim = incoming.claim(office.case, "official-id", Verdict::Accepted, office.vault.now());
        let own = claim.content_digest();
        let other = Some(ContentDigest::of(b"another"));
        let refused = Some(DepositReceiptError::Claim);
        for (content, expected) in [(Some(own), None), (None, None), (other, refused)] {
            let receipt = office.put_on_record(&promise, &claim, content).await;
            assert_eq!(receipt.verify(&office.policy, &signed.descriptor).err(), expected, "{content:?}");
        }
    });
}

/// In another's case, who opens it finds the papers of somebody else.
#[test]
fn a_client_takes_no_receipt_of_another_case() {
    block_on(async {
        let (office, signed, promise) = begun().await;
        let incoming = office.inbox(&signed).await.deposit(&promise).await.unwrap();
        let mut other = office;
        other.case = other.desk.create_case("another").await.unwrap();
        let receipt = other.answer(&incoming, "official-id", Verdict::Accepted).await;
        let opened = other.open(&signed);
        assert!(receipt.verify(&other.policy, &signed.descriptor).is_ok());
        assert_eq!(opened.verify(&receipt, &other.policy).err(), Some(DepositReceiptError::Other));
    });
}

/// A carrier shows the office a deposit a second time, as one of another number.
#[test]
fn a_promise_opens_no_manifest_of_another_deposit() {
    block_on(async {
        let (office, signed, honest) = begun().await;
        let kept = manifest(&signed, honest.deposit());
        let kept = office.kept.read(&kept, None).await.unwrap().unwrap();
        let second = forge::promise(&signed.descriptor, &CARRIER_SEED, &deposit_id(0, 9), &kept);
        let second = Promise::verify(&second, &signed.descriptor).unwrap();
        let evil = Arc::new(EvilStorage::new(&office.kept));
        evil.show(&manifest(&signed, second.deposit()), kept);
        let inbox = office.inbox_on(evil, &signed).await;
        assert!(inbox.deposit(&honest).await.is_ok());
        assert_eq!(inbox.deposit(&second).await.unwrap_err().kind(), ErrorKind::Corrupt);
    });
}

/// Whoever holds the link can sign a second manifest, and a carrier show that. What does not open is refused in the client's
/// name, and what was promised is not what does not open.
#[test]
fn a_promise_opens_no_other_manifest_of_its_deposit() {
    block_on(async {
        let (office, signed, promise) = begun().await;
        let other = Holder::of(&signed).manifest(promise.deposit().as_bytes(), &[vec![[1; 32]]]);
        let evil = Arc::new(EvilStorage::new(&office.kept));
        evil.substitute(&manifest(&signed, promise.deposit()), other);
        let refused = office.inbox_on(evil, &signed).await.deposit(&promise).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Corrupt);
    });
}

/// Two requests of one number, as randomness makes them that comes twice: in a copy of a running machine, say.
async fn twins() -> (Intake, [SignedRequest; 2]) {
    let (folder, planted) = (tempfile::tempdir().unwrap(), Planted::default());
    let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
    let options = VaultOptions::default().entropy(planted.clone());
    let vault = Vault::create_with(Arc::new(MemoryStorage::default()), key, options).await.unwrap();
    let office = Intake::of(vault).await;
    let sign = async || {
        planted.plant([9; 16]);
        office.sign().await
    };
    let both = [sign().await, sign().await];
    assert_eq!(both[0].descriptor.request(), both[1].descriptor.request());
    assert_ne!(both[0].descriptor.digest(), both[1].descriptor.digest());
    (office, both)
}

#[test]
fn of_two_requests_of_one_number_the_first_alone_is_published() {
    block_on(async {
        let (office, [first, second]) = twins().await;
        let publish = async |signed: &SignedRequest| {
            let published = office.carrier().publish(signed.descriptor.to_bytes()).await;
            published.map_err(|error| error.kind())
        };
        assert_eq!(publish(&first).await, Ok(first.descriptor.request()));
        assert_eq!(publish(&first).await, Ok(first.descriptor.request()));
        assert_eq!(publish(&second).await, Err(ErrorKind::Corrupt));
    });
}

/// The carrier promises by the one what was deposited for the other.
#[test]
fn a_promise_by_another_request_of_its_number_opens_nothing() {
    block_on(async {
        let (office, [first, second]) = twins().await;
        office.carrier().publish(first.descriptor.to_bytes()).await.unwrap();
        let honest = promised(&office, &first).await;
        let id = honest.deposit();
        let kept = office.kept.read(&manifest(&first, id), None).await.unwrap().unwrap();
        let other = forge::promise(&second.descriptor, &CARRIER_SEED, id.as_bytes(), &kept);
        let other = Promise::verify(&other, &second.descriptor).unwrap();
        let inbox = office.inbox(&first).await;
        assert!(inbox.deposit(&honest).await.is_ok());
        assert_eq!(inbox.deposit(&other).await.unwrap_err().kind(), ErrorKind::Corrupt);
    });
}

/// Whoever holds the link can sign two manifests of one deposit; two processes of a carrier get one each.
#[test]
fn of_two_manifests_that_come_at_once_one_is_promised() {
    block_on(async {
        let office = Intake::new().await;
        let (signed, contents) = (office.request().await, [content(1, 40)]);
        let mut client = begin(&office.open(&signed), &contents);
        let held = office.carrier().receive(seal(&mut client, &contents, (0, 0))).await.unwrap();
        let first = client.finish([].into(), "").unwrap();
        let second = Holder::of(&signed).manifest(client.id().as_bytes(), &[vec![held.sha256]]);

        let storage = Arc::new(Interrupted::new(office.kept.clone()));
        let (other, manifest) = (office.carrier(), second.clone());
        storage.interrupt(move |call, name| {
            let now = call == Call::Create && name.ends_with("/manifest");
            if now {
                block_on(other.finish(manifest.clone())).unwrap();
            }
            now
        });
        assert_eq!(refusal(office.carrier_on(storage).finish(first.clone()).await), Refusal::Conflict);
        assert_eq!(refusal(office.carrier().finish(first).await), Refusal::Conflict);
        let promise = Promise::verify(&office.carrier().finish(second).await.unwrap(), &signed.descriptor);
        assert_eq!(office.inbox(&signed).await.promises().await.unwrap(), [promise.unwrap()]);
    });
}

/// Two of an office answer one deposit at once: both answers are there, each under the number that its sender was told.
#[test]
fn two_answers_at_once_have_two_numbers() {
    block_on(async {
        let office = Intake::new().await;
        let (signed, contents) = (office.request().await, [content(1, 40)]);
        let mut client = begin(&office.open(&signed), &contents);
        let promise = deposit(&office.carrier(), &mut client, &contents).await.unwrap();
        let inbox = office.inbox(&signed).await;
        let incoming = inbox.deposit(&promise).await.unwrap();
        let mine = office.answer(&incoming, "official-id", Verdict::Accepted).await;
        let theirs = office.answer(&incoming, "official-id", Verdict::Refused("blurred".into())).await;

        let storage = Arc::new(Interrupted::new(office.kept.clone()));
        let of_both = inbox.deposit(&promise).await.unwrap();
        let answer = DepositReceipt::parse(&theirs.to_bytes()).unwrap();
        storage.interrupt(move |call, name| {
            let now = call == Call::Create && name.contains("/answer-");
            if now {
                let number = block_on(inbox.answer(&of_both, &answer, &SystemEntropy::default()));
                assert_eq!(number.unwrap(), 0);
            }
            now
        });
        let late = office.inbox_on(storage, &signed).await;
        assert_eq!(late.answer(&incoming, &mine, &SystemEntropy::default()).await.unwrap(), 1);
        let held = office.carrier().held(signed.descriptor.request(), client.id()).await.unwrap();
        let opened = |number: usize| client.open_answer(number, &held.answers[number]).unwrap();
        assert_eq!([opened(0).to_bytes(), opened(1).to_bytes()], [theirs.to_bytes(), mine.to_bytes()]);
    });
}

/// Something that no office has sealed, under the numbers of the first answers.
async fn put_answers(office: &Intake, of: &Promise, count: u16) {
    for number in 0..count {
        let key = format!("deposit/{}/{}/answer-{number:04x}", of.request(), of.deposit());
        office.kept.create(&key.parse().unwrap(), vec![7; 100].into()).await.unwrap();
    }
}

/// A carrier can put what it likes where answers go: that an office has answered it cannot say, and the next number is taken.
#[test]
fn what_a_carrier_puts_among_the_answers_is_none() {
    block_on(async {
        let (office, signed, promise) = begun().await;
        let inbox = office.inbox(&signed).await;
        let incoming = inbox.deposit(&promise).await.unwrap();
        put_answers(&office, &promise, 3).await;
        assert!(!inbox.is_answered(&incoming).await.unwrap());
        let receipt = office.answer(&incoming, "official-id", Verdict::Accepted).await;
        assert_eq!(inbox.answer(&incoming, &receipt, &SystemEntropy::default()).await.unwrap(), 3);
        assert!(inbox.is_answered(&incoming).await.unwrap());
    });
}

/// As many as are looked at: it is told that there is no room, and not that it was answered.
#[test]
fn a_carrier_that_fills_the_places_of_answers_keeps_answers_away_and_no_more() {
    block_on(async {
        let (office, signed, promise) = begun().await;
        let inbox = office.inbox(&signed).await;
        let incoming = inbox.deposit(&promise).await.unwrap();
        put_answers(&office, &promise, 256).await;
        assert!(!inbox.is_answered(&incoming).await.unwrap());
        let receipt = office.answer(&incoming, "official-id", Verdict::Accepted).await;
        let refused = inbox.answer(&incoming, &receipt, &SystemEntropy::default()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
    });
}
