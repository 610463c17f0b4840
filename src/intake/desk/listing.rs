//! Many cases at a glance, and the past of one.

use std::collections::BTreeSet;

use super::{CaseFile, Desk, IntakeError, Result, TOPICS, own};
use crate::{
    CaseId, ErrorKind, Timestamp,
    intake::{Change, Event, Form},
};

/// A page of case files.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CaseFilePage {
    /// The case files among up to 1,000 cases, by id.
    pub files: Vec<CaseFile>,
    /// Those of them whose newest statement cannot be read here, and that are not among the files: another version of
    /// this crate wrote it, or no desk did. [`Desk::case`] gives the error.
    pub unreadable: Vec<CaseId>,
    /// Where the next page begins; none after the last.
    pub next: Option<CaseId>,
}

/// A page of a case's past, the newest first.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CaseHistory {
    /// Up to 1,000 events.
    pub events: Vec<PastEvent>,
    /// Where the next page begins; none after the last.
    pub next: Option<u64>,
}

/// Something that has happened to a case.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PastEvent {
    /// The record's number.
    pub seq: u64,
    /// The record's time.
    pub time: Timestamp,
    /// What happened, to what, and by whom.
    pub event: Event,
}

impl Desk {
    /// A page of all case files, from the one at `start` on; one record for all of them.
    ///
    /// For each it reads the case's key and one statement, and looks its documents up in the vault's index. A requirement whose
    /// document was changed outside intake is shown as to be reviewed; [`Desk::case`] puts that on record. Erased cases are left
    /// out, also those that are erased meanwhile.
    ///
    /// # Errors
    ///
    /// As [`Desk::case`].
    ///
    /// # Cancellation
    ///
    /// The record may stand; nothing was released.
    pub async fn cases(&self, start: Option<CaseId>) -> Result<CaseFilePage> {
        let page = self.session.newest_statements(start).await?;
        let (mut files, mut unreadable) = (Vec::with_capacity(page.statements.len()), Vec::new());
        for newest in page.statements {
            let case = newest.case;
            match unless_erased(self.shown(newest).await) {
                Err(IntakeError::Statement(_)) => unreadable.push(case),
                shown => files.extend(shown?.flatten()),
            }
        }
        self.show_overtaken(&mut files).await?;
        Ok(CaseFilePage { files, unreadable, next: page.next })
    }

    /// The case file that a case's newest statement is about, or stands behind.
    async fn shown(&self, newest: crate::Statement) -> Result<Option<CaseFile>> {
        let follows = newest.made.id;
        let Some(found) = self.latest_of_intake(newest).await? else { return Ok(None) };
        self.file_of(&found, follows).await.map(Some)
    }

    /// The events of a case, from record `start` on downwards.
    ///
    /// Of a requirement that the actor may not open, they have neither the forms' answers nor the comments: a form is
    /// part of what is confidential, and a client's remark comes with it.
    ///
    /// # Errors
    ///
    /// As [`Desk::case`].
    ///
    /// # Cancellation
    ///
    /// The record may stand; nothing was released.
    pub async fn history(&self, case: CaseId, start: Option<u64>) -> Result<CaseHistory> {
        // Read after the events: what has become confidential since then is not shown either.
        let (past, next) = self.past(case, start).await?;
        let file = self.load(case).await?;
        let event = |(stated, mut event): (crate::Statement, Event)| {
            self.close(&file, &mut event);
            PastEvent { seq: stated.made.seq, time: stated.made.time, event }
        };
        Ok(CaseHistory { events: past.into_iter().map(event).collect(), next })
    }

    /// Takes out of an event what the actor may not open.
    fn close(&self, file: &CaseFile, event: &mut Event) {
        let opens = |key| file.state.may_open(&file.template, key, &self.actor).is_ok();
        if event.change.requirement().is_none_or(opens) {
            return;
        }
        match &mut event.change {
            Change::Submitted { submission, .. } => submission.form = Form::new(),
            Change::Commented { text, .. } => text.clear(),
            _ => {}
        }
    }

    /// A page of the statements of a case's events, the newest first, and where the next page begins.
    pub(in crate::intake) async fn past(
        &self,
        case: CaseId,
        start: Option<u64>,
    ) -> Result<(Vec<(crate::Statement, Event)>, Option<u64>)> {
        let page = self.session.statements(case, start).await?;
        let of_intake = page.statements.into_iter().filter(|stated| stated.topic.starts_with(TOPICS));
        let past = of_intake.map(|stated| {
            let event = own(&stated)?.event;
            Ok((stated, event))
        });
        Ok((past.collect::<Result<_>>()?, page.next))
    }

    /// What `of` makes of the newest event of which it makes anything.
    pub(super) async fn find_past<T>(
        &self,
        case: CaseId,
        of: impl Fn(&crate::Statement, &Event) -> Option<T> + Send,
    ) -> Result<Option<T>> {
        let mut start = None;
        loop {
            let (past, next) = self.past(case, start).await?;
            let found = past.iter().find_map(|(stated, event)| of(stated, event));
            if found.is_some() || next.is_none() {
                return Ok(found);
            }
            start = next;
        }
    }

    /// Applies, in memory, what taking note of changed documents would do.
    async fn show_overtaken(&self, files: &mut Vec<CaseFile>) -> Result<()> {
        let mut erased = BTreeSet::new();
        for (at, requirement, document) in self.overtaken_in(files).await? {
            match (unless_erased(self.newer(requirement, document).await)?, files.get_mut(at)) {
                (Some(command), Some(file)) => file.state = self.decided(file, command)?.state,
                _ => drop(erased.insert(document.case())),
            }
        }
        files.retain(|file| !erased.contains(&file.case));
        Ok(())
    }
}

/// None for what was erased after it was listed.
fn unless_erased<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Err(IntakeError::Vault(error)) if error.kind() == ErrorKind::Erased => Ok(None),
        read => read.map(Some),
    }
}
