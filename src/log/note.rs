//! Signed notes with Ed25519 (c2sp.org/signed-note, version 1.0.0).

use crate::{
    crypto::{
        digest::sha256,
        sign::{SigningKey, VerifyingKey},
    },
    text::{base64, parse_base64},
    wire::{Malformed, Reader},
};

/// Whether keys may have this name: not empty, neither Unicode spaces nor plus nor ASCII controls.
pub(crate) fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c == '+' || c.is_ascii_control())
}

// signed-note, Format: a text ending in newline, a blank line, then lines of
//     em dash, space, key name, space, base64(32-bit key ID || signature), newline
/// The note of `text`, which ends in a newline, with one signature.
pub(crate) fn sign(text: &str, name: &str, key: &SigningKey) -> String {
    let id = key_id(name, &key.verifying_key());
    let signature = base64(&[&id[..], &key.sign_bare(text.as_bytes())].concat());
    format!("{text}\n{DASH}{name} {signature}\n")
}

/// The text of a note that `key` has signed under `name`.
///
/// # Errors
///
/// [`Malformed`] if the bytes are no note, if this key has not signed it, or if one of several
/// signatures of this key does not verify. Signatures of other keys are not looked at.
pub(crate) fn open<'a>(note: &'a str, name: &str, key: &VerifyingKey) -> Result<&'a str, Malformed> {
    if note.len() > MAX_NOTE || note.chars().any(|c| c < ' ' && c != '\n') {
        return Err(Malformed);
    }
    // The last empty line separates; the text keeps the newline that ends it.
    let end = note.rfind("\n\n").ok_or(Malformed)? + 1;
    let (text, lines) = note.split_at_checked(end).ok_or(Malformed)?;
    let lines = lines.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n')).ok_or(Malformed)?;
    let id = key_id(name, key);
    let mut signed = false;
    for line in lines.split('\n') {
        let (signer, signer_id, signature) = parse_line(line)?;
        if signer == name && signer_id == id {
            let signature = signature.as_slice().try_into().map_err(|_| Malformed)?;
            key.verify_bare(text.as_bytes(), signature).map_err(|_| Malformed)?;
            signed = true;
        }
    }
    if signed { Ok(text) } else { Err(Malformed) }
}

/// Key name, key id and signature of a signature line.
fn parse_line(line: &str) -> Result<(&str, [u8; 4], Vec<u8>), Malformed> {
    let (name, encoded) = line.strip_prefix(DASH).and_then(|rest| rest.split_once(' ')).ok_or(Malformed)?;
    let bytes = parse_base64(encoded).filter(|_| is_key_name(name)).ok_or(Malformed)?;
    let mut r = Reader::new(&bytes);
    let (id, signature) = (r.array()?, r.rest());
    if signature.is_empty() { Err(Malformed) } else { Ok((name, id, signature.to_vec())) }
}

// signed-note, Ed25519 signatures:
//     key ID = SHA-256(key name || 0x0A || 0x01 || 32-byte Ed25519 public key)[:4]
fn key_id(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let [a, b, c, d, ..] = sha256(&[name.as_bytes(), b"\n", &[ED25519], &key.to_bytes()]);
    [a, b, c, d]
}

