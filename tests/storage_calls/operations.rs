//! Every operation, once, on a log of some length.

use docvault::{
    DocumentId, Identity, NewDocument, NewStatement, Pin, Recipient, Session, SystemEntropy, Terms, Vault,
    deposit::Verdict, keys::LocalKey,
};

use crate::{
    bench::{Bench, Rows, desk, fill, store},
    intake::*,
};

/// Every operation on a log that has at least so many records.
pub(crate) async fn everything(mut bench: Bench, records: u64) -> Rows {
    let (storage, key, options) = (bench.storage.clone(), bench.key.clone(), bench.options());
    let vault = bench.count("create the vault", Vault::create_with(storage, key, options)).await.unwrap();
    let first = vault.pin();
    let office = desk(&vault);
    let case = office.create_case("old").await.unwrap();
    let documents = [store(&office, case, 1024).await, store(&office, case, 20 << 20).await];
    fill(&office, records).await;
    cold(&mut bench, &vault, &first, documents).await;
    let vault = bench.open(&vault.sync().await.unwrap()).await;
    let office = desk(&vault);
    office.retrieve(documents[0]).await.unwrap();
    cases(&mut bench, &office, documents).await;
    documents_of(&mut bench, &office, documents).await;
    sharing(&mut bench, &office, documents[0]).await;
    evidence(&mut bench, &office, documents[0]).await;
    verification(&mut bench, &office, &first).await;
    ends(&mut bench, &office).await;
    bench.rows
}

/// What a process pays that has just begun.
async fn cold(bench: &mut Bench, vault: &Vault, first: &Pin, [small, large]: [DocumentId; 2]) {
    let (storage, key) = (bench.storage.clone(), bench.key.clone());
    for (name, pin) in [("open, by the head's pin", vault.pin()), ("open, by the first pin", first.clone())] {
        let open = Vault::open_with(storage.clone(), key.clone(), &pin, bench.options());
        bench.count(name, open).await.unwrap();
    }
    let unpinned = Vault::open_unpinned(storage, key, bench.options());
    bench.count("open, without a pin", unpinned).await.unwrap();
    for (name, document) in
        [("retrieve 1 KiB, as its first", small), ("retrieve 20 MiB, as its first", large)]
    {
        let office = desk(&bench.open(&vault.sync().await.unwrap()).await);
        bench.count(name, office.retrieve(document)).await.unwrap();
    }
    let office = desk(&bench.open(&vault.sync().await.unwrap()).await);
    bench.count("store 1 KiB, as its first", store(&office, small.case(), 1024)).await;
}

async fn cases(bench: &mut Bench, office: &Session, [small, _]: [DocumentId; 2]) {
    let case = bench.count("open a case", office.create_case("new")).await.unwrap();
    bench.count("describe a case", office.describe_case(case)).await.unwrap();
    bench.count("list a page of cases", office.cases(None)).await.unwrap();
    bench.count("list an old case's documents", office.documents(small.case(), None)).await.unwrap();
    bench.count("close a case", office.close_case(case, "done")).await.unwrap();
    bench.count("reopen a case", office.reopen_case(case, "more")).await.unwrap();
    bench.count("look for what others wrote", office.vault().sync()).await.unwrap();
}

async fn documents_of(bench: &mut Bench, office: &Session, [small, large]: [DocumentId; 2]) {
    let case = small.case();
    let new = bench.count("store 1 KiB", store(office, case, 1024)).await;
    bench.count("store 100 KiB", store(office, case, 100 << 10)).await;
    bench.count("store 20 MiB", store(office, case, 20 << 20)).await;
    let described = || NewDocument::named("INE.pdf");
    let version = office.store_version(new, described(), "readable", vec![8; 1024]);
    bench.count("store a version, 1 KiB", version).await.unwrap();
    let mut upload = bench.count("begin an upload", office.upload(case, described())).await.unwrap();
    bench.count("upload 8 MiB of it", upload.write(&vec![7; 8 << 20])).await.unwrap();
    bench.count("finish the upload", upload.finish()).await.unwrap();
    bench.count("retrieve 1 KiB", office.retrieve(new)).await.unwrap();
    bench.count("retrieve 20 MiB", office.retrieve(large)).await.unwrap();
    bench.count("retrieve a range of 20 MiB", office.retrieve_range(large, 5..500)).await.unwrap();
    let next = office.retrieve_range(large, 70_000..70_500);
    bench.count("its next range of the same part", next).await.unwrap();
    let reader = bench.count("reader of 20 MiB", office.reader(large)).await.unwrap();
    bench.count("the reader's first range", reader.range(5..500)).await.unwrap();
    bench.count("the reader's next range of the same part", reader.range(70_000..70_500)).await.unwrap();
    bench.count("describe a document", office.describe(small)).await.unwrap();
    bench.count("newest versions of 2", office.newest_versions(&[small, large])).await.unwrap();
    bench.count("history of 2 versions", office.history(new)).await.unwrap();
}

