//! The birth of a vault, and the unlocking of its keyring.

use std::sync::Arc;

use bytes::Bytes;

use super::{Freshness, LoadedKeyring, Vault, VaultOptions};
use crate::{
    FORMAT, SUITE,
    crypto::{digest::sha256, sign::VerifyingKey},
    document::PART_LEN,
    env::{Entropy, random},
    error::{Error, ErrorKind, Result},
    ids::VaultId,
    keyring::{self, KEYRING_CAP, Keyring, SealedKeyring, kind_code, random_secret, slot_context},
    keys::{KeyError, KeyWrap},
    ledger::{self, Pages, State, get},
    log::{
        commit::{COMMIT_CAP, Commit},
        leaf::Kind,
    },
    plan,
    secret::Secret,
    storage::{Storage, layout},
    wire::{Malformed, Reader, Writer},
};

/// Makes a vault.
pub(super) async fn create(
    storage: Arc<dyn Storage>,
    root: Arc<dyn KeyWrap>,
    options: VaultOptions,
) -> Result<Vault> {
    let entropy = options.entropy.clone();
    if !storage.list(layout::LOG, None, 1).await?.is_empty() {
        return Err(Error::invalid("this storage holds a vault already: open it with its pin"));
    }
    let id = VaultId::from_bytes(random(&*entropy)?);
    let mut keys = Keyring::generate(&*entropy)?;
    let slot = new_slot(id, &*root, &*entropy).await?;
    keys.add_slot(slot, "root".into());
    let object = keys.seal(id, &*entropy)?;
    let digest = sha256(&[&object]);
    let statement = statement(id, &keys);
    let state = State::empty(id, keys.commit_key().verifying_key());
    let pages = Pages::new(storage);
    let loaded = LoadedKeyring { digest, keys };
    let vault = Vault::assemble(pages, state, loaded, root, options, Freshness::FreshByPin)?;
    vault.ledger().put(&layout::keyring(&digest), object).await?;
    let operation = vault.ledger().operation()?;
    let genesis = plan::Genesis { vault: id, operation, statement, keyring: digest };
    vault.ledger().commit(operation, Arc::new(genesis)).await?;
    Ok(vault)
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
    let context = slot_context(vault, &id, kind_code(root.kind()));
    let wrapped = root.wrap(&context, &seed).await.map_err(key_error)?;
    if wrapped.len() > keyring::WRAPPED_CAP {
        return Err(Error::invalid("the root key wrapped 32 bytes into more than 4 KiB"));
    }
    Ok(keyring::slot(id, root.kind(), &seed, wrapped))
}

/// Loads the newest state and its keyring; again if both were replaced in between.
///
/// # Errors
///
/// Not found if the storage shows no log; as [`unlock`].
pub(super) async fn load(
    vault: VaultId,
    log_key: VerifyingKey,
    pages: &Pages,
    root: &dyn KeyWrap,
) -> Result<(State, LoadedKeyring)> {
    let mut tried: Option<State> = None;
    loop {
        let state = ledger::load(vault, log_key, pages).await?.ok_or_else(|| Error::not_found("log"))?;
        match unlock(&state, pages, root).await {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                if tried.is_some_and(|tried| tried.keyring() == state.keyring()) {
                    return Err(error);
                }
                tried = Some(state);
            }
            unlocked => return Ok((state, unlocked?)),
        }
    }
}

/// Opens the keyring that the log names.
///
/// # Errors
///
/// Locked if `root` opens none of its slots; corrupt if it is missing or altered.
pub(super) async fn unlock(state: &State, pages: &Pages, root: &dyn KeyWrap) -> Result<LoadedKeyring> {
    let digest = state.keyring();
    let key = layout::keyring(&digest);
    let object = get(&**pages.storage(), &key, KEYRING_CAP).await?;
    if sha256(&[&object]) != digest {
        return Err(Error::corrupt(&key));
    }
    let sealed = SealedKeyring::parse(state.vault, &object).map_err(|Malformed| Error::corrupt(&key))?;
    let kind = kind_code(root.kind());
    for slot in sealed.slots().filter(|slot| slot.kind == kind) {
        let context = slot_context(state.vault, &slot.id, kind);
        match root.unwrap(&context, &slot.wrapped_seed).await {
            Ok(seed) => {
                let keys = sealed.open(&slot.id, &seed).map_err(|_| Error::corrupt(&key))?;
                return Ok(LoadedKeyring { digest, keys });
            }
            Err(KeyError::Refused) => {}
            Err(error) => return Err(key_error(error)),
        }
    }
    Err(Error::new(ErrorKind::Locked, "this key opens no slot of the vault: is it the right one?"))
}

