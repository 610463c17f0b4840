//! The keyring: every key of a vault, sealed to the slots that may open it (FORMAT §4.2). Pure.

use core::fmt;

use bytes::Bytes;

use crate::{
    FORMAT, SUITE,
    crypto::{
        chunked::{self, OpenError},
        digest::sha256,
        hpke::{PublicKey, SecretKey},
        schedule,
        sign::SigningKey,
    },
    env::{Entropy, EntropyError, random},
    error::{Error, Result},
    ids::{Hex, VaultId},
    keys::SlotKind,
    padding,
    secret::{Secret, SecretBytes},
    wire::{Malformed, Reader, Writer},
};

/// A slot as stored: who may open the keyring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) id: [u8; 16],
    pub(crate) kind: SlotKind,
    public: PublicKey,
    /// The slot's seed, wrapped by its root key.
    pub(crate) wrapped_seed: Vec<u8>,
}

/// A slot's name, known to whom the keyring is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) slot: [u8; 16],
    pub(crate) text: String,
}

/// Every key of a vault.
pub(crate) struct Keyring {
    pub(crate) slots: Vec<Slot>,
    pub(crate) labels: Vec<Label>,
    pub(crate) audit: Secret<32>,
    /// Of the commit and the checkpoint key.
    signing_epoch: u32,
    commit: Secret<32>,
    delivery: Secret<32>,
    checkpoint: Secret<32>,
    /// Reserved (FORMAT §4.2).
    deposit: Secret<32>,
    /// Ascending; the last is current.
    epochs: Vec<(u32, Secret<32>)>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let epochs: Vec<u32> = self.epochs.iter().map(|(epoch, _)| *epoch).collect();
        f.debug_struct("Keyring")
            .field("slots", &self.slots.len())
            .field("epochs", &epochs)
            .finish_non_exhaustive()
    }
}

impl Keyring {
    /// Fresh keys and no slot yet.
    ///
    /// # Errors
    ///
    /// [`EntropyError`].
    pub(crate) fn generate(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        Ok(Self {
            slots: Vec::new(),
            labels: Vec::new(),
            audit: random_secret(entropy)?,
            signing_epoch: 1,
            commit: random_secret(entropy)?,
            delivery: random_secret(entropy)?,
            checkpoint: random_secret(entropy)?,
            deposit: random_secret(entropy)?,
            epochs: vec![(1, random_secret(entropy)?)],
        })
    }

    /// A second holder of the same keys.
    pub(crate) fn duplicate(&self) -> Self {
        Self {
            slots: self.slots.clone(),
            labels: self.labels.clone(),
            audit: self.audit.duplicate(),
            signing_epoch: self.signing_epoch,
            commit: self.commit.duplicate(),
            delivery: self.delivery.duplicate(),
            checkpoint: self.checkpoint.duplicate(),
            deposit: self.deposit.duplicate(),
            epochs: self.epochs.iter().map(|(epoch, key)| (*epoch, key.duplicate())).collect(),
        }
    }

    pub(crate) fn commit_key(&self) -> SigningKey {
        SigningKey::from_seed(self.commit.duplicate())
    }

    pub(crate) fn delivery_key(&self) -> SigningKey {
        SigningKey::from_seed(self.delivery.duplicate())
    }

    pub(crate) fn checkpoint_key(&self) -> SigningKey {
        SigningKey::from_seed(self.checkpoint.duplicate())
    }

    /// The epoch of the keys that sign commits and checkpoints.
    pub(crate) const fn signing_epoch(&self) -> u32 {
        self.signing_epoch
    }

    /// Replaces the keys that sign commits and checkpoints by fresh ones of the next signing epoch.
    ///
    /// # Errors
    ///
    /// [`EntropyError`].
    pub(crate) fn rotate_signing(&mut self, entropy: &dyn Entropy) -> Result<(), EntropyError> {
        let (commit, checkpoint) = (random_secret(entropy)?, random_secret(entropy)?);
        self.signing_epoch = self.signing_epoch.saturating_add(1);
        (self.commit, self.checkpoint) = (commit, checkpoint);
        Ok(())
    }

