//! A checkpoint anchored in time by an RFC 3161 authority, exported and verified by stock tools.
//!
//! `cargo run --release --example time_anchor`
//!
//! The authority is local: a key and a certificate made for this run, and `openssl ts -reply`. A real one is
//! asked over HTTP with the same request (RFC 3161 §3.4). Everything lies in a temporary folder that goes
//! with the program; anything unexpected ends it with an error.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use async_trait::async_trait;
use docvault::{AnchorError, LogReader, TimeAnchor, Vault, keys::LocalKey, storage::MemoryStorage};
use futures_lite::future::block_on;

type Failure = Box<dyn std::error::Error>;

/// An RFC 3161 authority in a folder.
#[derive(Debug)]
struct LocalAuthority {
    folder: PathBuf,
}

impl LocalAuthority {
    /// Makes the authority's key and certificate.
    fn create(folder: &Path) -> Result<Self, Failure> {
        fs::create_dir(folder)?;
        fs::write(folder.join("tsa.cnf"), CONFIGURATION)?;
        fs::write(folder.join("serial"), "01\n")?;
        let authority = Self { folder: folder.to_owned() };
        authority.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config tsa.cnf -days 2 \
             -keyout tsa.key -out tsa.pem",
        )?;
        Ok(authority)
    }

    fn openssl(&self, arguments: &str) -> Result<(), Failure> {
        let output = Command::new("openssl")
            .args(arguments.split_ascii_whitespace())
            .current_dir(&self.folder)
            .output()
            .map_err(|error| format!("this example needs the openssl tool: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("openssl {arguments} failed: {}", String::from_utf8_lossy(&output.stderr)).into())
    }

    fn token(&self, digest: &[u8; 32]) -> Result<Vec<u8>, Failure> {
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        self.openssl(&format!("ts -query -digest {digest} -sha256 -cert -out request.tsq"))?;
        self.openssl("ts -reply -config tsa.cnf -queryfile request.tsq -out reply.tsr")?;
        Ok(fs::read(self.folder.join("reply.tsr"))?)
    }
}

impl LocalAuthority {
    /// Whether `openssl ts -verify` takes the exported token for `text`.
    fn vouches_for(&self, text: &str, export: &Path) -> Result<bool, Failure> {
        let data = export.join("checkpoint.text");
        fs::write(&data, text)?;
        let mut verify = Command::new("openssl");
        verify.args(["ts", "-verify", "-CAfile"]).arg(self.folder.join("tsa.pem"));
        verify.arg("-in").arg(export.join("checkpoint.tsr")).arg("-data").arg(data);
        Ok(verify.output()?.status.success())
    }
}

#[async_trait]
impl TimeAnchor for LocalAuthority {
    fn authority(&self) -> &str {
        "tsa.example"
    }

    async fn stamp(&self, digest: &[u8; 32]) -> Result<Vec<u8>, AnchorError> {
        // It waits for a process, which on an executor's thread this demonstration alone may do.
        self.token(digest).map_err(|failure| AnchorError::new(failure.to_string()))
    }
}

fn main() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    block_on(run(folder.path()))
}

async fn run(folder: &Path) -> Result<(), Failure> {
    let authority = LocalAuthority::create(&folder.join("authority"))?;
    let storage = Arc::new(MemoryStorage::default());
    let vault = Vault::create(storage.clone(), LocalKey::create(folder.join("vault.key"))?).await?;
    let officer = vault.session("officer:1").purpose("yearly anchoring").begin()?;
    officer.create_case("0042").await?;

    let note = vault.audit().checkpoint().await?;
    officer.keep_checkpoint(&note, &[&authority]).await?;
    let kept = vault.audit().checkpoints(None).await?.into_iter().next().ok_or("no checkpoint was kept")?;
    let token = kept.tokens.first().ok_or("no token was kept")?;
    println!("kept a checkpoint of {} records, with a token of {}", kept.size, token.authority);

    // What an outsider gets: the log as it was then, and the authority's token.
    let out = folder.join("export");
    let log = LogReader::open(storage, &vault.pin()).await?;
    log.export_tiles(&out, &kept.note).await?;
    fs::write(out.join("checkpoint.tsr"), &token.token)?;

    // What the outsider does: the token is about the note's text, without its signatures.
    let note = fs::read_to_string(out.join("checkpoint"))?;
    let text =
        note.split_inclusive("\n\n").next().and_then(|text| text.strip_suffix('\n')).ok_or("no note")?;
    if !authority.vouches_for(text, &out)? {
        return Err("openssl does not verify the token".into());
    }
    if authority.vouches_for(&text.replace("\n2\n", "\n3\n"), &out)? {
        return Err("openssl takes the token for another checkpoint".into());
    }
    println!("openssl ts -verify: the authority vouches for this checkpoint, and for no other");
    Ok(())
}

const CONFIGURATION: &str = "\
[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
CN = tsa.example
[extensions]
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[tsa]
default_tsa = authority
[authority]
serial = serial
signer_cert = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
";
