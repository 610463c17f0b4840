//! What the storage shows: names that no record stands behind.

use super::{
    cursor::Position,
    report::{Standing, Tally},
};
use crate::{
    error::Result,
    ids::{CaseId, OperationId},
    ledger::State,
    log::{
        leaf::Kind,
        row::RowKey,
        tile::{FULL, TileId, complete},
    },
    plan::Fate,
    storage::{ObjectKey, layout},
    vault::Vault,
};

/// Classifies a page of names behind `after`.
pub(super) async fn page(vault: &Vault, after: Option<&ObjectKey>, tally: &mut Tally) -> Result<Position> {
    let keys = vault.ledger().storage().list("", after, LISTED).await?;
    // After the listing, so that whatever stands behind what was listed is known.
    let state = vault.ledger().sync().await?;
    let epochs = vault.current_keyring().await?.keys.epochs().map(|(epoch, _)| epoch).collect();
    let mut names = Names { vault, state: &state, epochs, case: None, operation: None };
    for key in &keys {
        tally.counts.listed += 1;
        if key.as_str().starts_with(DEPOSITS) {
            tally.counts.deposits += 1;
        } else if let Some(standing) = names.standing(key).await? {
            tally.find(key.clone(), standing);
        }
    }
    Ok(match keys.last() {
        Some(last) if keys.len() == LISTED => Position::Objects(Some(last.clone())),
        _ => Position::Done,
    })
}

/// Looks names up, each case and operation once for all names that follow each other.
struct Names<'a> {
    vault: &'a Vault,
    state: &'a State,
    epochs: Vec<u32>,
    case: Option<(CaseId, Option<Kind>)>,
    operation: Option<(OperationId, Option<Standing>)>,
}

impl Names<'_> {
    /// How an object stands, if it is not one that the log names.
    async fn standing(&mut self, key: &ObjectKey) -> Result<Option<Standing>> {
        let name = key.as_str();
        let prefix = name.find('/').and_then(|end| name.get(..=end)).unwrap_or(name);
        match prefix {
            layout::LOG => Ok(layout::first_of_commit(key).is_none().then_some(Standing::Foreign)),
            layout::TILES => Ok(self.tile(key)),
            layout::CASE_KEYS => self.case_key(key).await,
            layout::HEADS | layout::PARTS => self.of_operation(key).await,
            // Judged with what the log names by hash.
            layout::INDEX | layout::KEYRINGS | layout::CHECKPOINTS => Ok(None),
            layout::PROBES | layout::TURNS => Ok(Some(Standing::Unused)),
            _ => Ok(Some(Standing::Foreign)),
        }
    }

    async fn case(&mut self, case: CaseId) -> Result<Option<Kind>> {
        if let Some((_, kind)) = self.case.filter(|(known, _)| *known == case) {
            return Ok(kind);
        }
        let kind = self.vault.row(self.state, &RowKey::case(case)).await?.map(|row| row.kind);
        self.case = Some((case, kind));
        Ok(kind)
    }

    async fn case_key(&mut self, key: &ObjectKey) -> Result<Option<Standing>> {
        let (Some(case), Some(epoch)) = (layout::case_of(key), layout::epoch_of(key)) else {
            return Ok(Some(Standing::Foreign));
        };
        Ok(match self.case(case).await? {
            None => Some(Standing::Unknown),
            Some(Kind::CaseErased) => Some(Standing::Erased),
            Some(_) => (!self.epochs.contains(&epoch)).then_some(Standing::Unused),
        })
    }

    async fn of_operation(&mut self, key: &ObjectKey) -> Result<Option<Standing>> {
        let Some((case, operation)) = layout::operation_of(key) else { return Ok(Some(Standing::Foreign)) };
        if self.case(case).await? == Some(Kind::CaseErased) {
            return Ok(Some(Standing::Erased));
        }
        if let Some((_, standing)) = self.operation.filter(|(known, _)| *known == operation) {
            return Ok(standing);
        }
        let row = self.vault.row(self.state, &RowKey::operation(operation)).await?;
        let standing = match Fate::of(operation, row.as_ref(), self.vault.ledger().now()) {
            Fate::Keep => None,
            Fate::Announce => Some(Standing::Unknown),
            Fate::Wait => Some(Standing::Unfinished),
            Fate::Condemn | Fate::Delete => Some(Standing::Collectable),
        };
        self.operation = Some((operation, standing));
        Ok(standing)
    }

    fn tile(&self, key: &ObjectKey) -> Option<Standing> {
        let covered = self.state.manifest.covered();
        if let Some(number) = layout::bundle_of(key) {
            let end = number.saturating_add(1).saturating_mul(u64::from(FULL));
            return (end > covered).then_some(Standing::Unfinished);
        }
        let Some(tile) = layout::tile_of(key).map(TileId::named) else { return Some(Standing::Foreign) };
        if tile.end() > TileId::end_of(complete(covered, tile.level), tile.level) {
            return Some(Standing::Unfinished);
        }
        tile.is_superseded(covered).then_some(Standing::Collectable)
    }
}

/// What a carrier of deposits keeps (FORMAT §11.3).
const DEPOSITS: &str = "deposit/";
const LISTED: usize = 1000;
