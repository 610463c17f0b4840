//! The log outside the vault: stock clients, other parsers, people; and the deep check of what folds wrote.
#![cfg(all(feature = "testing", feature = "fs"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::unwrap_in_result,
    reason = "tests"
)]

mod common;
#[path = "common/interrupted.rs"]
mod interrupted;
#[path = "kit_writer/mod.rs"]
mod writer;

use core::time::Duration;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use common::{block_on, vault_on};
use docvault::{
    Checkpoint, ErrorKind, LogReader, NewDocument, NoSleep, Pin, RecordFilter, Session, Vault, VaultOptions,
    keys::LocalKey,
    storage::{
        MemoryStorage, ObjectKey, Storage,
        testing::{DelayedStorage, EvilStorage, Fault, FaultyStorage, VirtualTime},
    },
    verify_exported_records,
};
use interrupted::Interrupted;
use signed_note::{Note, StandardVerifier, VerifierList};
use tempfile::TempDir;
use tlog_tiles::{
    Error as TlogError, Hash, Tile, TileHashReader, TileReader, check_record, check_tree, prove_record,
    prove_tree, record_hash,
};
use writer::chest::Chest;

struct Fixture {
    storage: Arc<MemoryStorage>,
    vault: Vault,
    folder: TempDir,
    pin: Pin,
}

impl Fixture {
    async fn new() -> Self {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = vault_on(storage.clone()).await;
        let pin = vault.pin();
        Self { storage, vault, folder, pin }
    }

    fn desk(&self) -> Session {
        self.vault.session("user:7\n\u{202e}").purpose("credit \"review\"").request("r-1").begin().unwrap()
    }

    async fn grow(&self, size: u64) {
        let desk = self.desk();
        let case = desk.create_case("c").await.unwrap();
        let stored = desk.store(case, NewDocument::named("x"), b"x".to_vec()).await.unwrap();
        desk.store_version(stored.document, NewDocument::named("x"), "why", b"y".to_vec()).await.unwrap();
        desk.retrieve(stored.document).await.unwrap();
        desk.rotate_signing_keys().await.unwrap();
        while self.vault.pin().size() < size {
            let missing = usize::try_from(size - self.vault.pin().size()).unwrap().min(200);
            let all = (0..missing).map(|_| desk.describe_case(case));
            futures_util::future::try_join_all(all).await.unwrap();
        }
    }

    async fn log(&self) -> LogReader {
        LogReader::open(self.storage.clone(), &self.pin).await.unwrap()
    }
}

/// RFC 4648 §4, of 33 bytes, which need no padding.
fn base64(bytes: &[u8]) -> String {
    const SYMBOLS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |three: &[u8]| {
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        [18, 12, 6, 0].map(|shift| char::from(SYMBOLS[usize::try_from(bits >> shift & 63).unwrap()]))
    };
    bytes.chunks(3).flat_map(group).collect()
}

/// The checkpoint of a static log, as the crate `signed_note` verifies it.
async fn checkpoint(folder: &Path, log: &LogReader) -> (u64, Hash) {
    let (origin, key) = log.checkpoint_key().await.unwrap();
    let typed = [&[1], key.as_slice()].concat();
    let id = signed_note::key_id(&origin, &typed);
    let verifier = StandardVerifier::new(&format!("{origin}+{id:08x}+{}", base64(&typed))).unwrap();
    let note = Note::from_bytes(&fs::read(folder.join("checkpoint")).unwrap()).unwrap();
    note.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    let head = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
    assert_eq!(head.origin(), origin);
    (head.size(), *head.hash())
}

/// A stock client's view of the folder.
struct Client<'a>(&'a Path);

