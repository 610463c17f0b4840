//! Stored objects planted, moved, mixed and cut.

use std::collections::BTreeSet;

use bytes::Bytes;
use docvault::{
    CheckDepth, DocumentId, ErrorKind, NewCase, NewDocument, OperationId, Outcome, Terms,
    chunked::{CHUNK_LEN, PREFIX_LEN, TAG_LEN},
    storage::{ObjectKey, Storage},
};

use super::{forgeries::*, toolkit::*};
use crate::common::block_on;

const SEALED_CHUNK: usize = CHUNK_LEN + TAG_LEN;
/// The smallest content that does not fit into its head.
const LARGE: usize = 262_145;

fn message(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|i| (i as u8).wrapping_mul(31).wrapping_add((i >> 8) as u8) ^ seed).collect()
}

#[test]
fn planted_object_rejected() {
    block_on(async {
        let world = World::new().await;
        let other = World::new().await;
        let mine = world.store("mine", b"mine".to_vec()).await;
        let theirs = other.store("theirs", message(LARGE, 1)).await;
        let second = world.desk.create_case("second").await.unwrap();
        let evil = world.evil();
        // Everything of another vault, and this vault's own head under every name a reader might try.
        for (key, bytes) in objects(&*other.storage, "").await {
            evil.create(&key, bytes).await.unwrap();
        }
        let head = evil.read(&head_name(&mine), None).await.unwrap().unwrap();
        for name in [
            format!("head/{second}/{}", mine.version),
            format!("head/{}/{}", world.case, theirs.version),
            format!("part/{second}/{}/{:016x}-{}", mine.version, 0, "ab".repeat(16)),
        ] {
            evil.create(&name.parse().unwrap(), head.clone()).await.unwrap();
        }
        // The other vault's first commit has a name of this one's and stays out; a planted later one is noticed.
        let vault = world.open(evil.clone()).await.unwrap();
        assert_eq!(vault.audit().verify_from_genesis().await.unwrap_err().kind(), ErrorKind::Corrupt);
        let desk = session(&vault);
        let cases = desk.cases(None).await.unwrap().cases;
        assert_eq!(cases.iter().map(|case| case.id).collect::<BTreeSet<_>>(), [world.case, second].into());
        assert_eq!(desk.documents(world.case, None).await.unwrap().documents.len(), 1);
        assert!(desk.documents(second, None).await.unwrap().documents.is_empty());
        assert_eq!(desk.retrieve(theirs.document).await.unwrap_err().kind(), ErrorKind::NotFound);
        let moved = DocumentId::new(second, *mine.document.own());
        assert_eq!(desk.retrieve(moved).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(desk.retrieve(mine.document).await.unwrap(), b"mine".as_slice());
    });
}

#[test]
fn metadata_swap_rejected() {
    block_on(async {
        let world = World::new().await;
        let one = world.store("salary of Ana", b"one".to_vec()).await;
        let two = world.store("salary of Eva", b"two".to_vec()).await;
        let second = world.desk.create_case(NewCase::titled("other")).await.unwrap();
        let grant = Terms::read().purpose("p");
        let grant = world.desk.grant(one.document, &recipient(&identity(1)), grant).await.unwrap();
        let delivery = world.desk.deliver(grant).await.unwrap().collect().await.unwrap();
        let evil = world.evil();
        let (first, other) = (head_name(&one), head_name(&two));
        let read = async |key: &ObjectKey| evil.read(key, None).await.unwrap().unwrap();
        let (a, b) = (read(&first).await, read(&other).await);
        // Names alone: the sealed metadata of one head in the other, content left as it was.
        let meta = |head: &Bytes| {
            let len = u32::from_be_bytes(head[128..132].try_into().unwrap()) as usize;
            132..132 + len
        };
        assert_eq!(meta(&a), meta(&b));
        evil.substitute(&first, patched(&a, meta(&a), &b[meta(&b)]));
        assert_eq!(world.retrieve(evil.clone(), one.document).await.unwrap_err().kind(), ErrorKind::Corrupt);
        let desk = session(&world.open(evil.clone()).await.unwrap());
        assert_eq!(desk.describe(one.document).await.unwrap_err().kind(), ErrorKind::Corrupt);
        // A recipient has the version's key, and writes another name for the same content with it.
        let renamed = forged_head(&world, &take_apart(1, &delivery), &a, b"one");
        evil.substitute(&first, renamed.into());
        for error in [
            desk.describe(one.document).await.unwrap_err(),
            desk.history(one.document).await.unwrap_err(),
            desk.documents(world.case, None).await.unwrap_err(),
            desk.retrieve(one.document).await.unwrap_err(),
            desk.deliver(grant).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        }
        // Whole heads exchanged.
        evil.substitute(&first, b);
        evil.substitute(&other, a);
        for document in [one.document, two.document] {
            assert_eq!(desk.describe(document).await.unwrap_err().kind(), ErrorKind::Corrupt);
            assert_eq!(desk.retrieve(document).await.unwrap_err().kind(), ErrorKind::Corrupt);
        }
        // Titles of cases.
        let heads: Vec<_> = objects(&*world.storage, "head/").await.into_iter().collect();
        let of = |case: docvault::CaseId| {
            let prefix = format!("head/{case}/");
            let found =
                heads.iter().filter(|(key, bytes)| key.as_str().starts_with(&prefix) && bytes[6] == 1);
            found.map(|(key, bytes)| (key.clone(), bytes.clone())).next().unwrap()
        };
        let ((name, _), (_, bytes)) = (of(world.case), of(second));
        evil.substitute(&name, bytes);
        assert_eq!(desk.describe_case(world.case).await.unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(desk.cases(None).await.unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(desk.describe_case(second).await.unwrap().title, "other");
    });
}

/// The chunks moved, doubled, exchanged for those of another message, left out, cut and added to, each at each place.
fn arrangements(chunks: &[Vec<u8>], others: &[Vec<u8>]) -> Vec<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut arranged = chunks.to_vec();
        change(&mut arranged);
        all.push(arranged);
    };
    for from in 0..chunks.len() {
        for to in 0..chunks.len() {
            if from != to {
                with(&|arranged| arranged.swap(from, to));
                with(&|arranged| arranged[to].clone_from(&chunks[from]));
            }
            with(&|arranged| arranged[to].clone_from(&others[from]));
        }
        with(&|arranged| drop(arranged.remove(from)));
        with(&|arranged| arranged.truncate(from));
        with(&|arranged| {
            arranged[from].pop();
        });
        with(&|arranged| arranged.push(chunks[from].clone()));
    }
    all
}

#[test]
fn chunk_matrix_exhaustive() {
    block_on(async {
        let world = World::new().await;
        // 4 chunks in a head; 17 in a part, of which the first, a middle and the last are moved.
        for len in [3 * CHUNK_LEN + 64, LARGE] {
            let (one, two) =
                (world.store("x", message(len, 1)).await, world.store("x", message(len, 2)).await);
            let evil = world.evil();
            let place = async |stored: &docvault::Stored| {
                if len < LARGE {
                    let head = evil.read(&head_name(stored), None).await.unwrap().unwrap();
                    let meta = u32::from_be_bytes(head[128..132].try_into().unwrap()) as usize;
                    (head_name(stored), head, 132 + meta + 16)
                } else {
                    let prefix = format!("part/{}/{}/", world.case, stored.version);
                    let (key, bytes) = only(&*evil, &prefix).await;
                    (key, bytes, 0)
                }
            };
            let ((name, object, at), (_, foreign, foreign_at)) = (place(&one).await, place(&two).await);
            let desk = session(&world.open(evil.clone()).await.unwrap());
            let mut tried = 0;
            let mut refused = async |bytes: Vec<u8>| {
                evil.substitute(&name, bytes.into());
                let error = desk.retrieve(one.document).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corrupt);
                tried += 1;
            };
            let split = |object: &Bytes, at: usize| {
                let chunks: Vec<Vec<u8>> =
                    object[at + PREFIX_LEN..].chunks(SEALED_CHUNK).map(<[u8]>::to_vec).collect();
                (object[..at + PREFIX_LEN].to_vec(), chunks)
            };
            let ((prefix, chunks), (other_prefix, others)) =
                (split(&object, at), split(&foreign, foreign_at));
            let joined = |prefix: &[u8], chunks: &[Vec<u8>]| [prefix, &chunks.concat()].concat();
            for arranged in arrangements(&chunks, &others) {
                refused(joined(&prefix, &arranged)).await;
            }
            refused(joined(&other_prefix, &chunks)).await;
            refused(joined(&prefix, &others)).await;
            evil.substitute(&name, object);
            assert_eq!(desk.retrieve(one.document).await.unwrap(), message(len, 1));
            println!("{tried} arrangements of {} chunks refused", chunks.len());
        }
    });
}

