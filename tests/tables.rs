//! `attacks/TABLE.md` and the tests it names are in step, and so are `docs/ASSURANCE.md` and its commands.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The rows of a table: their number, and the tests they name or none.
fn rows(table: &str) -> BTreeMap<String, Vec<String>> {
    let mut rows = BTreeMap::new();
    for line in table.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [row, attack, tests] = cells.as_slice() else { panic!("three columns: {line}") };
        if *row == "row" || row.starts_with("---") {
            continue;
        }
        assert!(!attack.is_empty(), "{row} says nothing");
        let named = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let waiting = tests.strip_prefix("no feature yet: ").is_some_and(|feature| !feature.is_empty());
        let named: Vec<String> = named;
        assert!(waiting == named.is_empty(), "{row} names tests, or the feature it waits for");
        assert!(rows.insert((*row).to_owned(), named).is_none(), "{row} stands there twice");
    }
    rows
}

/// The texts of all Rust files under `folder`, or that one.
fn sources(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(fs::read_to_string(path).unwrap());
        }
    }
    found
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Functions behind `#[test]` that are run without being asked for; of some names there are several.
fn tests(folder: &str) -> Vec<String> {
    sources(folder).iter().flat_map(|source| functions(source)).collect()
}

fn functions(source: &str) -> Vec<String> {
    signatures(source).filter(|signature| !signature.contains("#[ignore")).map(name).collect()
}

/// What stands between `#[test]` and a function's body: its other attributes, and its name.
fn signatures(source: &str) -> impl Iterator<Item = &str> {
    source.split("#[test]\n").skip(1).filter_map(|rest| rest.split('{').next())
}

fn name(signature: &str) -> String {
    signature.rsplit("fn ").next().map(word).unwrap_or_default()
}