    /// The epoch under which case keys are wrapped now.
    pub(crate) fn current_epoch(&self) -> u32 {
        self.epochs.last().map_or(0, |(epoch, _)| *epoch)
    }

    /// The epochs held, newest first, with their keys.
    pub(crate) fn epochs(&self) -> impl Iterator<Item = (u32, &Secret<32>)> {
        self.epochs.iter().rev().map(|(epoch, key)| (*epoch, key))
    }

    pub(crate) fn epoch_key(&self, epoch: u32) -> Option<&Secret<32>> {
        self.epochs().find(|(held, _)| *held == epoch).map(|(_, key)| key)
    }

    /// Adds a fresh current epoch.
    ///
    /// # Errors
    ///
    /// [`EntropyError`].
    pub(crate) fn add_epoch(&mut self, entropy: &dyn Entropy) -> Result<u32, EntropyError> {
        let epoch = self.current_epoch().saturating_add(1);
        self.epochs.push((epoch, random_secret(entropy)?));
        Ok(epoch)
    }

    /// Forgets every epoch but the current one.
    pub(crate) fn drop_old_epochs(&mut self) {
        let current = self.current_epoch();
        self.epochs.retain(|(epoch, _)| *epoch == current);
    }

    /// Adds a slot whose seed its root key has wrapped.
    ///
    /// # Errors
    ///
    /// Invalid if there is one of its id: no keyring with two of them is read.
    pub(crate) fn add_slot(&mut self, slot: Slot, text: String) -> Result<()> {
        if self.slots.iter().any(|held| held.id == slot.id) {
            return Err(Error::invalid(format!("the keyring has a slot {} already", Hex(&slot.id))));
        }
        self.labels.push(Label { slot: slot.id, text });
        self.slots.push(slot);
        self.slots.sort_by_key(|slot| slot.id);
        self.labels.sort_by_key(|label| label.slot);
        Ok(())
    }

    /// Removes a slot; tells whether there was one.
    pub(crate) fn remove_slot(&mut self, id: &[u8; 16]) -> bool {
        let before = self.slots.len();
        self.slots.retain(|slot| slot.id != *id);
        self.labels.retain(|label| label.slot != *id);
        self.slots.len() < before
    }

    /// The keyring object: a fresh keyring key, sealed to every slot, over the contents.
    ///
    /// # Errors
    ///
    /// No randomness; invalid if it could not be read again: once the log named it, nobody could open the vault.
    pub(crate) fn seal(&self, vault: VaultId, entropy: &dyn Entropy) -> Result<Bytes> {
        let key = random_secret(entropy)?;
        let object = self.sealed_under(&key, vault, entropy)?;
        let opens = |sealed: SealedKeyring| sealed.open_payload(&key).is_ok();
        if SealedKeyring::parse(vault, &object).is_ok_and(opens) {
            return Ok(object);
        }
        Err(Error::invalid("the keyring so changed could not be read: nothing was changed"))
    }

