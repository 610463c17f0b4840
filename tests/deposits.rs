//! Deposits end to end: a request, a link, a client whose connection drops, a carrier that crashes, an
//! office that takes in and answers.
#![cfg(all(feature = "intake", feature = "testing"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::too_many_lines,
    reason = "tests"
)]

mod common;
#[path = "deposits/erased.rs"]
mod erased;
#[path = "common/forge.rs"]
mod forge;
#[path = "common/intake.rs"]
mod intake;
#[path = "common/interrupted.rs"]
mod interrupted;
#[path = "deposits/listed.rs"]
mod listed;
#[path = "deposits/promising.rs"]
mod promising;

use bytes::Bytes;
use common::block_on;
use core::time::Duration;
use docvault::{
    Attributes, Clock, ErrorKind, Kind, NoSleep, Receipt, RecordFilter, Secret, SystemEntropy, Timestamp,
    Vault, VaultOptions,
    deposit::*,
    keys::LocalKey,
    storage::{
        MemoryStorage, Storage,
        testing::{CrashStorage, EvilStorage, Fault, FaultyStorage, InFlight},
    },
};
use forge::{At, Holder, deposit_id};
use intake::*;
use proptest::prelude::*;
use std::{collections::BTreeMap, sync::Arc};

#[test]
fn a_deposit_arrives_and_its_client_gets_a_receipt() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let (carrier, opened) = (office.carrier(), office.open(&signed));
        assert!(!signed.descriptor.asks_passphrase());
        assert!(signed.descriptor.issued() > Timestamp::from_millis(0));
        assert!(signed.descriptor.issued() <= office.vault.now());
        assert_eq!((opened.case(), opened.slots()[0].requirement.as_str()), (office.case, "official-id"));
        let contents = [content(1, 1_500_000), content(2, 70_000)];
        let mut client = begin(&opened, &contents);
        let promise = deposit(&carrier, &mut client, &contents).await.unwrap();

        let inbox = office.inbox(&signed).await;
        assert_eq!(inbox.promises().await.unwrap().as_slice(), core::slice::from_ref(&promise));
        let incoming = inbox.deposit(&promise).await.unwrap();
        assert_eq!((incoming.id().slot(), incoming.comment()), (0, "con gusto"));
        assert_eq!(incoming.form()["rfc"], "PEJU850101AB1");
        for (page, content) in (0..).zip(&contents) {
            assert_eq!(incoming.read(page).unwrap().collect().await.unwrap().as_slice(), content);
            assert_eq!(incoming.pages()[usize::from(page)].digest, *blake3::hash(content).as_bytes());
        }

        let receipt = office.answer(&incoming, "official-id", Verdict::Accepted).await;
        let number = inbox.answer(&incoming, &receipt, &SystemEntropy::default()).await.unwrap();
        let held = carrier.held(signed.descriptor.request(), client.id()).await.unwrap();
        assert_eq!((number, held.answers.len(), held.parts.len()), (0, 1, 4));
        let answer = client.open_answer(0, &held.answers[0]).unwrap();
        let policy = docvault::TrustPolicy::parse(opened.policy()).unwrap();
        let proven = opened.verify(&answer, &policy).unwrap();
        assert_eq!(proven.claim.requirement, "official-id");
        assert_eq!(proven.claim.pages[1].len, 70_000);
        assert_eq!(promise.standing(office.clock.now(), Some(&proven)), Standing::Answered);
    });
}

#[test]
fn a_client_goes_on_wherever_its_connection_was_lost() {
    block_on(async {
        let office = Intake::new().await;
        let contents = [content(1, 1_500_000), content(2, 600_000)];
        for lost in 0.. {
            let signed = office.request().await;
            let (carrier, opened) = (office.carrier(), office.open(&signed));
            let mut client = begin(&opened, &contents);
            let journal = client.journal(&SystemEntropy::default()).unwrap();
            let places = client.places();
            for place in places.iter().take(lost) {
                carrier.receive(seal(&mut client, &contents, *place)).await.unwrap();
            }
            // The telephone restarts: all that is left is the link and the journal.
            let mut again = opened.resume(&journal).unwrap();
            assert_eq!((again.id(), again.places()), (client.id(), places.clone()));
            let held = carrier.held(signed.descriptor.request(), again.id()).await.unwrap();
            assert_eq!((held.parts.len(), held.promise), (lost, None));
            for place in &places {
                let part = seal(&mut again, &contents, *place);
                let has = held.parts.iter().find(|held| (held.page, held.part) == *place);
                match has {
                    Some(held) => assert!(again.holds(held).unwrap()),
                    None => drop(carrier.receive(part).await.unwrap()),
                }
            }
            let promise = finish(&carrier, &again).await.unwrap();
            // The answer is lost, too.
            assert_eq!(finish(&carrier, &again).await.unwrap(), promise);
            let incoming = office.inbox(&signed).await.deposit(&promise).await.unwrap();
            for (page, content) in (0..).zip(&contents) {
                assert_eq!(incoming.read(page).unwrap().collect().await.unwrap().as_slice(), content);
            }
            if lost == places.len() {
                return assert!(lost > 4);
            }
        }
    });
}

