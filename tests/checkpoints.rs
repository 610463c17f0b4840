//! Kept checkpoints: what is kept, what is refused, and who notices.
#![cfg(feature = "testing")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::unwrap_in_result,
    reason = "tests"
)]

mod common;
#[path = "kit_writer/mod.rs"]
mod writer;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use common::{block_on, vault, vault_on};
use docvault::{
    AnchorError, Checkpoint, ErrorKind, KeptCheckpoint, LogReader, Session, TimeAnchor, Vault,
    keys::LocalKey,
    storage::{MemoryStorage, Storage, testing::EvilStorage},
};
use writer::{
    chest::Chest,
    file::base64,
    forge::{public, sha256, sign_plain},
};

/// Gives back what it was asked about, and remembers it.
#[derive(Debug)]
struct Echo {
    authority: String,
    asked: Mutex<Vec<[u8; 32]>>,
}

impl Echo {
    fn new(authority: &str) -> Self {
        Self { authority: authority.into(), asked: Mutex::default() }
    }
}

#[async_trait]
impl TimeAnchor for Echo {
    fn authority(&self) -> &str {
        &self.authority
    }

    async fn stamp(&self, digest: &[u8; 32]) -> Result<Vec<u8>, AnchorError> {
        self.asked.lock().unwrap().push(*digest);
        Ok([self.authority.as_bytes(), digest].concat())
    }
}

/// Has nothing to say.
#[derive(Debug)]
struct Mute;

#[async_trait]
impl TimeAnchor for Mute {
    fn authority(&self) -> &str {
        "mute"
    }

    async fn stamp(&self, _: &[u8; 32]) -> Result<Vec<u8>, AnchorError> {
        Err(AnchorError::new("the line is dead"))
    }
}

#[test]
fn tokens_are_exported_with_their_checkpoint() {
    block_on(async {
        let (vault, folder) = vault().await;
        records(&vault, 20).await;
        let note = vault.audit().checkpoint().await.unwrap();
        let (a, b) = (Echo::new("a \"clock\"\nof ours"), Echo::new("b/../b"));
        let kept = desk(&vault).keep_checkpoint(&note, &[&b, &a]).await.unwrap();
        let place = folder.path().join("export");
        let log = vault.audit().log().await.unwrap();
        log.export_kept(&place, &kept).await.unwrap();
        assert_eq!(std::fs::read_to_string(place.join("checkpoint")).unwrap(), note);
        let list = std::fs::read_to_string(place.join("checkpoint.tokens")).unwrap();
        let lines: Vec<serde_json::Value> =
            list.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        for (line, token) in lines.iter().zip(&kept.tokens) {
            assert_eq!(line["authority"], token.authority);
            let file = std::fs::read(place.join(line["token"].as_str().unwrap())).unwrap();
            assert_eq!(file, token.token);
        }
    });
}

fn desk(vault: &Vault) -> Session {
    vault.session("officer:1").purpose("anchoring").begin().unwrap()
}

async fn records(vault: &Vault, count: usize) {
    let desk = desk(vault);
    let case = desk.create_case("c").await.unwrap();
    futures_util::future::try_join_all((0..count).map(|_| desk.describe_case(case))).await.unwrap();
}

#[test]
fn a_checkpoint_is_kept_with_its_cosignatures_and_tokens() {
    block_on(async {
        let (vault, _folder) = vault().await;
        records(&vault, 3).await;
        // A witness's line, of a key that the vault does not know.
        let note = vault.audit().checkpoint().await.unwrap() + "— witness.example AQIDBAU=\n";
        let (a, b) = (Echo::new("a.example"), Echo::new("b.example"));
        let kept = desk(&vault).keep_checkpoint(&note, &[&b, &a]).await.unwrap();
        assert_eq!((kept.note.as_str(), kept.size), (note.as_str(), 5));
        let text = note.split("\n\n").next().unwrap().to_owned() + "\n";
        let digest: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(text.as_bytes()).into();
        assert_eq!((kept.digest(), a.asked.lock().unwrap().as_slice()), (digest, [digest].as_slice()));
        let tokens: Vec<_> = kept.tokens.iter().map(|token| token.authority.as_str()).collect();
        assert_eq!(tokens, ["a.example", "b.example"]);
        assert_eq!(kept.tokens[0].token, [b"a.example".as_slice(), &digest].concat());
        assert_eq!(vault.audit().checkpoints(None).await.unwrap(), [kept]);
    });
}

#[test]
fn kept_checkpoints_are_listed_largest_tree_first_to_whoever_has_the_log() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, _folder) = vault_on(storage.clone()).await;
        let pin = vault.pin();
        let desk = desk(&vault);
        let mut kept: Vec<KeptCheckpoint> = Vec::new();
        for round in 0..130 {
            if round % 50 == 10 {
                desk.rotate_signing_keys().await.unwrap();
                records(&vault, 150).await;
            }
            let note = vault.audit().checkpoint().await.unwrap();
            kept.insert(0, desk.keep_checkpoint(&note, &[]).await.unwrap());
        }
        let log = LogReader::open(storage, &pin).await.unwrap();
        for listed in [all(&vault).await, all_of(&log).await] {
            assert_eq!(listed, kept);
        }
    });
}

