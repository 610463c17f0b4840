//! A bucket's client that panics at an answer: the process stays, and nothing is taken for known.
#![cfg(feature = "object-store")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use docvault::storage::{
    Creation, ObjectKey, ObjectStorage, Storage, StorageErrorKind,
    object_store::{
        CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
        PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
    },
};
use futures_util::stream::{self, BoxStream};

#[derive(Debug)]
struct Panicking;

impl fmt::Display for Panicking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("panicking")
    }
}

#[async_trait]
#[allow(clippy::panic, clippy::unimplemented, reason = "what is tested")]
impl ObjectStore for Panicking {
    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        panic!("no such status")
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        unimplemented!()
    }

    async fn get_opts(&self, _: &Path, _: GetOptions) -> Result<GetResult> {
        panic!("no such header")
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        Box::pin(stream::poll_fn(|_| panic!("no such answer")))
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        panic!("no such listing")
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        unimplemented!()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        unimplemented!()
    }
}

#[tokio::test]
async fn a_client_that_panics_is_a_backend_that_cannot_tell() {
    let storage = ObjectStorage::new(Arc::new(Panicking)).unwrap();
    let key: ObjectKey = "a/b".parse().unwrap();
    assert_eq!(storage.create(&key, vec![1].into()).await.unwrap(), Creation::Unknown);
    let errors = [
        storage.read(&key, None).await.unwrap_err(),
        storage.read(&key, Some(1..2)).await.unwrap_err(),
        storage.read_in_pieces(&key).await.unwrap_err(),
        storage.delete(&key).await.unwrap_err(),
        storage.list("", None, 1).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
    }
}
