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
    reason = "tests"
)]

#[path = "deposits/acts.rs"]
mod acts;
#[path = "deposits/altered.rs"]
mod altered;
#[path = "deposits/carrier.rs"]
mod carrier;
mod common;
#[path = "deposits/erased.rs"]
mod erased;
#[path = "deposits/faults.rs"]
mod faults;
#[path = "common/forge.rs"]
mod forge;
#[path = "common/intake.rs"]
mod intake;
#[path = "common/interrupted.rs"]
mod interrupted;
#[path = "deposits/listed.rs"]
mod listed;
#[path = "deposits/lying.rs"]
mod lying;
#[path = "deposits/promising.rs"]
mod promising;

use common::block_on;
use core::time::Duration;
use docvault::{
    Clock, ErrorKind, Kind, NoSleep, RecordFilter, SystemEntropy, Timestamp, Vault, VaultOptions,
    deposit::*,
    keys::LocalKey,
    storage::{
        MemoryStorage, Storage,
        testing::{EvilStorage, Fault, FaultyStorage},
    },
};
use intake::*;
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
        for len in [0, 1, 700_000 - (1 << 19) - 1, 700_000 - (1 << 19) + 1, 1 << 19] {
            assert_eq!(client.seal_part(0, 1, &before[0][..len]).unwrap_err().kind(), ErrorKind::Invalid);
        }

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
