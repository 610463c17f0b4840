//! Keyrings, case keys, passphrases (§4).

use super::{
    chest::{Case, Chest, Slot},
    file::{KitFile, hex},
    forge::{Out, context, hpke_public, pad, seal},
    log::{base, over_base, released},
};

/// The base with a keyring more, which `make` gives, and a record that names it.
fn over(name: &str, what: &str, make: impl FnOnce(&mut Chest) -> Vec<u8>) -> KitFile {
    let name = format!("keys/{name}");
    let (chest, _, _) = base();
    let mut chest = chest.overlay(&name);
    let object = make(&mut chest);
    let keyring = chest.put_keyring(object);
    let record = chest.keyring_change(4, keyring);
    chest.commit(vec![record]);
    over_base(&name, "§4.2", what, &chest).expect("corrupt")
}

/// Its contents are others.
fn contents(name: &str, what: &str, change: fn(&mut Chest)) -> KitFile {
    over(name, what, |chest| {
        let mut other = chest.clone();
        change(&mut other);
        let padded = pad(&other.keyring_contents());
        chest.keyring_of(*b"dvkr\x01\x01\0\0", &padded)
    })
}

pub fn files() -> Vec<KitFile> {
    [keyrings(), slots(), case_keys(), passphrases()].concat()
}

fn keyrings() -> Vec<KitFile> {
    let start = |name: &str, what: &str, at: usize, value: u8| {
        over(name, what, |chest| {
            let mut start = *b"dvkr\x01\x01\0\0";
            start[at] = value;
            let padded = pad(&chest.keyring_contents());
            chest.keyring_of(start, &padded)
        })
    };
    let padded = |name: &str, what: &str, change: fn(&mut Vec<u8>)| {
        over(name, what, |chest| {
            let mut padded = pad(&chest.keyring_contents());
            change(&mut padded);
            chest.keyring_of(*b"dvkr\x01\x01\0\0", &padded)
        })
    };
    let (_, _, versions) = base();
    vec![
        over("keyring-changed", "Another keyring, of the same keys", Chest::keyring)
            .expect("accept")
            .releasing(&released(&versions)),
        start("keyring-format", "Format 2", 4, 2),
        start("keyring-suite", "Suite 2", 5, 2),
        start("keyring-reserved", "A reserved bit", 6, 1),
        padded("keyring-padding", "Padding that is not zero", |padded| *padded.last_mut().unwrap() = 1),
        padded("keyring-padding-class", "Padding of a class too many", |padded| {
            padded.resize(padded.len() + 256, 0);
        }),
        over("keyring-byte-behind", "A byte behind its contents", |chest| {
            let padded = pad(&[chest.keyring_contents(), vec![0]].concat());
            chest.keyring_of(*b"dvkr\x01\x01\0\0", &padded)
        }),
        contents("keyring-no-epoch", "No epoch", |chest| chest.epochs.clear()),
        contents("keyring-epochs-unsorted", "Epochs out of order", |chest| {
            let key = chest.epochs[0].1;
            chest.epochs = vec![(2, key), (1, key)];
        }),
        contents("keyring-epoch-doubled", "An epoch twice", |chest| {
            let epoch = chest.epochs[0];
            chest.epochs.push(epoch);
        }),
        contents("keyring-labels", "A label of another slot", |chest| chest.slots[0].id[0] ^= 1),
        contents("keyring-label-missing", "A slot without a label", |chest| chest.slots.clear()),
        over("keyring-other-vault", "A keyring of another vault", |chest| {
            let mut other = chest.clone();
            other.vault[0] ^= 1;
            other.keyring()
        }),
        over("keyring-missing", "A keyring that is not there", Chest::keyring).taking_away("keyring/"),
        over("keyring-altered", "A bit of the keyring's payload", Chest::keyring).flipping("keyring/"),
        over("keyring-older", "The keyring before it in its place", Chest::keyring).exchanging("keyring/"),
    ]
}