#[test]
fn every_length_arrives_as_it_was() {
    block_on(async {
        let office = Intake::new().await;
        let slot = Slot::new("any", 2 << 20).files(1, 1).uses(20);
        let signed = office.desk.sign_request(office.terms().slot(slot)).await.unwrap();
        let (carrier, opened) = (office.carrier(), office.open(&signed));
        carrier.publish(signed.descriptor.to_bytes()).await.unwrap();
        let part = PART_LEN as usize;
        for len in
            [0, 1, 16_383, 16_384, part - 1, part, part + 1, 2 * part, 2 * part + 1, 3 * part + 7, 2 << 20]
        {
            let contents = [content(len as u64, len)];
            let promise = deposit(&carrier, &mut begin(&opened, &contents), &contents).await.unwrap();
            let incoming = office.inbox(&signed).await.deposit(&promise).await.unwrap();
            assert_eq!(incoming.read(0).unwrap().collect().await.unwrap().as_slice(), &contents[0], "{len}");
        }
    });
}

#[test]
fn a_changed_file_does_not_go_on_with_the_deposit_of_another() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let (carrier, opened) = (office.carrier(), office.open(&signed));
        let (before, after) = ([content(1, 700_000)], [content(2, 700_000)]);
        let mut client = begin(&opened, &before);
        let journal = client.journal(&SystemEntropy::default()).unwrap();
        let sent = seal(&mut client, &before, (0, 0));
        let held = carrier.receive(sent.clone()).await.unwrap();
        assert_eq!(client.seal_part(0, 0, &after[0][..1 << 19]).unwrap_err().kind(), ErrorKind::Invalid);

        let mut again = opened.resume(&journal).unwrap();
        let other = seal(&mut again, &after, (0, 0));
        // Another content meets another salt, so no key stream is met twice.
        assert_ne!(sent[152..176], other[152..176]);
        assert_eq!(again.holds(&held).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(refusal(carrier.receive(other).await), Refusal::Conflict);
    });
}

#[test]
fn what_a_request_does_not_take_is_refused_before_it_is_sealed() {
    block_on(async {
        let office = Intake::new().await;
        let opened = office.open(&office.request().await);
        let jpeg = |len| File::new("a.jpg", "image/JPEG", len);
        let begin = |slot, files| opened.begin(slot, files, &SystemEntropy::default()).map(drop);
        begin(0, vec![jpeg(3 << 20), jpeg(0)]).unwrap();
        let said = |answer: Result<(), docvault::Error>| answer.unwrap_err().to_string();
        assert!(said(begin(2, vec![jpeg(1)])).contains("no slot"));
        assert!(said(begin(0, vec![])).contains("1 to 2 files"));
        assert!(said(begin(0, vec![jpeg(1), jpeg(1), jpeg(1)])).contains("not 3"));
        assert!(said(begin(0, vec![jpeg(1), jpeg((3 << 20) + 1)])).contains("file 2 has 3145729 bytes"));
        assert!(said(begin(0, vec![File::new("a.pdf", "application/pdf", 1)])).contains("image/jpeg"));
        assert!(said(begin(1, vec![jpeg(0)])).contains("0 to 0"));
    });
}

#[test]
fn a_form_alone_is_a_deposit_too() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let client = office.open(&signed).begin(1, vec![], &SystemEntropy::default()).unwrap();
        let promise = finish(&office.carrier(), &client).await.unwrap();
        let incoming = office.inbox(&signed).await.deposit(&promise).await.unwrap();
        assert_eq!((incoming.id().slot(), incoming.pages().len()), (1, 0));
        assert_eq!(incoming.form()["rfc"], "PEJU850101AB1");
        assert!(incoming.read(0).is_err());
        let receipt = office.answer(&incoming, "declaration", Verdict::Refused("incomplete".into())).await;
        let proven = receipt.verify(&office.policy, &signed.descriptor).unwrap();
        assert_eq!(proven.claim.verdict, Verdict::Refused("incomplete".into()));
    });
}