    fn sealed_under(&self, key: &Secret<32>, vault: VaultId, entropy: &dyn Entropy) -> Result<Bytes> {
        let id = random::<16>(entropy)?;
        let mut w = Writer::with_capacity(8192);
        w.fixed(b"dvkr").u8(FORMAT).u8(SUITE).u16(0).fixed(vault.as_bytes()).fixed(&id);
        w.u32(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        for slot in &self.slots {
            let info = slot_info(vault, &id, &slot.id);
            let sealed = slot.public.seal(&info, &[], key.expose(), entropy)?;
            w.fixed(&slot.id)
                .u16(slot.kind.code())
                .fixed(&slot.public.to_bytes())
                .bytes(&slot.wrapped_seed)
                .fixed(&sealed);
        }
        let context = payload_context(vault, &id, w.as_slice());
        let payload = chunked::seal(key, &context, &padding::pad(&self.contents()), entropy)?;
        w.fixed(&payload);
        Ok(w.into_vec().into())
    }

    pub(crate) fn contents(&self) -> SecretBytes {
        let mut w = Writer::with_capacity(64 * 1024);
        w.fixed(self.audit.expose()).u32(self.signing_epoch);
        for key in [&self.commit, &self.delivery, &self.checkpoint, &self.deposit] {
            w.fixed(key.expose());
        }
        w.u32(u32::try_from(self.epochs.len()).unwrap_or(u32::MAX));
        for (epoch, key) in &self.epochs {
            w.u32(*epoch).fixed(key.expose());
        }
        w.u32(u32::try_from(self.labels.len()).unwrap_or(u32::MAX));
        for label in &self.labels {
            w.fixed(&label.slot).text(&label.text);
        }
        w.into_secret()
    }

    /// Reads what [`Keyring::contents`] gives, of a keyring with these slots.
    ///
    /// # Errors
    ///
    /// [`Malformed`], also if the labels are other slots'.
    pub(crate) fn read(bytes: &[u8], slots: impl FnOnce(&[Label]) -> Vec<Slot>) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        let (audit, signing_epoch) = (r.secret()?, r.u32()?);
        let (commit, delivery, checkpoint, deposit) = (r.secret()?, r.secret()?, r.secret()?, r.secret()?);
        let mut epochs = Vec::new();
        for _ in 0..r.count(EPOCH_CAP)? {
            epochs.push((r.u32()?, r.secret()?));
        }
        let mut labels = Vec::new();
        for _ in 0..r.count(SLOT_CAP)? {
            labels.push(Label { slot: r.array()?, text: r.text(LABEL_CAP)?.to_owned() });
        }
        r.finish()?;
        let slots = slots(&labels);
        let labelled = labels.iter().map(|label| label.slot).eq(slots.iter().map(|slot| slot.id));
        let ascending = epochs.is_sorted_by(|(a, _), (b, _)| a < b) && !epochs.is_empty();
        if !labelled || !ascending || signing_epoch == 0 {
            return Err(Malformed);
        }
        Ok(Self { slots, labels, audit, signing_epoch, commit, delivery, checkpoint, deposit, epochs })
    }
}

/// A new slot for the holder of `seed`, which its root key has wrapped as `wrapped_seed`.
pub(crate) fn slot(id: [u8; 16], kind: SlotKind, seed: &Secret<32>, wrapped_seed: Vec<u8>) -> Slot {
    let public = SecretKey::from_seed(seed).public();
    Slot { id, kind, public, wrapped_seed }
}

/// What a root key binds when it wraps a slot's seed.
pub(crate) fn slot_context(vault: VaultId, id: &[u8; 16], kind: u16) -> [u8; 32] {
    schedule::context(schedule::SLOT, &[vault.as_bytes(), id, &kind.to_be_bytes()])
}

/// A keyring object as read, still sealed.
#[derive(Debug)]
pub(crate) struct SealedKeyring {
    vault: VaultId,
    id: [u8; 16],
    slots: Vec<(Slot, Vec<u8>)>,
    prefix: [u8; 32],
    payload: Vec<u8>,
}

impl SealedKeyring {
    /// Parses a keyring object.
    ///
    /// # Errors
    ///
    /// [`Malformed`]; also for another vault's.
    pub(crate) fn parse(vault: VaultId, bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > KEYRING_CAP {
            return Err(Malformed);
        }
        let mut r = Reader::new(bytes);
        r.expect(b"dvkr")?;
        r.expect(&[FORMAT, SUITE, 0, 0])?;
        r.expect(vault.as_bytes())?;
        let id = r.array()?;
        let count = r.count(SLOT_CAP)?;
        let slots = (0..count).map(|_| read_slot(&mut r)).collect::<Result<Vec<_>, _>>()?;
        if slots.is_empty() || !slots.is_sorted_by(|(a, _), (b, _)| a.id < b.id) {
            return Err(Malformed);
        }
        let payload = r.rest();
        let prefix_len = bytes.len().saturating_sub(payload.len());
        let prefix = bytes.get(..prefix_len).map(|prefix| sha256(&[prefix])).ok_or(Malformed)?;
        Ok(Self { vault, id, slots, prefix, payload: payload.to_vec() })
    }

