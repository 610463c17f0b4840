//! What an attacker has: the storage, a delivery addressed to them, and `docs/FORMAT.md`.
//!
//! The formats are put together here from the text of FORMAT alone, so that a forged object is one.
#![allow(dead_code, unreachable_pub, reason = "each module uses a part of it")]

use std::{collections::BTreeMap, ops::Range, sync::Arc, sync::Mutex};

use crate::common::around::{Around, Through};
use async_trait::async_trait;
use bytes::Bytes;
use docvault::{
    CaseId, Clock, DocumentId, Error, Identity, NewDocument, NoSleep, Pin, Recipient, Secret, Session,
    Stored, SystemEntropy, Timestamp, Vault, VaultOptions, chunked,
    keys::{Bounds, LocalKey, Passphrase},
    storage::{Creation, MemoryStorage, ObjectKey, Storage, StorageError, testing::EvilStorage},
};
use hpke::{
    Deserializable, Kem, OpModeS, Serializable,
    aead::ChaCha20Poly1305,
    kdf::HkdfSha256,
    kem::XWing,
    rand_core::{TryCryptoRng, TryRng},
    single_shot_seal_with_rng,
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A vault with one case, its storage, and its key file.
pub struct World {
    pub storage: Arc<MemoryStorage>,
    pub folder: TempDir,
    pub vault: Vault,
    pub desk: Session,
    pub case: CaseId,
}

impl World {
    pub async fn new() -> Self {
        Self::with(VaultOptions::default()).await
    }

    pub async fn with(options: VaultOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let storage = Arc::new(MemoryStorage::default());
        let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
        let vault =
            Vault::create_with(storage.clone(), key, options.sleeper(NoSleep::default())).await.unwrap();
        let desk = session(&vault);
        let case = desk.create_case("case").await.unwrap();
        Self { storage, folder, vault, desk, case }
    }

    pub fn key(&self) -> Arc<LocalKey> {
        Arc::new(LocalKey::load(self.folder.path().join("key")).unwrap())
    }

    /// The storage in the attacker's hands.
    pub fn evil(&self) -> Arc<EvilStorage> {
        Arc::new(EvilStorage::new(&self.storage))
    }

    /// Another process, on what the storage shows it, with the newest pin.
    pub async fn open(&self, storage: Arc<dyn Storage>) -> Result<Vault, Error> {
        self.open_at(storage, &self.vault.pin()).await
    }

    pub async fn open_at(&self, storage: Arc<dyn Storage>, pin: &Pin) -> Result<Vault, Error> {
        Vault::open_with(storage, self.key(), pin, options()).await
    }

    /// What another process gets of a document.
    pub async fn retrieve(&self, storage: Arc<dyn Storage>, document: DocumentId) -> Result<Bytes, Error> {
        session(&self.open(storage).await?).retrieve(document).await
    }

    pub async fn store(&self, name: &str, content: impl Into<Bytes>) -> Stored {
        self.desk.store(self.case, NewDocument::named(name), content).await.unwrap()
    }

    pub async fn store_version(&self, document: DocumentId, content: impl Into<Bytes>) -> Stored {
        self.desk.store_version(document, NewDocument::named("x"), "better", content).await.unwrap()
    }

    /// Records until the log has at least `size`, so that what stands before lies in index tables.
    pub async fn grow_to(&self, size: u64) {
        while self.vault.pin().size() < size {
            let all = (0..64).map(|_| self.desk.describe_case(self.case));
            futures_util::future::try_join_all(all).await.unwrap();
        }
    }
}

pub fn options() -> VaultOptions {
    VaultOptions::default().sleeper(NoSleep::default())
}

pub fn session(vault: &Vault) -> Session {
    vault.session("actor").purpose("purpose").begin().unwrap()
}

pub fn identity(seed: u8) -> Identity {
    Identity::from_seed(Secret::copy_from(&[seed; 32]).unwrap())
}

/// A root key that takes no time.
pub fn recovery() -> Passphrase {
    let mut bounds = Bounds::default();
    (bounds.min_memory_kib, bounds.min_passes) = (8, 1);
    Passphrase::new("correct horse").bounds(bounds).cost(64, 1, 1)
}

pub fn recipient(identity: &Identity) -> Recipient {
    Recipient::verify(&identity.recipient_bytes(), &identity.fingerprint().to_string()).unwrap()
}

pub fn head_name(stored: &Stored) -> ObjectKey {
    format!("head/{}/{}", stored.document.case(), stored.version).parse().unwrap()
}

/// Everything stored under `prefix`.
pub async fn objects(storage: &dyn Storage, prefix: &str) -> BTreeMap<ObjectKey, Bytes> {
    let mut found = BTreeMap::new();
    for key in storage.list(prefix, None, 100_000).await.unwrap() {
        let bytes = storage.read(&key, None).await.unwrap().unwrap();
        found.insert(key, bytes);
    }
    found
}

/// The only object under `prefix`.
pub async fn only(storage: &dyn Storage, prefix: &str) -> (ObjectKey, Bytes) {
    let mut found = objects(storage, prefix).await;
    assert_eq!(found.len(), 1, "{prefix}");
    found.pop_first().unwrap()
}

pub fn altered(bytes: &[u8], at: usize, bits: u8) -> Bytes {
    let mut altered = bytes.to_vec();
    altered[at] ^= bits;
    altered.into()
}

/// `bytes` with those at `range` replaced.
pub fn patched(bytes: &[u8], range: Range<usize>, with: &[u8]) -> Bytes {
    [&bytes[..range.start], with, &bytes[range.end..]].concat().into()
}

/// A clock that a test sets, in milliseconds.
#[derive(Debug, Clone, Default)]
pub struct Hands(Arc<std::sync::atomic::AtomicU64>);

impl Hands {
    pub fn at(millis: u64) -> Self {
        Self(Arc::new(millis.into()))
    }

    pub fn set(&self, millis: u64) {
        self.0.store(millis, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }
}

/// A storage between a process and the truth: creates under a prefix can be held back and land
/// later, deletes are noted.
#[derive(Debug)]
pub struct Gate {
    inner: Arc<dyn Storage>,
    state: Mutex<GateState>,
}

#[derive(Debug, Default)]
struct GateState {
    hold: Option<String>,
    held: Vec<(ObjectKey, Bytes)>,
    deleted: Vec<ObjectKey>,
}

impl Gate {
    pub fn new(inner: Arc<dyn Storage>) -> Arc<Through<Self>> {
        Arc::new(Through(Self { inner, state: Mutex::default() }))
    }

    /// From now on creates under `prefix` answer `Unknown` and are held.
    pub fn hold(&self, prefix: &str) {
        self.state.lock().unwrap().hold = Some(prefix.to_owned());
    }

    /// Lets pass what comes from now on; what is held stays held.
    pub fn pass(&self) {
        self.state.lock().unwrap().hold = None;
    }

    /// Lets what was held land; tells how each went.
    pub async fn release(&self) -> Vec<Creation> {
        let held = std::mem::take(&mut self.state.lock().unwrap().held);
        let mut outcomes = Vec::new();
        for (key, bytes) in held {
            outcomes.push(self.inner.create(&key, bytes).await.unwrap());
        }
        outcomes
    }

    pub fn deleted(&self) -> Vec<ObjectKey> {
        self.state.lock().unwrap().deleted.clone()
    }
}

#[async_trait]
impl Around for Gate {
    fn objects(&self) -> &dyn Storage {
        &*self.inner
    }

    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        {
            let mut state = self.state.lock().unwrap();
            if state.hold.as_ref().is_some_and(|prefix| key.as_str().starts_with(prefix)) {
                state.held.push((key.clone(), bytes));
                return Ok(Creation::Unknown);
            }
        }
        self.inner.create(key, bytes).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.state.lock().unwrap().deleted.push(key.clone());
        self.inner.delete(key).await
    }
}

/// FORMAT §3: `SHA-256(bytes(label) ‖ bytes(f₁) ‖ …)`.
pub fn context(label: &str, fields: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    let label = format!("docvault/v1/{label}");
    for field in [label.as_bytes()].iter().chain(fields) {
        hash.update(u32::try_from(field.len()).unwrap().to_be_bytes());
        hash.update(field);
    }
    hash.finalize().into()
}

/// FORMAT §3: `HKDF-Expand-SHA256(key, context(label, f₁, …), 32)`.
pub fn subkey(key: &[u8; 32], label: &str, fields: &[&[u8]]) -> [u8; 32] {
    let mut derived = [0; 32];
    let hkdf = hkdf::Hkdf::<Sha256>::from_prk(key).unwrap();
    hkdf.expand(&context(label, fields), &mut derived).unwrap();
    derived
}

pub fn seal(key: &[u8; 32], context: &[u8], plaintext: &[u8]) -> Vec<u8> {
    chunked::seal(&Secret::copy_from(key).unwrap(), context, plaintext, &SystemEntropy::default()).unwrap()
}

pub fn open(key: &[u8; 32], context: &[u8], sealed: &[u8]) -> Vec<u8> {
    chunked::open(&Secret::copy_from(key).unwrap(), context, sealed).unwrap().to_vec()
}

pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// Takes fields off bytes, as FORMAT §1 lays them.
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(len);
        self.0 = rest;
        head
    }

    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        self.take(N).try_into().unwrap()
    }

    pub fn bytes(&mut self) -> &'a [u8] {
        let len = u32::from_be_bytes(self.array());
        self.take(usize::try_from(len).unwrap())
    }
}