#[test]
fn a_carrier_says_why_it_does_not_take_something() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let (carrier, holder, deposit) = (office.carrier(), Holder::of(&signed), deposit_id(0, 9));
        let at = |page, part, last| At { page, part, last };
        let full = PART_LEN as usize;
        let mut unknown = holder.part(&deposit, at(0, 0, true), 5).to_vec();
        unknown[8] ^= 1;
        for (refused, part) in [
            (Refusal::Caps, holder.part(&deposit_id(2, 9), at(0, 0, true), 5)),
            (Refusal::Caps, holder.part(&deposit, at(2, 0, true), 5)),
            (Refusal::Caps, holder.part(&deposit, at(0, 6, true), 5)),
            (Refusal::Caps, holder.part(&deposit, at(0, u32::MAX, false), full)),
            (Refusal::Caps, holder.part(&deposit_id(1, 9), at(0, 0, true), 0)),
            (Refusal::Malformed, holder.part(&deposit, at(0, 0, false), 5)),
            (Refusal::Malformed, holder.part(&deposit, at(0, 0, true), full + 1)),
            (Refusal::Malformed, holder.part(&deposit, at(0, 1, true), 0)),
            (Refusal::Malformed, holder.part_of(&deposit, at(0, 0, true), b"short")),
            (Refusal::Malformed, Bytes::new()),
            (Refusal::Unknown, unknown.into()),
        ] {
            assert_eq!(refusal(carrier.receive(part).await), refused);
        }
        let before = objects(&*office.kept).await.len();
        assert_eq!(before, 1, "nothing was stored of it");

        let missing = holder.manifest(&deposit, &[vec![[1; 32]]]);
        assert_eq!(refusal(carrier.finish(missing).await), Refusal::Missing { page: 0, part: 0 });
        let part = holder.part(&deposit, at(0, 0, true), 5);
        let held = carrier.receive(part.clone()).await.unwrap();
        assert_eq!(carrier.receive(part.clone()).await.unwrap(), held);
        assert_eq!(
            refusal(carrier.receive(holder.part(&deposit, at(0, 0, true), 5)).await),
            Refusal::Conflict
        );
        let listed = |pages: &[Vec<[u8; 32]>]| holder.manifest(&deposit, pages);
        assert_eq!(refusal(carrier.finish(listed(&[vec![[1; 32]]])).await), Refusal::Conflict);
        assert_eq!(refusal(carrier.finish(listed(&[vec![held.sha256, [1; 32]]])).await), Refusal::Conflict);
        assert_eq!(refusal(carrier.finish(listed(&vec![vec![held.sha256]; 3])).await), Refusal::Caps);
        let whole = listed(&[vec![held.sha256]]);
        let promise = carrier.finish(whole.clone()).await.unwrap();
        assert_eq!(refusal(carrier.finish(listed(&[])).await), Refusal::Conflict);
        assert_eq!(
            refusal(carrier.receive(holder.part(&deposit, at(1, 0, true), 5)).await),
            Refusal::Finished
        );

        office.inbox(&signed).await.close(office.clock.now()).await.unwrap();
        assert_eq!(
            refusal(carrier.receive(holder.part(&deposit_id(0, 8), at(1, 0, true), 5)).await),
            Refusal::Closed
        );
        assert_eq!(carrier.receive(part.clone()).await.unwrap(), held);
        office.clock.forward(DAY);
        assert_eq!(
            refusal(carrier.receive(holder.part(&deposit_id(0, 8), at(1, 0, true), 5)).await),
            Refusal::Expired
        );
        // What was promised is promised.
        assert_eq!(carrier.finish(whole).await.unwrap(), promise);
    });
}

#[test]
fn a_carrier_serves_its_own_requests_under_their_own_names() {
    block_on(async {
        let office = Intake::new().await;
        let (signed, other) = (office.request().await, office.request().await);
        let (request, deposit) = (signed.descriptor.request(), deposit_id(0, 9));
        let part = Holder::of(&signed).part(&deposit, At { page: 0, part: 0, last: true }, 5);
        office.carrier().receive(part.clone()).await.unwrap();
        let id = begin(&office.open(&signed), &[content(1, 5)]).id();
        assert!(office.carrier().held(request, id).await.is_ok());

        let another = CarrierKey::from_seed(Secret::copy_from(&[78; 32]).unwrap());
        let another = Carrier::new(office.kept.clone(), another, office.vault.sender());
        assert_eq!(refusal(another.held(request, id).await), Refusal::Unknown);
        let evil = Arc::new(EvilStorage::new(&office.kept));
        let name = |request: RequestId| format!("deposit/{request}/request").parse().unwrap();
        let bytes = office.kept.read(&name(other.descriptor.request()), None).await.unwrap().unwrap();
        evil.substitute(&name(request), bytes);
        assert_eq!(refusal(office.carrier_on(evil).held(request, id).await), Refusal::Unknown);

        office.carrier().close(request).await.unwrap();
        let late = Holder::of(&signed).part(&deposit_id(0, 8), At { page: 0, part: 0, last: true }, 5);
        assert_eq!(refusal(office.carrier().receive(late).await), Refusal::Closed);
    });
}

#[test]
fn a_carrier_tells_of_every_part_however_many_it_holds() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let contents = [content(1, 5)];
        let mut client = begin(&office.open(&signed), &contents);
        let (request, id) = (signed.descriptor.request(), client.id());
        let part = seal(&mut client, &contents, (0, 0));
        office.carrier().receive(part.clone()).await.unwrap();
        for held in 1..=2001 {
            if [1, 999, 1000, 1001, 2000, 2001].contains(&held) {
                assert_eq!(office.carrier().held(request, id).await.unwrap().parts.len(), held);
            }
            let name = format!("deposit/{request}/{id}/part-0000-{held:08x}");
            office.kept.create(&name.parse().unwrap(), part.clone()).await.unwrap();
        }
        office.inbox(&signed).await.clear(id).await.unwrap();
        assert_eq!(office.carrier().held(request, id).await.unwrap().parts, []);
    });
}

