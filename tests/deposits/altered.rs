//! What a client sends, a carrier keeps and an office answers, altered.

use std::sync::Arc;

use bytes::Bytes;
use docvault::{
    Attributes, Clock, ErrorKind, Receipt, SystemEntropy, TrustPolicy, Vault, VaultOptions,
    deposit::*,
    keys::LocalKey,
    storage::{MemoryStorage, ObjectKey, Storage, testing::EvilStorage},
};

use crate::{common::block_on, intake::*};

/// All copies of `bytes` in which one bit is another.
fn flips(bytes: &[u8]) -> impl Iterator<Item = Bytes> + '_ {
    (0..bytes.len() * 8).map(|bit| {
        let mut altered = bytes.to_vec();
        altered[bit / 8] ^= 1 << (bit % 8);
        altered.into()
    })
}

#[test]
fn no_bit_of_what_is_sent_can_be_another() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let (carrier, opened) = (office.carrier(), office.open(&signed));
        let contents = [content(1, 40)];
        let mut client = begin(&opened, &contents);
        let part = seal(&mut client, &contents, (0, 0));
        for altered in flips(&part) {
            assert!(carrier.receive(altered).await.is_err());
        }
        carrier.receive(part).await.unwrap();
        let manifest = client.finish(Attributes::new(), "").unwrap();
        for altered in flips(&manifest) {
            assert!(carrier.finish(altered).await.is_err());
        }
        let promise = carrier.finish(manifest.clone()).await.unwrap();
        for altered in flips(&promise) {
            assert!(client.check_promise(&altered, &manifest).is_err());
            assert!(Promise::verify(&altered, &signed.descriptor).is_err());
        }
        let journal = client.journal(&SystemEntropy::default()).unwrap();
        for altered in flips(&journal).step_by(7) {
            assert!(opened.resume(&altered).is_err());
        }
    });
}

#[test]
fn no_bit_of_a_request_can_be_another() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let descriptor = signed.descriptor.to_bytes();
        let elsewhere = office.carrier_on(Arc::new(MemoryStorage::new()));
        for altered in flips(&descriptor) {
            assert!(OpenedRequest::open(&altered, &signed.link, None, office.clock.now()).is_err());
            assert!(elsewhere.publish(altered).await.is_err());
        }
        for len in 0..descriptor.len() {
            assert!(OpenedRequest::open(&descriptor[..len], &signed.link, None, office.clock.now()).is_err());
        }
    });
}

#[test]
fn no_bit_of_what_the_carrier_keeps_can_be_another() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let contents = [content(1, 40)];
        let promise = deposit(&office.carrier(), &mut begin(&office.open(&signed), &contents), &contents)
            .await
            .unwrap();
        let secrets = || office.desk.request_secrets(office.case, signed.descriptor.request());
        for (name, bytes) in objects(&*office.kept).await {
            // Its number alone counts, and the office reads neither: they are for the carrier.
            if name.contains("/begun/") {
                continue;
            }
            let key = name.parse().unwrap();
            let evil = Arc::new(EvilStorage::new(&office.kept));
            for altered in flips(&bytes) {
                evil.substitute(&key, altered);
                let request = signed.descriptor.request();
                let inbox =
                    Inbox::open(evil.clone(), request, &office.vault.sender(), secrets().await.unwrap())
                        .await;
                let read = async {
                    let inbox = inbox?;
                    let promises = inbox.promises().await?;
                    let promise = promises.first().ok_or("no promise")?;
                    let incoming = inbox.deposit(promise).await?;
                    Ok::<_, Box<dyn std::error::Error>>(incoming.read(0)?.collect().await?)
                };
                assert!(read.await.is_err(), "{name}");
            }
        }
        assert_eq!(office.inbox(&signed).await.promises().await.unwrap(), [promise]);
    });
}

