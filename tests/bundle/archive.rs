//! A21: nothing is hidden in an archive.

use std::{
    fs::{self, File},
    io::Write,
};

use docvault::intake::*;
use zip::ZipArchive;

use crate::{
    common::block_on,
    office::*,
    paths::{copy_zip, options},
};

#[test]
fn nothing_is_hidden_in_an_archive() {
    block_on(async {
        let office = Office::small().await;
        let (bundle, _) = office.export("case.zip").await;
        let bytes = fs::read(&bundle).unwrap();
        let forged = office.path("forged.zip");
        for (hidden, what) in [
            ([b"hidden", &bytes[..]].concat(), "before its files"),
            ([&bytes[..], b"hidden"].concat(), "behind its end"),
        ] {
            fs::write(&forged, hidden).unwrap();
            let refused = office.refused(&forged);
            assert!(matches!(refused.what, BundleFault::Malformed(_)), "{what}: {refused}");
        }
        copy_zip(&bundle, &forged, options(), |copy| copy.set_comment("hidden").unwrap());
        assert!(matches!(office.refused(&forged).what, BundleFault::Malformed(_)));
        copy_zip(&bundle, &forged, options(), |copy| {
            copy.start_file("hidden", options()).unwrap();
            copy.write_all(b"hidden").unwrap();
            copy.abort_file().unwrap();
            copy.start_file("b", options()).unwrap();
            copy.abort_file().unwrap();
        });
        verify_bundle(&forged, &office.intake.policy).expect("aborted, so not there");
        for len in [0, 1, 22, bytes.len() / 2, bytes.len() - 1] {
            fs::write(&forged, &bytes[..len]).unwrap();
            office.refused(&forged);
        }
        fs::remove_file(&forged).unwrap();
        assert!(matches!(office.refused(&forged).what, BundleFault::Unreadable(_)));
    });
}

#[test]
fn a_name_in_an_archive_stands_once_and_in_ascii() {
    block_on(async {
        let office = Office::small().await;
        let (bundle, _) = office.export("case.zip").await;
        let forged = office.path("forged.zip");
        for (name, to) in [("log-txt", "log.txt"), ("l\u{f3}g.txt", "l\u{f3}g.txt")] {
            copy_zip(&bundle, &forged, options(), |copy| {
                copy.start_file(name, options()).unwrap();
                copy.write_all(b"hidden").unwrap();
            });
            let mut bytes = fs::read(&forged).unwrap();
            for at in 0..bytes.len() - name.len() {
                if bytes[at..].starts_with(name.as_bytes()) {
                    bytes[at..at + name.len()].copy_from_slice(to.as_bytes());
                }
            }
            fs::write(&forged, bytes).unwrap();
            let refused = office.refused(&forged);
            let malformed = matches!(refused.what, BundleFault::Malformed(_));
            assert!(malformed && refused.at == "the ZIP file", "{to}: {refused}");
        }
    });
}

/// It is an end record alone, with no room before it for what leads to 64-bit numbers.
#[test]
fn an_archive_of_no_file_is_no_bundle() {
    block_on(async {
        let office = Office::small().await;
        let forged = office.path("forged.zip");
        fs::write(&forged, [&b"PK\x05\x06"[..], &[0; 18]].concat()).unwrap();
        let refused = office.refused(&forged);
        assert!(matches!(refused.what, BundleFault::Missing) && refused.at == "SHA256SUMS", "{refused}");
    });
}

/// Where the headers of an archive are that has its first file's local header at 0.
struct Places {
    /// Of the first file: where its extra field is, and how long its name and that are.
    local: (usize, usize),
    directory: usize,
    end: usize,
}

