//! Proof, before the first commit, that the backend honours create-if-absent.

use bytes::Bytes;
use futures_util::future::join_all;

use crate::{
    env::{Entropy, random},
    error::Result,
    storage::{Creation, ObjectKey, Storage, StorageError, StorageErrorKind, layout},
};

/// Races concurrent creates of one fresh name, then creates it once more; gives the name, to be deleted.
///
/// # Errors
///
/// Unsupported if not exactly one create won, or its bytes did not stay; the storage's own.
pub(crate) async fn prove(storage: &dyn Storage, entropy: &dyn Entropy) -> Result<ObjectKey> {
    let key = layout::probe(&random(entropy)?);
    let contents: Vec<Bytes> = (0..RACERS).map(|i| Bytes::from(vec![i; 32])).collect();
    let race = join_all(contents.iter().map(|content| storage.create(&key, content.clone()))).await;
    let won: Vec<&Bytes> = race
        .iter()
        .zip(&contents)
        .filter(|(outcome, _)| matches!(outcome, Ok(Creation::Created)))
        .map(|(_, content)| content)
        .collect();
    let again = storage.create(&key, Bytes::from_static(b"again")).await;
    let found = storage.read(&key, None).await;
    match judge(race, &won, &contents, again, found) {
        Ok(()) => Ok(key),
        Err(refused) => {
            storage.delete(&key).await?;
            Err(refused)
        }
    }
}

/// Whether one create won, and its bytes stayed.
fn judge(
    race: Vec<Answer<Creation>>,
    won: &[&Bytes],
    contents: &[Bytes],
    again: Answer<Creation>,
    found: Answer<Option<Bytes>>,
) -> Result<()> {
    for outcome in race {
        outcome?;
    }
    let (again, found) = (again?, found?);
    let stays = match won {
        [only] => found.as_ref() == Some(*only),
        // A racer whose answer was lost may have won, or an adapter that retried have met its own
        // write, so "no winner" proves nothing against the backend.
        [] => found.is_some_and(|found| contents.contains(&found)),
        _ => false,
    };
    if stays && again != Creation::Created {
        return Ok(());
    }
    let message = "this backend overwrites, or checks and then writes, where the vault asks it to create \
                   an object only if its name is free: two writers could destroy each other's records";
    Err(StorageError::new(StorageErrorKind::Unsupported, message).into())
}

type Answer<T> = Result<T, StorageError>;

/// Creates in the race.
const RACERS: u8 = 16;
