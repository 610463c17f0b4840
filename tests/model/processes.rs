//! Processes that start and end, and the keys they start with.

use std::{collections::BTreeSet, sync::Arc};

use docvault::{NoSleep, Pin, Session, Vault, VaultOptions, keys::LocalKey};

use super::operations::Pair;

impl Pair {
    fn load(&self, name: &str) -> Arc<LocalKey> {
        Arc::new(LocalKey::load(self.folder.path().join(name)).unwrap())
    }

    pub(super) async fn reopen(&mut self, who: usize, pin: &Pin) {
        let options = VaultOptions::default().clock(self.hands.clone()).sleeper(NoSleep::default());
        let opened = Vault::open_with(self.storage.clone(), self.load(&self.key), pin, options).await;
        self.vaults[who] = opened.unwrap();
    }

    async fn opens_nothing(&self, name: &str, pin: &Pin) {
        let opened =
            Vault::open(self.storage.clone(), LocalKey::load(self.folder.path().join(name)).unwrap(), pin);
        assert_eq!(opened.await.unwrap_err().kind(), docvault::ErrorKind::Locked);
    }

    pub(super) async fn change_slots(&mut self, desk: &Session, a: u8, name: &str) {
        if self.slots.len() < 3 && a < 160 {
            let key = LocalKey::create(self.folder.path().join(name)).unwrap();
            self.slots.insert(name.into(), desk.add_slot(&key, name).await.unwrap());
            self.model.slots.insert(name.into());
        } else if let Some((label, slot)) = self.slots.pop_first() {
            desk.remove_slot(slot).await.unwrap();
            self.model.slots.remove(&label);
            self.opens_nothing(&label, &desk.vault().pin()).await;
        }
        let labels = desk.vault().slots().await.unwrap().into_iter().map(|slot| slot.label);
        assert_eq!(labels.collect::<BTreeSet<_>>(), self.model.slots);
    }

    /// A new root key; both processes go on with it.
    pub(super) async fn rotate_root(&mut self, desk: &Session, name: &str) {
        let slots = desk.vault().slots().await.unwrap();
        let root = slots.iter().find(|slot| slot.label == "root").unwrap().id;
        let key = LocalKey::create(self.folder.path().join(name)).unwrap();
        desk.rotate_root(root, &key).await.unwrap();
        let old = std::mem::replace(&mut self.key, name.into());
        self.opens_nothing(&old, &desk.vault().pin()).await;
        let pin = desk.vault().pin();
        self.reopen(0, &pin).await;
        self.reopen(1, &pin).await;
    }

    /// Everything once more, by both and by a process that starts now; the log verifies.
    pub async fn end(mut self) {
        let pin = self.vaults[0].sync().await.unwrap();
        assert_eq!(self.vaults[1].sync().await.unwrap(), pin);
        for (who, pin) in [(0, self.first_pin.clone()), (1, pin)] {
            self.reopen(who, &pin).await;
            let desk = self.desk(who as u8);
            for case in self.model.cases.keys() {
                self.list(&desk, *case).await;
            }
            for document in self.model.documents.keys() {
                self.history(&desk, *document).await;
                self.who_can_open(&desk, *document).await;
            }
            let audit = desk.vault().audit();
            audit.verify_from_genesis().await.unwrap();
            let verified = audit.verify(&self.first_pin).await.unwrap();
            assert_eq!(verified.freshness, docvault::Freshness::FreshByPin);
        }
    }
}