#[test]
fn an_inbox_is_of_its_request_and_opens_what_was_promised() {
    block_on(async {
        let office = Intake::new().await;
        let (signed, other) = (office.request().await, office.request().await);
        let (request, another) = (signed.descriptor.request(), other.descriptor.request());
        let evil = Arc::new(EvilStorage::new(&office.kept));
        let name = |request: RequestId, of: String| format!("deposit/{request}/{of}").parse().unwrap();
        let read = async |key| office.kept.read(&key, None).await.unwrap().unwrap();
        evil.substitute(
            &name(request, "request".to_owned()),
            read(name(another, "request".to_owned())).await,
        );
        // Of another request of the same case: by what the carrier shows as well, or by its secrets alone.
        for storage in [evil, Arc::new(EvilStorage::new(&office.kept))] {
            let secrets = office.desk.request_secrets(office.case, another).await.unwrap();
            let inbox = Inbox::open(storage, request, &office.vault.sender(), secrets).await;
            assert_eq!(inbox.unwrap_err().kind(), ErrorKind::Corrupt);
        }

        let contents = [content(1, 5)];
        let mut promises = Vec::new();
        for _ in 0..2 {
            let mut client = begin(&office.open(&signed), &contents);
            promises.push(deposit(&office.carrier(), &mut client, &contents).await.unwrap());
        }
        let manifest = |promise: &Promise| name(request, format!("{}/manifest", promise.deposit()));
        let evil = Arc::new(EvilStorage::new(&office.kept));
        evil.substitute(&manifest(&promises[0]), read(manifest(&promises[1])).await);
        let inbox = office.inbox_on(evil, &signed).await;
        assert_eq!(inbox.deposit(&promises[0]).await.unwrap_err().kind(), ErrorKind::Corrupt);
        assert!(inbox.deposit(&promises[1]).await.is_ok());
        // The second one copied over the first is still one.
        let place = |number: u32| name(request, format!("promise/0000-{number:04x}"));
        let evil = Arc::new(EvilStorage::new(&office.kept));
        let all = office.inbox(&signed).await.promises().await.unwrap();
        evil.substitute(&place(0), read(place(1)).await);
        let shown = office.inbox_on(evil, &signed).await.promises().await.unwrap();
        assert_eq!((all.len(), shown.as_slice()), (2, &all[1..]));
    });
}

#[test]
fn another_deposit_of_the_same_name_and_key_is_not_the_promised_one() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let other = Arc::new(MemoryStorage::default());
        office.carrier_on(other.clone()).publish(signed.descriptor.to_bytes()).await.unwrap();
        let mut promises = Vec::new();
        for (kept, seed) in [(&office.kept, 1), (&other, 2)] {
            let contents = [content(seed, 1_200_000)];
            let mut client = office.open(&signed).begin(0, files(&contents), &Seeded::new(7)).unwrap();
            let promise = deposit(&office.carrier_on(kept.clone()), &mut client, &contents).await.unwrap();
            // The vault's clock runs on while the request is signed, and no promise is from before.
            assert_eq!(promise.time(), office.clock.now().max(signed.descriptor.issued()));
            promises.push(promise);
            office.clock.forward(Duration::from_secs(1));
        }
        assert_eq!(promises[0].deposit(), promises[1].deposit());
        // The first of its objects whose name has this in it.
        let of_other = async |part: &str| {
            let (name, bytes) =
                objects(&*other).await.into_iter().find(|(name, _)| name.contains(part)).unwrap();
            (name.parse().unwrap(), bytes)
        };

        let evil = Arc::new(EvilStorage::new(&office.kept));
        let (name, bytes) = of_other("/manifest").await;
        evil.substitute(&name, bytes);
        let refused = office.inbox_on(evil, &signed).await.deposit(&promises[0]).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Corrupt);

        // Nothing of a part that was not promised is released, whatever comes after it.
        let evil = Arc::new(EvilStorage::new(&office.kept));
        let (name, bytes) = of_other("/part-").await;
        evil.substitute(&name, bytes);
        let incoming = office.inbox_on(evil, &signed).await.deposit(&promises[0]).await.unwrap();
        assert_eq!(incoming.read(0).unwrap().next().await.unwrap_err().kind(), ErrorKind::Corrupt);
    });
}

#[test]
fn a_request_has_1_to_64_slots_and_expires_later() {
    block_on(async {
        let office = Intake::new().await;
        let of = async |slots: usize, expires| {
            let terms = RequestTerms::new(office.case, carrier_key().public(), expires);
            let slot = || Slot::new("declaration", 0).files(0, 0);
            let terms = (0..slots).fold(terms, |terms, _| terms.slot(slot()));
            office.desk.sign_request(terms).await.map(drop).map_err(|error| (error.kind(), error.to_string()))
        };
        let (now, later) = (office.clock.now(), office.clock.now().saturating_add(DAY));
        for slots in [1, 64] {
            of(slots, later).await.unwrap();
        }
        for slots in [0, 65] {
            let (kind, said) = of(slots, later).await.unwrap_err();
            assert_eq!(kind, ErrorKind::Invalid);
            assert!(said.contains(&format!("1 to 64 slots, not {slots}")), "{said}");
        }
        let (kind, said) = of(1, now).await.unwrap_err();
        assert_eq!(kind, ErrorKind::Invalid);
        assert!(said.contains("expires after it is made"), "{said}");
    });
}

