//! Kept checkpoints: a note with its cosignatures, and what time authorities gave for it (FORMAT §9.2).

use bytes::Bytes;

use super::{Hash, note::MAX_NOTE};
use crate::{
    FORMAT,
    crypto::digest::sha256,
    wire::{Malformed, Reader, Writer},
};

/// What a time authority gave for a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeToken {
    /// The authority, by the name its [`TimeAnchor`](crate::TimeAnchor) has.
    pub authority: String,
    /// The token, in the authority's own form.
    pub token: Bytes,
}

/// The object under `checkpoint/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) note: String,
    /// Ascending by authority, each once.
    pub(crate) tokens: Vec<TimeToken>,
}

impl Kept {
    pub(crate) fn encode(&self) -> Bytes {
        let mut w = Writer::with_capacity(1024 + self.note.len());
        w.fixed(b"dvcp").u8(FORMAT).fixed(&[0; 3]).text(&self.note);
        w.u32(u32::try_from(self.tokens.len()).unwrap_or(u32::MAX));
        for token in &self.tokens {
            w.text(&token.authority).bytes(&token.token);
        }
        w.into_vec().into()
    }

    /// Parses a kept checkpoint; its note is not looked at.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for anything [`Kept::encode`] does not give.
    pub(crate) fn parse(bytes: &Bytes) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        r.expect(b"dvcp")?;
        r.expect(&[FORMAT, 0, 0, 0])?;
        let note = r.text(MAX_NOTE)?.to_owned();
        let token = |r: &mut Reader<'_>| {
            let authority = r.text(AUTHORITY_CAP)?.to_owned();
            Ok(TimeToken { authority, token: bytes.slice_ref(r.bytes(TOKEN_CAP)?) })
        };
        let tokens = (0..r.count(TOKENS_CAP)?).map(|_| token(&mut r)).collect::<Result<Vec<_>, _>>()?;
        r.finish()?;
        let named = tokens.iter().all(|token| !token.authority.is_empty());
        if named && ascending(&tokens) { Ok(Self { note, tokens }) } else { Err(Malformed) }
    }
}

/// Whether every authority comes once, in order.
pub(crate) fn ascending(tokens: &[TimeToken]) -> bool {
    tokens.is_sorted_by(|a, b| a.authority < b.authority)
}

/// SHA-256 of what is signed in a note, the signatures left out: what a time token is about.
///
/// # Errors
///
/// [`Malformed`] if there is no text before signatures.
pub(crate) fn text_digest(note: &str) -> Result<Hash, Malformed> {
    signed_text(note).map(|text| sha256(&[text.as_bytes()]))
}

/// What is signed in a note, the newline at its end included (c2sp.org/signed-note, Format).
pub(crate) fn signed_text(note: &str) -> Result<&str, Malformed> {
    note.rfind("\n\n").and_then(|end| note.get(..=end)).ok_or(Malformed)
}

/// Length of an authority's name, at most.
pub(crate) const AUTHORITY_CAP: usize = 128;
/// Length of a token, at most.
pub(crate) const TOKEN_CAP: usize = 64 * 1024;
/// Tokens for one checkpoint, at most.
pub(crate) const TOKENS_CAP: usize = 16;
/// Length of a kept checkpoint, at most.
pub(crate) const KEPT_CAP: usize = 16 + MAX_NOTE + TOKENS_CAP * (8 + AUTHORITY_CAP + TOKEN_CAP);

#[cfg(test)]
mod tests {
    use super::*;

    fn token(authority: &str) -> TimeToken {
        TimeToken { authority: authority.into(), token: Bytes::from_static(b"token") }
    }

    #[test]
    fn a_kept_checkpoint_comes_back_and_nothing_else_parses() {
        let kept = Kept { note: "a\n1\nb\n\nsigned\n".into(), tokens: vec![token("a"), token("b")] };
        let bytes = kept.encode();
        assert!(bytes.len() <= KEPT_CAP);
        assert_eq!(Kept::parse(&bytes), Ok(kept.clone()));
        for len in 0..bytes.len() {
            assert!(Kept::parse(&bytes.slice(..len)).is_err());
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(Kept::parse(&longer.into()).is_err());
        for tokens in [
            vec![token("b"), token("a")],
            vec![token("a"), token("a")],
            vec![token("")],
            vec![TimeToken { authority: "a".into(), token: vec![0; TOKEN_CAP + 1].into() }],
            (0..=TOKENS_CAP).map(|i| token(&format!("{i:02}"))).collect(),
        ] {
            assert!(Kept::parse(&Kept { tokens, ..kept.clone() }.encode()).is_err());
        }
    }

    #[test]
    fn the_digest_is_of_the_text_without_the_signatures() {
        let text = "origin\n1\nroot\n";
        assert_eq!(text_digest(&format!("{text}\n— a b\n")), Ok(sha256(&[text.as_bytes()])));
        assert_eq!(text_digest("no signatures\n"), Err(Malformed));
    }
}
