//! Stored objects planted, moved, mixed and cut.

use std::collections::BTreeSet;

use bytes::Bytes;
use docvault::{
    ErrorKind, NewCase, NewDocument, Outcome,
    chunked::{CHUNK_LEN, PREFIX_LEN, TAG_LEN},
    storage::{ObjectKey, Storage},
};

use super::toolkit::*;
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
        // The other vault's first commit has a name of this one's and stays out; a planted later commit
        // may only be noticed.
        for key in objects(&*other.storage, "log/").await.into_keys() {
            if !objects(&*world.storage, "log/").await.contains_key(&key) {
                evil.unlist(&key);
            }
        }
        let desk = session(&world.open(evil.clone()).await.unwrap());
        let cases = desk.cases(None).await.unwrap().cases;
        assert_eq!(cases.iter().map(|case| case.id).collect::<BTreeSet<_>>(), [world.case, second].into());
        assert_eq!(desk.documents(world.case, None).await.unwrap().documents.len(), 1);
        assert!(desk.documents(second, None).await.unwrap().documents.is_empty());
        assert_eq!(desk.retrieve(theirs.document).await.unwrap_err().kind(), ErrorKind::NotFound);
        let moved = docvault::DocumentId::new(second, *mine.document.own());
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
            let found = heads
                .iter()
                .filter(|(key, _)| key.as_str().starts_with(&prefix) && ![&first, &other].contains(&key));
            found.map(|(key, bytes)| (key.clone(), bytes.clone())).next().unwrap()
        };
        let ((name, _), (_, bytes)) = (of(world.case), of(second));
        evil.substitute(&name, bytes);
        assert_eq!(desk.describe_case(world.case).await.unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(desk.cases(None).await.unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(desk.describe_case(second).await.unwrap().title, "other");
    });
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
            for from in 0..chunks.len() {
                for to in 0..chunks.len() {
                    if from != to {
                        let mut moved = chunks.clone();
                        moved.swap(from, to);
                        refused(joined(&prefix, &moved)).await;
                        let mut doubled = chunks.clone();
                        doubled[to].clone_from(&chunks[from]);
                        refused(joined(&prefix, &doubled)).await;
                    }
                    let mut spliced = chunks.clone();
                    spliced[to].clone_from(&others[from]);
                    refused(joined(&prefix, &spliced)).await;
                }
                let mut without = chunks.clone();
                without.remove(from);
                refused(joined(&prefix, &without)).await;
                refused(joined(&prefix, &chunks[..from])).await;
                let mut cut = chunks.clone();
                cut[from].pop();
                refused(joined(&prefix, &cut)).await;
                let mut more = chunks.clone();
                more.push(chunks[from].clone());
                refused(joined(&prefix, &more)).await;
            }
            refused(joined(&other_prefix, &chunks)).await;
            refused(joined(&prefix, &others)).await;
            evil.substitute(&name, object);
            assert_eq!(desk.retrieve(one.document).await.unwrap(), message(len, 1));
            println!("{tried} arrangements of {} chunks refused", chunks.len());
        }
    });
}

#[test]
fn framing_without_record() {
    block_on(async {
        let world = World::new().await;
        // A head and a part of the vault's own making that no record names: an upload that was never
        // finished, and one whose commit was lost.
        let gate = Gate::new(world.storage.clone());
        let vault = world.open(gate.clone()).await.unwrap();
        let desk = session(&vault);
        let mut upload = desk.upload(world.case, NewDocument::named("framed")).await.unwrap();
        upload.write(&message(9 << 20, 1)).await.unwrap();
        gate.hold("log/");
        let error = upload.finish().await.unwrap_err();
        let ErrorKind::OutcomeUnknown(operation) = error.kind() else { panic!("{error}") };
        assert_eq!(objects(&*world.storage, "head/").await.len(), 2);
        assert_eq!(objects(&*world.storage, "part/").await.len(), 2);
        let framed: ObjectKey = format!("head/{}/{operation}", world.case).parse().unwrap();
        assert!(world.storage.read(&framed, None).await.unwrap().is_some());
        let desk = session(&world.open(world.storage.clone()).await.unwrap());
        assert!(desk.documents(world.case, None).await.unwrap().documents.is_empty());
        assert_eq!(desk.outcome(operation).await.unwrap(), Outcome::Announced);
        let records = desk.auditor().records(&docvault::RecordFilter::all()).await.unwrap();
        assert!(records.iter().all(|record| record.kind != docvault::Kind::Stored));
    });
}

