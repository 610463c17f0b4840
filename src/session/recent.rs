//! The versions of which a session read ranges last, as opened: the next range of one needs neither its head nor what
//! opens its parts (DESIGN, "Moving content").

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    ids::{CaseId, DocumentId},
    log::row::Row,
    transfer::ContentSource,
};

/// Nothing is released on the word of what is kept: every read is planned on the log as it is then.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<VecDeque<Arc<ContentSource>>>);

impl Recent {
    /// The content of the version that `row` is about, the newest of its document.
    pub(super) fn find(&self, document: DocumentId, row: &Row) -> Option<Arc<ContentSource>> {
        self.kept().iter().find(|source| source.is_of(document, row)).cloned()
    }

    /// Keeps one version of a document, and of as many documents as there is room for.
    pub(super) fn keep(&self, source: Arc<ContentSource>) {
        let mut kept = self.kept();
        kept.retain(|other| other.document() != source.document());
        kept.push_back(source);
        if kept.len() > KEPT {
            kept.pop_front();
        }
    }

    /// Forgets what is kept of a case.
    pub(super) fn forget(&self, case: CaseId) {
        self.kept().retain(|source| source.document().case() != case);
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Arc<ContentSource>>> {
        // No panic can leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Versions kept, with what opens up to 256 of their parts: some 4 MiB each at most.
const KEPT: usize = 4;