#[test]
fn a_page_that_failed_releases_nothing_more_and_one_cut_short_is_found() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let contents = [content(1, 1_200_000)];
        let mut client = begin(&office.open(&signed), &contents);
        let promise = deposit(&office.carrier(), &mut client, &contents).await.unwrap();
        let parts = objects(&*office.kept).await.into_iter().filter(|(name, _)| name.contains("/part-"));
        let parts: Vec<_> = parts.collect();
        assert_eq!(parts.len(), 3);
        for (i, j) in [(0, 1), (1, 0), (1, 2), (2, 1)] {
            let evil = Arc::new(EvilStorage::new(&office.kept));
            evil.substitute(&parts[i].0.parse().unwrap(), parts[j].1.clone());
            let incoming = office.inbox_on(evil.clone(), &signed).await.deposit(&promise).await.unwrap();
            let mut reader = incoming.read(0).unwrap();
            for part in 0..i {
                let released = reader.next().await.unwrap().unwrap();
                assert_eq!(released.as_slice(), &contents[0][part << 19..(part + 1) << 19]);
            }
            assert_eq!(reader.next().await.unwrap_err().kind(), ErrorKind::Corrupt);
            evil.substitute(&parts[i].0.parse().unwrap(), parts[i].1.clone());
            assert_eq!(reader.next().await.unwrap_err().kind(), ErrorKind::Corrupt);
        }
        // What was taken in can go; its use stays counted.
        let inbox = office.inbox(&signed).await;
        let incoming = inbox.deposit(&promise).await.unwrap();
        inbox.clear(client.id()).await.unwrap();
        assert_eq!(incoming.read(0).unwrap().collect().await.unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(finish(&office.carrier(), &client).await.unwrap(), promise);
    });
}

/// The receipt for the record in a deposit's.
fn record_in(receipt: &DepositReceipt) -> Receipt {
    let bytes = receipt.to_bytes();
    let text = String::from_utf8_lossy(&bytes);
    Receipt::parse(&text[text.find("c2sp.org/tlog-proof").unwrap()..]).unwrap()
}

fn put_together(claim: &[u8], promise: &Promise, receipt: &Receipt) -> DepositReceipt {
    let mut bytes = b"dvdr\x01\x01\0\0".to_vec();
    for field in [claim, &promise.to_bytes(), receipt.to_string().as_bytes()] {
        bytes.extend(u32::try_from(field.len()).unwrap().to_be_bytes());
        bytes.extend(field);
    }
    DepositReceipt::parse(&bytes).unwrap()
}

#[test]
fn a_receipt_holds_for_its_own_deposit_claim_and_record_alone() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let inbox = office.inbox(&signed).await;
        let mut incoming = Vec::new();
        for seed in 0..2 {
            let contents = [content(seed, 40)];
            let promise = deposit(&office.carrier(), &mut begin(&office.open(&signed), &contents), &contents)
                .await
                .unwrap();
            incoming.push(inbox.deposit(&promise).await.unwrap());
        }
        let receipt = office.answer(&incoming[0], "official-id", Verdict::Accepted).await;
        let other = office.answer(&incoming[1], "official-id", Verdict::Quarantined("virus".into())).await;
        let check = |receipt: &DepositReceipt| receipt.verify(&office.policy, &signed.descriptor);
        assert_eq!(check(&receipt).unwrap().promise, *incoming[0].promise());
        let bytes = receipt.to_bytes();
        assert_eq!(check(&DepositReceipt::parse(&bytes).unwrap()), check(&receipt));

        // A promise, a claim and a record that do not belong together.
        let claim = |deposit: &IncomingDeposit, time| {
            let claim = deposit.claim(office.case, "official-id", Verdict::Accepted, time);
            claim.to_bytes().unwrap()
        };
        let of = record_in;
        let put = |claim: Vec<u8>, promise: &IncomingDeposit, receipt: Receipt| {
            check(&put_together(&claim, promise.promise(), &receipt)).unwrap_err()
        };
        let now = office.clock.now();
        assert_eq!(put(claim(&incoming[0], now), &incoming[1], of(&receipt)), DepositReceiptError::Mismatch);
        let made = DepositReceipt::new(claim(&incoming[0], now), incoming[1].promise().clone(), of(&receipt));
        assert_eq!(made.unwrap_err(), DepositReceiptError::Mismatch);
        assert_eq!(put(claim(&incoming[0], now), &incoming[0], of(&other)), DepositReceiptError::Claim);
        let later = now.saturating_add(DAY);
        assert_eq!(put(claim(&incoming[0], later), &incoming[0], of(&receipt)), DepositReceiptError::Claim);
        let stored =
            office.desk.store(office.case, docvault::NewDocument::named("x"), vec![1]).await.unwrap();
        let note = office.vault.audit().checkpoint().await.unwrap();
        let stored = office.desk.receipt(stored.seq, &note).await.unwrap();
        assert_eq!(put(claim(&incoming[0], now), &incoming[0], stored), DepositReceiptError::Claim);
        let request = office.request().await;
        assert_eq!(receipt.verify(&office.policy, &request.descriptor), Err(DepositReceiptError::Promise));
        let stranger = TrustPolicy::parse("quorum none\n").unwrap();
        assert!(matches!(
            receipt.verify(&stranger, &signed.descriptor),
            Err(DepositReceiptError::Receipt(_))
        ));

        for altered in flips(&bytes) {
            let verified = DepositReceipt::parse(&altered).ok().map(|receipt| check(&receipt));
            // Beside the canonical text of the note's signatures nothing is open to change.
            assert!(verified.is_none_or(|verified| verified.is_err()));
        }
    });
}

