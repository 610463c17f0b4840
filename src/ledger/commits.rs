//! Commits read by their names.

use bytes::Bytes;

use super::{objects::get, state::Head};
use crate::{
    error::{Error, Result},
    ids::VaultId,
    log::{
        commit::{COMMIT_CAP, Commit},
        signing::LogKey,
    },
    storage::{ObjectKey, Storage, beyond, layout},
    wire::Malformed,
};

/// Parses a commit and checks its name and signature.
///
/// # Errors
///
/// Corrupt.
pub(super) fn verified(vault: VaultId, key: &LogKey, name: &ObjectKey, bytes: &Bytes) -> Result<Commit> {
    signed(key, parsed(vault, name, bytes)?)
}

/// The commit, if `key` signed it.
///
/// # Errors
///
/// Corrupt.
pub(super) fn signed(key: &LogKey, commit: Commit) -> Result<Commit> {
    match commit.verify(key) {
        Ok(()) => Ok(commit),
        Err(Malformed) => Err(Error::corrupt(format!("commit {}", commit.name()))),
    }
}

/// Parses a commit and checks its name; who signed it is not known.
pub(super) fn parsed(vault: VaultId, name: &ObjectKey, bytes: &Bytes) -> Result<Commit> {
    let commit = Commit::parse(vault, bytes).ok().filter(|commit| commit.name() == *name);
    commit.ok_or_else(|| Error::corrupt(format!("commit {name}")))
}

/// The commit of that name.
pub(super) async fn required(storage: &dyn Storage, vault: VaultId, name: &ObjectKey) -> Result<Commit> {
    let bytes = get(storage, name, COMMIT_CAP).await?;
    parsed(vault, name, &bytes)
}

/// The commit after this one, if there is one.
pub(super) async fn following(
    storage: &dyn Storage,
    vault: VaultId,
    commit: &Commit,
) -> Result<Option<Commit>> {
    let Some(last) = commit.leaves.last() else { return Ok(None) };
    next(storage, vault, &Head::after(last)).await
}

/// The commit after a head, if there is one: no listing is asked, for only one name can follow.
pub(super) async fn next(storage: &dyn Storage, vault: VaultId, head: &Head) -> Result<Option<Commit>> {
    let name = layout::commit(head.size, &head.hash);
    let Some(bytes) = storage.read(&name, Some(beyond(COMMIT_CAP))).await? else { return Ok(None) };
    let next = parsed(vault, &name, &bytes)?;
    // The name holds half of the hash; the whole of it makes the one follow the other.
    if *next.previous() == head.hash { Ok(Some(next)) } else { Err(Error::corrupt(format!("commit {name}"))) }
}
