//! docvault: an encrypted, provable vault for other people's documents.
//!
//! A [`Vault`] keeps the documents of one tenant in a [`storage`] that is trusted with nothing. It is
//! used through a [`Session`]: one actor, one purpose. A *case* is the unit of sharing; a *document*
//! belongs to one case and has immutable *versions*; a *grant* lets a [`Recipient`] open a document
//! or a case. Every operation that changes or releases what a vault holds, reads included, is a record of
//! one hash-chained log, and has happened exactly when that record stands there; [`Audit`] verifies it, an
//! [`Auditor`] reads it, a [`Pin`] kept outside the storage ties it down.
//!
//! | you want to | look at |
//! |---|---|
//! | make or open a vault | [`Vault::create`], [`Vault::open`], [`VaultOptions`], [`keys`] |
//! | store and read | [`Session::store`], [`Session::upload`], [`Session::retrieve`], [`Session::reader`] |
//! | find | [`Session::cases`], [`Session::documents`], [`Session::history`] |
//! | share and revoke | [`Session::grant`], [`Session::deliver`], [`Session::revoke`], [`Session::revocation`], [`Session::who_can_open`] |
//! | open a delivery without a vault | [`Identity::open`] |
//! | put a statement on record | [`Session::make_statement`], [`Session::statements`] |
//! | ask people without an account for documents | module `deposit`, behind feature `intake` |
//! | run case files from a template to a complete bundle | module `intake`, behind feature `intake` |
//! | change who can open it, also after a key leaked | [`Session::add_slot`], [`Session::remove_slot`], [`Session::rotate_epoch`], [`Session::rekey`] |
//! | erase | [`Session::erase_case`], [`Session::erasure`] |
//! | verify | [`Audit::verify`] |
//! | verify with no vault, network or key | [`LogReader`], [`Receipt::verify`], [`TrustPolicy`] |
//! | watch a log from outside | [`Witness`], and `examples/witness` |
//! | see who did what | [`SessionBuilder::auditor`], [`Auditor::records`], [`Auditor::changes_since`], [`Session::open_record`] |
//! | show somebody one record | [`Auditor::disclose`], [`Disclosure::open`] |
//! | see that everything is there, clean up, repair | [`Vault::check`], [`Session::collect_garbage`], [`Vault::repair_tiles`] |
//! | back up or move a vault | [`Vault::copy_to`] |
//! | anchor, export, deep-check | [`Session::keep_checkpoint`], [`Session::export_records`], [`LogReader`] |
//! | watch it run | features `tracing` and `metrics`, and `docs/OPERATIONS.md` |
//! | bring a backend | [`storage::Storage`], and the conformance suite behind feature `testing` |
//!
//! A call may be dropped at any `await`. What that leaves of one that writes is told under *Cancellation*; one that has no
//! such section puts nothing on record, and is simply called again.
//!
//! The stored format is `docs/FORMAT.md`, the reasons are `docs/DESIGN.md`, the threat model is
//! `SECURITY.md`.
//!
//! Not here: servers, accounts, sending messages, inspecting content beyond its first bytes. No type of
//! another crate but [`bytes::Bytes`] is part of the API, and, behind their features, the stores and pools
//! that the backends `ObjectStorage` and `PostgresStorage` are made of.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod anchor;
mod audit;
mod auditor;
mod check;
mod copy;
mod crypto;
#[cfg(feature = "intake")]
pub mod deposit;
mod disclosure;
mod document;
mod env;
mod error;
mod export;
mod file;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod grant;
mod head;
mod ids;
#[cfg(feature = "intake")]
pub mod intake;
mod keyring;
pub mod keys;
mod ledger;
mod log;
mod observe;
mod padding;
mod pin;
mod plan;
mod policy;
mod receipt;
mod recipient;
mod secret;
mod secret_file;
mod session;
pub mod storage;
mod text;
mod transfer;
mod vault;
mod verification;
mod wire;
mod witness;

pub use anchor::{AnchorError, TimeAnchor};
pub use audit::Audit;
pub use auditor::{Auditor, Changes};
pub use check::{
    Check, CheckCounts, CheckCursor, CheckDepth, CheckProgress, CheckReport, Finding, RepairedTiles, Standing,
};
pub use copy::CopyReport;
pub use crypto::chunked;
#[cfg(feature = "intake")]
pub(crate) use crypto::digest::{ContentHasher, HashedContent, sha256};
#[cfg(feature = "intake")]
pub use deposit::{DepositId, RequestId};
pub use disclosure::{Disclosed, Disclosure};
pub use document::{Attributes, ContentDigest, NewDocument, SealedPage};
#[cfg(feature = "fs")]
pub use env::ThreadSleeper;
pub use env::{Clock, Entropy, EntropyError, NoSleep, Sleeper, SystemClock, SystemEntropy, Timestamp};
pub use error::{Error, ErrorKind, Result};
pub use export::verify_exported_records;
pub use grant::{Mode, Terms};
pub use ids::{CaseId, DocumentId, GrantId, OperationId, ParseIdError, Scope, VaultId, VersionId};
pub use log::checkpoint::Checkpoint;
pub use log::kept::TimeToken;
pub use log::leaf::Kind;
pub use log::proof::ProofError;
pub use log::record::{AuditRecord, RecordFilter};
pub use log::request::WitnessRequest;
pub use log::trust::{CheckedCheckpoint, CheckpointError, Cosignature, PolicyError, TrustPolicy};
pub use log::verifier_key::VerifierKey;
#[cfg(feature = "fs")]
pub use pin::FilePinStore;
pub use pin::{Freshness, Pin, PinStore};
pub use receipt::{DisclosedActor, Receipt, ReceiptError, VerifiedReceipt};
pub use recipient::{Fingerprint, Identity, Recipient, Sender};
pub use secret::{Secret, SecretBytes};
pub use session::{
    CaseDescription, CasePage, Described, DocumentPage, Erasure, ErasureLevel, GarbageReport, MadeStatement,
    NewCase, NewStatement, OpenedRecord, Opener, Outcome, Personal, RevocationReport, Session,
    SessionBuilder, Statement, StatementPage, Stored, VersionInfo, WhoCanOpen,
};
#[cfg(feature = "intake")]
pub(crate) use text::json_string as quoted;
pub use transfer::{Delivery, Opened, OpenedDocument, Reader, SealedUpload, Upload, UploadToken};
pub use vault::{SlotId, SlotInfo, Vault, VaultOptions};
pub use verification::{CheckedIndex, CheckedTiles, KeptCheckpoint, LogReader, VerifiedLog};
#[cfg(feature = "fs")]
pub use witness::FileWitnessStore;
pub use witness::{MemoryWitnessStore, TreeHead, Witness, WitnessKey, WitnessRefusal, WitnessStore};

/// The one format this crate reads and writes.
const FORMAT: u8 = 1;
/// The one suite of that format (FORMAT §1).
const SUITE: u8 = 1;

/// The README's example, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The operator's handbook, likewise.
#[cfg(doctest)]
#[doc = include_str!("../docs/OPERATIONS.md")]
struct Operations;
