//! How long writers wait for a fold, by how much it merges.

use core::time::Duration;
use std::{collections::BTreeMap, sync::Arc};

use docvault::{
    NewDocument, Result, Session, Vault, VaultOptions,
    keys::LocalKey,
    storage::{MemoryStorage, testing::VirtualTime},
};
use futures_util::future::try_join_all;

use super::link::{Fold, Link, Seeded};

/// Stores documents, 256 at once, until tables of the third level are there; prints, for the folds that write tables
/// of each level, the pause that each meant for writers.
pub(crate) fn report() -> Result<()> {
    let (time, bucket) = (VirtualTime::default(), Arc::new(MemoryStorage::default()));
    let link = Arc::new(Link::new(bucket, time.clone(), Seeded::new(1), 1));
    time.block_on(fill(&time, link.clone()))?;
    println!(
        "| folds that write a table of level | records between them | index objects, most | pause, longest |"
    );
    println!("|---|---|---|---|");
    let (mut before, mut worst): (u64, BTreeMap<u32, (u64, Duration)>) = (0, BTreeMap::new());
    for Fold { covered, objects, pause } in link.folds() {
        // A table of level n is written where as many times 16ⁿ folds are complete as were not before.
        let changed = (before / 256) ^ (covered / 256);
        let level = changed.checked_ilog2().unwrap_or_default() / 4;
        before = covered;
        let seen = worst.entry(level).or_default();
        *seen = (seen.0.max(objects), seen.1.max(pause));
    }
    for (level, (objects, pause)) in worst {
        println!("| {level} | {} | {objects} | {} ms |", 256u64 << (4 * level), pause.as_millis());
    }
    println!();
    Ok(())
}

async fn fill(time: &VirtualTime, link: Arc<Link>) -> Result<()> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let key = Arc::new(LocalKey::create(folder.path().join("vault.key"))?);
    let options = VaultOptions::default().entropy(Seeded::new(2)).sleeper(time.clone()).clock(time.clone());
    let vault = Vault::create_with(link, key, options).await?;
    let desk = vault.session("process:1").purpose("simulation").begin()?;
    let case = desk.create_case("one").await?;
    try_join_all((0..TASKS).map(|_| task(&desk, case))).await.map(drop)
}

async fn task(desk: &Session, case: docvault::CaseId) -> Result<()> {
    while desk.vault().pin().size() < RECORDS {
        desk.store(case, NewDocument::named("one of many"), vec![7; 1024]).await?;
    }
    Ok(())
}

const TASKS: usize = 256;
/// Beyond the first fold that writes a table of level 2.
const RECORDS: u64 = 256 * 16 * 16 + 512;
