//! Templates that cannot be used: each is refused with its place, its member, and what to do.
#![cfg(feature = "intake")]
#![allow(clippy::unwrap_used, clippy::unwrap_in_result, clippy::panic, reason = "tests")]

use std::{fs, path::Path};

use docvault::intake::{Template, TemplateError};

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/templates"))
}

fn read(path: &Path) -> Result<Template, TemplateError> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => Template::from_toml(&text),
        Some("json") => Template::from_json(&text),
        other => panic!("{}: {other:?}", path.display()),
    }
}

/// Every file in `malformed/` has a line in `expected.txt`: its name, two spaces, the message.
#[test]
fn malformed_templates_are_refused_with_place_member_and_advice() {
    let expected = fs::read_to_string(folder().join("malformed/expected.txt")).unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir(folder().join("malformed")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name != "expected.txt" {
            let error = read(&path).expect_err(&name);
            found.push(format!("{name}  {error}"));
        }
    }
    found.sort();
    let expected: Vec<&str> = expected.lines().collect();
    assert!(found.len() >= 70, "{} templates", found.len());
    assert_eq!(found, expected);
}

#[test]
fn what_the_malformed_templates_were_made_from_is_well_formed() {
    let template = read(&folder().join("club.toml")).unwrap();
    assert_eq!(template.requirements().len(), 2);
}

/// Where a title has one line.
#[test]
fn instructions_and_help_may_have_several_lines() {
    let club = fs::read_to_string(folder().join("club.toml")).unwrap();
    let text = club
        .replace(
            "title = { es = \"Foto\" }\n",
            "title = { es = \"Foto\" }\ninstructions = { es = \"Una.\\nDos.\" }\n",
        )
        .replace(
            "title = { es = \"Edad\" }",
            "title = { es = \"Edad\" }, help = { es = \"En años\\ncumplidos\" }",
        );
    let template = Template::from_toml(&text).unwrap();
    let spanish = template.language();
    let (form, photo) = (template.requirement("form").unwrap(), template.requirement("photo").unwrap());
    assert_eq!(photo.instructions().get(spanish, spanish), "Una.\nDos.");
    assert_eq!(form.field("age").unwrap().help().get(spanish, spanish), "En años\ncumplidos");
}

#[test]
fn the_template_that_the_documentation_shows_is_well_formed() {
    let page = include_str!("../docs/INTAKE.md");
    let text = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let template = Template::from_toml(text).unwrap();
    let sides = template.requirement("student_card").unwrap().files().unwrap();
    assert_eq!((sides.min(), sides.max()), (2, 2));
}

/// Whoever made the text may have somebody else read what is wrong with it.
#[test]
fn what_is_wrong_is_told_with_nothing_that_a_terminal_would_obey() {
    let name = "\\u001b[2J\\u202eAll of it holds.";
    let member = format!("{{\"{name}\":1}}");
    let kind = read(&folder().join("club.toml")).unwrap().to_canonical_json();
    let kind = kind.replacen("\"type\":\"", &format!("\"type\":\"{name}"), 1);
    for error in [
        Template::from_json(&member).unwrap_err(),
        Template::from_json(&kind).unwrap_err(),
        Template::from_toml(&format!("\"{name}\" = 1")).unwrap_err(),
        // Quoted as it stands there.
        Template::from_toml("\"\u{202e}a\" = 1\n\"\u{202e}a\" = 2").unwrap_err(),
    ] {
        let told = error.to_string();
        assert!(told.contains("\\u{202e}"), "{told}");
        let active = |c: char| c.is_control() || c == '\u{202e}';
        assert!(!told.contains(active), "{told:?}");
        assert!(!error.member().contains(active) && !error.problem().contains(active), "{error:?}");
    }
}

/// Before anything is made of it: comments and blanks count like everything else.
#[test]
fn a_text_of_more_than_a_mebibyte_is_no_template() {
    let toml = fs::read_to_string(folder().join("club.toml")).unwrap();
    let json = serde_json::to_string(&read(&folder().join("club.toml")).unwrap()).unwrap();
    let most = 1 << 20;
    type Reader = fn(&str) -> Result<Template, TemplateError>;
    let readers: [(String, Reader); 2] = [
        (format!("{toml}#{}", "x".repeat(most)), Template::from_toml),
        (format!("{json}{}", " ".repeat(most)), Template::from_json),
    ];
    for (long, read) in readers {
        assert!(read(&long[..most]).is_ok());
        let error = read(&long).unwrap_err();
        assert_eq!((error.line(), error.column(), error.member()), (1, 1, ""));
        assert!(error.problem().contains("at most 1048576 are read"), "{error}");
        assert!(error.problem().contains(&long.len().to_string()), "{error}");
    }
}
