//! What chunked encryption must hold, row by row of the table of sealed formats.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_in_result,
    reason = "tests"
)]

#[path = "chunked/salamander.rs"]
mod salamander;
mod suites;

use core::ops::Range;
use std::collections::HashSet;

use docvault::{
    Secret, SecretBytes, SystemEntropy,
    chunked::{
        Aead, CHUNK_LEN, ChaCha20Poly1305, HkdfSha256, OpenError, Opener, PREFIX_LEN, RangeOpener, Sealer,
        TAG_LEN, open, open_with, plain_len, seal, seal_with, sealed_len,
    },
};
use proptest::prelude::*;
use salamander::{Owner, salamander};
use suites::{Broken, Counting, Recording, message};

const SEALED_CHUNK: usize = CHUNK_LEN + TAG_LEN;

fn key(byte: u8) -> Secret<32> {
    Secret::copy_from(&[byte; 32]).unwrap()
}

fn sealed(len: usize) -> Vec<u8> {
    seal(&key(1), b"context", &message(len), &SystemEntropy::default()).unwrap()
}

fn refused(altered: &[u8]) {
    assert_eq!(open(&key(1), b"context", altered).err(), Some(OpenError));
    let (out, result) = stream(altered, 9973);
    assert_eq!(result, Err(OpenError));
    assert!(message(out.len()) == **out, "what was released is a prefix of the message");
}

/// All a stream releases, and whether it succeeded; checks that an error repeats.
fn stream(sealed: &[u8], step: usize) -> (SecretBytes, Result<(), OpenError>) {
    let mut opener = Opener::<ChaCha20Poly1305, HkdfSha256>::new(key(1).expose(), b"context");
    let mut out = SecretBytes::default();
    for piece in sealed.chunks(step) {
        if opener.push(piece, &mut out).is_err() {
            let released = out.len();
            assert_eq!(opener.push(piece, &mut out), Err(OpenError));
            assert_eq!(opener.push(&[], &mut out), Err(OpenError));
            assert_eq!(opener.finish(&mut out), Err(OpenError));
            assert_eq!(out.len(), released);
            return (out, Err(OpenError));
        }
    }
    let result = opener.finish(&mut out);
    (out, result)
}

fn chunks(sealed: &[u8]) -> Vec<&[u8]> {
    sealed[PREFIX_LEN..].chunks(SEALED_CHUNK).collect()
}

fn assemble(prefix: &[u8], chunks: &[&[u8]]) -> Vec<u8> {
    [&prefix[..PREFIX_LEN], &chunks.concat()].concat()
}

#[test]
fn p02_a_wrong_key_or_context_meets_no_aead() {
    let sealed =
        seal_with::<Counting, HkdfSha256>(&[1; 32], b"context", &message(40_000), &SystemEntropy::default())
            .unwrap();
    let mut flipped = Vec::new();
    for bit in 0..PREFIX_LEN * 8 {
        flipped.push(sealed.clone());
        flipped.last_mut().unwrap()[bit / 8] ^= 1 << (bit % 8);
    }
    let calls = Counting::calls(|| {
        assert!(counted([2; 32], b"context", &sealed).is_err());
        assert!(counted([1; 32], b"contexu", &sealed).is_err());
        assert!(counted([1; 32], b"", &sealed).is_err());
        assert!(flipped.iter().all(|sealed| counted([1; 32], b"context", sealed).is_err()));
        let mut opener = Opener::<Counting, HkdfSha256>::new(&[2; 32], b"context");
        assert!(opener.push(&sealed, &mut SecretBytes::default()).is_err());
        let prefix = sealed.first_chunk().unwrap();
        assert!(RangeOpener::<Counting, HkdfSha256>::new(&[2; 32], b"context", prefix, 40_104).is_err());
    });
    assert_eq!(calls, 0);
    let calls = Counting::calls(|| assert!(counted([1; 32], b"context", &sealed).is_ok()));
    assert_eq!(calls, 3);
}

fn counted(key: [u8; 32], context: &[u8], sealed: &[u8]) -> Result<SecretBytes, OpenError> {
    open_with::<Counting, HkdfSha256>(&key, context, sealed)
}

