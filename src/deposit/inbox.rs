//! What came in for a request, on the office's side (FORMAT §11.3, §11.4).

use core::fmt;
use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;

use super::{
    answer,
    descriptor::Descriptor,
    ids::{DepositId, RequestId},
    incoming::{IncomingDeposit, IncomingPage},
    link::RequestSecrets,
    manifest::Manifest,
    objects::{self, settle},
    promise::Promise,
    receipt::DepositReceipt,
};
use crate::{
    env::{Entropy, Timestamp},
    error::{Error, ErrorKind, Result},
    observe,
    recipient::Sender,
    storage::{ObjectKey, Storage, beyond, delete_where},
    wire::Malformed,
};

/// What came in for one request, read from a carrier's storage and trusted no further than it verifies.
///
/// # Examples
///
/// With case files, everything that was promised is taken in and answered, and this is called again whenever it failed:
///
/// ```no_run
/// # use docvault::{CaseId, ErrorKind, deposit::Inbox, intake::{Desk, IntakeError, Refusal}};
/// # async fn example(desk: Desk, case: CaseId, inbox: Inbox) -> Result<(), Box<dyn std::error::Error>> {
/// for promise in inbox.promises().await? {
///     match desk.take_in(case, &inbox, &promise).await {
///         // An earlier run did.
///         Ok(_) | Err(IntakeError::Refused(Refusal::AlreadyTaken)) => {}
///         Err(error) => return Err(error.into()),
///     }
///     let kept = format!("{}-{}.receipt", promise.request(), promise.deposit());
///     let opens = match inbox.deposit(&promise).await {
///         Ok(incoming) if inbox.is_answered(&incoming).await? => continue,
///         Ok(_) => true,
///         // There is no key to seal an answer by: keep the receipt, and give it to the client by another way.
///         Err(error) if error.kind() == ErrorKind::Unreadable => false,
///         Err(error) => return Err(error.into()),
///     };
///     if opens || !std::fs::exists(&kept)? {
///         let note = desk.session().vault().audit().checkpoint().await?; // have it cosigned
///         let receipt = desk.answer(case, &inbox, &promise, &note).await?;
///         if !opens {
///             std::fs::write(kept, receipt.to_bytes())?;
///         }
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Inbox {
    storage: Arc<dyn Storage>,
    descriptor: Descriptor,
    secrets: RequestSecrets,
}

impl Inbox {
    /// The deposits for `request` in a carrier's storage.
    ///
    /// `secrets` come from [`Session::request_secrets`](crate::Session::request_secrets), `sender` is the office's
    /// own ([`Vault::sender`](crate::Vault::sender)).
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if the request was not published there, [`Corrupt`](ErrorKind::Corrupt)
    /// if what is there is another; [`Erased`](ErrorKind::Erased); the storage's.
    pub async fn open(
        storage: Arc<dyn Storage>,
        request: RequestId,
        sender: &Sender,
        secrets: RequestSecrets,
    ) -> Result<Self> {
        observe::operation("Inbox::open", request, async {
            let storage = observe::storage(storage);
            let bytes = storage.read(&objects::request(request), None).await?;
            let bytes = bytes.ok_or_else(|| {
                Error::new(ErrorKind::NotFound, format!("the carrier has no request {request}; publish it"))
            })?;
            let descriptor = Descriptor::verify(&bytes, sender)?;
            let own =
                descriptor.request() == request && descriptor.header.intake_key == secrets.intake_key()?;
            if own { Ok(Self { storage, descriptor, secrets }) } else { Err(Error::corrupt("the request")) }
        })
        .await
    }

