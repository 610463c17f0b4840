//! One call of every public method that can wait, with texts and secrets that are easy to recognize.

use std::{
    collections::BTreeSet,
    fmt::Debug,
    fs,
    sync::{Arc, Mutex},
};

use docvault::{
    CaseId, CheckDepth, Identity, LogReader, NewCase, NewDocument, NewStatement, Recipient, RecordFilter,
    Session, SystemEntropy, Terms, TrustPolicy, Upload, Vault, VaultOptions,
    deposit::{Inbox, Link, OpenedRequest, RequestTerms, Slot},
    keys::{LocalKey, Passphrase},
    storage::{MemoryStorage, Storage, testing::CountingStorage},
};

use super::seen::{Seen, Span};
use crate::office;

/// In every text that a person would write.
pub const WORD: &str = "secreto";

pub struct Tour {
    seen: Seen,
    called: Mutex<BTreeSet<&'static str>>,
    pub places: Mutex<Vec<(Arc<CountingStorage>, Arc<MemoryStorage>)>>,
}

impl Tour {
    pub fn new(seen: Seen) -> Self {
        Self { seen, called: Mutex::default(), places: Mutex::default() }
    }

    pub fn called(&self) -> BTreeSet<&'static str> {
        self.called.lock().unwrap().clone()
    }

    fn place(&self) -> Arc<CountingStorage> {
        let objects = Arc::new(MemoryStorage::default());
        let counting = Arc::new(CountingStorage::new(objects.clone()));
        self.places.lock().unwrap().push((counting.clone(), objects));
        counting
    }

    /// Calls since the last time.
    fn calls(&self) -> usize {
        let counts = self.places.lock().unwrap();
        let counts = counts.iter().map(|(counting, _)| counting.take());
        counts.map(|counts| (counts.create + counts.read + counts.delete + counts.list) as usize).sum()
    }

    /// `work` is one operation of this name, which succeeds, and what it has the storage do is in it.
    async fn call<T, E: Debug>(&self, name: &'static str, work: impl Future<Output = Result<T, E>>) -> T {
        let (before, _) = (self.seen.len(), self.calls());
        let done = work.await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let all = self.seen.all();
        let told: Vec<_> = all.iter().enumerate().skip(before).collect();
        let operations: Vec<_> = told.iter().filter(|(_, span)| span.name == "operation").collect();
        let [(place, operation)] = operations[..] else { panic!("{name}: {operations:?}") };
        assert_eq!((operation.field("otel.name"), operation.field("outcome")), (name, "ok"));
        assert_eq!(operation.parent, None, "{name}");
        let calls = told.iter().filter(|(_, span)| span.name == "storage").count();
        assert_eq!(calls, self.calls(), "{name}");
        for (_, span) in &told {
            assert_eq!(root(&all, span), all[*place].field("otel.name"), "{name}: {span:?}");
        }
        self.called.lock().unwrap().insert(name);
        done
    }
}

/// The operation that a span is part of.
fn root<'a>(all: &'a [Span], span: &'a Span) -> &'a str {
    span.parent.map_or(span.field("otel.name"), |parent| root(all, &all[parent]))
}

/// Goes through everything; gives the secrets that it met.
pub async fn tour(tour: &Tour) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let storage = tour.place();
    let key = LocalKey::create(&path).unwrap();
    let vault = tour.call("Vault::create", Vault::create(storage.clone(), key)).await;
    let desk =
        vault.session(text("actor")).purpose(text("purpose")).request(text("request")).begin().unwrap();
    let mut secrets = vec![fs::read(&path).unwrap(), text("passphrase").into_bytes()];
    secrets.extend(documents(tour, &desk).await);
    secrets.extend(sharing(tour, &desk).await);
    secrets.extend(deposits(tour, &desk).await);
    log(tour, &desk, storage.clone()).await;
    keys(tour, &desk, &LocalKey::load(&path).unwrap()).await;
    housekeeping(tour, &vault).await;
    let pin = tour.call("Vault::sync", vault.sync()).await;
    let root = || LocalKey::load(&path).unwrap();
    tour.call("Vault::open", Vault::open(storage.clone(), root(), &pin)).await;
    tour.call(
        "Vault::open_unpinned",
        Vault::open_unpinned(storage, Arc::new(root()), VaultOptions::default()),
    )
    .await;
    secrets.extend(pin.to_string().split(' ').skip(5).map(|hash| hash.as_bytes().to_vec()));
    secrets
}

/// What stands in a token or a journal behind the identifiers.
fn sealed_end(bytes: &[u8]) -> Vec<u8> {
    bytes[bytes.len() - 64..].to_vec()
}

fn text(what: &str) -> String {
    format!("{WORD} {what}")
}

