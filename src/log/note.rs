//! Signed notes (c2sp.org/signed-note, version 1.0.0): a text and the lines of those who signed it.

use super::verifier_key::{ED25519, KeyId, VerifierKey, key_id};
use crate::{
    crypto::sign::SigningKey,
    text::{base64, parse_base64},
    wire::{Malformed, Reader},
};

/// Whether keys may have this name: not empty, neither Unicode spaces nor plus nor ASCII controls.
pub(crate) fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c == '+' || c.is_ascii_control())
}

// signed-note, Format: a text ending in newline, a blank line, then lines of
//     em dash, space, key name, space, base64(32-bit key ID || signature), newline
/// The note of `text`, which ends in a newline, with one Ed25519 signature.
pub(crate) fn sign(text: &str, name: &str, key: &SigningKey) -> String {
    let id = key_id(name, ED25519, &key.verifying_key().to_bytes());
    format!("{text}\n{}", signature_line(name, id, &key.sign_bare(text.as_bytes())))
}

/// The line of one signature, ended by a newline.
pub(crate) fn signature_line(name: &str, id: KeyId, signature: &[u8]) -> String {
    format!("{DASH}{name} {}\n", base64(&[&id[..], signature].concat()))
}

/// A note that has the form of one; nothing is verified yet.
#[derive(Debug)]
pub(crate) struct Note<'a> {
    text: &'a str,
    signatures: Vec<Signature<'a>>,
}

#[derive(Debug)]
struct Signature<'a> {
    name: &'a str,
    id: KeyId,
    bytes: Vec<u8>,
}

impl<'a> Note<'a> {
    /// Takes a note of at most 256 KiB and 100 signatures apart.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub(crate) fn parse(note: &'a str) -> Result<Self, Malformed> {
        if note.len() > MAX_NOTE || note.chars().any(|c| c < ' ' && c != '\n') {
            return Err(Malformed);
        }
        // The last empty line separates; the text keeps the newline that ends it.
        let end = note.rfind("\n\n").ok_or(Malformed)? + 1;
        let (text, lines) = note.split_at_checked(end).ok_or(Malformed)?;
        let lines = lines.strip_prefix('\n').ok_or(Malformed)?;
        Ok(Self { text, signatures: parse_lines(lines)? })
    }

    /// What is signed, the newline at its end included.
    pub(crate) const fn text(&self) -> &'a str {
        self.text
    }

    /// What the key's signature says, the newest if there are several; `None` if there is none.
    ///
    /// Signatures by others, even under the same name or the same key id, are not looked at.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if any signature under the key's name and id does not verify.
    pub(crate) fn signed_by(&self, key: &VerifierKey) -> Result<Option<Signed>, Malformed> {
        Ok(self.first_and_last_by(key)?.map(|(_, newest)| newest))
    }

    /// The oldest and the newest of the key's signatures.
    ///
    /// # Errors
    ///
    /// As [`Note::signed_by`].
    pub(crate) fn first_and_last_by(&self, key: &VerifierKey) -> Result<Option<(Signed, Signed)>, Malformed> {
        let mut found: Option<(Signed, Signed)> = None;
        for line in self.signatures.iter().filter(|line| line.name == key.name() && line.id == key.id()) {
            if let Some(signed) = key.verify(self.text, &line.bytes)? {
                let (first, last) = found.unwrap_or((signed, signed));
                found = Some((first.min(signed), last.max(signed)));
            }
        }
        Ok(found)
    }
}

#[cfg(any(test, fuzzing))]
impl core::fmt::Display for Note<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let lines = self.signatures.iter().map(|line| signature_line(line.name, line.id, &line.bytes));
        write!(f, "{}\n{}", self.text, lines.collect::<String>())
    }
}

/// What a signature that verifies says, but for the text; the greater is the newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Signed {
    /// Nothing more.
    Plain,
    /// It was made at this time, in seconds since 1970.
    At(u64),
}

/// At least one signature line, each ended by a newline.
fn parse_lines(lines: &str) -> Result<Vec<Signature<'_>>, Malformed> {
    let lines = lines.strip_suffix('\n').ok_or(Malformed)?;
    if lines.split('\n').count() > MAX_SIGNATURES {
        return Err(Malformed);
    }
    lines.split('\n').map(parse_line).collect()
}

