//! The operations, what each of them acknowledged, and how one that failed is tried again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use docvault::{
    CaseId, Clock, DocumentId, Error, ErrorKind, GrantId, Identity, NewDocument, NewStatement, NoSleep,
    OperationId, Outcome, Pin, Recipient, Scope, Session, SystemClock, SystemEntropy, Terms, UploadToken,
    Vault, VaultOptions,
    deposit::{
        Carrier, CarrierError, DepositReceipt, File, Inbox, Link, OpenedRequest, Promise, RequestId,
        RequestTerms, Slot, Verdict,
    },
    keys::LocalKey,
    storage::Storage,
};
use tempfile::TempDir;

use crate::intake::{DAY, PAGE, Seeded, carrier_key, seal};

/// What the vault has acknowledged, and what the script needs to go on.
#[derive(Clone)]
pub struct World {
    pub pin: Pin,
    /// The name of the root key's file.
    pub key: String,
    /// Whether there is a slot for the recovery key.
    pub recovery: bool,
    pub cases: BTreeMap<CaseId, Case>,
    /// The names of the versions, oldest first; the content follows from the name.
    pub documents: BTreeMap<DocumentId, Vec<String>>,
    /// Whether it was revoked.
    pub grants: BTreeMap<GrantId, bool>,
    /// What those hold that are for what was there when they were made; the others hold what is there.
    pub held: BTreeMap<GrantId, Held>,
    pub statements: Vec<(CaseId, OperationId)>,
    pub erased: Vec<CaseId>,
    upload: Option<(Vec<u8>, String)>,
    pub requests: Vec<Request>,
    /// Operations that were settled later, and of which no more than that is known: they happened.
    pub settled: usize,
}

/// Documents, and the names of their versions.
pub type Held = BTreeMap<DocumentId, String>;

#[derive(Clone)]
pub struct Case {
    pub title: String,
    pub closed: bool,
}

/// A request for documents, and what its client was promised.
#[derive(Clone)]
pub struct Request {
    pub case: CaseId,
    pub id: RequestId,
    descriptor: Bytes,
    url: String,
    /// With the name of each deposit and the number of its answers.
    pub promises: Vec<(Promise, String, usize)>,
}

/// What outlives the storage: keys.
pub struct Place {
    pub folder: TempDir,
    pub notary: Identity,
    pub recipient: Recipient,
}

impl Place {
    pub fn key(&self, name: &str) -> Arc<LocalKey> {
        let path = self.folder.path().join(name);
        Arc::new(if path.exists() { LocalKey::load(path).unwrap() } else { LocalKey::create(path).unwrap() })
    }

    pub async fn open(&self, storage: Arc<dyn Storage>, key: &str, pin: &Pin) -> Result<Vault, Error> {
        Vault::open_with(storage, self.key(key), pin, options()).await
    }

    /// What a delivery under this grant holds, each document of it whole.
    pub fn opened(&self, sealed: &[u8], vault: &Vault, grant: GrantId) -> Held {
        let mut opened = self.notary.open(sealed, &vault.sender()).unwrap();
        assert_eq!(opened.grant(), grant);
        let (count, mut held) = (opened.documents(), Held::new());
        while let Some(document) = opened.next_document().unwrap() {
            let (id, name) = (document.id(), document.name().to_owned());
            assert!(document.content().unwrap() == *content(&name), "{name} is not whole");
            held.insert(id, name);
        }
        assert_eq!(held.len(), count);
        held
    }

    /// The vault before an operation. All but the first find the backend proven: its proof is most of what a
    /// process's first commit calls for, and the same each time.
    pub async fn begin(
        &self,
        number: usize,
        storage: Arc<dyn Storage>,
        key: &str,
        pin: &Pin,
    ) -> Result<Vault, Error> {
        let vault = self.open(storage, key, pin).await?;
        if number > 0 {
            desk(&vault).cases(None).await?;
        }
        Ok(vault)
    }
}

pub fn options() -> VaultOptions {
    VaultOptions::default().sleeper(NoSleep::default()).upload_expiry(core::time::Duration::ZERO)
}

