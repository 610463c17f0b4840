//! Garbage: what operations left behind that never committed, and what folds have superseded.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Session, browse::AT_ONCE};
use crate::{
    error::{ErrorKind, Result, both},
    ids::{CaseId, DocumentId, OperationId},
    ledger::State,
    log::{
        leaf::Kind,
        page::Page,
        row::{Row, RowKey},
        tile::{self, TileId},
    },
    observe,
    plan::{self, Announce, Condemn, Fate, GivenUp},
    storage::{Listing, ObjectKey, delete_all, delete_where, layout},
    transfer::{ContentSource, part_names},
    vault::{Extent, VersionHead},
};

/// What a collection of garbage has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct GarbageReport {
    /// Operations unknown to the log, announced on their behalf, 1,000 in one collection at most: they have a day to commit.
    pub announced: u64,
    /// Expired operations given up: they can commit no more.
    pub condemned: u64,
    /// Heads, parts and case keys deleted.
    pub objects_deleted: u64,
    /// Index objects and partial tiles deleted.
    pub index_deleted: u64,
    /// Unfinished operations that are kept.
    pub kept: u64,
}

impl Session {
    /// Deletes what nothing names and nothing can come to name.
    ///
    /// An operation that left objects and is not in the log is first announced, and expires a day
    /// later; once expired it is condemned, after which it cannot commit; only then are its objects
    /// deleted. So clocks decide when to delete, never whether it is safe, and what one call
    /// announces a later one deletes. Of a version that an upload was resumed for, parts that it does not use go, unless
    /// all that are there are of one attempt.
    /// Whatever the storage shows of an erased case is deleted at once, its key included.
    ///
    /// # Errors
    ///
    /// Corrupt; the storage's. What was done until then stays done.
    ///
    /// # Cancellation
    ///
    /// As for an error.
    pub async fn collect_garbage(&self) -> Result<GarbageReport> {
        observe::operation("Session::collect_garbage", self.vault.id(), async {
            self.vault.ledger().sync().await?;
            let mut report = GarbageReport::default();
            let erased = self.erased_cases().await?;
            erased.iter().for_each(|case| self.vault.forget_case_key(*case));
            if !erased.is_empty() {
                for prefix in layout::OF_A_CASE {
                    report.objects_deleted += self.collect_erased(prefix, &erased).await?;
                }
            }
            for prefix in [layout::HEADS, layout::PARTS] {
                self.collect_operations(prefix, &mut report).await?;
            }
            self.collect_index(&mut report).await?;
            self.collect_tiles(&mut report).await?;
            // Whoever stands in line still asks anew.
            self.delete_under(layout::TURNS).await?;
            Ok(report)
        })
        .await
    }

    /// Deletes what an interrupted erasure, or a write that came after one, has left: the record of the
    /// erasure is the fence, for nothing about the case can commit after it.
    async fn collect_erased(&self, prefix: &str, erased: &BTreeSet<CaseId>) -> Result<u64> {
        let of_erased = |key: &ObjectKey| layout::case_of(key).is_some_and(|case| erased.contains(&case));
        Ok(delete_where(self.vault.ledger().storage(), prefix, of_erased).await?)
    }

    async fn erased_cases(&self) -> Result<BTreeSet<CaseId>> {
        let (state, mut erased) = (self.vault.ledger().state(), BTreeSet::new());
        let mut pages = self.vault.row_pages(&state, RowKey::cases());
        while let Some(page) = pages.next().await? {
            erased.extend(page.iter().filter(|row| row.kind == Kind::CaseErased).map(plan::case_of));
        }
        Ok(erased)
    }

    /// Deletes everything of an erased case, its keys first; gives the number of objects.
    pub(super) async fn delete_case(&self, case: CaseId) -> Result<u64> {
        let mut deleted = self.delete_keys(case).await?;
        for prefix in [layout::HEADS, layout::PARTS] {
            deleted += self.delete_under(&layout::of_case(prefix, case)).await?;
        }
        Ok(deleted)
    }

