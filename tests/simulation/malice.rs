//! An operator who lies to one process at a time, and is found out or does no harm.

use std::{collections::BTreeMap, rc::Rc, sync::Arc};

use bytes::Bytes;
use docvault::{
    Freshness, Pin, VaultOptions,
    storage::{MemoryStorage, ObjectKey, Storage, testing::EvilStorage},
};
use sha2::{Digest, Sha256};

use super::{
    chance::{Chance, Seeded},
    executor::Hands,
    prefab::{Prefab, RootKey},
    storage::all,
    world::{BIRTH, World},
};

/// Lies for a while, now about this and now about that.
pub async fn lie(world: Rc<World>, older: Vec<Rc<Prefab>>) {
    for _ in 0..8 {
        let pause = world.draw(40);
        world.time.sleep(pause).await;
        let views = world.views.borrow().clone();
        // Rather to those who came last: the others may be dead or done.
        let drawn = || world.draw(views.len() as u64) as usize;
        let view = &views[drawn().max(drawn())];
        let (evil, which) = (&view.liar.evil, world.draw(8));
        let lie = match which {
            0 | 1 => older_index(&world, evil, &older).await,
            2 => forged_tail(&world, evil).await,
            3..=6 => several(&world, evil, &older, which).await,
            _ => older_storage(&world, &older).await,
        };
        view.liar.begin(lie);
        world.count(&format!("lie: {lie}"));
        world.say(|| format!("{} is lied to: {lie}", view.process));
        let duration = 20 + world.draw(150);
        world.time.sleep(duration).await;
        evil.repent();
    }
}

/// One kind of lie about some objects: who is lied to about one only rarely asks for it.
async fn several(world: &World, evil: &EvilStorage, older: &[Rc<Prefab>], which: u64) -> &'static str {
    let before = older.get(world.draw(older.len() as u64 + 1) as usize);
    let mut told = "nothing";
    for _ in 0..6 {
        let lie = match which {
            3 => hidden(world, evil).await,
            4 => other(world, evil, before).await,
            5 => altered(world, evil).await,
            _ => listed(world, evil).await,
        };
        told = if lie == "nothing" { told } else { lie };
    }
    told
}

/// Of the objects there are, one of a kind that is drawn first, or the many parts of one would hide the rest.
async fn any(world: &World, objects: &MemoryStorage) -> Option<(ObjectKey, Bytes)> {
    let kinds = ["head/", "index/", "index/", "key/", "keyring/", "log/", "log/", "part/", "tile/"];
    let kind = kinds[world.draw(kinds.len() as u64) as usize];
    let of_kind = all(objects, kind).await;
    // The newest commits are the first.
    let among = if kind == "log/" { of_kind.len().min(4) } else { of_kind.len() };
    of_kind.get(world.draw(among as u64) as usize).cloned()
}

async fn hidden(world: &World, evil: &EvilStorage) -> &'static str {
    let Some((key, _)) = any(world, &world.objects).await else { return "nothing" };
    evil.hide(&key);
    "hidden object"
}

/// An object in another's place: of the same kind and of now, or of an older state.
async fn other(world: &World, evil: &EvilStorage, before: Option<&Rc<Prefab>>) -> &'static str {
    let Some((key, there)) = any(world, &world.objects).await else { return "nothing" };
    let kind = key.as_str().split('/').next().expect("a segment").to_owned() + "/";
    let place = before.map_or(&*world.objects, |older| &older.objects);
    let of_kind = all(place, &kind).await;
    match of_kind.get(world.draw(of_kind.len() as u64) as usize) {
        Some((_, bytes)) if *bytes != there => evil.show(&key, bytes.clone()),
        _ => return "nothing",
    }
    if before.is_some() { "older object" } else { "other object" }
}

