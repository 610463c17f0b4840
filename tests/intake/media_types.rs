//! What a file says that it is, and what its bytes show.

use docvault::intake::*;

use crate::{Intake, common::block_on, key, template};

const REQUIREMENTS: &str = r#"
    [[requirements]]
    key = "statement"
    title = { en = "Bank statement" }
    files = { media_types = ["application/pdf"], max_bytes = 4_000_000 }

    [[requirements]]
    key = "picture"
    title = { en = "Picture" }
    files = { media_types = ["image/*"], max_bytes = 4_000_000 }

    [[requirements]]
    key = "note"
    title = { en = "Note" }
    files = { media_types = ["text/plain"], max_bytes = 4_000_000 }
"#;

/// The verdict on one file of this declared type for a requirement, or the type that is on record.
async fn handed_in(requirement: &str, declared: &str, content: &[u8]) -> Result<String, Verdict> {
    let intake = Intake::new().await;
    let desk = Desk::new(intake.vault.session("user:2").purpose("loans").begin().unwrap());
    let template = template(REQUIREMENTS);
    let case = desk.open_case("loan 1", &template, Opening::new("client:1")).await.unwrap();
    let new = NewSubmission::direct().file(NewFile::from_memory("file", declared, content.to_vec()));
    if let Submitted::SetAside { verdict, .. } = desk.submit(case, &key(requirement), new).await.unwrap() {
        return Err(verdict);
    }
    match desk.history(case, None).await.unwrap().events.remove(0).event.change {
        Change::Submitted { submission, .. } => Ok(submission.files[0].media_type.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_declared_type_is_no_way_around_what_the_bytes_show() {
    block_on(async {
        for (requirement, declared, content) in [
            ("statement", "application/pdf; x", &b"words"[..]),
            ("statement", "Application/PDF", b"words"),
            ("statement", " application/pdf ", b"words"),
            ("picture", "image/svg+xml", b"<svg onload=\"alert(1)\"/>"),
            ("picture", "image/*", b"words"),
            ("picture", "image/\r\nx", b"words"),
            ("note", "text/plain", b""),
        ] {
            let found = handed_in(requirement, declared, content).await;
            assert_eq!(found, Err(Verdict::Refused), "{declared:?} for {requirement}");
        }
    });
}

#[test]
fn the_recorded_type_is_short_and_plain() {
    block_on(async {
        for (requirement, declared, content, recorded) in [
            ("note", "Text/Plain; charset=\r\nutf-8", &b"words"[..], "text/plain"),
            ("picture", "whatever", b"\x89PNG\r\n\x1a\n", "image/png"),
        ] {
            assert_eq!(handed_in(requirement, declared, content).await.as_deref(), Ok(recorded));
        }
    });
}
