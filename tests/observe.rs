//! What an operator is told: each operation and storage call once, with its outcome, and nothing that the storage
//! does not see (DESIGN, "Observing").
#![cfg(all(
    feature = "fs",
    feature = "intake",
    feature = "metrics",
    feature = "testing",
    feature = "tracing"
))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::future_not_send,
    unreachable_pub,
    reason = "tests"
)]

mod common;
#[path = "common/intake.rs"]
mod office;
mod observe {
    pub mod seen;
    pub mod tour;
}

use core::{
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Arc,
    time::Duration,
};

use common::block_on;
use docvault::{
    CaseId, ErrorKind, Identity, NewDocument, NoSleep, Recipient, Session, Terms, Vault, VaultOptions,
    keys::LocalKey,
    storage::{
        MemoryStorage, Storage,
        testing::{Fault, FaultyStorage},
    },
};
use futures_lite::future::{poll_fn, zip};
use observe::{
    seen::{Seen, Span},
    tour::{Tour, WORD, tour},
};
use tempfile::TempDir;

/// Everything that there is to call, once.
fn toured() -> (Tour, Vec<Vec<u8>>, Vec<Span>, String) {
    let seen = Seen::default();
    let stops = Tour::new(seen.clone());
    let (secrets, figures) = seen.during(|| block_on(tour(&stops)));
    (stops, secrets, seen.all(), figures)
}

fn desk(vault: &Vault) -> Session {
    vault.session("user:1").purpose("intake").begin().unwrap()
}

async fn vault_on(storage: Arc<dyn Storage>) -> (Vault, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
    let options = VaultOptions::default().sleeper(NoSleep::default());
    (Vault::create_with(storage, key, options).await.unwrap(), folder)
}

fn of<'a>(spans: &'a [Span], operation: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.field("otel.name") == operation).collect()
}

/// The public methods that wait, in the source: `Type::method`, and the names under which each is watched.
fn methods(folder: &Path, found: &mut BTreeMap<String, Vec<String>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("intake") && !path.ends_with("storage") {
            methods(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            let code = source.split("#[cfg(test)]\nmod tests").next().unwrap();
            for block in code.split("\nimpl").skip(1) {
                let head = block.split(" {\n").next().unwrap().rsplit(' ').next().unwrap();
                let of = head.split('<').next().unwrap();
                for method in block.split("    pub async fn ").skip(1) {
                    let name = format!("{of}::{}", method.split('(').next().unwrap());
                    let body = method.split("\n    }\n").next().unwrap();
                    let names = body.split("observe::operation(").skip(1);
                    let names = names.map(|call| call.split('"').nth(1).unwrap().to_owned());
                    found.insert(name, names.collect());
                }
            }
        }
    }
}

/// Methods that hand on to another, which is watched under the name of the simpler one.
const SAME: &[(&str, &str)] = &[
    ("Audit::verify_with_progress", "Audit::verify_from_genesis"),
    ("Session::revoke_because", "Session::revoke"),
    ("Vault::copy_with_progress", "Vault::copy_to"),
    ("Vault::create_with", "Vault::create"),
    ("Vault::open_with", "Vault::open"),
];

#[test]
fn every_method_that_waits_is_one_operation_and_its_storage_calls_are_in_it() {
    let (stops, _, spans, _) = toured();
    let mut methods_of = BTreeMap::new();
    methods(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut methods_of);
    let mut expected = BTreeSet::new();
    for (method, names) in &methods_of {
        let longer = SAME.iter().find(|(longer, _)| longer == method).map(|(_, name)| *name);
        let hands_on = SAME.iter().any(|(_, name)| name == method);
        match longer {
            Some(name) => assert_eq!(names.as_slice(), [name], "{method}"),
            None if hands_on => assert!(names.is_empty(), "{method}"),
            None => assert_eq!(names, core::slice::from_ref(method)),
        }
        expected.insert(longer.unwrap_or(method));
    }
    assert_eq!(stops.called(), expected);
    for span in &spans {
        assert!(span.closed && !span.field("outcome").is_empty(), "{span:?}");
        assert_eq!((span.target, span.entered), ("docvault", span.left), "{span:?}");
    }
}

