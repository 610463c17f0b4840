//! Case keys: made, found, kept (FORMAT §4.4).

use std::sync::{Arc, Weak};

use bytes::Bytes;
use subtle::ConstantTimeEq;

use super::{LoadedKeyring, Looked, Vault, kept::Kept};
use crate::{
    FORMAT, SUITE,
    crypto::{
        chunked::OpenError,
        schedule,
        wrap::{self, WRAPPED_LEN},
    },
    env::{Entropy, EntropyError},
    error::{Error, ErrorKind, Result},
    ids::{CaseId, VaultId},
    log::row::{Row, RowKey},
    plan, policy,
    secret::{Holder, Secret},
    storage::{ObjectKey, beyond, layout},
    wire::{Malformed, Reader, Writer},
};

/// A wrap of a case's key as stored.
pub(crate) struct StoredWrap {
    pub(crate) name: ObjectKey,
    pub(crate) object: Bytes,
    pub(crate) opens: bool,
}

impl Vault {
    /// The key of a case that the log holds.
    ///
    /// # Errors
    ///
    /// Erased; corrupt if no epoch of the keyring opens it.
    pub(crate) async fn case_key(&self, case: CaseId) -> Result<Arc<Secret<32>>> {
        self.kept_case_key(case).await?.ok_or_else(|| missing(case))
    }

    /// The key of a case that the log holds, or none if the storage shows no wrap of it.
    ///
    /// # Errors
    ///
    /// Erased; not found; corrupt if a wrap is altered.
    pub(crate) async fn kept_case_key(&self, case: CaseId) -> Result<Option<Arc<Secret<32>>>> {
        let as_of = self.ledger().state().head.size;
        self.case_stands(case).await?;
        if let Some(kept) = self.0.case_keys.get(case) {
            return Ok(Some(kept.key));
        }
        let Some(key) = self.find_case_key(case).await?.map(Arc::new) else { return Ok(None) };
        self.0.case_keys.insert(case, Kept { key: key.clone(), as_of });
        Ok(Some(key))
    }

    /// Refuses a case that was erased, as far as this process knows. Takes no call of the storage for
    /// a case in use: it stood when its key was cached, and the tail has every record since.
    ///
    /// # Errors
    ///
    /// Erased; not found; corrupt, or the storage's.
    pub(crate) async fn case_stands(&self, case: CaseId) -> Result<()> {
        let (state, key) = (self.ledger().state(), RowKey::case(case));
        let recent = self.0.case_keys.get(case).filter(|kept| kept.as_of >= state.manifest.covered());
        let row = match (recent, state.row(&key)) {
            (Some(_), None) => return Ok(()),
            (_, Some(row)) => Some(row.clone()),
            (None, None) => self.fresh_row(&key).await?,
        };
        let stands = policy::case_stands(case, row.as_ref());
        match stands {
            Ok(()) => self.0.case_keys.stood(case, state.head.size),
            Err(_) => self.0.case_keys.remove(case),
        }
        stands
    }

    /// Refuses a case that was erased while the storage kept back what is to be given of it.
    pub(crate) async fn still_stands(&self, case: CaseId, looked: &Looked) -> Result<()> {
        if looked.is_due(self.now()) {
            self.ledger().sync().await?;
            looked.again(self.now());
        }
        self.case_stands(case).await
    }

    /// Keeps the key of a case that record `opened` opened.
    pub(crate) fn keep_case_key(&self, case: CaseId, key: Secret<32>, opened: u64) {
        self.0.case_keys.insert(case, Kept { key: Arc::new(key), as_of: opened.saturating_add(1) });
    }

    /// Tells `holder` from now on of each case that turns out to be erased.
    pub(crate) fn tell_of_erasures(&self, holder: Weak<dyn Holder>) {
        self.0.case_keys.add_holder(holder);
    }

