//! Folds (§6): a log of some 260 records, and what indexes it; checkpoints that the vault kept (§9.2).

use super::{
    chest::{Case, Chest, Key, Record},
    commit::{leaf_hash, merkle},
    content,
    file::{KitFile, container, hex},
    forge::{Out, flipped, hpke_public, patched, sha256},
    head::{Grant, Version},
    log::{released, whole},
};

const COVERED: usize = 256;
const BASE: &str = "index/base";

/// More records than a fold covers; its tiles are there, its index is not.
fn base() -> (Chest, Case, Vec<Version>) {
    let mut chest = Chest::new(BASE);
    let case = chest.open_case("Archivo");
    let first = Version::inline(&mut chest, &case, b"primera");
    first.store(&mut chest);
    let second = Version::inline(&mut chest, &case, &content(300, 1)).after(&first);
    second.store(&mut chest);
    let recipient = hpke_public(&[1; 32]);
    Grant::new(&mut chest, &case, second.ids.object, &recipient, 2).store(&mut chest, &case);
    while chest.leaves.len() < COVERED + 2 {
        let count = (COVERED + 2 - chest.leaves.len()).min(32);
        let records = (0..count).map(|_| chest.browsed()).collect();
        chest.commit(records);
    }
    let (leaves, hashes) = (&chest.leaves[..COVERED], &chest.hashes()[..COVERED]);
    let bundle: Vec<u8> = leaves.iter().flat_map(|leaf| [&280u16.to_be_bytes()[..], leaf].concat()).collect();
    let (bundle, tile) = (bundle, hashes.concat());
    chest.put(format!("tile/entries/{:016x}-0100", 0), bundle);
    chest.put(format!("tile/00/{:016x}-0100", 0), tile);
    chest.put(format!("tile/01/{:016x}-0001", 0), merkle(&chest.hashes()[..COVERED]).to_vec());
    (chest, case, vec![second])
}

/// The rows of one record (§6.1): relation, parent, child.
fn keys(leaf: &[u8]) -> Vec<(u8, Vec<u8>, Vec<u8>)> {
    let (case, object, auxiliary, operation) =
        (&leaf[64..80], &leaf[80..96], &leaf[96..128], &leaf[128..144]);
    let own = (7, Vec::new(), operation.to_vec());
    let document = [case, object].concat();
    match leaf[7] {
        1 => vec![own, (8, Vec::new(), Vec::new())],
        3 => vec![(1, Vec::new(), case.to_vec()), own],
        6 => vec![(2, case.to_vec(), object.to_vec()), (3, document, operation.to_vec()), own],
        11 => {
            vec![(4, document, operation.to_vec()), (5, auxiliary.to_vec(), [operation, case].concat()), own]
        }
        8 => Vec::new(),
        other => panic!("no rows are known of kind {other}"),
    }
}

/// All rows, ascending, the newest of each key.
fn rows(chest: &Chest) -> Vec<Vec<u8>> {
    let mut rows = std::collections::BTreeMap::new();
    for (seq, leaf) in chest.leaves[..COVERED].iter().enumerate() {
        let position = usize::from(u16::from_be_bytes([leaf[12], leaf[13]]));
        let previous = &chest.leaves[seq - position][32..48];
        let value = [
            &leaf[16..24],
            &leaf[6..8],
            &leaf[24..32],
            &leaf[128..144],
            &leaf[96..128],
            &leaf[192..224],
            &leaf_hash(leaf),
            &leaf[12..14],
            previous,
        ]
        .concat();
        for (relation, mut parent, mut child) in keys(leaf) {
            parent.resize(32, 0);
            child.resize(32, 0);
            rows.insert([vec![relation], parent, child].concat(), value.clone());
        }
    }
    rows.into_iter().map(|(key, value)| [key, value].concat()).collect()
}

/// A fold before it is stored.
pub(super) struct Fold {
    start: [u8; 8],
    page_start: [u8; 8],
    rows: Vec<Vec<u8>>,
    pub(super) covered: u64,
    pub(super) frontier: Vec<Key>,
    keyring: Key,
    /// Level, from, to, written, rows, height.
    pub(super) tables: Vec<(u8, u64, u64, u64, u64, u8)>,
    /// Behind the manifest, and behind the page.
    behind: [Vec<u8>; 2],
}

