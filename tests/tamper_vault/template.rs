//! A vault with an object of every kind, its carrier's objects beside it.

use core::time::Duration;
use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use docvault::{
    AnchorError, CaseId, DocumentId, GrantId, Identity, NewDocument, NewStatement, NoSleep, Pin, Recipient,
    RecordFilter, Secret, Session, Terms, TimeAnchor, Timestamp, TrustPolicy, UploadToken, Vault,
    VaultOptions,
    deposit::{Carrier, Depositor, SignedRequest, Slot, Verdict},
    keys::{Bounds, LocalKey, Passphrase},
    storage::{MemoryStorage, ObjectKey, Storage, testing::FaultyStorage},
};

use super::{
    kinds::Kinds,
    overlay::{Objects, Overlay},
};
use crate::intake::{self, Hand, Intake, Seeded, deposit, files};

pub(crate) struct Template {
    pub(crate) objects: Arc<Objects>,
    pub(crate) kinds: Kinds,
    /// What has been superseded and deleted since.
    pub(crate) older: Objects,
    pub(crate) key: Arc<LocalKey>,
    /// From before the changes of keys and the folds, and of the head.
    pub(crate) pins: [Pin; 2],
    pub(crate) case: CaseId,
    pub(crate) erased: CaseId,
    /// Closed, to be erased.
    pub(crate) spare: CaseId,
    pub(crate) papers: Papers,
    /// On a document, revoked; on the case, following.
    pub(crate) grants: [GrantId; 2],
    pub(crate) token: UploadToken,
    pub(crate) office: Intake,
    pub(crate) left: Left,
}

/// Documents of every shape.
pub(crate) struct Papers {
    /// In two versions.
    pub(crate) small: DocumentId,
    pub(crate) empty: DocumentId,
    /// Of two pages, so in parts, which are small.
    pub(crate) pages: DocumentId,
    /// Of two parts, one of them full; in another case.
    pub(crate) large: Option<DocumentId>,
}

impl Papers {
    pub(crate) const fn small_ones(&self) -> [DocumentId; 3] {
        [self.small, self.empty, self.pages]
    }
}

/// What was left with the carrier: a deposit that was answered, one that was not, and one without its manifest.
pub(crate) struct Left {
    pub(crate) request: SignedRequest,
    pub(crate) closed: SignedRequest,
    pub(crate) journals: [Bytes; 3],
}

pub(crate) const BEGUN: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// The same names in each run, so that a sample is the same one.
pub(crate) fn options(clock: &Hand, seed: u64) -> VaultOptions {
    VaultOptions::default().sleeper(NoSleep::default()).clock(clock.clone()).entropy(Seeded::new(seed))
}

pub(crate) fn notary() -> Identity {
    Identity::from_seed(Secret::copy_from(&[1; 32]).unwrap())
}

/// As cheap as it gets: it is not what is tried here.
pub(crate) fn passphrase() -> Passphrase {
    let mut bounds = Bounds::default();
    (bounds.min_memory_kib, bounds.min_passes) = (8, 1);
    Passphrase::new("correct horse").bounds(bounds).cost(8, 1, 1)
}

