//! Handing a case over: sealed for a recipient, or plain with its evidence for an authority (FORMAT §13).

mod archive;
mod collect;
mod error;
mod evidence;
mod export;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod hand_over;
mod manifest;
mod names;
mod package;
mod private;
mod readme;
mod records;
mod source;
mod unpack;
mod verify;

pub use error::{BundleError, BundleFault};
pub use manifest::{
    BundleManifest, BundledCompletion, BundledDocument, BundledFile, BundledOther, BundledRequirement,
    BundledStatement, BundledTemplate,
};
pub use unpack::unpack_handed_over;
pub use verify::{VerifiedBundle, verify_bundle};

use super::hex::{hex, unhex};
