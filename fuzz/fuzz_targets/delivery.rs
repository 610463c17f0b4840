//! What the parsers take; then what was done to an honest delivery, eight bytes a step: it opens exactly if it is the honest
//! one again, and no other document comes out before the error.
#![no_main]

#[allow(dead_code, unused_imports, reason = "what tests share besides")]
#[path = "../../tests/common/mod.rs"]
mod common;
#[allow(dead_code, reason = "an office has more to do")]
#[path = "../../tests/common/intake.rs"]
mod intake;

use std::sync::{Arc, LazyLock};

use docvault::{
    Identity, NewDocument, NoSleep, Recipient, Secret, Sender, Terms, Timestamp, Vault, VaultOptions,
    keys::LocalKey, storage::MemoryStorage,
};
use futures_lite::future::block_on;
use intake::{Hand, Seeded};

struct Honest {
    sealed: Vec<u8>,
    sender: Sender,
    documents: Vec<Document>,
}

/// All that is said of it, and its content.
type Document = (String, Vec<u8>);

fn notary() -> Identity {
    Identity::from_seed(Secret::copy_from(&[1; 32]).expect("32 bytes"))
}

static HONEST: LazyLock<Honest> = LazyLock::new(|| block_on(honest()).expect("a delivery"));

async fn honest() -> docvault::Result<Honest> {
    let key = LocalKey::from_seed(Secret::copy_from(&[2; 32]).expect("32 bytes"));
    let options = VaultOptions::default().sleeper(NoSleep::default()).entropy(Seeded::new(1));
    let options = options.clock(Hand::at(Timestamp::from_millis(1_790_000_000_000)));
    let vault = Vault::create_with(Arc::new(MemoryStorage::default()), Arc::new(key), options).await?;
    let desk = vault.session("a").purpose("p").begin()?;
    let case = desk.create_case("case").await?;
    // The last is too long to stand in its head.
    for (name, len) in [("first", 5), ("empty", 0), ("chunks", 40_000), ("part", 270_000)] {
        desk.store(case, NewDocument::named(name), vec![7; len]).await?;
    }
    let paged = NewDocument::named("pages").media_type("image/jpeg").attribute("side", "both").with_sha256();
    let mut upload = desk.upload(case, paged).await?;
    upload.write(&[8; 300]).await?;
    upload.next_page().await?;
    upload.write(&[9; 20_000]).await?;
    upload.finish().await?;
    let notary = notary();
    let recipient = Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string())?;
    let grant = desk.grant(case, &recipient, Terms::read().purpose("p")).await?;
    let sealed = desk.deliver(grant).await?.collect().await?;
    let sender = vault.sender();
    let mut documents = Vec::new();
    opened(&sealed, &sender, &mut documents)?;
    assert_eq!(documents.len(), 5);
    Ok(Honest { sealed: sealed.to_vec(), sender, documents })
}

/// Opens a delivery, as far as it goes.
fn opened(sealed: &[u8], sender: &Sender, documents: &mut Vec<Document>) -> docvault::Result<()> {
    let mut opened = notary().open(sealed, sender)?;
    let delivery =
        format!("{:?}", (opened.vault(), opened.grant(), opened.operation(), opened.time(), opened.terms()));
    while let Some(document) = opened.next_document()? {
        let version = (document.id(), document.version(), document.name(), document.media_type());
        let said = format!("{delivery} {version:?} {:?} {:?}", document.attributes(), document.digest());
        documents.push((said, document.content()?));
    }
    Ok(())
}

fn alter(sealed: &mut Vec<u8>, [what, how, at @ .., a, b, c]: [u8; 8]) {
    let place =
        |[high, middle, low]: [u8; 3]| usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
    docvault::fuzzing::alter(sealed, [what, how], place(at), place([a, b, c]), usize::from(how) * 67);
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    docvault::fuzzing::delivery(data);
    let mut sealed = HONEST.sealed.clone();
    data.as_chunks().0.iter().take(16).for_each(|step| alter(&mut sealed, *step));
    let mut documents = Vec::new();
    let whole = opened(&sealed, &HONEST.sender, &mut documents);
    assert!(HONEST.documents.starts_with(&documents), "something else was opened");
    assert_eq!(whole.is_ok(), sealed == HONEST.sealed);
    assert!(whole.is_err() || documents.len() == HONEST.documents.len(), "something is missing");
});