/// Whoever has a log of their own, which the verifier trusts too, states the same there, in a case of the same number.
#[test]
fn a_receipt_of_another_log_holds_for_no_deposit() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let contents = [content(1, 40)];
        let mut client = begin(&office.open(&signed), &contents);
        let promise = deposit(&office.carrier(), &mut client, &contents).await.unwrap();
        let incoming = office.inbox(&signed).await.deposit(&promise).await.unwrap();

        let folder = tempfile::tempdir().unwrap();
        let key = LocalKey::create(folder.path().join("key")).unwrap();
        let planted = Planted::default();
        let options = VaultOptions::default().entropy(planted.clone());
        let vault =
            Vault::create_with(Arc::new(MemoryStorage::default()), Arc::new(key), options).await.unwrap();
        planted.plant(*office.case.as_bytes());
        let theirs = Intake::of(vault).await;
        assert_eq!(theirs.case, office.case);

        let logs = format!("{}{}", office.policy, theirs.policy).replacen("quorum none\n", "", 1);
        let both = TrustPolicy::parse(&logs).unwrap();
        for (answering, refused) in [(&office, None), (&theirs, Some(DepositReceiptError::Claim))] {
            let receipt = answering.answer(&incoming, "official-id", Verdict::Accepted).await;
            assert_eq!(receipt.verify(&both, &signed.descriptor).err(), refused);
        }
    });
}

#[test]
fn a_promise_that_the_inbox_leaves_out_is_named() {
    block_on(async {
        let office = Intake::new().await;
        let slot = Slot::new("any", 1 << 20).uses(3);
        let signed = office.desk.sign_request(office.terms().slot(slot)).await.unwrap();
        office.carrier().publish(signed.descriptor.to_bytes()).await.unwrap();
        for seed in 1..=2 {
            let contents = [content(seed, 5)];
            let mut client = begin(&office.open(&signed), &contents);
            deposit(&office.carrier(), &mut client, &contents).await.unwrap();
        }
        let name = |slot: u16, number: u16| -> ObjectKey {
            let request = signed.descriptor.request();
            format!("deposit/{request}/promise/{slot:04x}-{number:04x}").parse().unwrap()
        };
        let read = async |number| office.kept.read(&name(0, number), None).await.unwrap().unwrap();
        let (first, second) = (read(0).await, read(1).await);
        let cut = first.slice(1..);
        let lost = async |changes: &[(ObjectKey, Option<&Bytes>)]| {
            let kept = Arc::new(office.kept.snapshot());
            for (key, bytes) in changes {
                kept.delete(key).await.unwrap();
                if let Some(bytes) = bytes {
                    kept.create(key, (*bytes).clone()).await.unwrap();
                }
            }
            let inbox = office.inbox_on(kept, &signed).await;
            (inbox.promises().await.unwrap().len(), inbox.lost_promises().await.unwrap())
        };
        assert_eq!(lost(&[]).await, (2, vec![]));
        assert_eq!(lost(&[(name(0, 0), Some(&cut))]).await, (1, vec![name(0, 0)]), "altered");
        assert_eq!(lost(&[(name(0, 0), None)]).await, (0, vec![name(0, 1)]), "behind a gap");
        assert_eq!(lost(&[(name(0, 0), Some(&second))]).await, (1, vec![name(0, 1)]), "copied over another");
        assert_eq!(lost(&[(name(1, 0), Some(&first))]).await, (2, vec![name(1, 0)]), "of no slot");
        assert_eq!(lost(&[(name(0, 3), Some(&first))]).await, (2, vec![name(0, 3)]), "beyond the uses");
        // Nothing is listed of it, nor of what comes after the last.
        assert_eq!(lost(&[(name(0, 1), None)]).await, (1, vec![]));
    });
}
