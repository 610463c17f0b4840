//! Objects in a table of PostgreSQL.

use core::{future::Future, ops::Range};

use async_trait::async_trait;
use bytes::Bytes;
use deadpool_postgres::{
    Object, Pool,
    tokio_postgres::{
        self, Row,
        types::{FromSql, ToSql, Type},
    },
};
use futures_util::{StreamExt, TryStreamExt};

use super::{Creation, ObjectKey, Storage, StorageError, StorageErrorKind, WHOLE, runtime::Runtime};

mod driven;
mod failure;
mod table;

use driven::Driven;
use failure::Failure;
use table::Statements;

/// A table of PostgreSQL 12 or newer: one row for each object, `INSERT … ON CONFLICT DO NOTHING`.
///
/// The table is named `docvault_objects` and lives in a schema of the caller's choice, so one
/// database holds several vaults. The pool is built and configured as `deadpool-postgres`'s users do:
/// server, credentials, TLS, time-outs, size. It must lead to the primary server; connection
/// poolers are fine, in transaction mode too, for no statement is prepared by name and no setting outlives its transaction.
///
/// Writes are committed with `synchronous_commit` at least `on`, whatever the server's, the
/// database's or the role's default; servers that run with `fsync = off` are refused.
///
/// # Runtime
///
/// The driver does its I/O in a tokio runtime: the one in which [`PostgresStorage::create`] or
/// [`PostgresStorage::open`] is called. The calls may then be polled by any executor, while that
/// runtime runs.
#[derive(Clone)]
pub struct PostgresStorage {
    pool: Pool,
    runtime: Runtime,
    statements: Statements,
}

impl core::fmt::Debug for PostgresStorage {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PostgresStorage").field("pool", &self.pool.status()).finish_non_exhaustive()
    }
}

impl PostgresStorage {
    /// Makes the schema and the table for a new vault; those that are there are used.
    ///
    /// # Errors
    ///
    /// [`StorageErrorKind::Denied`] if the role may not make them, or the server is a standby;
    /// [`StorageErrorKind::Unsupported`] if the server or the table would lose what it acknowledged, or a
    /// newer docvault made the table; [`StorageErrorKind::Unavailable`] outside a tokio runtime, or if
    /// the server cannot be reached.
    pub async fn create(pool: Pool, schema: &str) -> Result<Self, StorageError> {
        let storage = Self::over(pool, schema)?;
        let named = schema.to_owned();
        let look = move |client| table::is_absent(client, named.clone());
        if storage.call("look for the table", look).await? {
            let script = storage.statements.create.clone();
            storage.call("make the table", move |client| client.batch_execute(script.clone())).await?;
        }
        storage.check(schema).await
    }

    /// Opens the table that [`PostgresStorage::create`] made in `schema`.
    ///
    /// # Errors
    ///
    /// [`StorageErrorKind::NotAVault`] if there is no such table; otherwise as
    /// [`PostgresStorage::create`].
    pub async fn open(pool: Pool, schema: &str) -> Result<Self, StorageError> {
        Self::over(pool, schema)?.check(schema).await
    }

    fn over(pool: Pool, schema: &str) -> Result<Self, StorageError> {
        let runtime = Runtime::current("PostgreSQL's driver")?;
        Ok(Self { pool, runtime, statements: Statements::in_schema(schema) })
    }

    async fn check(self, schema: &str) -> Result<Self, StorageError> {
        let named = schema.to_owned();
        let about =
            self.call("look at the table", move |client| table::About::read(client, named.clone())).await?;
        about.check()?;
        Ok(self)
    }

    /// Runs `call` on a connection, and once more if that connection turns out to be lost.
    async fn call<T, F>(
        &self,
        attempt: &str,
        call: impl Fn(Connection) -> F + Clone + Send + 'static,
    ) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, tokio_postgres::Error>> + Send + 'static,
    {
        let mut result = self.once(call.clone()).await;
        if result.as_ref().is_err_and(Failure::is_lost_connection) {
            result = self.once(call).await;
        }
        result.map_err(|failure| failure.error(attempt))
    }

