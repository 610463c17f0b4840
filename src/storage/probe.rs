//! Proof, before the first commit, that a backend honours create-if-absent.

use core::array;

use bytes::Bytes;
use futures_util::future::{join, join_all};

use super::{Creation, ObjectKey, Storage, StorageError, StorageErrorKind, layout};
use crate::{
    env::{Entropy, random},
    error::Result,
};

/// What a proof has left, to be deleted.
#[derive(Clone)]
pub(crate) struct Left(Vec<ObjectKey>);

impl Left {
    /// Deletes it. What cannot be deleted stays: nothing reads it.
    pub(crate) async fn clear(&self, storage: &dyn Storage) {
        join_all(self.0.iter().map(|name| storage.delete(name))).await;
    }
}

/// Races creates of fresh names, creates one of them once more, and reads it.
///
/// # Errors
///
/// Unsupported if more than one create of a name won, or bytes did not stay; the storage's own.
pub(crate) async fn prove(storage: &dyn Storage, entropy: &dyn Entropy) -> Result<Left> {
    let mut name: [u8; 16] = random(entropy)?;
    let mut fresh = |_| {
        let [.., last] = &mut name;
        *last = last.wrapping_add(1);
        layout::probe(&name)
    };
    let names = array::from_fn(|_| array::from_fn(&mut fresh));
    let outcome = contest(storage, &names).await;
    let left = Left(names.into_iter().flatten().collect());
    if outcome.is_err() {
        left.clear(storage).await;
    }
    outcome.map(|()| left)
}

/// Races in each of the three trips that it takes to see that bytes stay: creates that open connections first come in
/// one after the other, later there are some.
async fn contest(storage: &dyn Storage, [first, second, third]: &[[ObjectKey; RACES]; TRIPS]) -> Result<()> {
    let contents = array::from_fn(|racer| Bytes::from(vec![b'0'; racer + 32]));
    let (settled, winner) = settled(first, races(storage, first, &contents).await?);
    let again = storage.create(settled, AGAIN);
    let (again, others) = join(again, races(storage, second, &contents)).await;
    let (again, _) = (again?, others?);
    let (found, others) = join(storage.read(settled, None), races(storage, third, &contents)).await;
    let (found, _) = (found?, others?);
    let stays = match winner {
        Some(content) => again != Creation::Created && found.as_ref() == Some(content),
        None if again == Creation::Created => found == Some(AGAIN),
        None => found.is_none_or(|found| found == AGAIN || contents.contains(&found)),
    };
    if stays { Ok(()) } else { Err(refused()) }
}

/// A name whose winner is known, and the winner. If there is none, answers were lost, as of creates that were never
/// carried out, or an adapter that retried has met its own: that proves nothing against the backend.
fn settled<'a>(
    names: &'a [ObjectKey; RACES],
    winners: Vec<Option<&'a Bytes>>,
) -> (&'a ObjectKey, Option<&'a Bytes>) {
    let [first, ..] = names;
    names.iter().zip(winners).find(|(_, winner)| winner.is_some()).unwrap_or((first, None))
}

/// A race for each name, all at once; gives what won them.
async fn races<'a>(
    storage: &dyn Storage,
    names: &[ObjectKey],
    contents: &'a [Bytes; RACERS],
) -> Result<Vec<Option<&'a Bytes>>> {
    join_all(names.iter().map(|name| race(storage, name, contents))).await.into_iter().collect()
}

/// Has every content created under `name` at once; gives the one that won.
async fn race<'a>(
    storage: &dyn Storage,
    name: &ObjectKey,
    contents: &'a [Bytes; RACERS],
) -> Result<Option<&'a Bytes>> {
    let creates = contents.iter().map(|content| storage.create(name, content.clone()));
    let mut winner = None;
    for (answer, content) in join_all(creates).await.into_iter().zip(contents) {
        if answer? == Creation::Created && winner.replace(content).is_some() {
            return Err(refused());
        }
    }
    Ok(winner)
}

fn refused() -> crate::Error {
    let message = "this backend overwrites, or checks and then writes, where the vault asks it to create \
                   an object only if its name is free: two writers could destroy each other's records";
    StorageError::new(StorageErrorKind::Unsupported, message).into()
}

