//! The log and its index: hidden, older, forged, replaced.

use bytes::Bytes;
use docvault::{
    DocumentId, ErrorKind, Freshness, NewDocument, NewStatement, Terms, Vault,
    storage::{
        ObjectKey, Storage,
        testing::{CheckThenWriteStorage, EvilStorage, OverwritingStorage},
    },
};
use ed25519_dalek::{Signer, SigningKey};

use super::toolkit::*;
use crate::common::block_on;

/// The commits, newest first.
async fn commits(storage: &dyn Storage) -> Vec<(ObjectKey, Bytes)> {
    objects(storage, "log/").await.into_iter().collect()
}

#[test]
fn omitted_version_detected() {
    block_on(async {
        let world = World::new().await;
        let stored = world.store("x", b"one".to_vec()).await;
        let before = world.vault.pin();
        world.store_version(stored.document, b"two".to_vec()).await;
        let after = world.vault.pin();
        // The newest commit hidden: whoever holds the newest pin sees it at once.
        let evil = world.evil();
        let all = commits(&*evil).await;
        evil.delete(&all[0].0).await.unwrap();
        assert_eq!(world.open_at(evil.clone(), &after).await.unwrap_err().kind(), ErrorKind::RolledBack);
        let vault = world.open_at(evil, &before).await.unwrap();
        let verified = vault.audit().verify(&after).await.unwrap();
        assert_eq!(verified.freshness, Freshness::RolledBack { seen: after.size(), got: before.size() });
        // Any other commit hidden: the full check names it. Left out of listings alone, it hides nothing: listings
        // may lag, and the name that must follow is read.
        world.grow_to(40).await;
        let size = world.vault.pin().size();
        for (name, _) in commits(&*world.storage).await.into_iter().skip(1) {
            let evil = world.evil();
            evil.delete(&name).await.unwrap();
            let checked = match world.open(evil).await {
                Ok(vault) => vault.audit().verify_from_genesis().await.map(drop),
                Err(error) => Err(error),
            };
            let kind = checked.unwrap_err().kind();
            assert!(matches!(kind, ErrorKind::Corrupt | ErrorKind::RolledBack), "{name}");

            let evil = world.evil();
            evil.unlist(&name);
            let vault = world.open(evil).await.unwrap();
            assert_eq!(vault.audit().verify_from_genesis().await.unwrap().checked, size, "{name}");
        }
    });
}

#[test]
fn rollback_below_pin() {
    block_on(async {
        let world = World::new().await;
        let mut states = vec![(world.storage.snapshot(), world.vault.pin())];
        for i in 0..4u8 {
            world.store("x", vec![i]).await;
            world.grow_to(100 * (u64::from(i) + 1)).await;
            states.push((world.storage.snapshot(), world.vault.pin()));
        }
        for (older, (objects, _)) in states.iter().enumerate() {
            for (newer, (_, pin)) in states.iter().enumerate() {
                let opened = world.open_at(std::sync::Arc::new(EvilStorage::new(objects)), pin).await;
                if newer > older {
                    assert_eq!(opened.unwrap_err().kind(), ErrorKind::RolledBack, "{older} {newer}");
                } else {
                    assert_eq!(opened.unwrap().freshness(), Freshness::FreshByPin);
                }
            }
        }
        // A fork of equal and of greater length does not continue the pin.
        let fork = std::sync::Arc::new(EvilStorage::new(&states[1].0));
        let desk = session(&world.open_at(fork.clone(), &states[1].1).await.unwrap());
        while desk.vault().pin().size() < world.vault.pin().size() {
            desk.describe_case(world.case).await.unwrap();
        }
        for _ in 0..2 {
            assert_eq!(world.open(fork.clone()).await.unwrap_err().kind(), ErrorKind::Forked);
            desk.describe_case(world.case).await.unwrap();
        }
    });
}

