//! The log and what follows from it: bundles, tiles, index; and what it names by hash.

use std::collections::BTreeSet;

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    Progress,
    report::{CheckProgress, Standing, Tally},
};
use crate::{
    crypto::digest::sha256,
    error::Result,
    ledger::State,
    log::{Hash, page::Page, row::RowKey},
    storage::{Listing, ObjectKey, layout},
    vault::Vault,
    verification::{self, TileFault},
};

/// Verifies the log from its first record, and compares bundles and tiles with it.
pub(super) async fn log(
    vault: &Vault,
    state: &State,
    tally: &mut Tally,
    progress: Progress<'_>,
) -> Result<()> {
    let mut told = |records: u64, _: u64| {
        progress(CheckProgress { stage: "log", records, versions: 0, listed: 0, faults: 0 });
    };
    let mut faults = Faults(Tally::default());
    let pages = vault.ledger().pages();
    let checked = verification::compare_tiles(pages, state, &mut told, &mut faults).await?;
    let wrong = faults.0.counts.faults();
    tally.add(faults.0);
    tally.counts.records += state.head.size;
    tally.counts.tiles += checked.bundles.saturating_add(checked.tiles).saturating_sub(wrong);
    Ok(())
}

struct Faults(Tally);

#[async_trait]
impl TileFault for Faults {
    async fn differs(&mut self, key: ObjectKey, found: Option<Bytes>, _: Bytes) -> Result<()> {
        self.0.fault(key, found.is_none());
        Ok(())
    }
}

/// Reads every page of the newest index, past any cache; then what else has the name of one.
pub(super) async fn index(vault: &Vault, state: &State, tally: &mut Tally) -> Result<()> {
    let manifest = &state.manifest;
    let mut reached = BTreeSet::new();
    if manifest.covered() > 0 {
        let (covered, digest) = (manifest.covered(), manifest.digest());
        authentic(vault, covered, &digest, tally, &mut reached).await?;
    }
    for table in manifest.tables.iter().filter(|table| table.rows > 0) {
        let mut open = vec![table.root];
        while let Some(hash) = open.pop() {
            let read = authentic(vault, table.written, &hash, tally, &mut reached).await?;
            if let Some(Page::Inner { children, .. }) = read.and_then(|bytes| Page::parse(&bytes).ok()) {
                open.extend(children.iter().map(|(_, child)| *child));
            }
        }
    }
    let mut listing = Listing::new(vault.ledger().storage(), layout::INDEX);
    while let Some(keys) = listing.next().await? {
        for key in keys.into_iter().filter(|key| !reached.contains(key)) {
            let standing = match layout::fold_of_index(&key) {
                Some(fold) if fold <= manifest.covered() => Standing::Collectable,
                Some(_) => Standing::Unfinished,
                None => Standing::Foreign,
            };
            tally.find(key, standing);
        }
    }
    Ok(())
}

/// An index object, if it has the hash in its name.
async fn authentic(
    vault: &Vault,
    fold: u64,
    hash: &Hash,
    tally: &mut Tally,
    reached: &mut BTreeSet<ObjectKey>,
) -> Result<Option<Bytes>> {
    let found = hashed(vault, layout::index(fold, hash), hash, tally, reached).await?;
    tally.counts.index += u64::from(found.is_some());
    Ok(found)
}

/// An object that has this SHA-256, or a finding.
async fn hashed(
    vault: &Vault,
    key: ObjectKey,
    hash: &Hash,
    tally: &mut Tally,
    expected: &mut BTreeSet<ObjectKey>,
) -> Result<Option<Bytes>> {
    expected.insert(key.clone());
    match vault.ledger().storage().read(&key, None).await? {
        Some(bytes) if sha256(&[&bytes]) == *hash => Ok(Some(bytes)),
        found => {
            tally.fault(key, found.is_none());
            Ok(None)
        }
    }
}

/// The keyring and the kept checkpoints that the log names, and what else has the name of one.
pub(super) async fn named(vault: &Vault, state: &State, tally: &mut Tally) -> Result<()> {
    let mut expected = BTreeSet::new();
    check_named(vault, layout::keyring(&state.keyring()), &state.keyring(), tally, &mut expected).await?;
    let mut checkpoints = vault.row_pages(state, RowKey::checkpoints());
    while let Some(rows) = checkpoints.next().await? {
        for row in &rows {
            let size = u64::from_be_bytes(row.auxiliary.first_chunk().copied().unwrap_or_default());
            let key = layout::checkpoint(size, &row.effect);
            check_named(vault, key, &row.effect, tally, &mut expected).await?;
        }
    }
    for prefix in [layout::KEYRINGS, layout::CHECKPOINTS] {
        let mut listing = Listing::new(vault.ledger().storage(), prefix);
        while let Some(keys) = listing.next().await? {
            for key in keys.into_iter().filter(|key| !expected.contains(key)) {
                tally.find(key, Standing::Unused);
            }
        }
    }
    Ok(())
}

async fn check_named(
    vault: &Vault,
    key: ObjectKey,
    hash: &Hash,
    tally: &mut Tally,
    expected: &mut BTreeSet<ObjectKey>,
) -> Result<()> {
    let found = hashed(vault, key, hash, tally, expected).await?;
    tally.counts.named += u64::from(found.is_some());
    Ok(())
}
