//! What clients send for the requests of one office, sealed once: each deposit in three ways, of which a carrier takes one.

use core::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use docvault::{
    Clock, NewStatement, NoSleep, Receipt, Secret, Timestamp, Vault, VaultOptions,
    deposit::{
        CarrierKey, DepositReceipt, Depositor, Inbox, OpenedRequest, Promise, RequestTerms, SignedRequest,
        Slot, Verdict,
    },
    keys::LocalKey,
    storage::{Creation, MemoryStorage, ObjectKey, Storage, StorageError},
};

use crate::intake::{DAY, Hand, Intake, Seeded, content, files, seal};

pub const BEGUN: Timestamp = Timestamp::from_millis(1_790_000_000_000);
/// What slots are for, in the requests of an [`Intake`].
const SLOTS: [&str; 2] = ["official-id", "declaration"];
pub const WAYS: usize = 3;

pub struct Everyone {
    pub office: Intake,
    pub asked: [Asked; 2],
    /// A request that is for another carrier.
    pub elsewhere: Bytes,
    pub deposits: Vec<Deposit>,
    /// Where the inboxes look.
    pub shown: Arc<Shown>,
}

/// A request, as its client and its office have it.
pub struct Asked {
    pub signed: SignedRequest,
    pub opened: OpenedRequest,
    pub inbox: Inbox,
}

pub struct Deposit {
    pub asked: usize,
    pub slot: u16,
    /// As it is, with another answer in its form, and of other content.
    pub ways: [Sealed; WAYS],
}

pub struct Sealed {
    pub client: Depositor,
    pub contents: Vec<Vec<u8>>,
    pub places: Vec<(u16, u32)>,
    pub parts: Vec<Bytes>,
    pub manifest: Bytes,
    pub comment: String,
    pub rfc: &'static str,
    claim: Vec<u8>,
    receipt: String,
}

impl Everyone {
    pub async fn new() -> Self {
        let key = LocalKey::from_seed(Secret::copy_from(&[2; 32]).expect("32 bytes"));
        let options = VaultOptions::default().sleeper(NoSleep::default()).entropy(Seeded::new(1));
        let options = options.clock(Hand::at(BEGUN));
        let vault = Vault::create_with(Arc::new(MemoryStorage::default()), Arc::new(key), options).await;
        let office = Intake::of(vault.expect("created")).await;
        let shown = Arc::new(Shown(Mutex::new(office.kept.clone())));
        let asked = [asked(&office, &shown).await, asked(&office, &shown).await];
        let elsewhere = elsewhere(&office).await;
        let mut deposits = Vec::new();
        for (number, (asked_for, slot)) in (0..).zip(slots()) {
            let mut ways = Vec::new();
            for way in 0..WAYS {
                ways.push(sealed(&office, &asked[asked_for], (number, slot, way), &shown).await);
            }
            let ways = ways.try_into().unwrap_or_else(|_| unreachable!("as many as were made"));
            deposits.push(Deposit { asked: asked_for, slot, ways });
        }
        Self { office, asked, elsewhere, deposits, shown }
    }
}

/// One more deposit than the first slot lets begin, and some for others.
fn slots() -> impl Iterator<Item = (usize, u16)> {
    core::iter::repeat_n((0, 0), 11).chain([(0, 1), (0, 1), (1, 0)])
}

async fn asked(office: &Intake, shown: &Arc<Shown>) -> Asked {
    let signed = office.request().await;
    Asked { opened: office.open(&signed), inbox: office.inbox_on(shown.clone(), &signed).await, signed }
}

async fn elsewhere(office: &Intake) -> Bytes {
    let other = CarrierKey::from_seed(Secret::copy_from(&[78; 32]).expect("32 bytes"));
    let terms = RequestTerms::new(office.case, other.public(), office.clock.now().saturating_add(DAY));
    let signed = office.desk.sign_request(terms.slot(Slot::new("declaration", 0).files(0, 0))).await;
    signed.expect("signed").descriptor.to_bytes()
}