impl Fold {
    fn of(chest: &Chest) -> Self {
        let rows = rows(chest);
        let covered = COVERED as u64;
        Self {
            start: *b"dvix\x01\0\0\0",
            page_start: *b"dvip\x01\0\0\0",
            covered,
            frontier: vec![merkle(&chest.hashes()[..COVERED])],
            keyring: chest.leaves[0][192..224].try_into().unwrap(),
            tables: vec![(0, 0, covered, covered, rows.len() as u64, 0)],
            rows,
            behind: [Vec::new(), Vec::new()],
        }
    }

    fn page(&self) -> Vec<u8> {
        let out = Out::default().fixed(&self.page_start).u32(self.rows.len());
        out.fixed(&self.rows.concat()).fixed(&self.behind[1]).0
    }

    fn manifest(&self) -> Vec<u8> {
        let out = Out::default().fixed(&self.start).u64(self.covered).u32(self.frontier.len());
        let mut out = out.fixed(&self.frontier.concat()).fixed(&self.keyring).u32(self.tables.len());
        for (level, from, to, written, rows, height) in &self.tables {
            out = out.u8(*level).u64(*from).u64(*to).u64(*written).u64(*rows).u8(*height);
            out = out.fixed(&sha256(&[&self.page()]));
        }
        out.fixed(&self.behind[0]).0
    }

    /// Stores page and manifest; gives the record that names it.
    fn put(&self, chest: &mut Chest) -> Record {
        let (page, manifest) = (self.page(), self.manifest());
        chest.put(index_name(self.covered, &page), page);
        let state_root = sha256(&[&manifest]);
        chest.put(index_name(self.covered, &manifest), manifest);
        let auxiliary = self.covered.to_be_bytes().to_vec();
        Record { auxiliary, state_root, ..chest.record(14) }
    }
}

fn index_name(covered: u64, object: &[u8]) -> String {
    format!("index/{covered:016x}-{}", hex(&sha256(&[object])))
}

/// The base with a fold that `change` alters before it is stored.
pub(super) fn folded(name: &str, what: &str, change: impl FnOnce(&mut Fold, &mut Chest)) -> KitFile {
    let name = format!("index/{name}");
    let (chest, _, _) = base();
    let mut chest = chest.overlay(&name);
    let mut fold = Fold::of(&chest);
    change(&mut fold, &mut chest);
    let record = fold.put(&mut chest);
    chest.commit(vec![record]);
    KitFile::new(&name, "vault", "§6", what)
        .with("base", BASE)
        .expect("corrupt")
        .body(container(&chest.objects))
}

/// A sound fold, one of whose objects is another in its place.
fn exchanged(name: &str, what: &str, prefix: &str, change: fn(&[u8]) -> Option<Vec<u8>>) -> KitFile {
    let name = format!("index/{name}");
    let (whole, _, _) = base();
    let mut chest = whole.overlay(&name);
    let record = Fold::of(&chest).put(&mut chest);
    chest.commit(vec![record]);
    let mut all = whole.objects.iter().chain(&chest.objects);
    let (key, object) = all.rfind(|(key, object)| is(key, object.as_deref(), prefix)).unwrap();
    let (key, object) = (key.clone(), change(object.as_deref().unwrap()));
    chest.objects.insert(key, object);
    KitFile::new(&name, "vault", "§6", what)
        .with("base", BASE)
        .expect("corrupt")
        .body(container(&chest.objects))
}

/// Whether an object is that of `prefix`: the start of its name, or of its bytes.
fn is(key: &str, object: Option<&[u8]>, prefix: &str) -> bool {
    key.starts_with(prefix) || object.is_some_and(|object| object.starts_with(prefix.as_bytes()))
}

pub fn files() -> Vec<KitFile> {
    [sound(), manifests(), pages(), objects(), kept()].concat()
}

fn sound() -> Vec<KitFile> {
    let (chest, _, versions) = base();
    vec![
        whole(BASE, "258 records, with tiles of the first 256, and no index", &chest, &versions),
        folded("folded", "With an index of 256 records", |_, _| {})
            .expect("accept")
            .releasing(&released(&versions)),
    ]
}

