//! What an interrupted upload has stored, taken up again or given up.

use core::future::ready;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{PART_USIZE, Upload};
use crate::{
    crypto::{chunked::Rope, digest::PartDigest},
    document::{PART_LEN, Page},
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
        let counts: Vec<u32> = self.pages.iter().map(Page::parts).collect();
        let parts = (0..).zip(counts).flat_map(|(number, count)| (0..count).map(move |part| (number, part)));
        let found = parts.map(|(number, part)| self.has_part(number, part));
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
    /// If the page was closed already its last parts hold padding: their outlines say of it that it is no content, even
    /// where the content ends in zeros.
    async fn recover(&mut self) -> Result<()> {
        let (mut found, mut content) = (Vec::new(), SecretBytes::new(vec![0; PART_USIZE]));
        let mut sha256 = self.page.sha256.clone();
        while let Some(part) = self.stored_part(found.len(), &mut content).await? {
            if let Some(sha256) = &mut sha256 {
                sha256.update(&content);
            }
            found.push((part, sha256.clone()));
        }
        for (StoredPart { attempt, digest }, sha256) in found {
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
                return Ok(Some(StoredPart { attempt, digest }));
            }
        }
        Ok(None)
    }
}

/// A part that an interrupted upload has stored.
struct StoredPart {
    attempt: [u8; 16],
    digest: PartDigest,
}

const MISSING: &str = "a finished page of this upload is not in this storage, which may be another than it was begun in: \
                       upload the document anew";
/// Attempts at one part looked at.
const LISTED: usize = 1000;

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;
    use crate::{
        Vault,
        document::{NewDocument, Place, RUNS_CAP, Run},
        keys::LocalKey,
        storage::MemoryStorage,
        transfer::upload::OpenPage,
    };

    async fn upload() -> (Session, Upload) {
        let folder = tempfile::tempdir().expect("a folder");
        let key = LocalKey::create(folder.path().join("key")).expect("a new file");
        let vault = Vault::create(MemoryStorage::default(), key).await.expect("a vault");
        let session = vault.session("a").purpose("p").begin().expect("an actor and a purpose");
        let case = session.create_case("c").await.expect("a case");
        let upload = session.upload(case, NewDocument::named("x")).await.expect("announced");
        (session, upload)
    }

    /// In a version of more pages nothing of it could be read.
    #[test]
    fn a_finished_page_that_is_in_no_part_is_missing() {
        block_on(async {
            let (session, mut upload) = upload().await;
            upload.take(b"front").await.expect("taken");
            upload.close_page().await.expect("stored");
            session.resume_upload(&upload.token().expect("a token")).await.expect("it is there");
            upload.pages[0].place = Place::Inline;
            let refused = session.resume_upload(&upload.token().expect("a token")).await;
            assert_eq!(refused.expect_err("in no part").kind(), ErrorKind::Corrupt);
        });
    }

    #[test]
    fn a_page_that_would_have_more_runs_than_are_read_takes_up_no_part_of_another_attempt() {
        block_on(async {
            let (session, mut upload) = upload().await;
            upload.take(&vec![7; PART_USIZE]).await.expect("taken");
            upload.settle(0).await.expect("stored");
            let token = upload.token().expect("a token");
            let mut upload = session.resume_upload(&token).await.expect("it goes on");
            for (runs, taken) in [(RUNS_CAP - 2, PART_LEN), (RUNS_CAP - 1, 0)] {
                let run = Run { attempt: [0; 16], first: 0, parts: 1 };
                upload.page = OpenPage { runs: vec![run; runs], ..OpenPage::default() };
                upload.recover().await.expect("read");
                assert_eq!(upload.page.len, taken, "{runs}");
            }
        });
    }
}
