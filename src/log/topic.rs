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

/// What the topics begin with that the crate's own layers state on (FORMAT §12.2): an application's would be read as theirs.
pub(crate) const RESERVED: &str = "intake.";
/// Bytes of a topic, at most.
pub(crate) const TOPIC_CAP: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Writer;

    #[test]
    fn a_topic_is_1_to_64_of_its_characters_and_nothing_behind_it() {
        let of = |text: &str, rest: &[u8]| {
            let mut w = Writer::new();
            w.text(text).fixed(rest);
            topic(w.as_slice())
        };
        for right in ["a", "z0.9-", &"x".repeat(64)] {
            assert_eq!(of(right, b""), Ok(right.to_owned()));
            assert!(is_topic(right));
            assert_eq!(of(right, b"\0"), Err(Malformed));
        }
        for wrong in ["", "A", "a b", "a/", "a_", "é", "{", "`", ":", &"x".repeat(65)] {
            assert_eq!((of(wrong, b""), is_topic(wrong)), (Err(Malformed), false), "{wrong}");
        }
    }
}