/// The vault and the log key that the first commit claims, which only an opened keyring confirms.
///
/// # Errors
///
/// Not found if there is no first commit; corrupt if it is none.
pub(super) async fn claimed(pages: &Pages) -> Result<(VaultId, VerifyingKey)> {
    let name = layout::commit(0, &[0; 32]);
    let bytes = pages.storage().read(&name, None).await?.ok_or_else(|| Error::not_found("log"))?;
    let bytes = bytes.slice(..bytes.len().min(COMMIT_CAP));
    let claimed = claim(&bytes).map_err(|Malformed| Error::corrupt(&name))?;
    ledger::verified(claimed.0, &claimed.1, &name, &bytes)?;
    Ok(claimed)
}

fn claim(bytes: &Bytes) -> Result<(VaultId, VerifyingKey), Malformed> {
    let mut r = Reader::new(bytes);
    r.expect(b"dvcm")?;
    r.expect(&[FORMAT, SUITE, 0, 0])?;
    let vault = VaultId::read(&mut r)?;
    let commit = Commit::parse(vault, bytes)?;
    let genesis =
        commit.leaves.first().filter(|record| record.leaf.kind == Kind::Genesis).ok_or(Malformed)?;
    if genesis.leaf.object != *vault.as_bytes() {
        return Err(Malformed);
    }
    Ok((vault, read_statement(commit.body(0).ok_or(Malformed)?)?.commit))
}

/// What the first record says in the clear (FORMAT §5.4).
pub(crate) struct Statement {
    pub(crate) commit: VerifyingKey,
    pub(crate) delivery: VerifyingKey,
    pub(crate) checkpoint: VerifyingKey,
    pub(crate) origin: String,
}

fn statement(vault: VaultId, keys: &Keyring) -> Bytes {
    let mut w = Writer::new();
    w.fixed(b"dvgs").u8(FORMAT).u8(SUITE).u8(BLAKE3).u8(PADME).u32(CHUNK).u32(PART);
    for key in [keys.commit_key(), keys.delivery_key(), keys.checkpoint_key()] {
        w.fixed(&key.verifying_key().to_bytes());
    }
    w.text(&origin(vault));
    w.into_vec().into()
}

/// The name under which a vault's checkpoints are known.
pub(crate) fn origin(vault: VaultId) -> String {
    format!("docvault/{vault}")
}

/// Parses the genesis statement.
///
/// # Errors
///
/// Malformed for any other suite, digest, padding or size than version 1's, and for weak keys.
pub(crate) fn read_statement(bytes: &[u8]) -> Result<Statement, Malformed> {
    let mut r = Reader::new(bytes);
    r.expect(b"dvgs")?;
    r.expect(&[FORMAT, SUITE, BLAKE3, PADME])?;
    if (r.u32()?, r.u32()?) != (CHUNK, PART) {
        return Err(Malformed);
    }
    let mut key = || VerifyingKey::from_bytes(&r.array()?).map_err(|_| Malformed);
    let (commit, delivery, checkpoint) = (key()?, key()?, key()?);
    let origin = r.text(ORIGIN_CAP)?.to_owned();
    r.finish()?;
    Ok(Statement { commit, delivery, checkpoint, origin })
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

const BLAKE3: u8 = 1;
const PADME: u8 = 1;
const CHUNK: u32 = 16 * 1024;
const PART: u32 = 8 * 1024 * 1024;
const _: () = assert!(PART_LEN == 8 * 1024 * 1024, "the statement says how long parts are");
const ORIGIN_CAP: usize = 128;