// One chunk that ChaCha20-Poly1305 opens under two keys: the commitment lets only one of them have it.
#[test]
fn p02_a_salamander_opens_under_one_key_only() {
    let owners = [[1; 32], [2; 32]].map(Owner::new);
    let chunk = salamander(&owners[0], &owners[1]);
    let (content, tag) = chunk.split_last_chunk().unwrap();
    let opened = owners.each_ref().map(|owner| {
        let (cipher, mut content) = (ChaCha20Poly1305::new(&owner.aead_key).unwrap(), content.to_vec());
        assert!(cipher.open(&owner.nonce, &mut content, tag), "the AEAD alone takes both");
        content
    });
    assert_ne!(opened[0], opened[1]);
    for (owner, other, content) in [(0, 1, &opened[0]), (1, 0, &opened[1])] {
        let sealed = [&*owners[owner].prefix, &chunk].concat();
        assert_eq!(counted(owners[owner].key, b"", &sealed).unwrap().as_slice(), content);
        let calls =
            Counting::calls(|| assert_eq!(counted(owners[other].key, b"", &sealed).err(), Some(OpenError)));
        assert_eq!(calls, 0);
    }
}

#[test]
fn p03_other_key_lengths_are_refused() {
    let sealed = sealed(10);
    for len in (0..=64).filter(|len| *len != 32) {
        assert!(Secret::<32>::copy_from(&vec![1; len]).is_none());
        let key = vec![1; len];
        let calls = Counting::calls(|| {
            assert!(open_with::<Counting, HkdfSha256>(&key, b"context", &sealed).is_err());
            assert!(
                seal_with::<Counting, HkdfSha256>(&key, b"context", b"", &SystemEntropy::default()).is_err()
            );
        });
        assert_eq!(calls, 0);
    }
}

/// Chunks in messages of one to four.
#[test]
fn p06_no_key_and_nonce_meet_twice() {
    let seals = if cfg!(debug_assertions) { 20_000 } else { 1_000_000 };
    let mut seen = HashSet::new();
    let mut count = 0;
    for chunks in (1..=4).cycle() {
        let plaintext = vec![0; (chunks - 1) * CHUNK_LEN];
        seal_with::<Recording, HkdfSha256>(&[1; 32], b"", &plaintext, &SystemEntropy::default()).unwrap();
        let used = Recording::take();
        assert_eq!(used.len(), chunks);
        count += chunks;
        seen.extend(used);
        if count >= seals {
            break;
        }
    }
    assert_eq!(seen.len(), count);
}

#[test]
fn p06_nothing_is_sealed_without_entropy() {
    assert!(seal(&key(1), b"", b"", &Broken).is_err());
    assert!(Sealer::<ChaCha20Poly1305, HkdfSha256>::new(&[1; 32], b"", &Broken).is_err());
}

#[test]
fn p07_every_truncation_is_refused() {
    let sealed = sealed(2 * CHUNK_LEN + 100);
    // Wiping is slow without optimization: every length in release builds, each third in others.
    let step = if cfg!(debug_assertions) { 3 } else { 1 };
    for len in (0..sealed.len()).step_by(step) {
        assert_eq!(open(&key(1), b"context", &sealed[..len]).err(), Some(OpenError), "{len}");
    }
    for len in (0..sealed.len()).step_by(101).chain(sealed.len() - 120..sealed.len()) {
        refused(&sealed[..len]);
    }
    for chunk in 0..3 {
        let end = PREFIX_LEN + chunk * SEALED_CHUNK;
        (end..=end + TAG_LEN).for_each(|len| refused(&sealed[..len]));
    }
}

#[test]
fn p08_every_permutation_is_refused() {
    for count in 2..=5 {
        let sealed = sealed((count - 1) * CHUNK_LEN + 100);
        let chunks = chunks(&sealed);
        let mut orders = permutations(count);
        orders.retain(|order| !order.is_sorted());
        assert_eq!(orders.len() + 1, (1..=count).product::<usize>());
        for order in orders {
            let shuffled = order.iter().map(|index| chunks[*index]).collect::<Vec<_>>();
            refused(&assemble(&sealed, &shuffled));
        }
    }
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = permutations(count - 1);
    let insert = |order: &Vec<usize>, at| [&order[..at], &[count - 1], &order[at..]].concat();
    shorter.iter().flat_map(|order| (0..count).map(move |at| insert(order, at))).collect()
}

#[test]
fn p08_every_duplication_and_omission_is_refused() {
    let sealed = sealed(3 * CHUNK_LEN + 100);
    let chunks = chunks(&sealed);
    for from in 0..chunks.len() {
        for to in 0..=chunks.len() {
            refused(&assemble(&sealed, &[&chunks[..to], &[chunks[from]], &chunks[to..]].concat()));
        }
        for to in (0..chunks.len()).filter(|to| *to != from) {
            let mut replaced = chunks.clone();
            replaced[to] = chunks[from];
            refused(&assemble(&sealed, &replaced));
        }
        let mut without = chunks.clone();
        without.remove(from);
        refused(&assemble(&sealed, &without));
    }
}

