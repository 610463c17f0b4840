//! The log's first commit, and what it says of itself (FORMAT §5.4).

use bytes::Bytes;

use super::{authentic::Trusted, commits::verified};
use crate::{
    FORMAT, SUITE,
    error::{Error, ErrorKind, Result},
    ids::VaultId,
    log::{
        commit::{COMMIT_CAP, Commit},
        leaf::Kind,
        merkle::Frontier,
        signing::LogKey,
        statement::{self, Statement},
    },
    storage::{Storage, beyond, layout},
    wire::{Malformed, Reader},
};

/// What the first commit claims about itself, for who has no pin.
///
/// # Errors
///
/// Not found if there is no first commit; corrupt if it is none.
pub(crate) async fn claimed(storage: &dyn Storage) -> Result<(Trusted, Statement)> {
    let name = layout::commit(0, &[0; 32]);
    let bytes =
        storage.read(&name, Some(beyond(COMMIT_CAP))).await?.ok_or_else(|| Error::not_found("log"))?;
    let fault = || Error::corrupt(format!("commit {name}"));
    let (vault, statement) = claim(&bytes).map_err(|Malformed| fault())?;
    let log_key = LogKey::first(statement.commit);
    let commit = verified(vault, &log_key, &name, &bytes)?;
    let last = commit.leaves.last().ok_or_else(fault)?;
    // Nothing is before it. Or it could claim the tree of a log that it does not begin.
    let tree = Frontier::default().followed_by(commit.leaves.iter().map(|record| record.hash));
    if tree.root() != *commit.root() {
        return Err(fault());
    }
    let (log_key, size) = (log_key.after(&last.leaf), last.leaf.seq.saturating_add(1));
    Ok((Trusted { vault, log_key, size, head: last.hash, root: *commit.root() }, statement))
}

/// [`claimed`] of a log that has a head, in which the first commit cannot be missing.
///
/// # Errors
///
/// Corrupt; the storage's.
pub(crate) async fn first_commit(storage: &dyn Storage) -> Result<(Trusted, Statement)> {
    claimed(storage).await.map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::corrupt("the vault's first record"),
        _ => error,
    })
}

fn claim(bytes: &Bytes) -> Result<(VaultId, Statement), Malformed> {
    let mut r = Reader::new(bytes);
    r.expect(b"dvcm")?;
    r.expect(&[FORMAT, SUITE, 0, 0])?;
    let vault = VaultId::read(&mut r)?;
    let commit = Commit::parse(vault, bytes)?;
    let genesis =
        commit.leaves.first().filter(|record| record.leaf.kind == Kind::Genesis).ok_or(Malformed)?;
    if genesis.leaf.object != *vault.as_bytes() {
        return Err(Malformed);
    }
    let statement = Statement::parse(commit.body(0).ok_or(Malformed)?)?;
    if statement.origin == statement::origin(vault) { Ok((vault, statement)) } else { Err(Malformed) }
}
