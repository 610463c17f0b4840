//! What this crate answers to a file of the kit, through its public API.
#![allow(unreachable_pub, reason = "a module of one test binary")]

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use docvault::{
    CheckDepth, Checkpoint, Clock, Disclosure, Error, ErrorKind, Identity, MemoryWitnessStore, NoSleep, Pin,
    PolicyError, Receipt, RecordFilter, Secret, SecretBytes, Sender, Session, Timestamp, TrustPolicy,
    UploadToken, Vault, VaultOptions, Witness, WitnessKey,
    chunked::{ChaCha20Poly1305, HkdfSha256, Opener},
    keys::{KeyWrap, LocalKey, Passphrase},
    storage::{MemoryStorage, ObjectKey, ParseObjectKeyError, Storage},
};
use tempfile::TempDir;

use crate::{
    common::block_on,
    writer::file::{KitFile, contained, hex, unhex},
    writer::forge::sha256,
};

#[cfg(feature = "intake")]
mod deposits;

/// What comes of a file: a class, and what was released.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub class: String,
    pub released: Vec<u8>,
}

/// What is released if everything is right; otherwise a class, and what was released before.
type Outcome = Result<Vec<u8>, (String, Vec<u8>)>;

/// All files by name, for those that build on others.
pub struct Kit(pub BTreeMap<String, KitFile>);

/// After everything that the files' clocks said.
const NOW: Timestamp = Timestamp::from_millis(1_790_500_000_000);

/// Indexes that are false and that the log names: believed until they are compared with it, which is not done to look
/// something up.
const BELIEVED: [&str; 1] = ["index/page-row-older"];

#[derive(Debug)]
struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// The name of a kind of failure: words in lower case, joined by hyphens.
fn class(of: impl std::fmt::Debug) -> String {
    let debug = format!("{of:?}");
    let name = debug.split(|c: char| !c.is_alphanumeric()).next().unwrap();
    let mut class = String::new();
    for (at, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && at > 0 {
            class.push('-');
        }
        class.extend(letter.to_lowercase());
    }
    class
}

fn refused(error: &Error) -> (String, Vec<u8>) {
    (class_of(error), Vec::new())
}

/// Whose fault it is that something does not open is no matter of the bytes.
fn class_of(error: &Error) -> String {
    match error.kind() {
        ErrorKind::Unreadable => class(ErrorKind::Corrupt),
        kind => class(kind),
    }
}

