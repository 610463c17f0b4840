//! Receipts: one record under one checkpoint (FORMAT §10.1), and what witnesses vouch for.

use super::{
    LogReader,
    checkpoints::{check_in, checkpoint_key, statement},
};
use crate::{
    error::{Error, ErrorKind, Result},
    ledger::{Pages, State, Tree},
    log::{Hash, commit::Hashed, request::WitnessRequest, trust::TrustPolicy, verifier_key::VerifierKey},
    observe,
    pin::Freshness,
};

impl LogReader {
    /// What asks a witness, which has cosigned the first `old` records, to cosign the checkpoint `note`
    /// (c2sp.org/tlog-witness).
    ///
    /// # Errors
    ///
    /// Invalid if the checkpoint is about fewer records; as [`LogReader::receipt`].
    pub async fn witness_request(&self, old: u64, note: &str) -> Result<WitnessRequest> {
        observe::operation("LogReader::witness_request", self.vault(), async {
            let proof = extend(&self.pages, &self.state, old, note).await?;
            WitnessRequest::new(old, proof, note)
        })
        .await
    }

    /// How fresh the log is by the witnesses that have cosigned the checkpoint `note`.
    ///
    /// # Errors
    ///
    /// Corrupt if `policy` does not believe the checkpoint, or it is another vault's; the storage's. A log that ends
    /// before it, or has another history, is no error here: the answer says so, and that nobody has cosigned a
    /// checkpoint of this very log, by which it is [`Freshness::Unverified`].
    pub async fn freshness(&self, note: &str, policy: &TrustPolicy) -> Result<Freshness> {
        observe::operation(
            "LogReader::freshness",
            self.vault(),
            freshness(&self.pages, &self.state, note, policy),
        )
        .await
    }

    /// The keys that have signed the log's checkpoints, one for each signing epoch: the `log` lines of a
    /// [`TrustPolicy`].
    ///
    /// # Errors
    ///
    /// Corrupt; the storage's.
    ///
    /// # Security
    ///
    /// They are what the log states: as good as the pin that it was opened by.
    pub async fn verifier_keys(&self) -> Result<Vec<VerifierKey>> {
        observe::operation("LogReader::verifier_keys", self.vault(), verifier_keys(&self.pages, &self.state))
            .await
    }
}

/// Record `seq`, and the proof that it is in the tree of the checkpoint `note`.
///
/// # Errors
///
/// Invalid if the checkpoint does not reach to the record; as [`check`].
pub(crate) async fn prove(pages: &Pages, state: &State, seq: u64, note: &str) -> Result<(Hashed, Vec<Hash>)> {
    let tree = Tree::new(state, &**pages.storage());
    let checkpoint = check_in(&tree, pages, state, note).await?;
    if seq >= checkpoint.size() {
        let size = checkpoint.size();
        return Err(Error::invalid(format!(
            "the checkpoint is about the {size} records before record {seq}: take a newer one"
        )));
    }
    let record = tree.leaf(seq).await?;
    let proof = tree.inclusion(&record.hash, seq, checkpoint.size(), checkpoint.root()).await?;
    Ok((record, proof))
}

/// The hashes by which a witness that has cosigned the first `old` records sees that the checkpoint
/// `note` continues them.
///
/// # Errors
///
/// Invalid if the checkpoint is about fewer records; as [`check`].
async fn extend(pages: &Pages, state: &State, old: u64, note: &str) -> Result<Vec<Hash>> {
    let tree = Tree::new(state, &**pages.storage());
    let new = check_in(&tree, pages, state, note).await?.size();
    if old > new {
        return Err(Error::invalid(format!("{old} records are not part of a checkpoint of {new}")));
    }
    tree.extension(old, new).await
}

/// How fresh the log that `state` ends is by the witnesses that have cosigned `note`.
///
/// # Errors
///
/// Corrupt if the policy does not believe the checkpoint; the storage's.
async fn freshness(pages: &Pages, state: &State, note: &str, policy: &TrustPolicy) -> Result<Freshness> {
    let checked = policy.check(note).map_err(|error| {
        Error::new(ErrorKind::Corrupt, "the policy does not believe the checkpoint").caused(error)
    })?;
    let (tree, checkpoint) = (Tree::new(state, &**pages.storage()), &checked.checkpoint);
    if checkpoint.origin() != statement(&tree, pages, state).await?.origin {
        return Err(Error::corrupt("the checkpoint, which is another log's"));
    }
    // The policy believes the key. That the log states it as its own proves nothing of a log that ends before that.
    let (seen, got) = (checkpoint.size(), state.head.size);
    if seen > got {
        return Ok(Freshness::RolledBack { seen, got });
    }
    Ok(match tree.consistency(seen).await? {
        (root, _) if root != *checkpoint.root() => Freshness::Forked { seen },
        _ if checked.witnesses.is_empty() => Freshness::Unverified,
        _ => Freshness::FreshByWitnesses { size: seen, witnesses: checked.witnesses },
    })
}

/// The keys that have signed the log's checkpoints, one for each signing epoch, the first one first.
///
/// # Errors
///
/// Corrupt; the storage's.
async fn verifier_keys(pages: &Pages, state: &State) -> Result<Vec<VerifierKey>> {
    let tree = Tree::new(state, &**pages.storage());
    let statement = statement(&tree, pages, state).await?;
    let mut keys = Vec::new();
    for epoch in 1..=state.log_key.epoch {
        let (key, _) = checkpoint_key(&tree, pages, state, &statement, epoch).await?;
        let key = VerifierKey::ed25519(&statement.origin, key);
        keys.push(key.ok_or_else(|| Error::corrupt("the vault's first record"))?);
    }
    Ok(keys)
}
