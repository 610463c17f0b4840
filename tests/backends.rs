//! Every backend keeps the contract, carries a whole vault, and lets two writers share one chain; and
//! stores that cannot are refused at the first commit.
//!
//! Those that need a server are ignored unless asked for: `scripts/servers.sh` starts servers, names
//! places in `DOCVAULT_TEST_PLACES` and asks. A place of one's own is named there in the same way.
#![cfg(all(
    feature = "testing",
    feature = "fs",
    feature = "redb",
    feature = "aws",
    feature = "azure",
    feature = "gcp",
    feature = "postgres"
))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

use std::{sync::Arc, time::Duration};

use docvault::{
    ErrorKind, Freshness, Identity, NewDocument, Recipient, Terms, Vault,
    keys::LocalKey,
    storage::{
        Creation, ObjectKey, ObjectStorage, PostgresStorage, RedbStorage, Storage, StorageErrorKind,
        deadpool_postgres::{Manager, Pool, tokio_postgres},
        object_store::{
            ClientOptions, ObjectStore, RetryConfig, aws::AmazonS3Builder, gcp::GoogleCloudStorageBuilder,
            local::LocalFileSystem, memory::InMemory,
        },
        testing::{self, Extent},
    },
};
use tempfile::TempDir;

#[path = "common/bucket.rs"]
mod bucket;
#[path = "../examples/writer/place.rs"]
mod place;
#[path = "common/proxy.rs"]
mod proxy;

use bucket::{Manner, serve};
use place::State;

/// Runs on a tokio runtime of two workers, as a service's would be.
fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(test)
}

/// A place for one storage, which can be opened several times.
struct Site {
    place: String,
    _folder: Option<TempDir>,
}

impl Site {
    /// A place of its own within `root`, where there is nothing yet.
    fn within(root: &str) -> Self {
        let name = tempfile::Builder::new()
            .tempdir()
            .unwrap()
            .path()
            .file_name()
            .unwrap()
            .to_string_lossy()
            .replace('.', "-");
        let joint = if root.starts_with("postgres") { '#' } else { '/' };
        Self { place: format!("{root}{joint}{name}"), _folder: None }
    }

    fn file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { place: format!("redb:{}", folder.path().join("vault").display()), _folder: Some(folder) }
    }

    async fn storage(&self, state: State) -> Arc<dyn Storage> {
        place::storage(&self.place, state).await.unwrap_or_else(|error| panic!("{}: {error}", self.place))
    }
}

fn retries() -> RetryConfig {
    let mut retries =
        RetryConfig { max_retries: 3, retry_timeout: Duration::from_secs(10), ..RetryConfig::default() };
    retries.backoff.init_backoff = Duration::from_millis(5);
    retries
}

fn s3(manner: Manner) -> ObjectStorage {
    let store = AmazonS3Builder::new()
        .with_endpoint(format!("http://{}", serve(manner)))
        .with_allow_http(true)
        .with_bucket_name("bucket")
        .with_access_key_id("id")
        .with_secret_access_key("secret")
        .with_retry(retries());
    ObjectStorage::new(Arc::new(store.build().unwrap())).unwrap()
}

fn gcs() -> ObjectStorage {
    let account = format!(
        r#"{{"gcs_base_url":"http://{}","disable_oauth":true,"client_email":"","private_key":"","private_key_id":""}}"#,
        serve(Manner::Honest)
    );
    let store = GoogleCloudStorageBuilder::new()
        .with_service_account_key(account)
        .with_bucket_name("bucket")
        .with_client_options(ClientOptions::new().with_allow_http(true));
    ObjectStorage::new(Arc::new(store.build().unwrap())).unwrap()
}

fn over(store: impl ObjectStore) -> ObjectStorage {
    ObjectStorage::new(Arc::new(store)).unwrap()
}

fn local(folder: &TempDir) -> ObjectStorage {
    over(LocalFileSystem::new_with_prefix(folder.path()).unwrap().with_fsync(true)).unordered()
}

fn extent(keys: usize) -> Extent {
    let mut extent = Extent::default();
    extent.keys = keys;
    extent
}

async fn conforms(storage: impl Storage, extent: Extent) {
    let report =
        testing::conformance(Arc::new(storage), extent).await.unwrap_or_else(|broken| panic!("{broken}"));
    assert_eq!(report.clauses.len(), 11);
}

