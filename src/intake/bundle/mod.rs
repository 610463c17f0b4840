//! Handing a case over: sealed for a recipient, or plain with its evidence for an authority (FORMAT §13).

mod collect;
mod error;
mod evidence;
mod export;
mod hand_over;
mod manifest;
mod names;
mod package;
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

use crate::ContentDigest;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of lower-case hexadecimal digits.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let byte = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Vec<u8> = (0..text.len()).step_by(2).map(byte).collect::<Option<_>>()?;
    (hex(&bytes) == text).then_some(bytes)
}

fn digest(hasher: &blake3::Hasher) -> ContentDigest {
    ContentDigest::from_bytes(*hasher.finalize().as_bytes())
}