    /// Deletes a case's keys; gives how many were listed. A listing may lag, and must not be what saves them.
    async fn delete_keys(&self, case: CaseId) -> Result<u64> {
        let listed = self.delete_under(&layout::of_case(layout::CASE_KEYS, case)).await?;
        delete_all(self.vault.ledger().storage(), self.key_objects(case).await?).await?;
        Ok(listed)
    }

    /// Where a case's key can be, by the keyring that stands.
    pub(super) async fn key_objects(&self, case: CaseId) -> Result<Vec<ObjectKey>> {
        let keyring = self.vault.current_keyring().await?;
        Ok(keyring.keys.epochs().map(|(epoch, _)| layout::case_key(case, epoch)).collect())
    }

    /// Deletes wraps of a case that the log does not know under epochs that were dropped: it can be opened under none of them.
    async fn delete_dropped_keys(&self, case: CaseId) -> Result<u64> {
        let keyring = self.vault.current_keyring().await?;
        let dropped = |key: &ObjectKey| keyring.has_dropped(key);
        let prefix = layout::of_case(layout::CASE_KEYS, case);
        Ok(delete_where(self.vault.ledger().storage(), &prefix, dropped).await?)
    }

    async fn collect_operations(&self, prefix: &str, report: &mut GarbageReport) -> Result<()> {
        let mut seen: Option<(CaseId, OperationId)> = None;
        let mut last = None;
        let mut listing = Listing::new(self.vault.ledger().storage(), prefix);
        while let Some(keys) = listing.next().await? {
            let mut found: Vec<_> = keys.iter().filter_map(layout::operation_of).collect();
            found.retain(|operation| seen.replace(*operation) != Some(*operation));
            let fates: Vec<_> = found.iter().map(|(_, operation)| self.fate(*operation)).collect();
            let fates: Vec<Fate> = stream::iter(fates).buffered(AT_ONCE).try_collect().await?;
            // What was decided on may have changed since: each record's own plan decides anew.
            let mut new = Vec::new();
            for (found, fate) in found.into_iter().zip(fates) {
                self.collect_operation(found, fate, (&mut new, report)).await?;
            }
            self.announce_orphans(new, report).await?;
            let resumed = of_several_attempts(&keys, &mut last);
            let deletions: Vec<_> =
                resumed.into_iter().map(|upload| self.delete_unused_parts(upload)).collect();
            let mut deletions = stream::iter(deletions).buffer_unordered(UPLOADS_AT_ONCE);
            while let Some(deleted) = deletions.try_next().await? {
                report.objects_deleted += deleted;
            }
        }
        Ok(())
    }

