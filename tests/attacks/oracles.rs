//! A9: failures that could tell the attacker what a key made of what they put there.

use core::ops::Range;
use std::collections::BTreeSet;

use bytes::Bytes;
use docvault::{Error, ErrorKind, NewDocument, Terms, storage::Storage};

use super::{forgeries::*, toolkit::*};
use crate::common::block_on;

/// All that an error says, to a program and to people, its causes too.
fn told(error: &Error) -> String {
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    let causes = core::iter::successors(std::error::Error::source(error), |cause| cause.source());
    format!("{error} {error:?} {:?}", causes.map(ToString::to_string).collect::<Vec<_>>())
}

/// What can be made of a region of an object: one bit of each `step`th byte changed, zeros, the same region of
/// another such object; and if it is the last one, the object cut anywhere in it, or longer.
fn alterations(bytes: &Bytes, region: Range<usize>, other: &[u8], step: usize) -> Vec<Bytes> {
    let ends = region.clone().take(20).chain(region.clone().rev().take(20));
    let mut all: Vec<Bytes> =
        region.clone().step_by(step).chain(ends).map(|at| altered(bytes, at, 1 << (at % 8))).collect();
    all.push(patched(bytes, region.clone(), &vec![0; region.len()]));
    all.push(patched(bytes, region.clone(), other));
    if region.end == bytes.len() {
        all.extend(region.step_by(step).map(|len| bytes.slice(..len)));
        all.extend([&[0][..], &[0; 16], other].map(|more| [bytes, more].concat().into()));
    }
    all.retain(|altered| altered != bytes);
    all
}

/// A head's key and metadata, and its content.
fn regions(head: &Bytes) -> [Range<usize>; 2] {
    let meta = 132 + u32::from_be_bytes(head[128..132].try_into().unwrap()) as usize;
    [8..meta, meta..head.len()]
}

#[test]
fn error_oracle_indistinct() {
    block_on(async {
        let world = World::new().await;
        let stored = world.store("x", vec![7; 300]).await;
        let other = world.store_version(stored.document, vec![8; 300]).await;
        let pages = two_pages(&world).await;
        let grant = Terms::read().purpose("p");
        let grant = world.desk.grant(stored.document, &recipient(&identity(1)), grant).await.unwrap();
        let evil = world.evil();
        let desk = session(&world.open(evil.clone()).await.unwrap());
        let one_text = async |name: &str, altered: Vec<Option<Bytes>>, fresh: bool| {
            let key = name.parse().unwrap();
            let honest = evil.read(&key, None).await.unwrap().unwrap();
            let mut texts: [BTreeSet<String>; 3] = Default::default();
            for bytes in altered {
                match bytes {
                    Some(bytes) => evil.substitute(&key, bytes),
                    None => evil.delete(&key).await.unwrap(),
                }
                // Keys of cases are remembered.
                let opened =
                    if fresh { session(&world.open(evil.clone()).await.unwrap()) } else { desk.clone() };
                let whole = opened.retrieve(stored.document).await.and(opened.retrieve(pages).await);
                let range = opened.retrieve_range(stored.document, 0..1).await;
                let range = range.and(opened.retrieve_range(pages, 99..101).await);
                let delivered = async { opened.deliver(grant).await?.collect().await }.await;
                for (texts, failed) in texts.iter_mut().zip([whole, range, delivered]) {
                    texts.extend(failed.err().map(|error| told(&error)));
                }
            }
            evil.substitute(&key, honest);
            for texts in texts {
                assert!(texts.len() <= 1, "{name}: {texts:#?}");
            }
        };
        let read = async |name: &str| evil.read(&name.parse().unwrap(), None).await.unwrap().unwrap();
        // Heads: of content, and of a grant; each with what another of its kind holds.
        let name = head_name(&other);
        let (head, older) = (read(name.as_str()).await, read(head_name(&stored).as_str()).await);
        for (region, from) in regions(&head).into_iter().zip(regions(&older)) {
            let altered = alterations(&head, region.clone(), &older[from], 11);
            let gone = if region.start == 8 { vec![None] } else { Vec::new() };
            one_text(name.as_str(), altered.into_iter().map(Some).chain(gone).collect(), false).await;
        }
        // Parts of pages, each with what the other holds; and the key of a case, whose absence has a text of its own.
        let parts: Vec<_> = objects(&*evil, "part/").await.into_iter().collect();
        for (at, (name, bytes)) in parts.iter().enumerate() {
            let altered = alterations(bytes, 0..bytes.len(), &parts[1 - at].1, 7);
            one_text(name.as_str(), altered.into_iter().map(Some).chain([None]).collect(), false).await;
        }
        let (name, bytes) = only(&*evil, "key/").await;
        let altered = alterations(&bytes, 12..bytes.len(), &head[24..128], 9);
        one_text(name.as_str(), altered.into_iter().map(Some).collect(), true).await;
    });
}

/// A document of two pages, which are in parts and not in its head.
async fn two_pages(world: &World) -> docvault::DocumentId {
    let mut upload = world.desk.upload(world.case, NewDocument::named("pages")).await.unwrap();
    upload.write(&[4; 100]).await.unwrap();
    upload.next_page().await.unwrap();
    upload.write(&[5; 100]).await.unwrap();
    upload.finish().await.unwrap().document
}

/// Of a delivery, whoever carries it learns one thing: that it does not open.
#[test]
fn error_oracle_of_deliveries_indistinct() {
    block_on(async {
        let world = World::new().await;
        let (notary, terms) = (identity(1), || Terms::read().purpose("p"));
        let mut deliveries = Vec::new();
        for content in [vec![7; 300], vec![8; 300]] {
            let stored = world.store("x", content).await;
            let grant = world.desk.grant(stored.document, &recipient(&notary), terms()).await.unwrap();
            deliveries.push(world.desk.deliver(grant).await.unwrap().collect().await.unwrap());
        }
        let [one, two] = deliveries.as_slice() else { panic!("two") };
        let content = |delivery: &[u8]| -> Result<Vec<u8>, Error> {
            let mut opened = notary.open(delivery, &world.vault.sender())?;
            let content = opened.next_document()?.ok_or("no document").unwrap().content()?;
            opened.next_document().map(|_| content)
        };
        assert_eq!(content(one).unwrap(), [7; 300]);
        let documents = documents_at(one);
        assert_eq!(one.len(), two.len());
        // From the grant info on: sealed key, manifest, signature, documents. What is before says in the clear whom it
        // is from and for, and is answered for what it is.
        let mut texts = BTreeSet::new();
        for region in [
            120..152,
            152..ENVELOPE,
            ENVELOPE..documents - 64,
            documents - 64..documents,
            documents..one.len(),
        ] {
            let altered = alterations(one, region.clone(), &two[region], 29);
            texts.extend(altered.iter().map(|altered| told(&content(altered).unwrap_err())));
        }
        for len in (0..one.len()).step_by(97) {
            texts.insert(told(&content(&one[..len]).unwrap_err()));
        }
        assert_eq!(texts.len(), 1, "{texts:#?}");
    });
}
