//! What the fuzz targets call: one function for each parser of bytes from storage or a stranger.
//!
//! Each takes any bytes, must not panic, and checks that what parses encodes to the same bytes.

use bytes::Bytes;

use crate::{
    crypto::sign::SigningKey,
    disclosure::Disclosure,
    document::{CaseMeta, VersionMeta},
    grant::GrantMeta,
    head::{HeadId, HeadType, ParsedHead},
    ids::{CaseId, OperationId, VaultId},
    keyring::SealedKeyring,
    log::{
        checkpoint::Checkpoint,
        commit::Commit,
        kept::Kept,
        leaf::Leaf,
        manifest::Manifest,
        note::{self, Note},
        page::Page,
        request::WitnessRequest,
        row::Row,
        statement::Statement,
        trust::TrustPolicy,
        verifier_key::VerifierKey,
    },
    pin::Pin,
    receipt::Receipt,
    recipient::{Recipient, Sender},
    secret::{Secret, SecretBytes},
    storage::ObjectKey,
    transfer::{DeliveryManifest, Envelope, UploadToken},
    vault::parse_case_key,
    wire::{Reader, Writer},
};

const VAULT: VaultId = VaultId::from_bytes([0; 16]);

/// A record's leaf.
pub fn record(data: &[u8]) {
    if let Ok(leaf) = Leaf::parse(data) {
        assert_eq!(leaf.encode(), data);
    }
}

/// A commit.
pub fn segment(data: &[u8]) {
    if let Ok(commit) = Commit::parse(VAULT, &Bytes::copy_from_slice(data)) {
        assert_eq!(commit.encode(), data);
    }
    if let Ok(statement) = Statement::parse(data) {
        assert_eq!(statement.encode(), data);
    }
}

/// An index page, a row, a manifest.
pub fn index(data: &[u8]) {
    if let Ok(manifest) = Manifest::parse(data) {
        assert_eq!(manifest.encode(), data);
    }
    if let Ok(page) = Page::parse(data) {
        assert_eq!(page.encode(), data);
    }
    let mut r = Reader::new(data);
    if let Ok(row) = Row::read(&mut r) {
        let mut w = Writer::new();
        row.write(&mut w);
        assert!(data.starts_with(w.as_slice()));
    }
}

/// A keyring object, a case key.
pub fn keyring(data: &[u8]) {
    if let Ok(keyring) = SealedKeyring::parse(VAULT, data) {
        assert_eq!(keyring.encode(), data);
    }
    if let Ok(wrapped) = parse_case_key(1, data) {
        let mut w = Writer::new();
        w.fixed(b"dvck").fixed(&[1, 1, 0, 0]).u32(1).fixed(&wrapped);
        assert_eq!(w.as_slice(), data);
    }
}

/// A head, and the metadata of each kind of head.
pub fn header(data: &[u8]) {
    for of in [HeadType::Case, HeadType::Version, HeadType::Grant] {
        let (case, operation) = (CaseId::from_bytes([0; 16]), OperationId::from_bytes([0; 16]));
        let id = HeadId { vault: VAULT, case, object: [0; 16], operation, of };
        if let Ok(Ok(head)) = ParsedHead::parse(id, &Bytes::copy_from_slice(data)) {
            assert_eq!(head.encode(), data);
        }
    }
    if let Ok(meta) = VersionMeta::parse(data) {
        assert_eq!(meta.encode().as_slice(), data);
    }
    if let Ok(meta) = CaseMeta::parse(data) {
        assert_eq!(meta.encode().as_slice(), data);
    }
}

/// A grant's metadata.
pub fn grant(data: &[u8]) {
    if let Ok(meta) = GrantMeta::parse(data) {
        assert_eq!(meta.encode().as_slice(), data);
    }
}

/// A delivery's envelope and manifest.
pub fn delivery(data: &[u8]) {
    if let Ok(envelope) = Envelope::parse(data) {
        let mut w = Writer::new();
        envelope.write(&mut w);
        assert_eq!(w.as_slice(), data);
    }
    if let Ok(manifest) = DeliveryManifest::parse(data) {
        assert_eq!(manifest.encode().as_slice(), data);
    }
    drop(Sender::verify(data, "aaaaa-aaaaa-aaaaa-aaaaa-aaaaaa"));
    drop(Recipient::verify(data, "aaaaa-aaaaa-aaaaa-aaaaa-aaaaaa"));
}

/// An upload token, a kept checkpoint.
pub fn token(data: &[u8]) {
    if let Ok(kept) = Kept::parse(&Bytes::copy_from_slice(data)) {
        assert_eq!(kept.encode(), data);
    }
    if let Ok(token) = UploadToken::parse(data) {
        assert_eq!(token.to_bytes(), data);
    }
}

/// A checkpoint, a pin, an object key, a disclosure, an export.
pub fn text(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(pin) = text.parse::<Pin>() {
        assert_eq!(pin.to_string(), text);
    }
    if let Ok(key) = text.parse::<ObjectKey>() {
        assert_eq!(key.as_str(), text);
    }
    if let Ok(disclosure) = Disclosure::parse(text) {
        assert_eq!(disclosure.to_text(), text);
        drop(disclosure.open());
    }
    let key = SigningKey::from_seed(Secret::take([7; 32]));
    let parse = |note: &str| Checkpoint::parse(note, "origin", &key.verifying_key().to_bytes());
    if let Ok(checkpoint) = parse(text) {
        assert_eq!(parse(&checkpoint.sign(&key)).ok(), Some(checkpoint));
    }
    // The text within, as if the log had signed it: a checkpoint is what it says, then extensions.
    if let Ok(checkpoint) = parse(&note::sign(text, "origin", &key)) {
        let signed = checkpoint.sign(&key);
        assert!(signed.split("\n\n").next().is_some_and(|canonical| text.starts_with(canonical)));
    }
    drop(crate::verify_exported_records(data, "origin", &[9; 32]));
}

