//! Reads the vector files beside this one: records of `name = hex` lines, apart by an empty line.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_in_result,
    reason = "tests"
)]

use std::collections::BTreeMap;

/// The fields of one record.
pub(crate) struct Vector(BTreeMap<&'static str, Vec<u8>>);

impl Vector {
    pub(crate) fn bytes(&self, name: &str) -> &[u8] {
        self.0.get(name).unwrap_or_else(|| panic!("the record has no {name}"))
    }

    pub(crate) fn array<const N: usize>(&self, name: &str) -> [u8; N] {
        self.bytes(name).try_into().unwrap_or_else(|_| panic!("{name} is not {N} bytes"))
    }
}

/// The records of a file; lines that start with `#` tell where they come from.
pub(crate) fn parse(file: &'static str) -> Vec<Vector> {
    let lines = file.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>();
    let records = lines.split(|line| line.is_empty()).filter(|record| !record.is_empty());
    records.map(|record| Vector(record.iter().copied().map(field).collect())).collect()
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<_>>();
    assert!(digits.len().is_multiple_of(2), "an odd number of hexadecimal digits");
    let pairs = digits.chunks_exact(2).map(|pair| core::str::from_utf8(pair).expect("ASCII"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal")).collect()
}

fn field(line: &'static str) -> (&'static str, Vec<u8>) {
    let (name, value) = line.split_once(" =").expect("a field has a value");
    (name, hex(value))
}
