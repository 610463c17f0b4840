//! What this process's memory holds of keys once the vault is dropped: all that can be read is looked through, the
//! stacks and what the allocator took back included. Alone in its process.
//!
//! All randomness of the vault comes from here, so every key is known. Looked for are a secret's last bytes, as over the first ones the allocator writes links of its own once
//! they are given back; they are kept under a mask, or they would be found.
#![cfg(all(feature = "fs", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::Read,
    os::unix::fs::FileExt,
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use common::{block_on, identity};
use docvault::{
    Entropy, EntropyError, NewDocument, Recipient, SystemEntropy, Terms, Vault, VaultOptions,
    keys::{LocalKey, Passphrase},
    storage::FsStorage,
};
use zeroize::{Zeroize, Zeroizing};

const MASK: u8 = 0xA5;

/// The end of a secret to look for, unreadable until unmasked.
struct Masked(Vec<u8>);

impl Masked {
    fn new(secret: &[u8]) -> Self {
        Self(secret[secret.len() - LOOKED_FOR..].iter().map(|byte| byte ^ MASK).collect())
    }

    fn is_at(&self, place: &[u8]) -> bool {
        place.len() >= self.0.len() && self.0.iter().zip(place).all(|(masked, byte)| masked ^ MASK == *byte)
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        bytes.windows(self.0.len()).any(|place| self.is_at(place))
    }
}

/// The system's randomness, of which keys, and whatever else has as many bytes or more, are kept, and blinds counted.
///
/// A key is drawn in its place on the heap, a blind onto the stack. Blinds are no keys: what they hide is shown to
/// whoever opens a head, and they stay where heads were.
#[derive(Clone, Default)]
struct Known(Arc<Mutex<(Vec<Masked>, usize)>>);

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Known")
    }
}

impl Entropy for Known {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        SystemEntropy::default().fill(bytes)?;
        let mut known = self.0.lock().unwrap();
        let onto_stack = (&raw const known).addr().abs_diff(bytes.as_ptr().addr()) < 1 << 20;
        if bytes.len() == 32 && onto_stack {
            known.1 += 1;
        } else {
            // An encapsulation draws more than it takes: the coins of ML-KEM, then the secret of X25519.
            known.0.extend(bytes.chunks_exact(32).take(2).map(Masked::new));
        }
        Ok(())
    }
}

/// How often each secret is found, and in what kind of memory.
fn scan(secrets: &[Masked]) -> BTreeMap<(usize, String), usize> {
    let (memory, mut found) = (File::open("/proc/self/mem").unwrap(), BTreeMap::new());
    let mut first = vec![false; 1 << 16];
    let pair = |bytes: &[u8], mask| usize::from(bytes[0] ^ mask) << 8 | usize::from(bytes[1] ^ mask);
    secrets.iter().for_each(|secret| first[pair(&secret.0, MASK)] = true);
    let mut window = Zeroizing::new(vec![0u8; WINDOW + OVERLAP]);
    let own = window.as_ptr().addr()..window.as_ptr().addr() + window.len();
    for line in fs::read_to_string("/proc/self/maps").unwrap().lines() {
        let mut fields = line.split_whitespace();
        let (range, mode) = (fields.next().unwrap(), fields.next().unwrap());
        let kind = fields.nth(3).unwrap_or("anonymous").to_owned();
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|at| usize::from_str_radix(at, 16).unwrap());
        if !mode.starts_with("rw") {
            continue;
        }
        for at in (start..end).step_by(WINDOW) {
            let len = (end - at).min(WINDOW + OVERLAP);
            memory.read_exact_at(&mut window[..len], at as u64).unwrap();
            for page in (0..len.min(WINDOW)).step_by(PAGE) {
                let bytes = &window[page..len.min(page + PAGE + OVERLAP)];
                if bytes == &NOTHING[..bytes.len()] {
                    continue;
                }
                for (offset, two) in bytes.windows(2).take(PAGE).enumerate() {
                    if !first[pair(two, 0)] || own.contains(&(at + page + offset)) {
                        continue;
                    }
                    for (number, secret) in secrets.iter().enumerate() {
                        if secret.is_at(&bytes[offset..]) {
                            *found.entry((number, kind.clone())).or_default() += 1;
                        }
                    }
                }
            }
            window.zeroize();
            window.resize(WINDOW + OVERLAP, 0);
        }
    }
    found
}

const WINDOW: usize = 1 << 20;
const PAGE: usize = 4096;
const NOTHING: [u8; PAGE + OVERLAP] = [0; PAGE + OVERLAP];
const LOOKED_FOR: usize = 16;
/// What may lie across two windows.
const OVERLAP: usize = LOOKED_FOR;

