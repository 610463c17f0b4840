use std::{collections::BTreeMap, sync::Arc};

use futures_lite::future::block_on;

use super::*;
use crate::{
    DocumentId, GrantId, Identity, NewDocument, Session, Terms, Vault,
    keys::LocalKey,
    log::row::RowKey,
    storage::{MemoryStorage, Storage, layout},
    vault::Extent,
};

mod seeds;

use seeds::{others, seeds};

type Parser = Box<dyn Fn(&[u8]) -> bool>;
/// A target with its name.
type Target = (&'static str, fn(&[u8]));

fn parsers(vault: VaultId, origin: String, checkpoint_key: [u8; 32]) -> Vec<(&'static str, Parser)> {
    let head = move |of: HeadType| -> Parser {
        let (case, operation) = (CaseId::from_bytes([0; 16]), OperationId::from_bytes([0; 16]));
        let id = HeadId { vault, case, object: [0; 16], operation, of };
        Box::new(move |data| matches!(ParsedHead::parse(id, &Bytes::copy_from_slice(data)), Ok(Ok(_))))
    };
    let utf8 = |data: &[u8]| core::str::from_utf8(data).map(str::to_owned).unwrap_or_default();
    #[cfg_attr(not(feature = "intake"), allow(unused_mut, reason = "only that adds to them"))]
    let mut parsers: Vec<(&'static str, Parser)> = vec![
        ("leaf", Box::new(|data| Leaf::parse(data).is_ok())),
        ("commit", Box::new(move |data| Commit::parse(vault, &Bytes::copy_from_slice(data)).is_ok())),
        ("statement", Box::new(|data| Statement::parse(data).is_ok())),
        ("manifest", Box::new(|data| Manifest::parse(data).is_ok())),
        ("page", Box::new(|data| Page::parse(data).is_ok())),
        (
            "row",
            Box::new(|data| {
                let mut r = Reader::new(data);
                Row::read(&mut r).is_ok() && r.finish().is_ok()
            }),
        ),
        ("keyring", Box::new(move |data| SealedKeyring::parse(vault, data).is_ok())),
        ("case key", Box::new(|data| parse_case_key(1, data).is_ok())),
        ("case head", head(HeadType::Case)),
        ("version head", head(HeadType::Version)),
        ("grant head", head(HeadType::Grant)),
        ("version meta", Box::new(|data| VersionMeta::parse(data).is_ok())),
        ("case meta", Box::new(|data| CaseMeta::parse(data).is_ok())),
        ("grant meta", Box::new(|data| GrantMeta::parse(data).is_ok())),
        ("envelope", Box::new(|data| Envelope::parse(data).is_ok())),
        ("delivery manifest", Box::new(|data| DeliveryManifest::parse(data).is_ok())),
        ("token", Box::new(|data| UploadToken::parse(data).is_ok())),
        ("pin", Box::new(move |data| utf8(data).parse::<Pin>().is_ok())),
        ("object key", Box::new(move |data| utf8(data).parse::<ObjectKey>().is_ok())),
        (
            "checkpoint",
            Box::new(move |data| Checkpoint::parse(&utf8(data), &origin, &checkpoint_key).is_ok()),
        ),
    ];
    #[cfg(feature = "intake")]
    for (name, parses) in crate::deposit::fuzzing::PARSERS {
        parsers.push((name, Box::new(parses)));
    }
    parsers
}

/// One of everything that is stored, sealed, handed over or kept.
struct Samples {
    vault: Vault,
    desk: Session,
    storage: Arc<MemoryStorage>,
    document: DocumentId,
    grant: GrantId,
    found: BTreeMap<&'static str, Vec<u8>>,
}

impl Samples {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let storage = Arc::new(MemoryStorage::default());
        let key = LocalKey::create(folder.path().join("key")).expect("created");
        let vault = Vault::create(storage.clone(), key).await.expect("created");
        let desk = vault.session("a").purpose("p").begin().expect("begins");
        let case = desk.create_case("title").await.expect("opened");
        let new = NewDocument::named("name").attribute("a", "b");
        let document = desk.store(case, new, b"content".to_vec()).await.expect("stored").document;
        let notary = Identity::from_seed(Secret::take([1; 32]));
        let notary = Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string());
        let terms = Terms::read().purpose("p");
        let grant = desk.grant(document, &notary.expect("checked"), terms).await.expect("granted");
        while vault.pin().size() < 258 {
            desk.describe(document).await.expect("described");
        }
        Self { vault, desk, storage, document, grant, found: BTreeMap::new() }
    }

    async fn all() -> Self {
        let mut samples = Self::new().await;
        samples.stored().await;
        samples.sealed().await;
        samples.handed_over().await;
        #[cfg(feature = "intake")]
        samples.deposited();
        samples
    }

    /// Those of its own vault.
    fn parsers(&self) -> Vec<(&'static str, Parser)> {
        let key = self.vault.keyring().keys.checkpoint_key().verifying_key().to_bytes();
        let vault = self.vault.id();
        parsers(vault, crate::log::statement::origin(vault), key)
    }

    async fn stored(&mut self) {
        let keys = self.storage.list("", None, 1000).await.expect("listed");
        // Tiles are used only where they lead to a root that the log signed.
        for key in keys.into_iter().filter(|key| !key.as_str().starts_with(layout::TILES)) {
            let bytes = self.storage.read(&key, None).await.expect("read").expect("there").to_vec();
            let name = match (&bytes[..4], bytes[6]) {
                (b"dvcm", _) => "commit",
                (b"dvkr", _) => "keyring",
                (b"dvck", _) => "case key",
                (b"dvix", _) => "manifest",
                (b"dvip", _) => "page",
                (b"dvhd", 1) => "case head",
                (b"dvhd", 2) => "version head",
                (b"dvhd", 3) => "grant head",
                other => panic!("{key}: {other:?}"),
            };
            if name == "page" && bytes[5] == 0 {
                let Ok(Page::Rows(rows)) = Page::parse(&bytes) else { panic!("{key}") };
                let mut w = Writer::new();
                rows[0].write(&mut w);
                self.found.insert("row", w.into_vec());
            }
            self.found.insert(name, bytes);
            self.found.insert("object key", key.as_str().into());
        }
        let commit = Bytes::from(self.found["commit"].clone());
        let commit = Commit::parse(self.vault.id(), &commit).expect("parses");
        self.found.insert("statement", commit.body(0).expect("a body").to_vec());
        self.found.insert("leaf", commit.leaves[0].encoded.to_vec());
    }

    async fn sealed(&mut self) {
        let state = self.vault.ledger().state();
        let row = async |key: RowKey| self.vault.row(&state, &key).await.expect("read").expect("there");
        let version = row(RowKey::document(self.document)).await;
        let version = self.vault.version_head(self.document, &version, Extent::Whole).await.expect("opens");
        let grant = self.vault.grant_head(self.grant, &row(RowKey::grant(self.grant)).await).await;
        let grant = grant.expect("opens").meta;
        let case = self.document.case();
        let meta = self.vault.case_meta(case, &row(RowKey::case(case)).await).await.expect("opens");
        let (object, time) = (*self.document.own(), crate::Timestamp::from_millis(1));
        let manifest = DeliveryManifest { case, object, terms: grant.terms.clone(), time, items: vec![] };
        self.found.insert("version meta", version.meta.encode().to_vec());
        self.found.insert("case meta", meta.encode().to_vec());
        self.found.insert("grant meta", grant.encode().to_vec());
        self.found.insert("delivery manifest", manifest.encode().to_vec());
    }

    /// One of each kind of what people without a vault are sent and send.
    #[cfg(feature = "intake")]
    fn deposited(&mut self) {
        self.found.extend(crate::deposit::vectors::samples());
    }

    async fn handed_over(&mut self) {
        let delivery = self.desk.deliver(self.grant).await.expect("delivered").collect().await;
        self.found.insert("envelope", delivery.expect("collected")[..1320].to_vec());
        let upload = self.desk.upload(self.document.case(), NewDocument::named("u")).await.expect("begun");
        self.found.insert("token", upload.token().expect("entropy").to_bytes());
        self.found.insert("pin", self.vault.pin().to_string().into());
        self.found.insert("checkpoint", self.vault.audit().checkpoint().await.expect("signed").into());
    }
}

