//! Keys supplied, moved, kept or put back by whoever runs the storage.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use docvault::{
    ErrorKind, Identity, Kind, NewDocument, RecordFilter, Secret, Terms, UploadToken, Vault, VaultOptions,
    keys::{KeyError, KeyWrap, LocalKey, SlotKind},
    storage::{ObjectKey, Storage},
};

use super::toolkit::*;
use crate::common::block_on;

/// Counts how often a root key is used.
#[derive(Debug)]
struct Counted(Arc<LocalKey>, AtomicUsize);

#[async_trait]
impl KeyWrap for Counted {
    fn kind(&self) -> SlotKind {
        self.0.kind()
    }

    async fn wrap(&self, context: &[u8; 32], secret: &Secret<32>) -> Result<Vec<u8>, KeyError> {
        self.0.wrap(context, secret).await
    }

    async fn unwrap(&self, context: &[u8; 32], wrapped: &[u8]) -> Result<Secret<32>, KeyError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.unwrap(context, wrapped).await
    }
}

async fn keyring(storage: &dyn Storage) -> (ObjectKey, Bytes) {
    only(storage, "keyring/").await
}

/// A slot of somebody whose seed is theirs alone: id, kind, public key, wrapped seed.
fn escrow_slot(escrow: &Identity) -> Vec<u8> {
    let wrapped = [3; 104];
    [&[0xff; 16][..], &1u16.to_be_bytes(), &escrow.recipient_bytes(), &104u32.to_be_bytes(), &wrapped]
        .concat()
}

/// A keyring that whoever sees one can make (FORMAT §4.2): sealed to the same slots, for their public keys are
/// in the clear, and to an escrow's; every key in it is the maker's.
fn keyring_of_ones_own(honest: &[u8], escrow: Option<&Identity>) -> Vec<u8> {
    let (vault, id, key) = (&honest[8..24], [0xab; 16], [0xcd; 32]);
    let mut fields = Fields(&honest[40..]);
    let count = u32::from_be_bytes(fields.array());
    let mut slots: Vec<Vec<u8>> = Vec::new();
    for _ in 0..count {
        let whole = fields.0;
        fields.take(16 + 2 + 1216);
        fields.bytes();
        slots.push(whole[..whole.len() - fields.0.len()].to_vec());
        fields.take(1168);
    }
    slots.extend(escrow.map(escrow_slot));
    let len = |of: usize| u32::try_from(of).unwrap().to_be_bytes();
    let mut object = [b"dvkr\x01\x01\0\0", vault, &id, &len(slots.len())].concat();
    let mut contents = [&[1; 32][..], &len(1), &[[2; 32], [3; 32], [4; 32], [5; 32]].concat()].concat();
    contents.extend([&len(1)[..], &len(1), &[6; 32], &len(slots.len())].concat());
    for slot in &slots {
        let info = context("keyring to slot", &[vault, &id, &slot[..16]]);
        object.extend([slot.as_slice(), &seal_to(&slot[18..18 + 1216], &info, &key)].concat());
        contents.extend([&slot[..16], &len(0)].concat());
    }
    let bound = context("keyring payload", &[vault, &id, &sha256(&[&object])]);
    [object, seal(&key, &bound, &padded(&contents))].concat()
}

