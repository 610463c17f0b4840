//! An office, a carrier and a client with a link.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use core::time::Duration;
use docvault::{
    CaseId, Clock, ContentDigest, Entropy, EntropyError, NewStatement, Secret, Session, SystemEntropy,
    Timestamp, TrustPolicy, Vault,
    deposit::{
        Carrier, CarrierError, CarrierKey, Claim, DepositReceipt, Depositor, File, Inbox, IncomingDeposit,
        Link, OpenedRequest, Promise, Refusal, RequestTerms, SignedRequest, Slot, Verdict,
    },
    storage::{MemoryStorage, Storage},
};
use tempfile::TempDir;

/// A clock that tests turn.
#[derive(Debug, Clone)]
pub struct Hand(Arc<AtomicU64>);

impl Hand {
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicU64::new(now.as_millis())))
    }

    pub fn forward(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as u64, Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Bytes that follow from a seed, for clients that are to do the same again.
#[derive(Debug)]
pub struct Seeded(AtomicU64);

impl Seeded {
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed << 32))
    }
}

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in bytes.chunks_mut(32) {
            let block = self.0.fetch_add(1, Ordering::SeqCst);
            chunk.copy_from_slice(&blake3::hash(&block.to_be_bytes()).as_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// The operating system's, but for one number of 16 bytes.
#[derive(Debug, Clone, Default)]
pub struct Planted(Arc<Mutex<Option<[u8; 16]>>>);

impl Planted {
    /// The next 16 bytes that are drawn at once.
    pub fn plant(&self, number: [u8; 16]) {
        *self.0.lock().unwrap() = Some(number);
    }

    fn taken(&self, len: usize) -> Option<[u8; 16]> {
        self.0.lock().unwrap().take_if(|_| len == 16)
    }
}

impl Entropy for Planted {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        match self.taken(bytes.len()) {
            Some(number) => bytes.copy_from_slice(&number),
            None => SystemEntropy::default().fill(bytes)?,
        }
        Ok(())
    }
}

/// Everyone who takes part.
pub struct Intake {
    pub vault: Vault,
    pub desk: Session,
    pub case: CaseId,
    pub kept: Arc<MemoryStorage>,
    pub clock: Hand,
    pub policy: TrustPolicy,
    _folder: Option<TempDir>,
}

pub const DAY: Duration = Duration::from_secs(24 * 3600);
pub const CARRIER_SEED: [u8; 32] = [77; 32];
pub const PAGE: &str = "https://intake.example/r/1";

/// The same carrier's key every time.
pub fn carrier_key() -> CarrierKey {
    CarrierKey::from_seed(Secret::copy_from(&CARRIER_SEED).unwrap())
}

impl Intake {
    pub async fn new() -> Self {
        let (vault, folder) = crate::common::vault().await;
        Self { _folder: Some(folder), ..Self::of(vault).await }
    }

    /// On a vault of somebody else's.
    pub async fn of(vault: Vault) -> Self {
        let desk = vault.session("user:1").purpose("intake").begin().unwrap();
        let case = desk.create_case("Juana Pérez").await.unwrap();
        let log = vault.audit().log().await.unwrap().verifier_keys().await.unwrap();
        let policy = TrustPolicy::parse(&format!("log {}\nquorum none\n", log[0])).unwrap();
        let clock = Hand::at(vault.now());
        Self { vault, desk, case, kept: Arc::default(), clock, policy, _folder: None }
    }

    pub fn carrier(&self) -> Carrier {
        self.carrier_on(self.kept.clone())
    }

    pub fn carrier_on(&self, storage: Arc<dyn Storage>) -> Carrier {
        Carrier::new(storage, carrier_key(), self.vault.sender()).clock(self.clock.clone())
    }

    pub fn terms(&self) -> RequestTerms {
        RequestTerms::new(self.case, carrier_key().public(), self.clock.now().saturating_add(DAY))
            .answer_within(DAY)
            .policy(self.policy.to_string())
            .presentation(r#"{"es":"Identificación oficial"}"#)
    }

    /// A request for an identification of two sides, two uses, and a form without files.
    pub async fn request(&self) -> SignedRequest {
        let signed = self.sign().await;
        self.carrier().publish(signed.descriptor.to_bytes()).await.unwrap();
        signed
    }

    /// The same, not published.
    pub async fn sign(&self) -> SignedRequest {
        let id = Slot::new("official-id", 3 << 20).files(1, 2).uses(2).media_type("image/jpeg");
        let form = Slot::new("declaration", 0).files(0, 0);
        self.desk.sign_request(self.terms().slot(id).slot(form)).await.unwrap()
    }

    pub fn open(&self, signed: &SignedRequest) -> OpenedRequest {
        let link = Link::parse(&signed.link.expose_url(PAGE).unwrap()).unwrap();
        OpenedRequest::open(&signed.descriptor.to_bytes(), &link, None, self.clock.now()).unwrap()
    }

    pub async fn inbox(&self, signed: &SignedRequest) -> Inbox {
        self.inbox_on(self.kept.clone(), signed).await
    }

    pub async fn inbox_on(&self, storage: Arc<dyn Storage>, signed: &SignedRequest) -> Inbox {
        let request = signed.descriptor.request();
        let secrets = self.desk.request_secrets(self.case, request).await.unwrap();
        Inbox::open(storage, request, &self.vault.sender(), secrets).await.unwrap()
    }

    /// States the verdict on the log and makes the client's receipt.
    pub async fn answer(
        &self,
        deposit: &IncomingDeposit,
        requirement: &str,
        verdict: Verdict,
    ) -> DepositReceipt {
        let claim = deposit.claim(self.case, requirement, verdict, self.clock.now());
        self.put_on_record(deposit.promise(), &claim, Some(claim.content_digest())).await
    }

    /// Puts a claim on record, and that its content is this; makes the client's receipt.
    pub async fn put_on_record(
        &self,
        promise: &Promise,
        claim: &Claim,
        content: Option<ContentDigest>,
    ) -> DepositReceipt {
        let bytes = claim.to_bytes().unwrap();
        let statement = NewStatement::on("deposit").claim(bytes.clone());
        let statement = content.into_iter().fold(statement, NewStatement::content);
        let made = self.desk.make_statement(self.case, statement).await.unwrap();
        let note = self.vault.audit().checkpoint().await.unwrap();
        let receipt = self.desk.receipt(made.seq, &note).await.unwrap();
        DepositReceipt::new(bytes, promise.clone(), receipt).unwrap()
    }
}

/// A content of `len` bytes, another for each seed.
pub fn content(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    Seeded::new(seed).fill(&mut bytes).unwrap();
    bytes
}

/// The files of these contents, as photographs.
pub fn files(contents: &[Vec<u8>]) -> Vec<File> {
    let file = |(i, content): (usize, &Vec<u8>)| {
        File::new(format!("side {i}.jpg"), "image/jpeg", content.len() as u64)
    };
    contents.iter().enumerate().map(file).collect()
}

/// A part, sealed, of the file it comes from.
pub fn seal(deposit: &mut Depositor, contents: &[Vec<u8>], (page, part): (u16, u32)) -> Bytes {
    let range = deposit.range(page, part);
    let content = &contents[usize::from(page)][range.start as usize..range.end as usize];
    deposit.seal_part(page, part, content).unwrap()
}

/// Sends everything, manifest included.
pub async fn deposit(
    carrier: &Carrier,
    deposit: &mut Depositor,
    contents: &[Vec<u8>],
) -> Result<Promise, CarrierError> {
    for place in deposit.places() {
        carrier.receive(seal(deposit, contents, place)).await?;
    }
    finish(carrier, deposit).await
}

/// Sends the manifest.
pub async fn finish(carrier: &Carrier, deposit: &Depositor) -> Result<Promise, CarrierError> {
    let form = [("rfc".to_owned(), "PEJU850101AB1".to_owned())].into();
    let manifest = deposit.finish(form, "con gusto").unwrap();
    let promise = carrier.finish(manifest.clone()).await?;
    Ok(deposit.check_promise(&promise, &manifest).unwrap())
}

/// A deposit begun for the first slot.
pub fn begin(opened: &OpenedRequest, contents: &[Vec<u8>]) -> Depositor {
    opened.begin(0, files(contents), &SystemEntropy::default()).unwrap()
}

/// Why a carrier refused.
#[track_caller]
pub fn refusal<T>(answer: Result<T, CarrierError>) -> Refusal {
    match answer {
        Err(CarrierError::Refused(refusal)) => refusal,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was taken"),
    }
}

/// Every object's name and bytes.
pub async fn objects(storage: &dyn Storage) -> Vec<(String, Bytes)> {
    let mut found = Vec::new();
    for key in storage.list("", None, usize::MAX).await.unwrap() {
        let bytes = storage.read(&key, None).await.unwrap().unwrap();
        found.push((key.to_string(), bytes));
    }
    found
}