async fn altered(world: &World, evil: &EvilStorage) -> &'static str {
    let Some((key, bytes)) = any(world, &world.objects).await else { return "nothing" };
    let mut altered = bytes.to_vec();
    let at = world.draw(altered.len() as u64) as usize;
    match world.draw(3) {
        0 => altered.truncate(at),
        1 => altered.push(0),
        _ => altered[at] ^= 1 << world.draw(8),
    }
    evil.show(&key, altered.into());
    "altered object"
}

async fn listed(world: &World, evil: &EvilStorage) -> &'static str {
    let Some((key, _)) = any(world, &world.objects).await else { return "nothing" };
    if world.draw(2) == 0 {
        evil.unlist(&key);
    } else {
        evil.list_twice(&key);
    }
    "listings that leave out and repeat"
}

/// In the place of each page of rows of the newest fold, the page of an older one that begins most like it
/// (FORMAT §6.2): what changed in between would be hidden, were pages not authenticated.
async fn older_index(world: &World, evil: &EvilStorage, older: &[Rc<Prefab>]) -> &'static str {
    let mut by_fold: BTreeMap<String, Vec<(ObjectKey, Bytes)>> = BTreeMap::new();
    let mut objects = all(&world.objects, "index/").await;
    for prefab in older {
        objects.extend(all(&prefab.objects, "index/").await);
    }
    for (key, bytes) in objects.into_iter().filter(|(_, bytes)| bytes.starts_with(b"dvip\x01\0")) {
        let fold = key.as_str()[6..22].to_owned();
        by_fold.entry(fold).or_default().push((key, bytes));
    }
    let Some((_, newest)) = by_fold.pop_last() else { return "nothing" };
    let Some((_, before)) = by_fold.pop_last() else { return "nothing" };
    let first_row = |bytes: &Bytes| bytes[12..77].to_vec();
    for (key, page) in newest {
        let like = before.iter().filter(|(_, other)| first_row(other) <= first_row(&page));
        let like = like.max_by_key(|(_, other)| first_row(other)).or(before.first());
        if let Some((_, other)) = like {
            evil.show(&key, other.clone());
        }
    }
    "older index"
}

/// A commit behind the head that nobody signed: it repeats an older version's record, as if that were the newest
/// (FORMAT §5.1, §5.3).
async fn forged_tail(world: &World, evil: &EvilStorage) -> &'static str {
    let commits = all(&world.objects, "log/").await;
    let mut log = Log::default();
    for (_, bytes) in commits.iter().rev() {
        log.read(bytes);
    }
    let mut versions: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
    for (at, leaf) in log.leaves.iter().enumerate().filter(|(_, leaf)| leaf[6..8] == [0, 6]) {
        versions.entry(&leaf[64..96]).or_default().push(at);
    }
    let replaced: Vec<usize> = versions.values().filter(|of| of.len() > 1).map(|of| of[0]).collect();
    let Some(old) = replaced.get(world.draw(replaced.len() as u64) as usize) else { return "nothing" };
    let (name, forged) = log.behind(*old);
    let key: ObjectKey = name.parse().expect("a name");
    evil.show(&key, forged);
    "forged tail"
}

#[derive(Default)]
struct Log {
    vault: Vec<u8>,
    leaves: Vec<Vec<u8>>,
    bodies: Vec<Vec<u8>>,
    hashes: Vec<[u8; 32]>,
}

impl Log {
    fn read(&mut self, commit: &[u8]) {
        let number = |at: usize| u32::from_be_bytes(commit[at..at + 4].try_into().unwrap()) as usize;
        let (count, recent) = (number(32), number(36));
        self.vault = commit[8..24].to_vec();
        let mut at = 124 + 280 * recent;
        for _ in 0..count {
            self.leaves.push(commit[at..at + 280].to_vec());
            self.hashes
                .push(Sha256::new_with_prefix([0]).chain_update(&commit[at..at + 280]).finalize().into());
            at += 280;
        }
        for _ in 0..count {
            let len = number(at);
            self.bodies.push(commit[at + 4..at + 4 + len].to_vec());
            at += 4 + len;
        }
    }