/// Two uploads whose commit was lost on the way: of a document, which is told, and of a version of another's document.
async fn lost_uploads(world: &World, of_another: DocumentId) -> (Vec<OperationId>, DocumentId) {
    let (mut operations, mut framed) = (Vec::new(), None);
    for document in [None, Some(of_another)] {
        let gate = Gate::new(world.storage.clone());
        let desk = session(&world.open(gate.clone()).await.unwrap());
        let named = NewDocument::named("framed");
        let upload = match document {
            None => desk.upload(world.case, named).await,
            Some(document) => desk.upload_version(document, named, "framed").await,
        };
        let mut upload = upload.unwrap();
        upload.write(&message(LARGE, 1)).await.unwrap();
        let token = upload.token().unwrap().to_bytes();
        framed.get_or_insert(DocumentId::new(world.case, token[40..56].try_into().unwrap()));
        gate.hold("log/");
        let error = upload.finish().await.unwrap_err();
        let ErrorKind::OutcomeUnknown(operation) = error.kind() else { panic!("{error}") };
        let head: ObjectKey = format!("head/{}/{operation}", world.case).parse().unwrap();
        assert!(world.storage.read(&head, None).await.unwrap().is_some());
        assert_eq!(objects(&*world.storage, &format!("part/{}/{operation}/", world.case)).await.len(), 1);
        operations.push(operation);
    }
    (operations, framed.unwrap())
}

