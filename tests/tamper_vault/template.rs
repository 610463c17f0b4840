//! A vault with something of every kind, its carrier's objects beside it.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use docvault::{
    CaseId, DocumentId, GrantId, Identity, NewDocument, NewStatement, NoSleep, Pin, Recipient, Secret,
    Sender, Session, SystemEntropy, Terms, Timestamp, TrustPolicy, UploadToken, Vault, VaultOptions,
    deposit::{Carrier, File, Inbox, OpenedRequest, RequestTerms, SignedRequest, Slot, Verdict},
    keys::{Bounds, LocalKey, Passphrase},
    storage::{MemoryStorage, ObjectKey, Storage},
};
use tempfile::TempDir;

use crate::{
    intake::{DAY, Hand, carrier_key, seal},
    overlay::Overlay,
};

pub(crate) struct Template {
    pub(crate) objects: Arc<BTreeMap<ObjectKey, Bytes>>,
    pub(crate) folder: TempDir,
    pub(crate) pin: Pin,
    pub(crate) documents: Vec<DocumentId>,
    pub(crate) case: CaseId,
    pub(crate) grant: GrantId,
    pub(crate) token: UploadToken,
    pub(crate) request: SignedRequest,
    pub(crate) journal: Bytes,
    pub(crate) policy: TrustPolicy,
    pub(crate) clock: Hand,
    sender: Sender,
    kinds: BTreeMap<ObjectKey, &'static str>,
}

pub(crate) fn options(clock: &Hand) -> VaultOptions {
    VaultOptions::default().sleeper(NoSleep::default()).clock(clock.clone())
}

pub(crate) fn notary() -> Identity {
    Identity::from_seed(Secret::copy_from(&[1; 32]).unwrap())
}

fn recipient() -> Recipient {
    let notary = notary();
    Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string()).unwrap()
}

impl Template {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let storage = Arc::new(MemoryStorage::default());
        let clock = Hand::at(Timestamp::from_millis(1_790_000_000_000));
        let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
        let vault = Vault::create_with(storage.clone(), key, options(&clock)).await.unwrap();
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("case").await.unwrap();
        let documents = documents(&desk, case).await;
        let grant = shared(&desk, case, documents[0]).await;
        erased(&desk).await;
        keys(&vault, &desk).await;
        let mut upload = desk.upload(case, NewDocument::named("pending")).await.unwrap();
        upload.write(b"first page").await.unwrap();
        upload.next_page().await.unwrap();
        let token = upload.token().unwrap();
        let note = vault.audit().checkpoint().await.unwrap();
        desk.keep_checkpoint(&note, &[]).await.unwrap();
        let (request, journal) = deposited(&vault, &desk, case, (&storage, &clock)).await;
        let log = vault.audit().log().await.unwrap().verifier_keys().await.unwrap();
        let lines: String = log.iter().map(|key| format!("log {key}\n")).collect();
        let policy = TrustPolicy::parse(&(lines + "quorum none\n")).unwrap();
        while vault.pin().size() < 280 {
            let all = (0..60).map(|_| desk.describe_case(case));
            futures_util::future::try_join_all(all).await.unwrap();
        }
        let pin = vault.pin();
        let mut objects = BTreeMap::new();
        for key in storage.list("", None, 100_000).await.unwrap() {
            objects.insert(key.clone(), storage.read(&key, None).await.unwrap().unwrap());
        }
        let kinds = objects.iter().map(|(key, bytes)| (key.clone(), kind(key, bytes))).collect();
        let objects = Arc::new(objects);
        let sender = vault.sender();
        Self {
            objects,
            folder,
            pin,
            documents,
            case,
            grant,
            token,
            request,
            journal,
            policy,
            clock,
            sender,
            kinds,
        }
    }

    pub(crate) fn overlay(&self) -> Arc<Overlay> {
        Overlay::new(self.objects.clone())
    }

    pub(crate) fn kind(&self, key: &ObjectKey) -> &'static str {
        self.kinds[key]
    }

    /// What others of its kind hold; of commits, which are many and alike, the neighbours and the first.
    pub(crate) fn siblings(&self, key: &ObjectKey) -> impl Iterator<Item = Bytes> {
        let kind = self.kind(key);
        let all: Vec<&ObjectKey> = self.objects.keys().filter(|other| self.kind(other) == kind).collect();
        let at = all.iter().position(|other| *other == key).unwrap();
        let near = move |i: &usize| kind != "commit" || i.abs_diff(at) <= 2 || *i == 0;
        let others: Vec<Bytes> = (0..all.len())
            .filter(|i| *i != at)
            .filter(near)
            .map(|i| self.objects[all[i]].clone())
            .filter(|other| *other != self.objects[key])
            .collect();
        others.into_iter()
    }

    /// What the first of every other kind holds.
    pub(crate) fn strangers(&self, key: &ObjectKey) -> impl Iterator<Item = Bytes> {
        let mut of_kind: BTreeMap<&str, Bytes> = BTreeMap::new();
        for (other, bytes) in self.objects.iter() {
            of_kind.entry(self.kind(other)).or_insert_with(|| bytes.clone());
        }
        of_kind.remove(self.kind(key));
        of_kind.into_values().collect::<Vec<_>>().into_iter()
    }

    pub(crate) fn carrier(&self, storage: Arc<dyn Storage>) -> Carrier {
        Carrier::new(storage, carrier_key(), self.sender.clone()).clock(self.clock.clone())
    }
}