fn slots() -> Vec<KitFile> {
    let slots = |name: &str, what: &str, change: fn(&mut Chest)| {
        over(name, what, |chest| {
            let mut other = chest.clone();
            change(&mut other);
            other.keyring()
        })
    };
    vec![
        slots("no-slot", "A keyring without slots", |chest| chest.slots.clear()),
        slots("slots-unsorted", "Slots out of order", |chest| {
            let other = Slot { id: [0; 16], ..chest.slots[0].clone() };
            chest.slots.push(other);
        }),
        slots("slot-doubled", "A slot twice", |chest| chest.slots.push(chest.slots[0].clone())),
        slots("slot-other-kind", "A slot of no kind that opens with a key file", |chest| {
            chest.slots[0].kind = 2;
        })
        .expect("locked"),
        slots("slot-other-id", "A slot whose seed was wrapped for another", |chest| {
            chest.slots[0].id[0] ^= 1;
        })
        .expect("locked"),
        slots("slot-other-public-key", "A slot whose public key is not its seed's", |chest| {
            chest.slots[0].public = hpke_public(&[5; 32]);
        }),
        slots("slot-wrapped-altered", "A bit of a slot's wrapped seed", |chest| {
            chest.slots[0].wrapped[60] ^= 1;
        })
        .expect("locked"),
        KitFile::new("keys/other-root-key", "vault", "§4.3", "Another root key")
            .expect("locked")
            .with("base", "log/base")
            .hex("root-key", &[9; 32]),
    ]
}

fn case_keys() -> Vec<KitFile> {
    let key = |name: &str, what: &str, make: fn(&mut Chest, &Case) -> Option<Vec<u8>>| {
        let name = format!("keys/case-key-{name}");
        let (chest, case, _) = base();
        let mut chest = chest.overlay(&name);
        let object = make(&mut chest, &case);
        chest.objects.insert(format!("key/{}/00000001", hex(&case.id)), object);
        over_base(&name, "§4.4", what, &chest).expect("corrupt")
    };
    vec![
        key("missing", "A case whose key is not there", |_, _| None),
        key("magic", "Another magic", |chest, case| Some(altered(chest, case, 0, b'x'))),
        key("format", "Format 2", |chest, case| Some(altered(chest, case, 4, 2))),
        key("suite", "Suite 2", |chest, case| Some(altered(chest, case, 5, 2))),
        key("reserved", "A reserved bit", |chest, case| Some(altered(chest, case, 7, 1))),
        key("other-epoch", "It says another epoch than its name", |chest, case| {
            Some(altered(chest, case, 11, 2))
        }),
        key("cut", "The last byte missing", |chest, case| {
            let (_, mut object) = chest.case_key(case);
            object.pop();
            Some(object)
        }),
        key("byte-behind", "A byte behind it", |chest, case| {
            let (_, object) = chest.case_key(case);
            Some([object, vec![0]].concat())
        }),
        key("under-other-key", "Wrapped under a key that is not the vault's", |chest, case| {
            chest.epochs[0].1 = [9; 32];
            Some(chest.case_key(case).1)
        }),
        key("of-other-case", "The key of another case", |chest, case| {
            let other = Case { id: [9; 16], ..*case };
            Some(chest.case_key(&other).1)
        }),
        key("of-other-vault", "Wrapped for another vault", |chest, case| {
            chest.vault[0] ^= 1;
            Some(chest.case_key(case).1)
        }),
        key("other-case-key", "Another key, soundly wrapped", |chest, case| {
            let other = Case { key: [9; 32], ..*case };
            Some(chest.case_key(&other).1)
        }),
    ]
}

fn altered(chest: &mut Chest, case: &Case, at: usize, value: u8) -> Vec<u8> {
    let (_, mut object) = chest.case_key(case);
    object[at] = value;
    object
}

const PASSPHRASE: &str = "contrasen\u{303}a de la caja";

