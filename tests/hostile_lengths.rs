//! Lengths that a stranger declares take no memory before their bytes have come. Alone in its
//! process, whose memory it looks at.
#![cfg(all(feature = "testing", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::unwrap_in_result,
    reason = "tests"
)]

mod common;
#[cfg(feature = "intake")]
#[path = "common/intake.rs"]
mod intake;
#[path = "hostile_lengths/wide.rs"]
mod wide;

use async_trait::async_trait;
use bytes::Bytes;
use common::{block_on, identity};
use docvault::{
    AnchorError, DocumentId, Identity, NewDocument, NewStatement, Recipient, Session, Terms, TimeAnchor,
    UploadToken, Vault,
    keys::LocalKey,
    storage::{FsStorage, MemoryStorage, ObjectKey, Storage, testing::EvilStorage},
};
use futures_util::future::join_all;
use std::{collections::BTreeSet, hint::black_box, sync::Arc};

/// The most address space this process has had, in KiB.
fn peak() -> u64 {
    status("VmPeak:")
}

fn status(figure: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(figure)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn p20_hostile_lengths_take_no_memory() {
    block_on(async {
        let office = Office::new().await;
        let (notary, delivery) = office.deliver().await;
        let new = NewDocument::named("y");
        let upload = office.desk.upload(office.document.case(), new).await.unwrap();
        let token = upload.token().unwrap().to_bytes();
        let objects = office.objects().await;
        let endless = Endless::new().await;
        let wide = wide::Table::new().await;
        // Everything once, so that what is needed anyway is there.
        let honest = office.ask(Arc::new(EvilStorage::new(&office.storage))).await;
        assert!(honest, "nobody lies, and what is asked is not answered");
        #[cfg(feature = "intake")]
        let (strangers, long) = (strangers::Strangers::new().await, strangers::LongPage::new().await);
        // What was given back since the peak would hide as much: it is taken up, and kept.
        let _filling = Vec::<u8>::with_capacity(usize::try_from(peak() - status("VmSize:")).unwrap() << 10);
        let (before, now) = (peak(), status("VmSize:"));
        assert!(before - now < UNSEEN, "{} KiB more would not show", before - now);
        let (mut tried, mut refused) = (0, BTreeSet::new());
        // Any four bytes may be a length or a count: each in turn says four billion, and sixty-four million.
        for declared in [u32::MAX, 0x7fff_ffff, 64 << 20] {
            tried += office.open_each(&notary, &delivery, declared);
            tried += office.resume_each(&token, declared).await;
            #[cfg(feature = "intake")]
            for (what, bytes) in strangers.sent() {
                for at in 0..bytes.len().min(600) - 4 {
                    strangers.take(*what, hostile(bytes, at, declared)).await;
                    tried += 1;
                }
            }
            for (key, bytes) in &objects {
                for (name, at) in lengths(bytes) {
                    let evil = Arc::new(EvilStorage::new(&office.storage));
                    evil.substitute(key, hostile(bytes, at, declared).into());
                    if !office.ask(evil).await {
                        refused.insert(name);
                    }
                    tried += 1;
                }
            }
        }
        #[cfg(feature = "intake")]
        long.collect().await;
        let kept_out = endless.refused().await;
        assert_eq!(kept_out, endless.objects.len(), "an object of a tebibyte was taken");
        wide.is_refused().await;
        let grown = peak() - before;
        println!("{tried} hostile lengths: {grown} KiB more");
        assert!(tried > 2000 && grown < TOO_MUCH, "{grown} KiB more");
        // What is too much shows.
        drop(black_box(vec![0u8; 1024 * usize::try_from(TOO_MUCH + UNSEEN).unwrap()]));
        assert!(peak() - before >= TOO_MUCH, "{} KiB more", peak() - before);
        // Or a parser would go untried.
        let named = objects.iter().flat_map(|(_, bytes)| lengths(bytes)).map(|(name, _)| name);
        let named: BTreeSet<_> = named.collect();
        assert_eq!(named.len(), 14, "a name for each length, and none for all others: {named:?}");
        assert!(named.is_subset(&refused), "taken, of {named:?}: only {refused:?} were refused");
    });
}

const TOO_MUCH: u64 = 64 * 1024;
/// What had been taken and was given back before anything is hostile, in KiB at most.
const UNSEEN: u64 = 8 * 1024;

fn hostile(bytes: &[u8], at: usize, declared: u32) -> Vec<u8> {
    let mut hostile = bytes.to_vec();
    hostile[at..at + 4].copy_from_slice(&declared.to_be_bytes());
    hostile
}

/// A vault whose log is folded, with pages above pages, and a kept checkpoint.
struct Office {
    storage: Arc<MemoryStorage>,
    folder: tempfile::TempDir,
    desk: Session,
    document: DocumentId,
}

impl Office {
    /// Opens the delivery with each four bytes saying so; tells how many there were.
    fn open_each(&self, notary: &Identity, delivery: &[u8], declared: u32) -> usize {
        let places = (0..delivery.len().min(3000) - 4).step_by(4);
        places
            .map(|at| {
                let bytes = hostile(delivery, at, declared);
                if let Ok(mut opened) = notary.open(bytes.as_slice(), &self.desk.vault().sender()) {
                    drop(opened.next_document().map(|document| document.map(|document| document.content())));
                }
            })
            .count()
    }

    /// The same with an upload's token, and the upload that it resumes.
    async fn resume_each(&self, token: &[u8], declared: u32) -> usize {
        for at in 0..token.len() - 4 {
            if let Ok(token) = UploadToken::from_bytes(&hostile(token, at, declared)) {
                drop(self.desk.resume_upload(&token).await);
            }
        }
        token.len() - 4
    }

    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let storage = Arc::new(MemoryStorage::default());
        let key = LocalKey::create(folder.path().join("key")).unwrap();
        let vault = Vault::create(storage.clone(), key).await.unwrap();
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let stored = desk.store(case, NewDocument::named("x"), b"content".to_vec()).await.unwrap();
        let note = vault.audit().checkpoint().await.unwrap();
        desk.keep_checkpoint(&note, &[&Clock]).await.unwrap();
        // Each has several rows, and a page has room for 256.
        let statements = (0..256)
            .map(|n| desk.make_statement(case, NewStatement::on("t").payload(u32::to_be_bytes(n).to_vec())));
        assert!(join_all(statements).await.iter().all(Result::is_ok));
        desk.describe(stored.document).await.unwrap();
        Self { storage, folder, desk, document: stored.document }
    }

    async fn deliver(&self) -> (Identity, Vec<u8>) {
        let (notary, _file) = identity();
        let to = Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string()).unwrap();
        let grant = self.desk.grant(self.document, &to, Terms::read().purpose("p")).await.unwrap();
        let delivery = self.desk.deliver(grant).await.unwrap().collect().await.unwrap();
        (notary, delivery.to_vec())
    }

    async fn objects(&self) -> Vec<(ObjectKey, Bytes)> {
        let mut objects = Vec::new();
        for key in self.storage.list("", None, 1000).await.unwrap() {
            let bytes = self.storage.read(&key, None).await.unwrap().unwrap();
            objects.push((key, bytes));
        }
        objects
    }

    /// Whether everything that is asked of this storage is answered.
    async fn ask(&self, evil: Arc<EvilStorage>) -> bool {
        let key = LocalKey::load(self.folder.path().join("key")).unwrap();
        let Ok(vault) = Vault::open(evil, key, &self.desk.vault().pin()).await else { return false };
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let answered = [
            desk.retrieve(self.document).await.is_ok(),
            desk.who_can_open(self.document).await.is_ok(),
            desk.cases(None).await.is_ok(),
            vault.audit().checkpoints(None).await.is_ok(),
        ];
        answered.iter().all(|answered| *answered)
    }
}