pub fn desk(vault: &Vault) -> Session {
    vault.session("a").purpose("p").begin().unwrap()
}

/// The content that a version of this name has: its pages are of the lengths that the name states.
pub fn pages(name: &str) -> Vec<Vec<u8>> {
    let mut bytes = blake3::Hasher::new().update(name.as_bytes()).finalize_xof();
    let page = |len: &str| {
        let mut page = vec![0; len.parse().unwrap()];
        bytes.fill(&mut page);
        page
    };
    name.split('/').skip(1).map(page).collect()
}

/// All of it, kept for the next who looks.
pub fn content(name: &str) -> Arc<Vec<u8>> {
    static KEPT: Mutex<BTreeMap<String, Arc<Vec<u8>>>> = Mutex::new(BTreeMap::new());
    let mut kept = KEPT.lock().unwrap();
    let content = kept.entry(name.to_owned()).or_insert_with(|| Arc::new(pages(name).concat()));
    content.clone()
}

/// Operations before the first kind comes round again.
pub const KINDS: usize = 24;

/// The key that the operation of this number puts in the root key's place, if it does.
pub fn new_root(number: usize) -> Option<String> {
    (number % KINDS == 14 && number / KINDS % 3 == 2).then(|| format!("key {number}"))
}

impl World {
    pub fn first(pin: Pin, case: CaseId, document: DocumentId, name: String) -> Self {
        Self {
            pin,
            key: "root".into(),
            recovery: false,
            cases: [(case, Case { title: "first".into(), closed: false })].into(),
            documents: [(document, vec![name])].into(),
            grants: BTreeMap::new(),
            held: BTreeMap::new(),
            statements: Vec::new(),
            erased: Vec::new(),
            upload: None,
            requests: Vec::new(),
            settled: 0,
        }
    }

    fn open_case(&self) -> CaseId {
        self.cases.iter().rev().find(|case| !case.1.closed).map(|case| *case.0).unwrap()
    }

    fn some_document(&self, number: usize) -> DocumentId {
        *self.documents.keys().nth(number % self.documents.len()).unwrap()
    }

    fn has(&self, name: &str) -> bool {
        self.documents.values().any(|versions| versions.iter().any(|version| version == name))
    }

    /// The newest versions of what is in this scope.
    fn newest(&self, scope: Scope) -> Held {
        let within = |document: &DocumentId| match scope {
            Scope::Document(only) => *document == only,
            scope => document.case() == scope.case(),
        };
        let documents = self.documents.iter().filter(|(document, _)| within(document));
        documents.filter_map(|(document, names)| Some((*document, names.last()?.clone()))).collect()
    }

    /// What a delivery under this grant has to hold.
    pub fn reached(&self, grant: GrantId) -> Held {
        self.held.get(&grant).cloned().unwrap_or_else(|| self.newest(grant.scope()))
    }

    fn live_grant(&self) -> Option<GrantId> {
        self.grants.iter().find(|grant| !grant.1).map(|grant| *grant.0)
    }
}

/// One operation, by its number.
pub struct Run<'a> {
    pub number: usize,
    pub vault: &'a Vault,
    pub storage: &'a Arc<dyn Storage>,
    pub place: &'a Place,
}