#[test]
fn p18_no_artefact_parses_as_another() {
    block_on(async {
        let samples = Samples::all().await;
        let parsers = samples.parsers();
        assert_eq!(samples.found.len(), parsers.len(), "{:?}", samples.found.keys());
        for (artefact, bytes) in &samples.found {
            for (parser, parses) in &parsers {
                assert_eq!(parses(bytes), artefact == parser, "a {artefact} parsed as a {parser}");
            }
        }
    });
}

/// A hash or a signature over most of them would refuse it as well, but only after more of it was believed; of a commit
/// neither is over these bytes.
#[test]
fn p15_no_artefact_parses_with_another_format_suite_or_reserved_byte() {
    block_on(async {
        let samples = Samples::all().await;
        let seeds: BTreeMap<_, _> = seeds(&samples).await.into_iter().collect();
        let others = others().into_iter().map(|(artefact, _, parses)| (artefact, parses));
        let mut looked_at = 0;
        for (artefact, parses) in samples.parsers().into_iter().chain(others) {
            let found = samples.found.get(artefact).or_else(|| seeds.get(artefact));
            let Some(bytes) = found.filter(|bytes| bytes.starts_with(b"dv")) else { continue };
            looked_at += 1;
            assert!(parses(bytes), "{artefact}");
            for at in fixed(artefact) {
                for difference in 1..=255 {
                    let mut other = bytes.clone();
                    other[at] ^= difference;
                    assert!(!parses(&other), "a {artefact} with {} at {at}", other[at]);
                }
            }
        }
        assert!(looked_at >= 12, "{looked_at}");
    });
}