#[test]
fn a_client_takes_the_promise_of_its_own_deposit_for_what_it_sent() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let (carrier, opened) = (office.carrier(), office.open(&signed));
        let mut sent = Vec::new();
        for seed in [1, 2] {
            let contents = [content(seed, 70_000)];
            let mut client = begin(&opened, &contents);
            for place in client.places() {
                carrier.receive(seal(&mut client, &contents, place)).await.unwrap();
            }
            let manifest = client.finish(BTreeMap::new(), "").unwrap();
            sent.push((client, carrier.finish(manifest.clone()).await.unwrap(), manifest));
        }
        for (client, (of, (_, promise, _))) in [0, 0, 1, 1].into_iter().zip(sent.iter().enumerate().cycle()) {
            for (manifest_of, (_, _, manifest)) in sent.iter().enumerate() {
                let taken = sent[client].0.check_promise(promise, manifest);
                assert_eq!(taken.is_ok(), client == of && of == manifest_of, "{client} {of} {manifest_of}");
            }
        }
    });
}

#[test]
fn a_file_has_no_part_beyond_its_last() {
    block_on(async {
        let office = Intake::new().await;
        let opened = office.open(&office.request().await);
        let mut client = begin(&opened, &[content(1, 70_000)]);
        for (page, part) in [(0, 1), (0, 2), (1, 0)] {
            assert_eq!(client.seal_part(page, part, &[]).unwrap_err().kind(), ErrorKind::Invalid);
        }
    });
}

#[test]
fn uses_are_counted_exactly_by_deposits_at_once() {
    block_on(async {
        let office = Intake::new().await;
        for (uses, clients, promised) in [(5, 13, 5), (1, 9, 1), (16, 16, 16), (2, 16, 2)] {
            let slot = Slot::new("any", 1 << 20).uses(uses);
            let signed = office.desk.sign_request(office.terms().slot(slot)).await.unwrap();
            let (carrier, opened) = (office.carrier(), office.open(&signed));
            carrier.publish(signed.descriptor.to_bytes()).await.unwrap();
            let start = std::sync::Barrier::new(clients);
            let one = |seed| {
                let contents = [content(seed, 10)];
                let mut client = begin(&opened, &contents);
                start.wait();
                block_on(deposit(&office.carrier(), &mut client, &contents))
            };
            let answers: Vec<_> = std::thread::scope(|scope| {
                let running: Vec<_> =
                    (0..clients as u64).map(|seed| scope.spawn(move || one(seed))).collect();
                running.into_iter().map(|client| client.join().unwrap()).collect()
            });
            let (taken, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
            assert_eq!(taken.len(), promised, "of {uses}");
            let begun = clients.min(usize::from(uses) + 8);
            let counts = |wanted| {
                refused
                    .iter()
                    .filter(|answer| matches!(answer, Err(CarrierError::Refused(why)) if *why == wanted))
                    .count()
            };
            assert_eq!(counts(Refusal::Uses), begun - promised);
            assert_eq!(counts(Refusal::Begun), clients - begun);
            let mut promises: Vec<_> = taken.into_iter().map(Result::unwrap).collect();
            let mut found = office.inbox(&signed).await.promises().await.unwrap();
            promises.sort_by_key(Promise::deposit);
            found.sort_by_key(Promise::deposit);
            assert_eq!(found, promises);
        }
    });
}

/// What a client does, as far as its carrier answers.
async fn send(
    office: &Intake,
    storage: Arc<dyn Storage>,
    signed: &SignedRequest,
    contents: &[Vec<u8>],
) -> Result<Promise, CarrierError> {
    let carrier = office.carrier_on(storage);
    carrier.publish(signed.descriptor.to_bytes()).await?;
    let mut client = office.open(signed).begin(0, files(contents), &Seeded::new(7)).unwrap();
    deposit(&carrier, &mut client, contents).await
}

#[test]
fn a_crash_of_the_carrier_at_any_storage_call_loses_nothing_promised() {
    block_on(async {
        let office = Intake::new().await;
        let slot = Slot::new("any", 1 << 20).files(1, 2);
        let signed = office.desk.sign_request(office.terms().slot(slot)).await.unwrap();
        let contents = [content(1, 600_000), content(2, 10)];
        for crash_at in 0.. {
            let storage = Arc::new(CrashStorage::new(&MemoryStorage::new(), crash_at));
            let answered = send(&office, storage.clone(), &signed, &contents).await;
            if !storage.crashed() {
                assert!(crash_at > 20);
                assert!(answered.is_ok());
                return;
            }
            for in_flight in InFlight::BOTH {
                let found = Arc::new(storage.recover(in_flight).await.unwrap());
                // Time goes on between crash and recovery.
                office.clock.forward(Duration::from_millis(1));
                let promise = send(&office, found.clone(), &signed, &contents).await.unwrap();
                if let Ok(before) = &answered {
                    assert_eq!(promise, *before, "call {crash_at}");
                }
                let inbox = office.inbox_on(found, &signed).await;
                assert_eq!(
                    inbox.promises().await.unwrap().as_slice(),
                    core::slice::from_ref(&promise),
                    "call {crash_at}"
                );
                let incoming = inbox.deposit(&promise).await.unwrap();
                let page = incoming.read(0).unwrap().collect().await.unwrap();
                assert_eq!(page.as_slice(), contents[0], "call {crash_at}");
            }
        }
    });
}

#[cfg(feature = "fs")]
#[test]
fn a_folder_carries_deposits_too() {
    block_on(async {
        let office = Intake::new().await;
        let folder = tempfile::tempdir().unwrap();
        let storage = Arc::new(docvault::storage::FsStorage::create(folder.path().join("carrier")).unwrap());
        let signed = office.desk.sign_request(office.terms().slot(Slot::new("any", 1 << 20))).await.unwrap();
        let contents = [content(1, 700_000)];
        let promise = send(&office, storage.clone(), &signed, &contents).await.unwrap();
        let inbox = office.inbox_on(storage, &signed).await;
        let incoming = inbox.deposit(&promise).await.unwrap();
        assert_eq!(incoming.read(0).unwrap().collect().await.unwrap().as_slice(), contents[0]);
        inbox.clear(promise.deposit()).await.unwrap();
        assert!(incoming.read(0).unwrap().collect().await.is_err());
        assert_eq!(inbox.promises().await.unwrap(), [promise]);
    });
}

#[test]
fn a_fault_at_any_storage_call_loses_and_doubles_nothing() {
    block_on(async {
        let office = Intake::new().await;
        let slot = Slot::new("any", 1 << 20).uses(2);
        let signed = office.desk.sign_request(office.terms().slot(slot)).await.unwrap();
        let contents = [content(1, 600_000)];
        for fault in Fault::ALLOWED {
            for nth in 0.. {
                let kept = Arc::new(MemoryStorage::new());
                let faulty = Arc::new(FaultyStorage::script(kept.clone(), nth, fault));
                let first = send(&office, faulty.clone(), &signed, &contents).await;
                let calls = faulty.calls();
                let promise = match first {
                    Ok(promise) => promise,
                    // What failed is sent again.
                    Err(CarrierError::Failed(_)) => {
                        send(&office, faulty.clone(), &signed, &contents).await.unwrap()
                    }
                    Err(other) => panic!("{fault:?} at {nth}: {other}"),
                };
                faulty.land().await.unwrap();
                assert_eq!(send(&office, kept.clone(), &signed, &contents).await.unwrap(), promise);
                let found = office.inbox_on(kept, &signed).await.promises().await.unwrap();
                assert_eq!(found, [promise], "{fault:?} at {nth}");
                if calls <= nth {
                    break;
                }
            }
        }
    });
}

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

#[test]
fn an_erased_case_opens_no_deposit_any_more() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        office.desk.close_case(office.case, "done").await.unwrap();
        office.desk.erase_case(office.case).await.unwrap();
        let again = office.desk.request_secrets(office.case, signed.descriptor.request()).await;
        assert_eq!(again.unwrap_err().kind(), ErrorKind::Erased);
    });
}