    /// The bytes that [`SealedKeyring::parse`] takes.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.fixed(b"dvkr").u8(FORMAT).u8(SUITE).u16(0).fixed(self.vault.as_bytes()).fixed(&self.id);
        w.u32(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        for (slot, sealed) in &self.slots {
            w.fixed(&slot.id).u16(slot.kind.code()).fixed(&slot.public.to_bytes());
            w.bytes(&slot.wrapped_seed).fixed(sealed);
        }
        w.fixed(&self.payload);
        w.into_vec()
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().map(|(slot, _)| slot)
    }

    /// Opens the keyring with the seed of slot `slot`.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the seed is not that slot's or anything was altered.
    pub(crate) fn open(&self, slot: &[u8; 16], seed: &Secret<32>) -> Result<Keyring, OpenError> {
        let (_, sealed) = self.slots.iter().find(|(held, _)| held.id == *slot).ok_or(OpenError)?;
        let info = slot_info(self.vault, &self.id, slot);
        let key = SecretKey::from_seed(seed).open(&info, &[], sealed)?;
        let key = Secret::copy_from(&key).ok_or(OpenError)?;
        self.open_payload(&key)
    }

    /// Opens the keyring with the key of an earlier opening.
    fn open_payload(&self, key: &Secret<32>) -> Result<Keyring, OpenError> {
        let context = context_of_prefix(self.vault, &self.id, &self.prefix);
        let padded = chunked::open(key, &context, &self.payload)?;
        let contents = padding::unpad(&padded).map_err(|Malformed| OpenError)?;
        Keyring::read(contents, |_| self.slots().cloned().collect()).map_err(|Malformed| OpenError)
    }
}

/// `N` fresh secret bytes.
///
/// # Errors
///
/// [`EntropyError`].
pub(crate) fn random_secret<const N: usize>(entropy: &dyn Entropy) -> Result<Secret<N>, EntropyError> {
    let mut secret = Secret::zeroed();
    entropy.fill(secret.expose_mut())?;
    Ok(secret)
}

fn read_slot(r: &mut Reader<'_>) -> Result<(Slot, Vec<u8>), Malformed> {
    let slot = Slot {
        id: r.array()?,
        kind: SlotKind::from_code(r.u16()?)?,
        public: PublicKey::from_bytes(&r.array()?).map_err(|_| Malformed)?,
        wrapped_seed: r.bytes(WRAPPED_CAP)?.to_vec(),
    };
    Ok((slot, r.take(SEALED_KEY_LEN)?.to_vec()))
}

fn slot_info(vault: VaultId, keyring: &[u8; 16], slot: &[u8; 16]) -> [u8; 32] {
    schedule::context(schedule::KEYRING_TO_SLOT, &[vault.as_bytes(), keyring, slot])
}

fn payload_context(vault: VaultId, keyring: &[u8; 16], prefix: &[u8]) -> [u8; 32] {
    context_of_prefix(vault, keyring, &sha256(&[prefix]))
}

fn context_of_prefix(vault: VaultId, keyring: &[u8; 16], prefix: &[u8; 32]) -> [u8; 32] {
    schedule::context(schedule::KEYRING_PAYLOAD, &[vault.as_bytes(), keyring, prefix])
}

