//! Why something did not happen at a desk.

use crate::{
    CaseId, DepositId,
    deposit::DepositReceiptError,
    intake::{Refusal, StatementError},
};

/// Why something did not happen: the case is as it was, unless [`IntakeError::Vault`] says otherwise.
///
/// No text of it names a person, but perhaps that of [`IntakeError::Bundle`]: it says which file, and clients call files as
/// they like. Keep it out of logs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IntakeError {
    /// A bundle cannot be written.
    #[cfg(feature = "fs")]
    #[error(transparent)]
    Bundle(#[from] crate::intake::BundleError),
    /// A file was another when it was stored than when it was inspected; nothing was put on record.
    #[error("file {0}, counted from 1, changed while it was handed in: hand it in again")]
    Changed(usize),
    /// Others kept changing the case; nothing was put on record. Try again later.
    #[error("others kept changing the case; nothing was put on record; try again later")]
    Contended,
    /// A deposit is for no request of this case.
    #[error("deposit {0} is for no request of this case")]
    ForeignDeposit(DepositId),
    /// The vault's case is no case file.
    #[error("case {0} was not opened with a template: `Desk::open_in` does it")]
    NoCaseFile(CaseId),
    /// The case's rules say no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A deposit's receipt cannot be made.
    #[error(transparent)]
    Receipt(#[from] DepositReceiptError),
    /// A statement is not one of this crate's.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The vault's own.
    #[error(transparent)]
    Vault(#[from] crate::Error),
}
