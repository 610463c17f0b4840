//! Why a carrier does not take something.

use crate::error::Error;

/// Why a carrier does not take what a client sent: it promised nothing for it. That the deposit was begun, or its manifest, may
/// be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The slot's deposits were begun too often: another request is needed.
    #[error("the slot has been begun too often; ask the office for another request")]
    Begun,
    /// It exceeds what the slot takes: number of files, or bytes of a file.
    #[error("this is more than the request takes")]
    Caps,
    /// The request is closed.
    #[error("the request is closed")]
    Closed,
    /// The deposit has another part, or another manifest, in this place: a deposit never changes.
    #[error("the deposit has something else in this place; begin another deposit")]
    Conflict,
    /// The request has expired.
    #[error("the request has expired; ask the office for another")]
    Expired,
    /// The deposit has its manifest: nothing can be added.
    #[error("the deposit is complete")]
    Finished,
    /// It is no part or manifest of this format, or it was altered on the way: send it again.
    #[error("this is no part or manifest of a deposit, or it was altered on the way; send it again")]
    Malformed,
    /// A part that the manifest lists is not here: send it, then the manifest again.
    #[error("part {part} of page {page} is not here; send it, then the manifest again")]
    Missing {
        /// The page, from 0.
        page: u16,
        /// The part, from 0.
        part: u32,
    },
    /// The link's key has not signed it.
    #[error("this was not signed with the request's link")]
    Signature,
    /// There is no such request here.
    #[error("there is no such request here")]
    Unknown,
    /// The slot's uses are used up.
    #[error("the slot is full")]
    Uses,
}

/// What a carrier answers if it does not take something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CarrierError {
    /// It may have been stored or not: send it again.
    #[error(transparent)]
    Failed(#[from] Error),
    /// It is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

#[cfg(any(feature = "metrics", feature = "tracing"))]
impl Refusal {
    const fn name(self) -> &'static str {
        match self {
            Self::Begun => "Begun",
            Self::Caps => "Caps",
            Self::Closed => "Closed",
            Self::Conflict => "Conflict",
            Self::Expired => "Expired",
            Self::Finished => "Finished",
            Self::Malformed => "Malformed",
            Self::Missing { .. } => "Missing",
            Self::Signature => "Signature",
            Self::Unknown => "Unknown",
            Self::Uses => "Uses",
        }
    }
}

#[cfg(any(feature = "metrics", feature = "tracing"))]
impl crate::observe::Outcome for CarrierError {
    fn outcome(&self) -> &'static str {
        match self {
            Self::Failed(error) => error.outcome(),
            Self::Refused(refusal) => refusal.name(),
        }
    }
}

impl From<crate::storage::StorageError> for CarrierError {
    fn from(error: crate::storage::StorageError) -> Self {
        Self::Failed(error.into())
    }
}

#[cfg(all(test, any(feature = "metrics", feature = "tracing")))]
mod tests {
    use super::*;
    use crate::observe::Outcome;

    #[test]
    fn what_is_counted_has_the_name_of_the_refusal() {
        use Refusal::{
            Begun, Caps, Closed, Conflict, Expired, Finished, Malformed, Missing, Signature, Unknown, Uses,
        };
        let missing = Missing { page: 1, part: 2 };
        let plain = [Begun, Caps, Closed, Conflict, Expired, Finished, Malformed, Signature, Unknown, Uses];
        for refusal in [missing].into_iter().chain(plain) {
            let name = format!("{refusal:?}");
            assert_eq!(CarrierError::from(refusal).outcome(), name.split(' ').next().expect("a name"));
        }
        assert_eq!(CarrierError::from(Error::invalid("no")).outcome(), Error::invalid("no").outcome());
    }
}
