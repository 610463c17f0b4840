//! The birth of a vault, and the unlocking of its keyring.

use std::sync::Arc;

use futures_util::{FutureExt, future::BoxFuture};

use super::{
    Freshness, LoadedKeyring, Vault, VaultOptions,
    replacing::{RETRIES, kept_changing},
};
use crate::{
    crypto::digest::sha256,
    env::{Entropy, random},
    error::{Error, ErrorKind, Result},
    ids::VaultId,
    keyring::{self, KEYRING_CAP, Keyring, SealedKeyring, random_secret, slot_context},
    keys::{KeyError, KeyWrap, SlotKind},
    ledger::{self, Pages, State, Trusted, get},
    log::{
        signing::LogKey,
        statement::{Statement, origin},
    },
    plan,
    secret::Secret,
    storage::{Storage, layout},
};

/// Makes a vault.
pub(super) async fn create(
    storage: Arc<dyn Storage>,
    root: Arc<dyn KeyWrap>,
    options: VaultOptions,
) -> Result<Vault> {
    let entropy = options.entropy.clone();
    let pages = Pages::new(storage);
    if !pages.storage().list(layout::LOG, None, 1).await?.is_empty() {
        return Err(taken());
    }
    let id = VaultId::from_bytes(random(&*entropy)?);
    let mut keys = Keyring::generate(&*entropy)?;
    let slot = new_slot(id, &*root, &*entropy).await?;
    keys.add_slot(slot, "root".into())?;
    let object = keys.seal(id, &*entropy)?;
    let digest = sha256(&[&object]);
    let statement = Statement {
        commit: keys.commit_key().verifying_key(),
        delivery: keys.delivery_key().verifying_key(),
        checkpoint: keys.checkpoint_key().verifying_key(),
        origin: origin(id),
    };
    let statement = statement.encode();
    let state = State::empty(id, LogKey::first(keys.commit_key().verifying_key()));
    let loaded = LoadedKeyring::new(digest, keys);
    let vault = Vault::assemble(pages, state, loaded, root, options, Freshness::FreshByPin)?;
    vault.ledger().put(&layout::keyring(&digest), object).await?;
    let operation = vault.ledger().operation()?;
    let genesis = plan::Genesis { vault: id, operation, statement, keyring: digest };
    let committed = vault.commit(operation, genesis).await;
    // What stands there instead, these keys have not signed.
    committed.map_err(|error| if error.tells_of_corruption() { taken() } else { error })?;
    Ok(vault)
}

fn taken() -> Error {
    Error::invalid("this storage holds a vault already: open it with its pin")
}

/// A slot that `root` opens.
///
/// # Errors
///
/// The key's, or no randomness.
pub(super) async fn new_slot(
    vault: VaultId,
    root: &dyn KeyWrap,
    entropy: &dyn Entropy,
) -> Result<keyring::Slot> {
    let id = random::<16>(entropy)?;
    let seed: Secret<32> = random_secret(entropy)?;
    let kind = kind_of(root)?;
    let context = slot_context(vault, &id, kind.code());
    let wrapped = root.wrap(&context, &seed).await.map_err(key_error)?;
    if wrapped.len() > keyring::WRAPPED_CAP {
        return Err(Error::invalid("the root key wrapped 32 bytes into more than 4 KiB"));
    }
    Ok(keyring::slot(id, kind, &seed, wrapped))
}

/// The root key's kind, if a slot can say it.
fn kind_of(root: &dyn KeyWrap) -> Result<SlotKind> {
    let kind = root.kind();
    if kind.has_code() {
        return Ok(kind);
    }
    Err(Error::invalid("the number of an embedder's kind of root key has 15 bits: take one below 0x8000"))
}