    /// Asks of each case that holders give something of unasked whether it was erased, and so tells them if it was.
    ///
    /// # Errors
    ///
    /// Corrupt, or the storage's: of some it could not be found out.
    pub(super) async fn ask_for_holders(&self) -> Result<()> {
        for case in self.0.case_keys.unasked() {
            match self.case_stands(case).await {
                Err(error) if error.kind() != ErrorKind::Erased => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Forgets the key of a case that was erased.
    pub(crate) fn forget_case_key(&self, case: CaseId) {
        self.0.case_keys.remove(case);
    }

    /// `error`, or that `case` was erased, if something is missing for that reason.
    pub(crate) async fn unless_erased(&self, case: CaseId, error: Error) -> Error {
        if error.kind() != ErrorKind::Corrupt {
            return error;
        }
        let synced = self.ledger().sync().await;
        match self.case_stands(case).await {
            Err(erased) if erased.kind() == ErrorKind::Erased => erased,
            // Whether it was erased could not be found out, and so neither that it is corrupt.
            Err(failure) if failure.kind() == ErrorKind::Storage => failure,
            _ => synced.err().filter(|failure| failure.kind() == ErrorKind::Storage).unwrap_or(error),
        }
    }

    /// Looks for a case's key again if another process has replaced the keyring.
    async fn find_case_key(&self, case: CaseId) -> Result<Option<Secret<32>>> {
        let keyring = self.current_keyring().await?;
        if let Some((_, key)) = self.load_case_key(case, &keyring, None).await? {
            return Ok(Some(key));
        }
        self.ledger().sync().await?;
        self.case_stands(case).await?;
        let newer = self.current_keyring().await?;
        if newer.digest == keyring.digest {
            return Ok(None);
        }
        Ok(self.load_case_key(case, &newer, None).await?.map(|(_, key)| key))
    }

    /// Stores a new case's key under the keyring's current epoch.
    ///
    /// # Errors
    ///
    /// The storage's.
    pub(crate) async fn put_case_key(
        &self,
        case: CaseId,
        key: &Secret<32>,
        keyring: &LoadedKeyring,
    ) -> Result<()> {
        let epoch = keyring.keys.current_epoch();
        let epoch_key =
            keyring.keys.epoch_key(epoch).ok_or_else(|| Error::corrupt("the keyring's epochs"))?;
        let object = seal(self.id(), case, epoch, epoch_key, key, self.ledger().entropy())?;
        self.ledger().put(&layout::case_key(case, epoch), object).await
    }

    /// A wrap as the storage shows it, no longer than tells that it is none.
    async fn stored_wrap(&self, name: &ObjectKey) -> Result<Option<Bytes>> {
        Ok(self.ledger().storage().read(name, Some(beyond(WRAP_LEN))).await?)
    }

    /// A case's key, and the newest epoch of `keyring` under which the storage shows a wrap of it. The case's row is looked
    /// up if it is needed and not given.
    async fn load_case_key(
        &self,
        case: CaseId,
        keyring: &LoadedKeyring,
        row: Option<Row>,
    ) -> Result<Option<(u32, Secret<32>)>> {
        for (epoch, epoch_key) in keyring.keys.epochs() {
            let name = layout::case_key(case, epoch);
            if let Some(object) = self.stored_wrap(&name).await? {
                let opened = open(self.id(), case, epoch, epoch_key, &object);
                let key = opened.map_err(|OpenError| Error::corrupt(format!("object {name}")))?;
                if epoch != keyring.keys.current_epoch() {
                    // A rotation is under way, and it may be for an epoch whose key others have: they can wrap any key.
                    if let Err(error) = self.proves_case_key(case, row, &key).await {
                        return Err(self.unless_erased(case, error).await);
                    }
                }
                return Ok(Some((epoch, key)));
            }
        }
        Ok(None)
    }

    /// The stored wraps of a case's key under epochs of `keyring`, newest first, each with whether it opens to `key`, or to
    /// the same as the first one that opens; none if the storage shows none.
    ///
    /// # Errors
    ///
    /// The storage's.
    pub(crate) async fn wraps(
        &self,
        case: CaseId,
        keyring: &LoadedKeyring,
        key: Option<&Secret<32>>,
    ) -> Result<Vec<StoredWrap>> {
        let mut newest = key.map(Secret::duplicate);
        let shown = self.shown_wraps(case, keyring).await?.into_iter().map(|(name, object, key)| {
            let opens = key.is_some_and(|key| is_same(newest.get_or_insert_with(|| key.duplicate()), &key));
            StoredWrap { name, object, opens }
        });
        Ok(shown.collect())
    }

    /// What the storage shows as wraps of a case's key under epochs of `keyring` opens to, as far as it opens.
    ///
    /// # Errors
    ///
    /// The storage's.
    pub(super) async fn wrapped_keys(
        &self,
        case: CaseId,
        keyring: &LoadedKeyring,
    ) -> Result<Vec<Secret<32>>> {
        Ok(self.shown_wraps(case, keyring).await?.into_iter().filter_map(|(_, _, key)| key).collect())
    }

    /// What the storage shows under each epoch of `keyring`, newest first: the name, the object, and the key if it opens.
    async fn shown_wraps(
        &self,
        case: CaseId,
        keyring: &LoadedKeyring,
    ) -> Result<Vec<(ObjectKey, Bytes, Option<Secret<32>>)>> {
        let mut shown = Vec::new();
        for (epoch, epoch_key) in keyring.keys.epochs() {
            let name = layout::case_key(case, epoch);
            if let Some(object) = self.stored_wrap(&name).await? {
                let key = open(self.id(), case, epoch, epoch_key, &object).ok();
                shown.push((name, object, key));
            }
        }
        Ok(shown)
    }

    /// Wraps a case's key under the current epoch too, if it is not yet.
    ///
    /// # Errors
    ///
    /// Erased, if it was meanwhile; corrupt; the storage's.
    pub(super) async fn rewrap_case(&self, row: Row, keyring: &LoadedKeyring) -> Result<()> {
        let case = plan::case_of(&row);
        let epoch = keyring.keys.current_epoch();
        let name = layout::case_key(case, epoch);
        let epoch_key =
            keyring.keys.epoch_key(epoch).ok_or_else(|| Error::corrupt("the keyring's epochs"))?;
        let Some((wrapped, key)) = self.load_case_key(case, keyring, Some(row)).await? else {
            let error = self.unless_erased(case, missing(case)).await;
            // Who drops an epoch deletes its wraps.
            let overtaken =
                error.kind() == ErrorKind::Corrupt && self.ledger().state().keyring() != keyring.digest;
            return Err(if overtaken { Error::denied(OVERTAKEN) } else { error });
        };
        if wrapped == epoch {
            // By an earlier try, or by another process.
            return Ok(());
        }
        let object = seal(self.id(), case, epoch, epoch_key, &key, self.ledger().entropy())?;
        match self.ledger().put(&name, object).await {
            Ok(()) => Ok(()),
            Err(error) => match self.stored_wrap(&name).await? {
                // Another process wrapped the same key in the same place at the same time.
                Some(object)
                    if open(self.id(), case, epoch, epoch_key, &object)
                        .is_ok_and(|there| is_same(&there, &key)) =>
                {
                    Ok(())
                }
                _ => Err(error),
            },
        }
    }
}

fn is_same(key: &Secret<32>, other: &Secret<32>) -> bool {
    key.expose().ct_eq(other.expose()).into()
}

fn missing(case: CaseId) -> Error {
    Error::corrupt(format!("the key of case {case}"))
}

fn seal(
    vault: VaultId,
    case: CaseId,
    epoch: u32,
    epoch_key: &Secret<32>,
    key: &Secret<32>,
    entropy: &dyn Entropy,
) -> Result<Bytes, EntropyError> {
    let mut w = Writer::new();
    w.fixed(b"dvck").u8(FORMAT).u8(SUITE).u16(0).u32(epoch);
    w.fixed(&wrap::wrap(epoch_key, &context(vault, case, epoch), key, entropy)?);
    Ok(w.into_vec().into())
}

/// Bytes of a stored wrap.
const WRAP_LEN: usize = 12 + WRAPPED_LEN;

fn open(
    vault: VaultId,
    case: CaseId,
    epoch: u32,
    epoch_key: &Secret<32>,
    object: &[u8],
) -> Result<Secret<32>, OpenError> {
    let wrapped = parse(epoch, object).map_err(|Malformed| OpenError)?;
    wrap::unwrap(epoch_key, &context(vault, case, epoch), &wrapped)
}

pub(crate) fn parse(epoch: u32, object: &[u8]) -> Result<[u8; WRAPPED_LEN], Malformed> {
    let mut r = Reader::new(object);
    r.expect(b"dvck")?;
    r.expect(&[FORMAT, SUITE, 0, 0])?;
    r.expect(&epoch.to_be_bytes())?;
    let wrapped = r.array()?;
    r.finish()?;
    Ok(wrapped)
}

fn context(vault: VaultId, case: CaseId, epoch: u32) -> [u8; 32] {
    schedule::context(schedule::CASE_KEY, &[vault.as_bytes(), case.as_bytes(), &epoch.to_be_bytes()])
}

const OVERTAKEN: &str = "the keyring changed while its epoch was being rotated: another change came first";

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    };

    use async_trait::async_trait;
    use futures_util::future::try_join_all;

    use super::*;
    use crate::{
        document::NewDocument,
        env::SystemEntropy,
        keyring::Keyring,
        keys::LocalKey,
        ledger::forgery::lying::Lying,
        storage::{
            Creation, MemoryStorage, Storage, StorageError, StorageErrorKind, around::Around,
            testing::CountingStorage,
        },
    };

    /// A storage in which somebody else is the first to create an object.
    #[derive(Debug, Default)]
    struct Overtaken {
        objects: MemoryStorage,
        by: Mutex<Option<(ObjectKey, Bytes)>>,
    }

    #[async_trait]
    impl Around for Overtaken {
        fn objects(&self) -> &dyn Storage {
            &self.objects
        }

        async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<Creation, StorageError> {
            let first = self.by.lock().expect("no panic").take_if(|(name, _)| name == key);
            if let Some((name, first)) = first {
                self.objects.create(&name, first).await?;
            }
            self.objects.create(key, bytes).await
        }
    }

    #[test]
    fn a35_a_wrap_of_a_dropped_epoch_opens_under_no_later_keyring() {
        let (vault, case) = (VaultId::from_bytes([1; 16]), CaseId::from_bytes([2; 16]));
        let mut keys = Keyring::generate(&SystemEntropy).expect("entropy");
        let old = keys.current_epoch();
        let old_key = keys.epoch_key(old).expect("the current epoch").duplicate();
        let kept = seal(vault, case, old, &old_key, &Secret::take([7; 32]), &SystemEntropy).expect("entropy");
        assert!(open(vault, case, old, &old_key, &kept).is_ok());
        keys.add_epoch(&SystemEntropy).expect("entropy");
        keys.drop_old_epochs();
        assert!(keys.epochs().all(|(epoch, _)| epoch > old));
        for (epoch, key) in keys.epochs() {
            for claimed in [old, epoch] {
                // Also if it is passed off as a wrap of the epoch that is held.
                let mut object = kept.to_vec();
                object.splice(8..12, claimed.to_be_bytes());
                assert!(open(vault, case, claimed, key, &object).is_err());
            }
        }
    }

    /// Who has an epoch's key wraps any key under it. The rotation to the next has begun, and is kept from its end.
    #[test]
    fn a_wrap_under_an_epoch_that_is_to_be_dropped_has_to_be_the_cases() {
        futures_lite::future::block_on(async {
            let (storage, folder) =
                (Arc::new(MemoryStorage::default()), tempfile::tempdir().expect("a folder"));
            let path = folder.path().join("key");
            let key = LocalKey::create(&path).expect("a key");
            let vault = Vault::create(storage.clone(), key).await.expect("a vault");
            let desk = vault.session("a").purpose("p").begin().expect("a session");
            let halts = desk.create_case("halts").await.expect("a case");
            let leaked = vault.current_keyring().await.expect("a keyring").keys.current_epoch();
            let wrap = layout::case_key(halts, leaked);
            let kept = storage.read(&wrap, None).await.expect("memory").expect("a wrap");
            storage.delete(&wrap).await.expect("memory");
            assert_eq!(desk.rotate_epoch().await.expect_err("no key").kind(), ErrorKind::Corrupt);
            storage.create(&wrap, kept).await.expect("memory");

            let case = desk.create_case("new").await.expect("a case");
            let keyring = vault.current_keyring().await.expect("a keyring");
            let mut forged = Vec::new();
            for (epoch, epoch_key) in keyring.keys.epochs() {
                let name = layout::case_key(case, epoch);
                storage.delete(&name).await.expect("memory");
                let false_key = Secret::take([7; 32]);
                let object = seal(vault.id(), case, epoch, epoch_key, &false_key, &SystemEntropy);
                forged.push((epoch, name, object.expect("entropy")));
            }
            let (_, name, object) = forged.iter().find(|(epoch, ..)| *epoch == leaked).expect("it is held");
            storage.create(name, object.clone()).await.expect("memory");

            let key = LocalKey::load(&path).expect("a key");
            let another = Vault::open(storage.clone(), key, &vault.pin()).await.expect("it opens");
            let other = another.session("b").purpose("q").begin().expect("a session");
            let stored = other.store(case, NewDocument::named("x"), b"x".to_vec()).await;
            assert_eq!(stored.expect_err("a false key").kind(), ErrorKind::Corrupt);
            assert_eq!(other.rotate_epoch().await.expect_err("a false key").kind(), ErrorKind::Corrupt);
            assert_eq!(
                storage.list(&layout::of_case(layout::CASE_KEYS, case), None, 9).await.expect("memory").len(),
                1
            );
            // Under the one that stays it is the owner's own forgery; beside the other it is noticed.
            let (_, name, _) = forged.iter().find(|(epoch, ..)| *epoch != leaked).expect("it was added");
            let epoch_key = keyring.keys.epoch_key(keyring.keys.current_epoch()).expect("it is held");
            let epoch = keyring.keys.current_epoch();
            let own = seal(vault.id(), case, epoch, epoch_key, &Secret::take([8; 32]), &SystemEntropy);
            storage.create(name, own.expect("entropy")).await.expect("memory");
            let wraps = vault.wraps(case, &keyring, None).await.expect("memory");
            assert_eq!(wraps.iter().map(|wrap| wrap.opens).collect::<Vec<_>>(), [true, false]);
        });
    }

    /// Who has the newest epoch's key, too, can be the first to wrap under it.
    #[test]
    fn a_wrap_that_came_first_has_to_hold_the_cases_key() {
        futures_lite::future::block_on(async {
            let (storage, folder) = (Arc::new(Overtaken::default()), tempfile::tempdir().expect("a folder"));
            let root = LocalKey::create(folder.path().join("key")).expect("a key");
            let vault = Vault::create(storage.clone(), root).await.expect("a vault");
            let desk = vault.session("a").purpose("p").begin().expect("a session");
            let case = desk.create_case("c").await.expect("a case");
            let row = vault.fresh_row(&RowKey::case(case)).await.expect("memory").expect("a row");
            let key = vault.case_key(case).await.expect("its key");
            let mut keys = Keyring::generate(&SystemEntropy).expect("entropy");
            let wrapped = |keys: &Keyring, key: &Secret<32>| {
                let epoch = keys.current_epoch();
                let epoch_key = keys.epoch_key(epoch).expect("it is held");
                let object = seal(vault.id(), case, epoch, epoch_key, key, &SystemEntropy);
                (layout::case_key(case, epoch), object.expect("entropy"))
            };
            let (name, object) = wrapped(&keys, &key);
            storage.delete(&name).await.expect("memory");
            storage.create(&name, object).await.expect("memory");
            keys.add_epoch(&SystemEntropy).expect("entropy");
            let keyring = LoadedKeyring::new([0; 32], keys);
            let false_key = Secret::take([7; 32]);
            for (first, refused) in [(&false_key, Some(ErrorKind::Corrupt)), (&*key, None)] {
                let (name, object) = wrapped(&keyring.keys, first);
                *storage.by.lock().expect("no panic") = Some((name.clone(), object.clone()));
                let rewrapped = vault.rewrap_case(row.clone(), &keyring).await;
                assert_eq!(rewrapped.err().map(|error| error.kind()), refused);
                assert_eq!(storage.read(&name, None).await.expect("memory"), Some(object), "it came first");
                storage.delete(&name).await.expect("memory");
            }
        });
    }

    #[test]
    fn p04_a_case_key_opens_for_its_vault_case_and_epoch_alone() {
        let (vault, case) = (VaultId::from_bytes([1; 16]), CaseId::from_bytes([2; 16]));
        let (epoch_key, key) = (Secret::take([3; 32]), Secret::take([4; 32]));
        let object = seal(vault, case, 7, &epoch_key, &key, &SystemEntropy).expect("entropy");
        assert_eq!(open(vault, case, 7, &epoch_key, &object).expect("opens").expose(), key.expose());
        assert!(open(VaultId::from_bytes([9; 16]), case, 7, &epoch_key, &object).is_err());
        assert!(open(vault, CaseId::from_bytes([9; 16]), 7, &epoch_key, &object).is_err());
        assert!(open(vault, case, 7, &Secret::take([9; 32]), &object).is_err());
        assert!(open(vault, case, 8, &epoch_key, &object).is_err());
        let mut renumbered = object.to_vec();
        renumbered[8..12].copy_from_slice(&8u32.to_be_bytes());
        assert!(open(vault, case, 8, &epoch_key, &renumbered).is_err());
    }

    /// A vault of a folded log, which knows nothing by heart, and whose index cannot be read once that is said.
    async fn folded() -> (Vault, CaseId, Arc<AtomicBool>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let fails = Arc::new(AtomicBool::new(false));
        let told = fails.clone();
        let place = Lying::about(Arc::default()).reading(move |_, name| {
            let fails = told.load(Ordering::SeqCst) && name.as_str().starts_with(layout::INDEX);
            fails.then(|| Err(StorageError::new(StorageErrorKind::Unavailable, "no")))
        });
        let place: Arc<dyn Storage> = Arc::new(place);
        let vault = Vault::create(place.clone(), LocalKey::create(&path).expect("a key")).await;
        let vault = vault.expect("a vault");
        let desk = vault.session("a").purpose("p").begin().expect("a session");
        let case = desk.create_case("c").await.expect("a case");
        while vault.ledger().state().manifest.covered() == 0 {
            try_join_all((0..50).map(|_| desk.cases(None))).await.expect("records");
        }
        let key = LocalKey::load(&path).expect("the key");
        (Vault::open(place, key, &vault.pin()).await.expect("it opens"), case, fails)
    }

    /// Gives something of a case unasked.
    struct Giving(CaseId);

    impl Holder for Giving {
        fn forget(&self, _: CaseId) {}

        fn gives_unasked(&self) -> Option<CaseId> {
            Some(self.0)
        }
    }

    /// That nothing was heard of an erasure is no word that there was none.
    #[test]
    fn whether_a_case_was_erased_is_not_known_while_the_index_cannot_be_read() {
        futures_lite::future::block_on(async {
            let (vault, case, fails) = folded().await;
            let holder: Arc<dyn Holder> = Arc::new(Giving(case));
            vault.tell_of_erasures(Arc::downgrade(&holder));
            let corrupt = || Error::corrupt("a head");
            for (failing, told, missing) in
                [(true, Some(ErrorKind::Storage), ErrorKind::Storage), (false, None, ErrorKind::Corrupt)]
            {
                fails.store(failing, Ordering::SeqCst);
                assert_eq!(vault.sync().await.err().map(|error| error.kind()), told);
                assert_eq!(vault.unless_erased(case, corrupt()).await.kind(), missing);
            }
        });
    }

    /// By an earlier try, which was not finished.
    #[test]
    fn what_is_wrapped_under_the_newest_epoch_is_not_wrapped_again() {
        futures_lite::future::block_on(async {
            let (place, folder) =
                (Arc::new(CountingStorage::new(Arc::<MemoryStorage>::default())), tempfile::tempdir());
            let root = LocalKey::create(folder.expect("a folder").path().join("key")).expect("a key");
            let vault = Vault::create(place.clone(), root).await.expect("a vault");
            let desk = vault.session("a").purpose("p").begin().expect("a session");
            let case = desk.create_case("c").await.expect("a case");
            let row = vault.fresh_row(&RowKey::case(case)).await.expect("memory").expect("a row");
            let current = vault.current_keyring().await.expect("a keyring");
            let mut keys = current.keys.duplicate();
            keys.add_epoch(&SystemEntropy).expect("entropy");
            let newer = LoadedKeyring::new([0; 32], keys);
            for created in [1, 0] {
                place.take();
                vault.rewrap_case(row.clone(), &newer).await.expect("wrapped");
                assert_eq!(place.take().create, created);
            }
        });
    }
}