/// A folder whose objects its operator makes a tebibyte long, which takes no room on the disk.
struct Endless {
    folder: tempfile::TempDir,
    pin: docvault::Pin,
    objects: Vec<std::path::PathBuf>,
}

impl Endless {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = LocalKey::create(folder.path().join("key")).unwrap();
        let storage = FsStorage::create(folder.path().join("vault")).unwrap();
        let vault = Vault::create(storage, key).await.unwrap();
        let desk = vault.session("a").purpose("p").begin().unwrap();
        desk.create_case("c").await.unwrap();
        let (mut objects, mut open) = (Vec::new(), vec![folder.path().join("vault/objects")]);
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else {
                objects.push(path);
            }
        }
        // The case's own are not asked for by who opens the vault.
        objects.retain(|path| ["log", "keyring"].iter().any(|kind| path.to_string_lossy().contains(kind)));
        Self { folder, pin: vault.pin(), objects }
    }

    /// How many of the objects, each made long, keep the vault from being opened or its log from being verified.
    async fn refused(&self) -> usize {
        let mut refused = 0;
        for path in &self.objects {
            let honest = std::fs::read(path).unwrap();
            std::fs::File::options().write(true).open(path).unwrap().set_len(1 << 40).unwrap();
            let storage = FsStorage::open(self.folder.path().join("vault")).unwrap();
            let key = LocalKey::load(self.folder.path().join("key")).unwrap();
            let verified = match Vault::open(storage, key, &self.pin).await {
                Ok(vault) => vault.audit().verify_from_genesis().await.is_ok(),
                Err(_) => false,
            };
            refused += usize::from(!verified);
            std::fs::write(path, honest).unwrap();
        }
        refused
    }
}