impl TileReader for Client<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, TlogError> {
        // The crate's paths are those of Go's checksum database, which name the height.
        let path = |tile: &Tile| self.0.join("tile").join(tile.path().strip_prefix("tile/8/").unwrap());
        Ok(tiles.iter().map(|tile| fs::read(path(tile)).unwrap()).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// The entries of a static log, from its bundles.
fn entries(folder: &Path, size: u64) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for number in 0..size.div_ceil(256) {
        let width = (size - number * 256).min(256);
        let partial = if width == 256 { String::new() } else { format!(".p/{width}") };
        let bundle = fs::read(folder.join(format!("tile/entries/{number:03}{partial}"))).unwrap();
        let mut rest = bundle.as_slice();
        while let Some((len, after)) = rest.split_first_chunk::<2>() {
            let (entry, after) = after.split_at(u16::from_be_bytes(*len).into());
            found.push(entry.to_vec());
            rest = after;
        }
    }
    found
}

#[test]
fn stock_clients_verify_every_record_and_every_two_exports() {
    block_on(async {
        let fixture = Fixture::new().await;
        let mut exports: Vec<(u64, Hash)> = Vec::new();
        let folder = fixture.folder.path().join("static");
        for size in [9, 256, 700, 1024, 1100] {
            fixture.grow(size).await;
            let head = fixture.vault.audit().export_tiles(&folder).await.unwrap();
            let (size, root) = checkpoint(&folder, &fixture.log().await).await;
            assert_eq!((head.size(), head.root()), (size, &root.0));
            let client = Client(&folder);
            let hashes = TileHashReader::new(size, root, &client);
            let entries = entries(&folder, size);
            assert_eq!(u64::try_from(entries.len()).unwrap(), size);
            for (index, entry) in (0u64..).zip(&entries) {
                let proof = prove_record(size, index, &hashes).unwrap();
                check_record(&proof, size, root, index, record_hash(entry)).unwrap();
            }
            for (old, old_root) in &exports {
                let proof = prove_tree(size, *old, &hashes).unwrap();
                check_tree(&proof, size, root, *old, *old_root).unwrap();
            }
            exports.push((size, root));
        }
    });
}

#[test]
fn a_kept_checkpoint_is_exported_as_it_was_kept() {
    block_on(async {
        let fixture = Fixture::new().await;
        fixture.grow(300).await;
        let note = fixture.vault.audit().checkpoint().await.unwrap();
        let kept = fixture.desk().keep_checkpoint(&note, &[]).await.unwrap();
        fixture.grow(900).await;
        let log = fixture.log().await;
        let folder = fixture.folder.path().join("kept");
        let exported = log.export_tiles(&folder, &kept.note).await.unwrap();
        assert_eq!(exported.size(), kept.size);
        assert_eq!(fs::read_to_string(folder.join("checkpoint")).unwrap(), note);
        let (size, root) = (exported.size(), Hash(*exported.root()));
        let client = Client(&folder);
        let hashes = TileHashReader::new(size, root, &client);
        for (index, entry) in (0u64..).zip(entries(&folder, size)) {
            let proof = prove_record(size, index, &hashes).unwrap();
            check_record(&proof, size, root, index, record_hash(&entry)).unwrap();
        }
        let error = log.export_tiles(&folder, "no note").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    });
}

#[test]
fn what_is_wrong_in_the_folder_is_put_right() {
    block_on(async {
        let fixture = Fixture::new().await;
        fixture.grow(300).await;
        let folder = fixture.folder.path().join("static");
        fixture.vault.audit().export_tiles(&folder).await.unwrap();
        let tile = folder.join("tile/0/000");
        let (right, unchanged) = (fs::read(&tile).unwrap(), fs::metadata(&tile).unwrap().modified().unwrap());
        fixture.vault.audit().export_tiles(&folder).await.unwrap();
        assert_eq!(fs::metadata(&tile).unwrap().modified().unwrap(), unchanged);
        fs::write(&tile, b"wrong").unwrap();
        fixture.vault.audit().export_tiles(&folder).await.unwrap();
        assert_eq!(fs::read(&tile).unwrap(), right);
        fs::write(fixture.folder.path().join("file"), b"").unwrap();
        let error = fixture.vault.audit().export_tiles(fixture.folder.path().join("file/below")).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Storage);
    });
}