/// Where an artefact has bytes behind its magic of which its kind allows one value: format and suite, what is reserved,
/// and what else has no other yet.
fn fixed(artefact: &str) -> Vec<usize> {
    match artefact {
        // It has its height where others have a suite.
        "page" => vec![4, 6, 7],
        // Its kind comes before its flags.
        "leaf" => (4..6).chain(8..12).chain(14..16).chain(256..280).collect(),
        "statement" => (4..16).collect(),
        "deposit part" => (4..8).chain(47..52).collect(),
        "claim" => (4..8).chain(73..80).collect(),
        "answer" => (4..8).chain(42..48).collect(),
        _ => (4..8).collect(),
    }
}

fn targets() -> Vec<Target> {
    #[cfg_attr(not(feature = "intake"), allow(unused_mut, reason = "only that adds to them"))]
    let mut targets: Vec<Target> = vec![
        ("record", record),
        ("segment", segment),
        ("index", index),
        ("keyring", keyring),
        ("header", header),
        ("delivery", delivery),
        ("token", token),
        ("text", text),
        ("chunks", chunks),
        ("note", note),
        ("trust", trust),
        ("receipt", receipt),
        ("request", request),
    ];
    #[cfg(feature = "intake")]
    {
        let of_intake: [Target; 3] =
            [("descriptor", descriptor), ("deposit", deposit), ("template", template)];
        targets.extend(of_intake);
    }
    targets
}