/// A process that has the case's key, and has not heard of the erasure.
#[test]
fn no_link_is_made_for_a_case_that_another_process_erased() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = common::vault_on(storage.clone()).await;
        let office = Intake::of(vault).await;
        let key = LocalKey::load(folder.path().join("key")).unwrap();
        let other = Vault::open(storage, key, &office.vault.pin()).await.unwrap();
        let other = other.session("user:2").purpose("cleaning up").begin().unwrap();
        office.sign().await;
        other.close_case(office.case, "done").await.unwrap();
        other.erase_case(office.case).await.unwrap();
        let again = office.desk.sign_request(office.terms().slot(Slot::new("form", 0).files(0, 0))).await;
        assert_eq!(again.map(drop).unwrap_err().kind(), ErrorKind::Erased);
    });
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
        let of = |receipt: &DepositReceipt| {
            let bytes = receipt.to_bytes();
            let text = String::from_utf8_lossy(&bytes);
            let start = text.find("c2sp.org/tlog-proof").unwrap();
            Receipt::parse(&text[start..]).unwrap()
        };
        let put = |claim: Vec<u8>, promise: &IncomingDeposit, receipt: Receipt| {
            let mut bytes = b"dvdr\x01\x01\0\0".to_vec();
            let promise = promise.promise().to_bytes().to_vec();
            for field in [claim, promise, receipt.to_string().into_bytes()] {
                bytes.extend(u32::try_from(field.len()).unwrap().to_be_bytes());
                bytes.extend(field);
            }
            check(&DepositReceipt::parse(&bytes).unwrap()).unwrap_err()
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
        let stranger = docvault::TrustPolicy::parse("quorum none\n").unwrap();
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

/// The key to all that came in is given to nobody whose name is not on record before, nor without a record.
#[test]
fn what_came_in_is_opened_on_record() {
    block_on(async {
        let kept = Arc::new(MemoryStorage::default());
        let (vault, folder) = common::vault_on(kept.clone()).await;
        let office = Intake::of(vault).await;
        let signed = office.request().await;
        let (request, size) = (signed.descriptor.request(), office.vault.pin().size());
        office.desk.request_secrets(office.case, request).await.unwrap();
        let auditor = office.vault.session("auditor:3").purpose("review").auditor().unwrap();
        let records = auditor.records(&RecordFilter::all()).await.unwrap();
        let new: Vec<_> = records.iter().filter(|record| record.seq >= size).collect();
        assert_eq!(new.len(), 1);
        let told = (new[0].kind, new[0].case, new[0].actor.as_str());
        assert_eq!(told, (Kind::Browsed, Some(office.case), office.desk.actor()));
        let details = auditor.disclose(size).await.unwrap().open().unwrap().details;
        assert_eq!(details, [12, 0, 0, 0, 1]);

        let mut refused = 0;
        loop {
            let size = office.vault.sync().await.unwrap().size();
            let faults = (refused..refused + 10_000).map(|call| (call, Fault::Error));
            let faulty = Arc::new(FaultyStorage::scripted(kept.clone(), faults));
            let key = Arc::new(LocalKey::load(folder.path().join("key")).unwrap());
            let options = VaultOptions::default().sleeper(NoSleep::default());
            let given = async {
                let vault = Vault::open_with(faulty, key, &office.vault.pin(), options).await?;
                let desk = vault.session("b").purpose("q").begin()?;
                desk.request_secrets(office.case, request).await
            };
            let given = given.await.is_ok();
            let on_record = office.vault.sync().await.unwrap().size() > size;
            assert!(on_record || !given, "given without a record, when calls failed from {refused} on");
            if given {
                break;
            }
            refused += 1;
        }
        assert!(refused > 5, "opening, the key and the record all take calls");
    });
}

#[test]
fn a_link_has_one_text_and_prints_none_of_it() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let url = signed.link.expose_url(PAGE).unwrap();
        let (page, fragment) = url.split_once('#').unwrap();
        assert_eq!((page, fragment.len()), (PAGE, 87));
        assert_eq!(Link::parse(fragment).unwrap().expose_url(PAGE).unwrap(), url);
        let secrets = office.desk.request_secrets(office.case, signed.descriptor.request()).await.unwrap();
        assert_eq!(secrets.link(&signed.descriptor).unwrap().expose_url(PAGE).unwrap(), url);
        assert_eq!(signed.link.expose_url(&url).unwrap_err().kind(), ErrorKind::Invalid);
        for shorter in 0..fragment.len() {
            assert!(Link::parse(&fragment[..shorter]).is_err(), "{shorter}");
        }
        for other in [format!("{fragment}A"), format!("{fragment}="), fragment.replace(&fragment[..1], "B")] {
            assert!(Link::parse(&other).is_err());
        }
        let printed = format!("{:?} {:?} {:?}", signed.link, signed, office.open(&signed));
        assert!(!printed.contains(&fragment[50..60]) && printed.contains("REDACTED"));
    });
}

