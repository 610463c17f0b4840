//! What has happened to a case, as its pages need it.

use docvault::{
    CaseId, VersionId,
    intake::{Audience, Change, Desk, Key, PastEvent, Submission},
};

use super::failure::Failure;

/// The events of a case, the newest first: its last thousand.
pub(super) struct Past(pub(super) Vec<PastEvent>);

impl Past {
    pub(super) async fn of(desk: &Desk, case: CaseId) -> Result<Self, Failure> {
        Ok(Self(desk.history(case, None).await?.events))
    }

    /// What was handed in as this version.
    pub(super) fn submission(&self, version: VersionId) -> Option<&Submission> {
        self.0.iter().find_map(|past| match &past.event.change {
            Change::Submitted { submission, .. } if submission.version == version => Some(submission),
            _ => None,
        })
    }

    /// What was remarked on a requirement for all to read, the newest first.
    pub(super) fn remarks(&self, key: &Key) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(move |past| match &past.event.change {
            Change::Commented { requirement: Some(on), text, audience: Audience::Everyone, .. }
                if on == key =>
            {
                Some(text.as_str())
            }
            _ => None,
        })
    }
}
