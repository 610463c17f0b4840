//! What a vault takes from its surroundings.

use core::fmt;
use std::{sync::Arc, time::Duration};

use crate::{
    env::{Clock, Entropy, Sleeper, SystemClock, SystemEntropy},
    error::{Error, ErrorKind, Result},
    pin::{Pin, PinStore},
};

/// Settings of one opened vault. None of them changes what is stored.
#[derive(Clone)]
#[non_exhaustive]
pub struct VaultOptions {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) sleeper: Arc<dyn Sleeper>,
    pub(crate) pin_store: Option<Arc<dyn PinStore>>,
    pub(crate) whole_limit: u64,
    pub(crate) upload_expiry: Duration,
}

impl fmt::Debug for VaultOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultOptions").field("whole_limit", &self.whole_limit).finish_non_exhaustive()
    }
}

impl Default for VaultOptions {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            #[cfg(feature = "fs")]
            sleeper: Arc::new(crate::env::ThreadSleeper),
            #[cfg(not(feature = "fs"))]
            sleeper: Arc::new(crate::env::NoSleep),
            pin_store: None,
            whole_limit: WHOLE_LIMIT,
            upload_expiry: UPLOAD_EXPIRY,
        }
    }
}

impl VaultOptions {
    /// Takes the time from `clock` instead of the operating system.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Takes randomness from `entropy` instead of the operating system.
    #[must_use]
    pub fn entropy(mut self, entropy: impl Entropy) -> Self {
        self.entropy = Arc::new(entropy);
        self
    }

    /// Waits by `sleeper` instead of on a thread, e.g. by the runtime's timer. Without feature `fs` nothing waits unless this
    /// is set: what failed is tried again at once.
    #[must_use]
    pub fn sleeper(mut self, sleeper: impl Sleeper) -> Self {
        self.sleeper = Arc::new(sleeper);
        self
    }

    /// Saves the pin with each commit. A failure to save is the operation's error, of kind
    /// [`ErrorKind::PinNotSaved`], for its record stands. Open by the pin that the store has; by whatever pin
    /// [`Vault::open_with`](crate::Vault::open_with) opens, the log must hold that one, too.
    #[must_use]
    pub fn pin_store(mut self, store: impl PinStore) -> Self {
        self.pin_store = Some(Arc::new(store));
        self
    }

    /// The pin that is kept beside `pin`, if the log must hold another one of its vault, too.
    ///
    /// # Errors
    ///
    /// Forked if no one log has both; the store's.
    pub(super) async fn kept_beside(&self, pin: &Pin) -> Result<Option<Pin>> {
        let Some(store) = &self.pin_store else { return Ok(None) };
        match store.load().await?.filter(|kept| kept != pin) {
            Some(kept) if kept.vault() != pin.vault() => Err(Error::invalid(
                "the pin store belongs to another vault; give each vault a store of its own",
            )),
            Some(kept) if !kept.may_share_a_log_with(pin) => Err(of_two_logs(pin, &kept)),
            kept => Ok(kept),
        }
    }

    /// Refuses to have a kept pin replaced by what was opened without it.
    pub(super) async fn refuse_kept_pin(&self) -> Result<()> {
        let Some(store) = &self.pin_store else { return Ok(()) };
        match store.load().await? {
            None => Ok(()),
            Some(pin) => Err(Error::invalid(format!(
                "a pin of vault {} is kept: open by it, or leave out the pin store",
                pin.vault()
            ))),
        }
    }

    /// Bytes up to which [`Session::retrieve`](crate::Session::retrieve) gives a document whole,
    /// [`Session::retrieve_range`](crate::Session::retrieve_range) a range, and
    /// [`Delivery::collect`](crate::Delivery::collect) a delivery; 256 MiB unless set.
    #[must_use]
    pub fn whole_limit(mut self, bytes: u64) -> Self {
        self.whole_limit = bytes;
        self
    }

    /// How long an unfinished upload's parts are kept; 7 days unless set.
    #[must_use]
    pub fn upload_expiry(mut self, expiry: Duration) -> Self {
        self.upload_expiry = expiry;
        self
    }
}

#[cold]
fn of_two_logs(pin: &Pin, kept: &Pin) -> Error {
    let reason = format!(
        "no one log has had both this pin, of {} records, and the one that the pin store keeps, of {}: open by the \
         kept one to see which the storage shows, or give the vault another pin store if that log is given up",
        pin.size(),
        kept.size()
    );
    Error::new(ErrorKind::Forked, reason)
}

const WHOLE_LIMIT: u64 = 256 * 1024 * 1024;
const UPLOAD_EXPIRY: Duration = Duration::from_secs(7 * 24 * 60 * 60);
