//! Heads as the log names them: found by a row, opened by the case key, checked against the effect.

use core::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{BoxFuture, join};

use super::{Looked, Vault};
use crate::{
    crypto::chunked::OpenError,
    document::{CaseMeta, Place, SealedPage, VersionMeta},
    error::{Error, ErrorKind, Result},
    grant::GrantMeta,
    head::{self, HeadId, HeadKey, HeadType, ParsedHead},
    ids::{CaseId, DocumentId, GrantId, OperationId},
    log::{
        Hash,
        leaf::Kind,
        row::{Row, RowKey},
    },
    plan, policy,
    recipient::recipient_id,
    secret::{Secret, SecretBytes},
    storage::{Storage, layout},
    wire::Malformed,
};

/// An opened version: its key, its metadata, and content kept inline.
pub(crate) struct VersionHead {
    pub(crate) id: HeadId,
    pub(crate) key: HeadKey,
    pub(crate) meta: VersionMeta,
    pub(crate) sealed_meta: Bytes,
    /// SHA-256 of the head up to the end of the metadata.
    pub(crate) digest: Hash,
    /// Empty also if it is to be read when it is needed ([`VersionHead::without_inline`]).
    pub(crate) inline: Bytes,
}

impl VersionHead {
    /// The same without the content kept inline, and without the buffer that it came in.
    pub(crate) fn without_inline(mut self) -> Self {
        self.sealed_meta = Bytes::copy_from_slice(&self.sealed_meta);
        self.inline = Bytes::new();
        self
    }

    /// Whether it is the version that `row` is about, and the very head that the row's record committed to.
    pub(crate) fn is_of(&self, document: DocumentId, row: &Row) -> bool {
        let HeadId { case, object, operation, .. } = self.id;
        (case, object, operation) == (document.case(), *document.own(), row.operation)
            && self.effect() == row.effect
    }

    /// What its record says of it.
    fn effect(&self) -> Hash {
        head::effect(&self.meta.blind, &self.digest, self.meta.content_digest.as_bytes())
    }
}

/// An opened grant.
pub(crate) struct GrantHead {
    pub(crate) id: HeadId,
    pub(crate) meta: GrantMeta,
}

/// How much of a head to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What metadata usually takes.
    Start,
    /// All of it, inline content too.
    Whole,
}

impl Vault {
    pub(crate) fn head_id(
        &self,
        case: CaseId,
        object: [u8; 16],
        operation: OperationId,
        of: HeadType,
    ) -> HeadId {
        HeadId { vault: self.id(), case, object, operation, of }
    }

    /// Opens the version that `row` is about.
    ///
    /// # Errors
    ///
    /// Corrupt unless the head is the very one that the row's record committed to.
    pub(crate) async fn version_head(
        &self,
        document: DocumentId,
        row: &Row,
        extent: Extent,
    ) -> Result<VersionHead> {
        let id = self.head_id(document.case(), *document.own(), row.operation, HeadType::Version);
        version_of(self.open_head(id, extent).await?, &row.effect)
    }

    /// Opens a head of any type, and checks that it is the one whose record has this effect commitment.
    ///
    /// # Errors
    ///
    /// As [`Vault::version_head`].
    pub(crate) async fn checked_head(
        &self,
        id: HeadId,
        effect: &Hash,
        extent: Extent,
    ) -> Result<CheckedHead> {
        checked(self.open_head(id, extent).await?, effect)
    }

    /// A head as `storage` has it, another than the vault's, or nothing. What it holds of content is not opened.
    ///
    /// # Errors
    ///
    /// As [`Vault::case_key`]; the storage's. Within: corrupt unless it is the one whose record has this effect commitment.
    pub(crate) async fn head_in(
        &self,
        storage: &dyn Storage,
        id: HeadId,
        effect: &Hash,
    ) -> Result<Option<Result<CheckedHead>>> {
        let Some(found) = storage.read(&layout::head(id.case, id.operation), None).await? else {
            return Ok(None);
        };
        let case_key = self.case_key(id.case).await?;
        let parsed = parse(id, Some(found)).and_then(|parsed| parsed.map_err(|_| missing(id)));
        let head =
            parsed.and_then(|parsed| opened(parsed, &case_key)).and_then(|opened| checked(opened, effect));
        Ok(Some(head))
    }

    /// Opens the metadata of the case that `row` is about.
    ///
    /// # Errors
    ///
    /// As [`Vault::version_head`].
    pub(crate) async fn case_meta(&self, case: CaseId, row: &Row) -> Result<CaseMeta> {
        let id = self.head_id(case, [0; 16], plan::case_head(row), HeadType::Case);
        let (parsed, _, bytes) = self.open_head(id, Extent::Start).await?;
        case_meta_of(&parsed, &bytes, &row.effect)
    }