/// Round trips, one after the other.
const TRIPS: usize = 3;
/// Races in a trip. Several small ones notice more than a large one: what a race shows is whether the second to come
/// looks before the first has written, and each has its own two.
const RACES: usize = 4;
/// Creates in a race.
const RACERS: usize = 3;
/// What is created once more.
const AGAIN: Bytes = Bytes::from_static(b"again");

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use futures_lite::future::{block_on, yield_now};

    use super::*;
    use crate::{
        env::SystemEntropy,
        error::ErrorKind,
        storage::{MemoryStorage, around::Around},
    };

    /// What a store does with a create.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Manner {
        Honest,
        /// Every answer is lost.
        LosesAnswers,
        /// The creates of the first name never arrive.
        LosesARace,
        /// Those of the first trip do not.
        LosesATrip,
        /// Those of the first trip do not, and every later answer is lost.
        LosesATripAndAnswers,
        /// None does.
        LosesEverything,
        /// Every answer is lost, and other bytes are kept than were to be created.
        LosesAnswersAndKeepsOthers,
        /// The creates of the first name never arrive, and others overwrite what was there before.
        LosesARaceAndForgets,
        Overwrites,
        /// Takes what has been there for a while for free.
        Forgets,
        ChecksThenWrites,
        /// Does so from the second trip on.
        ChecksThenWritesWhenWarm,
        /// Keeps the first, and tells one more that it won.
        AnswersCreatedToTwo,
    }

    #[derive(Debug)]
    struct Store {
        manner: Manner,
        objects: MemoryStorage,
        creates: AtomicUsize,
    }

    impl Store {
        fn of(manner: Manner) -> Self {
            Self { manner, objects: MemoryStorage::new(), creates: AtomicUsize::new(0) }
        }

        async fn overwrite(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
            self.objects.delete(key).await?;
            self.objects.create(key, bytes).await
        }

        async fn check_then_write(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
            if self.objects.read(key, None).await?.is_some() {
                return Ok(Creation::Exists);
            }
            yield_now().await;
            self.overwrite(key, bytes).await
        }
    }

    #[async_trait]
    impl Around for Store {
        fn objects(&self) -> &dyn Storage {
            &self.objects
        }

        async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
            let earlier = self.creates.fetch_add(1, Ordering::SeqCst);
            let warm = earlier >= RACES * RACERS;
            match self.manner {
                Manner::LosesARace | Manner::LosesARaceAndForgets if earlier < RACERS => {
                    Ok(Creation::Unknown)
                }
                Manner::LosesATrip | Manner::LosesATripAndAnswers if !warm => Ok(Creation::Unknown),
                Manner::LosesEverything => Ok(Creation::Unknown),
                Manner::Overwrites => self.overwrite(key, bytes).await,
                Manner::Forgets | Manner::LosesARaceAndForgets if warm => self.overwrite(key, bytes).await,
                Manner::ChecksThenWrites => self.check_then_write(key, bytes).await,
                Manner::ChecksThenWritesWhenWarm if warm => self.check_then_write(key, bytes).await,
                Manner::AnswersCreatedToTwo if earlier == 1 => {
                    self.objects.create(key, bytes).await.map(|_| Creation::Created)
                }
                Manner::LosesAnswers | Manner::LosesATripAndAnswers => {
                    self.objects.create(key, bytes).await.map(|_| Creation::Unknown)
                }
                Manner::LosesAnswersAndKeepsOthers => {
                    self.objects.create(key, bytes.slice(1..)).await.map(|_| Creation::Unknown)
                }
                _ => self.objects.create(key, bytes).await,
            }
        }
    }

    fn stored(store: &Store) -> usize {
        block_on(Storage::list(store, "", None, usize::MAX)).unwrap().len()
    }

    fn proof(manner: Manner) -> (Store, Result<Left>) {
        let store = Store::of(manner);
        let outcome = block_on(prove(&store, &SystemEntropy));
        (store, outcome)
    }

    #[test]
    fn a_store_that_keeps_its_promise_is_accepted_and_cleared() {
        for (manner, kept) in [
            (Manner::Honest, TRIPS * RACES),
            (Manner::LosesAnswers, TRIPS * RACES),
            (Manner::LosesARace, TRIPS * RACES - 1),
            (Manner::LosesATrip, (TRIPS - 1) * RACES + 1),
            (Manner::LosesATripAndAnswers, (TRIPS - 1) * RACES + 1),
            (Manner::LosesEverything, 0),
        ] {
            let (store, outcome) = proof(manner);
            assert_eq!(stored(&store), kept, "{manner:?}");
            block_on(outcome.unwrap().clear(&store));
            assert_eq!(stored(&store), 0);
        }
    }

    #[test]
    fn a_store_in_which_two_could_win_or_bytes_do_not_stay_is_refused_and_cleared() {
        for manner in [
            Manner::Overwrites,
            Manner::Forgets,
            Manner::LosesARaceAndForgets,
            Manner::ChecksThenWrites,
            Manner::ChecksThenWritesWhenWarm,
            Manner::AnswersCreatedToTwo,
            Manner::LosesAnswersAndKeepsOthers,
        ] {
            let (store, outcome) = proof(manner);
            assert_eq!(outcome.err().map(|error| error.kind()), Some(ErrorKind::Unsupported), "{manner:?}");
            assert_eq!(stored(&store), 0, "{manner:?}");
        }
    }
}
