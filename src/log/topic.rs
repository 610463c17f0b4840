//! What a statement is about, in the part of its record that an auditor sees (FORMAT §5.4, "Stated").

use crate::wire::{Malformed, Reader};

/// The topic in a statement's details.
///
/// # Errors
///
/// [`Malformed`].
pub(crate) fn topic(details: &[u8]) -> Result<String, Malformed> {
    let mut r = Reader::new(details);
    let topic = r.text(TOPIC_CAP)?.to_owned();
    r.finish()?;
    if is_topic(&topic) { Ok(topic) } else { Err(Malformed) }
}

/// Whether a text can be a topic.
pub(crate) fn is_topic(text: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    (1..=TOPIC_CAP).contains(&text.len()) && text.bytes().all(allowed)
}

/// Bytes of a topic, at most.
pub(crate) const TOPIC_CAP: usize = 64;
