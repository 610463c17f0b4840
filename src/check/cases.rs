//! Cases: their keys, their heads, and everything in them.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    cursor::Position,
    report::{CheckDepth, Standing, Tally},
};
use crate::{
    error::{ErrorKind, Result},
    head::{HeadId, HeadType},
    ids::{CaseId, DocumentId, OperationId, Scope},
    ledger::State,
    log::{
        Hash,
        leaf::Kind,
        row::{Row, RowKey},
    },
    plan,
    storage::{Listing, ObjectKey, layout},
    transfer::{ContentSource, PartVisitor, find_parts, open_parts, part_names},
    vault::{Extent, Vault, VersionHead},
};

/// Checks the case behind `after` but for its documents.
pub(super) async fn next_case(
    vault: &Vault,
    state: &State,
    after: Option<CaseId>,
    tally: &mut Tally,
) -> Result<Position> {
    let start = after.map_or(RowKey::cases(), |case| RowKey::case(case).after());
    let Some(row) = vault.rows(state, &start, 1).await?.into_iter().next() else {
        return Ok(Position::Objects(None));
    };
    let case = plan::case_of(&row);
    let stands = row.kind != Kind::CaseErased;
    let done = if stands { check_case(vault, state, case, &row, tally).await } else { Ok(false) };
    let opens = unless_erased(done)?;
    match opens {
        Some(true) => Ok(Position::Documents(case, None)),
        // What is under a key that is missing or false cannot be judged: the key is the finding.
        Some(false) if stands => Ok(Position::Case(Some(case))),
        _ => {
            *tally = Tally::default();
            tally.counts.erased_cases += 1;
            Ok(Position::Case(Some(case)))
        }
    }
}

/// Whether the case's key opens.
async fn check_case(
    vault: &Vault,
    state: &State,
    case: CaseId,
    row: &Row,
    tally: &mut Tally,
) -> Result<bool> {
    tally.counts.cases += 1;
    if !check_key(vault, case, tally).await? {
        return Ok(false);
    }
    let id = vault.head_id(case, [0; 16], plan::case_head(row), HeadType::Case);
    check_head(vault, id, &row.effect, Extent::Start, tally).await?;
    check_grants(vault, state, case.into(), tally).await?;
    Ok(true)
}

/// Checks some documents of a case, those behind `after`, in all their versions.
pub(super) async fn documents(
    vault: &Vault,
    state: &State,
    depth: CheckDepth,
    (case, after): (CaseId, Option<DocumentId>),
    tally: &mut Tally,
) -> Result<Position> {
    let start = after.map_or(RowKey::documents(case), |document| RowKey::document(document).after());
    let rows = vault.rows(state, &start, DOCUMENTS).await?;
    let documents: Vec<_> = rows.iter().map(|row| DocumentId::new(case, row.key.child_id())).collect();
    let checks = documents.into_iter().map(|document| check_document(vault, state, depth, document));
    let at_once = if depth == CheckDepth::Content { 1 } else { AT_ONCE };
    let checked: Result<Vec<Tally>> = stream::iter(checks).buffered(at_once).try_collect().await;
    let Some(found) = unless_erased(checked)? else { return Ok(Position::Case(Some(case))) };
    found.into_iter().for_each(|found| tally.add(found));
    Ok(match rows.last() {
        Some(last) if rows.len() == DOCUMENTS => {
            Position::Documents(case, Some(DocumentId::new(case, last.key.child_id())))
        }
        _ => Position::Case(Some(case)),
    })
}

async fn check_document(
    vault: &Vault,
    state: &State,
    depth: CheckDepth,
    document: DocumentId,
) -> Result<Tally> {
    let mut tally = Tally::default();
    tally.counts.documents += 1;
    let mut versions = vault.row_pages(state, RowKey::versions(document));
    while let Some(rows) = versions.next().await? {
        for row in &rows {
            check_version(vault, depth, document, row, &mut tally).await?;
        }
    }
    check_grants(vault, state, document.into(), &mut tally).await?;
    Ok(tally)
}