#[test]
fn hidden_newest_version_and_hidden_revocation() {
    block_on(async {
        let world = World::new().await;
        let first = world.store("x", b"one".to_vec()).await;
        let notary = recipient(&identity(1));
        let terms = Terms::read().purpose("p").following();
        let grant = world.desk.grant(first.document, &notary, terms).await.unwrap();
        world.grow_to(260).await;
        let old_index = objects(&*world.storage, "index/").await;
        let second = world.store_version(first.document, b"two".to_vec()).await;
        world.desk.revoke(grant).await.unwrap();
        world.grow_to(600).await;
        let index = objects(&*world.storage, "index/").await;
        assert!(index.len() > old_index.len());
        // The rows about both stand in tables now. Every index object deleted, or replaced by each older
        // one; the new head replaced by the old one.
        let asked = async |evil: std::sync::Arc<EvilStorage>| {
            let vault = match world.open(evil).await {
                Ok(vault) => vault,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt);
                    return true;
                }
            };
            let desk = session(&vault);
            let described = desk.describe(first.document).await.map(|described| described.version);
            let delivered = desk.deliver(grant).await.unwrap_err().kind();
            assert!(matches!(delivered, ErrorKind::Denied | ErrorKind::Corrupt), "{delivered:?}");
            [
                is_refused(&desk.retrieve(first.document).await, &b"two".as_slice().into()),
                is_refused(&described, &second.version),
                is_refused(&desk.history(first.document).await.map(|versions| versions.len()), &2),
                is_refused(&desk.who_can_open(first.document).await.map(|who| who.grants.len()), &0),
                delivered == ErrorKind::Corrupt,
            ]
            .contains(&true)
        };
        assert!(!asked(world.evil()).await, "everything is answered where nothing is hidden");
        let (mut tries, mut refused) = (0, 0);
        for name in index.keys() {
            let evil = world.evil();
            evil.delete(name).await.unwrap();
            refused += u32::from(asked(evil).await);
            for older in old_index.values().filter(|older| index.get(name) != Some(*older)) {
                let evil = world.evil();
                evil.substitute(name, older.clone());
                refused += u32::from(asked(evil).await);
                tries += 1;
            }
        }
        let evil = world.evil();
        let old_head = evil.read(&head_name(&first), None).await.unwrap().unwrap();
        evil.substitute(&head_name(&second), old_head);
        assert!(asked(evil.clone()).await);
        evil.delete(&head_name(&second)).await.unwrap();
        assert!(asked(evil).await);
        assert!(tries > 0 && refused > 0, "{tries} exchanges, {refused} refused");
    });
}

/// Whether there is no answer; if there is one it is the newest.
fn is_refused<T: PartialEq + std::fmt::Debug>(answer: &Result<T, docvault::Error>, newest: &T) -> bool {
    match answer {
        Ok(answer) => assert_eq!(answer, newest),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt),
    }
    answer.is_err()
}

/// RFC 6962 §2.1.
fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => sha256(&[]),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            sha256(&[&[1], &root(left), &root(right)])
        }
    }
}

const LEAF: usize = 280;

