//! The names of what a carrier keeps (FORMAT §11.3), and how it is created.

use bytes::Bytes;

use super::ids::{DepositId, RequestId};
use crate::{
    error::{Error, ErrorKind, Result},
    storage::{Creation, ObjectKey, Storage},
};

fn named(name: String) -> ObjectKey {
    name.parse().expect("identifiers and numbers in hexadecimal make a key")
}

pub(super) fn request(request: RequestId) -> ObjectKey {
    named(format!("deposit/{request}/request"))
}

pub(super) fn closed(request: RequestId) -> ObjectKey {
    named(format!("deposit/{request}/closed"))
}

pub(super) fn begun(request: RequestId, slot: u16, number: u16) -> ObjectKey {
    named(format!("deposit/{request}/begun/{slot:04x}-{number:04x}"))
}

pub(super) fn promise(request: RequestId, slot: u16, number: u16) -> ObjectKey {
    named(format!("deposit/{request}/promise/{slot:04x}-{number:04x}"))
}

/// Every promise for a request starts so.
pub(super) fn promises(request: RequestId) -> String {
    format!("deposit/{request}/promise/")
}

pub(super) fn part(request: RequestId, deposit: DepositId, page: u16, part: u32) -> ObjectKey {
    named(format!("deposit/{request}/{deposit}/part-{page:04x}-{part:08x}"))
}

/// Every part of a deposit starts so.
pub(super) fn parts(request: RequestId, deposit: DepositId) -> String {
    format!("deposit/{request}/{deposit}/part-")
}

pub(super) fn manifest(request: RequestId, deposit: DepositId) -> ObjectKey {
    named(format!("deposit/{request}/{deposit}/manifest"))
}

pub(super) fn answer(request: RequestId, deposit: DepositId, number: u16) -> ObjectKey {
    named(format!("deposit/{request}/{deposit}/answer-{number:04x}"))
}

/// Creates an object, and gives what stands under its name then: `bytes`, or what was there before.
///
/// # Errors
///
/// The storage's; also if it cannot tell, again and again, whether the object is there. Creating the same
/// bytes anew settles it.
pub(super) async fn settle(storage: &dyn Storage, key: &ObjectKey, bytes: &Bytes) -> Result<Bytes> {
    for _ in 0..TRIES {
        if storage.create(key, bytes.clone()).await? == Creation::Created {
            return Ok(bytes.clone());
        }
        if let Some(found) = storage.read(key, None).await? {
            return Ok(found);
        }
    }
    Err(Error::new(
        ErrorKind::Storage,
        format!("the storage does not tell whether it has {key}; send it again"),
    ))
}

const TRIES: usize = 8;
/// Answers to a deposit, at most: a client reads them all.
pub(super) const ANSWERS: u16 = 256;