/// Every file of a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut files(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

/// The log's keys are proven by the first record, which the storage may show otherwise from some look on; and by then a log
/// of its own.
#[test]
fn a_folder_that_is_served_gets_nothing_that_the_storage_signed() {
    block_on(async {
        let fixture = Fixture::new().await;
        fixture.grow(300).await;
        let folder = fixture.folder.path().join("static");
        fixture.vault.audit().export_tiles(&folder).await.unwrap();
        let served = files(&folder);
        let mut forger = Chest::beginning(*fixture.vault.id().as_bytes(), None);
        while forger.leaves.len() < 300 {
            let record = forger.browsed();
            forger.commit(vec![record]);
        }
        let forged: Vec<(ObjectKey, Bytes)> = (forger.objects.iter())
            .filter(|(name, _)| name.starts_with("log/"))
            .map(|(name, bytes)| (name.parse().unwrap(), bytes.clone().unwrap().into()))
            .collect();
        let (first, note) =
            (forged.last().unwrap().0.clone(), fixture.vault.audit().checkpoint().await.unwrap());
        let honest = fixture.storage.list("log/", None, 1000).await.unwrap();
        let honest: Vec<ObjectKey> = honest.into_iter().filter(|name| *name != first).collect();
        assert!(served.len() > 4);
        for from in 1.. {
            let evil = Arc::new(EvilStorage::new(&fixture.storage));
            let between = Arc::new(Interrupted::new(evil.clone()));
            let log = LogReader::open(between.clone(), &fixture.vault.pin()).await.unwrap();
            let (honest, forged) = (honest.clone(), forged.clone());
            between.interrupt_read(from, &first, move || {
                honest.iter().for_each(|name| evil.unlist(name));
                forged.iter().for_each(|(name, bytes)| evil.substitute(name, bytes.clone()));
            });
            let exported = log.export_tiles(&folder, &note).await.map_err(|error| error.kind());
            assert!(files(&folder) == served, "from look {from} on");
            if between.interrupted().is_none() {
                exported.unwrap();
                return assert!(from > 2);
            }
            assert_eq!(exported.map(drop), Err(ErrorKind::Corrupt), "from look {from} on");
        }
    });
}

async fn json_lines(fixture: &Fixture) -> (String, Checkpoint) {
    let mut out = Vec::new();
    let checkpoint = fixture.desk().export_records(&mut out).await.unwrap();
    (String::from_utf8(out).unwrap(), checkpoint)
}

#[test]
fn json_lines_say_what_the_records_say() {
    block_on(async {
        let fixture = Fixture::new().await;
        fixture.grow(300).await;
        let (lines, checkpoint) = json_lines(&fixture).await;
        let records = fixture.desk().auditor().records(&RecordFilter::all()).await.unwrap();
        let parsed: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let (last, parsed) = parsed.split_last().unwrap();
        assert_eq!(u64::try_from(parsed.len()).unwrap(), checkpoint.size());
        for (line, record) in parsed.iter().zip(&records) {
            let text = |id: Option<String>| id.map_or(serde_json::Value::Null, Into::into);
            assert_eq!(line["seq"], record.seq);
            assert_eq!(line["time"], record.time.to_string());
            assert_eq!(line["kind"], format!("{:?}", record.kind));
            assert_eq!(line["case"], text(record.case.map(|id| id.to_string())));
            assert_eq!(line["document"], text(record.document.map(|id| id.to_string())));
            assert_eq!(line["version"], text(record.version.map(|id| id.to_string())));
            assert_eq!(line["operation"], record.operation.to_string());
            assert_eq!(line["actor"], record.actor);
            assert_eq!(line["purpose"], record.purpose);
            assert_eq!(line["request"], text(record.request.clone()));
        }
        assert_eq!((&parsed[0]["signing_epoch"], &parsed[9]["signing_epoch"]), (&1.into(), &2.into()));
        let (origin, key) = fixture.log().await.checkpoint_key().await.unwrap();
        let noted = Checkpoint::parse(last["checkpoint"].as_str().unwrap(), &origin, &key).unwrap();
        assert_eq!(noted, checkpoint);
        assert_eq!(verify_exported_records(lines.as_bytes(), &origin, &key).unwrap(), checkpoint);
    });
}

