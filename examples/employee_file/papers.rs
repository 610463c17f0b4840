//! Papers and answers as an employee would hand them in.

use docvault::intake::{Answer, Field, FieldKind, Form, NewFile, Requirement};

/// As many files as a requirement takes at least, each a small PDF or photograph that says what it is.
pub(crate) fn files(requirement: &Requirement, edition: u32) -> Vec<NewFile> {
    let Some(rule) = requirement.files() else { return Vec::new() };
    let (media_type, start): (_, &[u8]) = if rule.accepts("application/pdf") {
        ("application/pdf", b"%PDF-1.7\n")
    } else {
        ("image/jpeg", b"\xff\xd8\xff\xe0")
    };
    let file = |number| {
        let text = format!("{} {edition}.{number}", requirement.key());
        NewFile::from_memory(
            format!("{}-{number}", requirement.key()),
            media_type,
            [start, text.as_bytes()].concat(),
        )
    };
    (1..=rule.min()).map(file).collect()
}

/// An answer to every field: this employee drives, and is nothing else that asks for more papers.
pub(crate) fn form(requirement: &Requirement) -> Form {
    requirement.fields().iter().fold(Form::new(), |form, field| form.with(field.key().clone(), answer(field)))
}

fn answer(field: &Field) -> Answer {
    match field.kind() {
        FieldKind::Amount => "1250.50".into(),
        FieldKind::Boolean => (field.key().as_str() == "drives").into(),
        FieldKind::Choice => field.choices().first().map_or("", |choice| choice.key().as_str()).into(),
        FieldKind::Date => "1990-05-17".into(),
        FieldKind::Email => "ana@example.org".into(),
        FieldKind::Integer => field.min().unwrap_or(1).into(),
        FieldKind::Phone => "+525512345678".into(),
        _ => field.mask().map_or_else(|| "Ana López".to_owned(), |mask| fitting(mask.as_str())).into(),
    }
}

/// A text of a mask's shape.
fn fitting(mask: &str) -> String {
    let character = |of| match of {
        'A' | '*' => 'A',
        '9' => '1',
        other => other,
    };
    mask.chars().map(character).collect()
}