fn manifests() -> Vec<KitFile> {
    let of = |name: &str, what: &str, change: fn(&mut Fold)| {
        folded(&format!("manifest-{name}"), what, |fold, _| change(fold))
    };
    vec![
        of("format", "Format 2", |fold| fold.start[4] = 2),
        of("reserved", "A reserved bit", |fold| fold.start[7] = 1),
        of("odd", "It covers what is no multiple of 256", |fold| fold.covered = 255),
        of("beyond", "It covers more records than there are", |fold| fold.covered = 512),
        of("nothing", "It covers nothing", |fold| fold.covered = 0),
        of("frontier", "Another frontier", |fold| fold.frontier[0][0] ^= 1),
        of("frontier-long", "A frontier of two", |fold| fold.frontier.push([0; 32])),
        of("keyring", "Another keyring", |fold| fold.keyring[0] ^= 1),
        of("no-table", "Without its table", |fold| fold.tables.clear()),
        of("table-doubled", "A table twice", |fold| fold.tables.push(fold.tables[0])),
        of("table-range", "A table of another range", |fold| fold.tables[0].2 = 128),
        of("table-rows", "A table of a row less than its page has", |fold| fold.tables[0].4 -= 1),
        of("table-height", "A table of another height", |fold| fold.tables[0].5 = 1),
        of("byte-behind", "A byte behind the last table", |fold| fold.behind[0].push(0)),
    ]
}

fn pages() -> Vec<KitFile> {
    let of = |name: &str, what: &str, change: fn(&mut Fold)| {
        folded(&format!("page-{name}"), what, |fold, _| change(fold))
    };
    vec![
        of("format", "Format 2", |fold| fold.page_start[4] = 2),
        of("reserved", "A reserved bit", |fold| fold.page_start[7] = 1),
        of("height", "A page of another height", |fold| fold.page_start[5] = 1),
        of("unsorted", "Rows out of order", |fold| fold.rows.swap(1, 2)),
        of("doubled", "A row twice", |fold| {
            fold.rows.insert(1, fold.rows[0].clone());
            fold.tables[0].4 += 1;
        }),
        of("row-missing", "Without the row of the newest version", |fold| {
            fold.rows.retain(|row| row[0] != 2);
            fold.tables[0].4 = fold.rows.len() as u64;
        }),
        of("row-older", "The row of a document is that of its first version", |fold| {
            let row = fold.rows.iter().position(|row| row[0] == 2).unwrap();
            let versions: Vec<&Vec<u8>> = fold.rows.iter().filter(|row| row[0] == 3).collect();
            let oldest = versions.into_iter().min_by_key(|row| row[65..73].to_vec()).unwrap()[65..].to_vec();
            fold.rows[row] = [&fold.rows[row][..65], &oldest].concat();
        }),
        of("row-added", "A row of a grant that nobody gave", |fold| {
            let row = fold.rows.iter().find(|row| row[0] == 4).unwrap();
            let added = patched(row, 33, &[0xff; 16]);
            let at = fold.rows.iter().position(|row| row > &added).unwrap();
            fold.rows.insert(at, added);
            fold.tables[0].4 += 1;
        }),
        of("relation", "A relation that is not known", |fold| fold.rows.last_mut().unwrap()[0] = 13),
        of("byte-behind", "A byte behind the last row", |fold| fold.behind[1].push(0)),
        of("empty", "A page without rows", |fold| fold.rows.clear()),
    ]
}

fn objects() -> Vec<KitFile> {
    vec![
        exchanged("manifest-missing", "A manifest that is not there", "dvix", |_| None),
        exchanged("manifest-altered", "A manifest that is not the one that is named", "dvix", |object| {
            Some(flipped(object, object.len() - 1))
        }),
        exchanged("page-missing", "A page that is not there", "dvip", |_| None),
        exchanged("page-altered", "A page that is not the one that is named", "dvip", |object| {
            Some(flipped(object, object.len() - 1))
        }),
        exchanged("page-cut", "A page of its first row alone", "dvip", |object| {
            Some([&object[..8], &[0, 0, 0, 1], &object[12..12 + 213]].concat())
        }),
        exchanged(
            "bundle-altered",
            "A bundle of entries that are not the log's",
            "tile/entries/",
            |object| Some(flipped(object, 300)),
        ),
        exchanged("tile-altered", "A tile whose hashes are not the log's", "tile/00/", |object| {
            Some(flipped(object, 40))
        }),
        exchanged(
            "partial-tile-altered",
            "A partial tile whose hash is not the log's",
            "tile/01/",
            |object| Some(flipped(object, 4)),
        ),
    ]
}