/// What somebody with a valid link may try.
#[derive(Debug, Clone)]
enum Act {
    /// A whole deposit, as an honest client makes it.
    Deposit { slot: u16, lens: Vec<usize> },
    /// A part of any deposit for any place, signed with the link.
    Part { deposit: [u8; 16], at: At, len: usize },
    /// A manifest that lists the parts sent so far for a deposit, or something else.
    Manifest { deposit: [u8; 16], pages: Vec<u8>, honest: bool },
    /// The last thing that was sent, again, or with one byte changed.
    Again { offset: Option<usize> },
    /// Time passes.
    Wait,
}

fn place() -> impl Strategy<Value = At> {
    (0..4u16, prop_oneof![0..4u32, Just(u32::MAX)], any::<bool>()).prop_map(|(page, part, last)| At {
        page,
        part,
        last,
    })
}

fn some_deposit() -> impl Strategy<Value = [u8; 16]> {
    (prop_oneof![8 => Just(0), 2 => Just(1), 1 => Just(2)], 1..5u8)
        .prop_map(|(slot, byte)| deposit_id(slot, byte))
}

fn act() -> impl Strategy<Value = Act> {
    let len = prop_oneof![Just(0), 1..100usize, Just(1 << 19), Just((1 << 19) + 1)];
    prop_oneof![
        2 => (0..3u16, prop::collection::vec(0..200_000usize, 0..4)).prop_map(|(slot, lens)| Act::Deposit { slot, lens }),
        6 => (some_deposit(), place(), len).prop_map(|(deposit, at, len)| Act::Part { deposit, at, len }),
        4 => (some_deposit(), prop::collection::vec(0..4u8, 0..4), any::<bool>())
            .prop_map(|(deposit, pages, honest)| Act::Manifest { deposit, pages, honest }),
        2 => prop::option::of(0..2000usize).prop_map(|offset| Act::Again { offset }),
        1 => Just(Act::Wait),
    ]
}

/// A part or a manifest, as it was sent last.
#[derive(Default)]
struct Sent {
    part: Option<Bytes>,
    manifest: Option<Bytes>,
    hashes: BTreeMap<([u8; 16], u16, u32), [u8; 32]>,
}

