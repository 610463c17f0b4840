//! A vault on disk in which everything happens that FORMAT knows, and what a reader must find in it.

#[path = "evidence.rs"]
mod evidence;
#[path = "expected.rs"]
mod expected;

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use docvault::{
    CaseId, Clock, ContentDigest, DocumentId, GrantId, Identity, NewCase, NewDocument, NewStatement,
    Recipient, RecordFilter, Session, Stored, Terms, Timestamp, UploadToken, Vault, VaultOptions,
    keys::{LocalKey, Passphrase},
    storage::FsStorage,
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use sha2::Digest as _;
use tempfile::TempDir;

const MIB: usize = 1 << 20;
/// Not in Unicode's composed form: nothing normalizes it.
const PASSPHRASE: &str = "contrasen\u{303}a de la caja fuerte";

/// A clock that the story sets.
#[derive(Debug, Clone)]
struct Hands(Arc<AtomicU64>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

impl Hands {
    fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis().try_into().unwrap(), Ordering::SeqCst);
    }
}

/// A vault on disk, what its application keeps beside it, and what a reader must find.
pub(crate) struct Story {
    folder: TempDir,
    clock: Hands,
    pub(crate) vault: Vault,
    desk: Session,
    cases: BTreeMap<CaseId, Value>,
    documents: BTreeMap<DocumentId, Vec<Value>>,
    grants: BTreeMap<CaseId, Vec<Value>>,
    /// File and what it holds.
    pub(crate) deliveries: Vec<(PathBuf, Value)>,
}

/// Bytes that look random and are not.
pub(crate) fn content(len: usize, seed: u8) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A version as the reader must describe it: `pages` are the contents, `runs` the attempts of each.
fn version(stored: &Stored, ordinal: u32, new: &Doc, pages: &[(&[u8], u8)]) -> Value {
    let pages: Vec<Value> = pages
        .iter()
        .map(|(page, runs)| {
            json!({"length": page.len(), "digest": ContentDigest::of(page).to_string(),
                   "storage": u8::from(*runs > 0), "runs": runs,
                   "sha256": new.sha256.then(|| hex(&sha2::Sha256::digest(page)))})
        })
        .collect();
    json!({"id": stored.version.to_string(), "ordinal": ordinal, "name": new.name, "media_type": new.media_type,
           "attributes": new.attributes.iter().copied().collect::<BTreeMap<_, _>>(), "digest": stored.digest.to_string(), "pages": pages})
}

/// What describes a document, twice: for the vault and for the reader.
#[derive(Clone, Copy)]
struct Doc {
    name: &'static str,
    media_type: &'static str,
    attributes: &'static [(&'static str, &'static str)],
    sha256: bool,
}

impl Doc {
    const fn named(name: &'static str) -> Self {
        Self { name, media_type: "application/pdf", attributes: &[], sha256: false }
    }

    fn described(&self) -> NewDocument {
        let new = NewDocument::named(self.name).media_type(self.media_type);
        let new = if self.sha256 { new.with_sha256() } else { new };
        self.attributes.iter().fold(new, |new, (name, value)| new.attribute(*name, *value))
    }
}

impl Story {
    async fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Hands(Arc::new(AtomicU64::new(1_790_000_000_000)));
        let key = LocalKey::create(folder.path().join("old.key")).unwrap();
        let storage = FsStorage::create(folder.path().join("vault")).unwrap();
        let options = VaultOptions::default().clock(clock.clone());
        let vault = Vault::create_with(Arc::new(storage), Arc::new(key), options).await.unwrap();
        let desk = vault.session("user:7f3a").purpose("revisión de crédito").request("r-1").begin().unwrap();
        Self {
            folder,
            clock,
            vault,
            desk,
            cases: BTreeMap::new(),
            documents: BTreeMap::new(),
            grants: BTreeMap::new(),
            deliveries: Vec::new(),
        }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn case(&mut self, title: &str) -> CaseId {
        let new = NewCase::titled(title).attribute("branch", "Mérida").attribute("product", "mortgage");
        let case = self.desk.create_case(new).await.unwrap();
        let attributes = json!({"branch": "Mérida", "product": "mortgage"});
        self.cases.insert(
            case,
            json!({"title": title, "attributes": attributes, "closed": false, "statements": []}),
        );
        case
    }

    /// Stores a document in one page; `runs` is 0 where the content is inline.
    async fn store(&mut self, case: CaseId, doc: Doc, bytes: &[u8], runs: u8) -> DocumentId {
        let stored = self.desk.store(case, doc.described(), bytes.to_vec()).await.unwrap();
        self.documents.insert(stored.document, vec![version(&stored, 1, &doc, &[(bytes, runs)])]);
        stored.document
    }

