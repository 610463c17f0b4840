//! What a carrier takes, refuses and serves, and what of one request it keeps from another.

use std::sync::Arc;

use bytes::Bytes;
use docvault::{
    Clock, ErrorKind, Secret,
    deposit::*,
    storage::{
        Storage,
        testing::{CheckThenWriteStorage, EvilStorage, OverwritingStorage},
    },
};

use crate::{
    common::block_on,
    forge::{At, Holder, deposit_id},
    intake::*,
};

const fn at(page: u16, part: u32, last: bool) -> At {
    At { page, part, last }
}

/// Parts that belong nowhere, and why.
fn out_of_place(holder: &Holder, deposit: &[u8; 16]) -> Vec<(Refusal, Bytes)> {
    let full = PART_LEN as usize;
    let mut unknown = holder.part(deposit, at(0, 0, true), 5).to_vec();
    unknown[8] ^= 1;
    vec![
        (Refusal::Caps, holder.part(&deposit_id(2, 9), at(0, 0, true), 5)),
        (Refusal::Caps, holder.part(deposit, at(2, 0, true), 5)),
        (Refusal::Caps, holder.part(deposit, at(0, 6, true), 5)),
        (Refusal::Caps, holder.part(deposit, at(0, u32::MAX, false), full)),
        (Refusal::Caps, holder.part(&deposit_id(1, 9), at(0, 0, true), 0)),
        (Refusal::Malformed, holder.part(deposit, at(0, 0, false), 5)),
        (Refusal::Malformed, holder.part(deposit, at(0, 0, true), full + 1)),
        (Refusal::Malformed, holder.part(deposit, at(0, 1, true), 0)),
        (Refusal::Malformed, holder.part_of(deposit, at(0, 0, true), b"short")),
        (Refusal::Malformed, Bytes::new()),
        (Refusal::Unknown, unknown.into()),
    ]
}

#[test]
fn a_carrier_says_why_it_does_not_take_something() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let (carrier, holder, deposit) = (office.carrier(), Holder::of(&signed), deposit_id(0, 9));
        for (refused, part) in out_of_place(&holder, &deposit) {
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
fn a_carrier_is_told_of_a_storage_that_overwrites() {
    block_on(async {
        let office = Intake::new().await;
        let before = objects(&*office.kept).await;
        office.carrier().prove().await.unwrap();
        assert_eq!(objects(&*office.kept).await, before, "what the proof wrote is gone");
        let others: [Arc<dyn Storage>; 2] =
            [Arc::new(OverwritingStorage::new()), Arc::new(CheckThenWriteStorage::new())];
        for other in others {
            let refused = office.carrier_on(other).prove().await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Unsupported);
        }
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