/// A note of several signers, and a verifier key.
pub fn note(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(note) = Note::parse(text) {
        assert_eq!(note.to_string(), text);
        drop(Checkpoint::parse_text(note.text()));
    }
}

/// A trust policy: what it prints parses to the same and prints the same.
pub fn trust(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(policy) = TrustPolicy::parse(text) {
        let printed = policy.to_string();
        assert_eq!(TrustPolicy::parse(&printed), Ok(policy));
    }
}

/// A receipt, verified too, by a policy that knows no log.
pub fn receipt(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(receipt) = Receipt::parse(text) {
        assert_eq!(receipt.to_string(), text);
        let policy = TrustPolicy::parse("quorum none\n").expect("a policy");
        assert!(receipt.verify(&policy).is_err());
    }
}

/// A request to a witness.
pub fn request(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(request) = WitnessRequest::parse(text) {
        assert_eq!(request.to_string(), text);
        drop(Note::parse(request.note()));
    }
}

/// A request for documents, and a link to one.
#[cfg(feature = "intake")]
pub fn descriptor(data: &[u8]) {
    crate::deposit::fuzzing::descriptor(data);
}

/// Parts, manifests, promises, claims, receipts, journals and answers of deposits.
#[cfg(feature = "intake")]
pub fn deposit(data: &[u8]) {
    crate::deposit::fuzzing::deposit(data);
}

/// A chunk stream: what opens in pieces opens whole, and only what was sealed opens.
pub fn chunks(data: &[u8]) {
    use crate::chunked::{ChaCha20Poly1305, HkdfSha256, Opener, open_with};
    let whole = open_with::<ChaCha20Poly1305, HkdfSha256>(&[7; 32], b"", data);
    let mut opener = Opener::<ChaCha20Poly1305, HkdfSha256>::new(&[7; 32], b"");
    let mut content = SecretBytes::default();
    let pushed = data.chunks(1000).try_for_each(|piece| opener.push(piece, &mut content));
    let streamed = pushed.and_then(|()| opener.finish(&mut content));
    assert_eq!(whole.is_ok(), streamed.is_ok());
}

/// A template in either notation: what reads has one canonical JSON, which reads to the same; what does not
/// read has its fault at a place in the text.
#[cfg(feature = "intake")]
pub fn template(data: &[u8]) {
    use crate::intake::Template;
    let Ok(text) = core::str::from_utf8(data) else { return };
    for template in [Template::from_toml(text), Template::from_json(text)] {
        match template {
            Ok(template) => {
                let canonical = template.to_canonical_json();
                let again = Template::from_json(&canonical).expect("canonical JSON reads");
                assert_eq!((again.to_canonical_json(), again), (canonical, template));
            }
            Err(error) => {
                let line = text.split('\n').nth(error.line() - 1).expect("a line of the text");
                assert!(error.column() <= line.chars().count() + 1, "{error}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
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

    type Parser = Box<dyn Fn(&[u8]) -> bool>;

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
            let version =
                self.vault.version_head(self.document, &version, Extent::Whole).await.expect("opens");
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
            let upload =
                self.desk.upload(self.document.case(), NewDocument::named("u")).await.expect("begun");
            self.found.insert("token", upload.token().expect("entropy").to_bytes());
            self.found.insert("pin", self.vault.pin().to_string().into());
            self.found.insert("checkpoint", self.vault.audit().checkpoint().await.expect("signed").into());
        }
    }

    #[test]
    fn p18_no_artefact_parses_as_another() {
        block_on(async {
            let mut samples = Samples::new().await;
            samples.stored().await;
            samples.sealed().await;
            samples.handed_over().await;
            #[cfg(feature = "intake")]
            samples.deposited();
            let key = samples.vault.keyring().keys.checkpoint_key().verifying_key().to_bytes();
            let vault = samples.vault.id();
            let parsers = parsers(vault, crate::log::statement::origin(vault), key);
            assert_eq!(samples.found.len(), parsers.len(), "{:?}", samples.found.keys());
            for (artefact, bytes) in &samples.found {
                for (parser, parses) in &parsers {
                    assert_eq!(parses(bytes), artefact == parser, "a {artefact} parsed as a {parser}");
                }
            }
        });
    }

    /// The targets hold on everything real, too: parsing and encoding are the identity.
    #[test]
    fn p05_every_artefact_passes_every_fuzz_target() {
        block_on(async {
            let mut samples = Samples::new().await;
            samples.stored().await;
            samples.sealed().await;
            samples.handed_over().await;
            #[cfg(feature = "intake")]
            samples.deposited();
            #[cfg_attr(not(feature = "intake"), allow(unused_mut, reason = "only that adds to them"))]
            let mut targets: Vec<fn(&[u8])> =
                vec![record, segment, index, keyring, header, grant, delivery, token, text, chunks];
            #[cfg(feature = "intake")]
            targets.push(descriptor);
            #[cfg(feature = "intake")]
            targets.push(deposit);
            for mut bytes in samples.found.into_values() {
                targets.iter().for_each(|target| target(&bytes));
                // As the targets see them: of their fixed vault.
                if matches!(bytes.get(..4), Some(b"dvcm" | b"dvkr")) {
                    bytes[8..24].fill(0);
                }
                targets.iter().for_each(|target| target(&bytes));
            }
        });
    }
}