    /// Two statements, the second with all that one can have.
    async fn state(&mut self, case: CaseId, about: ContentDigest) {
        let second = NewStatement::on("revision.").payload("aprobada").claim("visto").content(about);
        for (new, topic, texts) in [
            (NewStatement::on("0-a").follows(None), "0-a", ["", "", ""]),
            (second, "revision.", ["aprobada", "visto", "digest"]),
        ] {
            self.desk.make_statement(case, new).await.unwrap();
            let digest = if texts[2].is_empty() { "0".repeat(64) } else { about.to_string() };
            let stated = json!({
                "topic": topic, "payload": hex(texts[0].as_bytes()), "claim": hex(texts[1].as_bytes()), "digest": digest
            });
            self.cases.get_mut(&case).unwrap()["statements"].as_array_mut().unwrap().push(stated);
        }
    }

    async fn correct(&mut self, document: DocumentId, doc: Doc, bytes: &[u8]) {
        let stored =
            self.desk.store_version(document, doc.described(), "borrosa", bytes.to_vec()).await.unwrap();
        let versions = self.documents.get_mut(&document).unwrap();
        let ordinal = u32::try_from(versions.len()).unwrap() + 1;
        versions.push(version(&stored, ordinal, &doc, &[(bytes, 0)]));
    }

    /// Two pages; the first is interrupted behind two parts of 8 MiB and goes on as another attempt.
    async fn resumed(&mut self, case: CaseId) {
        let (front, back, doc) = (content(20_000_000, 1), content(300_000, 2), Doc::named("escritura.pdf"));
        let doc = Doc { sha256: true, ..doc };
        let mut upload = self.desk.upload(case, doc.described()).await.unwrap();
        let token = upload.token().unwrap().to_bytes();
        upload.write(&front[..17 * MIB]).await.unwrap();
        drop(upload);
        let token = UploadToken::from_bytes(&token).unwrap();
        let mut upload = self.desk.resume_upload(&token).await.unwrap();
        upload.write(&front[16 * MIB..]).await.unwrap();
        upload.next_page().await.unwrap();
        upload.write(&back).await.unwrap();
        let stored = upload.finish().await.unwrap();
        self.documents.insert(stored.document, vec![version(&stored, 1, &doc, &[(&front, 2), (&back, 1)])]);
    }

    /// An upload that nobody finishes: garbage once it has expired.
    async fn abandon(&mut self, case: CaseId) {
        let mut upload = self.desk.upload(case, NewDocument::named("abandoned")).await.unwrap();
        // With the third part on its way the first is stored; dropping may stop the others.
        upload.write(&content(25 * MIB, 3)).await.unwrap();
        drop(upload);
        self.clock.advance(Duration::from_secs(8 * 24 * 3600));
        let report = self.desk.collect_garbage().await.unwrap();
        assert!(report.condemned == 1 && report.objects_deleted >= 1, "{report:?}");
    }

    async fn grant(&mut self, scope: impl Into<docvault::Scope>, to: &Identity, terms: Terms) -> GrantId {
        let recipient = Recipient::verify(&to.recipient_bytes(), &to.fingerprint().to_string()).unwrap();
        self.desk.grant(scope, &recipient, terms.purpose("protocolización")).await.unwrap()
    }

    /// Writes a delivery beside the vault and notes the newest versions it must hold.
    async fn deliver(&mut self, grant: GrantId, documents: &[DocumentId]) -> String {
        let delivery = self.desk.deliver(grant).await.unwrap().collect().await.unwrap();
        let path = self.at(&format!("delivery-{}", self.deliveries.len()));
        fs::write(&path, &delivery).unwrap();
        let mut held: Vec<Value> = documents
            .iter()
            .map(|id| {
                let mut document = self.documents[id].last().unwrap().clone();
                let fields = document.as_object_mut().unwrap();
                fields.remove("ordinal");
                let version = fields.remove("id").unwrap();
                fields.insert("version".into(), version);
                fields.insert("object".into(), hex(id.own()).into());
                document
            })
            .collect();
        held.sort_by_key(|document| document["object"].as_str().unwrap().to_owned());
        self.deliveries.push((path, json!({"grant": grant.operation().to_string(), "documents": held})));
        let records = self.desk.auditor().records(&RecordFilter::all()).await.unwrap();
        records.last().unwrap().operation.to_string()
    }

    fn note_grant(&mut self, grant: GrantId, object: &str, mode: u8, revoked: bool, deliveries: &[String]) {
        self.grants.entry(grant.scope().case()).or_default().push(json!({
            "id": grant.operation().to_string(), "object": object, "mode": mode, "revoked": revoked,
            "purpose": "protocolización", "deliveries": deliveries,
        }));
    }

    async fn share(&mut self, notary: &Identity, document: DocumentId, case: CaseId) {
        let of_case: Vec<DocumentId> =
            self.documents.keys().copied().filter(|document| document.case() == case).collect();
        let one = self.grant(document, notary, Terms::read()).await;
        let whole = self.grant(case, notary, Terms::read().following()).await;
        let first = self.deliver(one, &[document]).await;
        let second = self.deliver(whole, &of_case).await;
        self.desk.revoke_because(one, "cambio de notaría").await.unwrap();
        self.note_grant(one, &hex(document.own()), 1, true, &[first]);
        self.note_grant(whole, &"0".repeat(32), 2, false, &[second]);
    }