/// A key sealed to somebody by HPKE, as anybody can who knows their public key.
pub fn seal_to(public: &[u8], info: &[u8], secret: &[u8]) -> Vec<u8> {
    let key = <XWing as Kem>::PublicKey::from_bytes(public).unwrap();
    let mode = OpModeS::Base;
    let (enc, ciphertext) = single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &mode,
        &key,
        info,
        secret,
        &[],
        &mut Fixed,
    )
    .unwrap();
    [enc.to_bytes().as_slice(), &ciphertext].concat()
}

/// The first 130 bits in RFC 4648 base 32.
pub fn base32(bytes: &[u8]) -> String {
    let bit = |at: usize| usize::from(bytes[at / 8] >> (7 - at % 8) & 1);
    let symbol = |at: usize| (0..5).fold(0, |value, next| value << 1 | bit(at * 5 + next));
    (0..26).map(|at| char::from(b"abcdefghijklmnopqrstuvwxyz234567"[symbol(at)])).collect()
}

/// FORMAT §1: a length, the bytes, zeros up to a multiple of 256.
pub fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut padded = [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    padded.resize(padded.len().next_multiple_of(256), 0);
    padded
}

/// A forger needs no good randomness.
struct Fixed;

impl TryRng for Fixed {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(4)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(4)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        out.fill(4);
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}
