//! No secret in what is printed. That secrets are not cloned, compared or serialized is shown by
//! doctests that must not compile, in `src/secret.rs`.

use std::{
    fmt::Debug,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use docvault::{
    CaseId, Entropy, EntropyError, Identity, NewDocument, RecordFilter, Secret, SecretBytes, Session,
    SystemEntropy, Terms, Vault, VaultOptions, WitnessKey,
    chunked::{self, ChaCha20Poly1305, HkdfSha256, Opener, RangeOpener, Sealer},
    keys::{KeyWrap, LocalKey, Passphrase},
    storage::{MemoryStorage, Storage},
};

use crate::{common::block_on, toolkit::*};

/// Every way in which bytes could show in `{:?}` and `{:#?}`.
fn looks(bytes: &[u8]) -> [String; 4] {
    let list: Vec<String> = bytes.iter().map(u8::to_string).collect();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [list.join(", "), list.join(",\n"), hex.to_uppercase(), hex]
}

fn prints_none(secrets: &[Vec<u8>], texts: &[String], what: &dyn Debug) {
    // Lists print an item a line: spaces taken away, they look like the short form.
    let (short, long) = (format!("{what:?}"), format!("{what:#?}"));
    let flat: String = long.split_whitespace().collect::<Vec<_>>().join(" ");
    for printed in [&short, &long, &flat] {
        // Fewer bytes may be in an id by chance.
        for look in secrets.iter().flat_map(|secret| secret.chunks_exact(8)).flat_map(looks) {
            assert!(!printed.contains(&look), "{look} in {printed}");
        }
        for text in texts {
            assert!(!printed.contains(text), "{text} in {printed}");
        }
    }
}

/// The system's randomness, of which every 32 bytes that are drawn at once are kept. Ids and salts are shorter.
#[derive(Debug, Clone, Default)]
pub(super) struct Recorded(Arc<Mutex<Vec<Vec<u8>>>>);

impl Recorded {
    fn drawn(&self) -> Vec<Vec<u8>> {
        self.0.lock().unwrap().clone()
    }
}

impl Entropy for Recorded {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        SystemEntropy::default().fill(bytes)?;
        let mut drawn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.extend(bytes.chunks_exact(32).map(<[u8]>::to_vec));
        Ok(())
    }
}

/// What must not be printed: what is known, and every key that was drawn until then.
#[derive(Default)]
pub(super) struct Secrets {
    pub(super) entropy: Recorded,
    pub(super) known: Vec<Vec<u8>>,
    pub(super) texts: Vec<String>,
}

impl Secrets {
    pub(super) fn check(&self, what: &dyn Debug) {
        prints_none(&[self.known.clone(), self.entropy.drawn()].concat(), &self.texts, what);
    }

    /// Whether it is noticed that it prints one.
    pub(super) fn finds(&self, what: &dyn Debug) -> bool {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.check(what))).is_err()
    }

    /// Checks that keys are among what was drawn: this case's, and the one that it is wrapped under.
    async fn have_the_keys_of(&self, vault: &Vault, storage: &dyn Storage, case: CaseId) {
        let (_, wrapped) = only(storage, "key/").await;
        let drawn = self.entropy.drawn();
        let bound = context("case key", &[vault.id().as_bytes(), case.as_bytes(), &wrapped[8..12]]);
        let opened = drawn.iter().filter_map(|key| {
            let key = Secret::copy_from(key).unwrap();
            chunked::open(&key, &bound, &wrapped[12..]).ok()
        });
        let keys: Vec<Vec<u8>> = opened.map(|key| key.to_vec()).collect();
        assert_eq!(keys.len(), 1, "one key opens it");
        assert!(drawn.contains(&keys[0]) && self.finds(&keys));
    }
}

