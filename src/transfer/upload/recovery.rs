//! What an interrupted upload has stored, taken up again or given up.

use core::future::ready;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{PART_USIZE, Upload};
use crate::{
    crypto::{chunked::Rope, digest::PartDigest},
    document::PART_LEN,
    error::{Error, ErrorKind, Result},
    observe,
    secret::SecretBytes,
    session::Session,
    storage::layout,
    transfer::{
        checked::{PROBED, has_len},
        part::Part,
        range::stored_len,
        token::{Target, UploadToken},
    },
};

impl Upload {
    /// Goes on where the stored, authentic parts of the page at hand end, as a new attempt.
    pub(crate) async fn resume(session: Session, target: Target, token: &UploadToken) -> Result<Self> {
        let mut upload = Self::start(session, target)?;
        upload.pages = token.pages(&upload.target)?;
        upload.find_finished().await?;
        upload.recover().await?;
        Ok(upload)
    }

    /// Sees that the finished pages are there, or the version would be acknowledged without them: since they were stored the
    /// vault may have moved, or been brought back, and no copy has parts that no record names.
    async fn find_finished(&self) -> Result<()> {
        let mut parts: Vec<(u32, u32)> = Vec::new();
        for (number, page) in (0..).zip(&self.pages) {
            parts.extend((0..page.parts()).map(|part| (number, part)));
        }
        let found = parts.into_iter().map(|(number, part)| self.has_part(number, part));
        match stream::iter(found).buffered(PROBED).try_all(ready).await {
            Ok(true) => Ok(()),
            Ok(false) => {
                let (vault, missing) = (self.session.vault(), Error::new(ErrorKind::Corrupt, MISSING));
                match vault.unless_erased(self.target.head.case, missing).await {
                    missing if missing.kind() == ErrorKind::Corrupt => {
                        Err(vault.unless_given_up(self.target.operation(), missing).await)
                    }
                    erased => Err(erased),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a part of a finished page is there, with its length.
    async fn has_part(&self, number: u32, part: u32) -> Result<bool> {
        let (case, operation) = (self.target.head.case, self.target.operation());
        let page = usize::try_from(number).ok().and_then(|number| self.pages.get(number));
        let stored = page.and_then(|page| Some((page.attempt(part)?, stored_len(page.part_len(part))?)));
        let Some((attempt, len)) = stored else { return Ok(false) };
        let name = layout::part(case, operation, &attempt, layout::part_index(number, part));
        Ok(has_len(self.session.vault().ledger().storage(), &name, len).await? == Some(true))
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

const MISSING: &str = "a finished page of this upload is not in this storage, which may be another than it was begun in: \
                       upload the document anew";
/// Attempts at one part looked at.
const LISTED: usize = 1000;
