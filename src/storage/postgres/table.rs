//! The table, its statements, and what is demanded of it.

use deadpool_postgres::tokio_postgres::{self, types::Type};

use super::{Connection, StorageError, StorageErrorKind};

/// Every statement, with the schema's name in its place.
#[derive(Debug, Clone)]
pub(super) struct Statements {
    pub(super) create: String,
    pub(super) insert: String,
    pub(super) read: String,
    pub(super) delete: String,
    pub(super) list: String,
}

impl Statements {
    pub(super) fn in_schema(schema: &str) -> Self {
        let schema = quoted(schema);
        let table = format!("{schema}.docvault_objects");
        Self {
            // One transaction, which a failure ends: nothing is left open in the pool's connection.
            // Two that create at once wait for each other: IF NOT EXISTS alone can fail in a race.
            // EXTERNAL: sealed bytes do not compress, and a range of an uncompressed value is read by itself.
            create: format!(
                "SELECT pg_advisory_xact_lock({LOCK}); CREATE SCHEMA IF NOT EXISTS {schema}; \
                 CREATE TABLE IF NOT EXISTS {table} (key text COLLATE \"C\" PRIMARY KEY, bytes bytea NOT NULL); \
                 ALTER TABLE {table} ALTER COLUMN bytes SET STORAGE EXTERNAL; \
                 COMMENT ON TABLE {table} IS '{FORMAT}'"
            ),
            insert: format!(
                "{DURABLE} INSERT INTO {table} SELECT $1, $2 FROM durable ON CONFLICT DO NOTHING"
            ),
            read: format!("SELECT substring(bytes FROM $2 FOR $3) FROM {table} WHERE key = $1"),
            delete: format!("{DURABLE} DELETE FROM {table} USING durable WHERE key = $1"),
            list: format!(
                "SELECT key FROM {table} WHERE key >= $1 AND key < $2 AND key > $3 ORDER BY key LIMIT $4"
            ),
        }
    }
}

/// Whether there is no table in `schema`.
pub(super) async fn is_absent(client: Connection, schema: String) -> Result<bool, tokio_postgres::Error> {
    let name = format!("{}.docvault_objects", quoted(&schema));
    let rows = client.rows("SELECT to_regclass($1) IS NULL", &[(&name, Type::TEXT)], 1).await?;
    rows.first().map_or(Ok(true), |row| row.try_get(0))
}

/// What has to be known of the server and the table before they are relied upon.
pub(super) struct About {
    /// The table's comment; `None` if there is no table.
    format: Option<String>,
    /// `p` for a table that is logged.
    persistence: String,
    fsync: String,
    standby: bool,
}

impl About {
    pub(super) async fn read(client: Connection, schema: String) -> Result<Self, tokio_postgres::Error> {
        let name = format!("{}.docvault_objects", quoted(&schema));
        let rows = client.rows(ABOUT, &[(&name, Type::TEXT)], 1).await?;
        let row = rows.first();
        let text = |column| row.map_or(Ok(None), |row| row.try_get::<_, Option<String>>(column));
        Ok(Self {
            format: text(0)?,
            persistence: text(1)?.unwrap_or_default(),
            fsync: text(2)?.unwrap_or_default(),
            standby: row.map_or(Ok(false), |row| row.try_get(3))?,
        })
    }

    pub(super) fn check(&self) -> Result<(), StorageError> {
        let refuse = |kind, message| Err(StorageError::new(kind, message));
        match self.format.as_deref() {
            Some(FORMAT) => {}
            Some(newer) if newer.starts_with(FAMILY) => {
                let message = "a newer docvault made this table; open it with that version";
                return refuse(StorageErrorKind::Unsupported, message);
            }
            _ => {
                let message = "this schema holds no vault's table; make it with PostgresStorage::create, or mind \
                               the database and the schema";
                return refuse(StorageErrorKind::NotAVault, message);
            }
        }
        if self.standby {
            let message = "this server is a standby; a vault needs the primary, for reading too";
            return refuse(StorageErrorKind::Denied, message);
        }
        if self.fsync != "on" || self.persistence != "p" {
            let message = "the server runs with fsync off, or the table is not logged: a power cut would lose \
                           what was acknowledged";
            return refuse(StorageErrorKind::Unsupported, message);
        }
        Ok(())
    }
}

fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// Raises `synchronous_commit` for this statement's own transaction where it is below `on`.
const DURABLE: &str = "WITH durable AS MATERIALIZED (SELECT CASE WHEN current_setting('synchronous_commit') IN \
                       ('on', 'remote_apply') THEN '' ELSE set_config('synchronous_commit', 'on', true) END)";
const ABOUT: &str = "SELECT obj_description(c.oid, 'pg_class'), c.relpersistence::text, \
                     current_setting('fsync'), pg_is_in_recovery() \
                     FROM (SELECT to_regclass($1) AS oid) t LEFT JOIN pg_class c ON c.oid = t.oid";
const FAMILY: &str = "docvault storage ";
const FORMAT: &str = "docvault storage 1";
/// The advisory lock that makers of tables take: "docvault" in ASCII.
const LOCK: i64 = 0x646f_6376_6175_6c74;
