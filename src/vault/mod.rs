//! A vault: created once, opened by a root key and a pin.

mod cases;
mod genesis;
mod heads;
mod kept;
mod keyring;
mod keyrings;
mod looked;
mod options;
mod records;
mod replacing;
mod rows;

use core::fmt;
use std::sync::Arc;

pub use keyring::{SlotId, SlotInfo};
pub use options::VaultOptions;

#[cfg(any(test, fuzzing))]
pub(crate) use cases::parse as parse_case_key;
pub(crate) use heads::{CheckedHead, Extent, GrantHead, NewHead, VersionHead};
pub(crate) use keyring::slots_of;
pub(crate) use keyrings::LoadedKeyring;
pub(crate) use looked::Looked;

use crate::{
    audit::Audit,
    env::Timestamp,
    env::random,
    error::{Error, Result},
    ids::{OperationId, VaultId},
    keys::KeyWrap,
    ledger::{self, Command, Committed, Ledger, LedgerParts, Pages, State, Trusted},
    observe,
    pin::{Freshness, Pin},
    policy::Clocks,
    recipient::Sender,
    session::SessionBuilder,
    storage::Storage,
};
use kept::CaseKeys;
use keyrings::Keyrings;

/// One tenant's vault over one storage. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    id: VaultId,
    ledger: Arc<Ledger>,
    keyrings: Arc<Keyrings>,
    case_keys: CaseKeys,
    options: VaultOptions,
    freshness: Freshness,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("id", &self.0.id)
            .field("head", &self.0.ledger.state().head)
            .finish_non_exhaustive()
    }
}