/// The life of a vault: store small and large, read, share, revoke, verify, open again.
///
/// `first` and `again` are one storage, as two processes would open it, or the same twice.
async fn carries_a_vault(first: Arc<dyn Storage>, again: Option<Arc<dyn Storage>>) {
    let keys = tempfile::tempdir().unwrap();
    let (key, notary) = (keys.path().join("key"), keys.path().join("notary"));
    let vault = Vault::create(first.clone(), LocalKey::create(&key).unwrap()).await.unwrap();
    let desk = vault.session("a").purpose("p").begin().unwrap();
    let case = desk.create_case("case").await.unwrap();
    let small = desk.store(case, NewDocument::named("small"), b"small".to_vec()).await.unwrap();
    let content: Vec<u8> =
        (0..20_000_000u32).flat_map(|i| (i / 251 % 251).to_be_bytes().into_iter().skip(3)).collect();
    let mut upload = desk.upload(case, NewDocument::named("large")).await.unwrap();
    upload.write(&content).await.unwrap();
    let large = upload.finish().await.unwrap();

    assert_eq!(desk.retrieve(small.document).await.unwrap(), b"small".as_slice());
    assert!(desk.retrieve(large.document).await.unwrap() == content);
    let range = desk.retrieve_range(large.document, 9_000_000..9_065_536).await.unwrap();
    assert!(range == content[9_000_000..9_065_536]);

    let notary = Identity::create(notary).unwrap();
    let recipient = Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string()).unwrap();
    let grant = desk.grant(small.document, &recipient, Terms::read().purpose("q")).await.unwrap();
    let sealed = desk.deliver(grant).await.unwrap().collect().await.unwrap();
    let sender = vault.sender();
    let mut opened = notary.open(sealed.as_ref(), &sender).unwrap();
    assert_eq!(opened.next_document().unwrap().unwrap().content().unwrap(), b"small");
    assert_eq!(desk.revoke(grant).await.unwrap().delivered.len(), 1);

    let pin = vault.pin();
    drop((desk, vault));
    let again = again.unwrap_or(first);
    let vault = Vault::open(again, LocalKey::load(&key).unwrap(), &pin).await.unwrap();
    assert_eq!(vault.audit().verify(&pin).await.unwrap().freshness, Freshness::FreshByPin);
    assert_eq!(vault.audit().verify_from_genesis().await.unwrap().head, pin);
    let desk = vault.session("b").purpose("p").begin().unwrap();
    assert!(desk.retrieve(large.document).await.unwrap() == content);
}

/// Two writers store 50 documents each at once.
async fn shares_one_chain(first: Arc<dyn Storage>, second: Arc<dyn Storage>) {
    let keys = tempfile::tempdir().unwrap();
    let key = keys.path().join("key");
    let one = Vault::create(first, LocalKey::create(&key).unwrap()).await.unwrap();
    let two = Vault::open(second, LocalKey::load(&key).unwrap(), &one.pin()).await.unwrap();
    let write = async |vault: Vault| {
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("case").await.unwrap();
        for number in 0..50 {
            desk.store(case, NewDocument::named(number.to_string()), vec![7; 100]).await.unwrap();
        }
    };
    futures_lite::future::zip(write(one.clone()), write(two.clone())).await;
    let whole = one.audit().verify_from_genesis().await.unwrap();
    let desk = one.session("a").purpose("p").begin().unwrap();
    let mut documents = 0;
    for case in desk.cases(None).await.unwrap().cases {
        documents += desk.documents(case.id, None).await.unwrap().documents.len();
    }
    assert_eq!(documents, 100);
    assert!(whole.checked > 100);
}

async fn all(storage: impl Storage) {
    let storage: Arc<dyn Storage> = Arc::new(storage);
    shares_one_chain(storage.clone(), storage).await;
}

#[test]
fn a_bucket_in_memory() {
    run(async {
        conforms(over(InMemory::new()), extent(2000)).await;
        conforms(over(InMemory::new()).unordered(), extent(300)).await;
        carries_a_vault(Arc::new(over(InMemory::new())), None).await;
        all(over(InMemory::new())).await;
    });
}

#[test]
fn a_bucket_that_is_a_folder() {
    run(async {
        let folder = || tempfile::tempdir().unwrap();
        let (one, two, three) = (folder(), folder(), folder());
        let mut extent = extent(200);
        extent.nested = false;
        conforms(local(&one), extent).await;
        carries_a_vault(Arc::new(local(&two)), Some(Arc::new(local(&two)))).await;
        shares_one_chain(Arc::new(local(&three)), Arc::new(local(&three))).await;
    });
}

