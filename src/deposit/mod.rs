//! Deposits: documents from people without a vault, an account or a key of their own (feature `intake`).
//!
//! The office signs a request and gives its client a [`Link`]. The client, in a browser or a program, opens the
//! request, seals files to it and sends them, part by part, to a [`Carrier`], which can read nothing and answers
//! with a signed [`Promise`]. The office reads its [`Inbox`], takes in or refuses, and states that on its log;
//! the client gets a [`DepositReceipt`], or holds the proof that it got none.
//!
//! | who | has | uses |
//! |---|---|---|
//! | office | the vault | [`Session::sign_request`](crate::Session::sign_request), [`Session::request_secrets`](crate::Session::request_secrets), [`Inbox`], [`IncomingDeposit`] |
//! | carrier | a key of its own and a storage | [`Carrier`], [`CarrierKey`] |
//! | client | the link | [`OpenedRequest`], [`Depositor`] |
//! | anyone | the vault's fingerprint | [`Descriptor::verify`], [`Promise::verify`], [`DepositReceipt::verify`] |
//!
//! The bytes are in FORMAT §11; `web/docvault-deposit.js` is a second implementation, of the client's side.

mod answer;
mod carrier;
mod claim;
mod depositor;
mod descriptor;
mod details;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod ids;
mod inbox;
mod incoming;
mod journal;
mod keys;
mod link;
mod manifest;
mod objects;
mod opened;
mod part;
mod promise;
mod receipt;
mod terms;
#[cfg(test)]
pub(crate) mod vectors;

pub use carrier::{Carrier, CarrierError, CarrierKey, CarrierPublicKey, Held, HeldPart, Refusal};
pub use claim::{Claim, ClaimedPage, Verdict};
pub use depositor::Depositor;
pub use descriptor::{Caps, Descriptor};
pub use details::Slot;
pub use ids::{DepositId, RequestId};
pub use inbox::Inbox;
pub use incoming::{IncomingDeposit, IncomingPage, PageReader};
pub use link::{Link, RequestSecrets};
pub use manifest::File;
pub use opened::OpenedRequest;
pub use part::{PART_LEN, PART_MAX};
pub use promise::{Promise, Standing};
pub use receipt::{DepositReceipt, DepositReceiptError, VerifiedDeposit};
pub use terms::{RequestTerms, SignedRequest};
