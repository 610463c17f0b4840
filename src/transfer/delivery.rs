//! Deliveries on their way out: a self-contained stream for one recipient (FORMAT §8).

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;

use super::{
    source::{ContentSource, SealedPart},
    started::Started,
};
use crate::{
    FORMAT, SUITE,
    crypto::{
        chunked::{self, Rope},
        digest::sha256,
        schedule,
        wrap::{self, WRAPPED_LEN},
    },
    document::Place,
    env::Timestamp,
    error::{Error, Result},
    grant::{SealedTerms, Terms},
    ids::{CaseId, DocumentId, GrantId, OperationId, VaultId, VersionId},
    observe, padding, policy,
    secret::{Secret, SecretBytes},
    session::Session,
    vault::{GrantHead, Looked, Vault, VersionHead},
    wire::{Malformed, Reader, Writer},
};

/// A delivery, sealed, before it is on record.
pub(crate) struct Parcel {
    start: Bytes,
    effect: [u8; 32],
    sources: Vec<ContentSource>,
}

impl Parcel {
    /// Seals the keys of `contents` for the grant's recipient and signs the whole.
    ///
    /// # Errors
    ///
    /// No randomness.
    pub(crate) fn seal(
        vault: &Vault,
        grant: &GrantHead,
        operation: OperationId,
        contents: Vec<VersionHead>,
    ) -> Result<Self> {
        let keyring = vault.keyring();
        let signer = keyring.keys.delivery_key();
        let entropy = vault.ledger().entropy();
        let mut items = Vec::with_capacity(contents.len());
        for head in &contents {
            items.push(Item::seal(&grant.meta.key, head, vault)?);
        }
        let terms = grant.meta.terms.clone();
        let manifest = Manifest {
            case: grant.id.case,
            object: grant.id.object,
            terms,
            time: vault.ledger().now(),
            items,
        };
        let recipient = crate::recipient::recipient_id(&grant.meta.recipient);
        let envelope = Envelope {
            vault: vault.id(),
            operation,
            grant: grant.id.operation,
            recipient,
            sender: signer.verifying_key().to_bytes(),
            info: grant.meta.terms.info(&grant.id, &recipient),
            sealed_key: grant.meta.sealed_key.clone(),
        };
        let mut w = Writer::with_capacity(4096);
        envelope.write(&mut w);
        let context = schedule::context(schedule::DELIVERY_MANIFEST, &[w.as_slice()]);
        let key = manifest_key(&grant.meta.key, operation);
        let sealed = chunked::seal(&key, &context, &padding::pad(&manifest.encode()), entropy)?;
        w.bytes(&sealed);
        let signature = signer.sign(schedule::SIGN_DELIVERY, w.as_slice());
        w.fixed(&signature);
        let effect = schedule::context(schedule::DELIVERED, &[&sealed]);
        let sources = contents.into_iter().map(|head| ContentSource::new(vault.clone(), head)).collect();
        Ok(Self { start: w.into_vec().into(), effect, sources })
    }

    /// Refuses more documents than a recipient takes.
    ///
    /// # Errors
    ///
    /// Invalid.
    pub(crate) fn check_number(documents: usize) -> Result<()> {
        if documents <= ITEMS_CAP {
            return Ok(());
        }
        let many = format!("a delivery has {ITEMS_CAP} documents at most: grant some of them at a time");
        Err(Error::invalid(many))
    }

    pub(crate) fn effect(&self) -> [u8; 32] {
        self.effect
    }

    pub(crate) fn documents(&self) -> u32 {
        u32::try_from(self.sources.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.sources.iter().fold(0, |sum, source| sum.saturating_add(source.len()))
    }
}

/// The clear start of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) vault: VaultId,
    pub(crate) operation: OperationId,
    pub(crate) grant: OperationId,
    pub(crate) recipient: [u8; 32],
    pub(crate) sender: [u8; 32],
    pub(crate) info: [u8; 32],
    pub(crate) sealed_key: Vec<u8>,
}

impl Envelope {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.fixed(b"dvdl").u8(FORMAT).u8(SUITE).u16(0).fixed(self.vault.as_bytes());
        w.fixed(self.operation.as_bytes()).fixed(self.grant.as_bytes()).fixed(&self.recipient);
        w.fixed(&self.sender).fixed(&self.info).fixed(&self.sealed_key);
    }

    /// Parses exactly [`ENVELOPE_LEN`] bytes.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        r.expect(b"dvdl")?;
        r.expect(&[FORMAT, SUITE, 0, 0])?;
        let envelope = Self {
            vault: VaultId::read(&mut r)?,
            operation: OperationId::read(&mut r)?,
            grant: OperationId::read(&mut r)?,
            recipient: r.array()?,
            sender: r.array()?,
            info: r.array()?,
            sealed_key: r.take(crate::grant::SEALED_KEY_LEN)?.to_vec(),
        };
        r.finish()?;
        Ok(envelope)
    }
}