async fn take(act: &Act, office: &Intake, signed: &SignedRequest, holder: &Holder, sent: &mut Sent) {
    let carrier = office.carrier();
    match act {
        Act::Deposit { slot, lens } => {
            let contents: Vec<Vec<u8>> = lens.iter().map(|len| content(*len as u64, *len)).collect();
            let url = signed.link.expose_url(PAGE).unwrap();
            let opened = OpenedRequest::open(
                &signed.descriptor.to_bytes(),
                &Link::parse(&url).unwrap(),
                None,
                signed.descriptor.issued(),
            );
            let begun = opened.unwrap().begin(*slot, files(&contents), &SystemEntropy::default());
            if let Ok(mut client) = begun {
                drop(deposit(&carrier, &mut client, &contents).await);
            }
        }
        Act::Part { deposit, at, len } => {
            let part = holder.part(deposit, *at, *len);
            if let Ok(held) = carrier.receive(part.clone()).await {
                sent.hashes.insert((*deposit, held.page, held.part), held.sha256);
            }
            sent.part = Some(part);
        }
        Act::Manifest { deposit, pages, honest } => {
            let hash = |page, part| match sent.hashes.get(&(*deposit, page, part)) {
                Some(hash) if *honest => *hash,
                _ => [1; 32],
            };
            let page =
                |(page, parts): (u16, &u8)| (0..u32::from(*parts)).map(|part| hash(page, part)).collect();
            let pages: Vec<Vec<[u8; 32]>> = (0..).zip(pages).map(page).collect();
            let manifest = holder.manifest(deposit, &pages);
            drop(carrier.finish(manifest.clone()).await);
            sent.manifest = Some(manifest);
        }
        Act::Again { offset } => {
            for (bytes, is_part) in [(sent.part.clone(), true), (sent.manifest.clone(), false)] {
                let Some(mut bytes) = bytes.map(|bytes| bytes.to_vec()) else { continue };
                if let Some(byte) = offset.and_then(|offset| bytes.get_mut(offset)) {
                    *byte ^= 4;
                }
                let taken = if is_part {
                    carrier.receive(bytes.into()).await.map(drop)
                } else {
                    carrier.finish(bytes.into()).await.map(drop)
                };
                drop(taken);
            }
        }
        Act::Wait => office.clock.forward(DAY / 16),
    }
}

/// Every object is one of the request, of a kind that clients leave, within its slot's caps.
async fn only_within_caps(office: &Intake, signed: &SignedRequest, holder: &Holder) {
    let (mut begun, mut promised) = (BTreeMap::new(), BTreeMap::new());
    let prefix = format!("deposit/{}/", signed.descriptor.request());
    let caps = signed.descriptor.slots();
    let mut of_deposits = BTreeMap::new();
    for (name, bytes) in objects(&*office.kept).await {
        let rest = name.strip_prefix(&prefix).expect("of the request");
        let (kind, last) = rest.split_once('/').unwrap_or((rest, ""));
        let slot = || usize::from_str_radix(last.split('-').next().unwrap(), 16).unwrap();
        match (kind, last) {
            ("request", "") => assert_eq!(bytes, signed.descriptor.to_bytes()),
            ("begun", _) => {
                *begun.entry(slot()).or_insert(0u16) += 1;
                assert!(of_deposits.insert(bytes.to_vec(), slot()).is_none(), "begun in one place");
            }
            ("promise", _) => {
                *promised.entry(slot()).or_insert(0u16) += 1;
                let promise = Promise::verify(&bytes, &signed.descriptor).unwrap();
                assert!(promise.time() < signed.descriptor.expires());
            }
            (deposit, _) => {
                let id: DepositId = deposit.parse().unwrap();
                assert_eq!((&bytes[8..24], &bytes[24..40]), (&holder.request[..], &id.as_bytes()[..]));
                let number = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
                let slot = usize::from(id.slot());
                if last == "manifest" {
                    assert!(bytes.starts_with(b"dvdm") && bytes.len() < 960 << 10);
                    continue;
                }
                let part = u32::from_be_bytes(bytes[42..46].try_into().unwrap());
                assert_eq!(last, format!("part-{:04x}-{part:08x}", number(40)));
                assert!(number(40) < caps[slot].files && bytes.len() <= PART_MAX);
                let content = docvault::chunked::plain_len(bytes.len() as u64 - 152).unwrap();
                assert!(u64::from(part) * PART_LEN + content <= caps[slot].file_bytes * 112 / 100 + 1);
            }
        }
    }
    assert!(begun.iter().all(|(slot, count)| *count <= caps[*slot].uses + 8));
    assert!(promised.iter().all(|(slot, count)| *count <= caps[*slot].uses));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_sequence_of_acts_with_a_link_adds_anything_but_deposits_within_their_caps(
        acts in prop::collection::vec(act(), 1..40),
    ) {
        block_on(async {
            let office = Intake::new().await;
            let signed = office.request().await;
            let (holder, mut sent) = (Holder::of(&signed), Sent::default());
            let before = office.vault.pin().size();
            for act in &acts {
                take(act, &office, &signed, &holder, &mut sent).await;
            }
            only_within_caps(&office, &signed, &holder).await;
            let promises = office.inbox(&signed).await.promises().await.unwrap();
            for promise in promises {
                // What was put together by hand is not sealed to the office, and does not open.
                let id = promise.deposit();
                if id.as_bytes()[2..].iter().all(|byte| *byte == id.as_bytes()[15]) {
                    assert!(office.inbox(&signed).await.deposit(&promise).await.is_err());
                }
            }
            // The vault knows nothing of it yet, but who had the inboxes opened.
            let auditor = office.vault.session("auditor:3").purpose("review").auditor().unwrap();
            let records = auditor.records(&RecordFilter::all()).await.unwrap();
            assert!(records.iter().all(|record| record.seq < before || record.kind == Kind::Browsed));
        });
    }
}