/// The first in two parts, the second of two pages, the others small.
fn contents(number: u64, slot: u16, way: usize) -> Vec<Vec<u8>> {
    let lens = match (slot, number) {
        (1, _) => vec![],
        (_, 0) => vec![600_000],
        (_, 1) => vec![300, 70_000],
        (_, other) => vec![10 * other as usize],
    };
    let seed = number + if way == 2 { 1000 } else { 0 };
    lens.into_iter().map(|len| content(seed, len)).collect()
}

async fn sealed(
    office: &Intake,
    asked: &Asked,
    (number, slot, way): (u64, u16, usize),
    shown: &Shown,
) -> Sealed {
    let contents = contents(number, slot, way);
    let begun = asked.opened.begin(slot, files(&contents), &Seeded::new(100 + number));
    let mut client = begun.expect("what the slot takes");
    let places = client.places();
    let parts = places.iter().map(|place| seal(&mut client, &contents, *place)).collect();
    let comment = if slot == 1 { way.to_string() } else { String::new() };
    let rfc = if way == 1 { "other" } else { "PEJU850101AB1" };
    let form = [("rfc".to_owned(), rfc.to_owned())].into();
    let manifest = client.finish(form, &comment).expect("all is sealed");
    let (claim, receipt) = (Vec::new(), String::new());
    let mut sealed = Sealed { client, contents, places, parts, manifest, comment, rfc, claim, receipt };
    sealed.state(office, asked, slot, shown).await;
    sealed
}

impl Sealed {
    /// Has the office state that it accepts the deposit, on a carrier of its own.
    async fn state(&mut self, office: &Intake, asked: &Asked, slot: u16, shown: &Shown) {
        let scratch = Arc::new(MemoryStorage::default());
        shown.set(scratch.clone());
        let carrier = office.carrier_on(scratch);
        carrier.publish(asked.signed.descriptor.to_bytes()).await.expect("its own");
        for part in &self.parts {
            carrier.receive(part.clone()).await.expect("within its caps");
        }
        let promise = carrier.finish(self.manifest.clone()).await.expect("whole");
        let promise = self.client.check_promise(&promise, &self.manifest).expect("its own");
        let incoming = asked.inbox.deposit(&promise).await.expect("it opens");
        let requirement = SLOTS[usize::from(slot)];
        let claim = incoming.claim(office.case, requirement, Verdict::Accepted, office.clock.now());
        self.claim = claim.to_bytes().expect("short");
        let statement = NewStatement::on("deposit").claim(self.claim.clone()).content(claim.content_digest());
        let made = office.desk.make_statement(office.case, statement).await.expect("stated");
        let note = office.vault.audit().checkpoint().await.expect("signed");
        self.receipt = office.desk.receipt(made.seq, &note).await.expect("a record").to_string();
    }

    /// What the office answers once this was promised.
    pub fn answer(&self, promise: &Promise) -> DepositReceipt {
        let receipt = Receipt::parse(&self.receipt).expect("as it was written");
        DepositReceipt::new(self.claim.clone(), promise.clone(), receipt).expect("of this deposit")
    }

    /// Whether this is what was promised.
    pub fn is_promised(&self, promise: &[u8]) -> bool {
        self.client.check_promise(promise, &self.manifest).is_ok()
    }
}

/// A storage that is another from run to run.
#[derive(Debug)]
pub struct Shown(Mutex<Arc<MemoryStorage>>);

impl Shown {
    pub fn set(&self, storage: Arc<MemoryStorage>) {
        *self.0.lock().expect("nobody panics") = storage;
    }

    fn get(&self) -> Arc<MemoryStorage> {
        self.0.lock().expect("nobody panics").clone()
    }
}

#[async_trait]
impl Storage for Shown {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        self.get().create(key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        self.get().read(key, range).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.get().delete(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        self.get().list(prefix, after, limit).await
    }
}