fn named(what: &str) -> NewDocument {
    NewDocument::named(text(what)).media_type("application/secreto").attribute(text("name"), text("value"))
}

async fn documents(tour: &Tour, desk: &Session) -> Vec<Vec<u8>> {
    let new = NewCase::titled(text("title")).attribute(text("name"), text("value"));
    let case = tour.call("Session::create_case", desk.create_case(new)).await;
    let content = text("content").repeat(1_000).into_bytes();
    let stored = tour.call("Session::store", desk.store(case, named("file"), content.clone())).await;
    let document = stored.document;
    let reason = text("reason");
    let version = desk.store_version(document, named("file"), &reason, content.clone());
    tour.call("Session::store_version", version).await;

    let mut upload = tour.call("Session::upload", desk.upload(case, named("scan"))).await;
    tour.call("Upload::write", upload.write(&content)).await;
    let token = upload.token().unwrap();
    drop(upload);
    let mut upload: Upload = tour.call("Session::resume_upload", desk.resume_upload(&token)).await;
    tour.call("Upload::write", upload.write(&vec![7; 9 << 20])).await;
    let seven = |_, piece: &mut [u8]| {
        piece.fill(7);
        Ok(())
    };
    tour.call("Upload::write_from", upload.write_from(1, seven)).await;
    tour.call("Upload::next_page", upload.next_page()).await;
    tour.call("Upload::finish", upload.finish()).await;
    let again = desk.upload_version(document, named("file"), &reason);
    let mut again = tour.call("Session::upload_version", again).await;
    again.write(&content).await.unwrap();
    let sealed = tour.call("Upload::seal", again.seal()).await;
    tour.call("SealedUpload::publish", sealed.publish()).await;
    let sealed = desk.upload(case, named("stated")).await.unwrap().seal().await.unwrap();
    let statement = NewStatement::on("secreto.topic").payload(text("payload")).claim(text("claim"));
    let (_, made) = tour.call("SealedUpload::publish_stating", sealed.publish_stating(statement)).await;
    tour.call("Upload::abort", desk.upload(case, named("never")).await.unwrap().abort()).await;

    tour.call("Session::retrieve", desk.retrieve(document)).await;
    tour.call("Session::retrieve_range", desk.retrieve_range(document, 5..10)).await;
    let mut reader = tour.call("Session::reader", desk.reader(document)).await;
    tour.call("Reader::range", reader.range(0..7)).await;
    tour.call("Reader::next", reader.next()).await;
    tour.call("Session::reader_of", desk.reader_of(document, stored.version)).await;

    tour.call("Session::cases", desk.cases(None)).await;
    tour.call("Session::describe_case", desk.describe_case(case)).await;
    tour.call("Session::documents", desk.documents(case, None)).await;
    tour.call("Session::describe", desk.describe(document)).await;
    tour.call("Session::newest_versions", desk.newest_versions(&[document])).await;
    tour.call("Session::history", desk.history(document)).await;
    tour.call("Session::outcome", desk.outcome(made.id)).await;
    statements(tour, desk, case).await;
    tour.call("Session::close_case", desk.close_case(case, &text("reason"))).await;
    tour.call("Session::reopen_case", desk.reopen_case(case, &text("reason"))).await;
    // So many records that a fold is due.
    for _ in 0..300 {
        desk.newest_versions(&[document]).await.unwrap();
    }
    vec![stored.digest.as_bytes().to_vec(), sealed_end(&token.to_bytes())]
}

async fn statements(tour: &Tour, desk: &Session, case: CaseId) {
    let statement = NewStatement::on("secreto.topic").payload(text("payload"));
    let made = tour.call("Session::make_statement", desk.make_statement(case, statement)).await;
    tour.call("Session::newest_statement", desk.newest_statement(case)).await;
    tour.call("Session::one_statement", desk.one_statement(case, made.id)).await;
    tour.call("Session::statements", desk.statements(case, None)).await;
    tour.call("Session::newest_statements", desk.newest_statements(None)).await;
}

async fn sharing(tour: &Tour, desk: &Session) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("identity");
    let identity = Identity::create(&path).unwrap();
    let recipient =
        Recipient::verify(&identity.recipient_bytes(), &identity.fingerprint().to_string()).unwrap();
    let case = desk.create_case(text("shared")).await.unwrap();
    let document = desk.store(case, named("file"), text("content")).await.unwrap().document;
    let terms = Terms::read().purpose(text("purpose"));
    let grant = tour.call("Session::grant", desk.grant(document, &recipient, terms)).await;
    let mut delivery = tour.call("Session::deliver", desk.deliver(grant)).await;
    tour.call("Delivery::next", delivery.next()).await;
    tour.call("Delivery::collect", delivery.collect()).await;
    tour.call("Session::who_can_open", desk.who_can_open(document)).await;
    tour.call("Session::revoke", desk.revoke_because(grant, &text("reason"))).await;
    tour.call("Session::revocation", desk.revocation(grant)).await;
    desk.close_case(case, &text("reason")).await.unwrap();
    tour.call("Session::erase_case", desk.erase_case(case)).await;
    tour.call("Session::erasure", desk.erasure(case)).await;
    vec![fs::read(path).unwrap(), identity.recipient_bytes().clone()]
}