#[test]
fn p09_no_chunk_of_another_message_fits() {
    let (one, other) = (sealed(3 * CHUNK_LEN + 100), sealed(3 * CHUNK_LEN + 100));
    let (mine, theirs) = (chunks(&one), chunks(&other));
    #[allow(clippy::needless_range_loop, reason = "a pair of indices")]
    for from in 0..theirs.len() {
        for to in 0..mine.len() {
            let mut spliced = mine.clone();
            spliced[to] = theirs[from];
            refused(&assemble(&one, &spliced));
        }
    }
    refused(&assemble(&one, &theirs));
    refused(&assemble(&[&one[..24], &other[24..]].concat(), &mine));
}

#[test]
fn p10_trailing_data_is_refused() {
    let long = sealed(CHUNK_LEN + 100);
    for len in [0, 100, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 100] {
        let sealed = sealed(len);
        for extra in [1, TAG_LEN, TAG_LEN + 1, SEALED_CHUNK, SEALED_CHUNK + TAG_LEN] {
            refused(&[&sealed[..], &vec![0; extra]].concat());
        }
        refused(&[&sealed[..], chunks(&long)[0]].concat());
        refused(&[&sealed[..], chunks(&sealed).last().unwrap()].concat());
    }
}

#[test]
fn p11_every_boundary_length_comes_back() {
    for len in [0, 1, 16_383, 16_384, 16_385, 32_768] {
        let sealed = sealed(len);
        let expected = u64::try_from(sealed.len()).unwrap();
        assert_eq!(sealed_len(u64::try_from(len).unwrap()), Some(expected));
        assert_eq!(plain_len(expected), Ok(u64::try_from(len).unwrap()));
        assert_eq!(chunks(&sealed).len(), len / CHUNK_LEN + 1);
        assert_eq!(*open(&key(1), b"context", &sealed).unwrap(), message(len));
        for step in [1, 17, SEALED_CHUNK, 100_000] {
            let (out, result) = stream(&sealed, step);
            assert_eq!((**out == *message(len), result), (true, Ok(())));
        }
    }
    refused(&[]);
    refused(&sealed(0)[..PREFIX_LEN]);
}

#[test]
fn p12_one_flipped_bit_releases_only_what_is_before() {
    let sealed = sealed(2 * CHUNK_LEN + 100);
    for byte in (0..sealed.len()).step_by(211).chain(sealed.len() - TAG_LEN..sealed.len()) {
        let mut altered = sealed.clone();
        altered[byte] ^= 0x40;
        assert_eq!(open(&key(1), b"context", &altered).err(), Some(OpenError));
        let (out, result) = stream(&altered, 5000);
        assert_eq!(result, Err(OpenError));
        let whole = byte.saturating_sub(PREFIX_LEN) / SEALED_CHUNK;
        assert!(**out == message(whole * CHUNK_LEN), "a bit in byte {byte}");
    }
}

fn ranges(sealed: &[u8], claimed: u64) -> Result<RangeOpener, OpenError> {
    RangeOpener::new(key(1).expose(), b"context", sealed.first_chunk().unwrap(), claimed)
}

fn slice(sealed: &[u8], range: &Range<u64>) -> Vec<u8> {
    let at = |offset| usize::try_from(offset).unwrap().min(sealed.len());
    sealed[at(range.start)..at(range.end)].to_vec()
}

#[test]
fn p13_a_false_length_is_found_before_counting_from_the_end() {
    let sealed = sealed(3 * CHUNK_LEN);
    let true_len = u64::try_from(sealed.len()).unwrap();
    let mut accepted = Vec::new();
    for claimed in (56..true_len + 40_000).step_by(13).chain([true_len]) {
        let Ok(opener) = ranges(&sealed, claimed) else { continue };
        let last = opener.last_chunk();
        let mut bytes = slice(&sealed, &opener.sealed_range(&last));
        let needed = opener.sealed_range(&last);
        bytes.resize(usize::try_from(needed.end - needed.start).unwrap(), 0);
        if opener.open(&last, &bytes).is_ok() {
            accepted.push(claimed);
        }
    }
    accepted.dedup();
    assert_eq!(accepted, [true_len]);
}