/// A kept checkpoint of the base of `log` before it is stored.
struct Kept {
    start: [u8; 8],
    note: String,
    tokens: Vec<(String, Vec<u8>)>,
    size: u64,
    behind: Vec<u8>,
}

/// A vault that kept a checkpoint, changed.
fn keeping(name: &str, what: &str, change: fn(&mut Kept, &Chest)) -> KitFile {
    let name = format!("index/kept-{name}");
    let (chest, _, _) = super::log::base();
    let mut chest = chest.overlay(&name);
    let size = chest.leaves.len();
    let note = note(&chest, size, &merkle(&chest.hashes()));
    let mut kept =
        Kept { start: *b"dvcp\x01\0\0\0", note, tokens: Vec::new(), size: size as u64, behind: Vec::new() };
    change(&mut kept, &chest);
    let mut out = Out::default().fixed(&kept.start).text(&kept.note).u32(kept.tokens.len());
    for (authority, token) in &kept.tokens {
        out = out.text(authority).bytes(token);
    }
    let object = out.fixed(&kept.behind).0;
    let effect = sha256(&[&object]);
    chest.put(format!("checkpoint/{:016x}-{}", !kept.size, hex(&effect)), object);
    let record = Record { auxiliary: kept.size.to_be_bytes().to_vec(), effect, ..chest.record(17) };
    chest.commit(vec![record]);
    super::log::over_base(&name, "§9.2", what, &chest).expect("corrupt")
}

fn kept() -> Vec<KitFile> {
    let (_, _, versions) = super::log::base();
    let accept = |file: KitFile| file.expect("accept").releasing(&released(&versions));
    vec![
        accept(keeping("sound", "A checkpoint that the vault kept", |_, _| {})),
        accept(keeping("tokens", "With tokens of two authorities", |kept, _| {
            kept.tokens =
                vec![("a.example".to_owned(), b"one".to_vec()), ("b.example".to_owned(), Vec::new())];
        })),
        keeping("format", "Format 2", |kept, _| kept.start[4] = 2),
        keeping("reserved", "A reserved bit", |kept, _| kept.start[6] = 1),
        keeping("tokens-unsorted", "Tokens out of order", |kept, _| {
            kept.tokens =
                vec![("b.example".to_owned(), b"one".to_vec()), ("a.example".to_owned(), b"two".to_vec())];
        }),
        keeping("tokens-doubled", "Two tokens of one authority", |kept, _| {
            kept.tokens =
                vec![("a.example".to_owned(), b"one".to_vec()), ("a.example".to_owned(), b"two".to_vec())];
        }),
        keeping("token-of-nobody", "A token of an authority without a name", |kept, _| {
            kept.tokens = vec![(String::new(), b"one".to_vec())];
        }),
        keeping("tokens-too-many", "17 tokens", |kept, _| {
            kept.tokens = (0..17).map(|i| (format!("{i:02}.example"), Vec::new())).collect();
        }),
        keeping("byte-behind", "A byte behind the last token", |kept, _| kept.behind.push(0)),
        keeping("other-size", "A checkpoint of another size than its record says", |kept, _| kept.size -= 1),
        keeping("other-root", "A checkpoint of another root", |kept, chest| {
            kept.note = note(chest, chest.leaves.len(), &[9; 32]);
        })
        .expect("forked"),
        keeping("future", "A checkpoint of more records than are before it", |kept, chest| {
            kept.size += 1;
            kept.note = note(chest, chest.leaves.len() + 1, &merkle(&chest.hashes()));
        }),
        keeping("unsigned", "A checkpoint that somebody else signed", |kept, chest| {
            let mut other = chest.clone();
            other.signing.checkpoint = [9; 32];
            kept.note = note(&other, chest.leaves.len(), &merkle(&chest.hashes()));
        }),
    ]
}

fn note(chest: &Chest, size: usize, root: &Key) -> String {
    super::notes::checkpoint(&chest.origin(), size, root, &chest.signing.checkpoint)
}