#[test]
fn server_key_injection_rejected() {
    block_on(async {
        let world = World::new().await;
        let stored = world.store("x", b"content".to_vec()).await;
        let attacker = World::new().await;
        let evil = world.evil();
        // The attacker's keyring, made to claim this vault, under the name the log gives.
        let (name, honest) = keyring(&*world.storage).await;
        let (_, own) = keyring(&*attacker.storage).await;
        for forged in [own.clone(), patched(&own, 8..24, world.vault.id().as_bytes())] {
            evil.substitute(&name, forged);
            let key = attacker.key();
            let opened = Vault::open_with(evil.clone(), key, &world.vault.pin(), options()).await;
            assert_eq!(opened.unwrap_err().kind(), ErrorKind::Corrupt);
            assert_eq!(world.open(evil.clone()).await.unwrap_err().kind(), ErrorKind::Corrupt);
        }
        // A keyring of keys that the storage made up, sealed to the owner's own slot.
        for forged in [keyring_of_ones_own(&honest, None), keyring_of_ones_own(&honest, Some(&identity(66)))]
        {
            evil.substitute(&name, forged.into());
            assert_eq!(world.open(evil.clone()).await.unwrap_err().kind(), ErrorKind::Corrupt);
            let unpinned = Vault::open_unpinned(evil.clone(), world.key(), VaultOptions::default()).await;
            assert_eq!(unpinned.unwrap_err().kind(), ErrorKind::Corrupt);
        }
        evil.substitute(&name, honest);
        // A case key of the attacker's choice: wrapped under a key they know, or taken from their vault.
        let (case_key, wrapped) = only(&*world.storage, "key/").await;
        let case = world.case.as_bytes().as_slice();
        let bound = context("case key", &[world.vault.id().as_bytes(), case, &1u32.to_be_bytes()]);
        let (_, theirs) = only(&*attacker.storage, "key/").await;
        for known in [[0; 32], [7; 32], *sha256(&[case]).first_chunk().unwrap()] {
            let injected = [&wrapped[..12], &seal(&known, &bound, &[9; 32])].concat();
            assert_eq!(injected.len(), wrapped.len());
            evil.substitute(&case_key, injected.into());
            let read = world.retrieve(evil.clone(), stored.document).await;
            assert_eq!(read.unwrap_err().kind(), ErrorKind::Corrupt);
        }
        evil.substitute(&case_key, theirs);
        let read = world.retrieve(evil.clone(), stored.document).await;
        assert_eq!(read.unwrap_err().kind(), ErrorKind::Corrupt);
        // A writer does not seal under an injected key either.
        let desk = session(&world.open(evil.clone()).await.unwrap());
        let new = desk.store(world.case, NewDocument::named("x"), b"secret".to_vec()).await;
        assert_eq!(new.unwrap_err().kind(), ErrorKind::Corrupt);
    });
}

/// How a vault on this storage is refused; how often the root key was used before, if it was while it opened.
async fn used_before_refused(
    world: &World,
    evil: Arc<dyn Storage>,
    document: docvault::DocumentId,
    case: docvault::CaseId,
) -> Option<(ErrorKind, Option<usize>)> {
    let key = Arc::new(Counted(world.key(), AtomicUsize::new(0)));
    let vault = match Vault::open_with(evil, key.clone(), &world.vault.pin(), options()).await {
        Ok(vault) => vault,
        Err(error) => return Some((error.kind(), Some(key.1.load(Ordering::SeqCst)))),
    };
    let desk = session(&vault);
    let errors = [
        desk.retrieve(document).await.err(),
        desk.cases(None).await.err(),
        desk.who_can_open(document).await.err(),
        desk.documents(case, None).await.err(),
    ];
    errors.into_iter().flatten().next().map(|error| (error.kind(), None))
}

#[test]
fn version_floor_downgrade() {
    block_on(async {
        let world = World::new().await;
        let large = world.store("x", vec![1; 300_000]).await;
        let second = world.desk.create_case("second").await.unwrap();
        world.desk.grant(large.document, &recipient(&identity(1)), Terms::read().purpose("p")).await.unwrap();
        let token = world.desk.upload(world.case, NewDocument::named("y")).await.unwrap().token().unwrap();
        world.grow_to(520).await;
        // Format and suite, bytes 4 and 5 of every object but parts, which carry neither and are bound to
        // both by their context; index objects have a format alone. All 255 other values in one object
        // of each kind, single bits in the others.
        let bits: [u8; 8] = core::array::from_fn(|i| 1 << i);
        for (prefix, at_most) in [("log/", 1), ("head/", 4), ("key/", 2), ("keyring/", 1), ("index/", 40)] {
            let all = objects(&*world.storage, prefix).await;
            let (mut refused, mut at_opening) = (0, false);
            for (nth, (name, bytes)) in all.into_iter().take(at_most).enumerate() {
                let values: Vec<u8> = if nth == 0 { (1..=255).collect() } else { bits.to_vec() };
                for at in if prefix == "index/" { 4..5 } else { 4..6 } {
                    for value in &values {
                        let evil = world.evil();
                        evil.substitute(&name, altered(&bytes, at, *value));
                        let error = used_before_refused(&world, evil, large.document, second).await;
                        // Index objects that a later fold superseded are looked at by nobody.
                        assert!(error.is_some() || prefix == "index/", "{name}");
                        let Some((kind, used)) = error else { break };
                        assert_eq!(kind, ErrorKind::Corrupt, "{name}");
                        assert_eq!(used.unwrap_or_default(), 0, "{name}: a key was used");
                        at_opening |= used.is_some();
                        refused += 1;
                    }
                }
            }
            assert!(refused > 0, "{prefix}");
            assert_eq!(at_opening, matches!(prefix, "log/" | "keyring/" | "index/"), "{prefix}");
        }
        for (at, bits) in [(4, 1), (5, 1), (4, 0xff), (5, 0xff)] {
            assert!(UploadToken::from_bytes(&altered(&token.to_bytes(), at, bits)).is_err());
        }
        // The floor that the first record states, in the clear and under the commit's signature.
        let name = format!("log/{}-{}", "f".repeat(16), "0".repeat(32)).parse().unwrap();
        let bytes = world.storage.read(&name, None).await.unwrap().unwrap();
        let statement = bytes.windows(4).position(|window| window == b"dvgs").unwrap();
        for at in statement + 4..statement + 16 {
            let evil = world.evil();
            evil.substitute(&name, altered(&bytes, at, 3));
            let verified = match world.open(evil).await {
                Ok(vault) => vault.audit().verify_from_genesis().await.map(drop),
                Err(error) => Err(error),
            };
            assert_eq!(verified.unwrap_err().kind(), ErrorKind::Corrupt, "byte {at}");
        }
    });
}