    /// Runs `call` on a connection that no other call waits for because its caller looks elsewhere: calls are begun by the
    /// dozen, and left alone while those before them are dealt with.
    async fn once<T, F>(&self, call: impl FnOnce(Connection) -> F + Send + 'static) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, tokio_postgres::Error>> + Send + 'static,
    {
        let pool = self.pool.clone();
        let called = async move { Ok(call(Connection(pool.get().await?)).await?) };
        Driven::begin(self.runtime.handle(), called).await?
    }

    /// Up to `limit` names of the table, among them such as are no keys.
    async fn names(&self, range: [String; 3], limit: usize) -> Result<Vec<String>, StorageError> {
        let sql = self.statements.list.clone();
        let rows = self.call("list the objects", move |client| {
            let (sql, [prefix, beyond, after]) = (sql.clone(), range.clone());
            async move {
                let wanted = i64::try_from(limit).unwrap_or(i64::MAX);
                let parameters: [Parameter<'_>; 4] = [
                    (&prefix, Type::TEXT),
                    (&beyond, Type::TEXT),
                    (&after, Type::TEXT),
                    (&wanted, Type::INT8),
                ];
                client.rows(&sql, &parameters, limit).await
            }
        });
        rows.await?.iter().map(value).collect()
    }
}

#[async_trait]
impl Storage for PostgresStorage {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
        let (sql, key) = (self.statements.insert.clone(), key.clone());
        let insert = self.once(|client| async move {
            let parameters: [Parameter<'_>; 2] = [(&key.as_str(), Type::TEXT), (&&*bytes, Type::BYTEA)];
            client.execute(&sql, &parameters).await
        });
        match insert.await {
            Ok(0) => Ok(Creation::Exists),
            Ok(_) => Ok(Creation::Created),
            Err(failure) if failure.wrote_nothing() => Err(failure.error("write an object")),
            Err(_) => Ok(Creation::Unknown),
        }
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        let range = range.unwrap_or(WHOLE);
        // Counted from 1, and of 31 bits, as are the lengths of values.
        let limit = |at: u64| i32::try_from(at).unwrap_or(i32::MAX - 1);
        let (start, length) =
            (limit(range.start).saturating_add(1), limit(range.end.saturating_sub(range.start)));
        let (sql, key) = (self.statements.read.clone(), key.clone());
        let rows = self.call("read an object", move |client| {
            let (sql, key) = (sql.clone(), key.clone());
            async move {
                let parameters: [Parameter<'_>; 3] =
                    [(&key.as_str(), Type::TEXT), (&start, Type::INT4), (&length, Type::INT4)];
                client.rows(&sql, &parameters, 1).await
            }
        });
        let bytes = |row: &Row| value::<&[u8]>(row).map(Bytes::copy_from_slice);
        rows.await?.first().map(bytes).transpose()
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let (sql, key) = (self.statements.delete.clone(), key.clone());
        let deleted = self.call("delete an object", move |client| {
            let (sql, key) = (sql.clone(), key.clone());
            async move { client.execute(&sql, &[(&key.as_str(), Type::TEXT)]).await }
        });
        deleted.await.map(drop)
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ObjectKey>, StorageError> {
        let (mut keys, mut after) = (Vec::new(), after.map_or_else(String::new, ObjectKey::to_string));
        // A page that is cut short by names that are no keys would say that there are no more.
        while keys.len() < limit {
            let wanted = limit - keys.len();
            let names = self.names([prefix.to_owned(), just_beyond(prefix), after.clone()], wanted).await?;
            let last = names.last().filter(|last| names.len() == wanted && **last > after).cloned();
            keys.extend(names.iter().filter_map(|name| name.parse::<ObjectKey>().ok()));
            let Some(last) = last else { break };
            after = last;
        }
        Ok(keys)
    }
}

/// The value of a row; a table that another has altered may hold something else.
fn value<'a, T: FromSql<'a>>(row: &'a Row) -> Result<T, StorageError> {
    row.try_get(0).map_err(|cause| {
        let message = "the table holds what no vault wrote: compare it with the one that is described";
        StorageError::new(StorageErrorKind::Unsupported, message).caused(cause)
    })
}

/// A value with its type, which spares the round trip that asks the server for it.
type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// A connection of the pool.
struct Connection(Object);

impl Connection {
    async fn execute(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<u64, tokio_postgres::Error> {
        self.0.execute_typed(sql, parameters).await
    }

    /// Up to `most` rows: how many come is the server's word.
    async fn rows(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
        most: usize,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let parameters = parameters.iter().map(|(value, of)| (*value, of.clone()));
        let rows = self.0.query_typed_raw(sql, parameters).await?;
        rows.take(most).try_collect().await
    }

    async fn batch_execute(self, sql: String) -> Result<(), tokio_postgres::Error> {
        self.0.batch_execute(&sql).await
    }
}

/// The first text in byte order that follows all that start with `prefix`, over the key alphabet.
fn just_beyond(prefix: &str) -> String {
    match prefix.chars().next_back().and_then(|last| Some((last, char::from_u32(u32::from(last) + 1)?))) {
        Some((last, next)) => format!("{}{next}", prefix.strip_suffix(last).unwrap_or(prefix)),
        None => "~".to_owned(),
    }
}
