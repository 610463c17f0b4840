//! What the fuzz target `bundle` calls.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Cursor, Write},
};

use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use super::{
    error::Result,
    evidence,
    manifest::BundleManifest,
    names,
    readme::readme,
    records,
    source::Source,
    verify::{self, VerifiedBundle},
};
use crate::{CaseId, ContentDigest, TrustPolicy, intake::Template};

/// The files of a bundle, by their names.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A manifest, the lines of a log, sums: each is written as it was read.
pub fn bundle(data: &[u8]) {
    if let Ok(manifest) = BundleManifest::parse(data) {
        assert_eq!(manifest.to_json().as_bytes(), data);
        lead_nowhere(&manifest);
    }
    if let Some(lines) = case_of(data).and_then(|case| records::parse(data, case).ok()) {
        assert_eq!(records::jsonl(&lines).as_bytes(), data);
        // Nobody's words begin a line for people.
        assert_eq!(records::text(&lines).lines().count(), lines.len());
    }
    if let Some(sums) = verify::parse_sums(data) {
        let written: String = sums.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect();
        assert_eq!(written.as_bytes(), data);
    }
}

/// Each file of a manifest has a place of its own, below the bundle.
fn lead_nowhere(manifest: &BundleManifest) {
    let files = manifest.documents().flat_map(|(.., document)| document.files.iter().map(|file| &file.path));
    let receipts: Vec<String> = evidence::receipts(manifest).into_iter().map(|(path, _)| path).collect();
    let paths: Vec<&String> =
        files.chain(manifest.others.iter().map(|other| &other.path)).chain(&receipts).collect();
    assert_eq!(paths.iter().collect::<BTreeSet<_>>().len(), paths.len(), "{paths:?}");
    for path in paths {
        let plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', ':']);
        assert!(path.split('/').all(plain), "{path}");
    }
}

/// The case that the first line of a log names.
fn case_of(log: &[u8]) -> Option<CaseId> {
    let first = log.split(|byte| *byte == b'\n').next()?;
    let line: serde_json::Value = serde_json::from_slice(first).ok()?;
    line.get("case")?.as_str()?.parse().ok()
}

/// Verifies a ZIP file in memory.
///
/// # Errors
///
/// As [`verify_bundle`](crate::intake::verify_bundle).
pub fn verify_archive(bytes: &[u8], policy: &TrustPolicy) -> Result<VerifiedBundle> {
    verify::verify(Source::archive(Cursor::new(bytes.to_vec()))?, policy)
}

/// What is in a ZIP file in memory.
///
/// # Errors
///
/// If it is none like those that are written here.
pub fn files_in(bytes: &[u8]) -> Result<Files> {
    let mut source = Source::archive(Cursor::new(bytes.to_vec()))?;
    let names = source.names.clone();
    names.into_iter().map(|name| source.whole(&name).map(|content| (name, content))).collect()
}

/// A ZIP file like those that are written here.
#[must_use]
pub fn archive_of(files: &Files) -> Vec<u8> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644)
        .large_file(true);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(name.as_str(), options).expect("a name");
        zip.write_all(content).expect("memory");
    }
    zip.finish().expect("memory").into_inner()
}

/// Makes right again what follows from other files, as somebody who forges would.
pub fn mend(files: &mut Files) {
    if let Some((mut manifest, template)) = read(files) {
        describe(&mut manifest, &template, files);
        files.insert(names::README.to_owned(), readme(&manifest, &template).into());
        files.insert(names::MANIFEST.to_owned(), manifest.to_json().into());
    }
    let log = files.get(names::LOG).map(Vec::as_slice).unwrap_or_default();
    if let Some(lines) = case_of(log).and_then(|case| records::parse(log, case).ok()) {
        files.insert(names::LOG_TEXT.to_owned(), records::text(&lines).into());
    }
    files.remove(names::SUMS);
    let sum = |(name, content): (&String, &Vec<u8>)| format!("{}  {name}\n", sha256(content));
    let sums: String = files.iter().map(sum).collect();
    files.insert(names::SUMS.to_owned(), sums.into());
}

fn read(files: &Files) -> Option<(BundleManifest, Template)> {
    let manifest = BundleManifest::parse(files.get(names::MANIFEST)?).ok()?;
    let template = Template::from_json(core::str::from_utf8(files.get(names::TEMPLATE)?).ok()?).ok()?;
    Some((manifest, template))
}

/// Has a manifest tell of the template and the documents that are there.
fn describe(manifest: &mut BundleManifest, template: &Template, files: &Files) {
    manifest.template.hash = template.hash();
    for document in manifest.requirements.iter_mut().filter_map(|one| one.document.as_mut()) {
        for file in &mut document.files {
            if let Some(content) = files.get(&file.path) {
                file.bytes = u64::try_from(content.len()).expect("it is in memory");
                (file.blake3, file.sha256) = (ContentDigest::of(content), Some(sha256(content)));
            }
        }
        document.digest = ContentDigest::of_page_digests(document.files.iter().map(|file| file.blake3));
    }
}

fn sha256(content: &[u8]) -> String {
    super::hex(&crate::sha256(&[content]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(name: &str) -> Vec<u8> {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/bundle/");
        std::fs::read(format!("{corpus}{name}")).expect("a seed")
    }

    /// Or the target would be fuzzed no deeper than what is refused first.
    #[test]
    fn the_corpus_has_what_parses() {
        let [manifest, log, sums] = ["manifest", "log", "sums"].map(seed);
        assert!(BundleManifest::parse(&manifest).is_ok());
        let case = case_of(&log).expect("a case");
        assert!(records::parse(&log, case).is_ok_and(|lines| !lines.is_empty()));
        assert!(verify::parse_sums(&sums).is_some_and(|sums| !sums.is_empty()));
        [manifest, log, sums].iter().for_each(|seed| bundle(seed));
    }

    #[test]
    fn an_archive_has_the_files_that_were_put_in() {
        let files: Files = [("a".to_owned(), b"1".to_vec()), ("b/c".to_owned(), Vec::new())].into();
        let bytes = archive_of(&files);
        assert_eq!(files_in(&bytes).expect("an archive"), files);
        assert!(files_in(&bytes[1..]).is_err());
    }
}
