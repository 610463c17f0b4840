//! Files that are others when they are read again, of the same length.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use docvault::intake::*;

use crate::{Office, Once, Scanner, common::block_on, key};

/// A file that is read as one of these after the other.
struct Swapped(AtomicUsize, [&'static [u8]; 3]);

#[async_trait]
impl Content for Swapped {
    async fn open(&self) -> docvault::Result<Box<dyn Chunks>> {
        let times = self.0.fetch_add(1, Ordering::SeqCst).min(2);
        Ok(Box::new(Once(Some(bytes::Bytes::from_static(self.1[times])))))
    }
}

/// What a scanner has passed is what is stored, whenever the file is swapped: before it is looked at, for the scanner
/// alone, or after it.
#[test]
fn no_other_file_of_the_same_length_is_stored() {
    let (good, bad): (&[u8], &[u8]) = (b"%PDF-1.7 good", b"%PDF-1.7 worm");
    block_on(async {
        for (shown, changes) in [
            ([good, bad, bad], true),
            ([bad, good, bad], true),
            ([good, good, bad], true),
            ([good; 3], false),
        ] {
            let office = Office::open().await;
            let desk = office.desk.clone().inspector(Scanner);
            let file = NewFile::new("a.pdf", "application/pdf", Swapped(AtomicUsize::new(0), shown));
            let new = NewSubmission::direct().file(file);
            let submitted = desk.submit(office.case, &key("statement"), new).await;
            if !changes {
                assert!(submitted.unwrap().accepted().is_some());
                continue;
            }
            assert!(!matches!(submitted, Ok(Submitted::Accepted(_))), "{shown:?}: {submitted:?}");
            if shown == [good, good, bad] {
                assert!(matches!(submitted, Err(IntakeError::Changed(1))), "{submitted:?}");
            }
            assert!(matches!(office.standing("statement").await, None | Some(Stage::Missing)));
            assert_eq!(office.intake.desk.documents(office.case, None).await.unwrap().documents, []);
        }
    });
}