/// A8: the storage holds sound objects of the vault's own making, and nothing that says somebody stored them.
#[test]
fn framing_without_record() {
    block_on(async {
        let world = World::new().await;
        let honest = world.store("honest", b"honest".to_vec()).await;
        let notary = identity(1);
        let terms = Terms::read().purpose("p").following();
        let grant = world.desk.grant(world.case, &recipient(&notary), terms).await.unwrap();
        let (operations, framed) = lost_uploads(&world, honest.document).await;
        // Nobody is shown them, by a list, by their identifiers, in a delivery or by the records.
        let vault = world.open(world.storage.clone()).await.unwrap();
        let desk = session(&vault);
        let listed = desk.documents(world.case, None).await.unwrap().documents;
        assert_eq!(listed.iter().map(|listed| listed.document).collect::<Vec<_>>(), [honest.document]);
        for operation in operations {
            assert_eq!(desk.outcome(operation).await.unwrap(), Outcome::Announced);
        }
        assert_eq!(desk.history(honest.document).await.unwrap().len(), 1);
        assert_eq!(desk.retrieve(honest.document).await.unwrap(), b"honest".as_slice());
        for error in [
            desk.retrieve(framed).await.unwrap_err(),
            desk.describe(framed).await.unwrap_err(),
            desk.history(framed).await.unwrap_err(),
            desk.retrieve_range(framed, 0..1).await.unwrap_err(),
            desk.who_can_open(framed).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        }
        let delivery = desk.deliver(grant).await.unwrap().collect().await.unwrap();
        let mut opened = notary.open(&delivery[..], &vault.sender()).unwrap();
        assert_eq!(opened.next_document().unwrap().unwrap().content().unwrap(), b"honest");
        assert!(opened.next_document().unwrap().is_none());
        let records = desk.auditor().records(&docvault::RecordFilter::all()).await.unwrap();
        let stored = records.iter().filter(|record| record.kind == docvault::Kind::Stored);
        assert_eq!(stored.map(|record| record.seq).collect::<Vec<_>>(), [honest.seq]);
        let report = vault.check(CheckDepth::Content).await.unwrap().run(&mut |_| {}).await.unwrap();
        assert!(report.is_sound());
        assert_eq!((report.counts.versions, report.counts.unfinished), (1, 4));
    });
}

