//! Files that nothing but what they say is wrong with. Those of these faults in the other modules have another one besides: their
//! content is not padded, their pages are not there.

use super::{
    chest::Chest,
    commit::merkle,
    file::KitFile,
    forge::{pad, seal},
    head::{Head, Version, content_digest, zeros},
    heads::{self, CONTENT},
    index::{Fold, folded},
    log::{base, over_base, released},
    notes::{log_key, verifier_key},
};

pub fn files() -> Vec<KitFile> {
    [inline(), elsewhere(), metadata(), pages(), manifests(), policies()].concat()
}

/// The content as a head keeps it, sealed in this place.
fn sealed(version: &Version, place: &[u8], padded: &[u8], chest: &mut Chest) -> Vec<u8> {
    [&version.attempt[..], &seal(&version.key, place, padded, &mut chest.dice)].concat()
}

/// Content in its head, padded as these bytes are.
fn padded(name: &str, what: &str, padded: fn() -> Vec<u8>) -> KitFile {
    heads::head(name, what, |head, chest, version| {
        let place = version.place(head, 0, 0);
        head.inline = sealed(version, &place, &padded(), chest);
    })
}

fn inline() -> Vec<KitFile> {
    vec![
        padded("content-padding", "The true content, and padding that is not zero", || {
            let mut padded = zeros(CONTENT);
            *padded.last_mut().unwrap() = 1;
            padded
        }),
        padded("content-padding-missing", "The true content without its padding", || CONTENT.to_vec()),
        padded("content-padding-long", "The true content, and a zero too many", || {
            [zeros(CONTENT), vec![0]].concat()
        }),
    ]
}

/// Padded content that is sealed for another place, one thing of it another each time.
fn elsewhere() -> Vec<KitFile> {
    let of = |name: &str, what: &str, change: fn(&mut Version), page: u32| {
        heads::head(name, what, |head, chest, version| {
            let mut other = version.clone();
            change(&mut other);
            let place = other.place(head, page, 0);
            head.inline = sealed(version, &place, &zeros(CONTENT), chest);
        })
    };
    vec![
        of("padded-of-other-vault", "Content sealed for another vault", |other| other.ids.vault[0] ^= 1, 0),
        of("padded-of-other-case", "Content sealed for another case", |other| other.ids.case[0] ^= 1, 0),
        of(
            "padded-of-other-object",
            "Content sealed for another document",
            |other| other.ids.object[0] ^= 1,
            0,
        ),
        of(
            "padded-of-other-operation",
            "Content sealed for another version",
            |other| other.ids.operation[0] ^= 1,
            0,
        ),
        of("padded-of-other-page", "Content sealed for the second page", |_| {}, 1),
        of("padded-of-other-attempt", "Content sealed by another attempt", |other| other.attempt[0] ^= 1, 0),
    ]
}

/// Metadata that is padded or encoded otherwise, over content that is sound.
fn metadata() -> Vec<KitFile> {
    let plaintext = |name: &str, format: &str, what: &str, made: fn(Vec<u8>) -> Vec<u8>| {
        heads::over(&format!("meta-{name}"), format, what, |chest, _, version| {
            let meta = made(version.meta.encode());
            let mut head =
                Head::seal_padded(&version.ids, &version.case_key, &version.key, &meta, &mut chest.dice);
            let place = version.place(&head, 0, 0);
            head.inline = sealed(&version, &place, &zeros(CONTENT), chest);
            version.store_as(chest, &head);
        })
    };
    vec![
        plaintext("padding", "§1", "Padding that is not zero", |meta| {
            let mut padded = pad(&meta);
            *padded.last_mut().unwrap() = 1;
            padded
        }),
        plaintext("padding-class", "§1", "Padding of a class too many", |meta| {
            [pad(&meta), vec![0; 256]].concat()
        }),
        plaintext("padding-missing", "§1", "No padding", |meta| {
            pad(&meta).into_iter().take(4 + meta.len()).collect()
        }),
        plaintext("padding-length", "§1", "A length beyond what is there", |meta| {
            let mut padded = pad(&meta);
            padded[..4].copy_from_slice(&[0, 0, 9, 9]);
            padded
        }),
        // The optional SHA-256, the storage and the number of runs end the only page.
        plaintext("optional", "§7.2", "A SHA-256 that is neither absent nor there", |mut meta| {
            let at = meta.len() - 6;
            meta[at] = 2;
            pad(&meta)
        }),
        plaintext("byte-behind", "§7.2", "A byte behind the last page", |meta| {
            pad(&[meta, vec![0]].concat())
        }),
        plaintext("cut", "§7.2", "The last byte of the last page missing", |meta| {
            pad(&meta[..meta.len() - 1])
        }),
        heads::meta("version-digest", "Another digest than that of its only page", |version| {
            version.meta.digest[0] ^= 1;
        }),
    ]
}

/// Versions of many pages, all of which are there.
fn pages() -> Vec<KitFile> {
    let (_, _, versions) = base();
    let of = |name: &str, what: &str, count: usize| {
        let name = format!("parts/{name}");
        let (chest, case, _) = base();
        let mut chest = chest.overlay(&name);
        let version = Version::parts(&mut chest, &case, &vec![&b""[..]; count]);
        assert_eq!(version.meta.digest, content_digest(&version.meta.pages));
        version.store(&mut chest);
        let all = [&versions[..], &[version]].concat();
        (over_base(&name, "§7.2", what, &chest), released(&all))
    };
    let (most, all) = of("pages-most", "1,024 pages of nothing", 1024);
    let (beyond, _) = of("pages-beyond", "1,025 pages of nothing", 1025);
    vec![most.releasing(&all), beyond.expect("corrupt")]
}

/// Manifests that say of what they cover what is so.
fn manifests() -> Vec<KitFile> {
    let covering = |name: &str, what: &str, covered: usize| {
        folded(name, what, |fold: &mut Fold, chest| {
            fold.covered = covered as u64;
            fold.frontier = peaks(&chest.hashes()[..covered]);
            // Of fewer than 256 records there is no table.
            fold.tables.clear();
        })
    };
    vec![covering("manifest-of-255", "A manifest of the first 255 records, which has no table", 255)]
}

/// The roots of the perfect subtrees, largest first.
fn peaks(mut leaves: &[[u8; 32]]) -> Vec<[u8; 32]> {
    let mut peaks = Vec::new();
    while let Some(log) = leaves.len().checked_ilog2() {
        let (peak, rest) = leaves.split_at(1 << log);
        peaks.push(merkle(peak));
        leaves = rest;
    }
    peaks
}

fn policies() -> Vec<KitFile> {
    let (chest, _, _) = base();
    let of = |name: &str, what: &str, key: String| {
        let file = KitFile::new(&format!("notes/policy-{name}"), "policy", "§10.2", what);
        file.body(format!("log {key}\nquorum none\n")).expect("invalid")
    };
    let (log, other) = (log_key(&chest), verifier_key("log.example", 1, &[9; 32]));
    let id = |key: &str| key.split('+').nth(1).unwrap().to_owned();
    vec![of("key-id-of-other", "A key with the id of another", log.replacen(&id(&log), &id(&other), 1))]
}
