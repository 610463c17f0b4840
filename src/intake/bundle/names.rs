//! Names of files in a bundle: each follows from the manifest (FORMAT §13.2).

use crate::intake::{
    ClaimedKind, Key,
    extension::{extension_of, extensions_of},
    template::CANONICAL,
};

/// What the page of a form's answers is called, and its media type.
pub(super) const FORM: (&str, &str) = ("form.json", "application/json");
pub(super) const LOG: &str = "log.jsonl";
pub(super) const LOG_TEXT: &str = "log.txt";
pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const POLICY: &str = "policy.txt";
pub(super) const README: &str = "README.txt";
pub(super) const SUMS: &str = "SHA256SUMS";
pub(super) const TEMPLATE: &str = "template.json";
/// The receipt for the statement that the case was opened with its template.
pub(super) const OPENED: &str = "receipts/opened.receipt";
/// The receipt for the statement that the case was complete.
pub(super) const COMPLETE: &str = "receipts/complete.receipt";

/// Where file `number` of requirement `at` is, both from 0.
pub(super) fn document(at: usize, requirement: &Key, number: usize, called: (&str, &str)) -> String {
    format!("documents/{:02}-{requirement}/{:02}-{}", at + 1, number + 1, safe(called))
}

/// Where a document that is for no requirement is.
pub(super) fn other(number: usize, called: (&str, &str)) -> String {
    format!("documents/others/{:04}-{}", number + 1, safe(called))
}

/// The receipt for the record that stored a requirement's version.
pub(super) fn stored(at: usize, requirement: &Key) -> String {
    format!("receipts/{:02}-{requirement}.stored.receipt", at + 1)
}

/// The receipt for statement `number` about a requirement's version.
pub(super) fn statement(at: usize, requirement: &Key, number: usize, kind: ClaimedKind) -> String {
    let kind = match kind {
        ClaimedKind::Approved => "approved",
        ClaimedKind::Attested => "attested",
        ClaimedKind::NewerVersionSeen => "newer-version-seen",
        ClaimedKind::Submitted => "submitted",
    };
    format!("receipts/{:02}-{requirement}.{:02}-{kind}.receipt", at + 1, number + 1)
}

/// Bytes of a file that is no document, at most, as it is written and read.
///
/// A manifest has some 900 bytes a file, and a submission at most 33 files for each of 40 requirements: 1.2 MiB. A list of sums has
/// 230 bytes a file at most. A log of 64 MiB has some 200,000 records of one case. A policy and a receipt are never longer where they
/// are parsed, nor is a template's canonical JSON. What people read follows from these files, to the byte.
pub(super) fn cap(name: &str) -> usize {
    match name {
        LOG => 64 << 20,
        LOG_TEXT | README => usize::MAX,
        MANIFEST | SUMS => 16 << 20,
        POLICY => 256 << 10,
        TEMPLATE => CANONICAL,
        _ => 512 << 10,
    }
}

/// A name that every file system takes, that leads nowhere and that opens with what the media type says: whoever
/// named the file does not choose the program that a double click starts.
fn safe((name, media_type): (&str, &str)) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') { c } else { '_' };
    let kept: String = name.chars().map(kept).collect();
    let shown = kept.trim_matches('.').rsplit_once('.').map(|(_, shown)| shown.to_ascii_lowercase());
    if shown.is_some_and(|shown| extensions_of(media_type).contains(&shown.as_str())) {
        return last(&kept, LONGEST).to_owned();
    }
    let extension = extension_of(media_type);
    let stem = last(&kept, LONGEST.saturating_sub(extension.len() + 1));
    format!("{}.{extension}", if stem.is_empty() { "file" } else { stem })
}

/// The last characters of a name in ASCII, without dots at their ends.
fn last(name: &str, most: usize) -> &str {
    name.get(name.len().saturating_sub(most)..).unwrap_or_default().trim_matches('.')
}

const LONGEST: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_anywhere() {
        for (name, expected) in [
            ("INE frente.jpg", "INE_frente.jpg.pdf"),
            ("../../etc/passwd", "_.._etc_passwd.pdf"),
            ("..", "file.pdf"),
            ("", "file.pdf"),
            (".pdf", "pdf.pdf"),
            ("C:\\x\\y.pdf", "C__x_y.pdf"),
            ("a\0b\n.", "a_b_.pdf"),
            ("Pérez.PDF.", "P_rez.PDF"),
            ("estado.hta", "estado.hta.pdf"),
            ("estado\u{202e}fdp.exe", "estado_fdp.exe.pdf"),
        ] {
            assert_eq!(safe((name, "application/pdf")), expected, "{name:?}");
        }
        for extension in ["pdf", "exe"] {
            let long = safe((&format!("{}.{extension}", "x".repeat(300)), "application/pdf"));
            assert!(long.len() == LONGEST && long.ends_with(".pdf"), "{long}");
        }
        let key: Key = "official_id".parse().expect("a key");
        assert_eq!(document(2, &key, 0, ("a/b", "text/html")), "documents/03-official_id/01-a_b.bin");
    }
}
