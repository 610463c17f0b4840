//! Carriers: who keeps deposits until the office takes them in, with no key of the vault (FORMAT §11.3).

mod held;
mod key;
mod refusal;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::try_join_all;

pub use held::{Held, HeldPart};
pub use key::{CarrierKey, CarrierPublicKey};
pub use refusal::{CarrierError, Refusal};

use super::{
    descriptor::{Caps, Descriptor},
    ids::{DepositId, RequestId},
    manifest::Manifest,
    objects::{self, settle},
    part::{PREFIX_LEN, Part, PartStart, Place},
    promise::Promise,
};
use crate::{
    env::{Clock, SystemClock, SystemEntropy, Timestamp},
    error::{Error, Result},
    observe,
    recipient::Sender,
    storage::{ObjectKey, Storage, probe},
    wire::Malformed,
};

/// Takes deposits in, and promises that they will be answered. It holds no key of the vault and opens nothing.
///
/// It keeps no state but in its storage, so any number of processes may run on one. [`Carrier::prove`] tells, when one
/// starts, a storage that it cannot keep promises on.
///
/// What a client sends needs no authentication but the signature it carries; [`Refusal`] says why something is
/// not taken. A web server around it limits rates and sizes: a part has at most
/// [`PART_MAX`](super::PART_MAX) bytes, everything else less than 1 MiB.
///
/// # Security
///
/// It faces the network: give it a storage, or at least credentials, of its own. All names begin with `deposit/`; it creates,
/// reads and lists, and what [`Carrier::prove`] has left it deletes. The office deletes more ([`Inbox::clear`](super::Inbox::clear)).
/// Whoever may delete in the vault's storage can make the vault unreadable. No copy of the vault has a carrier's objects.
#[derive(Debug)]
pub struct Carrier {
    storage: Arc<dyn Storage>,
    key: CarrierKey,
    sender: Sender,
    clock: Arc<dyn Clock>,
}

type Answer<T> = core::result::Result<T, CarrierError>;

impl Carrier {
    /// The carrier with this key, for the requests of the vault that `sender` is.
    #[must_use]
    pub fn new(storage: impl Storage, key: CarrierKey, sender: Sender) -> Self {
        Self { storage: observe::storage(Arc::new(storage)), key, sender, clock: Arc::new(SystemClock) }
    }

    /// The same with another clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Proves that the storage keeps what was created first, and that one of several creates at once wins: on one that
    /// overwrites, two promises can get one number, and one of them is lost. Call it when a process starts.
    ///
    /// It creates some objects under names of their own, `probe/…`, and deletes them: 37 creates, a read, 12 deletions.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](crate::ErrorKind::Unsupported) if it does not; the storage's, and no randomness.
    ///
    /// # Security
    ///
    /// A race that comes out well proves nothing for the next: the store's documentation has to promise conditional creates.
    ///
    /// # Cancellation
    ///
    /// Some of those objects may stay; nothing reads them.
    pub async fn prove(&self) -> Result<()> {
        observe::operation("Carrier::prove", (), async {
            probe::prove(&*self.storage, &SystemEntropy).await?.clear(&*self.storage).await;
            Ok(())
        })
        .await
    }

    /// Publishes a request. Anybody may send it: only what the vault signed for this carrier is taken.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if the vault has not signed it, [`Denied`](crate::ErrorKind::Denied) if it is for
    /// another carrier; the storage's.
    ///
    /// # Cancellation
    ///
    /// It may be published or not; publish it again.
    pub async fn publish(&self, descriptor: Bytes) -> Result<RequestId> {
        observe::operation("Carrier::publish", (), async {
            let request = Descriptor::verify(&descriptor, &self.sender)?;
            if *request.carrier() != self.key.public() {
                return Err(Error::denied("the request is for another carrier"));
            }
            let kept = settle(&*self.storage, &objects::request(request.request()), &descriptor).await?;
            if kept == descriptor {
                Ok(request.request())
            } else {
                Err(Error::corrupt("the published request"))
            }
        })
        .await
    }

    /// The descriptor of a request, as it was published: what a link's page shows to its client.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unknown`]; the storage's.
    pub async fn descriptor(&self, request: RequestId) -> Answer<Bytes> {
        observe::operation("Carrier::descriptor", request, async {
            Ok(self.published(request).await?.to_bytes())
        })
        .await
    }