/// A commit of one record that repeats `leaf` after all of `leaves`, perfect but for who signs it.
fn forged_commit(
    leaves: &[[u8; 32]],
    leaf: &[u8],
    body: &[u8],
    signer: &SigningKey,
    vault: &[u8; 16],
) -> (ObjectKey, Vec<u8>) {
    let (size, previous) = (leaves.len() as u64, leaves.last().unwrap());
    let mut leaf = leaf.to_vec();
    leaf[12..14].fill(0);
    leaf[16..24].copy_from_slice(&size.to_be_bytes());
    leaf[32..64].copy_from_slice(previous);
    leaf[160..192].copy_from_slice(&context("body", &[body]));
    let last = sha256(&[&[0], &leaf]);
    let after = root(&[leaves, &[last]].concat());
    let bodies = [&u32::try_from(body.len()).unwrap().to_be_bytes(), body].concat();
    let nonce = [7; 16];
    let statement = [
        b"docvault/v1/sign commit\0".as_slice(),
        vault,
        &size.to_be_bytes(),
        &1u32.to_be_bytes(),
        previous,
        &(size + 1).to_be_bytes(),
        &after,
        &last,
        &sha256(&[&bodies]),
        &nonce,
    ]
    .concat();
    let object = [
        b"dvcm\x01\x01\0\0".as_slice(),
        vault,
        &size.to_be_bytes(),
        &1u32.to_be_bytes(),
        &0u32.to_be_bytes(),
        previous,
        &after,
        &nonce,
        &u32::try_from(bodies.len()).unwrap().to_be_bytes(),
        &leaf,
        &bodies,
        &signer.sign(&statement).to_bytes(),
    ]
    .concat();
    let hex: String = previous[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    (format!("log/{:016x}-{hex}", !size).parse().unwrap(), object)
}

/// Every leaf hash of a log whose commits hold one record each, and the newest leaf with its body.
async fn leaves_of(storage: &dyn Storage) -> (Vec<[u8; 32]>, Vec<u8>, Vec<u8>) {
    let (mut hashes, mut newest) = (Vec::new(), (Vec::new(), Vec::new()));
    for (_, bytes) in commits(storage).await.into_iter().rev() {
        assert_eq!(bytes[32..36], [0, 0, 0, 1]);
        let recent = u32::from_be_bytes(bytes[36..40].try_into().unwrap()) as usize;
        let at = 124 + recent * LEAF;
        hashes.push(sha256(&[&[0], &bytes[at..at + LEAF]]));
        let body = Fields(&bytes[at + LEAF..]).bytes().to_vec();
        newest = (bytes[at..at + LEAF].to_vec(), body);
    }
    (hashes, newest.0, newest.1)
}

#[test]
fn forged_tail_record() {
    block_on(async {
        let world = World::new().await;
        let stored = world.store("x", b"one".to_vec()).await;
        let notary = recipient(&identity(1));
        world.desk.grant(stored.document, &notary, Terms::read().purpose("p")).await.unwrap();
        let (hashes, leaf, body) = leaves_of(&*world.storage).await;
        // The toolkit makes what the vault makes: its root is the pinned one.
        let hex: String = root(&hashes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(world.vault.pin().to_string().ends_with(&hex));
        let attacker = SigningKey::from_bytes(&[9; 32]);
        let vault = *world.vault.id().as_bytes();
        let (name, by_attacker) = forged_commit(&hashes, &leaf, &body, &attacker, &vault);
        let newest = commits(&*world.storage).await.remove(0).1;
        let signature = by_attacker.len() - 64;
        let mut small_order = [0; 64];
        small_order[0] = 1;
        let copied = &newest[newest.len() - 64..];
        for signed in [&by_attacker[signature..], copied, &[0; 64], &small_order] {
            let evil = world.evil();
            let running = world.open(evil.clone()).await.unwrap();
            let forged = patched(&by_attacker, signature..by_attacker.len(), signed);
            evil.create(&name, forged).await.unwrap();
            assert_eq!(world.open(evil.clone()).await.unwrap_err().kind(), ErrorKind::Corrupt);
            assert_eq!(running.sync().await.unwrap_err().kind(), ErrorKind::Corrupt);
            assert_eq!(running.pin(), world.vault.pin(), "nothing unsigned is state");
            let written = session(&running).store(world.case, NewDocument::named("y"), b"y".to_vec()).await;
            // It may hide the own commit, for all this process knows.
            let told = written.unwrap_err();
            assert!(matches!(told.kind(), ErrorKind::OutcomeUnknown(_)), "nor is it built upon: {told}");
            let fault = std::error::Error::source(&told).unwrap().downcast_ref::<docvault::Error>().unwrap();
            assert_eq!(fault.kind(), ErrorKind::Corrupt);
        }
        // Signed commits of this log, whole, under the name that is next.
        for (_, replayed) in commits(&*world.storage).await {
            let evil = world.evil();
            evil.create(&name, replayed).await.unwrap();
            assert_eq!(world.open(evil).await.unwrap_err().kind(), ErrorKind::Corrupt);
        }
        // The newest commit with a record changed, and all that follows from it but the signature.
        let name = commits(&*world.storage).await.remove(0).0;
        let (_, changed) = forged_commit(&hashes[..hashes.len() - 1], &leaf, &body, &attacker, &vault);
        for signed in [&changed[changed.len() - 64..], copied] {
            let evil = world.evil();
            evil.substitute(&name, patched(&changed, changed.len() - 64..changed.len(), signed));
            assert_eq!(world.open(evil).await.unwrap_err().kind(), ErrorKind::Corrupt);
        }
    });
}

#[test]
fn overwriting_backend_refused() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let key = |name: &str| docvault::keys::LocalKey::create(folder.path().join(name)).unwrap();
        let overwriting = Vault::create(OverwritingStorage::new(), key("a")).await;
        assert_eq!(overwriting.unwrap_err().kind(), ErrorKind::Unsupported);
        let checking = Vault::create(CheckThenWriteStorage::new(), key("b")).await;
        assert_eq!(checking.unwrap_err().kind(), ErrorKind::Unsupported);
        // A vault that was made elsewhere and moved to such a backend: it opens, and writes nothing.
        let world = World::new().await;
        let stored = world.store("x", b"one".to_vec()).await;
        let moved = std::sync::Arc::new(OverwritingStorage::new());
        let all = objects(&*world.storage, "").await;
        for (name, bytes) in &all {
            moved.create(name, bytes.clone()).await.unwrap();
        }
        let desk = session(&world.open(moved.clone()).await.unwrap());
        let written = desk.store(world.case, NewDocument::named("y"), b"y".to_vec()).await;
        assert_eq!(written.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(desk.retrieve(stored.document).await.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(objects(&*moved, "log/").await.len(), commits(&*world.storage).await.len());
    });
}

#[test]
fn leaf_reveals_no_guess() {
    block_on(async {
        let world = World::new().await;
        let form = b"name=Ana;income=0042".to_vec();
        let mut documents: Vec<DocumentId> = Vec::new();
        for _ in 0..2 {
            documents.push(world.store("form", form.clone()).await.document);
        }
        for _ in 0..2 {
            let verdict = NewStatement::on("verdict").claim("approved");
            world.desk.make_statement(world.case, verdict).await.unwrap();
        }
        // What storage can compute from a right guess and everything it holds.
        let mut guesses = vec![
            sha256(&[&form]),
            *blake3::hash(&form).as_bytes(),
            *docvault::ContentDigest::of(&form).as_bytes(),
            context("pages", &[blake3::hash(&form).as_bytes()]),
        ];
        for head in objects(&*world.storage, "head/").await.values() {
            let meta = u32::from_be_bytes(head[128..132].try_into().unwrap()) as usize;
            let digest = sha256(&[&head[..132 + meta]]);
            guesses.push(context("effect", &[&digest, blake3::hash(&form).as_bytes()]));
            for blind in [[0; 32], [0xff; 32], digest] {
                guesses.push(context("effect", &[&blind, &digest, blake3::hash(&form).as_bytes()]));
                guesses.push(context("effect", &[&blind, &digest, &[0; 32]]));
            }
        }
        guesses.push(context("effect", &[&sha256(&[b"approved"]), &[0; 32]]));
        for blind in [[0; 32], [0xff; 32]] {
            guesses.push(context("effect", &[&blind, &sha256(&[b"approved"]), &[0; 32]]));
        }
        for (_, bytes) in objects(&*world.storage, "").await {
            for window in bytes.windows(32) {
                assert!(!guesses.iter().any(|guess| guess == window), "a guess is confirmed");
            }
            assert!(!bytes.windows(form.len()).any(|window| window == form));
        }
        for (what, kind) in [("documents", 6), ("statements", 19)] {
            let mut effects = Vec::new();
            for (_, bytes) in commits(&*world.storage).await {
                let recent = u32::from_be_bytes(bytes[36..40].try_into().unwrap()) as usize;
                let leaf = &bytes[124 + recent * LEAF..][..LEAF];
                effects.extend((leaf[6..8] == [0, kind]).then(|| leaf[192..224].to_vec()));
            }
            assert_eq!(effects.len(), 2, "{what}");
            assert_ne!(effects[0], effects[1], "equal {what} look unequal");
        }
    });
}