/// Lines left out, doubled, swapped and added, and none.
fn other_lines<'a>(lines: &[&'a str]) -> Vec<Vec<&'a str>> {
    let mut all = vec![Vec::new(), [lines, &["\n"]].concat()];
    for at in 0..lines.len() {
        let mut fewer = lines.to_vec();
        fewer.remove(at);
        let mut twice = lines.to_vec();
        twice.insert(at, lines[at]);
        all.extend([fewer, twice]);
        if at > 0 {
            let mut swapped = lines.to_vec();
            swapped.swap(at - 1, at);
            all.push(swapped);
        }
    }
    all
}

#[test]
fn an_export_that_was_altered_is_noticed() {
    block_on(async {
        let fixture = Fixture::new().await;
        fixture.grow(9).await;
        let (whole, _) = json_lines(&fixture).await;
        let (origin, key) = fixture.log().await.checkpoint_key().await.unwrap();
        let verify = |text: &str| verify_exported_records(text.as_bytes(), &origin, &key);
        verify(&whole).unwrap();
        let lines: Vec<&str> = whole.split_inclusive('\n').collect();
        for other in other_lines(&lines) {
            assert!(verify(&other.concat()).is_err(), "{other:?}");
        }
        // A member that is there twice: most parsers take the last.
        for member in ["seq", "time", "kind", "case", "document", "version", "operation", "signing_epoch"] {
            for place in [",\"purpose\"", ",\"topic\"", ",\"leaf\""] {
                let twice = whole.replacen(place, &format!(",\"{member}\":null{place}"), 1);
                assert_eq!(verify(&twice).unwrap_err().kind(), ErrorKind::Corrupt, "{member} before {place}");
            }
        }
        for (from, to) in [
            ("Stored", "Read"),
            (":2,\"", ":3,\""),
            ("T", "t"),
            ("\"case\":\"", "\"case\":\"0"),
            ("\"topic\":null", "\"topic\":\"t\""),
            ("\"topic\":null", "\"topic\": null"),
            (",\"topic\":null", ""),
            ("\"request\":null", "\"request\":\"\\u0061\""),
            ("\"actor\":\"", "\"actor\":\"\\"),
            // Nobody made the first record.
            ("\"actor\":\"\"", "\"actor\":\"somebody\""),
            ("\"purpose\":\"\"", "\"purpose\":\"something\""),
        ] {
            let altered = whole.replacen(from, to, 1);
            assert_eq!(verify(&altered).unwrap_err().kind(), ErrorKind::Corrupt, "{from}");
        }
        // Every byte of a line's leaf and hash, and of the checkpoint.
        let third = lines[..3].concat().len();
        let leaf = whole[third..].find("\"leaf\"").unwrap() + third;
        let ends = lines[..4].concat().len();
        for at in (leaf..ends).chain(whole.len() - lines[lines.len() - 1].len()..whole.len()) {
            let mut altered = whole.clone().into_bytes();
            altered[at] ^= 1;
            assert!(verify_exported_records(altered.as_slice(), &origin, &key).is_err(), "byte {at}");
            altered[at] = 0xff; // no text at all
            let error = verify_exported_records(altered.as_slice(), &origin, &key).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {at}");
        }
        let error = verify_exported_records(whole.as_bytes(), &origin, &[9; 32]).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Invalid));
    });
}

