//! Where each of the two keeps what is its own.

use std::{fs, path::Path, sync::Arc};

use docvault::{
    FilePinStore, PinStore, Sender, Vault, VaultOptions, deposit::CarrierKey, keys::LocalKey,
    storage::FsStorage,
};

use crate::Outcome;

/// Makes a carrier's folder and key, and prints the public half.
pub(crate) fn new_carrier(place: &Path) -> Outcome<()> {
    fs::create_dir_all(place)?;
    FsStorage::create(place.join("deposits"))?;
    println!("{}", CarrierKey::create(place.join("carrier.key"))?.public());
    Ok(())
}

/// What [`new_carrier`] made.
pub(crate) fn carrier(place: &Path) -> Outcome<(FsStorage, CarrierKey)> {
    Ok((carrier_storage(place)?, CarrierKey::load(place.join("carrier.key"))?))
}

/// The carrier's objects alone, as its office reads them.
pub(crate) fn carrier_storage(place: &Path) -> Outcome<FsStorage> {
    Ok(FsStorage::open(place.join("deposits"))?)
}

/// Makes a vault with its key and pin, leaves what a carrier has to know of it, and prints its fingerprint.
pub(crate) async fn new_office(place: &Path) -> Outcome<()> {
    fs::create_dir_all(place)?;
    let key = LocalKey::create(place.join("vault.key"))?;
    let options = VaultOptions::default().pin_store(FilePinStore::new(place.join("vault.pin")));
    let vault =
        Vault::create_with(Arc::new(FsStorage::create(place.join("vault"))?), Arc::new(key), options).await?;
    fs::write(place.join("office.sender"), vault.sender().to_bytes())?;
    println!("{}", vault.sender().fingerprint());
    Ok(())
}

/// Opens the vault that [`new_office`] made, no older than its pin.
pub(crate) async fn office(place: &Path) -> Outcome<Vault> {
    let pins = FilePinStore::new(place.join("vault.pin"));
    let pin = pins
        .load()
        .await?
        .ok_or("the vault's pin is missing: restore it from where copies of it are kept")?;
    let key = LocalKey::load(place.join("vault.key"))?;
    let options = VaultOptions::default().pin_store(pins);
    Ok(Vault::open_with(Arc::new(FsStorage::open(place.join("vault"))?), Arc::new(key), &pin, options)
        .await?)
}

/// The office as its carrier and its clients know it, its fingerprint checked.
pub(crate) fn sender(file: &Path, fingerprint: &str) -> Outcome<Sender> {
    Ok(Sender::verify(&fs::read(file)?, fingerprint)?)
}