    /// Whether `key` is the one that a case, whose row is looked up if it is not given, was opened with: it opens the head.
    ///
    /// # Errors
    ///
    /// Corrupt if it is not, or the head is missing; the storage's.
    pub(super) async fn proves_case_key(
        &self,
        case: CaseId,
        row: Option<Row>,
        key: &Secret<32>,
    ) -> Result<()> {
        let row = if row.is_some() { row } else { self.fresh_row(&RowKey::case(case)).await? };
        let row = row.ok_or_else(|| Error::corrupt(format!("the record of case {case}")))?;
        let id = self.head_id(case, [0; 16], plan::case_head(&row), HeadType::Case);
        let parsed = self.parsed_head(id, Some(0..START)).await?;
        let (_, meta) = parsed.open(key).map_err(|OpenError| missing(id))?;
        case_meta_of(&parsed, &meta, &row.effect).map(drop)
    }

    /// Whether it was `operation` that made `case`, which the log does not know: its head opens as the case's, by a key
    /// that the storage shows for it.
    ///
    /// # Errors
    ///
    /// The storage's.
    pub(crate) async fn made_case(&self, case: CaseId, operation: OperationId) -> Result<bool> {
        let id = self.head_id(case, [0; 16], operation, HeadType::Case);
        let parsed = match self.parsed_head(id, Some(0..START)).await {
            Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(false),
            parsed => parsed?,
        };
        let keys = self.wrapped_keys(case, &*self.current_keyring().await?).await?;
        Ok(keys.iter().any(|key| parsed.open(key).is_ok()))
    }

    /// Opens the grant that `row` is about.
    ///
    /// # Errors
    ///
    /// As [`Vault::version_head`]; corrupt if it is to somebody else than its record says.
    pub(crate) async fn grant_head(&self, grant: GrantId, row: &Row) -> Result<GrantHead> {
        let scope = grant.scope();
        let id = self.head_id(scope.case(), scope.object(), grant.operation(), HeadType::Grant);
        let (parsed, _, bytes) = self.open_head(id, Extent::Start).await?;
        let meta = GrantMeta::parse(&bytes).map_err(|Malformed| missing(id))?;
        check_effect(&parsed, &meta.blind, &[0; 32], &row.effect)?;
        // The row of a revocation names the grant there.
        let to_another = row.kind == Kind::Granted && row.auxiliary != recipient_id(&meta.recipient);
        if to_another { Err(missing(id)) } else { Ok(GrantHead { id, meta }) }
    }

    /// Seals a head and stores it; gives its effect commitment.
    ///
    /// # Errors
    ///
    /// The storage's, or no randomness.
    pub(crate) async fn put_head(&self, new: NewHead<'_>) -> Result<[u8; 32]> {
        let NewHead { id, key, case_key, meta, inline, blind, content_digest } = new;
        let sealed = head::seal(&id, key, case_key, meta, inline, self.ledger().entropy())?;
        let name = layout::head(id.case, id.operation);
        // Whether the head's record may be committed is seen when that is planned.
        join(self.ledger().put(&name, sealed.bytes), self.ledger().prove()).await.0?;
        Ok(head::effect(blind, &sealed.digest, content_digest))
    }

