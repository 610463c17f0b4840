//! A case's life: commands are decided, events folded, and what people look at is computed.

mod apply;
mod claim;
mod command;
mod completion;
mod decide;
mod digest;
mod event;
mod form;
mod projection;
mod refusal;
mod reminder;
mod state;
mod statement;
mod status;
mod submission;
mod words;

pub(super) use claim::opened as opened_claim;
pub use claim::{Claimed, ClaimedKind};
pub use command::{Actor, Audience, Command, Contact, Opening, Verdict};
pub use completion::{Approved, Completion};
pub(super) use decide::{COMMENT_CAP, USES_OF_A_REQUEST};
pub use digest::{Digest, DigestItem};
pub(super) use event::{COMPLETED, OPENED};
pub use event::{Change, Event, Reopens};
pub use form::{Answer, Form};
pub use projection::{ProjectedRequirement, Projection};
pub use refusal::Refusal;
pub use reminder::{Expiring, Reminder, ReminderKind};
pub use state::{Approval, Attested, CaseState, CurrentSubmission, OpenRequest, RequirementState, Stage};
pub use statement::{Statement, StatementError};
pub use status::{RequirementStatus, RuleStatus, Standing, Status, Timeliness, Totals};
pub use submission::{Origin, Submission, SubmittedFile};

#[cfg(test)]
mod tests;

#[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}