/// In tasks of a runtime that has several threads. That it compiles is what is asked.
#[test]
fn what_waits_may_cross_threads() {
    fn sent<A, F: Future + Send>(_: impl Fn(A) -> F) {}
    sent(tour);
}

/// The first cells of a table in OPERATIONS that has these columns, with the other cells.
fn documented(columns: &str) -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/OPERATIONS.md")).unwrap();
    let rows = text.split(columns).nth(1).unwrap().lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    rows.map(cells)
        .map(|cells: Vec<String>| (cells[0].trim_matches('`').to_owned(), cells[1..].to_vec()))
        .collect()
}

/// Words between backticks.
fn words(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).flat_map(|code| code.split(' ')).map(str::to_owned).collect()
}

#[test]
fn figures_are_those_of_the_handbook() {
    let (_, _, _, figures) = toured();
    let documented = documented("| figure | type | labels | what |");
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut labels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in figures.lines().filter(|line| !line.is_empty()) {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, what) = help.split_once(' ').unwrap();
            told.entry(name.to_owned()).or_default().push(what.to_owned());
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            // The exporter shows histograms without buckets as summaries.
            told.entry(name.to_owned()).or_default().push(kind.replace("summary", "histogram"));
        } else {
            let (name, rest) = line.split_once(['{', ' ']).unwrap();
            let name = name.trim_end_matches("_sum").trim_end_matches("_count");
            let pairs = rest.split("=\"").filter_map(|text| text.rsplit(['"', ',', '{']).next());
            let pairs = pairs.filter(|label| label.starts_with(char::is_alphabetic) && *label != "quantile");
            labels.entry(name.to_owned()).or_default().extend(pairs.map(str::to_owned));
        }
    }
    let expected = documented.iter().map(|(name, cells)| {
        let [kind, _, what] = cells.as_slice() else { panic!("{name}") };
        (name.clone(), vec![what.clone(), kind.clone()])
    });
    assert_eq!(told, expected.collect());
    assert_eq!(labels, documented.iter().map(|(name, cells)| (name.clone(), words(&cells[1]))).collect());
}

#[test]
fn spans_are_those_of_the_handbook() {
    let (_, _, spans, _) = toured();
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for span in &spans {
        told.entry(span.name.to_owned())
            .or_default()
            .extend(span.fields.keys().map(|name| (*name).to_owned()));
    }
    let documented = documented("| span | level | fields | parent |");
    assert_eq!(told, documented.iter().map(|(name, cells)| (name.clone(), words(&cells[1]))).collect());
}

/// Each way in which somebody might write bytes down, for nine of them at a time.
fn written(secret: &[u8]) -> Vec<String> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut forms = Vec::new();
    for nine in secret.windows(9) {
        let numbers: Vec<String> = nine.iter().map(ToString::to_string).collect();
        forms.push(numbers.join(", "));
        forms.push(nine.iter().map(|byte| format!("{byte:02x}")).collect());
        let base64: String = nine
            .chunks_exact(3)
            .map(|three| u32::from_be_bytes([0, three[0], three[1], three[2]]))
            .flat_map(|bits| [18, 12, 6, 0].map(|shift| DIGITS[(bits >> shift) as usize & 63] as char))
            .collect();
        forms.extend([base64.replace('+', "-").replace('/', "_"), base64]);
        forms.extend(std::str::from_utf8(nine).map(str::to_lowercase));
    }
    forms
}

#[test]
fn nothing_is_told_that_is_secret_or_personal() {
    let (_, secrets, spans, figures) = toured();
    let fields =
        spans.iter().flat_map(|span| span.fields.iter().map(|(name, value)| format!("{name}={value}")));
    let told = fields.chain([figures]).collect::<Vec<_>>().join("\n");
    assert!(told.len() > 10_000);
    let lower = told.to_lowercase();
    assert!(!lower.contains(WORD));
    for form in written(format!("{WORD} content").as_bytes()) {
        assert!(!told.contains(&form) && !lower.contains(&form), "{form}");
    }
    for secret in &secrets {
        // The first line of a key's file says what it is.
        let secret =
            secret.split(|byte| *byte == b'\n').nth(1).filter(|line| line.len() > 8).unwrap_or(secret);
        assert!(secret.len() > 8);
        for form in written(secret) {
            assert!(!told.contains(&form) && !lower.contains(&form), "{form}");
        }
    }
}