    /// Deletes what a version does not use of the parts that an upload has stored for it: they open by its key, which
    /// everybody has who was ever given it.
    async fn delete_unused_parts(&self, operation: OperationId) -> Result<u64> {
        let state = self.vault.ledger().state();
        let row = self.vault.row(&state, &RowKey::operation(operation)).await?;
        let Some(row) = row.filter(|row| row.kind == Kind::Stored) else { return Ok(0) };
        let head = match self.head_of(&row).await {
            // A check tells of it; and what is erased goes anyway.
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Erased) => return Ok(0),
            head => head?,
        };
        let case = head.id.case;
        let used: BTreeSet<ObjectKey> = part_names(&ContentSource::new(self.vault.clone(), head)).collect();
        let prefix = layout::of_operation(layout::PARTS, case, operation);
        Ok(delete_where(self.vault.ledger().storage(), &prefix, |part| !used.contains(part)).await?)
    }

    /// The head of the version that a row of an operation is about.
    async fn head_of(&self, row: &Row) -> Result<VersionHead> {
        let leaf = self.vault.leaf(row).await?;
        self.vault.version_head(DocumentId::new(leaf.case, leaf.object), row, Extent::Start).await
    }

    /// Announces operations on their behalf, together. A storage can make up any number of names, and a record is for ever:
    /// what is too many waits for the next call.
    async fn announce_orphans(
        &self,
        mut found: Vec<(CaseId, OperationId)>,
        report: &mut GarbageReport,
    ) -> Result<()> {
        let room = usize::try_from(ANNOUNCED.saturating_sub(report.announced)).unwrap_or(usize::MAX);
        let later = found.split_off(room.min(found.len()));
        report.kept += u64::try_from(later.len()).unwrap_or(u64::MAX);
        let announcements: Vec<_> =
            found.into_iter().map(|(case, operation)| self.announce_orphan(case, operation)).collect();
        let mut announcements = stream::iter(announcements).buffered(AT_ONCE);
        while let Some(announced) = announcements.try_next().await? {
            report.announced += u64::from(announced);
        }
        Ok(())
    }

    /// Does what is due of an operation; one that is to be announced is `new`.
    async fn collect_operation(
        &self,
        (case, operation): (CaseId, OperationId),
        fate: Fate,
        (new, report): (&mut Vec<(CaseId, OperationId)>, &mut GarbageReport),
    ) -> Result<()> {
        match fate {
            Fate::Keep => {}
            Fate::Announce => new.push((case, operation)),
            Fate::Wait => report.kept += 1,
            Fate::Condemn => {
                let condemned = self.condemn(case, operation, GivenUp::Expired).await;
                if let Some(kept) = unless_refused(condemned)? {
                    report.condemned += 1;
                    report.objects_deleted += both(self.delete_objects(case, operation).await, kept)?;
                }
            }
            Fate::Delete => report.objects_deleted += self.delete_objects(case, operation).await?,
        }
        Ok(())
    }

    async fn fate(&self, operation: OperationId) -> Result<Fate> {
        let row = self.vault.row(&self.vault.ledger().state(), &RowKey::operation(operation)).await?;
        Ok(Fate::of(operation, row.as_ref(), self.vault.ledger().now()))
    }

    /// Announces an operation on its behalf; false if it committed or was announced meanwhile.
    async fn announce_orphan(&self, case: CaseId, operation: OperationId) -> Result<bool> {
        let expiry = self.vault.ledger().now().saturating_add(GRACE);
        let (origin, document) = (self.origin.clone(), DocumentId::new(case, [0; 16]));
        let command = Announce { origin, operation, document, expiry, unknown_only: true, since: 0 };
        Ok(unless_refused(self.commit(operation, command).await)?.is_some())
    }

    /// Gives an upload up on its uploader's word and deletes its objects.
    ///
    /// # Errors
    ///
    /// Denied if it was committed or given up already; the storage's.
    pub(crate) async fn give_up(&self, case: CaseId, upload: OperationId) -> Result<()> {
        let kept = self.condemn(case, upload, GivenUp::ByUploader).await?;
        both(self.delete_objects(case, upload).await.map(drop), kept)
    }

    /// Condemns an operation; denied if it committed, or was prolonged, meanwhile. Once that stands the objects go, and
    /// whether its pin was saved is for after.
    async fn condemn(&self, case: CaseId, condemned: OperationId, because: GivenUp) -> Result<Result<()>> {
        let operation = self.operation()?;
        let command = Condemn { origin: self.origin.clone(), operation, case, condemned, because };
        self.vault.ledger().commit(operation, vec![Arc::new(command)]).await?;
        Ok(self.vault.keep_pin(operation).await)
    }

    /// Deletes a condemned operation's objects, and the key of a case that it failed to open.
    async fn delete_objects(&self, case: CaseId, operation: OperationId) -> Result<u64> {
        let mut deleted = 0;
        // Only the operation that made the case's id could open it, and it is condemned; but a name is no evidence of which
        // that was. The key is found again by the operation's head alone, and so goes first.
        let unknown = self.vault.row(&self.vault.ledger().state(), &RowKey::case(case)).await?.is_none();
        if unknown && self.vault.made_case(case, operation).await? {
            deleted += self.delete_keys(case).await?;
        } else if unknown {
            deleted += self.delete_dropped_keys(case).await?;
        }
        for prefix in [layout::PARTS, layout::HEADS] {
            deleted += self.delete_under(&layout::of_operation(prefix, case, operation)).await?;
        }
        Ok(deleted)
    }

    async fn delete_under(&self, prefix: &str) -> Result<u64> {
        Ok(delete_where(self.vault.ledger().storage(), prefix, |_| true).await?)
    }

    /// Deletes index objects of folds up to the newest committed one that it does not reach; those of
    /// later folds may be about to be named.
    async fn collect_index(&self, report: &mut GarbageReport) -> Result<()> {
        let mut state = self.vault.ledger().sync().await?;
        let mut reached = self.reached(&state).await;
        while let Some(newer) = self.vault.superseding(state.manifest.covered(), &reached).await? {
            state = newer;
            reached = self.reached(&state).await;
        }
        let reached = reached?;
        let covered = state.manifest.covered();
        let superseded = |key: &ObjectKey| {
            !reached.contains(key) && layout::fold_of_index(key).is_some_and(|fold| fold <= covered)
        };
        let storage = self.vault.ledger().storage();
        report.index_deleted += delete_where(storage, layout::INDEX, superseded).await?;
        Ok(())
    }

    /// Deletes partial tiles that end before those of the newest committed fold; a later fold's do not.
    async fn collect_tiles(&self, report: &mut GarbageReport) -> Result<()> {
        let covered = self.vault.ledger().state().manifest.covered();
        let superseded = |key: &ObjectKey| {
            layout::tile_of(key).map(TileId::named).is_some_and(|tile| tile.is_superseded(covered))
        };
        for level in (1u8..).take_while(|level| tile::complete(covered, *level) > 0) {
            let (storage, prefix) = (self.vault.ledger().storage(), layout::tiles_of(level));
            report.index_deleted += delete_where(storage, &prefix, superseded).await?;
        }
        Ok(())
    }

    /// Every index object that the state's manifest reaches, itself included. Reads inner pages only.
    async fn reached(&self, state: &State) -> Result<BTreeSet<ObjectKey>> {
        let manifest = &state.manifest;
        let mut reached = BTreeSet::from([layout::index(manifest.covered(), &manifest.digest())]);
        for table in manifest.tables.iter().filter(|table| table.rows > 0) {
            let mut open = vec![(table.root, table.height)];
            while let Some((hash, height)) = open.pop() {
                reached.insert(layout::index(table.written, &hash));
                let Some(below) = height.checked_sub(1) else { continue };
                let page = self.vault.ledger().pages().page(table.written, &hash, height).await?;
                if let Page::Inner { children, .. } = &*page {
                    open.extend(children.iter().map(|(_, child)| (*child, below)));
                }
            }
        }
        Ok(reached)
    }
}

/// What was committed, unless the plan refused it.
fn unless_refused<T>(committed: Result<T>) -> Result<Option<T>> {
    match committed {
        Err(error) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::Erased) => Ok(None),
        committed => committed.map(Some),
    }
}

/// Operations of which these names, with the last one before them, show parts of more than one attempt.
fn of_several_attempts(
    keys: &[ObjectKey],
    last: &mut Option<(OperationId, [u8; 16])>,
) -> BTreeSet<OperationId> {
    let part = |key| Some((layout::operation_of(key)?.1, layout::attempt_of_part(key)?.1));
    let mut found = BTreeSet::new();
    for (operation, attempt) in keys.iter().filter_map(part) {
        let before = last.replace((operation, attempt));
        if before.is_some_and(|(before, other)| before == operation && other != attempt) {
            found.insert(operation);
        }
    }
    found
}

/// Uploads of which parts are deleted at once, many of each.
const UPLOADS_AT_ONCE: usize = 4;
/// Operations that one collection announces, at most.
const ANNOUNCED: u64 = 1000;
/// How long an operation unknown to the log has to commit once a collection met it.
const GRACE: Duration = Duration::from_secs(24 * 60 * 60);
