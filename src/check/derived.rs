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
    storage::{ObjectKey, layout},
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
    let (manifest, storage) = (&state.manifest, vault.ledger().storage());
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
    let mut after: Option<ObjectKey> = None;
    loop {
        let keys = storage.list(layout::INDEX, after.as_ref(), LISTED).await?;
        for key in keys.iter().filter(|key| !reached.contains(*key)) {
            match layout::fold_of_index(key) {
                Some(fold) if fold <= manifest.covered() => tally.find(key.clone(), Standing::Collectable),
                Some(_) => tally.find(key.clone(), Standing::Unfinished),
                None => tally.find(key.clone(), Standing::Foreign),
            }
        }
        match keys.last() {
            Some(last) if keys.len() == LISTED => after = Some(last.clone()),
            _ => return Ok(()),
        }
    }
}

/// An index object, if it has the hash in its name.
async fn authentic(
    vault: &Vault,
    fold: u64,
    hash: &Hash,
    tally: &mut Tally,
    reached: &mut BTreeSet<ObjectKey>,
) -> Result<Option<Bytes>> {
    let key = layout::index(fold, hash);
    reached.insert(key.clone());
    let found = vault.ledger().storage().read(&key, None).await?;
    match found.filter(|bytes| sha256(&[bytes]) == *hash) {
        Some(bytes) => {
            tally.counts.index += 1;
            Ok(Some(bytes))
        }
        None => {
            let missing = vault.ledger().storage().read(&key, Some(0..1)).await?.is_none();
            tally.fault(key, missing);
            Ok(None)
        }
    }
}

/// The keyring and the kept checkpoints that the log names, and what else has the name of one.
pub(super) async fn named(vault: &Vault, state: &State, tally: &mut Tally) -> Result<()> {
    let mut expected = BTreeSet::new();
    check_named(vault, layout::keyring(&state.keyring()), &state.keyring(), tally, &mut expected).await?;
    let mut start = RowKey::checkpoints();
    loop {
        let rows = vault.rows(state, &start, PAGE).await?;
        for row in &rows {
            let size = u64::from_be_bytes(row.auxiliary.first_chunk().copied().unwrap_or_default());
            let key = layout::checkpoint(size, &row.effect);
            check_named(vault, key, &row.effect, tally, &mut expected).await?;
        }
        match rows.last() {
            Some(last) if rows.len() == PAGE => start = last.key.after(),
            _ => break,
        }
    }
    for prefix in [layout::KEYRINGS, layout::CHECKPOINTS] {
        let mut after: Option<ObjectKey> = None;
        loop {
            let keys = vault.ledger().storage().list(prefix, after.as_ref(), LISTED).await?;
            for key in keys.iter().filter(|key| !expected.contains(*key)) {
                tally.find(key.clone(), Standing::Unused);
            }
            match keys.last() {
                Some(last) if keys.len() == LISTED => after = Some(last.clone()),
                _ => break,
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
    match vault.ledger().storage().read(&key, None).await? {
        Some(bytes) if sha256(&[&bytes]) == *hash => tally.counts.named += 1,
        found => tally.fault(key.clone(), found.is_none()),
    }
    expected.insert(key);
    Ok(())
}

const LISTED: usize = 1000;
const PAGE: usize = 100;