    /// Takes a part in, durably: answered, it may be forgotten by its sender. Sent again it is answered as before.
    ///
    /// # Errors
    ///
    /// [`CarrierError`].
    ///
    /// # Cancellation
    ///
    /// The part may be stored or not; send it again.
    pub async fn receive(&self, part: Bytes) -> Answer<HeldPart> {
        observe::operation("Carrier::receive", (), async {
            let part = Part::parse(part).map_err(|Malformed| Refusal::Malformed)?;
            let PartStart { request, deposit, place, .. } = part.start;
            let descriptor = self.published(request).await?;
            let caps = descriptor.caps(deposit).filter(|caps| part.is_within(caps)).ok_or(Refusal::Caps)?;
            if !part.start.is_signed(&descriptor) {
                return Err(Refusal::Signature.into());
            }
            let key = objects::part(request, deposit, place.page, place.part);
            if let Some(held) = self.held_part(request, deposit, (place.page, place.part)).await? {
                return same(held, &part.start);
            }
            self.still_takes(&descriptor, self.clock.now()).await?;
            if self.storage.read(&objects::manifest(request, deposit), Some(0..0)).await?.is_some() {
                return Err(Refusal::Finished.into());
            }
            if !self.goes_on(&part.start).await? {
                self.begin(&descriptor, deposit, caps).await?;
            }
            let kept = settle(&*self.storage, &key, &part.bytes).await?;
            same(PartStart::parse(&kept).map_err(|Malformed| Error::corrupt(&key))?, &part.start)
        })
        .await
    }

    /// Takes the manifest that completes a deposit, and gives the promise, which is the deposit's commit. Sent
    /// again it is answered as before, also after the request expired or was closed.
    ///
    /// # Errors
    ///
    /// [`CarrierError`].
    ///
    /// # Cancellation
    ///
    /// The deposit may be complete or not; send the manifest again.
    pub async fn finish(&self, manifest: Bytes) -> Answer<Bytes> {
        observe::operation("Carrier::finish", (), async {
            let parsed = Manifest::parse(&manifest).map_err(|Malformed| Refusal::Malformed)?;
            let (request, deposit) = (parsed.outline.request, parsed.outline.deposit);
            let descriptor = self.published(request).await?;
            let caps = descriptor.caps(deposit).ok_or(Refusal::Caps)?;
            if !parsed.is_signed(&descriptor) {
                return Err(Refusal::Signature.into());
            }
            if let Some((promise, bytes)) = self.promised(&descriptor, deposit).await? {
                return if *promise.manifest_digest() == parsed.digest() {
                    Ok(bytes)
                } else {
                    Err(Refusal::Conflict.into())
                };
            }
            // What is promised is promised as of now, however long it takes to look at the parts: the office takes nothing in that was promised later.
            let now = self.clock.now();
            self.still_takes(&descriptor, now).await?;
            self.begin(&descriptor, deposit, caps).await?;
            let sealed_bytes = self.complete(&parsed, caps).await?;
            if settle(&*self.storage, &objects::manifest(request, deposit), &manifest).await? != manifest {
                return Err(Refusal::Conflict.into());
            }
            let promise = Promise::make(&descriptor, &parsed, sealed_bytes, now, self.key.signing_key());
            self.commit(&descriptor, &promise, caps).await
        })
        .await
    }

    /// Takes nothing more for a request; promises stand.
    ///
    /// A deposit whose promise is being written at this moment may still get it, once, in each process of the carrier.
    /// So close first, then let calls to [`Carrier::finish`] that are under way end, take in what
    /// [`Inbox::promises`](super::Inbox::promises) gives, and only then close the request in the case: what was promised is
    /// answered.
    ///
    /// # Errors
    ///
    /// The storage's.
    ///
    /// # Security
    ///
    /// For the office alone: whoever may call it can keep its clients from answering.
    ///
    /// # Cancellation
    ///
    /// It may be closed or not; close it again.
    pub async fn close(&self, request: RequestId) -> Result<()> {
        observe::operation(
            "Carrier::close",
            request,
            super::inbox::close(&*self.storage, request, self.clock.now()),
        )
        .await
    }

    async fn published(&self, request: RequestId) -> Answer<Descriptor> {
        let bytes = self.storage.read(&objects::request(request), None).await?.ok_or(Refusal::Unknown)?;
        let descriptor = Descriptor::verify(&bytes, &self.sender)?;
        if descriptor.request() != request || *descriptor.carrier() != self.key.public() {
            return Err(Refusal::Unknown.into());
        }
        Ok(descriptor)
    }

    async fn still_takes(&self, request: &Descriptor, now: Timestamp) -> Answer<()> {
        if now >= request.expires() {
            return Err(Refusal::Expired.into());
        }
        self.is_open(request.request()).await
    }

    async fn is_open(&self, request: RequestId) -> Answer<()> {
        let closed = self.storage.read(&objects::closed(request), Some(0..0)).await?;
        closed.map_or(Ok(()), |_| Err(Refusal::Closed.into()))
    }

    /// Whether the part before this one is here, as it is if parts are sent in order: then the deposit has begun, and
    /// nobody needs to look for it among those of its slot.
    async fn goes_on(&self, start: &PartStart) -> Answer<bool> {
        let before = match start.place {
            Place { page, part, .. } if part > 0 => (page, part - 1),
            Place { page, .. } if page > 0 => (page - 1, 0),
            _ => return Ok(false),
        };
        let key = objects::part(start.request, start.deposit, before.0, before.1);
        Ok(self.storage.read(&key, Some(0..0)).await?.is_some())
    }