/// Length of a keyring object, at most.
pub(crate) const KEYRING_CAP: usize = 1024 * 1024;
/// Slots, at most.
pub(crate) const SLOT_CAP: usize = 64;
/// Bytes of a slot's label, at most.
pub(crate) const LABEL_CAP: usize = 128;
/// Vault key epochs held at once, at most.
pub(crate) const EPOCH_CAP: usize = 256;
/// Length of a wrapped seed, at most.
pub(crate) const WRAPPED_CAP: usize = 4096;
const SEALED_KEY_LEN: usize = 1168;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::SystemEntropy;

    fn keyring() -> (Keyring, [Secret<32>; 2]) {
        let seeds = [Secret::take([1; 32]), Secret::take([2; 32])];
        let mut keyring = Keyring::generate(&SystemEntropy).expect("entropy");
        for (seed, id) in seeds.iter().zip([[9; 16], [8; 16]]) {
            let added = keyring.add_slot(slot(id, SlotKind::Local, seed, vec![3; 104]), "desk".into());
            added.expect("no slot has its id");
        }
        (keyring, seeds)
    }

    fn vault() -> VaultId {
        VaultId::from_bytes([7; 16])
    }

    /// As who holds every key can seal, and this crate does not.
    fn sealed_unread(keyring: &Keyring) -> Bytes {
        keyring.sealed_under(&Secret::take([5; 32]), vault(), &SystemEntropy).expect("entropy")
    }

    #[test]
    fn no_keyring_is_sealed_that_could_not_be_read() {
        let (mut keyring, seeds) = keyring();
        let twice = slot([9; 16], SlotKind::Local, &seeds[0], vec![3; 104]);
        assert!(keyring.add_slot(twice.clone(), "again".into()).is_err());
        assert!(keyring.seal(vault(), &SystemEntropy).is_ok());
        keyring.slots.insert(0, twice);
        keyring.labels.insert(0, Label { slot: [9; 16], text: "again".into() });
        assert!(keyring.seal(vault(), &SystemEntropy).is_err());
        keyring.slots.remove(0);
        // Of other slots than it has.
        assert!(keyring.seal(vault(), &SystemEntropy).is_err());
    }

    #[test]
    fn a_keyring_has_a_mebibyte_at_most() {
        let sealed = keyring().0.seal(vault(), &SystemEntropy).expect("entropy").to_vec();
        for (len, taken) in [(KEYRING_CAP - 1, true), (KEYRING_CAP, true), (KEYRING_CAP + 1, false)] {
            // What follows the slots is opened later.
            let mut longer = sealed.clone();
            longer.resize(len, 0);
            assert_eq!(SealedKeyring::parse(vault(), &longer).is_ok(), taken, "{len}");
        }
    }

    #[test]
    fn a_slot_is_bound_to_its_vault_its_name_and_its_kind_or_keyring() {
        let other = VaultId::from_bytes([8; 16]);
        let context = slot_context(vault(), &[1; 16], 1);
        assert_ne!(context, slot_context(other, &[1; 16], 1));
        assert_ne!(context, slot_context(vault(), &[2; 16], 1));
        assert_ne!(context, slot_context(vault(), &[1; 16], 2));
        let info = slot_info(vault(), &[1; 16], &[2; 16]);
        assert_ne!(info, slot_info(other, &[1; 16], &[2; 16]));
        assert_ne!(info, slot_info(vault(), &[2; 16], &[2; 16]));
        assert_ne!(info, slot_info(vault(), &[1; 16], &[1; 16]));
    }

    #[test]
    fn each_slot_opens_the_same_keys() {
        let (mut keyring, seeds) = keyring();
        keyring.add_epoch(&SystemEntropy).expect("entropy");
        let bytes = keyring.seal(vault(), &SystemEntropy).expect("entropy");
        let sealed = SealedKeyring::parse(vault(), &bytes).expect("what was sealed parses");
        for (seed, id) in seeds.iter().zip([[9; 16], [8; 16]]) {
            let opened = sealed.open(&id, seed).expect("the slot's seed opens it");
            assert_eq!(opened.audit.expose(), keyring.audit.expose());
            assert_eq!(opened.current_epoch(), 2);
            assert_eq!(opened.slots, keyring.slots);
        }
        assert!(sealed.open(&[9; 16], &seeds[1]).is_err());
    }

    #[test]
    fn a_removed_slot_opens_no_later_keyring() {
        let (mut keyring, seeds) = keyring();
        assert!(keyring.remove_slot(&[9; 16]));
        assert!(!keyring.remove_slot(&[9; 16]));
        let bytes = keyring.seal(vault(), &SystemEntropy).expect("entropy");
        let sealed = SealedKeyring::parse(vault(), &bytes).expect("parses");
        assert!(sealed.open(&[9; 16], &seeds[0]).is_err());
        assert!(sealed.open(&[8; 16], &seeds[0]).is_err());
        assert!(sealed.open(&[8; 16], &seeds[1]).is_ok());
    }

    #[test]
    fn empty_key_list_rejected() {
        let (mut keyring, seeds) = keyring();
        let opens = |keyring: &Keyring| {
            let bytes = sealed_unread(keyring);
            let sealed = SealedKeyring::parse(vault(), &bytes);
            sealed.map_err(|Malformed| OpenError).and_then(|sealed| sealed.open(&[9; 16], &seeds[0]))
        };
        assert!(opens(&keyring).is_ok());
        // Sealed rightly by who holds every key, and yet not taken: no epoch, or fewer labels than slots.
        let epochs = core::mem::take(&mut keyring.epochs);
        assert!(opens(&keyring).is_err(), "no epoch");
        keyring.epochs = epochs;
        let labels = core::mem::take(&mut keyring.labels);
        assert!(opens(&keyring).is_err(), "no label");
        keyring.labels = labels;
        let slots = core::mem::take(&mut keyring.slots);
        keyring.labels.clear();
        let none = sealed_unread(&keyring);
        assert!(SealedKeyring::parse(vault(), &none).is_err(), "no slot");
        keyring.add_slot(slots[0].clone(), String::new()).expect("there is none");
        let one = sealed_unread(&keyring);
        assert!(SealedKeyring::parse(vault(), &one).is_ok());
    }

    #[test]
    fn signing_epochs_begin_at_one_and_epochs_ascend() {
        let opens = |change: fn(&mut Keyring)| {
            let (mut keyring, seeds) = keyring();
            keyring.add_epoch(&SystemEntropy).expect("entropy");
            change(&mut keyring);
            let bytes = sealed_unread(&keyring);
            let sealed = SealedKeyring::parse(vault(), &bytes).expect("parses");
            sealed.open(&[9; 16], &seeds[0]).is_ok()
        };
        assert!(opens(|_| {}));
        assert!(!opens(|keyring| keyring.signing_epoch = 0));
        assert!(!opens(|keyring| keyring.epochs.reverse()));
        assert!(!opens(|keyring| keyring.epochs[1].0 = 1));
    }

    #[test]
    fn a_slot_of_no_kind_is_refused() {
        let (keyring, _) = keyring();
        let bytes = keyring.seal(vault(), &SystemEntropy).expect("entropy");
        // FORMAT §4.2: what stands before the first slot, and its id.
        let at = 8 + 16 + 16 + 4 + 16;
        assert_eq!(bytes[at..at + 2], [0, 1]);
        let parses = |kind: u16| {
            let kind = kind.to_be_bytes();
            SealedKeyring::parse(vault(), &[&bytes[..at], &kind, &bytes[at + 2..]].concat())
        };
        for kind in [0, 3, 4, 0x7fff] {
            assert!(parses(kind).is_err(), "{kind}");
        }
        for (code, kind) in [
            (1, SlotKind::Local),
            (2, SlotKind::Passphrase),
            (0x8000, SlotKind::External(0)),
            (0xffff, SlotKind::External(0x7fff)),
        ] {
            let sealed = parses(code).expect("a kind");
            assert_eq!(sealed.slots().next().map(|slot| slot.kind), Some(kind));
            assert_eq!(kind.code(), code);
        }
    }

    #[test]
    fn flips_truncations_and_other_vaults_are_refused() {
        let (keyring, seeds) = keyring();
        let bytes = keyring.seal(vault(), &SystemEntropy).expect("entropy");
        let opens = |vault, bytes: &[u8]| {
            SealedKeyring::parse(vault, bytes).is_ok_and(|sealed| sealed.open(&[9; 16], &seeds[0]).is_ok())
        };
        assert!(opens(vault(), &bytes));
        assert!(!opens(VaultId::from_bytes([6; 16]), &bytes));
        for offset in (0..bytes.len()).step_by(7) {
            let mut altered = bytes.to_vec();
            altered[offset] ^= 1;
            assert!(!opens(vault(), &altered), "offset {offset}");
            assert!(!opens(vault(), &bytes[..offset]));
        }
    }
}