async fn sharing(bench: &mut Bench, office: &Session, document: DocumentId) {
    let identity = Identity::create(bench.folder.path().join("identity")).unwrap();
    let (bytes, fingerprint) = (identity.recipient_bytes(), identity.fingerprint().to_string());
    let recipient = Recipient::verify(&bytes, &fingerprint).unwrap();
    let terms = Terms::read().purpose("opinion");
    let grant = bench.count("grant", office.grant(document, &recipient, terms)).await.unwrap();
    let delivery = async { office.deliver(grant).await.unwrap().collect().await };
    bench.count("deliver 1 KiB", delivery).await.unwrap();
    bench.count("who can open", office.who_can_open(document)).await.unwrap();
    bench.count("revoke", office.revoke(grant)).await.unwrap();
}

async fn evidence(bench: &mut Bench, office: &Session, document: DocumentId) {
    let case = document.case();
    let statement = NewStatement::on("review.approved").payload("fine").claim("approved");
    let made = bench.count("make a statement", office.make_statement(case, statement)).await.unwrap();
    bench.count("newest statement", office.newest_statement(case)).await.unwrap();
    bench.count("list a case's statements", office.statements(case, None)).await.unwrap();
    bench.count("outcome of an operation", office.outcome(made.id)).await.unwrap();
    let audit = office.vault().audit();
    let note = bench.count("checkpoint", audit.checkpoint()).await.unwrap();
    let seq = office.describe(document).await.unwrap().seq;
    bench.count("receipt of an old version", office.receipt(seq, &note)).await.unwrap();
    bench.count("receipt of a statement", office.receipt(made.seq, &note)).await.unwrap();
    let log = audit.log().await.unwrap();
    bench.count("prove inclusion of an old record", log.prove_inclusion(1)).await.unwrap();
    bench.count("request for a witness of 1 record", log.witness_request(1, &note)).await.unwrap();
    bench.count("keep a checkpoint", office.keep_checkpoint(&note, &[])).await.unwrap();
}

async fn verification(bench: &mut Bench, office: &Session, first: &Pin) {
    let (newest, audit) = (office.vault().pin(), office.vault().audit());
    store(office, office.create_case("one more").await.unwrap(), 1).await;
    bench.count("verify the 2 commits after a pin", audit.verify(&newest)).await.unwrap();
    bench.count("verify the whole log", audit.verify(first)).await.unwrap();
}

/// What ends something, and what keeps the house.
async fn ends(bench: &mut Bench, office: &Session) {
    let case = office.create_case("short").await.unwrap();
    store(office, case, 1024).await;
    office.close_case(case, "done").await.unwrap();
    bench.count("erase a case of 1 document", office.erase_case(case)).await.unwrap();
    bench.count("what its erasure is worth", office.erasure(case)).await.unwrap();
    let key = LocalKey::create(bench.folder.path().join("other")).unwrap();
    let slot = bench.count("add a root key", office.add_slot(&key, "recovery")).await.unwrap();
    bench.count("remove a root key", office.remove_slot(slot)).await.unwrap();
    bench.count("rotate the signing keys", office.rotate_signing_keys()).await.unwrap();
    bench.count("rotate the epoch", office.rotate_epoch()).await.unwrap();
    bench.count("collect garbage", office.collect_garbage()).await.unwrap();
    bench.count("collect garbage again", office.collect_garbage()).await.unwrap();
}

/// Handing in by a link. Carrier and vault are on one storage.
pub(crate) async fn deposits(mut bench: Bench) -> Rows {
    let intake = Intake::of(bench.create().await).await;
    let signed = bench.count("office: sign a request", intake.sign()).await;
    let descriptor = signed.descriptor.to_bytes();
    let carrier = intake.carrier_on(bench.storage.clone());
    bench.count("carrier: publish a request", carrier.publish(descriptor)).await.unwrap();
    let (opened, contents) = (intake.open(&signed), [content(1, 600_000)]);
    let mut client = begin(&opened, &contents);
    for (name, place) in [("carrier: the first part of a deposit", 0), ("carrier: another part", 1)] {
        let place = client.places()[place];
        let part = seal(&mut client, &contents, place);
        bench.count(name, carrier.receive(part)).await.unwrap();
    }
    let promise = bench.count("carrier: manifest, and the promise", finish(&carrier, &client)).await.unwrap();
    let inbox = bench.count("office: open the inbox", intake.inbox_on(bench.storage.clone(), &signed)).await;
    bench.count("office: new deposits", inbox.promises()).await.unwrap();
    let incoming = bench.count("office: open a deposit", inbox.deposit(&promise)).await.unwrap();
    bench.count("office: read its 2 parts", incoming.read(0).unwrap().collect()).await.unwrap();
    let claim = intake.answer(&incoming, "official-id", Verdict::Accepted);
    let receipt = bench.count("office: state the claim, with its receipt", claim).await;
    let entropy = SystemEntropy::default();
    bench.count("office: leave the answer", inbox.answer(&incoming, &receipt, &entropy)).await.unwrap();
    bench.count("office: clear the parts", inbox.clear(incoming.id())).await.unwrap();
    bench.rows
}
