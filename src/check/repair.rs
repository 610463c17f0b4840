//! Bundles and tiles made anew from the log, where they are missing or false.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    error::Result,
    observe,
    storage::ObjectKey,
    vault::Vault,
    verification::{self, TileFault},
};

/// What a repair of bundles and tiles has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RepairedTiles {
    /// Bundles and tiles compared with the log.
    pub checked: u64,
    /// Of these, written because they were missing.
    pub missing: u64,
    /// Of these, deleted because they were false, and written.
    pub altered: u64,
}

impl Vault {
    /// Compares every entry bundle and hash tile with the log, and writes those anew that are missing or false.
    ///
    /// They follow from the log and decide nothing, so any number of processes may repair at once: each writes
    /// the same bytes, and whoever deletes writes after.
    ///
    /// # Errors
    ///
    /// Corrupt at the first fault in the log; the storage's.
    ///
    /// # Cancellation
    ///
    /// A false tile may be deleted and not yet written: a missing tile is what the next repair writes.
    pub async fn repair_tiles(&self) -> Result<RepairedTiles> {
        observe::operation("Vault::repair_tiles", self.id(), async {
            let state = self.ledger().sync().await?;
            let mut repair = Repair { vault: self, done: RepairedTiles::default() };
            let pages = self.ledger().pages();
            let checked = verification::compare_tiles(pages, &state, &mut |_, _| {}, &mut repair).await?;
            Ok(RepairedTiles { checked: checked.bundles.saturating_add(checked.tiles), ..repair.done })
        })
        .await
    }
}

struct Repair<'a> {
    vault: &'a Vault,
    done: RepairedTiles,
}

#[async_trait]
impl TileFault for Repair<'_> {
    async fn differs(&mut self, key: ObjectKey, found: Option<Bytes>, expected: Bytes) -> Result<()> {
        let ledger = self.vault.ledger();
        if found.is_some() {
            ledger.storage().delete(&key).await?;
            self.done.altered += 1;
        } else {
            self.done.missing += 1;
        }
        ledger.put(&key, expected).await
    }
}