    /// The request.
    #[must_use]
    pub const fn request(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The promises given for complete deposits, each once, by slot, and in each in the order in which they were
    /// completed. Reads one object for each and for each slot; lists nothing.
    ///
    /// A promise that is not the carrier's is left out, and so are those behind a number that is missing:
    /// [`Inbox::lost_promises`] names them.
    ///
    /// # Errors
    ///
    /// The storage's.
    pub async fn promises(&self) -> Result<Vec<Promise>> {
        observe::operation("Inbox::promises", self.descriptor.request(), async {
            Ok(self.promised().await?.into_iter().map(|(_, promise)| promise).collect())
        })
        .await
    }

    /// The names, of the first 1,000 that are listed where the carrier keeps its promises, of which
    /// [`Inbox::promises`] gives none: what is there was altered or is not the carrier's, copies another, or is behind a number
    /// that is missing. A deposit may wait there that nobody sees, and its client hold a promise of it: have the carrier bring
    /// its storage in order, or take in what the client's own promise is of ([`Promise::verify`]).
    ///
    /// What the storage does not list it does not tell: that there is none proves nothing.
    ///
    /// # Errors
    ///
    /// The storage's.
    pub async fn lost_promises(&self) -> Result<Vec<ObjectKey>> {
        observe::operation("Inbox::lost_promises", self.descriptor.request(), async {
            // Before the promises are read: one that is given meanwhile is not lost.
            let prefix = objects::promises(self.descriptor.request());
            let mut listed = self.storage.list(&prefix, None, LISTED).await?;
            let found = self.promised().await?;
            let found: BTreeSet<ObjectKey> = found.into_iter().map(|(key, _)| key).collect();
            listed.retain(|key| !found.contains(key));
            Ok(listed)
        })
        .await
    }

    /// The promises that are the carrier's, each with its name.
    async fn promised(&self) -> Result<Vec<(ObjectKey, Promise)>> {
        let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
        for (slot, caps) in (0..).zip(self.descriptor.slots()) {
            for number in 0..caps.uses {
                let key = objects::promise(self.descriptor.request(), slot, number);
                let Some(bytes) = self.storage.read(&key, None).await? else { break };
                let promise = Promise::verify(&bytes, &self.descriptor).ok();
                let promise = promise.filter(|promise| promise.deposit().slot() == slot);
                // Copied over another's number, which the carrier's storage can do, it is still one promise.
                let promise = promise.filter(|_| seen.insert(bytes));
                found.extend(promise.map(|promise| (key, promise)));
            }
        }
        Ok(found)
    }

    /// Opens the deposit that was promised.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) if its manifest is not the promised one, or was not made with the link;
    /// [`Unreadable`](ErrorKind::Unreadable) if it is, and does not open; [`Erased`](ErrorKind::Erased); the storage's.
    pub async fn deposit(&self, promise: &Promise) -> Result<IncomingDeposit> {
        observe::operation("Inbox::deposit", (self.descriptor.request(), promise.deposit()), async {
            self.secrets.keys().stand()?;
            let deposit = promise.deposit();
            let corrupt = || Error::corrupt(format!("deposit {deposit}"));
            let key = objects::manifest(self.descriptor.request(), deposit);
            let bytes = self.storage.read(&key, None).await?.ok_or_else(corrupt)?;
            let manifest = Manifest::parse(&bytes).map_err(|Malformed| corrupt())?;
            let outline = &manifest.outline;
            let promised = manifest.digest() == *promise.manifest_digest()
                && (outline.request, outline.deposit) == (self.descriptor.request(), deposit);
            if !promised || !promise.is_of(&self.descriptor) || !manifest.is_signed(&self.descriptor) {
                return Err(corrupt());
            }
            let unreadable = |Malformed| Error::unreadable(format!("deposit {deposit}"));
            let opened = |intake: &_| manifest.open(&self.descriptor, intake).map_err(unreadable);
            let (key, contents) = self.secrets.keys().open(opened)?;
            let pages = contents.pages.into_iter().zip(manifest.outline.pages);
            let pages =
                pages.map(|((file, digest), hashes)| IncomingPage { file, digest, hashes: hashes.into() });
            Ok(IncomingDeposit {
                storage: self.storage.clone(),
                descriptor: self.descriptor.clone(),
                promise: promise.clone(),
                key,
                pages: pages.collect(),
                form: contents.form,
                comment: contents.comment,
            })
        })
        .await
    }

    /// Whether the carrier has an answer of this office for the deposit. What lies there and was not sealed by it is none.
    ///
    /// # Errors
    ///
    /// [`Erased`](ErrorKind::Erased); the storage's.
    pub async fn is_answered(&self, deposit: &IncomingDeposit) -> Result<bool> {
        observe::operation("Inbox::is_answered", (self.descriptor.request(), deposit.id()), async {
            for number in 0..objects::ANSWERS {
                let key = objects::answer(self.descriptor.request(), deposit.id(), number);
                let Some(sealed) = self.storage.read(&key, Some(beyond(answer::ANSWER_CAP))).await? else {
                    break;
                };
                let place = (deposit.id(), usize::from(number));
                let opened = deposit.key.with(|key| answer::open(&self.descriptor, place, key, &sealed))?;
                if opened.is_ok() {
                    return Ok(true);
                }
            }
            Ok(false)
        })
        .await
    }

    /// Leaves a receipt with the carrier, sealed for whoever made the deposit; gives the answer's number. (Of a deposit that
    /// does not open there is no key to seal it by: give it to the client by another way.)
    ///
    /// # Errors
    ///
    /// [`Erased`](ErrorKind::Erased); [`Invalid`](ErrorKind::Invalid) if the deposit has 256 answers; the storage's, and no
    /// randomness.
    ///
    /// # Cancellation
    ///
    /// The answer may be there or not; leaving it twice does no harm.
    pub async fn answer(
        &self,
        deposit: &IncomingDeposit,
        receipt: &DepositReceipt,
        entropy: &dyn Entropy,
    ) -> Result<u16> {
        observe::operation("Inbox::answer", (self.descriptor.request(), deposit.id()), async {
            deposit.key.stands()?;
            for number in 0..objects::ANSWERS {
                let key = objects::answer(self.descriptor.request(), deposit.id(), number);
                if self.storage.read(&key, Some(0..0)).await?.is_some() {
                    continue;
                }
                let place = (deposit.id(), number);
                let seal = |key: &_| answer::seal(&self.descriptor, place, key, receipt, entropy);
                let sealed = deposit.key.with(seal)??;
                if settle(&*self.storage, &key, &sealed).await? == sealed {
                    return Ok(number);
                }
            }
            Err(Error::invalid(
                "the deposit has 256 answers, which is as many as a client reads: its newest stands",
            ))
        })
        .await
    }

    /// Deletes the sealed parts of a deposit, once it was taken in or refused. What was promised and answered
    /// stays, so the slot's uses stay counted.
    ///
    /// # Errors
    ///
    /// The storage's; what was begun is finished by the next call.
    ///
    /// # Cancellation
    ///
    /// Some parts may be gone; call it again.
    pub async fn clear(&self, deposit: DepositId) -> Result<()> {
        observe::operation("Inbox::clear", (self.descriptor.request(), deposit), async {
            let prefix = objects::parts(self.descriptor.request(), deposit);
            delete_where(&*self.storage, &prefix, |_| true).await?;
            Ok(())
        })
        .await
    }

    /// Has the carrier take nothing more for the request; promises stand. A promise that is being written at this moment may still
    /// be given: take in what is promised before the request is closed in the case.
    ///
    /// # Errors
    ///
    /// The storage's.
    ///
    /// # Cancellation
    ///
    /// It may be closed or not; close it again.
    pub async fn close(&self, now: Timestamp) -> Result<()> {
        observe::operation(
            "Inbox::close",
            self.descriptor.request(),
            close(&*self.storage, self.descriptor.request(), now),
        )
        .await
    }
}

/// Marks a request as closed; the first time stays.
pub(super) async fn close(storage: &dyn Storage, request: RequestId, now: Timestamp) -> Result<()> {
    let time = Bytes::copy_from_slice(&now.as_millis().to_be_bytes());
    settle(storage, &objects::closed(request), &time).await.map(drop)
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("request", &self.descriptor.request()).finish_non_exhaustive()
    }
}

/// Names listed at once.
const LISTED: usize = 1000;