impl Template {
    /// The log is folded as often as `folds` says; with a large document, or without.
    pub(crate) async fn new(folds: u64, large: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let storage = Arc::new(MemoryStorage::default());
        let clock = Hand::at(BEGUN);
        let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
        // While one commit is created, others come together for the next.
        let slow = FaultyStorage::scripted(storage.clone(), []).with_latency(1, Duration::from_millis(1));
        let vault = Vault::create_with(Arc::new(slow), key.clone(), options(&clock, 1)).await.unwrap();
        let mut office = Intake::of(vault.clone()).await;
        (office.kept, office.clock) = (storage.clone(), clock);
        let (desk, case) = (office.desk.clone(), office.case);
        let mut older = all_of(&storage).await;
        let early = vault.pin();
        let papers = documents(&desk, case, large).await;
        let grants = shared(&desk, case, papers.small).await;
        let spare = closed(&desk, "spare").await;
        let erased = closed(&desk, "erased").await;
        older.extend(all_of(&storage).await);
        desk.erase_case(erased).await.unwrap();
        looked_at(&desk, papers.small).await;
        desk.add_slot(&passphrase(), "recovery").await.unwrap();
        older.extend(all_of(&storage).await);
        desk.rotate_epoch().await.unwrap();
        older.extend(all_of(&storage).await);
        desk.rotate_signing_keys().await.unwrap();
        let keys = vault.audit().log().await.unwrap().verifier_keys().await.unwrap();
        let lines: String = keys.iter().map(|key| format!("log {key}\n")).collect();
        office.policy = TrustPolicy::parse(&(lines + "quorum none\n")).unwrap();
        let token = pending(&desk, case).await;
        let left = deposited(&office).await;
        for n in 1..=folds {
            grow(&desk, case, 256 * n).await;
            let note = vault.audit().checkpoint().await.unwrap();
            desk.keep_checkpoint(&note, &[&Anchor]).await.unwrap();
            desk.make_statement(case, NewStatement::on("approved").payload("{}").claim("seen"))
                .await
                .unwrap();
            older.extend(all_of(&storage).await);
        }
        desk.collect_garbage().await.unwrap();
        litter(&storage).await;
        let objects = all_of(&storage).await;
        older.retain(|key, _| !objects.contains_key(key));
        let (kinds, objects) = (Kinds::of(&objects, &older), Arc::new(objects));
        let pins = [early, vault.pin()];
        Self { objects, kinds, older, key, pins, case, erased, spare, papers, grants, token, office, left }
    }

    pub(crate) fn overlay(&self) -> Arc<Overlay> {
        Overlay::new(self.objects.clone())
    }

    pub(crate) fn carrier(&self, storage: Arc<dyn Storage>) -> Carrier {
        self.office.carrier_on(storage)
    }
}

async fn all_of(storage: &MemoryStorage) -> Objects {
    let mut objects = BTreeMap::new();
    for key in storage.list("", None, usize::MAX).await.unwrap() {
        let bytes = storage.read(&key, None).await.unwrap().unwrap();
        objects.insert(key, bytes);
    }
    objects
}

async fn documents(desk: &Session, case: CaseId, large: bool) -> Papers {
    let store = async |case, content: Vec<u8>| {
        desk.store(case, NewDocument::named("x"), content).await.unwrap().document
    };
    let (small, empty) = (store(case, b"small".to_vec()).await, store(case, Vec::new()).await);
    let again = NewDocument::named("again");
    desk.store_version(small, again, "better", b"second".to_vec()).await.unwrap();
    let pages = in_parts(desk, case).await;
    let bulk = desk.create_case("bulk").await.unwrap();
    let large = if large { Some(store(bulk, intake::content(1, LARGE)).await) } else { None };
    Papers { small, empty, pages, large }
}

/// A document of two pages, so in parts.
async fn in_parts(desk: &Session, case: CaseId) -> DocumentId {
    let mut upload = desk.upload(case, NewDocument::named("pages")).await.unwrap();
    upload.write(&[4; 100]).await.unwrap();
    upload.next_page().await.unwrap();
    upload.write(&[5; 17_000]).await.unwrap();
    upload.finish().await.unwrap().document
}

/// Grants of a document and of the case, both delivered, one revoked; statements; a closed and reopened case.
async fn shared(desk: &Session, case: CaseId, document: DocumentId) -> [GrantId; 2] {
    let notary = notary();
    let recipient = Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string()).unwrap();
    let terms = || Terms::read().purpose("p");
    let one = desk.grant(document, &recipient, terms()).await.unwrap();
    let all = desk.grant(case, &recipient, terms().following()).await.unwrap();
    desk.deliver(one).await.unwrap().collect().await.unwrap();
    desk.revoke(one).await.unwrap();
    for topic in ["approved", "attested"] {
        desk.make_statement(case, NewStatement::on(topic).payload("{}").claim("seen")).await.unwrap();
    }
    desk.close_case(case, "done").await.unwrap();
    desk.reopen_case(case, "not yet").await.unwrap();
    [one, all]
}

