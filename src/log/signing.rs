//! Signing epochs: which key signs which commit (FORMAT §5.2).

use super::leaf::{Kind, Leaf};
use crate::{crypto::sign::VerifyingKey, wire::Malformed};

/// The key that signs the commits of one signing epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogKey {
    /// From 1.
    pub(crate) epoch: u32,
    pub(crate) key: VerifyingKey,
}

impl LogKey {
    /// The key of the first epoch, as the vault's first record states it.
    pub(crate) const fn first(key: VerifyingKey) -> Self {
        Self { epoch: 1, key }
    }

    /// The key that signs what follows a commit of this key with the last leaf `last`.
    pub(crate) fn after(self, last: &Leaf) -> Self {
        match stated(last) {
            Ok(Some((commit, _))) => Self { epoch: self.epoch.saturating_add(1), key: commit },
            _ => self,
        }
    }
}

/// The commit key and the checkpoint key that a SigningKeys record states; none for other kinds.
///
/// # Errors
///
/// [`Malformed`] if it states something else than two sound keys.
pub(crate) fn stated(leaf: &Leaf) -> Result<Option<(VerifyingKey, VerifyingKey)>, Malformed> {
    if leaf.kind != Kind::SigningKeys {
        return Ok(None);
    }
    let key = |bytes| VerifyingKey::from_bytes(bytes).map_err(|_| Malformed);
    Ok(Some((key(&leaf.auxiliary)?, key(&leaf.state_root)?)))
}