#[test]
fn an_export_is_on_record_before_it_is_written() {
    block_on(async {
        let fixture = Fixture::new().await;
        fixture.grow(20).await;
        let before = fixture.vault.pin().size();
        let (_, checkpoint) = json_lines(&fixture).await;
        let records = fixture.desk().auditor().records(&RecordFilter::all()).await.unwrap();
        assert_eq!((checkpoint.size(), records.len()), (before, usize::try_from(before).unwrap() + 1));
        assert_eq!(records.last().unwrap().kind, docvault::Kind::LogRead);

        // Every storage call fails once: either nothing is written, or the record stands.
        let mut unrecorded = 0;
        for nth in 0.. {
            let faulty =
                Arc::new(FaultyStorage::script(Arc::new(fixture.storage.snapshot()), nth, Fault::Error));
            let key = Arc::new(LocalKey::load(fixture.folder.path().join("key")).unwrap());
            let options = VaultOptions::default().sleeper(NoSleep::default());
            let pin = fixture.vault.pin();
            let Ok(vault) = Vault::open_with(faulty.clone(), key, &pin, options).await else { continue };
            let desk = vault.session("a").purpose("p").begin().unwrap();
            let mut out = Vec::new();
            let exported = desk.export_text(&mut out).await;
            if faulty.fired() == 0 {
                break;
            }
            if vault.sync().await.is_ok_and(|now| now == pin) {
                assert!(exported.is_err() && out.is_empty(), "call {nth}");
                unrecorded += 1;
            }
        }
        assert!(unrecorded > 0, "the record was among the calls");
    });
}

#[test]
fn a_destination_that_fails_is_a_typed_error() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    block_on(async {
        let fixture = Fixture::new().await;
        let error = fixture.desk().export_records(&mut Full).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage);
    });
}