impl Kit {
    pub fn load(folder: &Path) -> Self {
        let mut files = BTreeMap::new();
        for group in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            for path in fs::read_dir(&group).into_iter().flatten().map(|entry| entry.unwrap().path()) {
                let (group, file) = (group.file_name().unwrap(), path.file_stem().unwrap());
                let name = format!("{}/{}", group.to_str().unwrap(), file.to_str().unwrap());
                files.insert(name.clone(), KitFile::parse(&name, &fs::read_to_string(&path).unwrap()));
            }
        }
        Self(files)
    }

    pub fn answer(&self, file: &KitFile) -> Answer {
        let outcome = match file.field("object") {
            "sealed" => sealed(file),
            "vault" => block_on(self.vault(file)),
            "upload" => block_on(self.upload(file)),
            "delivery" => delivery(file),
            "pin" => text(file).and_then(|text| parsed(text.parse::<Pin>())),
            "name" => text(file).and_then(|text| parsed(text.parse::<ObjectKey>())),
            "key-file" => key_file(file),
            "recipient" => parsed(docvault::Recipient::verify(&file.body, file.field("fingerprint"))),
            "sender" => parsed(Sender::verify(&file.body, file.field("fingerprint"))),
            "checkpoint" => checkpoint(file),
            "policy" => text(file).and_then(|text| parsed(TrustPolicy::parse(&text))),
            "receipt" => receipt(file),
            "disclosure" => disclosure(file),
            "witness" => witness(file),
            #[cfg(feature = "intake")]
            object => deposits::answer(self, file, object),
            #[cfg(not(feature = "intake"))]
            _ => return as_expected(file),
        };
        match outcome {
            Ok(released) => Answer { class: "accept".to_owned(), released },
            Err((class, released)) => Answer { class, released },
        }
    }

    fn of(&self, file: &KitFile, reference: &str) -> &KitFile {
        let name = file.field(reference);
        self.0.get(name).unwrap_or_else(|| panic!("{} names {name}, which is not there", file.name))
    }

    /// The objects of a vault, and the file that tells its key.
    async fn storage<'a>(&'a self, file: &'a KitFile) -> (Arc<MemoryStorage>, &'a KitFile) {
        let base = file.get("base").map_or(file, |_| self.of(file, "base"));
        let mut objects: BTreeMap<String, Option<Vec<u8>>> = contained(&base.body).into_iter().collect();
        if file.get("base").is_some() && file.field("object") == "vault" {
            objects.extend(contained(&file.body));
        }
        let storage = MemoryStorage::default();
        for (name, bytes) in objects {
            if let Some(bytes) = bytes {
                storage.create(&name.parse().unwrap(), bytes.into()).await.unwrap();
            }
        }
        (Arc::new(storage), base)
    }

    async fn open(&self, file: &KitFile) -> Result<Vault, Error> {
        let (storage, base) = self.storage(file).await;
        let root = file.get("root-key").unwrap_or_else(|| base.field("root-key"));
        let folder = tempfile::tempdir().unwrap();
        let key: Arc<dyn KeyWrap> = match file.get("passphrase") {
            Some(text) => Arc::new(Passphrase::new(String::from_utf8(unhex(text)).unwrap())),
            None => Arc::new(LocalKey::load(secret(&folder, &format!("docvault local key 1\n{root}\n")))?),
        };
        let pin = file.get("pin").unwrap_or_else(|| base.field("pin")).parse().unwrap();
        let options = VaultOptions::default().clock(At(NOW)).sleeper(NoSleep::default());
        Vault::open_with(storage, key, &pin, options).await
    }

    /// Opens a vault and reads everything, then another as it was before what that has written, and verifies all of its log
    /// and every object; gives the newest versions' contents in ascending order of their documents.
    async fn vault(&self, file: &KitFile) -> Outcome {
        let read = async { read(&self.open(file).await?).await };
        let contents = read.await.map_err(|error| refused(&error))?;
        let sound = async { is_sound(&self.open(file).await?).await };
        match sound.await {
            Ok(true) => Ok(contents),
            Ok(false) => Err(("corrupt".to_owned(), self.wrongly(file, contents))),
            Err(error) => Err((class_of(&error), self.wrongly(file, contents))),
        }
    }

    /// What was released of a vault in which something is false: what is in its base is true.
    fn wrongly(&self, file: &KitFile, contents: Vec<u8>) -> Vec<u8> {
        let base = file.get("base").and_then(|_| self.of(file, "base").get("released"));
        let true_or_believed = base == Some(&hex(&sha256(&[&contents]))) || BELIEVED.contains(&&*file.name);
        if true_or_believed { Vec::new() } else { contents }
    }

    /// Goes on with an upload of the vault `base`.
    async fn upload(&self, file: &KitFile) -> Outcome {
        let resumed = async {
            let token = UploadToken::from_bytes(&file.body)?;
            let vault = self.open(file).await?;
            let desk = vault.session("reader").purpose("kit").begin()?;
            desk.resume_upload(&token).await.map(drop)
        };
        resumed.await.map(|()| Vec::new()).map_err(|error| refused(&error))
    }
}

async fn read(vault: &Vault) -> Result<Vec<u8>, Error> {
    everything(&vault.session("reader").purpose("kit").begin()?).await
}

/// Whether log, index and every object are as they should be.
async fn is_sound(vault: &Vault) -> Result<bool, Error> {
    vault.audit().verify_from_genesis().await?;
    let log = vault.audit().log().await?;
    log.check_tiles(&mut |_, _| {}).await?;
    log.check_index(&mut |_, _| {}).await?;
    Ok(vault.check(CheckDepth::Content).await?.run(&mut |_| {}).await?.is_sound())
}

/// Reads whatever a session can.
async fn everything(desk: &Session) -> Result<Vec<u8>, Error> {
    let mut contents = BTreeMap::new();
    for case in desk.cases(None).await?.cases {
        for document in desk.documents(case.id, None).await?.documents {
            let id = document.document;
            contents.insert(id, desk.retrieve(id).await?);
            desk.history(id).await?;
            desk.who_can_open(id).await?;
        }
        desk.statements(case.id, None).await?;
    }
    for record in desk.auditor().records(&RecordFilter::all()).await? {
        if record.kind != docvault::Kind::Genesis {
            desk.open_record(record.seq).await?;
        }
    }
    let log = desk.vault().audit().log().await?;
    for kept in log.checkpoints(None).await? {
        log.witness_request(0, &kept.note).await?;
    }
    Ok(contents.into_values().flatten().collect())
}

