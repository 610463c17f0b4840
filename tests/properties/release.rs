//! What was not authentic is not released, and the error stays.

use std::io::Read;

use bytes::Bytes;
use docvault::{Error, ErrorKind, Identity, Opened, OpenedDocument, Sender, Stored, Terms, storage::Storage};

use crate::{common::block_on, toolkit::*};

/// Documents, each of one byte again and again, and a delivery of them all.
struct Delivered {
    documents: [Stored; 3],
    notary: Identity,
    sender: Sender,
    sealed: Bytes,
}

impl Delivered {
    async fn new() -> Self {
        let world = World::new().await;
        let documents = [
            world.store("a", vec![1; 100]).await,
            world.store("b", vec![2; (8 << 20) + 300_000]).await,
            world.store("c", vec![3; 50_000]).await,
        ];
        let notary = identity(1);
        let grant =
            world.desk.grant(world.case, &recipient(&notary), Terms::read().purpose("p")).await.unwrap();
        let sealed = world.desk.deliver(grant).await.unwrap().collect().await.unwrap();
        Self { documents, notary, sender: world.vault.sender(), sealed }
    }

    /// Reads until the first error.
    fn failure(&self, opened: &mut Opened<impl Read>, at: usize) -> Error {
        loop {
            match opened.next_document() {
                Err(error) => return error,
                Ok(None) => panic!("byte {at} was altered unseen"),
                Ok(Some(document)) => {
                    if let Err(error) = self.read(document) {
                        return error;
                    }
                }
            }
        }
    }

    /// What a document releases is what was stored, and an error stays.
    fn read(&self, mut document: OpenedDocument<'_, impl Read>) -> Result<(), Error> {
        let (byte, len) = self.expected(&document);
        let mut released = 0;
        loop {
            match document.next_part() {
                Ok(None) => {
                    assert_eq!(released, len);
                    return Ok(());
                }
                Ok(Some(part)) => {
                    assert!(part.iter().all(|found| *found == byte));
                    released += part.len() as u64;
                }
                Err(error) => {
                    for _ in 0..3 {
                        assert_eq!(document.next_part().unwrap_err().kind(), ErrorKind::Corrupt);
                    }
                    return Err(error);
                }
            }
        }
    }

    /// The byte that a document consists of, and its length.
    fn expected(&self, document: &OpenedDocument<'_, impl Read>) -> (u8, u64) {
        let place = self.documents.iter().position(|stored| stored.document == document.id()).unwrap();
        (place as u8 + 1, self.documents[place].len)
    }
}

/// What is released before an altered bit is a prefix of what was sealed, and after the first error there are only
/// errors.
fn one_altered_bit(delivered: &Delivered, at: usize) {
    let bytes = altered(&delivered.sealed, at, 4);
    let Ok(mut opened) = delivered.notary.open(bytes.as_ref(), &delivered.sender) else { return };
    assert_eq!(delivered.failure(&mut opened, at).kind(), ErrorKind::Corrupt);
    for _ in 0..3 {
        assert_eq!(opened.next_document().unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

/// A byte too many shows when the last document was read, and goes on to show.
fn a_byte_too_many(delivered: &Delivered) {
    let long = [&delivered.sealed[..], &[0]].concat();
    let mut opened = delivered.notary.open(long.as_slice(), &delivered.sender).unwrap();
    for _ in 0..3 {
        opened.next_document().unwrap().unwrap().content().unwrap();
    }
    for _ in 0..3 {
        assert_eq!(opened.next_document().unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

/// A part of one byte before the length of the first sound one: what follows stays where it is.
fn a_part_too_many(delivered: &Delivered) {
    let mut fields = Fields(&delivered.sealed[1320..]);
    fields.bytes();
    fields.take(64);
    fields.bytes();
    let at = delivered.sealed.len() - fields.0.len();
    let spoiled = [&delivered.sealed[..at], &[0, 0, 0, 1, 0], &delivered.sealed[at..]].concat();
    let mut opened = delivered.notary.open(spoiled.as_slice(), &delivered.sender).unwrap();
    let mut document = opened.next_document().unwrap().unwrap();
    for _ in 0..3 {
        assert_eq!(document.next_part().map(drop).unwrap_err().kind(), ErrorKind::Corrupt);
    }
    assert_eq!(opened.next_document().unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn p12_a_delivery_that_failed_releases_nothing_more() {
    let delivered = block_on(Delivered::new());
    let (len, mut places) = (delivered.sealed.len(), 0);
    for at in (1384..len).step_by(len / 60).chain([len - 1]) {
        places += 1;
        one_altered_bit(&delivered, at);
    }
    assert!(places > 50);
    a_byte_too_many(&delivered);
    a_part_too_many(&delivered);
}

#[test]
fn p12_a_reader_that_failed_releases_nothing_more() {
    block_on(async {
        let world = World::new().await;
        let stored = world.store("x", vec![1; (16 << 20) + 300_000]).await;
        let evil = world.evil();
        let parts: Vec<_> = objects(&*evil, "part/").await.into_iter().collect();
        for (at, (name, bytes)) in parts.iter().enumerate() {
            evil.substitute(name, altered(bytes, bytes.len() / 2, 1));
            let desk = session(&world.open(evil.clone()).await.unwrap());
            let mut reader = desk.reader(stored.document).await.unwrap();
            for _ in 0..at {
                assert!(reader.next().await.unwrap().unwrap().iter().all(|byte| *byte == 1));
            }
            assert_eq!(reader.next().await.unwrap_err().kind(), ErrorKind::Corrupt);
            // Put right again behind its back: the reader has seen what it has seen.
            evil.substitute(name, bytes.clone());
            for _ in 0..3 {
                assert_eq!(reader.next().await.unwrap_err().kind(), ErrorKind::Corrupt);
            }
            assert!(evil.read(name, None).await.unwrap().is_some());
        }
    });
}
