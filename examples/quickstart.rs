//! The README's example: a vault, a document, a grant, a revocation, a verified log.

use std::sync::Arc;

use docvault::{
    FilePinStore, Identity, NewDocument, PinStore, Recipient, RecordFilter, Sender, Terms, Vault,
    VaultOptions, keys::LocalKey, storage::FsStorage,
};
use futures_lite::future::block_on;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    block_on(async {
        // For the demonstration all of it is in one folder. In production the key is elsewhere, and the pin where those who
        // run the storage cannot write.
        let pins = FilePinStore::new(at("vault.pin"));
        let options = VaultOptions::default().pin_store(pins.clone());
        let (storage, key) = (FsStorage::create(at("vault"))?, LocalKey::create(at("vault.key"))?);
        drop(Vault::create_with(Arc::new(storage), Arc::new(key), options.clone()).await?);
        let pin = pins.load().await?.ok_or("the pin is missing: put it back")?;
        let (storage, key) = (FsStorage::open(at("vault"))?, LocalKey::load(at("vault.key"))?);
        let vault = Vault::open_with(Arc::new(storage), Arc::new(key), &pin, options).await?;

        let desk = vault.session("user:7f3a").purpose("credit review").begin()?;
        let case = desk.create_case("Juan Pérez, crédito 0042").await?;
        let new = NewDocument::named("INE.pdf").media_type("application/pdf");
        let stored = desk.store(case, new, b"%PDF-1.7 ...".to_vec()).await?;
        println!("stored {} as record {}, BLAKE3 {}", stored.document, stored.seq, stored.digest);

        let mut upload = desk.upload(case, NewDocument::named("escritura.tiff")).await?; // any size, resumable
        upload.write(b"II*...").await?;
        upload.finish().await?; // invisible until here

        assert_eq!(desk.retrieve(stored.document).await?, b"%PDF-1.7 ...".as_slice());
        assert_eq!(desk.retrieve_range(stored.document, 0..4).await?, b"%PDF".as_slice());

        // The notary reads the fingerprint aloud; the key bytes may come by any way.
        let notary = Identity::create(at("notary.identity"))?;
        let recipient = Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string())?;
        let grant = desk.grant(stored.document, &recipient, Terms::read().purpose("protocolización")).await?;
        let sealed = desk.deliver(grant).await?.collect().await?;

        // Elsewhere, with no vault: the sender's fingerprint was checked too.
        let (key, told) = (vault.sender().to_bytes(), vault.sender().fingerprint().to_string());
        let mut opened = notary.open(sealed.as_ref(), &Sender::verify(&key, &told)?)?;
        let document = opened.next_document()?.ok_or("one document")?;
        println!("the notary opened {}, {} bytes", document.name(), document.content_len());

        let report = desk.revoke(grant).await?;
        println!("revoked; {} delivery stays open to its recipient", report.delivered.len());
        println!("delivering again: {}", desk.deliver(grant).await.expect_err("the grant is revoked"));

        let verified = vault.audit().verify(&pin).await?;
        println!("verified {} records up to {}", verified.checked, verified.head.size());

        // An auditor opens no document; what it reads is on record, too.
        let auditor = vault.session("auditor:3").purpose("yearly review").auditor()?;
        let records = auditor.records(&RecordFilter::all().case(case)).await?;
        println!("{} records are about the case", records.len());

        desk.close_case(case, "withdrawn").await?;
        let erasure = desk.erase_case(case).await?;
        println!("the case is erased by record {}: {} objects deleted", erasure.seq, erasure.objects_deleted);
        Ok(())
    })
}