/// A time authority.
#[derive(Debug)]
struct Clock;

#[async_trait]
impl TimeAnchor for Clock {
    fn authority(&self) -> &'static str {
        "clock"
    }

    async fn stamp(&self, digest: &[u8; 32]) -> Result<Vec<u8>, AnchorError> {
        Ok(digest.to_vec())
    }
}

/// What a client, a carrier and an office send each other.
#[cfg(feature = "intake")]
mod strangers {
    use std::sync::Arc;

    use docvault::{
        ErrorKind, SystemEntropy,
        deposit::*,
        storage::{FsStorage, Storage},
    };

    use crate::intake::{Intake, begin, content, seal};

    #[derive(Debug, Clone, Copy)]
    pub(super) enum Sent {
        Answer,
        Descriptor,
        Journal,
        Manifest,
        Part,
        Promise,
    }

    pub(super) struct Strangers {
        office: Intake,
        carrier: Carrier,
        opened: OpenedRequest,
        client: Depositor,
        sent: Vec<(Sent, Vec<u8>)>,
    }

    impl Strangers {
        pub(super) async fn new() -> Self {
            let office = Intake::new().await;
            let signed = office.request().await;
            let (carrier, opened) = (office.carrier(), office.open(&signed));
            let contents = [content(1, 70_000)];
            let mut client = begin(&opened, &contents);
            let journal = client.journal(&SystemEntropy::default()).unwrap();
            let part = seal(&mut client, &contents, (0, 0));
            carrier.receive(part.clone()).await.unwrap();
            let manifest = client.finish([].into(), "").unwrap();
            let promise = carrier.finish(manifest.clone()).await.unwrap();
            let inbox = office.inbox(&signed).await;
            let incoming = inbox.deposit(&client.check_promise(&promise, &manifest).unwrap()).await.unwrap();
            let receipt = office.answer(&incoming, "official-id", Verdict::Accepted).await;
            inbox.answer(&incoming, &receipt, &SystemEntropy::default()).await.unwrap();
            let held = carrier.held(signed.descriptor.request(), client.id()).await.unwrap();
            let sent = vec![
                (Sent::Answer, held.answers[0].to_vec()),
                (Sent::Descriptor, signed.descriptor.to_bytes().to_vec()),
                (Sent::Journal, journal.to_vec()),
                (Sent::Manifest, manifest.to_vec()),
                (Sent::Part, part.to_vec()),
                (Sent::Promise, promise.to_vec()),
            ];
            Self { office, carrier, opened, client, sent }
        }

        pub(super) fn sent(&self) -> &[(Sent, Vec<u8>)] {
            &self.sent
        }