/// Loads the newest state, which holds what is trusted and what is kept beside it, and its keyring; again if both were
/// replaced in between.
///
/// # Errors
///
/// Not found if the storage shows no log; contended if it showed others' changes again and again; as [`unlock`].
pub(super) fn load<'a>(
    trusted: &'a Trusted,
    kept: Option<&'a Trusted>,
    pages: &'a Pages,
    root: &'a dyn KeyWrap,
) -> BoxFuture<'a, Result<(State, LoadedKeyring)>> {
    Box::pin(async move {
        let mut tried: Option<State> = None;
        for _ in 0..RETRIES {
            let loaded =
                ledger::load_with(trusted, kept, pages, |state, storage| sealed(state, storage).boxed())
                    .await?;
            let (state, sealed) = loaded.ok_or_else(|| Error::not_found("log"))?;
            match open(&state, sealed, root).await {
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    if tried.is_some_and(|tried| tried.keyring() == state.keyring()) {
                        return Err(error);
                    }
                    tried = Some(state);
                }
                unlocked => return Ok((state, unlocked?)),
            }
        }
        Err(kept_changing())
    })
}

/// Opens the keyring that the log names.
///
/// # Errors
///
/// Locked if `root` opens none of its slots, or denied if it may not try one of them; corrupt if it is missing or altered.
pub(super) async fn unlock(
    state: &State,
    storage: &dyn Storage,
    root: &dyn KeyWrap,
) -> Result<LoadedKeyring> {
    open(state, sealed(state, storage).await, root).await
}

/// The keyring object that `state` names.
async fn sealed(state: &State, storage: &dyn Storage) -> Result<SealedKeyring> {
    let digest = state.keyring();
    let key = layout::keyring(&digest);
    let object = get(storage, &key, KEYRING_CAP).await?;
    let sealed = SealedKeyring::parse(state.vault, &object).ok().filter(|_| sha256(&[&object]) == digest);
    sealed.ok_or_else(|| Error::corrupt(&key))
}

async fn open(state: &State, sealed: Result<SealedKeyring>, root: &dyn KeyWrap) -> Result<LoadedKeyring> {
    let (sealed, digest) = (sealed?, state.keyring());
    let (slot, seed) = opened_slot(state.vault, &sealed, root).await?;
    let keys = sealed.open(&slot, &seed).map_err(|_| Error::corrupt(layout::keyring(&digest)))?;
    // Whoever had a keyring can have made this one. Each epoch has cost a record; of one that is the last there can be,
    // or of a log that has not got so far, no process could make the next.
    let began =
        state.log_key.epoch == keys.signing_epoch() && u64::from(keys.current_epoch()) <= state.head.size;
    if began { Ok(LoadedKeyring::new(digest, keys)) } else { Err(Error::corrupt(layout::keyring(&digest))) }
}

/// The first slot that `root` opens, and its seed.
///
/// # Errors
///
/// As [`unlock`].
async fn opened_slot(
    vault: VaultId,
    sealed: &SealedKeyring,
    root: &dyn KeyWrap,
) -> Result<([u8; 16], Secret<32>)> {
    let (kind, mut untried) = (kind_of(root)?, None);
    for slot in sealed.slots().filter(|slot| slot.kind == kind) {
        let context = slot_context(vault, &slot.id, kind.code());
        match root.unwrap(&context, &slot.wrapped_seed).await {
            Ok(seed) => return Ok((slot.id, seed)),
            Err(KeyError::Refused) => {}
            // Somebody else's slot may cost what this process does not allow.
            Err(error @ KeyError::Policy(_)) => untried = untried.or(Some(error)),
            Err(error) => return Err(key_error(error)),
        }
    }
    let text = "this key opens no slot of the vault: is it the right one?";
    Err(untried.map_or_else(|| Error::new(ErrorKind::Locked, text), key_error))
}

fn key_error(error: KeyError) -> Error {
    let (kind, text) = match &error {
        KeyError::Unavailable(_) => (ErrorKind::Storage, "the key service is out of reach: try again later"),
        KeyError::Entropy(_) => (ErrorKind::Entropy, "no randomness, so nothing was sealed"),
        KeyError::Policy(_) => (ErrorKind::Denied, "the slot's key derivation is outside the local policy"),
        KeyError::Refused => (ErrorKind::Locked, "this key does not open that slot"),
    };
    Error::new(kind, text).caused(error)
}