async fn check_version(
    vault: &Vault,
    depth: CheckDepth,
    document: DocumentId,
    row: &Row,
    tally: &mut Tally,
) -> Result<()> {
    let id = vault.head_id(document.case(), *document.own(), row.operation, HeadType::Version);
    let extent = if depth == CheckDepth::Content { Extent::Whole } else { Extent::Start };
    let Some(head) = check_head(vault, id, &row.effect, extent, tally).await?.flatten() else {
        return Ok(());
    };
    tally.counts.versions += 1;
    let source = ContentSource::new(vault.clone(), head);
    let mut parts = Parts { tally, bytes: depth == CheckDepth::Content };
    match depth {
        CheckDepth::Structure => find_parts(&source, &mut parts).await?,
        CheckDepth::Content => open_parts(&source, &mut parts).await?,
    }
    unused_parts(vault, id.case, id.operation, &source, tally).await
}

struct Parts<'a> {
    tally: &'a mut Tally,
    bytes: bool,
}

#[async_trait]
impl PartVisitor for Parts<'_> {
    async fn sound(&mut self, _: Option<ObjectKey>, sealed: Bytes) -> Result<()> {
        self.tally.counts.parts += 1;
        if self.bytes {
            self.tally.counts.bytes += u64::try_from(sealed.len()).unwrap_or(u64::MAX);
        }
        Ok(())
    }

    async fn faulty(&mut self, object: ObjectKey, missing: bool) -> Result<()> {
        self.tally.fault(object, missing);
        Ok(())
    }
}

/// Parts of attempts that the version does not use, if it has parts at all. Both lists are ascending.
async fn unused_parts(
    vault: &Vault,
    case: CaseId,
    operation: OperationId,
    source: &ContentSource,
    tally: &mut Tally,
) -> Result<()> {
    let mut used = part_names(source).peekable();
    if used.peek().is_none() {
        return Ok(());
    }
    let prefix = layout::of_operation(layout::PARTS, case, operation);
    let mut listing = Listing::new(vault.ledger().storage(), &prefix);
    while let Some(keys) = listing.next().await? {
        for key in keys {
            while used.next_if(|used| *used < key).is_some() {}
            if used.next_if_eq(&key).is_none() {
                tally.find(key, Standing::Unused);
            }
        }
    }
    Ok(())
}

async fn check_grants(vault: &Vault, state: &State, scope: Scope, tally: &mut Tally) -> Result<()> {
    let mut grants = vault.row_pages(state, RowKey::grants(scope));
    while let Some(rows) = grants.next().await? {
        for row in &rows {
            let operation = OperationId::from_bytes(row.key.child_id());
            let id = vault.head_id(scope.case(), scope.object(), operation, HeadType::Grant);
            if check_head(vault, id, &row.effect, Extent::Start, tally).await?.is_some() {
                tally.counts.grants += 1;
            }
        }
    }
    Ok(())
}

/// A head that opens and is the one on record, with the version in it if it is a version's; or a finding.
async fn check_head(
    vault: &Vault,
    id: HeadId,
    effect: &Hash,
    extent: Extent,
    tally: &mut Tally,
) -> Result<Option<Option<VersionHead>>> {
    match vault.checked_head(id, effect, extent).await {
        Ok(head) => Ok(Some(head.version)),
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            let name = layout::head(id.case, id.operation);
            let missing = vault.ledger().storage().read(&name, Some(0..1)).await?.is_none();
            tally.fault(name, missing);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether the case's key opens under the present keyring; false wraps are findings, and so is a missing one.
async fn check_key(vault: &Vault, case: CaseId, tally: &mut Tally) -> Result<bool> {
    let keyring = vault.current_keyring().await?;
    let wraps = vault.wraps(case, &keyring, None).await?;
    let current = layout::case_key(case, keyring.keys.current_epoch());
    if wraps.is_empty() {
        vault.ledger().sync().await?;
        vault.case_stands(case).await?;
        tally.find(current, Standing::Missing);
        return Ok(false);
    }
    let mut opens = true;
    for wrap in wraps {
        if wrap.opens {
            tally.counts.keys += 1;
        } else {
            tally.find(wrap.name, Standing::False);
            opens = false;
        }
    }
    Ok(opens)
}

/// None if the case was erased meanwhile.
fn unless_erased<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Err(error) if error.kind() == ErrorKind::Erased => Ok(None),
        found => found.map(Some),
    }
}

/// Documents in one step.
const DOCUMENTS: usize = 16;
/// Of these, checked at once where contents are not.
const AT_ONCE: usize = 8;
