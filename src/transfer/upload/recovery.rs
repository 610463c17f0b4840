//! What an interrupted upload has stored, taken up again or given up.

use super::{PART_USIZE, Upload};
use crate::{
    crypto::{chunked::Rope, digest::PartDigest},
    document::PART_LEN,
    error::Result,
    observe,
    secret::SecretBytes,
    session::Session,
    storage::layout,
    transfer::{
        part::Part,
        token::{Target, UploadToken},
    },
};

impl Upload {
    /// Goes on where the stored, authentic parts of the page at hand end, as a new attempt.
    pub(crate) async fn resume(session: Session, target: Target, token: &UploadToken) -> Result<Self> {
        let mut upload = Self::start(session, target)?;
        upload.pages = token.pages(&upload.target)?;
        upload.recover().await?;
        Ok(upload)
    }

    /// Gives the upload up, for whoever else goes on with it too, and deletes its parts.
    ///
    /// # Errors
    ///
    /// Denied if it was finished or given up already; the storage's: what stays is removed by garbage
    /// collection.
    ///
    /// # Cancellation
    ///
    /// As for an error.
    pub async fn abort(mut self) -> Result<()> {
        observe::operation("Upload::abort", self.subject(), async {
            // What is being stored would come back after its deletion; whether it succeeds is no matter.
            for mut storing in core::mem::take(&mut self.storing) {
                let _ = storing.finish().await;
            }
            self.session.give_up(self.target.head.case, self.target.operation()).await
        })
        .await
    }

    /// Reads back the page's full parts, in a row from the first: each is authentic, or the row ends. It ends, too, where a
    /// page would have more runs than are read.
    ///
    /// If the page was closed already its last parts hold padding, which nothing tells from content that
    /// ends in zeros: what may be padding is sent again.
    async fn recover(&mut self) -> Result<()> {
        let (mut found, mut content) = (Vec::new(), SecretBytes::new(vec![0; PART_USIZE]));
        let mut sha256 = self.page.sha256.clone();
        while let Some(part) = self.stored_part(found.len(), &mut content).await? {
            if let Some(sha256) = &mut sha256 {
                sha256.update(&content);
            }
            found.push((part, sha256.clone()));
        }
        while found.pop_if(|(part, _)| part.ends_in_zero).is_some() {}
        for (StoredPart { attempt, digest, .. }, sha256) in found {
            if !self.page.goes_on_from(attempt) {
                break;
            }
            self.page.digests.push(digest);
            self.page.sha256 = sha256;
            self.page.sealed_by(attempt);
            self.page.len += PART_LEN;
        }
        Ok(())
    }

    /// A full part of the page at hand, by whichever attempt stored it; opened into `content`.
    async fn stored_part(&self, part: usize, content: &mut SecretBytes) -> Result<Option<StoredPart>> {
        let part = u32::try_from(part).unwrap_or(u32::MAX);
        let (case, operation) = (self.target.head.case, self.target.operation());
        let page = u32::try_from(self.pages.len()).unwrap_or(u32::MAX);
        let prefix = layout::of_part(case, operation, layout::part_index(page, part));
        let storage = self.session.vault().ledger().storage();
        for name in storage.list(&prefix, None, LISTED).await? {
            let Some((_, attempt)) = layout::attempt_of_part(&name) else { continue };
            let Some(sealed) = storage.read_in_pieces(&name).await? else { continue };
            let (key, content_context) = (&self.target.key.key, &self.content_context);
            let stored = Part { key, content_context, attempt, page, index: part, inline: false };
            if let Ok(Some(digest)) = stored.open(&Rope::new(&sealed), PART_USIZE, content) {
                return Ok(Some(StoredPart { attempt, digest, ends_in_zero: content.last() == Some(&0) }));
            }
        }
        Ok(None)
    }
}

/// A part that an interrupted upload has stored.
struct StoredPart {
    attempt: [u8; 16],
    digest: PartDigest,
    ends_in_zero: bool,
}

/// Attempts at one part looked at.
const LISTED: usize = 1000;
