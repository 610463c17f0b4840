//! The way from a telephone to the carrier, which drops when it likes.

use core::fmt;

use bytes::Bytes;
use docvault::deposit::{Carrier, CarrierError, Held};

/// A connection to the carrier's server.
pub(crate) struct Connection<'a> {
    carrier: &'a Carrier,
    /// Parts until it drops.
    left: Option<u32>,
    /// Parts that got through.
    pub(crate) sent: u32,
}

#[derive(Debug)]
pub(crate) enum Lost {
    /// Nothing gets through any more.
    Dropped,
    /// The carrier said no.
    Refused(CarrierError),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dropped => f.write_str("the connection dropped"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Lost {}

impl<'a> Connection<'a> {
    pub(crate) const fn to(carrier: &'a Carrier) -> Self {
        Self { carrier, left: None, sent: 0 }
    }

    pub(crate) const fn drops_after(mut self, parts: u32) -> Self {
        self.left = Some(parts);
        self
    }

    pub(crate) async fn part(&mut self, part: Bytes) -> Result<(), Lost> {
        match &mut self.left {
            Some(0) => return Err(Lost::Dropped),
            Some(left) => *left -= 1,
            None => {}
        }
        self.carrier.receive(part).await.map_err(Lost::Refused)?;
        self.sent += 1;
        Ok(())
    }

    pub(crate) async fn manifest(&mut self, manifest: Bytes) -> Result<Bytes, Lost> {
        match self.left {
            Some(0) => Err(Lost::Dropped),
            _ => self.carrier.finish(manifest).await.map_err(Lost::Refused),
        }
    }

    pub(crate) async fn held(
        &self,
        request: docvault::RequestId,
        deposit: docvault::DepositId,
    ) -> Result<Held, Lost> {
        self.carrier.held(request, deposit).await.map_err(Lost::Refused)
    }

    pub(crate) const fn carrier(&self) -> &'a Carrier {
        self.carrier
    }
}
