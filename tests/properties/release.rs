//! What was not authentic is not released, and the error stays.

use docvault::{ErrorKind, Terms, storage::Storage};

use crate::{common::block_on, toolkit::*};

#[test]
fn p12_a_delivery_that_failed_releases_nothing_more() {
    block_on(async {
        let world = World::new().await;
        let documents = [
            world.store("a", vec![1; 100]).await,
            world.store("b", vec![2; (8 << 20) + 300_000]).await,
            world.store("c", vec![3; 50_000]).await,
        ];
        let notary = identity(1);
        let grant =
            world.desk.grant(world.case, &recipient(&notary), Terms::read().purpose("p")).await.unwrap();
        let delivery = world.desk.deliver(grant).await.unwrap().collect().await.unwrap();
        let sender = world.vault.sender();
        let expected = |id| {
            let place = documents.iter().position(|stored| stored.document == id).unwrap();
            (place as u8 + 1, documents[place].len)
        };
        // A bit in each of many places: what is released before is a prefix of what was sealed, and after
        // the first error there are only errors.
        let mut places = 0;
        for at in (1384..delivery.len()).step_by(delivery.len() / 60).chain([delivery.len() - 1]) {
            places += 1;
            let bytes = altered(&delivery, at, 4);
            let Ok(mut opened) = notary.open(bytes.as_ref(), &sender) else { continue };
            let failure = loop {
                match opened.next_document() {
                    Err(error) => break error,
                    Ok(None) => panic!("byte {at} was altered unseen"),
                    Ok(Some(mut document)) => {
                        let (byte, len) = expected(document.id());
                        let mut released = 0;
                        let ended = loop {
                            match document.next_part() {
                                Ok(None) => break Ok(()),
                                Ok(Some(part)) => {
                                    assert!(part.iter().all(|found| *found == byte));
                                    released += part.len() as u64;
                                }
                                Err(error) => break Err(error),
                            }
                        };
                        match ended {
                            Ok(()) => assert_eq!(released, len),
                            Err(error) => {
                                for _ in 0..3 {
                                    assert_eq!(document.next_part().unwrap_err().kind(), ErrorKind::Corrupt);
                                }
                                break error;
                            }
                        }
                    }
                }
            };
            assert_eq!(failure.kind(), ErrorKind::Corrupt);
            for _ in 0..3 {
                assert_eq!(opened.next_document().unwrap_err().kind(), ErrorKind::Corrupt);
            }
        }
        assert!(places > 50);
        // A byte too many shows when the last document was read, and goes on to show.
        let long = [&delivery[..], &[0]].concat();
        let mut opened = notary.open(long.as_slice(), &sender).unwrap();
        for _ in 0..3 {
            opened.next_document().unwrap().unwrap().content().unwrap();
        }
        for _ in 0..3 {
            assert_eq!(opened.next_document().unwrap_err().kind(), ErrorKind::Corrupt);
        }

        // A part of one byte before the length of the first sound one: what follows stays where it is.
        let mut fields = Fields(&delivery[1320..]);
        fields.bytes();
        fields.take(64);
        fields.bytes();
        let at = delivery.len() - fields.0.len();
        let spoiled = [&delivery[..at], &[0, 0, 0, 1, 0], &delivery[at..]].concat();
        let mut opened = notary.open(spoiled.as_slice(), &sender).unwrap();
        let mut document = opened.next_document().unwrap().unwrap();
        for _ in 0..3 {
            assert_eq!(document.next_part().map(drop).unwrap_err().kind(), ErrorKind::Corrupt);
        }
        assert_eq!(opened.next_document().unwrap_err().kind(), ErrorKind::Corrupt);
    });
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
