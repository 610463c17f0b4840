//! What is sent to a witness to be cosigned (c2sp.org/tlog-witness, add-checkpoint).

use core::{fmt, str::FromStr};

use super::Hash;
use crate::{
    error::{Error, Result},
    text::{base64, parse_base64, parse_decimal},
    wire::Malformed,
};

/// The body of an `add-checkpoint` request: a signed checkpoint, and a proof that the log has only
/// grown since the size the witness has seen.
///
/// Its text is an `old` line with that size, a line for each hash of the RFC 6962 consistency proof,
/// an empty line, and the note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessRequest {
    pub(crate) old: u64,
    pub(crate) proof: Vec<Hash>,
    pub(crate) note: String,
}

impl WitnessRequest {
    /// Asks for a cosignature of the checkpoint `note`, to a witness that last cosigned `old` records.
    ///
    /// `proof` is the RFC 6962 §2.1.2 consistency proof from `old` to the checkpoint's size: empty if
    /// `old` is zero or is that size.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for more than 63 hashes, the most that a
    /// witness takes.
    pub fn new(old: u64, proof: Vec<[u8; 32]>, note: impl Into<String>) -> Result<Self> {
        if proof.len() > MAX_HASHES {
            return Err(Error::invalid(format!("a consistency proof has at most {MAX_HASHES} hashes")));
        }
        Ok(Self { old, proof, note: note.into() })
    }

    /// The size that the witness is believed to have cosigned last.
    #[must_use]
    pub const fn old_size(&self) -> u64 {
        self.old
    }

    /// The checkpoint, a signed note.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }

    // tlog-witness, add-checkpoint: an old size line, zero or more consistency proof lines, an empty
    // line, a checkpoint.
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        let (lines, note) = text.split_once("\n\n").ok_or(Malformed)?;
        let mut lines = lines.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(parse_decimal);
        let proof = parse_hashes(lines, MAX_HASHES)?;
        Ok(Self { old: old.ok_or(Malformed)?, proof, note: note.to_owned() })
    }
}

impl fmt::Display for WitnessRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", base64(hash)))?;
        write!(f, "\n{}", self.note)
    }
}

impl FromStr for WitnessRequest {
    type Err = Error;

    /// Takes the request apart; the note is not looked at.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) for any other form.
    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text).map_err(Error::from)
    }
}

/// A hash in base64 on each line.
pub(crate) fn parse_hashes<'a>(
    lines: impl Iterator<Item = &'a str>,
    most: usize,
) -> Result<Vec<Hash>, Malformed> {
    let mut hashes = Vec::new();
    for line in lines {
        if hashes.len() == most {
            return Err(Malformed);
        }
        let hash = parse_base64(line).and_then(|bytes| bytes.try_into().ok());
        hashes.push(hash.ok_or(Malformed)?);
    }
    Ok(hashes)
}

/// tlog-witness, add-checkpoint.
const MAX_HASHES: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example_parses_and_prints() {
        let text = "old 20852014\n\
            PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\
            jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\
            5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n\
            /6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\n\
            example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
            \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
        let request: WitnessRequest = text.parse().expect("a request");
        assert_eq!((request.old_size(), request.proof.len()), (20_852_014, 4));
        assert!(request.note().starts_with("example.com/behind-the-sofa\n20852163\n"));
        assert_eq!(request.to_string(), text);
    }

    #[test]
    fn other_forms_are_refused() {
        let hash = format!("{}\n", base64(&[7; 32]));
        for text in [
            "",
            "\n",
            "\n\n",
            "old 1\n",
            "old 01\n\nnote",
            "old \n\nnote",
            "old -1\n\nnote",
            "new 1\n\nnote",
            "old 1 \n\nnote",
            "old 1\nAAAA\n\nnote",
            "\nold 1\n\nnote",
            &format!("old 1\n {hash}\nnote"),
            &format!("{hash}\nnote"),
            &format!("old 1\n{}\nnote", hash.repeat(64)),
            "old 1\r\n\r\nnote",
        ] {
            assert_eq!(WitnessRequest::parse(text), Err(Malformed), "{text:?}");
        }
        assert!(WitnessRequest::parse(&format!("old 1\n{}\nnote", hash.repeat(63))).is_ok());
        assert!(WitnessRequest::new(1, vec![[0; 32]; 64], "note").is_err());
    }
}