async fn all(vault: &Vault) -> Vec<KeptCheckpoint> {
    let mut found: Vec<KeptCheckpoint> = Vec::new();
    loop {
        let page = vault.audit().checkpoints(found.last()).await.unwrap();
        if page.is_empty() {
            return found;
        }
        found.extend(page);
    }
}

async fn all_of(log: &LogReader) -> Vec<KeptCheckpoint> {
    let mut found: Vec<KeptCheckpoint> = Vec::new();
    loop {
        let page = log.checkpoints(found.last()).await.unwrap();
        if page.is_empty() {
            return found;
        }
        found.extend(page);
    }
}

#[test]
fn a_checkpoint_of_an_earlier_signing_epoch_is_kept() {
    block_on(async {
        let (vault, _folder) = vault().await;
        records(&vault, 1).await;
        let first = vault.audit().checkpoint().await.unwrap();
        desk(&vault).rotate_signing_keys().await.unwrap();
        let second = vault.audit().checkpoint().await.unwrap();
        desk(&vault).rotate_signing_keys().await.unwrap();
        for note in [&first, &second] {
            desk(&vault).keep_checkpoint(note, &[]).await.unwrap();
        }
        assert_eq!(vault.audit().checkpoints(None).await.unwrap().len(), 2);
    });
}

/// A key that was replaced may have signed another history up to the record that replaced it, and is no
/// key of this log behind it, whoever has stolen it.
#[test]
fn a_replaced_key_signs_nothing_behind_its_end() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        records(&vault, 1).await;
        let (old, pin) = (storage.snapshot(), vault.pin());
        desk(&vault).rotate_signing_keys().await.unwrap();
        let ends = vault.pin().size();
        records(&vault, 30).await;
        let key = LocalKey::load(folder.path().join("key")).unwrap();
        let other = Vault::open(old, key, &pin).await.unwrap();
        for (count, refused) in [(0, ErrorKind::Forked), (0, ErrorKind::Corrupt), (10, ErrorKind::Corrupt)] {
            records(&other, count).await;
            let size = other.pin().size();
            assert_eq!(size <= ends, refused == ErrorKind::Forked);
            let note = other.audit().checkpoint().await.unwrap();
            let error = desk(&vault).keep_checkpoint(&note, &[]).await.unwrap_err();
            assert_eq!(error.kind(), refused, "{size} records, and the key ends with {ends}");
        }
    });
}

#[test]
fn what_is_no_checkpoint_of_this_log_is_refused() {
    block_on(async {
        let (vault, _folder) = vault().await;
        let (other, _other_folder) = common::vault().await;
        let note = vault.audit().checkpoint().await.unwrap();
        let size = vault.pin().size();
        let theirs = other.audit().checkpoint().await.unwrap();
        let altered = note.replace("\n1\n", "\n2\n");
        let unsigned = note.split("\n\n").next().unwrap().to_owned() + "\n\n— someone AQIDBAU=\n";
        for bad in [theirs.as_str(), &altered, &unsigned, "", "note", &note[..note.len() - 2]] {
            let error = desk(&vault).keep_checkpoint(bad, &[]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{bad:?}");
        }
        assert_eq!(vault.sync().await.unwrap().size(), size);
    });
}

#[test]
fn a_checkpoint_of_a_longer_or_another_history_says_so() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let (old, pin) = (storage.snapshot(), vault.pin());
        records(&vault, 10).await;
        let note = vault.audit().checkpoint().await.unwrap();
        let key = LocalKey::load(folder.path().join("key")).unwrap();
        let other = Vault::open(old, key, &pin).await.unwrap();
        let error = desk(&other).keep_checkpoint(&note, &[]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RolledBack);
        records(&other, 300).await;
        let error = desk(&other).keep_checkpoint(&note, &[]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forked);
    });
}

#[test]
fn without_every_token_nothing_is_kept() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, _folder) = vault_on(storage.clone()).await;
        let note = vault.audit().checkpoint().await.unwrap();
        let echo = Echo::new("echo");
        let error = desk(&vault).keep_checkpoint(&note, &[&echo, &Mute]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage);
        assert!(error.to_string().contains("mute"), "{error}");
        let many: Vec<Echo> = (0..17).map(|i| Echo::new(&i.to_string())).collect();
        let many: Vec<&dyn TimeAnchor> = many.iter().map(|echo| -> &dyn TimeAnchor { echo }).collect();
        let (empty, long) = (Echo::new(""), Echo::new(&"x".repeat(129)));
        let wrong: [&[&dyn TimeAnchor]; 4] = [&[&echo, &echo], &[&empty], &[&long], &many];
        for anchors in wrong {
            let error = desk(&vault).keep_checkpoint(&note, anchors).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
        }
        assert_eq!(vault.sync().await.unwrap().size(), 1);
        assert!(storage.list("checkpoint/", None, 1).await.unwrap().is_empty());
        desk(&vault).keep_checkpoint(&note, &many[1..]).await.unwrap();
    });
}

