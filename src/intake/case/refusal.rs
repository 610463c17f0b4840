//! Why a command does not happen.

use serde::{Deserialize, Serialize};

use crate::intake::Key;

/// Why a command does not happen: the case is as it was.
///
/// The text names keys of the template and nothing else of the case: it can be logged and shown to anybody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the members are what the text says of them")]
#[non_exhaustive]
pub enum Refusal {
    /// What is there is approved already.
    #[error("`{requirement}` is approved already: reject it or ask for it again to decide anew")]
    AlreadyApproved { requirement: Key },
    /// This person has approved already, and it takes two.
    #[error("`{requirement}` takes two people, and you have approved it: somebody else has to")]
    AlreadyApprovedByYou { requirement: Key },
    /// The case is complete already.
    #[error("the case is complete already")]
    AlreadyComplete,
    /// There is a request of this id.
    #[error("this request has been issued already: use a fresh id")]
    AlreadyIssued,
    /// This deposit was taken or set aside before; nothing is left to do.
    #[error("this deposit has been dealt with already: nothing is left to do")]
    AlreadyTaken,
    /// Only reviewers may open it.
    #[error("`{requirement}` is confidential: only somebody with the role `{role}` may open it")]
    Confidential { requirement: Key, role: Key },
    /// Its last day of validity has passed.
    #[error("the document for `{requirement}` has expired: ask for a valid one")]
    Expired { requirement: Key },
    /// A number of files that was not asked for.
    #[error("`{requirement}` takes {min} to {max} files, not {files}")]
    FileCount { requirement: Key, min: u16, max: u16, files: usize },
    /// A file that is too large.
    #[error("file {file} for `{requirement}` is larger than {max_bytes} bytes, counted from 1")]
    FileTooLarge { requirement: Key, file: usize, max_bytes: u64 },
    /// A file of a media type that is not accepted.
    #[error("file {file} for `{requirement}`, counted from 1, is of a media type that is not accepted")]
    FileType { requirement: Key, file: usize },
    /// A field is not answered as it must be.
    #[error("field `{field}` of `{requirement}` {problem}")]
    Form { requirement: Key, field: Key, problem: String },
    /// What is there was stored past intake, which cannot tell its answers, nor who handed it in.
    #[error(
        "what is there for `{requirement}` was stored past intake, without answers or a submitter: hand it in anew"
    )]
    HandInAnew { requirement: Key },
    /// Something that has happened lies in the future.
    #[error("what was received or issued cannot lie in the future: correct the date")]
    InTheFuture,
    /// Something that is required is not there, not approved or not valid.
    #[error("the case is not complete: {percent} per cent of what is required is approved and valid")]
    Incomplete { percent: u8 },
    /// It is not known when the document was issued.
    #[error("`{requirement}` must be recent: say when the document was issued")]
    IssueDateNeeded { requirement: Key },
    /// The actor lacks a role.
    #[error("this takes the role `{role}` for `{requirement}`")]
    NeedsRole { requirement: Key, role: Key },
    /// The case is not complete, so it cannot be reopened.
    #[error("the case has not been stated to be complete, so there is nothing to reopen")]
    NotComplete,
    /// An origin that a submission cannot have.
    #[error("a submission cannot have this origin: note the newer version instead")]
    NotAnOrigin,
    /// A command that states what a desk alone has stored, found or signed.
    #[error(
        "this is not done by a command, so that nobody states what did not happen: call `Desk::{method}`"
    )]
    NotByHand { method: String },
    /// What was looked at is not what is there.
    #[error("`{requirement}` has another version than the one decided on: look at it, and decide again")]
    NotNewest { requirement: Key },
    /// The request did not ask for this.
    #[error("this request does not ask for `{requirement}`")]
    NotRequested { requirement: Key },
    /// Neither a file nor an answer was handed in.
    #[error("nothing was handed in for `{requirement}`: neither a file nor an answer")]
    NothingHandedIn { requirement: Key },
    /// There is nothing to decide on.
    #[error("nothing is there for `{requirement}` to be decided on")]
    NothingThere { requirement: Key },
    /// Two people approve the same dates: the second says those that stand, or they would be one person's.
    #[error(
        "`{requirement}` was approved with other dates: look at them, and approve it with those, or reject it"
    )]
    OtherDates { requirement: Key },
    /// The document is another's, or the requirement has another.
    #[error("`{requirement}` has a document of its own: store what is handed in as its next version")]
    OtherDocument { requirement: Key },
    /// The case was opened with another template.
    #[error("the case was opened with another template, or another version of it: load that one")]
    OtherTemplate,
    /// It takes two people, and neither may be who handed it in.
    #[error("`{requirement}` takes two people, and you have handed it in: somebody else has to approve")]
    OwnSubmission { requirement: Key },
    /// There is no open request of this id.
    #[error("there is no open request of this id")]
    RequestClosed,
    /// It came after the request had expired.
    #[error("the request had expired: issue another")]
    RequestExpired,
    /// As many deposits as it takes were taken.
    #[error("the request has been used as often as it may: issue another")]
    RequestUsedUp,
    /// What is there is the same.
    #[error("`{requirement}` has this very content already")]
    SameContent { requirement: Key },
    /// The document was too old when it was received.
    #[error("the document for `{requirement}` was issued more than {months} months before it was received")]
    Stale { requirement: Key, months: u32 },
    /// A text that is empty, too long, or has control characters.
    #[error("the {what} must have 1 to {most} bytes and no control characters")]
    Text { what: String, most: usize },
    /// The case's statement would not fit.
    #[error("the case would hold more than a statement takes: close requests that are done, shorten texts")]
    TooLarge,
    /// More than is kept.
    #[error("at most {most} {what} are kept: remove one first")]
    TooMany { what: String, most: usize },
    /// More deposits than a request takes over all its requirements.
    #[error(
        "{uses} deposits for each of {requirements} requirements are more than the {most} that a request takes: ask for fewer, or issue several requests"
    )]
    TooManyUses { uses: u16, requirements: usize, most: usize },
    /// The case has no such contact.
    #[error("the case has no such contact")]
    UnknownContact,
    /// The form has an answer that was not asked for.
    #[error("the form for `{requirement}` answers a field that it does not have")]
    UnknownField { requirement: Key },
    /// The template has no such requirement.
    #[error("the template has no such requirement")]
    UnknownRequirement,
    /// It is not known until when the document is valid.
    #[error("`{requirement}` expires: say until when the document is valid")]
    ValidUntilNeeded { requirement: Key },
}

impl Refusal {
    /// Whether a deposit is refused for its request, and not for what it is: such a one is not set aside either.
    pub(in crate::intake) const fn is_about_the_request(&self) -> bool {
        matches!(
            self,
            Self::AlreadyTaken
                | Self::NotRequested { .. }
                | Self::RequestClosed
                | Self::RequestExpired
                | Self::RequestUsedUp
        )
    }
}