#[test]
fn a_bucket_that_lists_in_no_order_is_noticed() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let storage = over(LocalFileSystem::new_with_prefix(folder.path()).unwrap());
        let mut extent = extent(500);
        extent.nested = false;
        testing::conformance(Arc::new(storage), extent).await.unwrap_err();
    });
}

#[test]
fn s3_over_http() {
    run(async {
        conforms(s3(Manner::Honest), extent(350)).await;
        conforms(s3(Manner::Honest).prefix("tenants/7"), extent(50)).await;
        carries_a_vault(Arc::new(s3(Manner::Honest)), None).await;
    });
}

#[test]
fn google_cloud_storage_over_http() {
    run(async {
        conforms(gcs(), extent(350)).await;
        carries_a_vault(Arc::new(gcs()), None).await;
        all(gcs()).await;
    });
}

#[test]
fn one_file() {
    let site = Site::file;
    run(async {
        let (one, two, three) = (site(), site(), site());
        conforms(one.storage(State::New).await, extent(1000)).await;
        let storage = two.storage(State::New).await;
        carries_a_vault(storage, None).await;
        // Whoever had it is gone: another process may open it.
        let storage = two.storage(State::Existing).await;
        assert!(!storage.list("log/", None, 1).await.unwrap().is_empty());
        all(three.storage(State::New).await).await;
    });
}

#[test]
fn one_file_needs_no_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Arc::new(RedbStorage::create(folder.path().join("vault")).unwrap());
    futures_lite::future::block_on(testing::conformance(storage, extent(100))).unwrap();
}

#[test]
fn a_file_says_why_it_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let kind = |result: Result<RedbStorage, docvault::storage::StorageError>| result.unwrap_err().kind();
    assert_eq!(kind(RedbStorage::open(path("none"))), StorageErrorKind::NotAVault);
    std::fs::write(path("text"), "a text of some length, which is no database").unwrap();
    assert_eq!(kind(RedbStorage::open(path("text"))), StorageErrorKind::NotAVault);
    assert_eq!(kind(RedbStorage::create(path("text"))), StorageErrorKind::NotAVault);
    assert_eq!(kind(RedbStorage::create(path("none/vault"))), StorageErrorKind::NotAVault);
    let vault = RedbStorage::create(path("vault")).unwrap();
    let locked = RedbStorage::open(path("vault")).unwrap_err();
    assert_eq!(locked.kind(), StorageErrorKind::Unavailable);
    assert!(locked.to_string().contains("one process at a time"), "{locked}");
    drop(vault);
    RedbStorage::open(path("vault")).unwrap();
}

async fn refusal(storage: impl Storage) -> docvault::Error {
    let keys = tempfile::tempdir().unwrap();
    Vault::create(storage, LocalKey::create(keys.path().join("key")).unwrap()).await.unwrap_err()
}

#[test]
fn an_overwriting_backend_is_refused() {
    run(async {
        for manner in [Manner::Overwrites, Manner::ChecksThenWrites] {
            let error = refusal(s3(manner)).await;
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
            assert!(format!("{error:?}").contains("overwrites, or checks and then writes"), "{error:?}");
        }
    });
}

#[test]
fn a_bucket_says_why_it_does_not_work() {
    run(async {
        for (manner, kind) in [
            (Manner::NotImplemented, StorageErrorKind::Unsupported),
            (Manner::Denies, StorageErrorKind::Denied),
            (Manner::NoBucket, StorageErrorKind::NotAVault),
            (Manner::Full, StorageErrorKind::Full),
        ] {
            let error = refusal(s3(manner)).await;
            assert_eq!(error.storage(), Some(kind), "{error:?}");
        }
    });
}

#[test]
fn lost_answers_and_conflicts_decide_nothing() {
    run(async {
        for manner in [Manner::LosesAnswers, Manner::Conflicts] {
            carries_a_vault(Arc::new(s3(manner)), None).await;
            all(s3(manner)).await;
        }
    });
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let error = ObjectStorage::new(Arc::new(InMemory::new())).unwrap_err();
    assert!(error.to_string().contains("tokio runtime"), "{error}");
}

/// Where the servers are; see the top of this file.
fn places() -> Vec<String> {
    let places = std::env::var("DOCVAULT_TEST_PLACES");
    let places =
        places.expect("DOCVAULT_TEST_PLACES names places, e.g. s3://bucket/prefix; see scripts/servers.sh");
    assert!(!places.trim().is_empty(), "DOCVAULT_TEST_PLACES names no place");
    places.split_whitespace().map(str::to_owned).collect()
}