impl Run<'_> {
    /// Does it, and notes in `world` what was acknowledged.
    pub async fn operate(&self, world: &mut World) -> Result<(), Error> {
        let desk = desk(self.vault);
        match self.number % KINDS {
            0..=6 => self.write(&desk, world).await,
            7 | 8 | 23 => self.read(&desk, world).await,
            9..=13 => self.share(&desk, world).await,
            14..=17 => self.keep_house(&desk, world).await,
            18 | 19 => self.side_by_side(&desk, world).await,
            _ => self.deposit(&desk, world).await,
        }?;
        world.pin = self.vault.pin();
        Ok(())
    }

    async fn write(&self, desk: &Session, world: &mut World) -> Result<(), Error> {
        let number = self.number;
        match number % KINDS {
            0 => {
                let title = format!("case {number}");
                let case = desk.create_case(&*title).await?;
                world.cases.insert(case, Case { title, closed: false });
            }
            1 | 2 => {
                // One of two parts among them; else one page, or none at all.
                let len = if number == KINDS + 1 { (8 << 20) + 5 } else { number % 7 * 1000 };
                self.store(desk, world, format!("{number}/{len}")).await?;
            }
            3 | 4 => {
                let (document, name) = (world.some_document(number), format!("{number}/700"));
                let new = NewDocument::named(&*name);
                desk.store_version(document, new, "better", pages(&name).concat()).await?;
                world.documents.get_mut(&document).unwrap().push(name);
            }
            5 => {
                // Of the operation after it, which finishes it.
                let name = format!("{}/17000/40", number + 1);
                let mut upload = desk.upload(world.open_case(), NewDocument::named(&*name)).await?;
                upload.write(&pages(&name)[0]).await?;
                upload.next_page().await?;
                world.upload = Some((upload.token()?.to_bytes(), name));
            }
            _ => {
                let (token, name) = world.upload.clone().unwrap();
                let mut upload = desk.resume_upload(&UploadToken::from_bytes(&token).unwrap()).await?;
                upload.write(&pages(&name)[1]).await?;
                let stored = upload.finish().await?;
                world.documents.insert(stored.document, vec![name]);
            }
        }
        Ok(())
    }

    async fn store(&self, desk: &Session, world: &mut World, name: String) -> Result<(), Error> {
        if !world.has(&name) {
            let new = NewDocument::named(&*name);
            let stored = desk.store(world.open_case(), new, pages(&name).concat()).await?;
            world.documents.insert(stored.document, vec![name]);
        }
        Ok(())
    }

    async fn read(&self, desk: &Session, world: &World) -> Result<(), Error> {
        let document = world.some_document(self.number);
        let expected = pages(world.documents[&document].last().unwrap()).concat();
        match self.number % KINDS {
            7 => assert_eq!(desk.retrieve(document).await?, expected),
            8 => {
                let end = expected.len().min(600);
                let found = desk.retrieve_range(document, end as u64 / 2..end as u64).await?;
                assert_eq!(found, expected[end / 2..end]);
            }
            // A listing is whole or an error, whatever the storage's own leaves out.
            _ => {
                let cases = desk.cases(None).await?.cases;
                assert!(world.cases.keys().all(|case| cases.iter().any(|found| found.id == *case)));
                let found = desk.documents(document.case(), None).await?.documents;
                let mut wanted = world.documents.keys().filter(|known| known.case() == document.case());
                assert!(wanted.all(|known| found.iter().any(|found| found.document == *known)));
            }
        }
        Ok(())
    }

    async fn share(&self, desk: &Session, world: &mut World) -> Result<(), Error> {
        let terms = || Terms::read().purpose("p");
        match self.number % KINDS {
            9 => {
                let document = world.some_document(self.number);
                let grant = desk.grant(document, &self.place.recipient, terms()).await?;
                world.grants.insert(grant, false);
                world.held.insert(grant, world.newest(grant.scope()));
            }
            10 => {
                let follows = (self.number / KINDS).is_multiple_of(2);
                let terms = if follows { terms().following() } else { terms() };
                let grant = desk.grant(world.open_case(), &self.place.recipient, terms).await?;
                world.grants.insert(grant, false);
                if !follows {
                    world.held.insert(grant, world.newest(grant.scope()));
                }
            }
            11 => {
                if let Some(grant) = world.live_grant() {
                    let sealed = desk.deliver(grant).await?.collect().await?;
                    let held = self.place.opened(&sealed, self.vault, grant);
                    assert_eq!(held, world.reached(grant), "operation {}", self.number);
                }
            }
            12 => {
                if let Some(grant) = world.live_grant() {
                    desk.revoke(grant).await?;
                    world.grants.insert(grant, true);
                }
            }
            _ => {
                let case = world.open_case();
                let made = desk.make_statement(case, NewStatement::on("test").payload("made")).await?;
                world.statements.push((case, made.id));
            }
        }
        Ok(())
    }

    async fn keep_house(&self, desk: &Session, world: &mut World) -> Result<(), Error> {
        let slot = async |label: &str| -> Result<_, Error> {
            Ok(self.vault.slots().await?.into_iter().find(|slot| slot.label == label).map(|slot| slot.id))
        };
        match (self.number % KINDS, new_root(self.number)) {
            (14, Some(key)) => {
                let root = slot("root").await?.unwrap();
                stands(desk.rotate_root(root, &*self.place.key(&key)).await)?;
                world.key = key;
            }
            (14, None) if (self.number / KINDS).is_multiple_of(3) => stands(desk.rotate_epoch().await)?,
            (14, None) => stands(desk.rotate_signing_keys().await)?,
            (15, _) => {
                // There already, or gone already, if it was tried before.
                match (slot("recovery").await?, world.recovery) {
                    (Some(slot), true) => stands(desk.remove_slot(slot).await)?,
                    (None, false) => {
                        stands(desk.add_slot(&*self.place.key("recovery"), "recovery").await)?;
                    }
                    _ => {}
                }
                world.recovery = !world.recovery;
            }
            (16, _) => drop(desk.collect_garbage().await?),
            _ => {
                let note = self.vault.audit().checkpoint().await?;
                desk.keep_checkpoint(&note, &[]).await?;
            }
        }
        Ok(())
    }

    async fn side_by_side(&self, desk: &Session, world: &mut World) -> Result<(), Error> {
        let number = self.number;
        if number % KINDS == 18 {
            // Another process, and then this one, which knows an older head.
            let other = self.place.open(self.storage.clone(), &world.key, &world.pin).await?;
            for (vault, len) in [(&other, 3), (self.vault, 4)] {
                let desk = vault.session("b").purpose("q").begin()?;
                self.store(&desk, world, format!("{number}/{len}")).await?;
            }
            return Ok(());
        }
        let case = desk.create_case("to be erased").await?;
        desk.store(case, NewDocument::named("x/1"), pages("x/1").concat()).await?;
        desk.close_case(case, "done").await?;
        desk.erase_case(case).await?;
        world.erased.push(case);
        Ok(())
    }

    /// The carrier keeps its objects in the same storage.
    async fn deposit(&self, desk: &Session, world: &mut World) -> Result<(), Error> {
        let carrier = Carrier::new(self.storage.clone(), carrier_key(), self.vault.sender());
        match self.number % KINDS {
            20 => {
                let (case, expires) = (world.open_case(), SystemClock::default().now().saturating_add(DAY));
                let slot = Slot::new("id", 1 << 20).files(1, 2).media_type("image/jpeg");
                let terms = RequestTerms::new(case, carrier_key().public(), expires).slot(slot);
                let signed = desk.sign_request(terms.answer_within(DAY)).await?;
                let (descriptor, url) = (signed.descriptor.to_bytes(), signed.link.expose_url(PAGE).unwrap());
                let id = carrier.publish(descriptor.clone()).await?;
                world.requests.push(Request { case, id, descriptor, url, promises: Vec::new() });
            }
            21 => {
                let name = format!("{}/600000/9", self.number);
                let request = world.requests.last_mut().unwrap();
                let promise = self.send(&carrier, request, &name).await.map_err(failed)?;
                request.promises.push((promise, name, 0));
            }
            _ => self.take_in(desk, world).await?,
        }
        Ok(())
    }

    /// What a client does, who sends the same again after a failure.
    async fn send(&self, carrier: &Carrier, request: &Request, name: &str) -> Result<Promise, CarrierError> {
        let link = Link::parse(&request.url).unwrap();
        let now = SystemClock::default().now();
        let opened = OpenedRequest::open(&request.descriptor, &link, None, now).unwrap();
        let contents = pages(name);
        let file = |content: &Vec<u8>| File::new("side.jpg", "image/jpeg", content.len() as u64);
        let files = contents.iter().map(file).collect();
        let mut client = opened.begin(0, files, &Seeded::new(self.number as u64)).unwrap();
        for place in client.places() {
            carrier.receive(seal(&mut client, &contents, place)).await?;
        }
        let manifest = client.finish(BTreeMap::default(), "").unwrap();
        let promise = carrier.finish(manifest.clone()).await?;
        Ok(client.check_promise(&promise, &manifest).unwrap())
    }

    async fn take_in(&self, desk: &Session, world: &mut World) -> Result<(), Error> {
        let at = world.requests.len() - 1;
        let (promise, name, _) = world.requests[at].promises[0].clone();
        let (case, request) = (world.requests[at].case, world.requests[at].id);
        let inbox = inbox(self.vault, self.storage.clone(), case, request).await?;
        let incoming = inbox.deposit(&promise).await?;
        if !world.has(&name) {
            let mut upload = desk.upload(case, NewDocument::named(&*name)).await?;
            upload.write(incoming.read(0)?.collect().await?.as_slice()).await?;
            upload.next_page().await?;
            upload.write(incoming.read(1)?.collect().await?.as_slice()).await?;
            let stored = upload.finish().await?;
            world.documents.insert(stored.document, vec![name]);
        }
        let claim = incoming.claim(case, "id", Verdict::Accepted, self.vault.now());
        let statement = NewStatement::on("deposit").claim(claim.to_bytes().unwrap());
        let made = desk.make_statement(case, statement.content(claim.content_digest())).await?;
        world.statements.push((case, made.id));
        let receipt = desk.receipt(made.seq, &self.vault.audit().checkpoint().await?).await?;
        let receipt = DepositReceipt::new(claim.to_bytes().unwrap(), promise, receipt).unwrap();
        inbox.answer(&incoming, &receipt, &SystemEntropy::default()).await?;
        world.requests[at].promises[0].2 += 1;
        Ok(())
    }

    /// Finds out what became of it, and does it again if it did not happen. Whether that succeeded.
    pub async fn again(&self, world: &mut World, failure: &Error) -> Result<(), Error> {
        let kind = self.number % KINDS;
        if let ErrorKind::OutcomeUnknown(operation) = failure.kind() {
            // What stands is not done again; most operations can be, and take up where they were.
            if let Outcome::Committed { .. } = desk(self.vault).outcome(operation).await? {
                match kind {
                    12 => drop(world.live_grant().map(|grant| world.grants.insert(grant, true))),
                    0..=4 | 6 | 9 | 10 | 13 => world.settled += 1,
                    _ => return self.operate(world).await,
                }
                return Ok(());
            }
        }
        match self.operate(world).await {
            // Its record stood before the report on it failed.
            Err(error) if kind == 12 && error.kind() == ErrorKind::Denied => {
                world.live_grant().map(|grant| world.grants.insert(grant, true));
                Ok(())
            }
            done => done,
        }
    }
}