async fn deposits(tour: &Tour, desk: &Session) -> Vec<Vec<u8>> {
    let vault = desk.vault();
    let case = desk.create_case(text("deposits")).await.unwrap();
    let expires = vault.now().saturating_add(office::DAY);
    let slot = Slot::new("secreto", 3 << 20).files(1, 2);
    let log = vault.audit().log().await.unwrap().verifier_keys().await.unwrap();
    let policy = TrustPolicy::parse(&format!("log {}\nquorum none\n", log[0])).unwrap();
    let terms = RequestTerms::new(case, office::carrier_key().public(), expires).slot(slot);
    let terms = terms.policy(policy.to_string()).presentation(text("presentation"));
    let signed = tour.call("Session::sign_request", desk.sign_request(terms)).await;
    let request = signed.descriptor.request();
    let place = tour.place();
    let carrier = docvault::deposit::Carrier::new(place.clone(), office::carrier_key(), vault.sender());
    tour.call("Carrier::prove", carrier.prove()).await;
    tour.call("Carrier::publish", carrier.publish(signed.descriptor.to_bytes())).await;
    let descriptor = tour.call("Carrier::descriptor", carrier.descriptor(request)).await;
    let url = signed.link.expose_url("https://intake.example").unwrap();
    let opened = OpenedRequest::open(&descriptor, &Link::parse(&url).unwrap(), None, vault.now()).unwrap();
    let contents = [office::content(1, 700_000)];
    let mut client = opened.begin(0, office::files(&contents), &SystemEntropy::default()).unwrap();
    for place in client.places() {
        tour.call("Carrier::receive", carrier.receive(office::seal(&mut client, &contents, place))).await;
    }
    let manifest = client.finish([(text("field"), text("answer"))].into(), &text("comment")).unwrap();
    let promise = tour.call("Carrier::finish", carrier.finish(manifest.clone())).await;
    let promise = client.check_promise(&promise, &manifest).unwrap();
    tour.call("Carrier::held", carrier.held(request, client.id())).await;
    let secrets = tour.call("Session::request_secrets", desk.request_secrets(case, request)).await;
    let inbox = tour.call("Inbox::open", Inbox::open(place, request, &vault.sender(), secrets)).await;
    tour.call("Inbox::promises", inbox.promises()).await;
    tour.call("Inbox::lost_promises", inbox.lost_promises()).await;
    let incoming = tour.call("Inbox::deposit", inbox.deposit(&promise)).await;
    let mut page = incoming.read(0).unwrap();
    tour.call("PageReader::next", page.next()).await;
    tour.call("PageReader::collect", incoming.read(0).unwrap().collect()).await;
    let receipt = receipt(desk, &incoming, case).await;
    tour.call("Inbox::answer", inbox.answer(&incoming, &receipt, &SystemEntropy::default())).await;
    tour.call("Inbox::clear", inbox.clear(promise.deposit())).await;
    tour.call("Inbox::close", inbox.close(vault.now())).await;
    tour.call("Inbox::is_answered", inbox.is_answered(&incoming)).await;
    tour.call("Carrier::close", carrier.close(request)).await;
    let journal = client.journal(&SystemEntropy::default()).unwrap();
    let (_, fragment) = url.split_once('#').unwrap();
    vec![fragment.as_bytes().to_vec(), base64(fragment), sealed_end(&journal), contents[0][..64].to_vec()]
}

async fn receipt(
    desk: &Session,
    incoming: &docvault::deposit::IncomingDeposit,
    case: CaseId,
) -> docvault::deposit::DepositReceipt {
    let claim = incoming.claim(case, "secreto", docvault::deposit::Verdict::Accepted, desk.vault().now());
    let (digest, bytes) = (claim.content_digest(), claim.to_bytes().unwrap());
    let statement = NewStatement::on("deposit").claim(bytes.clone()).content(digest);
    let made = desk.make_statement(case, statement).await.unwrap();
    let note = desk.vault().audit().checkpoint().await.unwrap();
    let receipt = desk.receipt(made.seq, &note).await.unwrap();
    docvault::deposit::DepositReceipt::new(bytes, incoming.promise().clone(), receipt).unwrap()
}

/// What a link's fragment stands for.
fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: String = text.chars().map(|c| format!("{:06b}", DIGITS.find(c).unwrap())).collect();
    bits.as_bytes()
        .chunks_exact(8)
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect()
}