#[test]
fn nothing_is_told_that_the_storage_does_not_see() {
    let (stops, _, spans, figures) = toured();
    let mut stored = Vec::new();
    for (_, place) in stops.places.lock().unwrap().iter() {
        for (name, bytes) in block_on(office::objects(place)) {
            stored.extend_from_slice(name.as_bytes());
            stored.extend(bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()));
        }
    }
    let stored = String::from_utf8(stored).unwrap();
    let mut told = BTreeSet::new();
    for (name, value) in spans.iter().flat_map(|span| &span.fields) {
        match *name {
            "vault" | "case" | "document" | "grant" | "request" | "deposit" => {
                let digits =
                    value.as_bytes().chunks(32).map(|id| std::str::from_utf8(id).unwrap().to_owned());
                told.extend(digits.filter(|id| *id != "0".repeat(32)));
            }
            "bytes" | "records" => drop(value.parse::<u64>().unwrap()),
            "otel.name" | "object" | "outcome" => {
                assert!(value.chars().all(|c| c.is_ascii_alphabetic() || c == ':' || c == '_'), "{value}");
                assert!(value.len() < 32);
            }
            other => panic!("{other}"),
        }
    }
    assert!(told.len() > 8);
    for id in &told {
        assert!(stored.contains(id), "{id}");
        assert!(!figures.contains(id), "{id}");
    }
}