/// The key in a key file, as bytes and as the text that the file has.
fn root_key(path: &Path) -> [Masked; 2] {
    let mut text = Zeroizing::new(vec![0; 256]);
    let len = File::open(path).unwrap().read(&mut text).unwrap();
    let digits = text[..len].trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap();
    let nibble = |digit: u8| (digit as char).to_digit(16).unwrap() as u8;
    let bytes: Zeroizing<Vec<u8>> =
        Zeroizing::new(digits.chunks(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect());
    [Masked::new(&bytes), Masked::new(digits)]
}

/// A passphrase, which the program's own text has only backwards.
fn phrase() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(b"egnaro etarebiled tnegru revir egabbac topaet neves".iter().rev().copied().collect())
}

/// What a vault is used for, with secrets looked for in the middle of it.
async fn life(folder: &Path, entropy: Known, watch: &(dyn Fn() + Sync)) {
    let (storage, path) = (FsStorage::create(folder.join("vault")).unwrap(), folder.join("key"));
    let options = VaultOptions::default().entropy(entropy);
    let vault = Vault::create_with(Arc::new(storage), Arc::new(LocalKey::load(path).unwrap()), options)
        .await
        .unwrap();
    let desk = vault.session("a").purpose("p").begin().unwrap();
    let case = desk.create_case("c").await.unwrap();
    for len in [100, 3 << 20] {
        let stored = desk.store(case, NewDocument::named("x"), vec![1; len]).await.unwrap();
        desk.store_version(stored.document, NewDocument::named("x"), "again", vec![2; len]).await.unwrap();
        assert_eq!(desk.retrieve(stored.document).await.unwrap().len(), len);
        desk.retrieve_range(stored.document, 10..50).await.unwrap();
    }
    let (notary, _file) = identity();
    let to = Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string()).unwrap();
    let grant = desk.grant(case, &to, Terms::read().purpose("p")).await.unwrap();
    let delivery = desk.deliver(grant).await.unwrap().collect().await.unwrap();
    let mut opened = notary.open(delivery.as_ref(), &vault.sender()).unwrap();
    while let Some(document) = opened.next_document().unwrap() {
        document.content().unwrap();
    }
    let text = String::from_utf8(phrase().to_vec()).unwrap();
    desk.add_slot(&Passphrase::new(text).cost(19 * 1024, 2, 1), "recovery").await.unwrap();
    desk.rotate_epoch().await.unwrap();
    watch();
}

#[test]
fn no_key_is_left_in_memory_when_a_vault_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    drop(LocalKey::create(&path).unwrap());
    let (entropy, during) = (Known::default(), Mutex::new(0));
    // On a thread of its own, whose stack is kept by nobody.
    let watch = || {
        let found = scan(&entropy.0.lock().unwrap().0);
        *during.lock().unwrap() = found.into_keys().map(|(number, _)| number).collect::<BTreeSet<_>>().len();
    };
    thread::scope(|scope| {
        let lives = || block_on(life(folder.path(), entropy.clone(), &watch));
        scope.spawn(lives).join().unwrap();
    });
    let (mut secrets, blinds) = std::mem::take(&mut *entropy.0.lock().unwrap());
    assert_eq!(blinds, 6, "of a case, four versions and a grant");
    assert!(
        !secrets.iter().any(|drawn| stands_in(&folder.path().join("vault"), drawn)),
        "stored in the clear"
    );
    let drawn = secrets.len();
    secrets.extend(root_key(&path));
    secrets.push(Masked::new(&phrase()));
    let during = during.into_inner().unwrap();
    let found = scan(&secrets);
    println!(
        "{} secrets looked for, {during} found while the vault was open, then: {found:?}",
        secrets.len()
    );
    assert!(during >= 5, "the vault's keys are found as long as it has them");
    assert!(drawn > 15, "{drawn}");
    assert!(found.is_empty(), "{found:?} of {drawn} drawn");
    assert!(!scan(&[unwiped()]).is_empty(), "what was given back as it was is found");
}

/// Bytes that were given back to the allocator without having been wiped.
fn unwiped() -> Masked {
    let mut bytes = vec![0; 32];
    SystemEntropy::default().fill(&mut bytes).unwrap();
    Masked::new(&bytes)
}

/// Whether a file under `folder` has it in the clear.
fn stands_in(folder: &Path, drawn: &Masked) -> bool {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() { stands_in(&path, drawn) } else { drawn.is_in(&fs::read(&path).unwrap()) }
    })
}