    /// Finds the deposit among those begun in its slot, or begins it under the first number that is free.
    async fn begin(&self, request: &Descriptor, deposit: DepositId, caps: &Caps) -> Answer<()> {
        let own = Bytes::copy_from_slice(deposit.as_bytes());
        for number in 0..caps.uses.saturating_add(ABANDONED) {
            let key = objects::begun(request.request(), deposit.slot(), number);
            let found = match self.storage.read(&key, None).await? {
                Some(found) => found,
                None => settle(&*self.storage, &key, &own).await?,
            };
            if found == own {
                return Ok(());
            }
        }
        Err(Refusal::Begun.into())
    }

    /// The promise given for a deposit, and its bytes.
    async fn promised(&self, request: &Descriptor, deposit: DepositId) -> Answer<Option<(Promise, Bytes)>> {
        let uses = request.caps(deposit).map_or(0, |caps| caps.uses);
        for number in 0..uses {
            let key = objects::promise(request.request(), deposit.slot(), number);
            let Some(bytes) = self.storage.read(&key, None).await? else { return Ok(None) };
            let promise = Promise::parse(&bytes).map_err(|Malformed| Error::corrupt(&key))?;
            if promise.deposit() == deposit {
                return Ok(Some((promise, bytes)));
            }
        }
        Ok(None)
    }

    /// Puts the promise under the first number of its slot that is free; one given meanwhile stands.
    async fn commit(&self, request: &Descriptor, promise: &Promise, caps: &Caps) -> Answer<Bytes> {
        let own = promise.to_bytes();
        for number in 0..caps.uses {
            let key = objects::promise(request.request(), promise.deposit().slot(), number);
            let found = match self.storage.read(&key, None).await? {
                Some(found) => found,
                None => {
                    self.is_open(request.request()).await?;
                    settle(&*self.storage, &key, &own).await?
                }
            };
            let given = Promise::parse(&found).map_err(|Malformed| Error::corrupt(&key))?;
            if given.deposit() == promise.deposit() {
                return Ok(found);
            }
        }
        Err(Refusal::Uses.into())
    }

    /// Checks that every part that a manifest lists is here; gives their sealed bytes.
    async fn complete(&self, manifest: &Manifest, caps: &Caps) -> Answer<u64> {
        let outline = &manifest.outline;
        if outline.pages.len() > usize::from(caps.files) {
            return Err(Refusal::Caps.into());
        }
        let (listed, mut sealed_bytes): (Vec<_>, _) = (listed(&outline.pages).collect(), 0u64);
        for some in listed.chunks(AT_ONCE) {
            let held =
                |place: &Place| self.held_part(outline.request, outline.deposit, (place.page, place.part));
            let reads: Vec<_> = some.iter().map(|(place, _)| held(place)).collect();
            for ((place, hash), held) in some.iter().zip(try_join_all(reads).await?) {
                let held = held.ok_or(Refusal::Missing { page: place.page, part: place.part })?;
                if held.place != *place || held.digest != **hash {
                    return Err(Refusal::Conflict.into());
                }
                sealed_bytes = sealed_bytes.saturating_add(u64::from(held.len));
            }
        }
        Ok(sealed_bytes)
    }

    async fn held_part(
        &self,
        request: RequestId,
        deposit: DepositId,
        (page, part): (u16, u32),
    ) -> Answer<Option<PartStart>> {
        self.start_of(objects::part(request, deposit, page, part)).await
    }

    async fn start_of(&self, key: ObjectKey) -> Answer<Option<PartStart>> {
        let Some(bytes) = self.storage.read(&key, Some(START)).await? else { return Ok(None) };
        Ok(Some(PartStart::parse(&bytes).map_err(|Malformed| Error::corrupt(&key))?))
    }
}

/// The places and hashes of all parts of a manifest's pages, in their order.
fn listed(pages: &[Vec<[u8; 32]>]) -> impl Iterator<Item = (Place, &[u8; 32])> {
    (0..).zip(pages).flat_map(|(page, hashes)| {
        let parts = u32::try_from(hashes.len()).unwrap_or(u32::MAX);
        let place = move |part: u32| Place { page, part, last: part.saturating_add(1) == parts };
        (0..).zip(hashes).map(move |(part, hash)| (place(part), hash))
    })
}

/// What is held under a part's name, if it is that part.
fn same(held: PartStart, sent: &PartStart) -> Answer<HeldPart> {
    if held == *sent { Ok(HeldPart::of(&held)) } else { Err(Refusal::Conflict.into()) }
}

/// Deposits that a slot lets begin beyond its uses: for telephones that lost their journal.
pub(super) const ABANDONED: u16 = 8;
/// What of a part is not sealed.
#[expect(clippy::as_conversions, reason = "a constant, and small")]
const START: core::ops::Range<u64> = 0..PREFIX_LEN as u64;
/// Parts of which that is read at once.
const AT_ONCE: usize = 32;
