//! Case files: from a template of requirements to a complete case.
//!
//! A [`Template`] says which documents and answers a case needs. A [`CaseState`] says how far one case
//! has come: it is the fold of its [`Event`]s, and changes only by a [`Command`] that
//! [`CaseState::decide`] allows. What people look at is computed from it for an instant: [`Status`],
//! [`Projection`], [`Digest`], [`Reminder`].
//!
//! All that is pure. A [`Desk`] puts it to work on a vault: it decides on the newest state, states what happened on
//! the vault's log, takes in what was deposited, and hands over. `docs/INTAKE.md` explains templates,
//! states and rules; FORMAT §12 has every field of what is stored, and §13 of what is handed over.

#[cfg(feature = "fs")]
mod bundle;
mod case;
mod desk;
mod extension;
mod hex;
mod template;

#[cfg(all(feature = "fs", any(test, fuzzing)))]
pub(crate) use bundle::fuzzing as of_bundles;
#[cfg(feature = "fs")]
pub use bundle::{
    BundleError, BundleFault, BundleManifest, BundledCompletion, BundledDocument, BundledFile, BundledOther,
    BundledRequirement, BundledStatement, BundledTemplate, VerifiedBundle, unpack_handed_over, verify_bundle,
};
pub use case::{
    Actor, Answer, Approval, Approved, Attested, Audience, CaseState, Change, Claimed, ClaimedKind, Command,
    Completion, Contact, CurrentSubmission, Digest, DigestItem, Event, Expiring, Form, OpenRequest, Opening,
    Origin, ProjectedRequirement, Projection, Refusal, Reminder, ReminderKind, Reopens, RequirementState,
    RequirementStatus, RuleStatus, Stage, Standing, Statement, StatementError, Status, Submission,
    SubmittedFile, Timeliness, Totals, Verdict,
};
pub use desk::{
    AcceptedSubmission, CaseFile, CaseFilePage, CaseHistory, Chunks, Content, Desk, Examined, Inspection,
    Inspector, IntakeError, MediaTypes, NewFile, NewRequest, NewSubmission, PastEvent, Submitted,
};
pub use template::{
    Attestation, Choice, Condition, Date, Field, FieldKind, FileRule, Key, Language, Mask, MediaType,
    Necessity, Requirement, Rule, Template, TemplateError, TemplateHash, Text, UtcOffset, WordError,
};
