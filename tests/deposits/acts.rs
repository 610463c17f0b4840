//! Whoever has a valid link, and does with it what they like.

use std::collections::BTreeMap;

use bytes::Bytes;
use docvault::{Kind, RecordFilter, SystemEntropy, deposit::*};
use proptest::prelude::*;

use crate::{
    common::block_on,
    forge::{At, Holder, deposit_id},
    intake::*,
};

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
