//! The sealed form: a delivery with a manifest among its documents (FORMAT §13.3).

use std::collections::BTreeMap;

use super::{error::BundleFault, manifest::BundleManifest, names};
use crate::{
    CaseId, Delivery, Described, DocumentId, NewDocument, Recipient, Stored, Terms,
    intake::{Desk, IntakeError, desk::TRIES},
};

impl Desk {
    /// Hands a case over to a recipient, whole, sealed and in order: grants it on `terms` and delivers it, with a
    /// manifest that is stored in the case.
    ///
    /// The recipient opens it with [`Identity::open`](crate::Identity::open) and no vault, and
    /// [`unpack_handed_over`](super::unpack_handed_over) checks it and puts it in order. Every document of the case is in it, those
    /// that are for no requirement, too. [`Delivery::grant`] names the grant, to be revoked.
    ///
    /// # Errors
    ///
    /// [`Refusal::Confidential`](crate::intake::Refusal::Confidential) if something may not be read by the desk's
    /// actor; [`IntakeError::Contended`] if the case kept changing; as [`Desk::case`],
    /// [`Session::grant`](crate::Session::grant) and [`Session::deliver`](crate::Session::deliver).
    ///
    /// # Cancellation
    ///
    /// The manifest may be stored, the case granted, and a delivery on record:
    /// [`Session::who_can_open`](crate::Session::who_can_open) tells.
    pub async fn hand_over(
        &self,
        case: CaseId,
        recipient: &Recipient,
        terms: Terms,
    ) -> Result<Delivery, IntakeError> {
        for _ in 0..TRIES {
            let collected = self.collect(case).await?;
            if self.rename_surplus(&collected.stored).await? {
                continue;
            }
            let mut manifest = collected.manifest(self).await?;
            manifest.others = collected.others();
            let stored = self.store_manifest(&collected.stored, &manifest).await?;
            let grant = self.session().grant(case, recipient, terms.clone()).await?;
            let delivery = self.session().deliver(grant).await?;
            // What was there before and is there after is what the delivery holds, and its manifest tells of.
            let mut expected = versions(&collected.stored);
            expected.insert(stored.document, stored.version);
            let unchanged = versions(&self.all_documents(case).await?) == expected
                && self.case(case).await?.seq() == collected.file.seq();
            if unchanged {
                return Ok(delivery);
            }
            self.session().revoke_because(grant, "the case changed while it was handed over").await?;
        }
        Err(IntakeError::Contended)
    }

    /// Gives another name to documents that are called as manifests are, but for the first, which is the same for everybody: two
    /// desks that hand a case over for the first time leave two. Whether there were any.
    async fn rename_surplus(&self, stored: &BTreeMap<DocumentId, Described>) -> Result<bool, IntakeError> {
        let manifests = stored.values().filter(|one| one.name == HANDED_OVER);
        let surplus: Vec<DocumentId> = manifests.skip(1).map(|one| one.document).collect();
        for document in &surplus {
            let new = NewDocument::named(SUPERSEDED).media_type("text/plain");
            let (reason, text) =
                ("a case has one manifest", b"Another document holds the manifest.\n".to_vec());
            self.session().store_version(*document, new, reason, text).await?;
        }
        Ok(!surplus.is_empty())
    }

    /// One document for all manifests of a case, each a version of it.
    async fn store_manifest(
        &self,
        stored: &BTreeMap<DocumentId, Described>,
        manifest: &BundleManifest,
    ) -> Result<Stored, IntakeError> {
        let new = NewDocument::named(HANDED_OVER).media_type("application/json");
        let json = manifest.to_json().into_bytes();
        if json.len() > names::cap(names::MANIFEST) {
            return Err(BundleFault::TOO_LONG.at(names::MANIFEST).into());
        }
        Ok(match stored.values().find(|one| one.name == HANDED_OVER) {
            Some(before) => {
                self.session().store_version(before.document, new, "handed over anew", json).await?
            }
            None => self.session().store(manifest.case, new, json).await?,
        })
    }
}

fn versions(stored: &BTreeMap<DocumentId, Described>) -> BTreeMap<DocumentId, crate::VersionId> {
    stored.iter().map(|(document, described)| (*document, described.version)).collect()
}

/// What the manifest is called among a case's documents; no requirement has a name like it.
pub(super) const HANDED_OVER: &str = "docvault.manifest.json";
/// What a document is called whose name was the manifest's.
const SUPERSEDED: &str = "docvault.manifest.superseded.txt";