#[test]
fn wrapped_key_malleability() {
    block_on(async {
        let world = World::new().await;
        let stored = world.store("x", b"content".to_vec()).await;
        let mut upload = world.desk.upload(world.case, NewDocument::named("y")).await.unwrap();
        upload.write(b"something").await.unwrap();
        let token = upload.token().unwrap().to_bytes();
        let evil = world.evil();
        let desk = session(&world.open(evil.clone()).await.unwrap());
        // Every bit of a head's wrapped key.
        let name = head_name(&stored);
        let head = evil.read(&name, None).await.unwrap().unwrap();
        for bit in 24 * 8..128 * 8 {
            evil.substitute(&name, altered(&head, bit / 8, 1 << (bit % 8)));
            let error = desk.retrieve(stored.document).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "bit {bit}");
        }
        evil.substitute(&name, head);
        // One bit in every byte of a wrapped case key.
        let (name, wrapped) = only(&*evil, "key/").await;
        for at in 0..wrapped.len() {
            evil.substitute(&name, altered(&wrapped, at, 1 << (at % 8)));
            let error = world.retrieve(evil.clone(), stored.document).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {at}");
            let fresh = session(&world.open(evil.clone()).await.unwrap());
            let sealed = fresh.store(world.case, NewDocument::named("z"), b"z".to_vec()).await;
            assert_eq!(
                sealed.unwrap_err().kind(),
                ErrorKind::Corrupt,
                "nothing is sealed under it: byte {at}"
            );
        }
        evil.substitute(&name, wrapped);
        // Every bit of what a root key wrapped, and every other slot.
        let (key, slot) = (world.key(), [1; 32]);
        let seed = key.wrap(&slot, &Secret::copy_from(&[5; 32]).unwrap()).await.unwrap();
        for bit in 0..seed.len() * 8 {
            let changed = altered(&seed, bit / 8, 1 << (bit % 8));
            assert!(matches!(key.unwrap(&slot, &changed).await, Err(KeyError::Refused)), "bit {bit}");
            let other = altered(&slot, bit / 8 % 32, 1 << (bit % 8));
            assert!(key.unwrap(&other[..].try_into().unwrap(), &seed).await.is_err());
        }
        // One bit in every byte of an upload's token.
        for at in 0..token.len() {
            let refused = match UploadToken::from_bytes(&altered(&token, at, 1 << (at % 8))) {
                Ok(token) => desk.resume_upload(&token).await.map(drop),
                Err(error) => Err(error),
            };
            let kind = refused.unwrap_err().kind();
            assert!(
                matches!(kind, ErrorKind::Invalid | ErrorKind::Corrupt | ErrorKind::NotFound),
                "byte {at}"
            );
        }
        assert!(desk.resume_upload(&UploadToken::from_bytes(&token).unwrap()).await.is_ok());
    });
}

