//! The vault on its folder, and the log of what was acknowledged.

use std::{
    error::Error,
    ffi::OsString,
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use docvault::{
    ErrorKind, FilePinStore, Pin, PinStore, Vault, VaultOptions,
    keys::LocalKey,
    storage::{FsStorage, Storage},
};

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// `vault` with something behind its name: what is kept beside the folder.
pub(crate) fn beside(vault: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = vault.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Opens the vault in the folder, or makes one; tells the pin it was opened by.
///
/// A run that was killed while it made the vault left a folder or a key: each is taken up where it was. If
/// it left a log without a pin, that is opened only if `unpinned` says so.
pub(crate) async fn open(folder: &Path, unpinned: bool) -> Outcome<(Vault, Option<Pin>)> {
    let storage: Arc<dyn Storage> = match FsStorage::open(folder) {
        Ok(storage) => Arc::new(storage),
        Err(_) if !folder.exists() => Arc::new(FsStorage::create(folder)?),
        Err(error) => FsStorage::create(folder).map(Arc::new).map_err(|_| error)?,
    };
    let file = beside(folder, ".pin");
    let pins = FilePinStore::new(&file);
    let pin = pins.load().await?;
    let options = VaultOptions::default().pin_store(pins);
    let key = Arc::new(root_key(&beside(folder, ".key"))?);
    let vault = match &pin {
        Some(pin) => Vault::open_with(storage, key, pin, options).await?,
        None if unpinned => open_unpinned(storage, key, options).await?,
        None => create(storage, key, options).await?,
    };
    if pin.is_none() {
        println!("its pin is kept in {}: {}", file.display(), vault.pin());
    }
    Ok((vault, pin))
}

/// The first use: there is no pin yet, for there is no vault.
async fn create(storage: Arc<dyn Storage>, key: Arc<LocalKey>, options: VaultOptions) -> Outcome<Vault> {
    match Vault::create_with(storage, key, options).await {
        Ok(vault) => {
            println!("this is a new vault");
            Ok(vault)
        }
        Err(error) if error.kind() == ErrorKind::Invalid => {
            Err("there is a vault, and no pin of it: put its pin back beside it, or say --without-pin".into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Whatever vault is there, by the user's own choice.
async fn open_unpinned(
    storage: Arc<dyn Storage>,
    key: Arc<LocalKey>,
    options: VaultOptions,
) -> Outcome<Vault> {
    match Vault::open_unpinned(storage.clone(), key.clone(), options.clone()).await {
        Ok(vault) => {
            println!("opened without a pin: whether this is your vault, and its newest state, nothing tells");
            println!("compare its pin with what another process, a receipt or a checkpoint says");
            Ok(vault)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => create(storage, key, options).await,
        Err(error) => Err(error.into()),
    }
}

fn root_key(path: &Path) -> Outcome<LocalKey> {
    match LocalKey::load(path) {
        Ok(key) => Ok(key),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("a new key is in {}: whoever loses it loses the vault", path.display());
            Ok(LocalKey::create(path)?)
        }
        Err(error) => Err(error.into()),
    }
}

/// Says what was acknowledged, in a file that a crash test reads.
pub(crate) struct Acknowledged(Option<File>);

impl Acknowledged {
    pub(crate) fn open(path: Option<&Path>) -> Outcome<Self> {
        let file = path.map(|path| OpenOptions::new().create(true).append(true).open(path));
        Ok(Self(file.transpose()?))
    }

    /// Notes an operation that has returned.
    pub(crate) fn note(&mut self, line: &str) -> Outcome<()> {
        if let Some(file) = &mut self.0 {
            file.write_all(format!("{line}\n").as_bytes())?;
            file.sync_data()?;
        }
        Ok(())
    }
}
