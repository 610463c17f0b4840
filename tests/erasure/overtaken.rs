//! An erasure by another process while something is under way about the case.

use core::ops::Range;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use docvault::storage::{Creation, StorageError};

use super::*;
use crate::common::around::{Around, Through};

/// Lets something happen just before a call that names an object of some prefix.
#[derive(Debug, Default)]
struct Interrupted {
    objects: Arc<MemoryStorage>,
    hook: Mutex<Option<Hook>>,
}

#[derive(Debug)]
struct Hook {
    prefix: String,
    creates: bool,
    eraser: Session,
    case: CaseId,
    /// Given up first.
    upload: Option<UploadToken>,
    /// The case has to be closed first.
    open: bool,
}

impl Interrupted {
    async fn reach(&self, key: &ObjectKey, creates: bool) {
        let hit = |hook: &Hook| key.as_str().starts_with(&hook.prefix) && hook.creates == creates;
        let hook = { self.hook.lock().unwrap().take_if(|hook| hit(hook)) };
        if let Some(hook) = hook {
            if let Some(token) = hook.upload {
                hook.eraser.resume_upload(&token).await.unwrap().abort().await.unwrap();
            }
            if hook.open {
                hook.eraser.close_case(hook.case, "done").await.unwrap();
            }
            hook.eraser.erase_case(hook.case).await.unwrap();
        }
    }
}

#[async_trait]
impl Around for Interrupted {
    fn objects(&self) -> &dyn Storage {
        &self.objects
    }

    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        self.reach(key, true).await;
        self.objects.create(key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        self.reach(key, false).await;
        self.objects.read(key, range).await
    }
}

/// A vault whose storage can be interrupted, a second process beside it, and what there is in a case.
struct TwoProcesses {
    storage: Arc<Through<Interrupted>>,
    desk: Session,
    eraser: Session,
    case: CaseId,
    open: bool,
    stored: Stored,
    recipient: Recipient,
    grant: GrantId,
    upload: Upload,
    _folder: TempDir,
}

impl TwoProcesses {
    /// The second process erases the case just before a call of the first.
    fn erase_before(&self, prefix: &str, creates: bool) {
        let (prefix, eraser, case, open) = (prefix.to_owned(), self.eraser.clone(), self.case, self.open);
        *self.storage.hook.lock().unwrap() = Some(Hook { prefix, creates, eraser, case, upload: None, open });
    }
}

async fn two_processes(open: bool) -> TwoProcesses {
    let storage = Arc::new(Through::<Interrupted>::default());
    let folder = tempfile::tempdir().unwrap();
    let key = LocalKey::create(folder.path().join("key")).unwrap();
    let options = || VaultOptions::default().sleeper(NoSleep::default());
    let vault = Vault::create_with(storage.clone(), Arc::new(key), options()).await.unwrap();
    let desk = vault.session("a").purpose("p").begin().unwrap();
    let (case, stored) = stored(&desk, "c", b"content").await;
    self::stored(&desk, "other", b"other").await;
    let notary = identity().0;
    let recipient = Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string()).unwrap();
    let grant = desk.grant(case, &recipient, Terms::read().purpose("p")).await.unwrap();
    let upload = desk.upload(case, NewDocument::named("late")).await.unwrap();
    if !open {
        desk.close_case(case, "done").await.unwrap();
    }
    let key = Arc::new(LocalKey::load(folder.path().join("key")).unwrap());
    let other = Vault::open_with(storage.objects.clone(), key, &vault.pin(), options()).await.unwrap();
    let eraser = other.session("b").purpose("q").begin().unwrap();
    let _folder = folder;
    TwoProcesses { storage, desk, eraser, case, open, stored, recipient, grant, upload, _folder }
}

#[test]
fn a_case_erased_while_the_epoch_rotates_is_left_out_and_a_late_wrap_is_garbage() {
    block_on(async {
        for creates in [false, true] {
            let two = two_processes(false).await;
            let TwoProcesses { storage, desk, case, .. } = &two;
            let case = *case;
            two.erase_before(&format!("key/{case}/"), creates);
            desk.rotate_epoch().await.unwrap();
            assert!(storage.hook.lock().unwrap().is_none(), "the erasure came in between");
            let erasure = desk.erasure(case).await.unwrap();
            // Interrupted before its key was read, the rotation wrote none; before the new wrap was
            // created, that wrap came too late, and is found.
            let left = if creates { ErasureLevel::Unfinished } else { ErasureLevel::Deleted };
            assert_eq!(erasure.level, left);
            let collected = desk.collect_garbage().await.unwrap();
            assert_eq!(collected.objects_deleted, u64::from(creates));
            assert_eq!(desk.erasure(case).await.unwrap().level, ErasureLevel::Deleted);
            assert_eq!(desk.rotate_epoch().await.unwrap(), 1);
            assert_eq!(desk.erasure(case).await.unwrap().level, ErasureLevel::EpochRotated);
        }
    });
}