const DASH: &str = "\u{2014} ";
/// Signature type identifier byte.
const ED25519: u8 = 0x01;
/// Twice what 16 signatures of 5 kB need, the least that a verifier must accept.
const MAX_NOTE: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    /// The example of c2sp.org/signed-note, and its verifier key.
    const EXAMPLE: &str = "This is an example message.\n\n\
        \u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    const EXAMPLE_KEY: &str = "AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    const EXAMPLE_KEY_ID: [u8; 4] = [0x53, 0x0d, 0x90, 0x3a];
    const EXAMPLE_NAME: &str = "example.com/foo";

    fn example_key() -> VerifyingKey {
        let bytes = parse_base64(EXAMPLE_KEY).expect("base64");
        assert_eq!(bytes[0], ED25519);
        VerifyingKey::from_bytes(bytes[1..].try_into().expect("32 bytes")).expect("a key")
    }

    #[test]
    fn the_published_example_opens() {
        assert_eq!(key_id(EXAMPLE_NAME, &example_key()), EXAMPLE_KEY_ID);
        assert_eq!(open(EXAMPLE, EXAMPLE_NAME, &example_key()), Ok("This is an example message.\n"));
        assert!(open(EXAMPLE, "example.com/bar", &example_key()).is_err());
    }

    #[test]
    fn every_altered_byte_of_the_example_is_refused() {
        for offset in 0..EXAMPLE.len() {
            for flip in [1, 0x20] {
                let mut altered = EXAMPLE.as_bytes().to_vec();
                altered[offset] ^= flip;
                let refused = |text: &str| open(text, EXAMPLE_NAME, &example_key()).is_err();
                assert!(core::str::from_utf8(&altered).map_or(true, refused), "{offset}");
            }
        }
        for len in (0..EXAMPLE.len()).filter(|len| EXAMPLE.is_char_boundary(*len)) {
            assert!(open(&EXAMPLE[..len], EXAMPLE_NAME, &example_key()).is_err(), "{len}");
        }
    }

    #[test]
    fn signatures_of_others_are_ignored_and_a_false_one_of_ours_is_not() {
        let line = |name: &str, bytes: &[u8]| format!("{DASH}{name} {}\n", base64(bytes));
        let with = |more: &str| [EXAMPLE, more].concat();
        let opens = |note: &str| open(note, EXAMPLE_NAME, &example_key()).is_ok();
        let [a, b, c, d] = EXAMPLE_KEY_ID;
        assert!(opens(&with(&line("witness.example", &[1, 2, 3, 4, 5]))));
        assert!(opens(&with(&line(EXAMPLE_NAME, &[1, 2, 3, 4, 5]))));
        assert!(opens(&with(&line("witness.example", &[a, b, c, d, 5]))));
        assert!(opens(&with(&line("witness.example", &[7; 5000]).repeat(16))));
        assert!(!opens(&with(&line(EXAMPLE_NAME, &[a, b, c, d, 5]))));
        assert!(!opens(&with(&line(EXAMPLE_NAME, &[&EXAMPLE_KEY_ID[..], &[7; 64]].concat()))));
        assert!(!opens(&with(&line("witness.example", &[1, 2, 3, 4]))));
        assert!(!opens(&with(&line("wit+ness", &[1, 2, 3, 4, 5]))));
        assert!(!opens(&with("\u{2014} witness.example AQIDBA=\n")));
        assert!(!opens(&with("- witness.example AQIDBAU=\n")));
        assert!(!opens(&with("\u{2014} witness.example AQIDBAU=")));
        assert!(!opens(&with(&line("witness.example", &[1, 2, 3, 4, 5]).repeat(10_000))));
        assert!(!opens(&EXAMPLE.replace("example message", "exam\tple")));
    }

    #[test]
    fn the_text_may_have_empty_lines() {
        let key = SigningKey::from_seed(Secret::take([1; 32]));
        for text in ["a\n", "a\n\nb\n", "\n", "a\n\n", "\u{2014} a AAAAAAA=\n"] {
            let note = sign(text, "example.com/log", &key);
            assert_eq!(open(&note, "example.com/log", &key.verifying_key()), Ok(text));
        }
    }

    #[test]
    fn key_names_have_no_space_plus_or_control() {
        assert!(is_key_name("example.com/log42") && is_key_name("münchen.example"));
        for name in ["", "a b", "a+b", "a\nb", "a\u{a0}b", "a\u{2003}b", "a\u{7f}", "a\0"] {
            assert!(!is_key_name(name), "{name:?}");
        }
    }
}