#[test]
fn escrow_auto_enrol_rejected() {
    block_on(async {
        let world = World::new().await;
        let stored = world.store("x", b"content".to_vec()).await;
        let (name, bytes) = keyring(&*world.storage).await;
        // A slot of the attacker's own beside the owner's.
        let enrolled = Bytes::from(keyring_of_ones_own(&bytes, Some(&identity(66))));
        let digest = sha256(&[&enrolled]).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let evil = world.evil();
        evil.create(&format!("keyring/{digest}").parse().unwrap(), enrolled.clone()).await.unwrap();
        let vault = world.open(evil.clone()).await.unwrap();
        assert_eq!(vault.slots().await.unwrap().len(), 1, "nothing names the planted keyring");
        // A running process seals its next keyring to nobody but the slots it knows.
        let (kept, added) = (vault.slots().await.unwrap()[0].id, recovery());
        session(&vault).add_slot(&added, "recovery").await.unwrap();
        let slots = vault.slots().await.unwrap();
        assert_eq!(slots.len(), 2);
        assert!(slots.iter().any(|slot| slot.id == kept));
        let evil = world.evil();
        evil.substitute(&name, enrolled);
        assert_eq!(world.open(evil).await.unwrap_err().kind(), ErrorKind::Corrupt);
        // An honest one is on record, and everybody who asks is told.
        let records = session(&vault).auditor().records(&RecordFilter::all()).await.unwrap();
        assert_eq!(records.iter().filter(|record| record.kind == Kind::Keyring).count(), 1);
        let who = session(&vault).who_can_open(stored.document).await.unwrap();
        assert!(who.slots.iter().any(|slot| slot.label == "recovery"));
    });
}

#[test]
fn old_wraps_open_nothing_after_a_rotation() {
    block_on(async {
        let world = World::new().await;
        let stored = world.store("x", b"content".to_vec()).await;
        let backup = objects(&*world.storage, "").await;
        world.desk.rotate_epoch().await.unwrap();
        // The new wrap is destroyed, and everything the backup kept put back beside it: the epoch that
        // opens the old wrap is in no keyring the log names, so the case stays shut.
        let (new_wrap, _) = only(&*world.storage, "key/").await;
        let evil = world.evil();
        evil.delete(&new_wrap).await.unwrap();
        for (key, bytes) in &backup {
            evil.create(key, bytes.clone()).await.unwrap();
        }
        let desk = session(&world.open(evil.clone()).await.unwrap());
        assert_eq!(desk.retrieve(stored.document).await.unwrap_err().kind(), ErrorKind::Corrupt);
        // The old wrap under the new epoch's name, as it is and with its number changed.
        let old_wrap = backup.iter().find(|(key, _)| key.as_str().starts_with("key/")).unwrap().1;
        for moved in [old_wrap.clone(), patched(old_wrap, 8..12, &2u32.to_be_bytes())] {
            evil.substitute(&new_wrap, moved);
            let read = world.retrieve(evil.clone(), stored.document).await;
            assert_eq!(read.unwrap_err().kind(), ErrorKind::Corrupt);
        }
    });
}

#[test]
fn keyring_rollback() {
    block_on(async {
        let world = World::new().await;
        let (old_name, old) = keyring(&*world.storage).await;
        let slot = world.desk.add_slot(&recovery(), "leaving").await.unwrap();
        let (with_name, with_slot) = keyring(&*world.storage).await;
        world.desk.remove_slot(slot).await.unwrap();
        let (new_name, new) = keyring(&*world.storage).await;
        let pin = world.vault.pin();
        for grown in [false, true] {
            if grown {
                world.grow_to(300).await;
            }
            let evil = world.evil();
            evil.create(&old_name, old.clone()).await.unwrap();
            evil.create(&with_name, with_slot.clone()).await.unwrap();
            evil.delete(&new_name).await.unwrap();
            assert_eq!(world.open_at(evil.clone(), &pin).await.unwrap_err().kind(), ErrorKind::Corrupt);
            for older in [&old, &with_slot] {
                evil.substitute(&new_name, older.clone());
                assert_eq!(world.open_at(evil.clone(), &pin).await.unwrap_err().kind(), ErrorKind::Corrupt);
                let key = Arc::new(recovery());
                let opened = Vault::open_with(evil.clone(), key, &pin, options()).await;
                assert_eq!(opened.unwrap_err().kind(), ErrorKind::Corrupt);
            }
            evil.substitute(&new_name, new.clone());
            assert!(world.open_at(evil, &pin).await.is_ok());
        }
    });
}
