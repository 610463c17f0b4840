//! A key from a passphrase: Argon2id (RFC 9106), version 0x13.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// What deriving a key costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Memory in KiB.
    pub(crate) memory: u32,
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
}

// RFC 9106 §3.1: tag = Argon2id(P = passphrase, S = salt, p = lanes, T = 32, m = memory, t = passes)
/// Derives a key, or `None` if RFC 9106 does not allow the cost or there is not that much memory.
pub(crate) fn derive(passphrase: &[u8], salt: &[u8; 16], cost: Cost) -> Option<Secret<32>> {
    let params = Params::new(cost.memory, cost.passes, cost.lanes, Some(32)).ok()?;
    // The last blocks give the key (RFC 9106 §3.2), and the crate frees its own memory as it is.
    let mut blocks = Zeroizing::new(Vec::new());
    blocks.try_reserve_exact(params.block_count()).ok()?;
    blocks.resize(params.block_count(), Block::new());
    let mut key = Secret::zeroed();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into_with_memory(passphrase, salt, key.expose_mut(), blocks.as_mut_slice()).ok()?;
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_depends_on_every_input() {
        let cost = Cost { memory: 256, passes: 2, lanes: 1 };
        let base = derive(b"password", b"somesaltsomesalt", cost).expect("allowed");
        let others = [
            derive(b"passwore", b"somesaltsomesalt", cost),
            derive(b"password", b"somesaltsomesalu", cost),
            derive(b"password", b"somesaltsomesalt", Cost { passes: 3, ..cost }),
            derive(b"password", b"somesaltsomesalt", Cost { memory: 264, ..cost }),
        ];
        for other in others {
            assert_ne!(base.expose(), other.expect("allowed").expose());
        }
        assert!(derive(b"password", b"somesaltsomesalt", Cost { memory: 1, ..cost }).is_none());
    }
}
