//! Putting and getting objects by the ambiguity rule.

use bytes::Bytes;

use crate::{
    env::Sleeper,
    error::{Error, Result},
    storage::{Creation, ObjectKey, Storage, StorageError, StorageErrorKind, beyond},
};
use core::time::Duration;

/// Stores an object that no one else may name: after anything but `Created` the name is read.
///
/// # Errors
///
/// The storage's, if it stays unclear whether the object is there, or other bytes are.
///
/// # Cancellation
///
/// The object may be there or not; nothing refers to it yet.
pub(crate) async fn put(
    storage: &dyn Storage,
    sleeper: &dyn Sleeper,
    key: &ObjectKey,
    bytes: Bytes,
) -> Result<()> {
    let mut failure = None;
    for attempt in 0..TRIES {
        match storage.create(key, bytes.clone()).await {
            Ok(Creation::Created) => return Ok(()),
            Ok(_) => {}
            Err(error) if attempt == 0 => return Err(error.into()),
            Err(error) => failure = Some(error),
        }
        match storage.read(key, None).await {
            Ok(Some(found)) if found == bytes => return Ok(()),
            Ok(Some(_)) => return Err(Error::corrupt(format!("object {key}"))),
            Ok(None) => {}
            Err(error) => failure = Some(error),
        }
        sleeper.sleep(backoff(attempt)).await;
    }
    Err(failure.unwrap_or_else(|| unsettled(key)).into())
}

/// Reads an object that must be there.
///
/// # Errors
///
/// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if it is missing or longer than `cap`.
pub(crate) async fn get(storage: &dyn Storage, key: &ObjectKey, cap: usize) -> Result<Bytes> {
    let found = storage.read(key, Some(beyond(cap))).await?;
    found.filter(|bytes| bytes.len() <= cap).ok_or_else(|| Error::corrupt(format!("object {key}")))
}

pub(crate) fn unsettled(key: &ObjectKey) -> StorageError {
    StorageError::new(StorageErrorKind::Unavailable, format!("could not find out whether {key} was written"))
}

/// How long to wait after try number `attempt`.
pub(crate) fn backoff(attempt: u32) -> Duration {
    Duration::from_millis(2 << attempt.min(8))
}

/// Tries before an answer is given up.
pub(crate) const TRIES: u32 = 6;
