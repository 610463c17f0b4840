//! What a vault's first record says in the clear: its format and its public keys (FORMAT §5.4).

use bytes::Bytes;

use crate::{
    FORMAT, SUITE,
    crypto::sign::VerifyingKey,
    document::PART_LEN,
    ids::VaultId,
    wire::{Malformed, Reader, Writer},
};

/// The genesis statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    /// Commit key of the first signing epoch.
    pub(crate) commit: VerifyingKey,
    pub(crate) delivery: VerifyingKey,
    /// Checkpoint key of the first signing epoch.
    pub(crate) checkpoint: VerifyingKey,
    pub(crate) origin: String,
}

/// The name under which a vault's checkpoints are known.
pub(crate) fn origin(vault: VaultId) -> String {
    format!("docvault/{vault}")
}

impl Statement {
    pub(crate) fn encode(&self) -> Bytes {
        let mut w = Writer::new();
        w.fixed(b"dvgs").u8(FORMAT).u8(SUITE).u8(BLAKE3).u8(PADME).u32(CHUNK).u32(PART);
        for key in [self.commit, self.delivery, self.checkpoint] {
            w.fixed(&key.to_bytes());
        }
        w.text(&self.origin);
        w.into_vec().into()
    }

    /// Parses the genesis statement.
    ///
    /// # Errors
    ///
    /// Malformed for any other suite, digest, padding or size than version 1's, and for weak keys.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        r.expect(b"dvgs")?;
        r.expect(&[FORMAT, SUITE, BLAKE3, PADME])?;
        if (r.u32()?, r.u32()?) != (CHUNK, PART) {
            return Err(Malformed);
        }
        let mut key = || VerifyingKey::from_bytes(&r.array()?).map_err(|_| Malformed);
        let (commit, delivery, checkpoint) = (key()?, key()?, key()?);
        let origin = r.text(ORIGIN_CAP)?.to_owned();
        r.finish()?;
        Ok(Self { commit, delivery, checkpoint, origin })
    }
}

const BLAKE3: u8 = 1;
const PADME: u8 = 1;
const CHUNK: u32 = 16 * 1024;
const PART: u32 = 8 * 1024 * 1024;
const _: () = assert!(PART_LEN == 8 * 1024 * 1024, "the statement says how long parts are");
const ORIGIN_CAP: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{crypto::sign::SigningKey, secret::Secret};

    #[test]
    fn a_statement_comes_back_and_one_of_another_format_is_refused() {
        let key = |seed| SigningKey::from_seed(Secret::take([seed; 32])).verifying_key();
        let origin = origin(VaultId::from_bytes([7; 16]));
        let statement = Statement { commit: key(1), delivery: key(2), checkpoint: key(3), origin };
        let encoded = statement.encode();
        assert_eq!(Statement::parse(&encoded), Ok(statement));
        // Everything before the keys is fixed: what it is, format, suite, digest, padding, sizes.
        for bit in 0..16 * 8 {
            let mut other = encoded.to_vec();
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Statement::parse(&other), Err(Malformed), "bit {bit}");
        }
        for weak in [16, 48, 80] {
            let mut other = encoded.to_vec();
            other[weak..weak + 32].fill(0);
            assert_eq!(Statement::parse(&other), Err(Malformed), "a key of small order at {weak}");
        }
        assert_eq!(Statement::parse(&[&encoded, &[0][..]].concat()), Err(Malformed));
        assert_eq!(Statement::parse(&encoded[..encoded.len() - 1]), Err(Malformed));
    }
}