#[test]
fn p21_the_search_finds_what_is_printed() {
    let known = vec![(200..216).collect()];
    let secrets = Secrets { known, texts: vec!["hunter2".into()], ..Secrets::default() };
    assert!(secrets.finds(&(190..220u8).collect::<Vec<_>>()));
    assert!(secrets.finds(&"d0d1d2d3d4d5d6d7") && secrets.finds(&"D0D1D2D3D4D5D6D7"));
    assert!(secrets.finds(&Some("hunter2")) && !secrets.finds(&[200, 201, 202]));
}

const SEED: [u8; 32] = [201; 32];
const ROOT: [u8; 32] = [211; 32];
const CONTENT: [u8; 400] = [221; 400];

fn secrets() -> Secrets {
    let texts = ["hunter2", "correct horse", "nombre-secreto"].map(str::to_owned).into();
    Secrets { known: vec![SEED.into(), ROOT.into(), CONTENT.into()], texts, ..Secrets::default() }
}

/// The key of a file, `root` in hexadecimal behind its first line.
fn key_file(path: &Path, header: &str, root: &[u8]) {
    let hex: String = root.iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(path, format!("{header}\n{hex}\n")).unwrap();
}

#[test]
fn p21_no_key_prints_a_secret() {
    block_on(async {
        let (secrets, folder) = (secrets(), tempfile::tempdir().unwrap());
        let seed = || Secret::<32>::copy_from(&SEED).unwrap();
        let path = folder.path().join("key");
        drop(LocalKey::create(&path).unwrap());
        key_file(&path, "docvault local key 1", &ROOT);
        let key = LocalKey::load(&path).unwrap();
        secrets.check(&key);
        secrets.check(&seed());
        secrets.check(&SecretBytes::new(CONTENT.to_vec()));
        secrets.check(&Passphrase::new("hunter2"));
        let notary = Identity::from_seed(seed());
        secrets.check(&(&notary, recipient(&notary)));
        secrets.check(&VaultOptions::default().entropy(secrets.entropy.clone()));
        let wrapped = key.wrap(&[1; 32], &seed()).await.unwrap();
        secrets.check(&key.unwrap(&[1; 32], &wrapped).await);
        secrets.check(&key.unwrap(&[2; 32], &wrapped).await.unwrap_err());
        let path = folder.path().join("witness");
        drop(WitnessKey::create(&path, "witness.example/w1").unwrap());
        key_file(&path, std::fs::read_to_string(&path).unwrap().lines().next().unwrap(), &ROOT);
        let witness = WitnessKey::load(&path, "witness.example/w1").unwrap();
        secrets.check(&(witness.verifier_key(), witness));
    });
}

#[test]
fn p21_no_public_type_prints_a_secret() {
    block_on(async {
        let (secrets, folder) = (secrets(), tempfile::tempdir().unwrap());
        let key = LocalKey::create(folder.path().join("key")).unwrap();
        let storage = Arc::new(MemoryStorage::default());
        let options = options().entropy(secrets.entropy.clone());
        let vault = Vault::create_with(storage.clone(), Arc::new(key), options).await.unwrap();
        for printed in [&vault as &dyn Debug, &vault.pin(), &vault.sender(), &vault.audit()] {
            secrets.check(printed);
        }
        let builder = vault.session("actor").purpose("purpose");
        secrets.check(&builder);
        let desk = builder.begin().unwrap();
        secrets.check(&desk);
        let case = desk.create_case("t").await.unwrap();
        stored_and_read(&secrets, &desk, case).await;
        delivered(&secrets, &desk, case).await;
        on_record(&secrets, &desk).await;
        secrets.check(&*storage);
        let wrong = Vault::open(storage.clone(), Passphrase::new("hunter2"), &vault.pin()).await;
        secrets.check(&wrong.unwrap_err());
        secrets.have_the_keys_of(&vault, &*storage, case).await;
        let drawn = secrets.entropy.drawn().len();
        assert!(drawn > 15, "{drawn} keys were looked for");
    });
}

