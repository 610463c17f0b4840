//! Chunk streams: whatever is done to one, nothing else comes out.
#![allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "lengths of a MiB")]

use crate::{
    chunked::{self, ChaCha20Poly1305, HkdfSha256, Opener, RangeOpener, open_with},
    env::Zeros,
    secret::{Secret, SecretBytes},
};

/// What opens in pieces opens whole, only what was sealed opens, and a range only to what stood there.
pub(super) fn chunks(data: &[u8]) {
    drop(opened(data, 1000));
    let Some(([len @ .., cut, start, end], steps)) = data.split_first_chunk::<5>() else { return };
    let len = usize::from(u16::from_be_bytes(*len));
    let content: Vec<u8> = (0..=250).cycle().take(len).collect();
    let honest = chunked::seal(&Secret::take([7; 32]), b"", &content, &Zeros).expect("zeros");
    let mut sealed = honest.clone();
    steps.as_chunks().0.iter().take(16).for_each(|step| alter(&mut sealed, *step));
    let whole = opened(&sealed, 1 + 97 * usize::from(*cut));
    assert_eq!(whole.is_some(), sealed == honest);
    assert!(whole.is_none_or(|whole| *whole == content));
    let range = 199 * u64::from(*start)..199 * u64::from(*end);
    let Some(prefix) = sealed.first_chunk() else { return };
    let opener = RangeOpener::<ChaCha20Poly1305, HkdfSha256>::new(&[7; 32], b"", prefix, sealed.len() as u64);
    assert!(opener.is_ok() || sealed != honest);
    let Ok(opener) = opener else { return };
    let wanted = opener.sealed_range(&range);
    let found = sealed.get(wanted.start as usize..wanted.end as usize).expect("within");
    let found = opener.open(&range, found);
    assert!(found.is_ok() || sealed != honest);
    if let Ok(found) = found {
        let end = content.len().min(range.end as usize).max(range.start as usize);
        let there = content.get(range.start as usize..end).unwrap_or_default();
        // Where it ends is known only from the last chunk.
        assert!(there.starts_with(&found) && (sealed != honest || *found == *there));
    }
}

/// Opens a stream whole and in pieces, which must agree.
fn opened(sealed: &[u8], piece: usize) -> Option<SecretBytes> {
    let whole = open_with::<ChaCha20Poly1305, HkdfSha256>(&[7; 32], b"", sealed).ok();
    let mut opener = Opener::<ChaCha20Poly1305, HkdfSha256>::new(&[7; 32], b"");
    let mut content = SecretBytes::default();
    let pushed = sealed.chunks(piece).try_for_each(|piece| opener.push(piece, &mut content));
    let streamed = pushed.and_then(|()| opener.finish(&mut content)).ok().map(|()| content);
    assert_eq!(whole.as_deref(), streamed.as_deref());
    whole
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