/// Empty, small in two versions, in a part, of two pages.
async fn documents(desk: &Session, case: CaseId) -> Vec<DocumentId> {
    let mut documents = Vec::new();
    for content in [b"small".to_vec(), Vec::new(), vec![3; 262_145]] {
        documents.push(desk.store(case, NewDocument::named("x"), content).await.unwrap().document);
    }
    let again = NewDocument::named("again");
    desk.store_version(documents[0], again, "better", b"second".to_vec()).await.unwrap();
    let mut upload = desk.upload(case, NewDocument::named("pages")).await.unwrap();
    upload.write(&[4; 100]).await.unwrap();
    upload.next_page().await.unwrap();
    upload.write(&[5; 20_000]).await.unwrap();
    documents.push(upload.finish().await.unwrap().document);
    documents
}

/// Grants of a document and of the case, one revoked after a delivery; statements; a closed and reopened case.
async fn shared(desk: &Session, case: CaseId, document: DocumentId) -> GrantId {
    let terms = || Terms::read().purpose("p");
    let one = desk.grant(document, &recipient(), terms()).await.unwrap();
    let all = desk.grant(case, &recipient(), terms().following()).await.unwrap();
    desk.deliver(one).await.unwrap().collect().await.unwrap();
    desk.revoke(one).await.unwrap();
    for topic in ["approved", "attested"] {
        let stated = NewStatement::on(topic).payload("{}").claim("seen");
        desk.make_statement(case, stated).await.unwrap();
    }
    desk.close_case(case, "done").await.unwrap();
    desk.reopen_case(case, "not yet").await.unwrap();
    all
}

/// A case of which nothing but its records is left.
async fn erased(desk: &Session) {
    let case = desk.create_case("erased").await.unwrap();
    desk.store(case, NewDocument::named("gone"), b"gone".to_vec()).await.unwrap();
    desk.close_case(case, "done").await.unwrap();
    desk.erase_case(case).await.unwrap();
}

/// A second slot, a second vault key, a second signing key.
async fn keys(vault: &Vault, desk: &Session) {
    let mut bounds = Bounds::default();
    (bounds.min_memory_kib, bounds.min_passes) = (8, 1);
    let recovery = Passphrase::new("correct horse").bounds(bounds).cost(64, 1, 1);
    desk.add_slot(&recovery, "recovery").await.unwrap();
    desk.rotate_epoch().await.unwrap();
    desk.rotate_signing_keys().await.unwrap();
    assert_eq!(vault.slots().await.unwrap().len(), 2);
}