async fn stored_and_read(secrets: &Secrets, desk: &Session, case: CaseId) {
    let new = || NewDocument::named("nombre-secreto");
    let stored = desk.store(case, new(), CONTENT.to_vec()).await.unwrap();
    secrets.check(&stored);
    let mut upload = desk.upload(case, new()).await.unwrap();
    upload.write(&CONTENT).await.unwrap();
    secrets.check(&upload);
    upload.next_page().await.unwrap();
    upload.write(&CONTENT).await.unwrap();
    secrets.check(&upload);
    secrets.check(&upload.token().unwrap());
    upload.finish().await.unwrap();
    let mut reader = desk.reader(stored.document).await.unwrap();
    secrets.check(&reader);
    reader.next().await.unwrap();
    secrets.check(&reader);
    secrets.check(&desk.who_can_open(stored.document).await.unwrap());
    secrets.check(&desk.retrieve_range(stored.document, 5..1_000_000).await.unwrap_err());
    let long = NewDocument::named("nombre-secreto".repeat(100));
    secrets.check(&desk.store(case, long, CONTENT.to_vec()).await.unwrap_err());
}

async fn delivered(secrets: &Secrets, desk: &Session, case: CaseId) {
    let notary = Identity::from_seed(Secret::copy_from(&SEED).unwrap());
    let grant = desk.grant(case, &recipient(&notary), Terms::read().purpose("p")).await.unwrap();
    secrets.check(&grant);
    let delivery = desk.deliver(grant).await.unwrap();
    secrets.check(&delivery);
    let delivery = delivery.collect().await.unwrap();
    let mut opened = notary.open(delivery.as_ref(), &desk.vault().sender()).unwrap();
    secrets.check(&opened);
    let mut document = opened.next_document().unwrap().unwrap();
    secrets.check(&document);
    document.next_part().unwrap();
    secrets.check(&document);
    secrets.check(&desk.revoke(grant).await.unwrap());
}

async fn on_record(secrets: &Secrets, desk: &Session) {
    desk.add_slot(&recovery(), "recovery").await.unwrap();
    desk.rotate_epoch().await.unwrap();
    desk.rotate_signing_keys().await.unwrap();
    secrets.check(&desk.vault().slots().await.unwrap());
    secrets.check(&desk.collect_garbage().await.unwrap());
    secrets.check(&desk.auditor().records(&RecordFilter::all()).await.unwrap());
    secrets.check(&desk.auditor().disclose(2).await.unwrap());
    secrets.check(&desk.open_record(2).await.unwrap());
    secrets.check(&desk.vault().audit().verify_from_genesis().await.unwrap());
}

/// Keyed, and in the middle of a message.
#[test]
fn p21_the_engine_prints_no_secret() {
    let secrets = secrets();
    let mut sealer: Sealer = Sealer::new(&SEED, b"", &SystemEntropy::default()).unwrap();
    let mut sealed = sealer.prefix().to_vec();
    sealer.push(&CONTENT, &mut sealed).unwrap();
    secrets.check(&sealer);
    sealer.finish(&mut sealed).unwrap();
    let mut plaintext = SecretBytes::default();
    let mut opener = Opener::<ChaCha20Poly1305, HkdfSha256>::new(&SEED, b"");
    secrets.check(&opener);
    opener.push(&sealed, &mut plaintext).unwrap();
    secrets.check(&(&opener, &plaintext));
}

/// Only types that hold no secret may be asked to implement `Debug` by derivation: this one compiles.
#[test]
fn p21_range_openers_print_no_key() {
    let seed = Secret::copy_from(&SEED).unwrap();
    let sealed = chunked::seal(&seed, b"", b"content", &SystemEntropy::default()).unwrap();
    let prefix = sealed.first_chunk().unwrap();
    let opener: RangeOpener = RangeOpener::new(&SEED, b"", prefix, sealed.len() as u64).unwrap();
    secrets().check(&opener);
}
