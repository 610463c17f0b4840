//! Content on its way in and out: uploads, readers, deliveries.

mod checked;
mod delivery;
mod opened;
mod parcel;
mod part;
mod range;
mod reader;
mod sealed;
mod source;
mod started;
mod token;
mod upload;

pub use delivery::Delivery;
pub use opened::{Opened, OpenedDocument};
pub use reader::Reader;
pub use sealed::SealedUpload;
pub use token::UploadToken;
pub use upload::Upload;

pub(crate) use checked::{PartVisitor, find_parts, open_parts, opens_in_head, part_names};
pub(crate) use parcel::Parcel;
#[cfg(any(test, fuzzing))]
pub(crate) use parcel::{Envelope, Manifest as DeliveryManifest};
pub(crate) use source::ContentSource;
pub(crate) use token::Target;
#[cfg(any(test, fuzzing))]
pub(crate) use token::{read_draft, write_draft};
