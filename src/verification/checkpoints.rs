//! Checkpoints that were kept, and whether a note is one of this log (FORMAT §9.2).

use futures_util::{StreamExt, TryStreamExt, future::try_join, stream};

use crate::{
    crypto::{digest::sha256, sign::VerifyingKey},
    env::Timestamp,
    error::{Error, ErrorKind, Result},
    ids::OperationId,
    ledger::{self, Pages, State, Tree, View, get},
    log::{
        checkpoint::Checkpoint,
        kept::{KEPT_CAP, Kept, TimeToken, text_digest},
        note::Note,
        row::{Row, RowKey},
        signing,
        statement::Statement,
    },
    storage::layout,
    wire::Malformed,
};

/// A checkpoint that a record of the log keeps, with the signatures and time tokens it had.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptCheckpoint {
    /// The record that keeps it.
    pub seq: u64,
    /// When it was kept.
    pub time: Timestamp,
    /// By which operation.
    pub operation: OperationId,
    /// Records in the tree it is about.
    pub size: u64,
    /// The signed note, cosignatures included.
    pub note: String,
    /// What time authorities gave for [`KeptCheckpoint::digest`], ascending by authority.
    pub tokens: Vec<TimeToken>,
}

impl KeptCheckpoint {
    /// SHA-256 of the note's text without its signatures, the newline at its end included: what the
    /// time tokens are about.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        text_digest(&self.note).unwrap_or_default()
    }
}

/// Up to [`PAGE`] kept checkpoints, those of the largest trees first, from the one behind `after` on.
///
/// # Errors
///
/// Corrupt if one is missing or altered; the storage's.
pub(crate) async fn checkpoints(
    pages: &Pages,
    state: &State,
    after: Option<&KeptCheckpoint>,
) -> Result<Vec<KeptCheckpoint>> {
    let start = after.map_or(RowKey::checkpoints(), |kept| {
        RowKey::checkpoint(&kept.size.to_be_bytes(), kept.operation).after()
    });
    let rows = view(pages, state).children(&start, PAGE).await?;
    let reads: Vec<_> = rows.iter().map(|row| read(pages, row)).collect();
    stream::iter(reads).buffered(AT_ONCE).try_collect().await
}

async fn read(pages: &Pages, row: &Row) -> Result<KeptCheckpoint> {
    let size = u64::from_be_bytes(row.auxiliary.first_chunk().copied().unwrap_or_default());
    let key = layout::checkpoint(size, &row.effect);
    let object = get(&**pages.storage(), &key, KEPT_CAP).await?;
    let fault = || Error::corrupt(format!("object {key}"));
    if sha256(&[&object]) != row.effect {
        return Err(fault());
    }
    let Kept { note, tokens } = Kept::parse(&object).map_err(|Malformed| fault())?;
    let about = Note::parse(&note).and_then(|note| Checkpoint::parse_text(note.text()));
    if about.map_err(|Malformed| fault())?.size() != size || size > row.seq {
        return Err(fault());
    }
    let (seq, time, operation) = (row.seq, row.time, row.operation);
    Ok(KeptCheckpoint { seq, time, operation, size, note, tokens })
}

/// Checks that `note` is a checkpoint of the log that `state` ends: signed by the key that the log
/// states for it, and about a tree with which this one begins.
///
/// # Errors
///
/// Corrupt if it is no checkpoint that this log signed; rolled back if it is about more records than
/// there are; forked if it is about others.
pub(crate) async fn check(pages: &Pages, state: &State, note: &str) -> Result<Checkpoint> {
    check_in(&Tree::new(state, &**pages.storage()), pages, state, note).await
}

/// [`check`] by a tree that the caller goes on with.
///
/// # Errors
///
/// As [`check`].
pub(super) async fn check_in(
    tree: &Tree<'_>,
    pages: &Pages,
    state: &State,
    note: &str,
) -> Result<Checkpoint> {
    let checkpoint = signed(tree, pages, state, note).await?;
    let (seen, got) = (checkpoint.size(), state.head.size);
    if seen > got {
        let reason = format!("the checkpoint is about {seen} records, and the storage shows {got}");
        return Err(Error::new(ErrorKind::RolledBack, reason));
    }
    let (root, _) = tree.consistency(seen).await?;
    if root == *checkpoint.root() {
        return Ok(checkpoint);
    }
    let reason = format!("the storage shows another history than the checkpoint of {seen} records");
    Err(Error::new(ErrorKind::Forked, reason))
}

/// The checkpoint in `note`, if the log signed it: each signing epoch's key signs heads up to the record
/// that replaces it.
async fn signed(tree: &Tree<'_>, pages: &Pages, state: &State, note: &str) -> Result<Checkpoint> {
    let statement = statement(tree, pages, state).await?;
    let mut ends = u64::MAX;
    for epoch in (1..=state.log_key.epoch).rev() {
        let (key, begins) = checkpoint_key(tree, pages, state, &statement, epoch).await?;
        match Checkpoint::parse(note, &statement.origin, &key.to_bytes()) {
            Ok(checkpoint) if checkpoint.size() <= ends => return Ok(checkpoint),
            Err(error) if epoch == 1 => return Err(error),
            _ => ends = begins,
        }
    }
    Err(Error::corrupt("the checkpoint's signing epoch"))
}

/// The key that signs checkpoints now.
///
/// # Errors
///
/// Corrupt.
pub(super) async fn present_key(pages: &Pages, state: &State) -> Result<VerifyingKey> {
    let tree = Tree::new(state, &**pages.storage());
    let statement = statement(&tree, pages, state).await?;
    Ok(checkpoint_key(&tree, pages, state, &statement, state.log_key.epoch).await?.0)
}

/// What the vault's first record states, shown to be of the log that `state` ends.
pub(super) async fn statement(tree: &Tree<'_>, pages: &Pages, state: &State) -> Result<Statement> {
    // The first commit is the first record alone, unless somebody made it otherwise.
    let first = try_join(ledger::first_commit(&**pages.storage()), tree.fetch_prefixes(&[1]));
    let ((claimed, statement), ()) = first.await?;
    let (root, _) = tree.consistency(claimed.size).await?;
    if claimed.vault == state.vault && root == claimed.root {
        Ok(statement)
    } else {
        Err(Error::corrupt("the vault's first record"))
    }
}

/// The checkpoint key of a signing epoch, and the size of the log that ends with the record that
/// states it.
pub(super) async fn checkpoint_key(
    tree: &Tree<'_>,
    pages: &Pages,
    state: &State,
    statement: &Statement,
    epoch: u32,
) -> Result<(VerifyingKey, u64)> {
    if epoch <= 1 {
        return Ok((statement.checkpoint, 0));
    }
    let fault = || Error::corrupt(format!("the record of signing epoch {epoch}"));
    let row = view(pages, state).row(&RowKey::signing_keys(epoch)).await?.ok_or_else(fault)?;
    let record = tree.leaf(row.seq).await?;
    let stated = signing::stated(&record.leaf).map_err(|Malformed| fault())?;
    let (_, checkpoint) =
        stated.filter(|_| record.leaf.key_epoch.saturating_add(1) == epoch).ok_or_else(fault)?;
    Ok((checkpoint, row.seq.saturating_add(1)))
}

fn view<'a>(pages: &'a Pages, state: &'a State) -> View<'a> {
    View::of(state, pages, Timestamp::default())
}

/// Kept checkpoints read at once.
const AT_ONCE: usize = 32;
/// Kept checkpoints listed at once.
const PAGE: usize = 100;