/// One document of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) object: [u8; 16],
    pub(crate) version: VersionId,
    pub(crate) key_id: [u8; 16],
    pub(crate) wrapped: [u8; WRAPPED_LEN],
    pub(crate) meta: [u8; 32],
}

impl Item {
    fn seal(grant_key: &Secret<32>, head: &VersionHead, vault: &Vault) -> Result<Self> {
        let version = VersionId::of(head.id.operation);
        let ids = (head.id.case, head.id.object, version);
        let key = item_key(grant_key, ids);
        let context = item_context(vault.id(), ids, &head.key.id);
        let wrapped = wrap::wrap(&key, &context, &head.key.key, vault.ledger().entropy())?;
        let meta = sha256(&[&head.sealed_meta]);
        Ok(Self { object: head.id.object, version, key_id: head.key.id, wrapped, meta })
    }
}

/// The sealed contents of a delivery's manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) case: CaseId,
    pub(crate) object: [u8; 16],
    pub(crate) terms: SealedTerms,
    pub(crate) time: Timestamp,
    pub(crate) items: Vec<Item>,
}

impl Manifest {
    pub(crate) fn encode(&self) -> SecretBytes {
        let mut w = Writer::with_capacity(2048 + self.items.len() * 200);
        w.fixed(self.case.as_bytes()).fixed(&self.object);
        self.terms.write(&mut w);
        w.u64(self.time.as_millis()).u32(u32::try_from(self.items.len()).unwrap_or(u32::MAX));
        for item in &self.items {
            w.fixed(&item.object).fixed(item.version.as_bytes()).fixed(&item.key_id);
            w.fixed(&item.wrapped).fixed(&item.meta);
        }
        w.into_secret()
    }

    /// Parses a manifest.
    ///
    /// # Errors
    ///
    /// [`Malformed`]; also if documents are not ascending by id.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        let (case, object) = (CaseId::read(&mut r)?, r.array()?);
        let (terms, time) = (SealedTerms::read(&mut r)?, Timestamp::from_millis(r.u64()?));
        let item = |r: &mut Reader<'_>| {
            Ok(Item {
                object: r.array()?,
                version: VersionId::read(r)?,
                key_id: r.array()?,
                wrapped: r.array()?,
                meta: r.array()?,
            })
        };
        let count = r.count(ITEMS_CAP)?;
        let items = (0..count).map(|_| item(&mut r)).collect::<Result<Vec<_>, Malformed>>()?;
        r.finish()?;
        let ascending = items.is_sorted_by(|a, b| a.object < b.object);
        if ascending { Ok(Self { case, object, terms, time, items }) } else { Err(Malformed) }
    }

    pub(crate) fn document(&self, item: &Item) -> DocumentId {
        DocumentId::new(self.case, item.object)
    }
}

/// A delivery on its way to its recipient. It ends with an error if the grant ends or is revoked meanwhile.
#[derive(Debug)]
pub struct Delivery {
    session: Session,
    grant: GrantId,
    terms: Terms,
    ready: VecDeque<Bytes>,
    sources: VecDeque<Arc<ContentSource>>,
    at: Option<(usize, u32)>,
    /// The part it is at, being read.
    coming: Option<Started<Result<SealedPart>>>,
    /// Bytes given since the log was looked at.
    since: u64,
    looked: Looked,
}

impl core::fmt::Debug for Parcel {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Parcel").field("documents", &self.documents()).finish_non_exhaustive()
    }
}

impl Delivery {
    pub(crate) fn new(session: Session, head: (GrantId, Terms), parcel: Parcel, looked: Looked) -> Self {
        let (grant, terms) = head;
        let ready = VecDeque::from([parcel.start]);
        let sources = parcel.sources.into_iter().map(Arc::new).collect();
        Self { session, grant, terms, ready, sources, at: None, coming: None, since: 0, looked }
    }

    /// The grant that it is made under.
    #[must_use]
    pub const fn grant(&self) -> GrantId {
        self.grant
    }

