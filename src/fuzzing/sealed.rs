//! Chunk streams: whatever is done to one, nothing else comes out.
#![allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "lengths of a MiB")]

use core::ops::Range;
use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, Mutex},
};

use crate::{
    chunked::{self, ChaCha20Poly1305, HkdfSha256, Opener, RangeOpener, Sealer, open_with},
    env::Zeros,
    secret::{Secret, SecretBytes},
};

/// What opens in pieces opens whole, only what was sealed opens, and a range only to what stood there.
pub(super) fn chunks(data: &[u8]) {
    let Some(([len @ .., cut, start, end, context, scale], steps)) = data.split_first_chunk::<7>() else {
        return;
    };
    let content = CONTENT.get(..usize::from(u16::from_be_bytes(*len))).unwrap_or_default();
    let context = &vec![*context; usize::from(context % 5)];
    let honest = honest(content, context);
    let mut sealed = honest.to_vec();
    let steps = steps.as_chunks().0;
    steps.iter().take(16).for_each(|step| alter(&mut sealed, *step));
    let whole = opened(&sealed, context, 1 + 97 * usize::from(*cut));
    assert_eq!(whole.is_some(), *sealed == *honest);
    assert!(whole.is_none_or(|whole| *whole == *content));
    // A scale of 255 and an end of 255 are the last byte of the longest content.
    let scale = 2 + u64::from(*scale);
    let range = scale * u64::from(*start)..scale * u64::from(*end);
    within(&sealed, (content, context), &range, *sealed == *honest);
    if steps.is_empty() {
        drop(opened(data, &[], 1000));
        otherwise(&honest, content, context);
    }
}

/// What a range opens to; and the length is the content's as soon as the last chunk opens.
fn within(sealed: &[u8], (content, context): (&[u8], &[u8]), range: &Range<u64>, honest: bool) {
    let Some(prefix) = sealed.first_chunk() else { return };
    let opener = RangeOpener::<ChaCha20Poly1305, HkdfSha256>::new(&KEY, context, prefix, sealed.len() as u64);
    assert!(opener.is_ok() || !honest);
    let Ok(opener) = opener else { return };
    let open = |range: &Range<u64>| {
        let wanted = opener.sealed_range(range);
        opener.open(range, sealed.get(wanted.start as usize..wanted.end as usize).expect("within"))
    };
    let last = open(&opener.last_chunk());
    assert!(last.is_ok() || !honest);
    assert!(last.is_err() || opener.claimed_len() == content.len() as u64);
    let found = open(range);
    assert!(found.is_ok() || !honest);
    if let Ok(found) = found {
        let end = content.len().min(range.end as usize).max(range.start as usize);
        let there = content.get(range.start as usize..end).unwrap_or_default();
        // Where it ends is known only from the last chunk.
        assert!(there.starts_with(&found) && (!honest && last.is_err() || *found == *there));
    }
}

/// With fewer chunks than it has, or under another context, nothing opens.
fn otherwise(honest: &[u8], content: &[u8], context: &[u8]) {
    let opened = |most: u64, context: &[u8]| {
        let mut opener = Opener::<ChaCha20Poly1305, HkdfSha256>::new(&KEY, context).at_most(most);
        let mut content = SecretBytes::default();
        opener.push(honest, &mut content).and_then(|()| opener.finish(&mut content)).is_ok()
    };
    let chunks = (content.len() / chunked::CHUNK_LEN) as u64 + 1;
    assert!(opened(chunks, context) && !opened(chunks - 1, context));
    assert!(!opened(chunks, &[context, &[0]].concat()));
}

/// Opens a stream whole and in pieces, which must agree.
fn opened(sealed: &[u8], context: &[u8], piece: usize) -> Option<SecretBytes> {
    let whole = open_with::<ChaCha20Poly1305, HkdfSha256>(&KEY, context, sealed).ok();
    let mut opener = Opener::<ChaCha20Poly1305, HkdfSha256>::new(&KEY, context);
    let mut content = SecretBytes::default();
    let pushed = sealed.chunks(piece).try_for_each(|piece| opener.push(piece, &mut content));
    let streamed = pushed.and_then(|()| opener.finish(&mut content)).ok().map(|()| content);
    assert_eq!(whole.as_deref(), streamed.as_deref());
    whole
}

/// A stream of this content: the last few dozen are kept, for sealing is most of the time.
fn honest(content: &[u8], context: &[u8]) -> Arc<[u8]> {
    static KEPT: Mutex<Streams> = Mutex::new(BTreeMap::new());
    let mut kept = KEPT.lock().expect("no panic leaves it half changed");
    if kept.len() == 64 {
        kept.clear();
    }
    let stream = kept.entry((content.len(), context.to_vec())).or_insert_with(|| seal(content, context));
    Arc::clone(stream)
}

/// Sealed whole and in pieces, to the same bytes.
fn seal(content: &[u8], context: &[u8]) -> Arc<[u8]> {
    let whole = chunked::seal(&Secret::take(KEY), context, content, &Zeros).expect("zeros");
    let mut sealer = Sealer::<ChaCha20Poly1305, HkdfSha256>::new(&KEY, context, &Zeros).expect("zeros");
    let mut sealed = sealer.prefix().to_vec();
    let piece = 1 + content.len() % 40_000;
    content.chunks(piece).try_for_each(|piece| sealer.push(piece, &mut sealed)).expect("few chunks");
    sealer.finish(&mut sealed).expect("few chunks");
    assert!(sealed == whole);
    whole.into()
}

/// What somebody does to sealed bytes: at an offset, or to whole chunks.
fn alter(sealed: &mut Vec<u8>, [what, how, high, low]: [u8; 4]) {
    const CHUNK: usize = chunked::CHUNK_LEN + chunked::TAG_LEN;
    let at = usize::from(u16::from_be_bytes([high, low])).checked_rem(sealed.len()).unwrap_or(0);
    let start = chunked::PREFIX_LEN + usize::from(how) % 5 * CHUNK;
    let chunk = || sealed.get(start..sealed.len().min(start + CHUNK)).unwrap_or_default().to_vec();
    match what % 6 {
        0 => sealed.get_mut(at).into_iter().for_each(|byte| *byte ^= how),
        1 => sealed.truncate(at),
        2 => sealed.extend_from_within(at..sealed.len().min(at + 2 * CHUNK)),
        // A chunk once more, at the end; away; and in another's place.
        3 => sealed.extend(chunk()),
        4 => drop(sealed.drain(start.min(sealed.len())..sealed.len().min(start + CHUNK))),
        _ => {
            let (chunk, to) = (chunk(), chunked::PREFIX_LEN + usize::from(low) % 5 * CHUNK);
            if let Some(place) = sealed.get_mut(to..to + chunk.len()) {
                place.copy_from_slice(&chunk);
            }
        }
    }
}

/// By length and context.
type Streams = BTreeMap<(usize, Vec<u8>), Arc<[u8]>>;

const KEY: [u8; 32] = [7; 32];
static CONTENT: LazyLock<Vec<u8>> = LazyLock::new(|| (0..=250).cycle().take(usize::from(u16::MAX)).collect());
