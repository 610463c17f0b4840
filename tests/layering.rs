//! The architecture as a table: modules import downwards only, and a file has one subject.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Modules from the bottom up; those of one layer may use each other.
const LAYERS: &[(&str, &[&str])] = &[
    (
        "nouns",
        &["env", "error", "file", "ids", "observe", "secret", "secret_file", "text", "wire", "storage"],
    ),
    ("cryptography", &["crypto", "padding"]),
    (
        "domain values",
        &[
            "anchor",
            "deposit",
            "disclosure",
            "document",
            "grant",
            "head",
            "keyring",
            "keys",
            "log",
            "pin",
            "receipt",
            "recipient",
            "witness",
        ],
    ),
    ("decisions on values", &["policy"]),
    ("the log in use", &["ledger"]),
    ("commands", &["plan"]),
    ("verification and exports", &["export", "verification"]),
    ("the vault", &["audit", "auditor", "check", "copy", "session", "transfer", "vault"]),
    ("case files", &["intake"]),
];

/// Modules that are public, and so for case files to use.
const PUBLIC: &[&str] = &["deposit", "intake", "keys", "storage"];
/// Functions that the crate keeps at its root, beside its hasher of contents, and that are no modules.
const FUNCTIONS: &[&str] = &["quoted", "sha256"];

/// Upward imports that stay, each for its reason.
const EXCEPTIONS: &[(&str, &str, &str)] =
    &[("storage", "padding", "the wrappers' conformance suite knows how long a part can be")];

/// Files longer than 400 lines without tests, each for its reason.
const LONG: &[(&str, &str)] = &[
    ("src/ledger/writer.rs", "one state machine: queue, attempt, settlement"),
    ("src/document.rs", "public types and their encodings, kept side by side"),
];

fn layer(module: &str) -> usize {
    LAYERS
        .iter()
        .position(|(_, modules)| modules.contains(&module))
        .unwrap_or_else(|| panic!("module {module} has no place in the table of layers"))
}

/// Every module named by `crate::` paths of a source text.
fn imports(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let code: String =
        code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = code.get(at + 7..).unwrap_or_default();
        match rest.strip_prefix('{') {
            None => found.push(word(rest)),
            Some(group) => found.extend(heads_of_group(group)),
        }
    }
    found.retain(|name| name.starts_with(char::is_lowercase) && !FUNCTIONS.contains(&name.as_str()));
    found
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The first words of a `{…}` group's members, nested groups left out.
fn heads_of_group(group: &str) -> Vec<String> {
    let (mut depth, mut member, mut heads) = (0, String::new(), Vec::new());
    for character in group.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.push(word(core::mem::take(&mut member).trim())),
            _ if depth == 0 => member.push(character),
            _ => {}
        }
    }
    heads.push(word(member.trim()));
    heads
}

fn upward(module: &str, source: &str) -> Vec<String> {
    let allowed = |used: &str| EXCEPTIONS.iter().any(|(from, to, _)| (*from, *to) == (module, used));
    let mut found = imports(source);
    found.retain(|used| layer(used) > layer(module) && !allowed(used));
    found
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    sources(&root.join("src"), &mut paths);
    let describe = |path: PathBuf| {
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        let module = name.split('/').nth(1).unwrap().trim_end_matches(".rs").to_owned();
        (module, name, fs::read_to_string(path).unwrap())
    };
    paths.into_iter().map(describe).filter(|(module, ..)| module != "lib" && module != "fuzzing").collect()
}

#[test]
fn imports_go_down_only() {
    for (module, name, source) in all() {
        assert_eq!(upward(&module, &source), [""; 0], "{name} imports upwards");
    }
}

#[test]
fn case_files_stand_on_the_public_api_alone() {
    for (_, name, source) in all().into_iter().filter(|(module, ..)| module == "intake") {
        let mut private = imports(&source);
        private.retain(|used| !PUBLIC.contains(&used.as_str()));
        assert_eq!(private, [""; 0], "{name} uses what is not public");
    }
}

/// What computes is chosen in one place.
#[test]
fn hashes_ciphers_and_signatures_are_named_by_cryptography_alone() {
    let crates =
        ["argon2::", "blake3::", "chacha20poly1305::", "ed25519_dalek::", "hkdf::", "ring::", "sha2::"];
    // Names of test objects, spread by a hash.
    let spread = "src/storage/testing/conformance/clauses.rs";
    for (module, name, source) in all() {
        let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let named: Vec<_> = code.filter(|line| crates.iter().any(|used| names_crate(line, used))).collect();
        let tests = name.ends_with("/vectors.rs") || name.ends_with("/tests.rs") || name == spread;
        assert!(module == "crypto" || tests || named.is_empty(), "{name}: {named:?}");
    }
}

/// Whether a path in this line begins with this crate.
fn names_crate(line: &str, used: &str) -> bool {
    line.match_indices(used).any(|(at, _)| {
        !line[..at].ends_with(|before: char| before.is_alphanumeric() || matches!(before, '_' | ':'))
    })
}

#[test]
fn files_have_one_subject() {
    for (_, name, source) in all() {
        let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let long = LONG.iter().any(|(long, _)| *long == name);
        assert!(
            long || code.lines().count() <= 400,
            "{name} has {} lines without tests",
            code.lines().count()
        );
    }
}

#[test]
fn an_upward_import_is_found() {
    let source =
        "use crate::{\n    error::Result,\n    session::{Session, Stored},\n};\nfn f() { crate::vault::g() }";
    assert_eq!(upward("log", source), ["session", "vault"]);
    assert!(upward("audit", source).is_empty());
}