    /// The next bytes, one to some 8 MiB, as the storage has them; none at the end.
    ///
    /// # Errors
    ///
    /// Denied once the grant has ended; denied once it is revoked, and erased once its case is, which is
    /// looked for before the first bytes after 64 MiB or 30 seconds; corrupt; the storage's.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        observe::operation("Delivery::next", (self.session.vault().id(), self.grant), self.give()).await
    }

    async fn give(&mut self) -> Result<Option<Bytes>> {
        self.look().await?;
        if self.ready.is_empty() {
            self.advance().await?;
            // Reading a part may have taken long.
            self.look().await?;
        }
        policy::terms_allow(self.grant, &self.terms, self.session.vault().clocks())?;
        let next = self.ready.pop_front();
        let len = next.as_ref().and_then(|bytes| u64::try_from(bytes.len()).ok()).unwrap_or(0);
        self.since = self.since.saturating_add(len);
        Ok(next)
    }

    /// Everything, in memory.
    ///
    /// # Errors
    ///
    /// As [`Delivery::next`].
    pub async fn collect(mut self) -> Result<Bytes> {
        observe::operation("Delivery::collect", (self.session.vault().id(), self.grant), async {
            let mut all = Vec::new();
            while let Some(bytes) = self.give().await? {
                all.extend_from_slice(&bytes);
            }
            Ok(all.into())
        })
        .await
    }

    /// Looks, when it is due, whether others have ended the grant.
    async fn look(&mut self) -> Result<()> {
        let now = self.session.vault().now();
        if self.since >= LOOK_AFTER || self.looked.is_due(now) {
            self.session.still_stands(self.grant).await?;
            self.since = 0;
            self.looked.again(now);
        }
        Ok(())
    }

    /// Makes the next metadata or part ready, and begins to read the part after it.
    async fn advance(&mut self) -> Result<()> {
        let Some(source) = self.sources.front().cloned() else { return Ok(()) };
        self.frame(&source).await?;
        if let Some((page, part)) = self.at {
            self.coming = Some(Started::new(async move { source.sealed_part(page, part).await }).await);
        }
        Ok(())
    }

    async fn frame(&mut self, source: &ContentSource) -> Result<()> {
        let Some((page, part)) = self.at else {
            let meta = source.head().sealed_meta.clone();
            self.ready.extend([length_of(core::slice::from_ref(&meta), source)?, meta]);
            self.at = Some((0, 0));
            return Ok(());
        };
        source.stands().await?;
        let coming = match self.coming.take() {
            Some(mut coming) => coming.finish().await,
            None => None,
        };
        // What was read ahead may have failed for a reason that has passed.
        let (attempt, sealed) = match coming {
            Some(Ok(read)) => read,
            _ => source.explained(source.sealed_part(page, part).await).await?,
        };
        let described = source.head().meta.pages.get(page).ok_or_else(|| source.corrupt())?;
        let attempt = (described.place == Place::Inline).then(|| Bytes::copy_from_slice(&attempt));
        let pieces = sealed.into_iter().filter(|piece| !piece.is_empty());
        let framed: Vec<Bytes> = attempt.into_iter().chain(pieces).collect();
        self.ready.push_back(length_of(&framed, source)?);
        self.ready.extend(framed);
        self.at = if part.saturating_add(1) < described.parts() {
            Some((page, part + 1))
        } else if page + 1 < source.head().meta.pages.len() {
            Some((page + 1, 0))
        } else {
            self.sources.pop_front();
            None
        };
        Ok(())
    }
}

fn length_of(framed: &[Bytes], source: &ContentSource) -> Result<Bytes> {
    let len = u32::try_from(Rope::new(framed).len()).map_err(|_| source.corrupt())?;
    Ok(Bytes::copy_from_slice(&len.to_be_bytes()))
}

/// The key of a delivery's manifest.
pub(crate) fn manifest_key(grant_key: &Secret<32>, delivery: OperationId) -> Secret<32> {
    schedule::subkey(grant_key, schedule::DELIVERY_MANIFEST_KEY, &[delivery.as_bytes()])
}

/// The key that wraps one document's key.
pub(crate) fn item_key(
    grant_key: &Secret<32>,
    (case, object, version): (CaseId, [u8; 16], VersionId),
) -> Secret<32> {
    let fields: [&[u8]; 3] = [case.as_bytes(), &object, version.as_bytes()];
    schedule::subkey(grant_key, schedule::DELIVERY_DOCUMENT_KEY, &fields)
}

/// What the wrap of one document's key is bound to.
pub(crate) fn item_context(
    vault: VaultId,
    (case, object, version): (CaseId, [u8; 16], VersionId),
    key_id: &[u8; 16],
) -> [u8; 32] {
    let fields: [&[u8]; 5] = [vault.as_bytes(), case.as_bytes(), &object, version.as_bytes(), key_id];
    schedule::context(schedule::DELIVERY_WRAP, &fields)
}

/// A delivery is refused as malformed.
pub(crate) fn malformed() -> Error {
    Error::corrupt("the delivery")
}

/// Bytes of an envelope.
pub(crate) const ENVELOPE_LEN: usize = 8 + 3 * 16 + 3 * 32 + crate::grant::SEALED_KEY_LEN;
/// Documents in a delivery, at most.
const ITEMS_CAP: usize = 100_000;
/// Bytes given between two looks at the log.
const LOOK_AFTER: u64 = 64 * 1024 * 1024;