impl Vault {
    /// Makes a new vault in an empty storage, opened by `key`.
    ///
    /// Keep the [`Vault::pin`] outside the storage: it is what tells this vault, and this state of
    /// it, from any other that the storage might show.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the storage holds a vault already; [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if it
    /// does not honour create-if-absent; the storage's and the key's own.
    /// [`ErrorKind::PinNotSaved`](crate::ErrorKind::PinNotSaved) if the vault is made and its pin could not be saved:
    /// open it by [`Vault::open_unpinned`] with no pin store, or empty the storage.
    ///
    /// # Cancellation
    ///
    /// The storage may hold the vault or not; if it does, no pin to it was given away, and the
    /// storage has to be emptied.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use docvault::{Vault, keys::LocalKey, storage::MemoryStorage};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("vault.key");
    /// let vault = Vault::create(MemoryStorage::default(), LocalKey::create(&path)?).await?;
    /// let pin = vault.pin();
    /// # assert_eq!(pin.size(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn create(storage: impl Storage, key: impl KeyWrap) -> Result<Self> {
        Self::create_with(Arc::new(storage), Arc::new(key), VaultOptions::default()).await
    }

    /// [`Vault::create`] with options.
    ///
    /// # Errors
    ///
    /// As [`Vault::create`]; [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the pin store has a pin; the pin store's. Nothing is
    /// made then.
    ///
    /// # Cancellation
    ///
    /// As [`Vault::create`].
    pub async fn create_with(
        storage: Arc<dyn Storage>,
        key: Arc<dyn KeyWrap>,
        options: VaultOptions,
    ) -> Result<Self> {
        observe::operation("Vault::create", (), async {
            options.refuse_kept_pin().await?;
            genesis::create(storage, key, options).await
        })
        .await
    }

    /// Opens the vault that `pin` names, at least as new as `pin` saw it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RolledBack`](crate::ErrorKind::RolledBack) if the log ends before the pin, [`ErrorKind::Forked`](crate::ErrorKind::Forked) if it is another one;
    /// [`ErrorKind::Locked`](crate::ErrorKind::Locked) if `key` opens no slot; [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if anything on the way is
    /// not what the vault wrote; [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if the storage shows no log;
    /// [`ErrorKind::Contended`](crate::ErrorKind::Contended) if it shows others' changes again and again; the key's own and the
    /// storage's.
    pub async fn open(storage: impl Storage, key: impl KeyWrap, pin: &Pin) -> Result<Self> {
        Self::open_with(Arc::new(storage), Arc::new(key), pin, VaultOptions::default()).await
    }

    /// [`Vault::open`] with options. The log must hold the pin that the options' pin store has, too.
    ///
    /// # Errors
    ///
    /// As [`Vault::open`], for either pin; the pin store's.
    pub async fn open_with(
        storage: Arc<dyn Storage>,
        key: Arc<dyn KeyWrap>,
        pin: &Pin,
        options: VaultOptions,
    ) -> Result<Self> {
        observe::operation("Vault::open", pin.vault(), async {
            let kept = options.kept_beside(pin).await?.as_ref().map(Trusted::from);
            let pages = Pages::new(storage);
            let (state, loaded) = genesis::load(&pin.into(), kept.as_ref(), &pages, &*key).await?;
            Self::assemble(pages, state, loaded, key, options, Freshness::FreshByPin)
        })
        .await
    }

    /// Opens whatever vault the storage shows, for when the pin is lost.
    ///
    /// # Errors
    ///
    /// As [`Vault::open`], but for the pin; [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the
    /// options' pin store has one, which it would replace.
    ///
    /// # Security
    ///
    /// Nothing is certain: not that this is the newest state, and not that `key`'s owner made the vault.
    /// Whoever runs the storage can make one with keys of its own, under the same id, and seal them to
    /// the owner's slot, for a slot's public half is no secret; it reads what is then put in.
    /// [`Vault::freshness`] says [`Freshness::Unverified`]. Before anything is stored, compare
    /// [`Vault::pin`] with what another process, a receipt or a cosigned checkpoint tells.
    pub async fn open_unpinned(
        storage: Arc<dyn Storage>,
        key: Arc<dyn KeyWrap>,
        options: VaultOptions,
    ) -> Result<Self> {
        observe::operation("Vault::open_unpinned", (), async {
            options.refuse_kept_pin().await?;
            let pages = Pages::new(storage);
            let (claimed, _) = ledger::claimed(&**pages.storage()).await?;
            let (state, loaded) = genesis::load(&claimed, None, &pages, &*key).await?;
            Self::assemble(pages, state, loaded, key, options, Freshness::Unverified)
        })
        .await
    }

    fn assemble(
        pages: Pages,
        state: State,
        loaded: LoadedKeyring,
        root: Arc<dyn KeyWrap>,
        options: VaultOptions,
        freshness: Freshness,
    ) -> Result<Self> {
        let audit = loaded.keys.audit.duplicate();
        let keyrings = Arc::new(Keyrings::new(pages.storage().clone(), root, loaded));
        let parts = LedgerParts {
            pages,
            clock: options.clock.clone(),
            entropy: options.entropy.clone(),
            sleeper: options.sleeper.clone(),
            audit,
            process: random(&*options.entropy)?,
            signers: keyrings.clone(),
            state,
        };
        Ok(Self(Arc::new(Inner {
            id: parts.state.vault,
            ledger: Arc::new(Ledger::new(parts)),
            keyrings,
            case_keys: CaseKeys::default(),
            options,
            freshness,
        })))
    }

    /// The vault's identifier.
    #[must_use]
    pub fn id(&self) -> VaultId {
        self.0.id
    }

    /// What the vault was opened against. A new vault is fresh by its own pin.
    #[must_use]
    pub fn freshness(&self) -> Freshness {
        self.0.freshness.clone()
    }

    /// The present head, to be kept outside the storage.
    #[must_use]
    pub fn pin(&self) -> Pin {
        self.0.ledger.state().pin()
    }

    /// The vault's delivery key, for recipients to check by its fingerprint.
    #[must_use]
    pub fn sender(&self) -> Sender {
        Sender::new(self.0.id, self.keyring().keys.delivery_key().verifying_key())
    }

    /// Starts a session for `actor`, an opaque identifier of 1 to 256 bytes.
    ///
    /// # Security
    ///
    /// The embedding application authenticates its users; the vault records what it is told. The
    /// identifier stays in the log for good: use one that names nobody by itself.
    pub fn session(&self, actor: impl Into<String>) -> SessionBuilder {
        SessionBuilder::new(self.clone(), actor.into())
    }

    /// Reads and verifies the log.
    #[must_use]
    pub fn audit(&self) -> Audit {
        Audit::new(self.clone())
    }

    /// Reads what other processes have committed. Inboxes of cases that they have erased give nothing more from here on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt); the storage's; the pin store's, as it is: nothing was committed here.
    pub async fn sync(&self) -> Result<Pin> {
        observe::operation("Vault::sync", self.id(), async {
            self.0.ledger.sync().await?;
            let told = self.ask_for_holders().await;
            self.save_pin().await?;
            told.map(|()| self.pin())
        })
        .await
    }

    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.0.ledger
    }

    pub(crate) fn options(&self) -> &VaultOptions {
        &self.0.options
    }

    pub(crate) fn keyring(&self) -> Arc<LoadedKeyring> {
        self.0.keyrings.loaded()
    }

    /// The time by this vault's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.ledger.now()
    }

    /// The clocks that decisions about time rest on.
    pub(crate) fn clocks(&self) -> Clocks {
        Clocks { own: self.now(), log: self.0.ledger.state().head.time }
    }

    /// Commits, and advances the pin store.
    pub(crate) async fn commit(
        &self,
        operation: OperationId,
        command: impl Command + 'static,
    ) -> Result<Committed> {
        self.commit_all(operation, vec![Arc::new(command)]).await
    }

    /// Commits all of `commands` or none; tells of the first's record, which the others' follow.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::PinNotSaved`](crate::ErrorKind::PinNotSaved) if they stand; of any other, none does.
    pub(crate) async fn commit_all(
        &self,
        operation: OperationId,
        commands: Vec<Arc<dyn Command>>,
    ) -> Result<Committed> {
        let committed = self.0.ledger.commit(operation, commands).await?;
        self.keep_pin(operation).await?;
        Ok(committed)
    }

    /// Advances the pin store after `operation`, which stands whatever the store says.
    pub(crate) async fn keep_pin(&self, operation: OperationId) -> Result<()> {
        self.save_pin().await.map_err(|error| Error::pin_not_saved(operation, error))
    }

    /// Has the pin store keep the newest head that this process knows.
    ///
    /// # Errors
    ///
    /// The pin store's.
    pub(crate) async fn save_pin(&self) -> Result<()> {
        match &self.0.options.pin_store {
            Some(store) => store.save(&self.pin()).await,
            None => Ok(()),
        }
    }
}