#[test]
fn block_mix_old_new() {
    block_on(async {
        let world = World::new().await;
        let old = world.store("x", message(LARGE, 1)).await;
        let mut changed = message(LARGE, 1);
        changed[20_000] ^= 1;
        let new = world.store_version(old.document, changed.clone()).await;
        let evil = world.evil();
        let desk = session(&world.open(evil.clone()).await.unwrap());
        let (_, before) = only(&*evil, &format!("part/{}/{}/", world.case, old.version)).await;
        let (name, after) = only(&*evil, &format!("part/{}/{}/", world.case, new.version)).await;
        assert_eq!(before.len(), after.len());
        // Each chunk, and the outline, which holds a value of each; then what begins the message.
        let chunks = LARGE.div_ceil(CHUNK_LEN);
        let outline = after.len() - (PREFIX_LEN + 32 * chunks + TAG_LEN);
        let ends = (1..=chunks).map(|chunk| (PREFIX_LEN + chunk * SEALED_CHUNK).min(outline));
        let starts = core::iter::once(PREFIX_LEN).chain(ends.clone());
        for (chunk, (from, to)) in starts.zip(ends.chain([after.len()])).enumerate() {
            evil.substitute(&name, patched(&after, from..to, &before[from..to]));
            assert_eq!(desk.retrieve(new.document).await.unwrap_err().kind(), ErrorKind::Corrupt);
            let offset = ((chunk * CHUNK_LEN) as u64).min(LARGE as u64 - 1);
            let slice = desk.retrieve_range(new.document, offset..offset + 1).await;
            assert_eq!(slice.unwrap_err().kind(), ErrorKind::Corrupt, "chunk {chunk} alone");
        }
        for whole in [before.clone(), patched(&after, 0..PREFIX_LEN, &before[..PREFIX_LEN])] {
            evil.substitute(&name, whole);
            assert_eq!(desk.retrieve(new.document).await.unwrap_err().kind(), ErrorKind::Corrupt);
        }
        evil.substitute(&name, after);
        assert!(desk.retrieve(new.document).await.unwrap() == changed);
    });
}

/// The same with whole parts: what one version shares with another is still not the other's.
#[test]
fn part_mix_old_new() {
    block_on(async {
        let world = World::new().await;
        let pages = async |upload: docvault::Result<docvault::Upload>, second: u8| {
            let mut upload = upload.unwrap();
            upload.write(&[1; 100]).await.unwrap();
            upload.next_page().await.unwrap();
            upload.write(&[second; 100]).await.unwrap();
            upload.finish().await.unwrap()
        };
        let named = || NewDocument::named("x");
        let old = pages(world.desk.upload(world.case, named()).await, 2).await;
        let new = pages(world.desk.upload_version(old.document, named(), "better").await, 3).await;
        let evil = world.evil();
        let parts = async |version| {
            let parts = objects(&*evil, &format!("part/{}/{version}/", world.case)).await;
            parts.into_iter().collect::<Vec<_>>()
        };
        let (before, after) = (parts(old.version).await, parts(new.version).await);
        let desk = session(&world.open(evil.clone()).await.unwrap());
        // The first pages hold the same.
        for (page, (name, honest)) in after.iter().enumerate() {
            for other in [&before[0].1, &before[1].1, &after[1 - page].1] {
                evil.substitute(name, other.clone());
                assert_eq!(desk.retrieve(new.document).await.unwrap_err().kind(), ErrorKind::Corrupt);
                let range = 100 * page as u64..100 * page as u64 + 1;
                let range = desk.retrieve_range(new.document, range).await;
                assert_eq!(range.unwrap_err().kind(), ErrorKind::Corrupt, "page {page}");
            }
            evil.substitute(name, honest.clone());
        }
        assert_eq!(desk.retrieve(new.document).await.unwrap(), [[1; 100], [3; 100]].concat());
    });
}

