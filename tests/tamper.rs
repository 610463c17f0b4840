//! Every byte of every stored object altered, every object deleted, cut, extended, replaced by every
//! other: an error, or exactly the same answers.
//!
//! A sample by default; all of it with `DOCVAULT_EXHAUSTIVE=1` (`scripts/tamper.sh`).
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use common::{block_on, identity};
use docvault::{
    DocumentId, Error, NewDocument, NoSleep, Pin, Recipient, Terms, Vault, VaultOptions,
    keys::LocalKey,
    storage::{MemoryStorage, ObjectKey, Storage, testing::EvilStorage},
};
use tempfile::TempDir;

struct Template {
    objects: MemoryStorage,
    folder: TempDir,
    pin: Pin,
    documents: Vec<DocumentId>,
}

fn options() -> VaultOptions {
    VaultOptions::default().sleeper(NoSleep::default())
}

/// Documents small, empty and in a part; versions; grants on both scopes; a revocation; rotations.
async fn template(folds: bool) -> Template {
    let folder = tempfile::tempdir().unwrap();
    let storage = Arc::new(MemoryStorage::default());
    let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
    let vault = Vault::create_with(storage.clone(), key, options()).await.unwrap();
    let desk = vault.session("a").purpose("p").begin().unwrap();
    let case = desk.create_case("case").await.unwrap();
    let mut documents = Vec::new();
    for content in [b"small".to_vec(), Vec::new(), vec![3; 262_145]] {
        documents.push(desk.store(case, NewDocument::named("x"), content).await.unwrap().document);
    }
    let again = NewDocument::named("again");
    desk.store_version(documents[0], again, "better", b"second".to_vec()).await.unwrap();
    let (notary, _file) = identity();
    let recipient = Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string()).unwrap();
    let one = desk.grant(documents[0], &recipient, Terms::read().purpose("p")).await.unwrap();
    desk.grant(case, &recipient, Terms::read().purpose("p").following()).await.unwrap();
    desk.deliver(one).await.unwrap().collect().await.unwrap();
    desk.revoke(one).await.unwrap();
    desk.rotate_epoch().await.unwrap();
    while folds && vault.pin().size() < 300 {
        let all = (0..100).map(|_| desk.describe_case(case));
        futures_util::future::try_join_all(all).await.unwrap();
    }
    Template { objects: storage.snapshot(), folder, pin: vault.pin(), documents }
}

/// Every answer that the vault gives.
async fn answers(template: &Template, storage: Arc<dyn Storage>) -> Result<String, Error> {
    let key = Arc::new(LocalKey::load(template.folder.path().join("key")).unwrap());
    let vault = Vault::open_with(storage, key, &template.pin, options()).await?;
    let desk = vault.session("b").purpose("q").begin()?;
    let mut all = String::new();
    for case in desk.cases(None).await?.cases {
        all += &format!("{case:?}");
        for document in desk.documents(case.id, None).await?.documents {
            all += &format!("{document:?}");
        }
    }
    for document in &template.documents {
        all += &format!("{:?}", blake3::hash(&desk.retrieve(*document).await?));
        all += &format!("{:?}{:?}", desk.history(*document).await?, desk.who_can_open(*document).await?);
    }
    vault.audit().verify_from_genesis().await?;
    Ok(all)
}

async fn objects(storage: &MemoryStorage) -> BTreeMap<ObjectKey, Bytes> {
    let mut objects = BTreeMap::new();
    for key in storage.list("", None, 100_000).await.unwrap() {
        let bytes = storage.read(&key, None).await.unwrap().unwrap();
        objects.insert(key, bytes);
    }
    objects
}

/// Runs `rounds` on two threads; counts those that gave an error.
fn refused(template: &Template, honest: &str, rounds: &[(ObjectKey, Option<Bytes>)]) -> usize {
    let (next, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((key, bytes)) = rounds.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let evil = Arc::new(EvilStorage::new(&template.objects));
                    match bytes {
                        Some(bytes) => evil.substitute(key, bytes.clone()),
                        None => block_on(evil.delete(key)).unwrap(),
                    }
                    match block_on(answers(template, evil)) {
                        Err(_) => drop(refused.fetch_add(1, Ordering::SeqCst)),
                        Ok(answers) => assert_eq!(answers, honest, "{key} altered changes an answer"),
                    }
                }
            });
        }
    });
    refused.into_inner()
}

/// Each one, if everything is to be tried; otherwise one in `every`.
fn sample(every: usize) -> usize {
    if std::env::var_os("DOCVAULT_EXHAUSTIVE").is_some() { 1 } else { every }
}

#[test]
fn every_altered_byte_is_refused_or_harmless() {
    let template = block_on(template(false));
    let honest = block_on(answers(&template, Arc::new(template.objects.snapshot()))).unwrap();
    let mut rounds = Vec::new();
    for (key, bytes) in block_on(objects(&template.objects)) {
        // Of the one large part a byte in each 1,021, of the rest every byte or a sample.
        let step = if bytes.len() > 100_000 { 1021 } else { sample(13) };
        for offset in (0..bytes.len()).step_by(step) {
            let mut altered = bytes.to_vec();
            altered[offset] ^= 1 << (offset % 8);
            rounds.push((key.clone(), Some(altered.into())));
        }
    }
    let refused = refused(&template, &honest, &rounds);
    println!("{} bytes altered one by one: {refused} refused, the rest harmless", rounds.len());
    assert!(refused > rounds.len() / 2);
}

#[test]
fn deleted_cut_extended_and_exchanged_objects_are_refused_or_harmless() {
    let template = block_on(template(true));
    let honest = block_on(answers(&template, Arc::new(template.objects.snapshot()))).unwrap();
    // Commits are many and alike: the newest, and one in 24.
    let mut all = block_on(objects(&template.objects));
    let mut commits = 0;
    all.retain(|key, _| {
        commits += usize::from(key.as_str().starts_with("log/"));
        !key.as_str().starts_with("log/") || commits % sample(24) == 1 % sample(24)
    });
    let mut rounds = Vec::new();
    for (key, bytes) in &all {
        rounds.push((key.clone(), None));
        rounds.push((key.clone(), Some(bytes.slice(..bytes.len() - 1))));
        rounds.push((key.clone(), Some(bytes.slice(..bytes.len() / 2))));
        rounds.push((key.clone(), Some([bytes.as_ref(), &[0]].concat().into())));
        // P18, A2, A13: every other object in its place, of its kind and of every other kind.
        rounds.extend(
            all.values().filter(|other| *other != bytes).map(|other| (key.clone(), Some(other.clone()))),
        );
    }
    let refused = refused(&template, &honest, &rounds);
    println!(
        "{} objects deleted, cut, extended or exchanged: {refused} refused, the rest harmless",
        rounds.len()
    );
    assert!(refused > rounds.len() / 3);
}