#[test]
fn field_cut_and_paste() {
    block_on(async {
        let world = World::new().await;
        let (one, two) = (world.store("a", message(100, 1)).await, world.store("b", message(100, 2)).await);
        let evil = world.evil();
        let read = async |key: &ObjectKey| evil.read(key, None).await.unwrap().unwrap();
        let (a, b) = (read(&head_name(&one)).await, read(&head_name(&two)).await);
        assert_eq!(a.len(), b.len());
        let desk = session(&world.open(evil.clone()).await.unwrap());
        let meta = 132 + u32::from_be_bytes(a[128..132].try_into().unwrap()) as usize;
        // Key id, wrapped key, metadata, attempt, inline content: every mixture but the honest one.
        let fields = [8..24, 24..128, 132..meta, meta..meta + 16, meta + 16..a.len()];
        for mixture in 1..1u32 << fields.len() {
            let mut mixed = a.clone();
            for (bit, range) in fields.iter().enumerate() {
                if mixture >> bit & 1 == 1 {
                    mixed = patched(&mixed, range.clone(), &b[range.clone()]);
                }
            }
            evil.substitute(&head_name(&one), mixed);
            let error = desk.retrieve(one.document).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "mixture {mixture:b}");
        }
        evil.substitute(&head_name(&one), a);
        assert_eq!(desk.retrieve(one.document).await.unwrap(), message(100, 1));
    });
}

#[test]
fn envelope_swap_two_keys() {
    block_on(async {
        let world = World::new().await;
        let one = world.store("a", message(LARGE, 1)).await;
        let two = world.store_version(one.document, message(LARGE, 2)).await;
        let evil = world.evil();
        let desk = session(&world.open(evil.clone()).await.unwrap());
        let read = async |key: &ObjectKey| evil.read(key, None).await.unwrap().unwrap();
        let (old, new) = (read(&head_name(&one)).await, read(&head_name(&two)).await);
        // The envelope, key id and wrapped key, of the old version beside the new one's content; the new
        // envelope beside the old content; and the old content whole in the new one's place.
        let (old_part, new_part) = (
            only(&*evil, &format!("part/{}/{}/", world.case, one.version)).await,
            only(&*evil, &format!("part/{}/{}/", world.case, two.version)).await,
        );
        for (head, part) in [
            (patched(&new, 8..128, &old[8..128]), new_part.1.clone()),
            (patched(&new, 8..128, &old[8..128]), old_part.1.clone()),
            (new.clone(), old_part.1.clone()),
            (old.clone(), old_part.1.clone()),
            (old.clone(), new_part.1.clone()),
        ] {
            evil.substitute(&head_name(&two), head);
            evil.substitute(&new_part.0, part);
            assert_eq!(desk.retrieve(one.document).await.unwrap_err().kind(), ErrorKind::Corrupt);
        }
        // That even a ciphertext made to open under two keys opens under one: `tests/chunked.rs`, p02.
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
        for chunk in 0..after.len().div_ceil(SEALED_CHUNK) {
            let from = if chunk == 0 { 0 } else { PREFIX_LEN + chunk * SEALED_CHUNK };
            let to = (PREFIX_LEN + (chunk + 1) * SEALED_CHUNK).min(after.len());
            evil.substitute(&name, patched(&after, from..to, &before[from..to]));
            assert_eq!(desk.retrieve(new.document).await.unwrap_err().kind(), ErrorKind::Corrupt);
            let offset = (chunk * CHUNK_LEN) as u64;
            let slice = desk.retrieve_range(new.document, offset..offset + 1).await;
            assert_eq!(slice.unwrap_err().kind(), ErrorKind::Corrupt, "chunk {chunk} alone");
        }
    });
}

#[test]
fn zero_chunk_rejected() {
    block_on(async {
        let world = World::new().await;
        let stored = world.store("x", vec![0; LARGE]).await;
        let evil = world.evil();
        let desk = session(&world.open(evil.clone()).await.unwrap());
        let (name, sealed) = only(&*evil, "part/").await;
        let whole = vec![0; sealed.len()];
        evil.substitute(&name, whole.into());
        assert_eq!(desk.retrieve(stored.document).await.unwrap_err().kind(), ErrorKind::Corrupt);
        for chunk in 0..(sealed.len() - PREFIX_LEN).div_ceil(SEALED_CHUNK) {
            let from = PREFIX_LEN + chunk * SEALED_CHUNK;
            let to = (from + SEALED_CHUNK).min(sealed.len());
            evil.substitute(&name, patched(&sealed, from..to, &vec![0; to - from]));
            let offset = (chunk * CHUNK_LEN) as u64;
            let end = (offset + 10).min(LARGE as u64);
            assert!(
                desk.retrieve_range(stored.document, offset.min(end)..end).await.is_err() || offset >= end
            );
            assert_eq!(desk.retrieve(stored.document).await.unwrap_err().kind(), ErrorKind::Corrupt);
        }
        // A hole at the end, as a file system leaves one, and an object of nothing.
        for left in [0, 56, sealed.len() - 4096] {
            evil.substitute(&name, patched(&sealed, left..sealed.len(), &vec![0; sealed.len() - left]));
            assert_eq!(desk.retrieve(stored.document).await.unwrap_err().kind(), ErrorKind::Corrupt);
        }
    });
}