fn secret(folder: &TempDir, text: &str) -> std::path::PathBuf {
    let path = folder.path().join("secret");
    fs::write(&path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    path
}

#[cfg(not(feature = "intake"))]
fn as_expected(file: &KitFile) -> Answer {
    Answer { class: file.field("expect").to_owned(), released: Vec::new() }
}

fn text(file: &KitFile) -> Result<String, (String, Vec<u8>)> {
    String::from_utf8(file.body.clone()).map_err(|_| ("invalid".to_owned(), Vec::new()))
}

/// Of what only has a form: it has it, or it is invalid.
fn parsed<T, E: Form>(parsed: Result<T, E>) -> Outcome {
    parsed.map(|_| Vec::new()).map_err(|error| (error.class(), Vec::new()))
}

/// Why something has not its form; a file that cannot be read is something else.
trait Form {
    fn class(&self) -> String;
}

impl Form for Error {
    fn class(&self) -> String {
        class_of(self)
    }
}

impl Form for ParseObjectKeyError {
    fn class(&self) -> String {
        "invalid".to_owned()
    }
}

impl Form for PolicyError {
    fn class(&self) -> String {
        "invalid".to_owned()
    }
}

/// A chunk stream, opened piece by piece.
fn sealed(file: &KitFile) -> Outcome {
    let (key, context) = (file.bytes("key"), file.bytes("context"));
    let mut opener = Opener::<ChaCha20Poly1305, HkdfSha256>::new(&key, &context);
    let mut plaintext = SecretBytes::default();
    let opened = opener.push(&file.body, &mut plaintext).and_then(|()| opener.finish(&mut plaintext));
    let released = plaintext.to_vec();
    opened.map(|()| released.clone()).map_err(|_| ("corrupt".to_owned(), released))
}

/// A delivery, part by part.
fn delivery(file: &KitFile) -> Outcome {
    let identity = Identity::from_seed(Secret::copy_from(&file.bytes("identity")).unwrap());
    let sender = Sender::verify(&file.bytes("sender"), file.field("fingerprint")).unwrap();
    let mut released = Vec::new();
    let mut read = || {
        let mut opened = identity.open(file.body.as_slice(), &sender)?;
        while let Some(mut document) = opened.next_document()? {
            while let Some(part) = document.next_part()? {
                released.extend(part);
            }
        }
        Ok::<_, Error>(())
    };
    let read = read();
    read.map(|()| released.clone()).map_err(|error| (class_of(&error), released))
}

fn key_file(file: &KitFile) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let path = secret(&folder, &String::from_utf8_lossy(&file.body));
    match file.field("holds") {
        "root-key" => parsed(LocalKey::load(path)),
        "identity" => parsed(Identity::load(path)),
        other => panic!("{other}"),
    }
}

fn checkpoint(file: &KitFile) -> Outcome {
    let note = text(file)?;
    let key = file.array("key");
    let checkpoint = Checkpoint::parse(&note, file.field("origin"), &key);
    // A note that the log has not signed is none of its checkpoints.
    checkpoint.map(|_| Vec::new()).map_err(|error| match error.kind() {
        ErrorKind::Corrupt => ("invalid".to_owned(), Vec::new()),
        _ => refused(&error),
    })
}

fn policy(file: &KitFile) -> TrustPolicy {
    let lines: Vec<&str> = file.all("policy").collect();
    TrustPolicy::parse(&(lines.join("\n") + "\n")).unwrap()
}

fn receipt(file: &KitFile) -> Outcome {
    let text = text(file)?;
    match Receipt::parse(&text).and_then(|receipt| receipt.verify(&policy(file))) {
        Ok(proven) => Ok(proven.content.map(|digest| digest.as_bytes().to_vec()).unwrap_or_default()),
        Err(error) => Err((class(error), Vec::new())),
    }
}

fn witness(file: &KitFile) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let key = WitnessKey::create(folder.path().join("key"), "witness.example").unwrap();
    let witness = Witness::new(key, policy(file), MemoryWitnessStore::default());
    let answer = witness.add_checkpoint(&text(file)?);
    answer.map(|_| Vec::new()).map_err(|refusal| (class(refusal), Vec::new()))
}

fn disclosure(file: &KitFile) -> Outcome {
    let text = text(file)?;
    match Disclosure::parse(&text).and_then(|disclosure| disclosure.open()) {
        Ok(disclosed) => Ok(disclosed.record.actor.into_bytes()),
        Err(error) => Err(refused(&error)),
    }
}

impl Answer {
    /// The SHA-256 that a file states of what is released.
    pub fn digest(&self) -> String {
        hex(&sha256(&[&self.released]))
    }
}
