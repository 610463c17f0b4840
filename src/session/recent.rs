//! The versions of which a session read ranges last, as opened: the next range of one needs not its head, nor what opens
//! the same part (DESIGN, "Moving content").

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
};

use crate::{
    ids::{CaseId, DocumentId},
    log::row::Row,
    secret::Holder,
    transfer::ContentSource,
    vault::Vault,
};

/// Nothing is released on the word of what is kept: every read is planned on the log as it is then.
#[derive(Debug, Default)]
pub(super) struct Recent {
    kept: Mutex<VecDeque<Arc<ContentSource>>>,
    /// Set once the vault tells of erasures.
    told: OnceLock<()>,
}

impl Recent {
    /// The content of the version that `row` is about, the newest of its document.
    pub(super) fn find(&self, document: DocumentId, row: &Row) -> Option<Arc<ContentSource>> {
        self.kept().iter().find(|source| source.head().is_of(document, row)).cloned()
    }

    /// Keeps one version of a document, and of as many documents as there is room for, until `vault` finds their case
    /// erased.
    pub(super) fn keep(self: &Arc<Self>, vault: &Vault, source: Arc<ContentSource>) {
        self.told.get_or_init(|| {
            let told: Weak<Self> = Arc::downgrade(self);
            vault.tell_of_erasures(told);
        });
        let mut kept = self.kept();
        kept.retain(|other| other.document() != source.document());
        kept.push_back(source);
        if kept.len() > KEPT {
            kept.pop_front();
        }
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Arc<ContentSource>>> {
        // No panic can leave it half changed.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holder for Recent {
    fn forget(&self, case: CaseId) {
        self.kept().retain(|source| source.document().case() != case);
    }
}

/// Versions kept: their heads, and what opens up to 256 of their parts, some 6 MiB each at most.
const KEPT: usize = 4;

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;
    use crate::{document::NewDocument, keys::LocalKey, storage::MemoryStorage};

    #[test]
    fn what_is_kept_of_an_erased_case_is_forgotten_by_every_session() {
        block_on(async {
            let folder = tempfile::tempdir().expect("a folder");
            let key = LocalKey::create(folder.path().join("key")).expect("a new file");
            let vault = Vault::create(MemoryStorage::default(), key).await.expect("a vault");
            let session = || vault.session("a").purpose("p").begin().expect("an actor and a purpose");
            let (one, other) = (session(), session());
            let mut documents = Vec::new();
            for title in ["stays", "goes"] {
                let case = one.create_case(title).await.expect("a case");
                let stored =
                    one.store(case, NewDocument::named("x"), vec![1; 300_000]).await.expect("stored");
                documents.push(stored.document);
            }
            for document in &documents {
                assert_eq!(one.retrieve_range(*document, 5..8).await.expect("a range"), [1; 3].as_slice());
                assert_eq!(
                    other.clone().retrieve_range(*document, 0..1).await.expect("a range"),
                    [1].as_slice()
                );
            }
            assert_eq!((one.recent.kept().len(), other.recent.kept().len()), (2, 2));
            other.close_case(documents[1].case(), "done").await.expect("closed");
            other.erase_case(documents[1].case()).await.expect("erased");
            for session in [one, other] {
                let kept: Vec<_> = session.recent.kept().iter().map(|source| source.document()).collect();
                assert_eq!(kept, [documents[0]]);
            }
        });
    }
}