        /// Takes it as whoever it is sent to does.
        pub(super) async fn take(&self, what: Sent, bytes: Vec<u8>) {
            match what {
                Sent::Answer => drop(self.client.open_answer(0, &bytes)),
                Sent::Descriptor => drop(Descriptor::verify(&bytes, &self.office.vault.sender())),
                Sent::Journal => drop(self.opened.resume(&bytes)),
                Sent::Manifest => drop(self.carrier.finish(bytes.into()).await),
                Sent::Part => drop(self.carrier.receive(bytes.into()).await),
                Sent::Promise => drop(Promise::verify(&bytes, self.opened.descriptor())),
            }
        }
    }

    /// A page whose length is declared behind a seal, and most of whose parts are gone.
    pub(super) struct LongPage {
        incoming: IncomingDeposit,
        _office: Intake,
        _folder: tempfile::TempDir,
    }

    impl LongPage {
        pub(super) async fn new() -> Self {
            let (office, folder) = (Intake::new().await, tempfile::tempdir().unwrap());
            let storage: Arc<dyn Storage> =
                Arc::new(FsStorage::create(folder.path().join("carrier")).unwrap());
            let signed =
                office.desk.sign_request(office.terms().slot(Slot::new("film", LONG))).await.unwrap();
            let carrier = office.carrier_on(storage.clone());
            carrier.publish(signed.descriptor.to_bytes()).await.unwrap();
            let file = File::new("film", "video/mp4", LONG);
            let mut client = office.open(&signed).begin(0, vec![file], &SystemEntropy::default()).unwrap();
            for (page, part) in client.places() {
                let range = client.range(page, part);
                let zeros = vec![0; usize::try_from(range.end - range.start).unwrap()];
                carrier.receive(client.seal_part(page, part, &zeros).unwrap()).await.unwrap();
            }
            let manifest = client.finish([].into(), "").unwrap();
            let promise = client.check_promise(&carrier.finish(manifest.clone()).await.unwrap(), &manifest);
            let inbox = office.inbox_on(storage.clone(), &signed).await;
            let incoming = inbox.deposit(&promise.unwrap()).await.unwrap();
            let parts = storage.list("", None, 1000).await.unwrap();
            for key in parts.iter().filter(|key| key.as_str().contains("part")).skip(1) {
                storage.delete(key).await.unwrap();
            }
            Self { incoming, _office: office, _folder: folder }
        }

        pub(super) async fn collect(&self) {
            let refused = self.incoming.read(0).unwrap().collect().await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Corrupt, "{refused}");
        }
    }

    /// Three times what hostile lengths may take.
    const LONG: u64 = 192 << 20;
}

/// Where FORMAT has lengths and counts in this object, by their names, and where others might look for one.
fn lengths(object: &[u8]) -> Vec<(&'static str, usize)> {
    let number = |at: usize| u32::from_be_bytes(object[at..at + 4].try_into().unwrap()) as usize;
    let others = (0..object.len().saturating_sub(4)).step_by(object.len() / 6 + 1).map(|at| ("", at));
    let mut lengths: Vec<_> = others.collect();
    lengths.extend_from_slice(&match object.get(..4) {
        Some(b"dvcm") => vec![
            ("records of a commit", 32),
            ("copied leaves of a commit", 36),
            ("bodies of a commit", 120),
            ("first body of a commit", 124 + 280 * (number(32) + number(36))),
        ],
        Some(b"dvkr") => vec![("slots of a keyring", 40), ("seed in a keyring", 44 + 18 + 1216)],
        Some(b"dvhd") => vec![("metadata of a head", 128)],
        Some(b"dvip") if object[5] == 0 => vec![("rows of a page", 8)],
        Some(b"dvip") => vec![("pages below a page", 8)],
        Some(b"dvix") => {
            vec![("frontier of a manifest", 16), ("tables of a manifest", 20 + 32 * number(16) + 32)]
        }
        // Held against its hash before it is parsed.
        Some(b"dvcp") => vec![("note of a checkpoint", 8), ("tokens of a checkpoint", 12 + number(8))],
        _ => Vec::new(),
    });
    lengths
}
