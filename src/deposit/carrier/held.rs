//! What a carrier has of a deposit.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{AT_ONCE, Answer, Carrier};
use crate::{
    deposit::{
        answer::ANSWER_CAP,
        ids::{DepositId, RequestId},
        objects,
        part::{PARTS_CAP, PartStart},
    },
    observe,
    storage::{Listing, beyond},
};

/// A part that a carrier has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeldPart {
    /// The page, from 0.
    pub page: u16,
    /// The part, from 0.
    pub part: u32,
    /// The hash of what is sealed in it.
    pub sha256: [u8; 32],
}

/// What a carrier has of a deposit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// Its parts, in order; one that was just sent may not be listed yet.
    pub parts: Vec<HeldPart>,
    /// Its promise, if it is complete.
    pub promise: Option<Bytes>,
    /// Answers of the office.
    pub answers: Vec<Bytes>,
}

impl Carrier {
    /// What this carrier has of a deposit: where a client goes on after a lost connection, and finds its answer.
    ///
    /// It reads the start of each part, 16,384 at most, and the answers, 256 at most. Nobody needs a signature for it, only
    /// the two ids: a web server limits how often it is called.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unknown`](super::Refusal::Unknown); the storage's.
    pub async fn held(&self, request: RequestId, deposit: DepositId) -> Answer<Held> {
        observe::operation("Carrier::held", (request, deposit), async {
            let descriptor = self.published(request).await?;
            let promise = self.promised(&descriptor, deposit).await?.map(|(_, bytes)| bytes);
            let parts = self.held_parts(request, deposit).await?;
            Ok(Held { parts, promise, answers: self.answers(request, deposit).await? })
        })
        .await
    }

    async fn held_parts(&self, request: RequestId, deposit: DepositId) -> Answer<Vec<HeldPart>> {
        let prefix = objects::parts(request, deposit);
        let (mut listing, mut parts) = (Listing::new(&*self.storage, &prefix), Vec::new());
        while let Some(keys) = listing.next().await? {
            let starts: Vec<_> = keys.into_iter().map(|key| self.start_of(key)).collect();
            let mut starts = stream::iter(starts).buffered(AT_ONCE);
            while let Some(start) = starts.try_next().await? {
                parts.extend(start.map(|start| HeldPart::of(&start)));
                if u64::try_from(parts.len()).unwrap_or(u64::MAX) >= PARTS_CAP {
                    return Ok(parts);
                }
            }
        }
        Ok(parts)
    }

    async fn answers(&self, request: RequestId, deposit: DepositId) -> Answer<Vec<Bytes>> {
        let reads = (0..objects::ANSWERS).map(|number| async move {
            let key = objects::answer(request, deposit, number);
            self.storage.read(&key, Some(beyond(ANSWER_CAP))).await
        });
        let (mut reads, mut answers) = (stream::iter(reads).buffered(FEW), Vec::new());
        while let Some(Some(answer)) = reads.try_next().await? {
            answers.push(answer);
        }
        Ok(answers)
    }
}

impl HeldPart {
    pub(super) fn of(start: &PartStart) -> Self {
        Self { page: start.place.page, part: start.place.part, sha256: start.digest }
    }
}

/// Answers read at once: of most deposits there is one.
const FEW: usize = 4;
