//! Handing in.

use super::{Decision, ID_CAP, text};
use crate::{
    ContentDigest, Timestamp, VersionId,
    intake::{
        Date, Key, Requirement,
        case::{
            event::Change,
            refusal::Refusal,
            state::Stage,
            submission::{Origin, Submission, SubmittedFile},
        },
    },
};

impl Decision<'_> {
    pub(super) fn submit(&self, requirement: Key, submission: Submission) -> Result<Change, Refusal> {
        let rule = self.rule(&requirement)?;
        self.check_origin(&requirement, &submission.origin)?;
        check_files(rule, &submission.files)?;
        submission.form.check(rule)?;
        if submission.files.is_empty() && submission.form.is_empty() {
            return Err(Refusal::NothingHandedIn { requirement });
        }
        self.check_document(&requirement, &submission)?;
        let received = self.received(&submission.origin);
        if let Some(issued) = submission.issued {
            self.check_issued(rule, issued, received)?;
        }
        if submission.valid_until.is_some_and(|last| last < self.day(received)) {
            return Err(Refusal::Expired { requirement });
        }
        Ok(Change::Submitted { requirement, submission })
    }

    /// A version that was stored outside intake is what is there, and is to be reviewed.
    pub(super) fn see_newer_version(
        &self,
        requirement: Key,
        version: VersionId,
        digest: ContentDigest,
    ) -> Result<Change, Refusal> {
        self.rule(&requirement)?;
        match self.state.requirements.get(&requirement).map(|state| (state.document, &state.current)) {
            None | Some((None, _)) => Err(Refusal::NothingThere { requirement }),
            Some((_, Some(current))) if current.version == version => {
                Err(Refusal::SameContent { requirement })
            }
            Some(_) => Ok(Change::NewerVersionSeen { requirement, version, digest }),
        }
    }

    /// When it was received; a carrier whose clock is ahead did not receive it in the future.
    pub(super) fn received(&self, origin: &Origin) -> Timestamp {
        origin.received_at().unwrap_or(self.now).min(self.now)
    }

    fn check_origin(&self, requirement: &Key, origin: &Origin) -> Result<(), Refusal> {
        match origin {
            Origin::Deposit { .. } => self.check_deposit(requirement, origin),
            Origin::Direct => Ok(()),
            Origin::External { received_at, by, .. } => {
                text("receiver", by, ID_CAP)?;
                if *received_at > self.now { Err(Refusal::InTheFuture) } else { Ok(()) }
            }
            Origin::OnBehalf { of } => {
                let known =
                    *of == self.state.client || self.state.contacts.iter().any(|c| c.id == *of.as_str());
                if known { Ok(()) } else { Err(Refusal::UnknownContact) }
            }
            Origin::Vault => Err(Refusal::NotAnOrigin),
        }
    }

    /// A requirement has one document, a document one requirement, and a version is taken once.
    fn check_document(&self, requirement: &Key, new: &Submission) -> Result<(), Refusal> {
        let elsewhere =
            |(key, state): (&Key, &_)| key != requirement && document(state) == Some(new.document);
        let state = self.state.requirements.get(requirement);
        let differs = state.and_then(document).is_some_and(|document| document != new.document);
        if differs || self.state.requirements.iter().any(elsewhere) {
            return Err(Refusal::OtherDocument { requirement: requirement.clone() });
        }
        let Some((stage, current)) = state.and_then(|state| Some((state.stage, state.current.as_ref()?)))
        else {
            return Ok(());
        };
        // What was stored past intake may be handed in, just as it is: with that it has a submitter and answers.
        let repeats = stage != Stage::Rejected && current.origin != Origin::Vault;
        let same = current.version == new.version || (repeats && current.digest == new.digest);
        if same { Err(Refusal::SameContent { requirement: requirement.clone() }) } else { Ok(()) }
    }

    /// How old a document may be is counted on the day it was received: a slow review ages nothing.
    pub(super) fn check_issued(
        &self,
        rule: &Requirement,
        issued: Date,
        received: Timestamp,
    ) -> Result<(), Refusal> {
        let day = self.day(received);
        if issued > day {
            return Err(Refusal::InTheFuture);
        }
        match rule.issued_within_months() {
            Some(months) if issued.plus_months(months) < day => {
                Err(Refusal::Stale { requirement: rule.key().clone(), months })
            }
            _ => Ok(()),
        }
    }
}

fn document(state: &crate::intake::RequirementState) -> Option<crate::DocumentId> {
    state.document
}

fn check_files(rule: &Requirement, files: &[SubmittedFile]) -> Result<(), Refusal> {
    let requirement = || rule.key().clone();
    let (min, max) = rule.files().map_or((0, 0), |files| (files.min(), files.max()));
    if files.len() < usize::from(min) || files.len() > usize::from(max) {
        return Err(Refusal::FileCount { requirement: requirement(), min, max, files: files.len() });
    }
    let Some(accepted) = rule.files() else { return Ok(()) };
    for (i, file) in files.iter().enumerate() {
        if !accepted.accepts(&file.media_type) {
            return Err(Refusal::FileType { requirement: requirement(), file: i + 1 });
        }
        if file.bytes > accepted.max_bytes() {
            let max_bytes = accepted.max_bytes();
            return Err(Refusal::FileTooLarge { requirement: requirement(), file: i + 1, max_bytes });
        }
    }
    Ok(())
}