#[test]
fn p13_ranges_of_a_truncated_message_are_authentic_or_refused() {
    let full = sealed(3 * CHUNK_LEN + 500);
    let cut = &full[..PREFIX_LEN + 2 * SEALED_CHUNK + 300];
    let opener = ranges(cut, u64::try_from(cut.len()).unwrap()).unwrap();
    for range in [0..10, 16_380..16_390, 20_000..32_768] {
        let opened = opener.open(&range, &slice(cut, &opener.sealed_range(&range))).unwrap();
        assert_eq!(*opened, slice(&message(50_000), &range));
    }
    for range in [32_768..32_769, 32_760..32_770, opener.last_chunk()] {
        assert_eq!(opener.open(&range, &slice(cut, &opener.sealed_range(&range))).err(), Some(OpenError));
    }
}

#[test]
fn p14_a_stream_of_more_chunks_than_allowed_is_refused() {
    for (len, chunks) in [(0, 1), (CHUNK_LEN - 1, 1), (CHUNK_LEN, 2), (512 * CHUNK_LEN, 513)] {
        let sealed = sealed(len);
        for (limit, taken) in [(chunks, true), (chunks - 1, false)] {
            let mut opener =
                Opener::<ChaCha20Poly1305, HkdfSha256>::new(key(1).expose(), b"context").at_most(limit);
            let mut out = SecretBytes::default();
            let opened = opener.push(&sealed, &mut out).and_then(|()| opener.finish(&mut out));
            assert_eq!(opened.is_ok(), taken, "{len} bytes, at most {limit} chunks");
        }
    }
    assert_eq!(sealed_len(1 << 52), None);
    assert_eq!(plain_len(56 + (16_400 << 38) + 16), Err(OpenError));
}

#[test]
fn p20_every_failure_is_the_same_error() {
    let sealed = sealed(100);
    let mut failures = vec![open(&key(2), b"context", &sealed), open(&key(1), b"", &sealed)];
    for altered in [&sealed[..10], &sealed[..60], &sealed[..100]] {
        failures.push(open(&key(1), b"context", altered));
    }
    for byte in [0, 30, 60, sealed.len() - 1] {
        let mut altered = sealed.clone();
        altered[byte] ^= 1;
        failures.push(open(&key(1), b"context", &altered));
    }
    let texts = failures.iter().map(|failure| format!("{0:?} {0}", failure.as_ref().unwrap_err()));
    assert_eq!(texts.collect::<HashSet<_>>().len(), 1);
}

#[test]
fn every_altered_chunk_of_a_large_message_is_refused() {
    let sealed = sealed(2 << 20);
    for chunk in 0..=(2 << 20) / CHUNK_LEN {
        let mut altered = sealed.clone();
        let at = (PREFIX_LEN + chunk * SEALED_CHUNK + 5).min(sealed.len() - 1);
        altered[at] ^= 1;
        assert_eq!(open(&key(1), b"context", &altered).err(), Some(OpenError), "chunk {chunk}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn streams_agree_with_the_whole(
        len in 0..70_000usize,
        seal_step in 1..40_000usize,
        open_step in 1..40_000usize,
    ) {
        let plaintext = message(len);
        let mut sealer = Sealer::<ChaCha20Poly1305, HkdfSha256>::new(&[1; 32], b"context", &SystemEntropy::default()).unwrap();
        let mut sealed = sealer.prefix().to_vec();
        for piece in plaintext.chunks(seal_step) {
            sealer.push(piece, &mut sealed).unwrap();
        }
        sealer.finish(&mut sealed).unwrap();
        prop_assert_eq!(u64::try_from(sealed.len()).ok(), sealed_len(u64::try_from(len).unwrap()));
        prop_assert!(*open(&key(1), b"context", &sealed).unwrap() == plaintext);
        let (out, result) = stream(&sealed, open_step);
        prop_assert!(result.is_ok() && *out == plaintext);
    }

    #[test]
    fn ranges_agree_with_the_whole(len in 0..70_000u64, a in 0..80_000u64, b in 0..80_000u64) {
        let range = a.min(b)..a.max(b);
        let plaintext = message(usize::try_from(len).unwrap());
        let sealed = seal(&key(1), b"context", &plaintext, &SystemEntropy::default()).unwrap();
        let opener = ranges(&sealed, u64::try_from(sealed.len()).unwrap()).unwrap();
        let needed = opener.sealed_range(&range);
        let opened = opener.open(&range, &slice(&sealed, &needed)).unwrap();
        prop_assert!(*opened == slice(&plaintext, &range));
        let touched = 1 + (range.end.min(len).saturating_sub(1) / 16_384).saturating_sub(range.start.min(len) / 16_384);
        prop_assert!(needed.end - needed.start <= touched * 16_400);
    }
}