    /// [`Vault::put_head`] for a version. If an earlier run of its upload was interrupted between its
    /// head and its record, that head stands in the way, and stands for this one if it says the same.
    ///
    /// # Errors
    ///
    /// As [`Vault::put_head`]; denied if the head in the way says something else.
    pub(crate) async fn put_version_head(&self, new: NewHead<'_>, meta: &VersionMeta) -> Result<[u8; 32]> {
        let id = new.id;
        match self.put_head(new).await {
            Err(error) if error.kind() == ErrorKind::Corrupt => {}
            put => return put,
        }
        let (parsed, _, bytes) = match self.open_head(id, Extent::Start).await {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                return Err(self.unless_given_up(id.operation, error).await);
            }
            opened => opened?,
        };
        let earlier = VersionMeta::parse(&bytes).map_err(|Malformed| missing(id))?;
        if say_the_same(&earlier, meta) {
            return Ok(head::effect(&earlier.blind, &parsed.digest, earlier.content_digest.as_bytes()));
        }
        Err(Error::denied(
            "an earlier run of this upload was interrupted while it finished with other content: \
             start a new upload",
        ))
    }

    /// `error`, or that the operation was given up, if its head is missing for that reason.
    pub(crate) async fn unless_given_up(&self, operation: OperationId, error: Error) -> Error {
        let newest = async {
            self.ledger().sync().await?;
            self.fresh_row(&RowKey::operation(operation)).await
        };
        match newest.await {
            Ok(row) => policy::may_commit(operation, row.as_ref()).err().unwrap_or(error),
            Err(failure) if failure.kind() == ErrorKind::Storage => failure,
            Err(_) => error,
        }
    }

    fn open_head(
        &self,
        id: HeadId,
        extent: Extent,
    ) -> BoxFuture<'_, Result<(ParsedHead, HeadKey, SecretBytes)>> {
        Box::pin(async move {
            let looked = Looked::at(self.now());
            match self.read_head(id, extent).await {
                Err(error) => Err(self.unless_erased(id.case, error).await),
                Ok(opened) => self.still_stands(id.case, &looked).await.map(|()| opened),
            }
        })
    }

    async fn read_head(&self, id: HeadId, extent: Extent) -> Result<(ParsedHead, HeadKey, SecretBytes)> {
        let range = (extent == Extent::Start).then_some(0..START);
        let (case_key, parsed) = join(self.case_key(id.case), self.parsed_head(id, range)).await;
        let (case_key, parsed): (Arc<Secret<32>>, _) = (case_key?, parsed?);
        opened(parsed, &case_key)
    }

    /// A head, of which `range` is read, and more if its metadata is longer.
    async fn parsed_head(&self, id: HeadId, range: Option<Range<u64>>) -> Result<ParsedHead> {
        let (storage, name) = (self.ledger().storage(), layout::head(id.case, id.operation));
        let mut parsed = parse(id, storage.read(&name, range).await?)?;
        if let Err(needed) = parsed {
            // And a byte that must not be, unless content is behind.
            parsed = parse(id, storage.read(&name, Some(0..needed.0.saturating_add(1))).await?)?;
        }
        parsed.map_err(|_| missing(id))
    }
}

fn opened(parsed: ParsedHead, case_key: &Secret<32>) -> Result<(ParsedHead, HeadKey, SecretBytes)> {
    let (key, meta) = parsed.open(case_key).map_err(|OpenError| missing(parsed.id))?;
    Ok((parsed, key, meta))
}

/// A head as read, or how much of it has to be.
fn parse(id: HeadId, read: Option<Bytes>) -> Result<core::result::Result<ParsedHead, head::Short>> {
    ParsedHead::parse(id, &read.ok_or_else(|| missing(id))?).map_err(|Malformed| missing(id))
}

/// A head about to be stored.
pub(crate) struct NewHead<'a> {
    pub(crate) id: HeadId,
    pub(crate) key: &'a HeadKey,
    pub(crate) case_key: &'a Secret<32>,
    pub(crate) meta: &'a [u8],
    pub(crate) inline: &'a [&'a [u8]],
    pub(crate) blind: &'a [u8; 32],
    pub(crate) content_digest: &'a [u8; 32],
}

/// A head as stored, and the version it describes if it is a version's.
pub(crate) struct CheckedHead {
    pub(crate) stored: Bytes,
    pub(crate) version: Option<VersionHead>,
}

fn checked(opened: (ParsedHead, HeadKey, SecretBytes), effect: &Hash) -> Result<CheckedHead> {
    let (parsed, _, meta) = &opened;
    let (id, stored) = (parsed.id, parsed.stored.clone());
    let version = match id.of {
        HeadType::Case => {
            case_meta_of(parsed, meta, effect)?;
            None
        }
        HeadType::Grant => {
            let meta = GrantMeta::parse(meta).map_err(|Malformed| missing(id))?;
            check_effect(parsed, &meta.blind, &[0; 32], effect)?;
            None
        }
        HeadType::Version => Some(version_of(opened, effect)?),
    };
    Ok(CheckedHead { stored, version })
}

fn version_of(
    (parsed, key, bytes): (ParsedHead, HeadKey, SecretBytes),
    effect: &Hash,
) -> Result<VersionHead> {
    let id = parsed.id;
    let meta = VersionMeta::parse(&bytes).map_err(|Malformed| missing(id))?;
    check_effect(&parsed, &meta.blind, meta.content_digest.as_bytes(), effect)?;
    let ParsedHead { meta: sealed_meta, digest, inline, .. } = parsed;
    if !inline.is_empty() && meta.pages.iter().all(|page| page.place != Place::Inline) {
        return Err(missing(id));
    }
    Ok(VersionHead { id, key, meta, sealed_meta, digest, inline })
}

/// What an opened head says of its case, if it is the one whose record has this effect commitment.
fn case_meta_of(head: &ParsedHead, meta: &[u8], effect: &Hash) -> Result<CaseMeta> {
    let meta = CaseMeta::parse(meta).map_err(|Malformed| missing(head.id))?;
    check_effect(head, &meta.blind, &[0; 32], effect)?;
    Ok(meta)
}