fn parse_line(line: &str) -> Result<Signature<'_>, Malformed> {
    let (name, encoded) = line.strip_prefix(DASH).and_then(|rest| rest.split_once(' ')).ok_or(Malformed)?;
    let bytes = parse_base64(encoded).filter(|_| is_key_name(name)).ok_or(Malformed)?;
    let mut r = Reader::new(&bytes);
    let (id, signature) = (r.array()?, r.rest());
    if signature.is_empty() { Err(Malformed) } else { Ok(Signature { name, id, bytes: signature.to_vec() }) }
}

/// `note` with the signature lines in `lines` that are of somebody known: what a witness answered, cut down to what is
/// known and right. `known` says of a note with one signature by whom it is, and how new. Of each the oldest and the
/// newest stay, in `note` too, or one who signs again and again would leave the others no room.
///
/// # Errors
///
/// [`Malformed`] if either is not what it should be.
pub(crate) fn append<K: PartialEq, T: Ord + Copy>(
    note: &str,
    lines: &str,
    known: impl Fn(&Note<'_>) -> Option<(K, T)>,
) -> Result<String, Malformed> {
    let text = Note::parse(note)?.text;
    parse_lines(lines)?;
    let (start, had) = note.split_at_checked(text.len() + 1).ok_or(Malformed)?;
    let mut kept: Vec<Kept<'_, K, T>> = Vec::new();
    let all = had.split_inclusive('\n').map(|line| (line, true));
    for (line, had) in all.chain(lines.split_inclusive('\n').map(|line| (line, false))) {
        match known(&Note { text, signatures: parse_lines(line)? }) {
            Some((who, when)) => keep(&mut kept, line, who, when),
            None if had => kept.push(Kept::Strangers(line)),
            None => {}
        }
    }
    loop {
        let lines: String = kept.iter().flat_map(Kept::lines).flatten().collect();
        let merged = [start, &lines].concat();
        match Note::parse(&merged) {
            Ok(_) => return Ok(merged),
            // Where there is no room for both, the newest are what a quorum is made of.
            Err(Malformed) if kept.iter_mut().any(|kept| kept.gives_way()) => {}
            Err(Malformed) => return Err(Malformed),
        }
    }
}

/// Lines that stay.
enum Kept<'a, K, T> {
    Strangers(&'a str),
    /// The oldest and the newest of one signer, which may be the same.
    Of(K, [(T, &'a str); 2]),
}

impl<'a, K, T: PartialEq + Copy> Kept<'a, K, T> {
    /// Drops the older of two lines; false if there is but one.
    fn gives_way(&mut self) -> bool {
        match self {
            Self::Of(_, [oldest, newest]) if oldest.0 != newest.0 => {
                *oldest = *newest;
                true
            }
            _ => false,
        }
    }

    fn lines(&self) -> [Option<&'a str>; 2] {
        match self {
            Self::Strangers(line) => [Some(line), None],
            Self::Of(_, [(oldest, line), (newest, other)]) => {
                [Some(line), (oldest != newest).then_some(other)]
            }
        }
    }
}

fn keep<'a, K: PartialEq, T: Ord + Copy>(kept: &mut Vec<Kept<'a, K, T>>, line: &'a str, who: K, when: T) {
    let of_same = kept.iter_mut().find_map(|kept| match kept {
        Kept::Of(other, lines) if *other == who => Some(lines),
        _ => None,
    });
    match of_same {
        Some([oldest, _]) if when < oldest.0 => *oldest = (when, line),
        Some([_, newest]) if when > newest.0 => *newest = (when, line),
        Some(_) => {}
        None => kept.push(Kept::Of(who, [(when, line); 2])),
    }
}

const DASH: &str = "\u{2014} ";
/// Twice what 16 signatures of 5 kB need, the least that a verifier must accept.
pub(crate) const MAX_NOTE: usize = 256 << 10;
/// What golang.org/x/mod/sumdb/note takes; a verifier must accept 16.
const MAX_SIGNATURES: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{crypto::sign::VerifyingKey, secret::Secret};

    #[test]
    fn of_lines_of_one_signer_and_time_the_first_stays() {
        let mut kept = Vec::new();
        for (line, when) in [("b", 5), ("c", 5), ("d", 7), ("e", 7), ("a", 3), ("f", 3)] {
            keep(&mut kept, line, 1, when);
        }
        let lines: Vec<_> = kept.iter().flat_map(Kept::lines).collect();
        assert_eq!(lines, [Some("a"), Some("d")]);
    }

    /// The text of a note that the Ed25519 key has signed under `name`.
    fn open<'a>(note: &'a str, name: &str, key: &VerifyingKey) -> Result<&'a str, Malformed> {
        let note = Note::parse(note)?;
        let key = VerifierKey::ed25519(name, *key).ok_or(Malformed)?;
        note.signed_by(&key)?.map(|_| note.text()).ok_or(Malformed)
    }

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
        assert_eq!(key_id(EXAMPLE_NAME, ED25519, &example_key().to_bytes()), EXAMPLE_KEY_ID);
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
        assert!(opens(&with(&line("witness.example", &[7; 64]).repeat(99))));
        assert!(!opens(&with(&line("witness.example", &[7; 64]).repeat(100))));
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
    fn a_note_has_256_kib_and_100_signatures_at_most_and_no_control() {
        let key = SigningKey::from_seed(Secret::take([1; 32]));
        let of = |len: usize| {
            let rest = sign("\n", "log", &key).len() - 1;
            sign(&format!("{}\n", "a".repeat(len - rest - 1)), "log", &key)
        };
        for (len, taken) in [(MAX_NOTE - 1, true), (MAX_NOTE, true), (MAX_NOTE + 1, false)] {
            assert_eq!((of(len).len(), Note::parse(&of(len)).is_ok()), (len, taken));
        }
        let line = sign("text\n", "log", &key).split_off("text\n\n".len());
        for (signatures, taken) in [(99, true), (100, true), (101, false)] {
            let note = format!("text\n\n{}", line.repeat(signatures));
            assert_eq!(Note::parse(&note).is_ok(), taken, "{signatures}");
        }
        for control in ('\0'..' ').filter(|control| *control != '\n') {
            assert!(Note::parse(&sign(&format!("a{control}\n"), "log", &key)).is_err(), "{control:?}");
        }
        assert!(Note::parse(&sign(" a\n", "log", &key)).is_ok());
    }

    #[test]
    fn key_names_have_no_space_plus_or_control() {
        assert!(is_key_name("example.com/log42") && is_key_name("münchen.example"));
        for name in ["", "a b", "a+b", "a\nb", "a\u{a0}b", "a\u{2003}b", "a\u{7f}", "a\0"] {
            assert!(!is_key_name(name), "{name:?}");
        }
    }

    #[test]
    fn a_note_takes_further_lines_that_are_kept_once_each() {
        let (ours, theirs) =
            (SigningKey::from_seed(Secret::take([1; 32])), SigningKey::from_seed(Secret::take([2; 32])));
        let note = sign("text\n", "log", &ours);
        let line = sign("text\n", "witness", &theirs).split_off("text\n\n".len());
        let key = VerifierKey::ed25519("witness", theirs.verifying_key()).expect("a name");
        let known = |note: &Note<'_>| note.signed_by(&key).ok().flatten().map(|signed| ((), signed));
        let both = format!("{note}{line}");
        assert_eq!(append(&note, &line, known).as_deref(), Ok(both.as_str()));
        assert_eq!(append(&both, &line, known).as_deref(), Ok(both.as_str()));
        assert_eq!(append(&note, &line.repeat(2), known).as_deref(), Ok(both.as_str()));
        assert_eq!(append(&note, &line, |_| None::<((), Signed)>).as_deref(), Ok(note.as_str()));
        let false_line = sign("other\n", "witness", &theirs).split_off("other\n\n".len());
        assert_eq!(append(&note, &format!("{false_line}{line}"), known).as_deref(), Ok(both.as_str()));
        for lines in ["", "\n", "line\n", line.trim_end()] {
            assert_eq!(append(&note, lines, known), Err(Malformed), "{lines:?}");
        }
        // Of strangers none gives way.
        let crowded = |strangers| format!("{note}{}", "\u{2014} stranger AQIDBAU=\n".repeat(strangers));
        assert_eq!(append(&crowded(98), &line, known), Ok(crowded(98) + &line));
        assert_eq!(append(&crowded(99), &line, known), Err(Malformed));
        let signed = Note::parse(&both).expect("a note");
        assert_eq!(signed.to_string(), both);
        assert_eq!(signed.signed_by(&key), Ok(Some(Signed::Plain)));
    }
}