fn table() -> BTreeMap<String, Vec<String>> {
    rows(&fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks/TABLE.md")).unwrap())
}

/// What is wrong with a name that is to be one test's.
fn not_one(known: &[String], name: &str) -> Option<String> {
    match known.iter().filter(|known| *known == name).count() {
        0 => Some(format!("there is no test {name}")),
        1 => None,
        several => Some(format!("{several} tests are called {name}")),
    }
}

#[test]
fn every_test_that_the_table_names_exists_once() {
    let mut known = tests("src");
    known.extend(tests("tests"));
    // Doctests that must not compile hang on a struct of this name.
    known.extend(sources("src/secret.rs")[0].split("\nstruct ").skip(1).map(word));
    for (row, named) in table() {
        for test in named {
            assert_eq!(not_one(&known, &test), None, "{row}");
        }
    }
}

#[test]
fn a_name_of_no_test_or_of_several_is_found() {
    let known = ["one", "two", "two"].map(str::to_owned);
    let wrong = ["one", "two", "three"].map(|name| not_one(&known, name).is_some());
    assert_eq!(wrong, [false, true, true]);
}

#[test]
fn what_is_not_run_is_no_test() {
    let source = "#[test]\nfn one() {}\n#[test]\n#[ignore = \"long\"]\nfn two() {}\n#[test]\n#[ignore]\nfn three() {}\n";
    assert_eq!(functions(source), ["one"]);
}

/// The files of a test program's folder that its root does not have as a module: nothing runs their tests.
fn left_out(root: &str, files: &[String]) -> Vec<String> {
    let modules: BTreeSet<&str> = root.lines().map(str::trim).collect();
    files.iter().filter(|file| !modules.contains(format!("mod {file};").as_str())).cloned().collect()
}

#[test]
fn every_file_of_attacks_and_properties_is_run() {
    for program in ["tests/attacks", "tests/properties"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(program);
        let paths = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let files: Vec<String> = paths
            .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert!(files.len() > 3, "{program}: the files were found");
        let root = fs::read_to_string(folder.with_extension("rs")).unwrap();
        assert_eq!(left_out(&root, &files), Vec::<String>::new(), "{program}");
    }
    let files = ["one", "two"].map(str::to_owned);
    assert_eq!(left_out("mod kit {\n    mod one;\n    // mod two;\n}\n", &files), ["two"]);
}

#[test]
fn every_attack_and_every_property_stands_in_the_table() {
    let named: BTreeSet<String> = table().into_values().flatten().collect();
    let mut wanted = tests("tests/attacks");
    wanted.extend(tests("tests/properties"));
    // And whoever is called after a row, wherever they stand.
    wanted.extend(["src", "tests"].into_iter().flat_map(tests).filter(|test| row_of(test).is_some()));
    assert!(wanted.len() > 40, "the tests were found");
    for test in wanted {
        assert!(named.contains(&test), "{test} stands in no row");
    }
}

/// The row that a test's name begins with, as `p05_` or `a44_`.
fn row_of(test: &str) -> Option<&str> {
    let (row, _) = test.split_once('_')?;
    let number = row.strip_prefix(['a', 'b', 'p'])?;
    (number.len() == 2 && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(row)
}

#[test]
fn a_row_is_told_by_a_tests_name() {
    let names = ["p05_a_key", "a44_a_log", "a_27_x", "p2_b", "append_a", "b018_x"];
    assert_eq!(names.map(row_of), [Some("p05"), Some("a44"), None, None, None, None]);
}

#[test]
fn every_row_is_there() {
    let table = table();
    for (letter, last) in [("A", 45), ("B", 22), ("P", 22)] {
        for row in (1..=last).map(|n| format!("{letter}{n}")) {
            assert!(table.contains_key(&row), "{row} is missing");
        }
    }
}

#[test]
fn a_row_without_a_test_or_a_reason_is_found() {
    for wrong in
        ["| A1 | an attack | |", "| A1 | an attack | no feature yet: |", "| A1 | | `a_test` |", "| A1 | x |"]
    {
        assert!(std::panic::catch_unwind(|| rows(wrong)).is_err(), "{wrong}");
    }
    assert_eq!(rows("| A1 | an attack | `one`, `two` |")["A1"], ["one", "two"]);
}

/// What a command of ASSURANCE runs, as far as it is ours: a script, a test binary, a benchmark, unit tests of a name.
fn missing(command: &str) -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let words: Vec<&str> = command.split_whitespace().skip_while(|word| word.contains('=')).collect();
    let after = |flag| words.iter().position(|word| *word == flag).and_then(|at| words.get(at + 1));
    let there = |path: String| (!root.join(&path).is_file()).then_some(path);
    match words.as_slice() {
        ["cargo", "test", ..] if after("--lib").is_some() => {
            let name = after("--lib")?.replace("::", "/");
            let module =
                there(format!("src/{name}.rs")).is_some() && there(format!("src/crypto/{name}.rs")).is_some();
            let sources = sources("src");
            let mut tests = sources.iter().flat_map(|source| signatures(source)).map(self::name);
            (module && !tests.any(|test| test.contains(&name))).then_some(name)
        }
        ["cargo", "test", ..] => there(format!("tests/{}.rs", after("--test")?)),
        ["cargo", "bench", ..] => there(format!("benches/{}.rs", after("--bench")?)),
        [script, ..] => there((*script).to_owned()),
        [] => Some("nothing".into()),
    }
}

#[test]
fn every_command_of_the_assurance_exists() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ASSURANCE.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    let commands: Vec<&str> = rows
        .filter_map(|row| row.rsplit('|').nth(1))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    assert!(commands.len() > 12, "{commands:?}");
    for command in commands {
        assert_eq!(missing(command), None, "{command}");
    }
    assert_eq!(missing("scripts/gone.sh"), Some("scripts/gone.sh".into()));
    assert_eq!(missing("X=1 cargo test --test gone"), Some("tests/gone.rs".into()));
    assert_eq!(missing("cargo test --lib gone::away"), Some("gone/away".into()));
}
