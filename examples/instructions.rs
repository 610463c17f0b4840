//! The hot paths, each called once under a name of its own, for `scripts/instructions.py` to count their instructions.
//!
//! Time, randomness and sleep are injected and there is one thread, so that a run does what the run before it did; but
//! for the keys in files and the seeds of hash maps, which are the system's.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use docvault::{
    CaseId, Clock, ContentDigest, DocumentId, Entropy, EntropyError, Identity, NewDocument, NoSleep,
    OperationId, Receipt, Recipient, Secret, Session, Terms, Timestamp, TrustPolicy, Vault, VaultOptions,
    chunked, keys::LocalKey, storage::MemoryStorage,
};
use futures_lite::future::block_on;

type Failure = Box<dyn std::error::Error>;

/// A part of a large document.
const PART: usize = 8 << 20;
/// A small document.
const SMALL: usize = 100 << 10;
/// Records before anything is counted: two folds.
const HISTORY: u64 = 600;
/// Documents that are looked up at once.
const LOOKED_UP: usize = 32;
/// Of so many documents one is looked up.
const HISTORY_STEP: usize = 18;

fn main() -> Result<(), Failure> {
    // This very thread seals: another one that waits for work would be counted too.
    rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global()?;
    sealing()?;
    Desk::new()?.paths()
}

/// What `scripts/instructions.py` has valgrind count, so it must be called, and must return.
#[inline(never)]
fn measured(work: &mut dyn FnMut() -> Result<(), Failure>) -> Result<(), Failure> {
    black_box(work())
}

/// Once for what is made at the first call only, and once to be counted.
fn path<T>(name: &str, mut work: impl FnMut() -> Result<T, Failure>) -> Result<(), Failure> {
    black_box(work()?);
    println!("{name}");
    measured(&mut || work().map(black_box).map(drop))
}

fn sealing() -> Result<(), Failure> {
    let (key, entropy) = (Secret::copy_from(&[7; 32]).ok_or("32 bytes are a key")?, Counter::default());
    let content = vec![7; PART];
    let sealed = chunked::seal(&key, b"part", &content, &entropy)?;
    path("seal a part of 8 MiB", || Ok(chunked::seal(&key, b"part", &content, &entropy)?))?;
    path("open a part of 8 MiB", || Ok(chunked::open(&key, b"part", &sealed)?))?;
    path("digest of 8 MiB", || Ok(ContentDigest::of(&content)))
}

/// The same bytes in every run.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in bytes.chunks_mut(32) {
            let drawn = blake3::hash(&self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes());
            chunk.iter_mut().zip(drawn.as_bytes()).for_each(|(to, from)| *to = *from);
        }
        Ok(())
    }
}

/// A millisecond later each time it is asked.
#[derive(Debug, Default)]
struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// A vault in memory with some history.
struct Desk {
    desk: Session,
    case: CaseId,
    content: Bytes,
    document: DocumentId,
    /// All the others.
    history: Vec<DocumentId>,
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let key = LocalKey::create(folder.path().join("key"))?;
        let options = VaultOptions::default()
            .clock(Ticking::default())
            .entropy(Counter::default())
            .sleeper(NoSleep::default());
        let vault = block_on(Vault::create_with(Arc::new(MemoryStorage::new()), Arc::new(key), options))?;
        let desk = vault.session("clerk").purpose("counting").begin()?;
        let case = block_on(desk.create_case("counted"))?;
        let content = Bytes::from(vec![7; SMALL]);
        let stored = block_on(desk.store(case, NewDocument::named("first"), content.clone()))?;
        let mut made = Self {
            desk,
            case,
            content: content.clone(),
            document: stored.document,
            history: Vec::new(),
            folder,
        };
        while made.desk.vault().pin().size() < HISTORY {
            made.history.push(made.store(content.slice(..10))?);
        }
        Ok(made)
    }

    fn store(&self, content: Bytes) -> Result<DocumentId, Failure> {
        let stored = self.desk.store(self.case, NewDocument::named("another"), content);
        Ok(block_on(stored)?.document)
    }

    fn paths(&self) -> Result<(), Failure> {
        let Self { desk, document, .. } = self;
        path("store 100 KiB", || self.store(self.content.clone()))?;
        path("retrieve 100 KiB", || Ok(block_on(desk.retrieve(*document))?))?;
        let unknown = OperationId::from_bytes([1; 16]);
        path("one append to the log", || Ok(block_on(desk.outcome(unknown))?))?;
        let looked_up: Vec<_> = self.history.iter().copied().step_by(HISTORY_STEP).take(LOOKED_UP).collect();
        path("32 lookups in the index, one append", || Ok(block_on(desk.newest_versions(&looked_up))?))?;
        self.large()?;
        self.sharing()?;
        self.receipt()?;
        let audit = desk.vault().audit();
        path("verify 600 records from genesis", || Ok(block_on(audit.verify_from_genesis())?))
    }

    /// 20 MiB, three parts.
    fn large(&self) -> Result<(), Failure> {
        let Self { desk, case, .. } = self;
        let content = vec![7; 20 << 20];
        let upload = || {
            block_on(async {
                let mut upload = desk.upload(*case, NewDocument::named("large")).await?;
                upload.write(&content).await?;
                Ok::<_, docvault::Error>(upload.finish().await?.document)
            })
        };
        let document = upload()?;
        path("upload 20 MiB", || Ok(upload()?))?;
        path("stream 20 MiB", || {
            Ok(block_on(async {
                let mut reader = desk.reader(document).await?;
                while reader.next().await?.is_some() {}
                Ok::<_, docvault::Error>(())
            })?)
        })?;
        let reader = block_on(desk.reader(document))?;
        path("64 KiB of an open reader", || Ok(block_on(reader.range(100..100 + (64 << 10)))?))?;
        path("64 KiB by one call, the session's first", || {
            let desk = desk.vault().session("counting").purpose("counting").begin()?;
            Ok(block_on(desk.retrieve_range(document, 100..100 + (64 << 10)))?)
        })?;
        path("64 KiB by one call", || Ok(block_on(desk.retrieve_range(document, 100..100 + (64 << 10)))?))
    }

    fn sharing(&self) -> Result<(), Failure> {
        let identity = Identity::create(self.folder.path().join("identity"))?;
        let fingerprint = identity.fingerprint().to_string();
        let recipient = Recipient::verify(&identity.recipient_bytes(), &fingerprint)?;
        let terms = || Terms::read().purpose("counting");
        let grant = || Ok(block_on(self.desk.grant(self.document, &recipient, terms()))?);
        path("grant", grant)?;
        let mut granted = (0..3).map(|_| grant()).collect::<Result<Vec<_>, Failure>>()?;
        let delivered = granted.pop().ok_or("three were made")?;
        path("deliver 100 KiB", || {
            Ok(block_on(async { self.desk.deliver(delivered).await?.collect().await })?)
        })?;
        path("revoke", || Ok(block_on(self.desk.revoke(granted.pop().ok_or("one for each call")?))?))
    }

    fn receipt(&self) -> Result<(), Failure> {
        let audit = self.desk.vault().audit();
        let keys = block_on(async { audit.log().await?.verifier_keys().await })?;
        let logs: String = keys.iter().map(|key| format!("log {key}\n")).collect();
        let policy = TrustPolicy::parse(&format!("{logs}quorum none\n"))?;
        let seq = block_on(self.desk.describe(self.document))?.seq;
        let note = block_on(audit.checkpoint())?;
        let text = block_on(self.desk.receipt(seq, &note))?.to_string();
        path("verify a receipt", || Ok(Receipt::parse(&text)?.verify(&policy)?))
    }
}
