//! What was opened for a request and outlives its case: once the case is erased, it gives nothing more.

use std::sync::Arc;

use async_trait::async_trait;
use docvault::{
    CaseId, ErasureLevel, Error, ErrorKind, NewDocument, Pin, PinStore, Session, SystemEntropy, Vault,
    VaultOptions,
    deposit::*,
    keys::LocalKey,
    storage::{MemoryStorage, Storage, StorageError, StorageErrorKind},
};

use crate::{
    common::{self, block_on},
    intake::*,
    interrupted::Interrupted,
};

const LEN: usize = 1_200_000;

/// What an office has opened of a deposit, and the first bytes of a page of which it has read.
struct Open {
    promise: Promise,
    inbox: Inbox,
    incoming: IncomingDeposit,
    receipt: DepositReceipt,
    reader: PageReader,
}

impl Open {
    async fn new(office: &Intake) -> Self {
        Self::on(office.kept.clone(), office).await
    }

    async fn on(storage: Arc<dyn Storage>, office: &Intake) -> Self {
        let signed = office.request().await;
        let contents = [content(1, LEN)];
        let mut client = begin(&office.open(&signed), &contents);
        let promise = deposit(&office.carrier(), &mut client, &contents).await.unwrap();
        let inbox = office.inbox_on(storage, &signed).await;
        let incoming = inbox.deposit(&promise).await.unwrap();
        let receipt = office.answer(&incoming, "official-id", Verdict::Accepted).await;
        let mut reader = incoming.read(0).unwrap();
        assert_eq!(reader.next().await.unwrap().unwrap().as_slice(), &contents[0][..1 << 19]);
        Self { promise, inbox, incoming, receipt, reader }
    }

    async fn gives(&self) {
        let incoming = self.inbox.deposit(&self.promise).await.unwrap();
        assert_eq!(incoming.read(0).unwrap().collect().await.unwrap().len(), LEN);
        assert_eq!(self.incoming.read(0).unwrap().collect().await.unwrap().len(), LEN);
    }

    /// Nothing comes out any more; what needs no key is done.
    async fn gives_nothing(mut self) {
        assert_eq!(kind(self.inbox.deposit(&self.promise).await), ErrorKind::Erased);
        for _ in 0..2 {
            assert_eq!(kind(self.reader.next().await), ErrorKind::Erased);
        }
        assert_eq!(kind(self.reader.collect().await), ErrorKind::Erased);
        assert_eq!(kind(self.incoming.read(0)), ErrorKind::Erased);
        let entropy = SystemEntropy::default();
        assert_eq!(kind(self.inbox.answer(&self.incoming, &self.receipt, &entropy).await), ErrorKind::Erased);
        assert_eq!(self.inbox.promises().await.unwrap(), core::slice::from_ref(&self.promise));
        self.inbox.close(self.promise.time()).await.unwrap();
        self.inbox.clear(self.promise.deposit()).await.unwrap();
        // Also of a deposit whose objects are gone.
        assert_eq!(kind(self.inbox.deposit(&self.promise).await), ErrorKind::Erased);
    }
}

fn kind<T>(result: Result<T, Error>) -> ErrorKind {
    result.map(drop).unwrap_err().kind()
}

async fn erase(desk: &Session, case: CaseId) -> Result<(), Error> {
    desk.close_case(case, "done").await?;
    desk.erase_case(case).await.map(drop)
}

#[test]
fn what_is_open_of_an_erased_case_gives_nothing_more() {
    block_on(async {
        let office = Intake::new().await;
        let open = Open::new(&office).await;
        let other = office.desk.create_case("another").await.unwrap();
        office.desk.store(other, NewDocument::named("x"), b"x".to_vec()).await.unwrap();
        erase(&office.desk, other).await.unwrap();
        open.gives().await;
        // By another session of the process.
        let desk = office.vault.session("user:2").purpose("cleaning up").begin().unwrap();
        erase(&desk, office.case).await.unwrap();
        open.gives_nothing().await;
    });
}

/// An inbox is dropped as soon as its deposits are opened, and a deposit as soon as it is read.
#[test]
fn what_outlives_its_inbox_gives_nothing_more_either() {
    block_on(async {
        for kept in 0..2 {
            let office = Intake::new().await;
            let Open { inbox, incoming, mut reader, .. } = Open::new(&office).await;
            drop(inbox);
            let incoming = Some(incoming).filter(|_| kept == 0);
            erase(&office.desk, office.case).await.unwrap();
            assert_eq!(kind(reader.next().await), ErrorKind::Erased);
            assert!(incoming.is_none_or(|incoming| kind(incoming.read(0)) == ErrorKind::Erased));
        }
    });
}

#[test]
fn secrets_of_an_erased_case_make_no_link_and_open_no_inbox() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let secrets = office.desk.request_secrets(office.case, signed.descriptor.request()).await.unwrap();
        erase(&office.desk, office.case).await.unwrap();
        assert_eq!(kind(secrets.link(&signed.descriptor)), ErrorKind::Erased);
        let (request, sender) = (signed.descriptor.request(), office.vault.sender());
        assert_eq!(
            kind(Inbox::open(office.kept.clone(), request, &sender, secrets).await),
            ErrorKind::Erased
        );
    });
}