fn number(bytes: &[u8], at: usize, width: usize) -> usize {
    bytes[at..at + width].iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// The lowest byte comes first, as in all ZIP files.
fn lowest_first(number: usize) -> [u8; 8] {
    let mut bytes = (number as u64).to_be_bytes();
    bytes.reverse();
    bytes
}

fn put(bytes: &mut [u8], at: usize, width: usize, number: usize) {
    bytes[at..at + width].copy_from_slice(&lowest_first(number)[..width]);
}

impl Places {
    fn of(bytes: &[u8]) -> Self {
        let end = bytes.len() - 22;
        assert!(bytes[end..].starts_with(b"PK\x05\x06"));
        let (name, extra) = (number(bytes, 26, 2), number(bytes, 28, 2));
        Self { local: (30 + name, extra), directory: number(bytes, end + 16, 4), end }
    }

    /// Where the extra field of a file's central header is, and how long; the first file's, or the last one's.
    fn central(&self, bytes: &[u8], last: bool) -> (usize, usize, usize) {
        let mut at = self.directory;
        loop {
            let (name, extra) = (number(bytes, at + 28, 2), number(bytes, at + 30, 2));
            let next = at + 46 + name + extra;
            if !last || next == self.end {
                return (at, at + 46 + name, extra);
            }
            at = next;
        }
    }
}

fn insert(bytes: &[u8], at: usize, what: &[u8]) -> Vec<u8> {
    [&bytes[..at], what, &bytes[at..]].concat()
}

/// The directory is so much longer, and begins so much later.
fn grown(mut bytes: Vec<u8>, by: usize, later: usize) -> Vec<u8> {
    let end = bytes.len() - 22;
    let (size, offset) = (number(&bytes, end + 12, 4), number(&bytes, end + 16, 4));
    put(&mut bytes, end + 12, 4, size + by);
    put(&mut bytes, end + 16, 4, offset + later);
    bytes
}

/// A field of a kind that nobody knows.
const FIELD: &[u8] = b"\xfe\xca\x06\0hidden";

/// The archive with bytes in a place that its headers have room for.
fn hidden_in(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let places = Places::of(bytes);
    let mut hidden = vec![("before the end record", grown(insert(bytes, places.end, b"hidden"), 6, 0))];
    for last in [false, true] {
        let (at, extra, len) = places.central(bytes, last);
        let mut commented = grown(insert(bytes, extra + len, b"hidden"), 6, 0);
        put(&mut commented, at + 32, 2, 6);
        hidden.push(("a file's comment", commented));
        let mut more = grown(insert(bytes, extra + len, FIELD), FIELD.len(), 0);
        put(&mut more, at + 30, 2, len + FIELD.len());
        hidden.push(("a central field", more));
    }
    let (at, extra, len) = places.central(bytes, false);
    let mut longer = grown(insert(bytes, extra + len, &[0; 8]), 8, 0);
    put(&mut longer, at + 30, 2, len + 8);
    put(&mut longer, extra + 2, 2, len + 4);
    hidden.push(("a longer 64-bit field", longer));
    hidden.push(("a local field", local_field(bytes, &places)));
    hidden
}

/// Every file but the first is that much farther from the beginning.
fn local_field(bytes: &[u8], places: &Places) -> Vec<u8> {
    let (extra, len) = places.local;
    let mut hidden = grown(insert(bytes, extra + len, FIELD), 0, FIELD.len());
    put(&mut hidden, 28, 2, len + FIELD.len());
    let (mut at, end) = (places.directory + FIELD.len(), hidden.len() - 22);
    while at < end {
        let offset = number(&hidden, at + 42, 4);
        put(&mut hidden, at + 42, 4, if offset > 0 { offset + FIELD.len() } else { 0 });
        at += 46 + number(&hidden, at + 28, 2) + number(&hidden, at + 30, 2);
    }
    hidden
}

#[test]
fn nothing_is_hidden_in_the_headers_of_an_archive() {
    block_on(async {
        let office = Office::small().await;
        let (bundle, _) = office.export("case.zip").await;
        let bytes = fs::read(&bundle).unwrap();
        let forged = office.path("forged.zip");
        fs::write(&forged, &bytes).unwrap();
        verify_bundle(&forged, &office.intake.policy).expect("nothing is hidden yet");
        for (place, hidden) in hidden_in(&bytes) {
            fs::write(&forged, &hidden).unwrap();
            ZipArchive::new(File::open(&forged).unwrap()).unwrap_or_else(|why| panic!("{place}: {why}"));
            let refused = office.refused(&forged);
            assert!(matches!(refused.what, BundleFault::Malformed(_)), "{place}: {refused}");
        }
    });
}

/// The archive with 64-bit numbers of its directory, `more` behind them, and between them and their locator.
fn with_long_end(bytes: &[u8], [more, between]: [&[u8]; 2]) -> Vec<u8> {
    let end = bytes.len() - 22;
    let [entries, size, offset] =
        [(8, 2), (12, 4), (16, 4)].map(|(at, width)| lowest_first(number(bytes, end + at, width)));
    let len = lowest_first(44 + more.len());
    let (versions, disks) = ([45, 0, 45, 0], [0; 8]);
    let record =
        [b"PK\x06\x06", &len[..], &versions, &disks, &entries, &entries, &size, &offset, more].concat();
    let locator = [&b"PK\x06\x07\0\0\0\0"[..], &lowest_first(end), &[1, 0, 0, 0]].concat();
    let mut long = [&bytes[..end], &record, between, &locator, &bytes[end..]].concat();
    let end = long.len() - 22;
    long[end + 8..end + 20].fill(0xff);
    long
}

#[test]
fn nothing_is_hidden_in_64_bit_end_records() {
    block_on(async {
        let office = Office::small().await;
        let (bundle, _) = office.export("case.zip").await;
        let bytes = fs::read(&bundle).unwrap();
        let forged = office.path("forged.zip");
        let honest = with_long_end(&bytes, [b"", b""]);
        fs::write(&forged, &honest).unwrap();
        verify_bundle(&forged, &office.intake.policy).expect("64-bit numbers are allowed");
        let (end, start) = (honest.len() - 22, bytes.len() - 22);
        let altered = |at: usize, to: u8| {
            let mut altered = honest.clone();
            altered[at] = to;
            altered
        };
        // The numbers that a reader would look at who does not follow the locator.
        let decoy = with_long_end(&bytes, [&[&honest[start..start + 56]].concat(), b""]);
        for (what, forgery) in [
            ("a longer record", with_long_end(&bytes, [b"hidden", b""])),
            ("a decoy", decoy),
            ("bytes before the locator", with_long_end(&bytes, [b"", b"hidden"])),
            ("no record", altered(start, b'Q')),
            ("another length", altered(start + 4, 45)),
            ("another disk", altered(start + 16, 1)),
            ("a locator of another disk", altered(end - 16, 1)),
            ("a locator that leads elsewhere", altered(end - 12, honest[end - 12] ^ 1)),
            ("a locator of more disks", altered(end - 4, 2)),
            ("short numbers that are others", altered(end + 12, 0)),
            ("more entries", altered(start + 32, honest[start + 32] + 1)),
        ] {
            fs::write(&forged, forgery).unwrap();
            let refused = office.refused(&forged);
            assert!(matches!(refused.what, BundleFault::Malformed(_)), "{what}: {refused}");
        }
        // A locator that nothing asks for.
        let mut unasked = honest;
        unasked[end + 8..].copy_from_slice(&bytes[start + 8..]);
        fs::write(&forged, unasked).unwrap();
        assert!(matches!(office.refused(&forged).what, BundleFault::Malformed(_)));
    });
}
