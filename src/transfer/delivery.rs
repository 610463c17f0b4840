//! Deliveries on their way out, for as long as the grant stands.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;

use super::{
    parcel::Parcel,
    reader::following,
    source::{ContentSource, SealedPart},
    started::Started,
};
use crate::{
    crypto::chunked::Rope,
    document::Place,
    error::{Error, Result},
    grant::Terms,
    ids::GrantId,
    observe, policy,
    session::Session,
    vault::Looked,
};

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
    ///
    /// # Cancellation
    ///
    /// Nothing is lost: call it again.
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

    /// Everything, in memory, up to [`VaultOptions::whole_limit`](crate::VaultOptions::whole_limit).
    ///
    /// # Errors
    ///
    /// As [`Delivery::next`]; [`Invalid`](crate::ErrorKind::Invalid) above that: the delivery is on record, and another one,
    /// given piece by piece by `next`, is to be made.
    ///
    /// # Cancellation
    ///
    /// As after an error: the delivery is on record, and can be made again.
    pub async fn collect(mut self) -> Result<Bytes> {
        observe::operation("Delivery::collect", (self.session.vault().id(), self.grant), async {
            let limit = self.session.vault().options().whole_limit;
            let mut all = Vec::new();
            while let Some(bytes) = self.give().await? {
                all.extend_from_slice(&bytes);
                if u64::try_from(all.len()).unwrap_or(u64::MAX) > limit {
                    return Err(Error::invalid(format!(
                        "the delivery has more than {limit} bytes: deliver again, and take it by `Delivery::next`"
                    )));
                }
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
        let pages = &source.head().meta.pages;
        let next = following(pages, (page, part));
        self.at = Some(next).filter(|(page, _)| *page < pages.len());
        if self.at.is_none() {
            self.sources.pop_front();
        }
        Ok(())
    }
}

fn length_of(framed: &[Bytes], source: &ContentSource) -> Result<Bytes> {
    let len = u32::try_from(Rope::new(framed).len()).map_err(|_| source.corrupt())?;
    Ok(Bytes::copy_from_slice(&len.to_be_bytes()))
}

/// Bytes given between two looks at the log.
const LOOK_AFTER: u64 = 64 * 1024 * 1024;