    /// Records in great number: several folds, a table of the second level, many records in one commit.
    async fn many(&mut self, case: CaseId) {
        for i in 0..300_u32 {
            let bytes = i.to_be_bytes();
            self.store(case, Doc::named("anexo"), &bytes, 0).await;
        }
        for _ in 0..22 {
            let asked = join_all((0..200).map(|_| self.desk.describe_case(case))).await;
            assert!(asked.iter().all(Result::is_ok));
        }
    }

    async fn rotate(&mut self) {
        let root = self.vault.slots().await.unwrap()[0].id;
        self.desk.add_slot(&Passphrase::new(PASSPHRASE), "caja fuerte").await.unwrap();
        fs::write(self.at("passphrase"), PASSPHRASE).unwrap();
        self.desk.rotate_root(root, &LocalKey::create(self.at("new.key")).unwrap()).await.unwrap();
        self.desk.rotate_epoch().await.unwrap();
    }

    /// An upload with one page finished and a second begun, as a token tells of it.
    async fn unfinished(&mut self, case: CaseId) {
        let mut upload = self.desk.upload(case, Doc::named("pendiente").described()).await.unwrap();
        upload.write(&content(700, 5)).await.unwrap();
        upload.next_page().await.unwrap();
        fs::write(self.at("token"), upload.token().unwrap().to_bytes()).unwrap();
    }

    async fn keep(&self, when: &str) {
        let checkpoint = self.vault.audit().checkpoint().await.unwrap();
        fs::write(self.at(&format!("{when}checkpoint")), checkpoint).unwrap();
        fs::write(self.at(&format!("{when}pin")), self.vault.pin().to_string()).unwrap();
    }

    /// Keeps a checkpoint in the vault.
    async fn keep_inside(&self) {
        let checkpoint = self.vault.audit().checkpoint().await.unwrap();
        self.desk.keep_checkpoint(&checkpoint, &[]).await.unwrap();
    }

    /// One object of each kind, and little else; new signing keys come last.
    pub(crate) async fn short() -> Self {
        let mut story = Self::begin().await;
        story.keep("early.").await;
        let case = story.case("Juan Pérez").await;
        let small = story.store(case, Doc::named("small"), b"content", 0).await;
        story.store(case, Doc::named("a part"), &content(300_000, 1), 1).await;
        story.state(case, ContentDigest::of(b"content")).await;
        story.keep_inside().await;
        let notary = Identity::create(story.at("identity")).unwrap();
        story.share(&notary, small, case).await;
        story.desk.rotate_signing_keys().await.unwrap();
        let described = join_all((0..300).map(|_| story.desk.describe_case(case))).await;
        assert!(described.iter().all(Result::is_ok));
        story.rotate().await;
        story.unfinished(case).await;
        story.desk.rotate_signing_keys().await.unwrap();
        story.keep("").await;
        story
    }

    /// Everything that FORMAT knows, once.
    pub(crate) async fn told() -> (Self, Value) {
        let mut story = Self::begin().await;
        let first = story.case("Juan Pérez, crédito 0042").await;
        let second = story.case("Cerrado").await;
        let third = story.case("").await;
        story.store(first, Doc::named("vacío"), b"", 0).await;
        let card = Doc {
            name: "INE.jpg",
            media_type: "image/jpeg",
            attributes: &[("a", "1"), ("lado", "frente")],
            sha256: false,
        };
        let small = story.store(first, card, b"an identity card", 0).await;
        story.state(first, ContentDigest::of(b"an identity card")).await;
        story.store(first, Doc::named("inline, just"), &content(256 << 10, 6), 0).await;
        story.store(first, Doc::named("a part"), &content((256 << 10) + 1, 7), 1).await;
        story.store(second, Doc::named("parts"), &content(20 * MIB, 8), 1).await;
        story.store(second, Doc::named("two parts, full"), &content(16 * MIB, 9), 1).await;
        story.resumed(first).await;
        story.correct(small, card, b"an identity card, sharp").await;
        story.abandon(second).await;
        story.keep_inside().await;
        let notary = Identity::create(story.at("identity")).unwrap();
        story.share(&notary, small, first).await;
        story.desk.rotate_signing_keys().await.unwrap();
        story.many(third).await;
        story.rotate().await;
        story.desk.rotate_signing_keys().await.unwrap();
        story.correct(small, card, b"an identity card, both sides").await;
        story.desk.retrieve(small).await.unwrap();
        story.desk.retrieve_range(small, 3..9).await.unwrap();
        story.desk.close_case(third, "un error").await.unwrap();
        story.desk.reopen_case(third, "sigue abierto").await.unwrap();
        story.desk.close_case(second, "concluido").await.unwrap();
        story.cases.get_mut(&second).unwrap()["closed"] = true.into();
        let other = story.vault.session("auditor:1").purpose("arqueo").begin().unwrap();
        other.who_can_open(small).await.unwrap();
        other.cases(None).await.unwrap();
        story.unfinished(first).await;
        other.history(small).await.unwrap();
        story.keep("").await;
        let expected = story.expected().await;
        // What was read of the log stands on it, too.
        story.keep("").await;
        (story, expected)
    }
}