impl Run<'_> {
    /// Does again what a process was at when it crashed.
    pub async fn after_a_crash(&self, world: &mut World) -> Result<(), Error> {
        match (self.operate(world).await, self.number % KINDS) {
            (Err(error), 12) if error.kind() == ErrorKind::Denied => {
                world.live_grant().map(|grant| world.grants.insert(grant, true));
                Ok(())
            }
            // The upload was finished.
            (Err(error), 6) if error.kind() == ErrorKind::Denied => Ok(()),
            (done, _) => done,
        }
    }
}

pub async fn inbox(
    vault: &Vault,
    storage: Arc<dyn Storage>,
    case: CaseId,
    request: RequestId,
) -> Result<Inbox, Error> {
    let secrets = desk(vault).request_secrets(case, request).await?;
    Inbox::open(storage, request, &vault.sender(), secrets).await
}

fn failed(error: CarrierError) -> Error {
    match error {
        CarrierError::Failed(error) => error,
        refused => panic!("{refused}"),
    }
}

/// A change of the keyring that stands is done, also where a fault kept what it supersedes.
fn stands<T>(changed: Result<T, Error>) -> Result<(), Error> {
    match changed {
        Err(error) if matches!(error.kind(), ErrorKind::NotDeleted(_)) => Ok(()),
        changed => changed.map(drop),
    }
}