#[test]
fn what_fails_says_how_by_its_kind() {
    let seen = Seen::default();
    let ((), figures) = seen.during(|| {
        block_on(async {
            let inner = Arc::new(MemoryStorage::default());
            let (vault, _folder) = vault_on(inner.clone()).await;
            let (desk, other) = (desk(&vault), CaseId::from_bytes([1; 16]));
            let case = desk.create_case("c").await.unwrap();
            let stored = desk.store(case, NewDocument::named("x"), "content").await.unwrap();
            let (identity, _key) = common::identity();
            let told = identity.fingerprint().to_string();
            let recipient = Recipient::verify(&Identity::recipient_bytes(&identity), &told).unwrap();
            let grant = desk.grant(case, &recipient, Terms::read().purpose("p")).await.unwrap();
            desk.revoke(grant).await.unwrap();
            let kinds = [
                ("Session::deliver", desk.deliver(grant).await.unwrap_err().kind()),
                ("Session::store", desk.store(other, NewDocument::named("x"), "").await.unwrap_err().kind()),
                (
                    "Session::retrieve_range",
                    desk.retrieve_range(stored.document, 9..99).await.unwrap_err().kind(),
                ),
            ];
            assert_eq!(
                kinds.map(|(_, kind)| kind),
                [ErrorKind::Denied, ErrorKind::NotFound, ErrorKind::Invalid]
            );
        });
    });
    let spans = seen.all();
    for (operation, outcome) in [
        ("Session::deliver", "Denied"),
        ("Session::store", "NotFound"),
        ("Session::retrieve_range", "Invalid"),
    ] {
        assert_eq!(of(&spans, operation).last().unwrap().field("outcome"), outcome);
        let line = format!(r#"docvault_operations_total{{operation="{operation}",outcome="{outcome}"}} 1"#);
        assert!(figures.contains(&line), "{figures}");
    }
}

#[test]
fn a_storage_that_fails_is_told_where_it_failed() {
    let seen = Seen::default();
    let ((), figures) = seen.during(|| {
        block_on(async {
            let inner: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
            let (vault, folder) = vault_on(inner.clone()).await;
            let pin = vault.pin();
            let faulty = FaultyStorage::script(inner, 0, Fault::Error);
            let key = LocalKey::load(folder.path().join("key")).unwrap();
            assert_eq!(Vault::open(faulty, key, &pin).await.unwrap_err().kind(), ErrorKind::Storage);
        });
    });
    let spans = seen.all();
    let opening = spans.iter().position(|span| span.field("otel.name") == "Vault::open").unwrap();
    assert_eq!(spans[opening].field("outcome"), "Storage");
    let calls: Vec<_> = spans.iter().filter(|span| span.parent == Some(opening)).collect();
    assert_eq!(calls.last().unwrap().field("outcome"), "Unavailable");
    assert!(figures.contains(r#"outcome="Unavailable"} 1"#), "{figures}");
}

#[test]
fn a_lost_race_and_a_shared_commit_are_told() {
    let seen = Seen::default();
    let ((), figures) = seen.during(|| {
        block_on(async {
            let storage = Arc::new(MemoryStorage::default());
            let (vault, folder) = vault_on(storage.clone()).await;
            let key = LocalKey::load(folder.path().join("key")).unwrap();
            let rival = Vault::open(storage, key, &vault.pin()).await.unwrap();
            desk(&vault).create_case("ours").await.unwrap();
            desk(&rival).create_case("theirs").await.unwrap();
            let (desk, session) = (desk(&vault), vault.session("user:2").purpose("intake").begin().unwrap());
            let (a, b) = zip(desk.create_case("a"), session.create_case("b")).await;
            assert!(a.is_ok() && b.is_ok());
        });
    });
    assert!(figures.contains(r#"docvault_commits_total{outcome="Lost"} "#), "{figures}");
    assert!(figures.contains("docvault_commit_records"), "{figures}");
    let spans = seen.all();
    let lost = spans.iter().find(|span| span.name == "commit" && span.field("outcome") == "Lost").unwrap();
    assert_eq!(spans[lost.parent.unwrap()].field("otel.name"), "Session::create_case");
}

/// Two operations on one thread, each pending again and again: neither is ever inside the other.
#[test]
fn a_span_is_entered_for_each_poll_and_left_between() {
    let seen = Seen::default();
    seen.during(|| {
        block_on(async {
            let inner = Arc::new(MemoryStorage::default());
            let slow = FaultyStorage::scripted(inner, []).with_latency(3, Duration::from_millis(4));
            let (vault, _folder) = vault_on(Arc::new(slow)).await;
            let desk = desk(&vault);
            let one = desk.create_case("one").await.unwrap();
            let two = desk.create_case("two").await.unwrap();
            let work = zip(
                desk.store(one, NewDocument::named("x"), "content"),
                desk.store(two, NewDocument::named("x"), "content"),
            );
            let mut work = pin!(work);
            let (a, b) = poll_fn(|context| {
                let polled = work.as_mut().poll(context);
                assert!(tracing::Span::current().is_none());
                polled
            })
            .await;
            assert!(a.is_ok() && b.is_ok());
        });
    });
    let spans = seen.all();
    let stores = of(&spans, "Session::store");
    let [one, two] = stores.as_slice() else { panic!("{stores:?}") };
    assert_ne!(one.field("case"), two.field("case"));
    assert!(one.entered > 2 && two.entered > 2, "both waited");
    assert!(stores.iter().all(|span| span.parent.is_none()));
    let heads = spans.iter().filter(|span| (span.name, span.field("object")) == ("storage", "head"));
    let parents: Vec<_> = heads.map(|span| spans[span.parent.unwrap()].field("otel.name")).collect();
    assert_eq!(parents.iter().filter(|name| **name == "Session::store").count(), 2, "{parents:?}");
}

#[test]
fn work_that_is_given_up_is_told_as_dropped() {
    let seen = Seen::default();
    let ((), figures) = seen.during(|| {
        block_on(async {
            let inner: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
            let (vault, folder) = vault_on(inner.clone()).await;
            let slow = FaultyStorage::scripted(inner, [(0, Fault::Slow(Duration::from_millis(50)))]);
            let key = LocalKey::load(folder.path().join("key")).unwrap();
            let pin = vault.pin();
            let mut opening: Pin<Box<_>> = Box::pin(Vault::open(slow, key, &pin));
            let polled = opening.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(polled, Poll::Pending));
        });
    });
    let spans = seen.all();
    let dropped: Vec<_> = spans.iter().filter(|span| span.field("outcome") == "Dropped").collect();
    assert_eq!(dropped.iter().map(|span| span.name).collect::<Vec<_>>(), ["operation", "storage"]);
    assert!(figures.contains(r#"docvault_operations_total{operation="Vault::open",outcome="Dropped"} 1"#));
}