/// Gives a token of so many bytes.
#[derive(Debug)]
struct Long(usize);

#[async_trait]
impl TimeAnchor for Long {
    fn authority(&self) -> &str {
        "long"
    }

    async fn stamp(&self, _: &[u8; 32]) -> Result<Vec<u8>, AnchorError> {
        Ok(vec![7; self.0])
    }
}

/// What is longer would be on record, and read by nobody.
#[test]
fn a_token_is_as_long_as_can_be_read() {
    block_on(async {
        let (vault, _folder) = vault_on(Arc::new(MemoryStorage::default())).await;
        let note = vault.audit().checkpoint().await.unwrap();
        let refused = desk(&vault).keep_checkpoint(&note, &[&Long((64 << 10) + 1)]).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        assert!(vault.audit().checkpoints(None).await.unwrap().is_empty());
        desk(&vault).keep_checkpoint(&note, &[&Long(64 << 10)]).await.unwrap();
        let kept = vault.audit().checkpoints(None).await.unwrap();
        assert_eq!(kept[0].tokens[0].token.len(), 64 << 10);
    });
}

#[test]
fn an_altered_or_missing_object_is_noticed() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, _folder) = vault_on(storage.clone()).await;
        let note = vault.audit().checkpoint().await.unwrap();
        desk(&vault).keep_checkpoint(&note, &[&Echo::new("echo")]).await.unwrap();
        let key = storage.list("checkpoint/", None, 1).await.unwrap().remove(0);
        let bytes = storage.read(&key, None).await.unwrap().unwrap();
        for at in 0..bytes.len() {
            let evil = EvilStorage::new(&storage);
            let mut altered = bytes.to_vec();
            altered[at] ^= 1 << (at % 8);
            evil.substitute(&key, altered.into());
            let log = LogReader::open(Arc::new(evil), &vault.pin()).await.unwrap();
            assert_eq!(log.checkpoints(None).await.unwrap_err().kind(), ErrorKind::Corrupt, "byte {at}");
        }
        storage.delete(&key).await.unwrap();
        let error = vault.audit().checkpoints(None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains(key.as_str()), "{error}");
    });
}

/// A checkpoint's text as the forger signs it (c2sp.org/signed-note).
fn signed_by(forger: &Chest, text: &str) -> String {
    let (name, seed) = (forger.origin(), &forger.signing.checkpoint);
    let id = sha256(&[name.as_bytes(), b"\n\x01", &public(seed)]);
    let signature = [&id[..4], &sign_plain(seed, text.as_bytes())].concat();
    format!("{text}\n— {name} {}\n", base64(&signature))
}

/// The first record states who signs checkpoints, so it has to be the log's own; of the log's own tree it can claim to be.
#[test]
fn a_first_record_that_is_not_the_logs_names_no_signer_of_checkpoints() {
    block_on(async {
        for (count, claims) in [(3, false), (3, true), (300, false), (300, true)] {
            let storage = Arc::new(MemoryStorage::default());
            let (vault, folder) = vault_on(storage.clone()).await;
            records(&vault, count).await;
            let name = Chest::first_commit().parse().unwrap();
            let first = storage.read(&name, None).await.unwrap().unwrap();
            // Where a commit has its root (FORMAT §5.3).
            let root = first[72..104].try_into().unwrap();
            let forger = Chest::beginning(*vault.id().as_bytes(), Some(root).filter(|_| claims));
            let evil = Arc::new(EvilStorage::new(&storage));
            evil.substitute(&name, forger.objects[name.as_str()].clone().unwrap().into());
            // Of this very log, and sound but for who signed it.
            let honest = vault.audit().checkpoint().await.unwrap();
            let text = honest.split("\n\n").next().unwrap().to_owned() + "\n";
            let note = signed_by(&forger, &text);
            let key = public(&forger.signing.checkpoint);
            assert!(Checkpoint::parse(&note, &forger.origin(), &key).is_ok());

            let log = LogReader::open(evil.clone(), &vault.pin()).await.unwrap();
            let key = LocalKey::load(folder.path().join("key")).unwrap();
            let fooled = Vault::open(evil, key, &vault.pin()).await.unwrap();
            let refusals = [
                log.checkpoint_key().await.err(),
                log.verifier_keys().await.err(),
                log.receipt(1, &note).await.err(),
                desk(&fooled).keep_checkpoint(&note, &[]).await.err(),
            ];
            let kinds = refusals.map(|refusal| refusal.map(|error| error.kind()));
            assert_eq!(kinds, [Some(ErrorKind::Corrupt); 4], "{count}, {claims}");
        }
    });
}