#[test]
#[ignore = "needs servers: scripts/servers.sh"]
fn servers_conform() {
    run(async {
        for root in places() {
            println!("{root}");
            conforms(Site::within(&root).storage(State::New).await, extent(300)).await;
        }
    });
}

#[test]
#[ignore = "needs servers: scripts/servers.sh"]
fn servers_carry_a_vault() {
    run(async {
        for root in places() {
            let site = Site::within(&root);
            let (first, again) = (site.storage(State::New).await, site.storage(State::Existing).await);
            carries_a_vault(first, Some(again)).await;
        }
    });
}

#[test]
#[ignore = "needs servers: scripts/servers.sh"]
fn servers_let_two_writers_share_one_chain() {
    run(async {
        for root in places() {
            let site = Site::within(&root);
            shares_one_chain(site.storage(State::New).await, site.storage(State::Existing).await).await;
        }
    });
}

#[test]
#[ignore = "needs servers: scripts/servers.sh"]
fn a_server_answers_any_executor() {
    run(async {
        for root in places() {
            let storage = Site::within(&root).storage(State::New).await;
            let outside = std::thread::spawn(move || {
                futures_lite::future::block_on(storage.list("", None, 1)).unwrap()
            });
            assert_eq!(outside.join().unwrap(), []);
        }
    });
}

/// A pool of one connection to the server that `root` names, by way of `address` if given.
fn pool(root: &str, address: Option<std::net::SocketAddr>) -> Pool {
    let server = server_of(root);
    let url = root.replace(&server, &address.map_or(server.clone(), |address| address.to_string()));
    Pool::builder(Manager::new(url.parse().unwrap(), tokio_postgres::NoTls)).max_size(1).build().unwrap()
}

fn server_of(root: &str) -> String {
    let rest = root.rsplit_once('@').unwrap().1;
    rest.split_once('/').unwrap().0.to_owned()
}

fn databases() -> Vec<String> {
    places().into_iter().filter(|root| root.starts_with("postgres")).collect()
}

#[test]
#[ignore = "needs servers: scripts/servers.sh"]
fn a_connection_lost_during_an_insert_leaves_the_outcome_unknown() {
    run(async {
        for root in databases() {
            let site = Site::within(&root);
            let schema = site.place.split_once('#').unwrap().1;
            let way = proxy::Proxy::to(server_of(&root));
            let storage = PostgresStorage::create(pool(&root, Some(way.address)), schema).await.unwrap();
            let key: ObjectKey = "log/1".parse().unwrap();
            way.lose_answers(true);
            assert_eq!(storage.create(&key, b"mine".as_slice().into()).await.unwrap(), Creation::Unknown);
            let error = storage.read(&key, None).await.unwrap_err();
            assert_eq!(error.kind(), StorageErrorKind::Unavailable);
            way.lose_answers(false);
            assert_eq!(storage.read(&key, None).await.unwrap().unwrap(), b"mine".as_slice());
            assert_eq!(storage.create(&key, b"other".as_slice().into()).await.unwrap(), Creation::Exists);
        }
    });
}

#[test]
#[ignore = "needs servers: scripts/servers.sh"]
fn a_table_that_a_power_cut_would_empty_is_refused() {
    run(async {
        for root in databases() {
            let site = Site::within(&root);
            let schema = site.place.split_once('#').unwrap().1;
            PostgresStorage::create(pool(&root, None), schema).await.unwrap();
            PostgresStorage::create(pool(&root, None), schema).await.unwrap();
            let client = pool(&root, None).get().await.unwrap();
            let alter = format!("ALTER TABLE \"{schema}\".docvault_objects SET UNLOGGED");
            client.batch_execute(&alter).await.unwrap();
            let error = PostgresStorage::open(pool(&root, None), schema).await.unwrap_err();
            assert_eq!(error.kind(), StorageErrorKind::Unsupported);
        }
    });
}

#[test]
#[ignore = "needs servers: scripts/servers.sh"]
fn a_database_without_the_table_is_no_vault() {
    run(async {
        for root in databases() {
            let site = Site::within(&root);
            let error = place::storage(&site.place, State::Existing).await.unwrap_err();
            let error = error.downcast::<docvault::storage::StorageError>().unwrap();
            assert_eq!(error.kind(), StorageErrorKind::NotAVault);
        }
    });
}
