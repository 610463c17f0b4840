//! What records name: heads, parts, keys, kept checkpoints. Each is opened, or hashed, before it is written.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    CopyReport,
    destination::{Destination, something_else},
};
use crate::{
    crypto::digest::sha256,
    error::{Error, ErrorKind, Result},
    head::HeadType,
    ids::CaseId,
    ledger::{State, Visitor, is_anchor},
    log::{
        Hash,
        commit::Commit,
        leaf::{Kind, Leaf},
        row::RowKey,
    },
    plan,
    storage::{ObjectKey, layout},
    transfer::{ContentSource, PartVisitor, open_parts, opens_in_head},
    vault::{CheckedHead, Extent, LoadedKeyring, Vault},
};

/// A commit as stored.
type Named = (ObjectKey, Bytes);

/// Copies what the records of a walk name, some of them at once.
pub(super) struct Records<'a> {
    destination: &'a Destination<'a>,
    state: &'a State,
    keyring: &'a LoadedKeyring,
    report: &'a mut CopyReport,
    progress: &'a mut (dyn FnMut(&CopyReport) + Send),
    pending: Vec<Leaf>,
    rewrapped: bool,
    anchor: Option<Named>,
    last: Option<Named>,
}

impl<'a> Records<'a> {
    pub(super) fn new(
        destination: &'a Destination<'a>,
        state: &'a State,
        keyring: &'a LoadedKeyring,
        report: &'a mut CopyReport,
        progress: &'a mut (dyn FnMut(&CopyReport) + Send),
    ) -> Self {
        let (pending, rewrapped) = (Vec::new(), false);
        Self { destination, state, keyring, report, progress, pending, rewrapped, anchor: None, last: None }
    }

    /// Copies what is left and, if `older` cases may be wrapped anew, their wraps. Gives the commits by which the
    /// new head opens: its anchor, if it has one of its own, and the newest.
    pub(super) async fn finish(mut self, older: bool) -> Result<[Option<Named>; 2]> {
        self.flush().await?;
        if older && self.rewrapped {
            self.copy_all_keys().await?;
        }
        let anchor = self.anchor.filter(|anchor| Some(anchor) != self.last.as_ref());
        Ok([anchor, self.last])
    }

    async fn copy_all_keys(&mut self) -> Result<()> {
        let (destination, now) = (self.destination, self.destination.vault.ledger().state());
        let mut pages = destination.vault.row_pages(&now, RowKey::cases());
        while let Some(rows) = pages.next().await? {
            for row in rows.iter().filter(|row| row.kind != Kind::CaseErased) {
                let case = plan::case_of(row);
                let done = copy_keys(destination, self.keyring, case).await;
                self.report.keys += unless_erased(destination, self.state, case, done).await?.unwrap_or(0);
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        let (destination, state, keyring) = (self.destination, self.state, self.keyring);
        let copies = core::mem::take(&mut self.pending).into_iter().map(|leaf| async move {
            let done = copy(destination, keyring, &leaf).await;
            unless_erased(destination, state, leaf.case, done).await
        });
        let copied: Vec<Option<Copied>> = stream::iter(copies).buffered(AT_ONCE).try_collect().await?;
        for copied in copied.into_iter().flatten() {
            self.report.heads += copied.heads;
            self.report.present += copied.present;
            self.report.parts += copied.parts;
            self.report.bytes += copied.bytes;
            self.report.keys += copied.keys;
            self.report.named += copied.named;
        }
        (self.progress)(self.report);
        Ok(())
    }
}

#[async_trait]
impl Visitor for Records<'_> {
    async fn visit(&mut self, commit: &Commit) -> Result<()> {
        let named = (commit.name(), commit.stored.clone());
        if is_anchor(commit.first(), commit.end()) {
            self.anchor = Some(named.clone());
        }
        self.last = Some(named);
        for record in &commit.leaves {
            match record.leaf.kind {
                Kind::CaseOpened | Kind::Stored | Kind::Granted | Kind::Checkpointed => {
                    self.pending.push(record.leaf.clone());
                }
                Kind::Keyring => self.rewrapped = true,
                _ => {}
            }
        }
        if self.pending.len() >= PENDING { self.flush().await } else { Ok(()) }
    }
}

#[derive(Default)]
struct Copied {
    heads: u64,
    present: u64,
    parts: u64,
    bytes: u64,
    keys: u64,
    named: u64,
}

/// Copies what one record names. A version's parts come before its head: where that is, they are. A case's keys
/// do, too, but may have been wrapped anew since the copy was interrupted. Where there is a head it is held against the record's:
/// a destination that was the vault's storage itself may have one of an upload that was finished elsewhere.
async fn copy(destination: &Destination<'_>, keyring: &LoadedKeyring, leaf: &Leaf) -> Result<Copied> {
    let mut copied = Copied::default();
    let of = match leaf.kind {
        Kind::CaseOpened => HeadType::Case,
        Kind::Stored => HeadType::Version,
        Kind::Granted => HeadType::Grant,
        _ => {
            let size = u64::from_be_bytes(leaf.auxiliary.first_chunk().copied().unwrap_or_default());
            let key = layout::checkpoint(size, &leaf.effect);
            copied.named += u64::from(copy_named(destination, key, &leaf.effect).await?);
            return Ok(copied);
        }
    };
    let name = layout::head(leaf.case, leaf.operation);
    let vault = destination.vault;
    vault.case_stands(leaf.case).await?;
    if of == HeadType::Case {
        copied.keys += copy_keys(destination, keyring, leaf.case).await?;
    }
    let id = vault.head_id(leaf.case, leaf.object, leaf.operation, of);
    let there = vault.head_in(destination.storage, id, &leaf.effect).await?;
    let is_there = there.is_some();
    if there.is_some_and(|head| head.is_ok_and(|head| opens_all(vault, head))) {
        copied.present += 1;
        return Ok(copied);
    }
    let head = vault.checked_head(id, &leaf.effect, Extent::Whole).await?;
    if is_there {
        return Err(something_else(&name));
    }
    if let Some(version) = head.version {
        let source = ContentSource::new(vault.clone(), version);
        open_parts(&source, &mut Parts { destination, copied: &mut copied }).await?;
    }
    destination.put(&name, head.stored).await?;
    copied.heads += 1;
    Ok(copied)
}

/// Whether what a head holds of content opens.
fn opens_all(vault: &Vault, head: CheckedHead) -> bool {
    head.version.is_none_or(|version| opens_in_head(&ContentSource::new(vault.clone(), version)))
}

struct Parts<'a> {
    destination: &'a Destination<'a>,
    copied: &'a mut Copied,
}

