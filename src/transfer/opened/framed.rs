//! Lengths and bytes of a delivery, as they are read.

use std::io::{self, Read};

use crate::{
    error::{Error, ErrorKind, Result},
    transfer::parcel::malformed,
};

/// A length of at most `cap`, and as many bytes; grows as they come, whatever length is declared.
pub(super) fn read_bytes(source: &mut impl Read, cap: u32) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read_bytes_into(source, cap, &mut bytes)?;
    Ok(bytes)
}

/// [`read_bytes`] into memory that is there.
pub(super) fn read_bytes_into(source: &mut impl Read, cap: u32, bytes: &mut Vec<u8>) -> Result<()> {
    let mut len = [0; 4];
    read_exact(source, &mut len)?;
    let len = u32::from_be_bytes(len);
    if len > cap {
        return Err(malformed());
    }
    bytes.clear();
    let read = source.take(len.into()).read_to_end(bytes).map_err(unreadable)?;
    if u32::try_from(read) == Ok(len) { Ok(()) } else { Err(malformed()) }
}

pub(super) fn read_exact(source: &mut impl Read, bytes: &mut [u8]) -> Result<()> {
    source.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => malformed(),
        _ => unreadable(error),
    })
}

pub(super) fn unreadable(error: io::Error) -> Error {
    Error::new(ErrorKind::Storage, "the delivery could not be read or written").caused(error)
}