#[test]
fn text_has_one_line_a_record_and_the_same_checkpoint() {
    block_on(async {
        let fixture = Fixture::new().await;
        fixture.grow(60).await;
        let mut out = Vec::new();
        let checkpoint = fixture.desk().export_text(&mut out).await.unwrap();
        let text = String::from_utf8(out).unwrap();
        let (records, note) = text.split_once("\n\nThese are all records").unwrap();
        let lines: Vec<&str> = records.lines().collect();
        assert_eq!(u64::try_from(lines.len()).unwrap(), checkpoint.size());
        for (seq, line) in lines.iter().enumerate() {
            assert!(line.starts_with(&format!("Record {seq}, 20")), "{line}");
            assert!(line.ends_with('.'), "{line}");
        }
        let who = r#"by "user:7\n\u202e": stored a version of document "#;
        assert!(text.contains(who), "{text}");
        assert!(text.contains(r#" For: "credit \"review\"". Request: "r-1". Operation "#), "{text}");
        let (origin, key) = fixture.log().await.checkpoint_key().await.unwrap();
        let note = note.split_once("\n\n").unwrap().1;
        assert_eq!(Checkpoint::parse(note, &origin, &key).unwrap(), checkpoint);
    });
}

/// From 15 folds to more than 16 at once: a table of 4,096 records begins to be one of its own, and what comes behind
/// belongs into another.
#[test]
fn a_fold_that_fills_two_tables_puts_each_row_where_its_record_is() {
    let time = VirtualTime::default();
    time.block_on(async {
        let memory = Arc::new(MemoryStorage::default());
        let latency = |_| Duration::from_millis(1);
        let link = Arc::new(DelayedStorage::new(memory.clone(), time.clone(), latency));
        let folder = TempDir::new().unwrap();
        let key = LocalKey::create(folder.path().join("vault.key")).unwrap();
        let vault = Vault::create(link, key).await.unwrap();
        let pin = vault.pin();
        let desk = vault.session("user:7").purpose("many at once").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        while vault.pin().size() < 15 * 256 {
            futures_util::future::try_join_all((0..40).map(|_| desk.describe_case(case))).await.unwrap();
        }
        let stored = (0..600).map(|_| desk.store(case, NewDocument::named("x"), b"x".to_vec()));
        futures_util::future::try_join_all(stored).await.unwrap();
        let log = LogReader::open(memory, &pin).await.unwrap();
        assert!(log.check_index(&mut |_, _| {}).await.unwrap().records > 4096);
    });
}

#[test]
fn tiles_bundles_and_index_are_what_the_log_makes_of_them() {
    block_on(async {
        let fixture = Fixture::new().await;
        for size in [20, 300, 900, 1600] {
            fixture.grow(size).await;
            let log = fixture.log().await;
            let mut told = Vec::new();
            let tiles = log.check_tiles(&mut |checked, of| told.push((checked, of))).await.unwrap();
            let index = log.check_index(&mut |_, _| {}).await.unwrap();
            let size = log.head().size();
            assert!(told.is_sorted() && told.last() == Some(&(size, size)));
            assert_eq!((tiles.records, tiles.records % 256), (index.records, 0));
            assert!(size - tiles.records < 512);
            // Full tiles of level 0, and the partial one of level 1.
            assert_eq!(tiles.bundles, tiles.records / 256);
            assert_eq!(tiles.tiles, tiles.records / 256 + u64::from(tiles.records > 0));
            assert_eq!((index.rows > 0, index.passes), (tiles.records > 0, 1));
        }
    });
}

#[test]
fn one_flipped_bit_in_any_tile_bundle_or_index_page_is_found() {
    block_on(async {
        let fixture = Fixture::new().await;
        fixture.grow(600).await;
        fixture.desk().collect_garbage().await.unwrap();
        let pin = fixture.vault.pin();
        let (mut tiles, mut pages) = (0, 0);
        for key in fixture.storage.list("", None, 10_000).await.unwrap() {
            let (tile, page) = (key.as_str().starts_with("tile/"), key.as_str().starts_with("index/"));
            if !tile && !page {
                continue;
            }
            let bytes = fixture.storage.read(&key, None).await.unwrap().unwrap();
            for at in [0, bytes.len() / 2, bytes.len() - 1] {
                let mut altered = bytes.to_vec();
                altered[at] ^= 1 << (at % 8);
                let evil = EvilStorage::new(&fixture.storage);
                evil.substitute(&key, altered.into());
                // An altered manifest keeps the log from opening.
                let Ok(log) = LogReader::open(Arc::new(evil), &pin).await else {
                    assert!(page, "{key}");
                    continue;
                };
                let error = if tile {
                    log.check_tiles(&mut |_, _| {}).await.unwrap_err()
                } else {
                    log.check_index(&mut |_, _| {}).await.unwrap_err()
                };
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{key}");
                assert!(error.to_string().contains(key.as_str()), "{key}: {error}");
                (tiles, pages) = (tiles + u32::from(tile), pages + u32::from(page));
            }
        }
        assert!(tiles >= 15 && pages >= 3, "{tiles} {pages}");
    });
}

#[test]
fn inclusion_is_proven_for_every_record() {
    block_on(async {
        let fixture = Fixture::new().await;
        fixture.grow(700).await;
        let log = fixture.log().await;
        let folder = fixture.folder.path().join("static");
        let head = fixture.vault.audit().export_tiles(&folder).await.unwrap();
        for (seq, entry) in (0u64..).zip(entries(&folder, head.size())) {
            let (leaf, proof) = log.prove_inclusion(seq).await.unwrap();
            assert_eq!(record_hash(&entry), Hash(leaf));
            let proof = proof.into_iter().map(Hash).collect();
            check_record(&proof, head.size(), Hash(*head.root()), seq, Hash(leaf)).unwrap();
        }
        assert_eq!(log.prove_inclusion(head.size()).await.unwrap_err().kind(), ErrorKind::NotFound);
    });
}