/// Zeros where content was, of zeros, as a file system leaves them: never taken for it.
#[test]
fn zero_chunk_rejected() {
    block_on(async {
        let world = World::new().await;
        let stored = world.store("x", vec![0; LARGE]).await;
        let evil = world.evil();
        let desk = session(&world.open(evil.clone()).await.unwrap());
        let (name, sealed) = only(&*evil, "part/").await;
        let refused = async |bytes: Bytes| {
            evil.substitute(&name, bytes);
            assert_eq!(desk.retrieve(stored.document).await.unwrap_err().kind(), ErrorKind::Corrupt);
        };
        let zeroed = |range: core::ops::Range<usize>| patched(&sealed, range.clone(), &vec![0; range.len()]);
        // All of it, what begins it, the salt and the commitment alone; then each chunk.
        for range in [0..sealed.len(), 0..PREFIX_LEN, 0..24, 24..PREFIX_LEN] {
            refused(zeroed(range)).await;
            let range = desk.retrieve_range(stored.document, 0..10).await;
            assert_eq!(range.unwrap_err().kind(), ErrorKind::Corrupt);
        }
        for chunk in 0..LARGE.div_ceil(CHUNK_LEN) {
            let from = PREFIX_LEN + chunk * SEALED_CHUNK;
            refused(zeroed(from..(from + SEALED_CHUNK).min(sealed.len()))).await;
            let offset = (chunk * CHUNK_LEN) as u64;
            let range = desk.retrieve_range(stored.document, offset..(offset + 10).min(LARGE as u64)).await;
            assert_eq!(range.unwrap_err().kind(), ErrorKind::Corrupt, "chunk {chunk} alone");
        }
        // Holes of a page, anywhere, and no end.
        for from in (0..sealed.len()).step_by(4096) {
            refused(zeroed(from..(from + 4096).min(sealed.len()))).await;
        }
        for left in [0, PREFIX_LEN, sealed.len() - 4096] {
            refused(zeroed(left..sealed.len())).await;
        }
        evil.substitute(&name, sealed);
        assert_eq!(desk.retrieve(stored.document).await.unwrap(), vec![0; LARGE]);
    });
}

/// Of a long head no more is read than its metadata, and a byte.
#[test]
fn p10_nothing_follows_the_long_head_of_a_case() {
    block_on(async {
        let world = World::new().await;
        let evil = world.evil();
        let desk = session(&world.open(evil.clone()).await.unwrap());
        for len in [10, 4000, 12_000] {
            let described = NewCase::titled("x").attribute("a", "a".repeat(len.min(4000)));
            let described = described.attribute("b", "b".repeat(len.saturating_sub(4000).min(4000)));
            let case = desk
                .create_case(described.attribute("c", "c".repeat(len.saturating_sub(8000))))
                .await
                .unwrap();
            let (name, head) = only(&*evil, &format!("head/{case}")).await;
            desk.describe_case(case).await.unwrap();
            evil.substitute(&name, [head.as_ref(), &[0]].concat().into());
            assert_eq!(desk.describe_case(case).await.unwrap_err().kind(), ErrorKind::Corrupt, "{len}");
        }
    });
}

#[test]
fn p10_nothing_follows_a_head_whose_content_is_in_parts() {
    block_on(async {
        let world = World::new().await;
        let stored = world.store("x", message(LARGE, 1)).await;
        let evil = world.evil();
        let desk = session(&world.open(evil.clone()).await.unwrap());
        let head = evil.read(&head_name(&stored), None).await.unwrap().unwrap();
        for behind in [&[0][..], &head[..16], &head] {
            evil.substitute(&head_name(&stored), [&head, behind].concat().into());
            assert_eq!(desk.describe(stored.document).await.unwrap_err().kind(), ErrorKind::Corrupt);
            assert_eq!(desk.retrieve(stored.document).await.unwrap_err().kind(), ErrorKind::Corrupt);
        }
        evil.substitute(&head_name(&stored), head);
        assert!(desk.retrieve(stored.document).await.unwrap() == message(LARGE, 1));
    });
}
