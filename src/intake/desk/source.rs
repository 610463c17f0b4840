//! Files to be handed in: from memory, from a deposit, or from wherever the application has them.

use core::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    Result,
    deposit::{IncomingDeposit, PageReader},
};

/// A file's content, read from its beginning as often as it takes: once to be looked at, once by each inspector that reads
/// it, once to be stored. It must be the same each time, which its hash tells: if not, nothing is stored.
#[async_trait]
pub trait Content: Send + Sync {
    /// Begins anew.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being read.
    async fn open(&self) -> Result<Box<dyn Chunks>>;
}

/// A content on its way.
#[async_trait]
pub trait Chunks: Send {
    /// The next bytes; none at the end.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being read: then nothing of it is taken in.
    async fn next(&mut self) -> Result<Option<Bytes>>;
}

/// A file to be handed in.
#[derive(Clone)]
pub struct NewFile {
    pub(super) name: String,
    pub(super) media_type: String,
    pub(super) content: Arc<dyn Content>,
}

impl NewFile {
    /// A file of this name and declared media type.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        media_type: impl Into<String>,
        content: impl Content + 'static,
    ) -> Self {
        Self { name: name.into(), media_type: media_type.into(), content: Arc::new(content) }
    }

    /// A file that is in memory.
    #[must_use]
    pub fn from_memory(
        name: impl Into<String>,
        media_type: impl Into<String>,
        content: impl Into<Bytes>,
    ) -> Self {
        Self::new(name, media_type, InMemory(content.into()))
    }
}

impl fmt::Debug for NewFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewFile").field("media_type", &self.media_type).finish_non_exhaustive()
    }
}

struct InMemory(Bytes);

#[async_trait]
impl Content for InMemory {
    async fn open(&self) -> Result<Box<dyn Chunks>> {
        Ok(Box::new(Once(Some(self.0.clone()).filter(|bytes| !bytes.is_empty()))))
    }
}

struct Once(Option<Bytes>);

#[async_trait]
impl Chunks for Once {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        Ok(self.0.take())
    }
}

/// A page of a deposit.
pub(super) struct Deposited {
    pub(super) deposit: Arc<IncomingDeposit>,
    pub(super) page: u16,
}

#[async_trait]
impl Content for Deposited {
    async fn open(&self) -> Result<Box<dyn Chunks>> {
        Ok(Box::new(Arriving(self.deposit.read(self.page)?)))
    }
}

struct Arriving(PageReader);

#[async_trait]
impl Chunks for Arriving {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        Ok(self.0.next().await?.map(|bytes| Bytes::copy_from_slice(&bytes)))
    }
}