async fn log(tour: &Tour, desk: &Session, storage: Arc<dyn Storage>) {
    let (vault, folder) = (desk.vault(), tempfile::tempdir().unwrap());
    let (audit, pin) = (vault.audit(), vault.pin());
    tour.call("Audit::verify", audit.verify(&pin)).await;
    tour.call("Audit::verify_from_genesis", audit.verify_from_genesis()).await;
    let note = tour.call("Audit::checkpoint", audit.checkpoint()).await;
    tour.call("Audit::export_tiles", audit.export_tiles(folder.path().join("tiles"))).await;
    let kept = tour.call("Session::keep_checkpoint", desk.keep_checkpoint(&note, &[])).await;
    tour.call("Audit::checkpoints", audit.checkpoints(None)).await;
    tour.call("Session::export_records", desk.export_records(&mut Vec::new())).await;
    tour.call("Session::export_text", desk.export_text(&mut Vec::new())).await;
    tour.call("Session::receipt", desk.receipt(2, &note)).await;
    tour.call("Session::receipt_with_actor", desk.receipt_with_actor(2, &note)).await;
    tour.call("Session::open_record", desk.open_record(1)).await;
    let auditor = vault.session(text("auditor")).purpose(text("review")).auditor().unwrap();
    tour.call("Auditor::verify", auditor.verify(&pin)).await;
    tour.call("Auditor::verify_from_genesis", auditor.verify_from_genesis()).await;
    tour.call("Auditor::records", auditor.records(&RecordFilter::all())).await;
    tour.call("Auditor::changes_since", auditor.changes_since(0)).await;
    tour.call("Auditor::disclose", auditor.disclose(1)).await;

    tour.call("Audit::log", audit.log()).await;
    tour.call("LogReader::open_unpinned", LogReader::open_unpinned(storage.clone())).await;
    let log = tour.call("LogReader::open", LogReader::open(storage, &pin)).await;
    tour.call("LogReader::verify", log.verify(&pin)).await;
    tour.call("LogReader::verify_from_genesis", log.verify_from_genesis(&mut |_, _| {})).await;
    tour.call("LogReader::check_tiles", log.check_tiles(&mut |_, _| {})).await;
    tour.call("LogReader::check_index", log.check_index(&mut |_, _| {})).await;
    tour.call("LogReader::checkpoints", log.checkpoints(None)).await;
    tour.call("LogReader::checkpoint_key", log.checkpoint_key()).await;
    tour.call("LogReader::prove_inclusion", log.prove_inclusion(1)).await;
    tour.call("LogReader::receipt", log.receipt(1, &note)).await;
    tour.call("LogReader::witness_request", log.witness_request(1, &note)).await;
    let keys = tour.call("LogReader::verifier_keys", log.verifier_keys()).await;
    let policy = TrustPolicy::parse(&format!("log {}\nquorum none\n", keys[0])).unwrap();
    tour.call("LogReader::freshness", log.freshness(&note, &policy)).await;
    tour.call("LogReader::export_tiles", log.export_tiles(folder.path().join("again"), &note)).await;
    tour.call("LogReader::export_kept", log.export_kept(folder.path().join("kept"), &kept)).await;
}

async fn keys(tour: &Tour, desk: &Session, root: &LocalKey) {
    let slots = tour.call("Vault::slots", desk.vault().slots()).await;
    assert_eq!(slots.len(), 1);
    let passphrase = Passphrase::new(text("passphrase"));
    let slot = tour.call("Session::add_slot", desk.add_slot(&passphrase, &text("label"))).await;
    let slot = tour.call("Session::rotate_root", desk.rotate_root(slot, &passphrase)).await;
    tour.call("Session::remove_slot", desk.remove_slot(slot)).await;
    tour.call("Session::rotate_epoch", desk.rotate_epoch()).await;
    tour.call("Session::rotate_signing_keys", desk.rotate_signing_keys()).await;
    tour.call("Session::rekey", desk.rekey(root, &text("label"))).await;
}

async fn housekeeping(tour: &Tour, vault: &Vault) {
    let desk = vault.session(text("actor")).purpose(text("purpose")).begin().unwrap();
    tour.call("Session::collect_garbage", desk.collect_garbage()).await;
    let mut check = tour.call("Vault::check", vault.check(CheckDepth::Content)).await;
    tour.call("Check::step", check.step(&mut |_| {})).await;
    let mut check = tour.call("Vault::resume_check", vault.resume_check(&check.cursor())).await;
    tour.call("Check::run", check.run(&mut |_| {})).await;
    tour.call("Vault::repair_tiles", vault.repair_tiles()).await;
    tour.call("Vault::copy_to", vault.copy_to(tour.place())).await;
}