/// A keyring with a slot more, of a passphrase, whose wrapped seed starts with this version and says these costs.
fn passphrase(name: &str, what: &str, version: u8, costs: [u32; 3]) -> KitFile {
    let file = over(name, what, |chest| {
        let (id, seed, salt): ([u8; 16], [u8; 32], [u8; 16]) =
            (chest.dice.array(), chest.dice.array(), chest.dice.array());
        let slot = context("slot seed", &[&chest.vault, &id, &2u16.to_be_bytes()]);
        let [memory, passes, lanes] = costs.map(u32::to_be_bytes);
        let key = argon2id(PASSPHRASE.as_bytes(), &salt, costs);
        let bound = context("passphrase slot", &[&slot, &memory, &passes, &lanes, &salt]);
        let out = Out::default().u8(version).fixed(&memory).fixed(&passes).fixed(&lanes).fixed(&salt);
        let wrapped = out.fixed(&seal(&key, &bound, &seed, &mut chest.dice)).0;
        chest.slots.push(Slot { id, kind: 2, public: hpke_public(&seed), wrapped });
        chest.slots.sort_by_key(|slot| slot.id);
        chest.keyring()
    });
    file.hex("passphrase", PASSPHRASE.as_bytes())
}

/// RFC 9106; of costs that nobody is to pay, a key that nobody gets to.
fn argon2id(passphrase: &[u8], salt: &[u8], [memory, passes, lanes]: [u32; 3]) -> [u8; 32] {
    let mut key = [0; 32];
    if memory > 1 << 16 || passes > 16 || lanes > 16 {
        return key;
    }
    let params = argon2::Params::new(memory, passes, lanes, Some(32)).unwrap();
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    argon2.hash_password_into(passphrase, salt, &mut key).unwrap();
    key
}

fn passphrases() -> Vec<KitFile> {
    const COSTS: [u32; 3] = [19_456, 2, 1];
    let (_, _, versions) = base();
    let composed = "contraseña de la caja";
    let mut other =
        passphrase("passphrase-composed", "The same letters, composed: another passphrase", 1, COSTS);
    other.fields.retain(|(name, _)| name != "passphrase");
    vec![
        passphrase("passphrase", "Opened with a passphrase, which nothing normalizes", 1, COSTS)
            .expect("accept")
            .releasing(&released(&versions)),
        other.hex("passphrase", composed.as_bytes()).expect("locked"),
        passphrase("passphrase-version", "A wrapped seed of version 2", 2, COSTS).expect("locked"),
        passphrase("passphrase-too-cheap", "Costs below any floor", 1, [8, 1, 1]).expect("denied"),
        passphrase("passphrase-too-dear", "4 TiB of memory", 1, [u32::MAX, 2, 1]).expect("denied"),
        passphrase("passphrase-too-long", "2³² − 1 passes", 1, [19_456, u32::MAX, 1]).expect("denied"),
    ]
}

impl KitFile {
    fn objects(self, change: impl FnOnce(&mut std::collections::BTreeMap<String, Option<Vec<u8>>>)) -> Self {
        let mut objects = super::file::contained(&self.body).into_iter().collect();
        change(&mut objects);
        self.body(super::file::container(&objects))
    }

    /// Without what it adds under `prefix`.
    fn taking_away(self, prefix: &str) -> Self {
        self.objects(|objects| objects.retain(|name, _| !name.starts_with(prefix)))
    }

    /// With a bit of that altered.
    fn flipping(self, prefix: &str) -> Self {
        self.objects(|objects| {
            let (_, object) = objects.iter_mut().find(|(name, _)| name.starts_with(prefix)).unwrap();
            let object = object.as_mut().unwrap();
            let at = object.len() - 5;
            object[at] ^= 1;
        })
    }

    /// With the base's in its place.
    fn exchanging(self, prefix: &str) -> Self {
        let older = base().0.objects.into_iter().find(|(name, _)| name.starts_with(prefix)).unwrap().1;
        self.objects(|objects| {
            let (_, object) = objects.iter_mut().find(|(name, _)| name.starts_with(prefix)).unwrap();
            *object = older;
        })
    }
}
