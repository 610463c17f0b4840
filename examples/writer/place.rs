//! Where a vault is kept, as one argument.
//!
//! | place | backend |
//! |---|---|
//! | `PATH` | a folder |
//! | `redb:PATH` | one file |
//! | `s3://BUCKET/PREFIX`, `gs://…`, `az://CONTAINER/PREFIX` | a bucket; credentials and endpoint from the environment, by the names that `object_store` knows (`AWS_…`, `GOOGLE_…`, `AZURE_…`) |
//! | `postgres://USER:PASSWORD@HOST:PORT/DATABASE#SCHEMA` | a table |

use std::{error::Error, sync::Arc};

use docvault::storage::{FsStorage, Storage};

/// Whether there is a vault at a place.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum State {
    /// Not yet.
    New,
    /// Yes.
    Existing,
}

/// The storage at `place`.
pub(crate) async fn storage(place: &str, state: State) -> Result<Arc<dyn Storage>, Box<dyn Error>> {
    match place.split_once(':').map(|(scheme, _)| scheme) {
        Some("redb") => file(place, state),
        Some("s3" | "gs" | "az") => bucket(place),
        Some("postgres") => table(place, state).await,
        _ if state == State::New => Ok(Arc::new(FsStorage::create(place)?)),
        _ => Ok(Arc::new(FsStorage::open(place)?)),
    }
}

#[cfg(feature = "redb")]
fn file(place: &str, state: State) -> Result<Arc<dyn Storage>, Box<dyn Error>> {
    use docvault::storage::RedbStorage;
    let path = place.trim_start_matches("redb:");
    let file = if state == State::New { RedbStorage::create(path) } else { RedbStorage::open(path) };
    Ok(Arc::new(file?))
}

#[cfg(all(feature = "aws", feature = "azure", feature = "gcp"))]
fn bucket(place: &str) -> Result<Arc<dyn Storage>, Box<dyn Error>> {
    use docvault::storage::{
        ObjectStorage,
        object_store::{
            ClientOptions, ObjectStore, RetryConfig, aws::AmazonS3Builder, azure::MicrosoftAzureBuilder,
            gcp::GoogleCloudStorageBuilder,
        },
    };
    let (scheme, rest) = place.split_once("://").ok_or("a bucket's place starts with SCHEME://")?;
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    // An answer within a minute also from a store that is down.
    let retries = RetryConfig { retry_timeout: std::time::Duration::from_secs(30), ..RetryConfig::default() };
    let plain = std::env::var_os("AWS_ALLOW_HTTP").is_some();
    let client = ClientOptions::new().with_allow_http(plain);
    let store: Arc<dyn ObjectStore> = match scheme {
        "s3" => Arc::new(
            AmazonS3Builder::from_env()
                .with_bucket_name(name)
                .with_retry(retries)
                .with_client_options(client)
                .build()?,
        ),
        "gs" => Arc::new(
            GoogleCloudStorageBuilder::from_env().with_bucket_name(name).with_retry(retries).build()?,
        ),
        _ => {
            Arc::new(MicrosoftAzureBuilder::from_env().with_container_name(name).with_retry(retries).build()?)
        }
    };
    let storage = ObjectStorage::new(store)?;
    Ok(Arc::new(if prefix.is_empty() { storage } else { storage.prefix(prefix) }))
}

#[cfg(feature = "postgres")]
async fn table(place: &str, state: State) -> Result<Arc<dyn Storage>, Box<dyn Error>> {
    use docvault::storage::{
        PostgresStorage,
        deadpool_postgres::{Manager, Pool, tokio_postgres::NoTls},
    };
    let (url, schema) = place.split_once('#').unwrap_or((place, "docvault"));
    let pool = Pool::builder(Manager::new(url.parse()?, NoTls)).max_size(16).build()?;
    let table = match state {
        State::New => PostgresStorage::create(pool, schema).await,
        State::Existing => PostgresStorage::open(pool, schema).await,
    };
    Ok(Arc::new(table?))
}

#[cfg(not(feature = "redb"))]
fn file(_: &str, _: State) -> Result<Arc<dyn Storage>, Box<dyn Error>> {
    Err("this was built without the feature `redb`".into())
}

#[cfg(not(all(feature = "aws", feature = "azure", feature = "gcp")))]
fn bucket(_: &str) -> Result<Arc<dyn Storage>, Box<dyn Error>> {
    Err("this was built without the features `aws`, `azure` and `gcp`".into())
}

#[cfg(not(feature = "postgres"))]
async fn table(_: &str, _: State) -> Result<Arc<dyn Storage>, Box<dyn Error>> {
    Err("this was built without the feature `postgres`".into())
}