#[async_trait]
impl PartVisitor for Parts<'_> {
    async fn sound(&mut self, name: Option<ObjectKey>, sealed: Bytes) -> Result<()> {
        let Some(name) = name else { return Ok(()) };
        self.copied.parts += 1;
        self.copied.bytes += u64::try_from(sealed.len()).unwrap_or(u64::MAX);
        self.destination.put(&name, sealed).await
    }

    async fn faulty(&mut self, object: ObjectKey, _: bool) -> Result<()> {
        Err(Error::corrupt(format!("object {object}")))
    }
}

/// Copies the wraps of a case's key under the keyring's epochs, each opened before; gives how many.
async fn copy_keys(destination: &Destination<'_>, keyring: &LoadedKeyring, case: CaseId) -> Result<u64> {
    // While a rotation is under way, what is shown may be wrapped under a key that others have: the case's head proves this.
    let key = destination.vault.case_key(case).await?;
    let wraps = destination.vault.wraps(case, keyring, Some(&key)).await?;
    if wraps.is_empty() || wraps.iter().any(|wrap| !wrap.opens) {
        let error = Error::corrupt(format!("the key of case {case}"));
        return Err(destination.vault.unless_erased(case, error).await);
    }
    let mut copied = 0;
    for wrap in wraps {
        if !destination.has(&wrap.name).await? {
            destination.put(&wrap.name, wrap.object).await?;
            copied += 1;
        }
    }
    Ok(copied)
}

/// Copies an object that has this SHA-256; false if the destination has it.
pub(super) async fn copy_named(destination: &Destination<'_>, key: ObjectKey, hash: &Hash) -> Result<bool> {
    if destination.has(&key).await? {
        return Ok(false);
    }
    let found = destination.vault.ledger().storage().read(&key, None).await?;
    let bytes = found.filter(|bytes| sha256(&[bytes]) == *hash);
    destination.put(&key, bytes.ok_or_else(|| Error::corrupt(format!("object {key}")))?).await?;
    Ok(true)
}

/// None if the case is erased in the very state that is copied; if it was erased since, a newer one has to be.
async fn unless_erased<T>(
    destination: &Destination<'_>,
    state: &State,
    case: CaseId,
    copied: Result<T>,
) -> Result<Option<T>> {
    match copied {
        Err(error) if error.kind() == ErrorKind::Erased => {
            if destination.is_erased(state, case).await? {
                Ok(None)
            } else {
                Err(error)
            }
        }
        copied => copied.map(Some),
    }
}

/// Records gathered before what they name is copied.
const PENDING: usize = 64;
/// Of these, copied at once: 128 MiB of parts at most.
const AT_ONCE: usize = 4;
