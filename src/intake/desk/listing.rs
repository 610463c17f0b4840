//! Many cases at a glance, and the past of one.

use super::{CaseFile, Desk, Result, TOPICS};
use crate::{
    CaseId, DocumentId, Timestamp,
    intake::{Event, Statement},
};

/// A page of case files.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CaseFilePage {
    /// The case files among up to 1,000 cases, by id.
    pub files: Vec<CaseFile>,
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
    /// document was changed outside intake is shown as to be reviewed; [`Desk::case`] puts that on record.
    ///
    /// # Errors
    ///
    /// As [`Desk::case`].
    pub async fn cases(&self, start: Option<CaseId>) -> Result<CaseFilePage> {
        let page = self.session.newest_statements(start).await?;
        let mut files = Vec::with_capacity(page.statements.len());
        for newest in page.statements {
            let follows = newest.made.id;
            if let Some(found) = self.latest_of_intake(newest).await? {
                files.push(self.file_of(&found, follows).await?);
            }
        }
        self.show_overtaken(&mut files).await?;
        Ok(CaseFilePage { files, next: page.next })
    }

    /// The events of a case, from record `start` on downwards.
    ///
    /// # Errors
    ///
    /// As [`Desk::case`].
    pub async fn history(&self, case: CaseId, start: Option<u64>) -> Result<CaseHistory> {
        let page = self.session.statements(case, start).await?;
        let of_intake = page.statements.iter().filter(|stated| stated.topic.starts_with(TOPICS));
        let past = of_intake.map(|stated| {
            let event = Statement::parse(&stated.payload)?.event;
            Ok(PastEvent { seq: stated.made.seq, time: stated.made.time, event })
        });
        Ok(CaseHistory { events: past.collect::<Result<_>>()?, next: page.next })
    }

    /// Applies, in memory, what taking note of changed documents would do.
    async fn show_overtaken(&self, files: &mut [CaseFile]) -> Result<()> {
        let current: Vec<_> = (0..)
            .zip(&*files)
            .flat_map(|(at, file): (usize, _)| file.current().into_iter().map(move |current| (at, current)))
            .collect();
        let documents: Vec<DocumentId> = current.iter().map(|(_, (_, document, _))| *document).collect();
        let newest = self.session.newest_versions(&documents).await?;
        for ((at, (requirement, document, version)), newest) in current.into_iter().zip(newest) {
            let Some(file) = files.get_mut(at).filter(|_| newest.is_some_and(|newest| newest != version))
            else {
                continue;
            };
            let command = self.newer(requirement, document).await?;
            let now = self.session.vault().now();
            let event = file.state.decide(&file.template, command, now, &self.actor)?;
            file.state.apply(&file.template, &event);
        }
        Ok(())
    }
}