/// A request, a deposit of two pages, and the office's answer, in the same storage.
async fn deposited(
    vault: &Vault,
    desk: &Session,
    case: CaseId,
    (storage, clock): (&Arc<MemoryStorage>, &Hand),
) -> (SignedRequest, Bytes) {
    let now = Timestamp::from_millis(1_790_000_000_000);
    let terms = RequestTerms::new(case, carrier_key().public(), now.saturating_add(DAY)).answer_within(DAY);
    let signed = desk.sign_request(terms.slot(Slot::new("id", 1 << 20).files(1, 2))).await.unwrap();
    let carrier = Carrier::new(storage.clone(), carrier_key(), vault.sender()).clock(clock.clone());
    carrier.publish(signed.descriptor.to_bytes()).await.unwrap();
    let opened = OpenedRequest::open(&signed.descriptor.to_bytes(), &signed.link, None, now).unwrap();
    let contents = [vec![6; 300], vec![7; 500]];
    let files = contents.iter().map(|page| File::new("x", "image/jpeg", page.len() as u64)).collect();
    let mut client = opened.begin(0, files, &SystemEntropy::default()).unwrap();
    for place in client.places() {
        carrier.receive(seal(&mut client, &contents, place)).await.unwrap();
    }
    let manifest = client.finish(BTreeMap::new(), "").unwrap();
    let promise = client.check_promise(&carrier.finish(manifest.clone()).await.unwrap(), &manifest).unwrap();
    let request = signed.descriptor.request();
    let secrets = desk.request_secrets(case, request).await.unwrap();
    let inbox = Inbox::open(storage.clone(), request, &vault.sender(), secrets).await.unwrap();
    let incoming = inbox.deposit(&promise).await.unwrap();
    let claim = incoming.claim(case, "id", Verdict::Accepted, now);
    let (digest, bytes) = (claim.content_digest(), claim.to_bytes().unwrap());
    let stated = NewStatement::on("deposit").claim(bytes.clone()).content(digest);
    let made = desk.make_statement(case, stated).await.unwrap();
    let note = vault.audit().checkpoint().await.unwrap();
    let receipt = desk.receipt(made.seq, &note).await.unwrap();
    let receipt = docvault::deposit::DepositReceipt::new(bytes, incoming.promise().clone(), receipt).unwrap();
    inbox.answer(&incoming, &receipt, &SystemEntropy::default()).await.unwrap();
    (signed, client.journal(&SystemEntropy::default()).unwrap())
}

/// What kind of object it is, by its name and its first bytes.
fn kind(key: &ObjectKey, bytes: &Bytes) -> &'static str {
    let name = key.as_str();
    let deposit = name.strip_prefix("deposit/").map(|rest| rest.split('/').nth(1).unwrap());
    match (bytes.get(..4), bytes.get(6)) {
        (Some(b"dvhd"), Some(1)) => "head of a case",
        (Some(b"dvhd"), Some(2)) => "head of a version",
        (Some(b"dvhd"), _) => "head of a grant",
        (Some(b"dvcm"), _) => "commit",
        (Some(b"dvck"), _) => "case key",
        (Some(b"dvkr"), _) => "keyring",
        (Some(b"dvix"), _) => "index manifest",
        (Some(b"dvip"), _) => "index page",
        (Some(b"dvcp"), _) => "kept checkpoint",
        (Some(b"dvrq"), _) => "request",
        (Some(b"dvpr"), _) => "promise",
        (Some(b"dvdp"), _) => "part of a deposit",
        (Some(b"dvdm"), _) => "manifest of a deposit",
        (Some(b"dvda"), _) => "answer",
        _ if deposit == Some("begun") => "begun",
        _ if name.starts_with("part/") => "part",
        _ if name.starts_with("tile/entries/") => "bundle",
        _ if name.starts_with("tile/") => "tile",
        _ => panic!("{name} is of a kind that is not known"),
    }
}
