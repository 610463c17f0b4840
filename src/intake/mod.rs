//! Case files: from a template of requirements to a complete case.
//!
//! A [`Template`] says which documents and answers a case needs. A [`CaseState`] says how far one case
//! has come: it is the fold of its [`Event`]s, and changes only by a [`Command`] that
//! [`CaseState::decide`] allows. What people look at is computed from it for an instant: [`Status`],
//! [`Projection`], [`Digest`], [`Reminder`].
//!
//! Everything here is pure: no storage, no clock, no network. `docs/INTAKE.md` explains templates,
//! states and rules; FORMAT §12 has every field of what is stored.

mod case;
mod template;

pub use case::{
    Actor, Answer, Approval, Approved, Attested, Audience, CaseState, Change, Command, Completion, Contact,
    CurrentSubmission, Digest, DigestItem, Event, Expiring, Form, OpenRequest, Opening, Origin,
    ProjectedRequirement, Projection, Refusal, Reminder, ReminderKind, Reopens, RequirementState,
    RequirementStatus, RuleStatus, Stage, Standing, Statement, StatementError, Status, Submission,
    SubmittedFile, Timeliness, Totals, Verdict,
};
pub use template::{
    Attestation, Choice, Condition, Date, Field, FieldKind, FileRule, Key, Language, Mask, MediaType,
    Necessity, Requirement, Rule, Template, TemplateError, TemplateHash, Text, UtcOffset, WordError,
};