/// The targets hold on everything real, too: parsing and encoding are the identity.
#[test]
fn p05_every_artefact_passes_every_fuzz_target() {
    block_on(async {
        let samples = Samples::all().await;
        let seeds = seeds(&samples).await.into_iter().map(|(_, bytes)| bytes);
        for bytes in samples.found.into_values().chain(seeds).chain([Vec::new()]) {
            for (_, keeps) in targets() {
                keeps(&bytes);
                keeps(&of_fixed_vault(bytes.clone()));
            }
        }
    });
}

/// As the targets see it: of their fixed vault.
fn of_fixed_vault(mut bytes: Vec<u8>) -> Vec<u8> {
    if matches!(bytes.get(..4), Some(b"dvcm" | b"dvkr")) {
        bytes[8..24].fill(0);
    }
    bytes
}

/// One that the target's own key has signed.
fn checkpoint() -> String {
    let key = SigningKey::from_seed(Secret::take([7; 32]));
    Checkpoint::new("origin", 258, [1; 32]).expect("an origin").sign(&key)
}

/// The target that parses an artefact.
fn target_of(artefact: &str) -> &'static str {
    match artefact {
        "leaf" => "record",
        "commit" | "statement" => "segment",
        "manifest" | "page" | "row" => "index",
        "keyring" | "case key" => "keyring",
        "case head" | "version head" | "grant head" | "version meta" | "case meta" | "grant meta" => "header",
        "envelope" | "delivery manifest" => "delivery",
        "token" => "token",
        "pin" | "object key" | "checkpoint" => "text",
        "request" | "link" => "descriptor",
        _ => "deposit",
    }
}

fn corpus_of(artefact: &str) -> std::path::PathBuf {
    corpus(target_of(artefact))
}

fn corpus(target: &str) -> std::path::PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fuzz/corpus", target].iter().collect()
}

#[test]
#[ignore = "writes fuzz/corpus, for a format that has changed"]
fn every_artefact_becomes_a_seed() {
    let write = |corpus: std::path::PathBuf, artefact: &str, bytes: Vec<u8>| {
        std::fs::write(corpus.join(artefact.replace(' ', "-")), bytes).expect("written");
    };
    let samples = block_on(Samples::all());
    let seeds: BTreeMap<_, _> = block_on(seeds(&samples)).into_iter().collect();
    for (artefact, target, parses) in others() {
        if let Some(bytes) = seeds.get(artefact) {
            assert!(parses(bytes), "{artefact}");
            write(corpus(target), artefact, bytes.clone());
        }
    }
    for (artefact, bytes) in samples.found {
        let bytes = if artefact == "checkpoint" { checkpoint().into() } else { of_fixed_vault(bytes) };
        write(corpus_of(artefact), artefact, bytes);
    }
}

/// Or a target would be fuzzed no deeper than what is refused first.
#[test]
fn every_corpus_has_what_parses() {
    let key = SigningKey::from_seed(Secret::take([7; 32])).verifying_key().to_bytes();
    for (artefact, parses) in parsers(VAULT, "origin".to_owned(), key) {
        has_one(artefact, target_of(artefact), &parses);
    }
    for (artefact, target, parses) in others() {
        has_one(artefact, target, &parses);
    }
}

/// What fuzzing has found is tried without a fuzzer, too: of each target what is in this folder.
#[test]
fn every_input_of_a_corpus_keeps_its_targets_promise() {
    for (target, keeps) in targets() {
        for (path, input) in inputs(target) {
            assert!(std::panic::catch_unwind(|| keeps(&input)).is_ok(), "{}", path.display());
        }
    }
}

fn inputs(target: &str) -> impl Iterator<Item = (std::path::PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(corpus(target)).expect("a corpus");
    files.map(|file| {
        let path = file.expect("an entry").path();
        let input = std::fs::read(&path).expect("a file");
        (path, input)
    })
}

fn has_one(artefact: &str, target: &str, parses: &Parser) {
    assert!(inputs(target).any(|(_, input)| parses(&input)), "no {artefact} in the corpus of {target}");
}