    /// The name and the bytes of a commit behind the last that repeats a record.
    fn behind(&self, record: usize) -> (String, Bytes) {
        let (seq, previous) = (self.leaves.len() as u64, self.hashes[self.hashes.len() - 1]);
        let mut leaf = self.leaves[record].clone();
        leaf[12..14].copy_from_slice(&[0, 0]);
        leaf[16..24].copy_from_slice(&seq.to_be_bytes());
        leaf[24..32].copy_from_slice(&self.leaves[self.leaves.len() - 1][24..32]);
        leaf[32..64].copy_from_slice(&previous);
        let epoch = self.leaves.iter().map(|leaf| &leaf[144..148]).max().expect("a leaf").to_vec();
        leaf[144..148].copy_from_slice(&epoch);
        let mut hashes = self.hashes.clone();
        hashes.push(Sha256::new_with_prefix([0]).chain_update(&leaf).finalize().into());
        let body = &self.bodies[record];
        let mut forged = [b"dvcm\x01\x01\0\0".as_slice(), &self.vault, &seq.to_be_bytes()].concat();
        forged.extend([0, 0, 0, 1, 0, 0, 0, 0]);
        forged.extend(previous);
        forged.extend(root(&hashes));
        forged.extend([7; 16]);
        forged.extend((body.len() as u32 + 4).to_be_bytes());
        forged.extend(&leaf);
        forged.extend((body.len() as u32).to_be_bytes());
        forged.extend(body);
        forged.extend([1; 64]);
        let hex: String = previous[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        (format!("log/{:016x}-{hex}", !seq), forged.into())
    }
}

/// RFC 6962 §2.1.
fn root(hashes: &[[u8; 32]]) -> [u8; 32] {
    match hashes {
        [only] => *only,
        _ => {
            let (left, right) = hashes.split_at(hashes.len().next_power_of_two() / 2);
            Sha256::new_with_prefix([1]).chain_update(root(left)).chain_update(root(right)).finalize().into()
        }
    }
}

/// An older copy of the storage, and a fork of it that went on by itself: neither passes for this one.
async fn older_storage(world: &World, older: &[Rc<Prefab>]) -> &'static str {
    let Some(old) = older.get(world.draw(older.len() as u64) as usize) else { return "nothing" };
    let newer = &world.prefab.pin;
    let copy = Arc::new(EvilStorage::new(&old.objects));
    let opened = open(world, copy.clone(), newer).await;
    world.expect("an older storage is not taken for a newer one", opened.is_err());
    let fork = Arc::new(copy.fork());
    let Ok(vault) = open(world, fork.clone(), &old.pin).await else {
        world.expect("an older storage opens with its own pin", false);
        return "nothing";
    };
    let rolled_back = vault.audit().verify(newer).await;
    let fresh = rolled_back.is_ok_and(|verified| verified.freshness == Freshness::FreshByPin);
    world.expect("an older log is not fresh by a newer pin", !fresh);
    let desk = vault.session("forked").purpose("p").begin().expect("an actor");
    let stored = desk.make_statement(old.known.cases[0], docvault::NewStatement::on("t")).await;
    world.expect("a fork goes on by itself", stored.is_ok());
    let forked = open(world, Arc::new(EvilStorage::over(world.objects.clone())), &vault.pin()).await;
    world.expect("the storage is not taken for its fork", forked.is_err());
    "older storage and its fork"
}

async fn open(
    world: &World,
    storage: Arc<EvilStorage>,
    pin: &Pin,
) -> Result<docvault::Vault, docvault::Error> {
    let seeded = |stream| Seeded::new(Chance::new(world.tag(), stream));
    let root = RootKey { number: 1, entropy: seeded(1) };
    let options = VaultOptions::default()
        .entropy(seeded(2))
        .sleeper(docvault::NoSleep::default())
        .clock(Hands { time: world.time.clone(), ahead: BIRTH });
    let storage: Arc<dyn Storage> = storage;
    docvault::Vault::open_with(storage, Arc::new(root), pin, options).await
}