#[test]
fn a_read_that_an_erasure_overtakes_releases_nothing() {
    block_on(async {
        // Before the head is read, and between that and the record of the read.
        for (prefix, creates) in [("head/", false), ("log/", true)] {
            let two = two_processes(false).await;
            two.erase_before(prefix, creates);
            let TwoProcesses { storage, desk, case, stored, .. } = two;
            assert_eq!(kind(desk.retrieve(stored.document).await), ErrorKind::Erased, "{prefix}");
            assert!(storage.hook.lock().unwrap().is_none(), "the erasure came in between");
            let read = desk.auditor().records(&RecordFilter::all().case(case)).await.unwrap();
            assert!(read.iter().all(|record| record.kind != Kind::Read));
        }
    });
}

/// What is begun about a case, and whether it must be open for that.
const BEGUN: [(&str, bool); 17] = [
    ("deliver", false),
    ("revoke", false),
    ("read", false),
    ("read a range", false),
    ("describe a case", false),
    ("describe", false),
    ("close", true),
    ("reopen", false),
    ("erase", false),
    ("give up", false),
    ("store", true),
    ("store a version", true),
    ("announce", true),
    ("resume", true),
    ("finish", true),
    ("grant", true),
    ("state", true),
];

async fn begin(what: &str, two: TwoProcesses) -> Result<(), Error> {
    let TwoProcesses { desk, case, stored, recipient, grant, upload, .. } = two;
    let (document, new, content) = (stored.document, NewDocument::named("y"), b"y".to_vec());
    match what {
        "deliver" => desk.deliver(grant).await.map(drop),
        "revoke" => desk.revoke(grant).await.map(drop),
        "read" => desk.reader(document).await.map(drop),
        "read a range" => desk.retrieve_range(document, 0..1).await.map(drop),
        "describe a case" => desk.describe_case(case).await.map(drop),
        "describe" => desk.describe(document).await.map(drop),
        "reopen" => desk.reopen_case(case, "again").await,
        "erase" => desk.erase_case(case).await.map(drop),
        "give up" => upload.abort().await,
        "store" => desk.store(case, new, content).await.map(drop),
        "store a version" => desk.store_version(document, new, "why", content).await.map(drop),
        "announce" => desk.upload(case, new).await.map(drop),
        "resume" => desk.resume_upload(&upload.token()?).await.map(drop),
        "finish" => upload.finish().await.map(drop),
        "grant" => desk.grant(case, &recipient, Terms::read().purpose("p")).await.map(drop),
        "state" => desk.make_statement(case, NewStatement::on("test")).await.map(drop),
        "close" => desk.close_case(case, "again").await,
        _ => panic!("{what} is nothing that can be begun"),
    }
}

/// Everything was looked up while the case stood: only the plan of the record knows better. A delivery's keys
/// would be released, and an erased case that is closed once more would be one that was never erased.
#[test]
fn what_an_erasure_overtakes_is_not_done() {
    block_on(async {
        for (what, open) in BEGUN {
            let two = two_processes(open).await;
            two.erase_before("log/", true);
            let (storage, desk, case) = (two.storage.clone(), two.desk.clone(), two.case);
            let done = begin(what, two).await.map_err(|error| error.kind());
            assert!(storage.hook.lock().unwrap().is_none(), "{what}: the erasure came in between");
            assert_eq!(done, Err(ErrorKind::Erased), "{what}");
            let records = desk.auditor().records(&RecordFilter::all().case(case)).await.unwrap();
            assert_eq!(records.last().map(|last| last.kind), Some(Kind::CaseErased), "{what}");
        }
    });
}

/// Its finished pages are gone with the case, which is why they are not found, whatever else was done about it before.
#[test]
fn an_upload_whose_finished_pages_an_erasure_takes_away_is_told_so() {
    block_on(async {
        for given_up in [false, true] {
            let mut two = two_processes(true).await;
            two.upload.write(b"front").await.unwrap();
            two.upload.next_page().await.unwrap();
            let token = two.upload.token().unwrap();
            two.erase_before("part/", false);
            let upload = given_up.then(|| token.clone());
            two.storage.hook.lock().unwrap().as_mut().unwrap().upload = upload;
            assert_eq!(kind(two.desk.resume_upload(&token).await), ErrorKind::Erased, "{given_up}");
            assert!(two.storage.hook.lock().unwrap().is_none(), "the erasure came in between");
        }
    });
}