/// The carrier's storage holds a part, or a manifest, back until the case is erased.
#[test]
fn what_is_held_back_until_the_case_is_erased_is_not_given() {
    block_on(async {
        for whole in [false, true] {
            let office = Intake::new().await;
            let storage = Arc::new(Interrupted::new(office.kept.clone()));
            let mut open = Open::on(storage.clone(), &office).await;
            let (desk, case) = (office.desk.clone(), office.case);
            storage.interrupt_at(0, move || block_on(erase(&desk, case)).unwrap());
            let given = if whole {
                kind(open.inbox.deposit(&open.promise).await)
            } else {
                kind(open.reader.next().await)
            };
            assert_eq!(given, ErrorKind::Erased);
            assert!(storage.interrupted().is_some());
            open.gives_nothing().await;
        }
    });
}

/// Another process, on the same vault.
async fn beside(storage: &Arc<MemoryStorage>, folder: &tempfile::TempDir, vault: &Vault) -> Session {
    let key = LocalKey::load(folder.path().join("key")).unwrap();
    let other = Vault::open(storage.clone(), key, &vault.pin()).await.unwrap();
    other.session("user:2").purpose("cleaning up").begin().unwrap()
}

/// An office, what it has opened, and another process, which has erased the case.
async fn erased_elsewhere() -> (Intake, Open, Session) {
    let storage = Arc::new(MemoryStorage::default());
    let (vault, folder) = common::vault_on(storage.clone()).await;
    let office = Intake::of(vault).await;
    let other = beside(&storage, &folder, &office.vault).await;
    let open = Open::new(&office).await;
    erase(&other, office.case).await.unwrap();
    (office, open, other)
}

#[test]
fn what_another_process_has_erased_gives_nothing_more_after_a_sync() {
    block_on(async {
        // Beyond what a process knows without reading, too.
        for records in [0, 1500] {
            let (office, open, other) = erased_elsewhere().await;
            for _ in 0..records / 100 {
                let looks = (0..100).map(|_| other.cases(None));
                futures_util::future::try_join_all(looks).await.unwrap();
            }
            office.vault.sync().await.unwrap();
            open.gives_nothing().await;
        }
    });
}

/// As after a call that erased it, and whose answer was lost.
#[test]
fn whoever_asks_what_an_erasure_is_worth_or_collects_gives_nothing_more_either() {
    block_on(async {
        for collects in [false, true] {
            let (office, open, _) = erased_elsewhere().await;
            if collects {
                office.desk.collect_garbage().await.unwrap();
            } else {
                assert_eq!(office.desk.erasure(office.case).await.unwrap().level, ErasureLevel::Deleted);
            }
            open.gives_nothing().await;
        }
    });
}

/// Keeps no pin once it is told so.
#[derive(Debug, Clone, Default)]
struct Full(Arc<std::sync::atomic::AtomicBool>);

#[async_trait]
impl PinStore for Full {
    async fn load(&self) -> Result<Option<Pin>, Error> {
        Ok(None)
    }

    async fn save(&self, _: &Pin) -> Result<(), Error> {
        if self.0.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(StorageError::new(StorageErrorKind::Full, "no space").into());
        }
        Ok(())
    }
}

#[test]
fn what_was_erased_while_no_pin_could_be_saved_gives_nothing_more() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
        let full = Full::default();
        let options = VaultOptions::default().pin_store(full.clone());
        let vault = Vault::create_with(Arc::new(MemoryStorage::default()), key, options).await.unwrap();
        let office = Intake::of(vault).await;
        let open = Open::new(&office).await;
        office.desk.close_case(office.case, "done").await.unwrap();
        full.0.store(true, std::sync::atomic::Ordering::Relaxed);
        let told = kind(office.desk.erase_case(office.case).await);
        assert!(matches!(told, ErrorKind::PinNotSaved(_)), "{told:?}");
        open.gives_nothing().await;
    });
}

#[test]
fn an_erased_case_opens_no_deposit_any_more() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        office.desk.close_case(office.case, "done").await.unwrap();
        office.desk.erase_case(office.case).await.unwrap();
        let again = office.desk.request_secrets(office.case, signed.descriptor.request()).await;
        assert_eq!(again.unwrap_err().kind(), ErrorKind::Erased);
    });
}

/// A process that has the case's key, and has not heard of the erasure.
#[test]
fn no_link_is_made_for_a_case_that_another_process_erased() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = common::vault_on(storage.clone()).await;
        let office = Intake::of(vault).await;
        let key = LocalKey::load(folder.path().join("key")).unwrap();
        let other = Vault::open(storage, key, &office.vault.pin()).await.unwrap();
        let other = other.session("user:2").purpose("cleaning up").begin().unwrap();
        office.sign().await;
        other.close_case(office.case, "done").await.unwrap();
        other.erase_case(office.case).await.unwrap();
        let again = office.desk.sign_request(office.terms().slot(Slot::new("form", 0).files(0, 0))).await;
        assert_eq!(again.map(drop).unwrap_err().kind(), ErrorKind::Erased);
    });
}