/// A case with a document in its head and one in parts, ready to be erased.
async fn closed(desk: &Session, title: &str) -> CaseId {
    let case = desk.create_case(title).await.unwrap();
    desk.store(case, NewDocument::named("gone"), b"gone".to_vec()).await.unwrap();
    in_parts(desk, case).await;
    desk.close_case(case, "done").await.unwrap();
    case
}

/// Records of a look at the content and at the log, and of a slot that came and went.
async fn looked_at(desk: &Session, document: DocumentId) {
    desk.retrieve(document).await.unwrap();
    desk.auditor().records(&RecordFilter::all()).await.unwrap();
    let former = LocalKey::from_seed(Secret::copy_from(&[3; 32]).unwrap());
    let slot = desk.add_slot(&former, "former").await.unwrap();
    desk.remove_slot(slot).await.unwrap();
}

/// A time authority that any digest is a token to.
#[derive(Debug)]
struct Anchor;

#[async_trait]
impl TimeAnchor for Anchor {
    fn authority(&self) -> &str {
        "time.example"
    }

    async fn stamp(&self, digest: &[u8; 32]) -> Result<Vec<u8>, AnchorError> {
        Ok(digest.to_vec())
    }
}

/// An upload with its first page stored and its second to come.
async fn pending(desk: &Session, case: CaseId) -> UploadToken {
    let mut upload = desk.upload(case, NewDocument::named("pending")).await.unwrap();
    upload.write(b"first page").await.unwrap();
    upload.next_page().await.unwrap();
    upload.token().unwrap()
}

/// A request with a deposit of two pages that was answered, another that was not, and one that was only begun;
/// and a request that was closed.
async fn deposited(office: &Intake) -> Left {
    let terms = || office.terms().slot(Slot::new("id", 1 << 20).files(1, 2).uses(3));
    let request = office.desk.sign_request(terms()).await.unwrap();
    let closed = office.desk.sign_request(terms()).await.unwrap();
    let carrier = office.carrier();
    for signed in [&request, &closed] {
        carrier.publish(signed.descriptor.to_bytes()).await.unwrap();
    }
    carrier.close(closed.descriptor.request()).await.unwrap();
    let opened = office.open(&request);
    let entropy = Seeded::new(2);
    let begin = |_| opened.begin(0, files(&paper()), &entropy).unwrap();
    let mut clients: [Depositor; 3] = core::array::from_fn(begin);
    let promise = deposit(&carrier, &mut clients[0], &paper()).await.unwrap();
    deposit(&carrier, &mut clients[1], &paper()).await.unwrap();
    for place in clients[2].places() {
        carrier.receive(intake::seal(&mut clients[2], &paper(), place)).await.unwrap();
    }
    let inbox = office.inbox(&request).await;
    let incoming = inbox.deposit(&promise).await.unwrap();
    let receipt = office.answer(&incoming, "id", Verdict::Accepted).await;
    inbox.answer(&incoming, &receipt, &entropy).await.unwrap();
    let journals = clients.map(|client| client.journal(&entropy).unwrap());
    Left { request, closed, journals }
}

/// What clients hand in.
pub(crate) fn paper() -> Vec<Vec<u8>> {
    vec![vec![6; 300], vec![7; 500]]
}

/// Records until there are `size` of them, as many in a commit as there is room for.
async fn grow(desk: &Session, case: CaseId, size: u64) {
    while desk.vault().pin().size() < size {
        let left = size - desk.vault().pin().size();
        futures_util::future::try_join_all((0..left).map(|_| desk.describe_case(case))).await.unwrap();
    }
}

/// A place in line of a process that died, and what another left of its probe.
async fn litter(storage: &MemoryStorage) {
    let (turn, probe) =
        (format!("turn/{:016x}-{}", 9, "ab".repeat(12)), format!("probe/{}", "cd".repeat(16)));
    for (name, bytes) in [(turn, Bytes::new()), (probe, Bytes::from_static(b"probe"))] {
        let key: ObjectKey = name.parse().unwrap();
        storage.create(&key, bytes).await.unwrap();
    }
}

/// Bytes of content in a part and 1,000 more.
pub(crate) const LARGE: usize = (8 << 20) + 1000;