fn check_effect(head: &ParsedHead, blind: &[u8; 32], content: &[u8; 32], effect: &Hash) -> Result<()> {
    if head::effect(blind, &head.digest, content) == *effect { Ok(()) } else { Err(missing(head.id)) }
}

/// Whether both describe the same content in the same way. Where its parts lie may differ, and that
/// SHA-256 was asked for is said by the pages alone.
fn say_the_same(earlier: &VersionMeta, meta: &VersionMeta) -> bool {
    let (before, now) = (&earlier.document, &meta.document);
    (&before.name, &before.media_type, &before.attributes) == (&now.name, &now.media_type, &now.attributes)
        && earlier.pages.iter().map(SealedPage::of).eq(meta.pages.iter().map(SealedPage::of))
}

fn missing(id: HeadId) -> Error {
    Error::corrupt(format!("object {}", layout::head(id.case, id.operation)))
}

/// Bytes read of a head when its content is not wanted.
const START: u64 = 4096;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures_lite::future::block_on;

    use super::*;
    use crate::{
        document::{ContentDigest, NewDocument},
        keys::LocalKey,
        ledger::forgery::lying::Lying,
        storage::{StorageError, StorageErrorKind},
    };

    /// A vault whose heads cannot be read once that is said.
    async fn vault() -> (Vault, Arc<AtomicBool>) {
        let folder = tempfile::tempdir().expect("a folder");
        let root = LocalKey::create(folder.path().join("key")).expect("a key");
        let fails = Arc::new(AtomicBool::new(false));
        let told = fails.clone();
        let place = Lying::about(Arc::default()).reading(move |_, name| {
            let fails = told.load(Ordering::SeqCst) && name.as_str().starts_with(layout::HEADS);
            fails.then(|| Err(StorageError::new(StorageErrorKind::Unavailable, "no")))
        });
        (Vault::create(Arc::new(place), root).await.expect("a vault"), fails)
    }

    /// The key of a case that nothing opened goes with the head by which it is found. What could not be read is not gone.
    #[test]
    fn whether_an_operation_made_a_case_is_not_known_while_its_head_cannot_be_read() {
        block_on(async {
            let (vault, fails) = vault().await;
            let desk = vault.session("a").purpose("p").begin().expect("a session");
            let case = desk.create_case("c").await.expect("a case");
            let row = vault.fresh_row(&RowKey::case(case)).await.expect("memory").expect("a row");
            let other = OperationId::from_bytes([9; 16]);
            assert!(vault.made_case(case, row.operation).await.expect("memory"));
            assert!(!vault.made_case(case, other).await.expect("memory"));
            fails.store(true, Ordering::SeqCst);
            let failed = vault.made_case(case, row.operation).await;
            assert_eq!(failed.expect_err("it cannot be read").kind(), ErrorKind::Storage);
        });
    }

    /// By who has the log's key, and records an operation once more, of another head.
    #[test]
    fn a_head_is_of_the_record_that_committed_to_it_and_of_no_other() {
        block_on(async {
            let (vault, _) = vault().await;
            let desk = vault.session("a").purpose("p").begin().expect("a session");
            let case = desk.create_case("c").await.expect("a case");
            let document = desk.store(case, NewDocument::named("x"), b"x".to_vec()).await;
            let document = document.expect("stored").document;
            let key = RowKey::document(document);
            let row = vault.fresh_row(&key).await.expect("memory").expect("a row");
            let head = vault.version_head(document, &row, Extent::Start).await.expect("a head");
            assert!(head.is_of(document, &row));
            assert!(!head.is_of(document, &Row { effect: [9; 32], ..row.clone() }));
            assert!(!head.is_of(DocumentId::new(case, [9; 16]), &row));
            assert!(!head.is_of(document, &Row { operation: OperationId::from_bytes([9; 16]), ..row }));
        });
    }

    #[test]
    fn two_heads_say_the_same_where_all_that_describes_the_content_is() {
        let with = |document| VersionMeta {
            blind: [1; 32],
            document,
            content_digest: ContentDigest::of_pages(&[]),
            pages: Vec::new(),
        };
        let named = || NewDocument::named("x").media_type("text/plain").attribute("a", "b");
        assert!(say_the_same(&with(named()), &VersionMeta { blind: [2; 32], ..with(named()) }));
        let others = [
            NewDocument::named("y").media_type("text/plain").attribute("a", "b"),
            named().media_type("text/html"),
            named().attribute("a", "c"),
        ];
        for other in others {
            assert!(!say_the_same(&with(named()), &with(other)));
        }
    }
}
