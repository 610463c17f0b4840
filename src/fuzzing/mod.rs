//! What the fuzz targets call: one function for each parser of bytes from storage or a stranger.
//!
//! Each takes any bytes, must not panic, and checks that what parses encodes to the same bytes. Besides, what targets that
//! are made of the test suite's modules do to bundles.

mod chained;
mod consistency;
mod disclosed;
#[cfg(feature = "intake")]
mod export;
mod quorum;
mod sealed;
#[cfg(test)]
mod tests;
mod within;

use bytes::Bytes;

#[cfg(all(feature = "fs", feature = "intake"))]
pub use crate::intake::of_bundles::{Files, archive_of, bundle, files_in, mend, verify_archive};
pub use crate::receipt::fuzzing::alter;

use crate::{
    crypto::sign::SigningKey,
    disclosure::Disclosure,
    document::{CaseMeta, VersionMeta},
    grant::GrantMeta,
    head::{HeadId, HeadType, ParsedHead},
    ids::{CaseId, OperationId, VaultId},
    keyring::SealedKeyring,
    log::{
        checkpoint::Checkpoint,
        commit::Commit,
        kept::Kept,
        leaf::Leaf,
        manifest::Manifest,
        note::{self, Note},
        page::Page,
        row::Row,
        statement::Statement,
        trust::TrustPolicy,
        verifier_key::VerifierKey,
    },
    pin::Pin,
    recipient::{Fingerprint, Recipient, Sender},
    secret::Secret,
    storage::ObjectKey,
    transfer::{DeliveryManifest, Envelope, UploadToken},
    vault::parse_case_key,
    wire::{Reader, Writer},
};

const VAULT: VaultId = VaultId::from_bytes([0; 16]);

/// A record's leaf, and what is sealed in a record.
pub fn record(data: &[u8]) {
    within::record(data);
    if let Ok(leaf) = Leaf::parse(data) {
        assert_eq!(leaf.encode(), data);
    }
}

/// A commit: as it is, and with its hashes mended, or no other than the first ones would ever be looked at.
pub fn segment(data: &[u8]) {
    if let Ok(commit) = Commit::parse(VAULT, &Bytes::copy_from_slice(data)) {
        assert_eq!(commit.encode(), data);
    }
    if let Ok(statement) = Statement::parse(data) {
        assert_eq!(statement.encode(), data);
    }
    if let Ok((recent, entries)) = chained::records(data) {
        chained::commit(&recent, entries);
    }
}

/// An index page, a row, a manifest, a tile, a bundle.
pub fn index(data: &[u8]) {
    within::tiles(data);
    if let Ok(manifest) = Manifest::parse(data) {
        assert_eq!(manifest.encode(), data);
    }
    if let Ok(page) = Page::parse(data) {
        assert_eq!(page.encode(), data);
    }
    let mut r = Reader::new(data);
    if let Ok(row) = Row::read(&mut r) {
        let mut w = Writer::new();
        row.write(&mut w);
        assert!(data.starts_with(w.as_slice()));
    }
}

/// A keyring object and its contents, a passphrase's slot, a case key.
pub fn keyring(data: &[u8]) {
    within::keyring(data);
    if let Ok(keyring) = SealedKeyring::parse(VAULT, data) {
        assert_eq!(keyring.encode(), data);
    }
    if let Ok(wrapped) = parse_case_key(1, data) {
        let mut w = Writer::new();
        w.fixed(b"dvck").fixed(&[1, 1, 0, 0]).u32(1).fixed(&wrapped);
        assert_eq!(w.as_slice(), data);
    }
}

/// A head, and the metadata of each kind of head.
pub fn header(data: &[u8]) {
    for of in [HeadType::Case, HeadType::Version, HeadType::Grant] {
        let (case, operation) = (CaseId::from_bytes([0; 16]), OperationId::from_bytes([0; 16]));
        let id = HeadId { vault: VAULT, case, object: [0; 16], operation, of };
        if let Ok(Ok(head)) = ParsedHead::parse(id, &Bytes::copy_from_slice(data)) {
            assert_eq!(head.encode(), data);
        }
    }
    if let Ok(meta) = VersionMeta::parse(data) {
        assert_eq!(meta.encode().as_slice(), data);
    }
    if let Ok(meta) = CaseMeta::parse(data) {
        assert_eq!(meta.encode().as_slice(), data);
    }
    if let Ok(meta) = GrantMeta::parse(data) {
        assert_eq!(meta.encode().as_slice(), data);
    }
}

/// A delivery's envelope and manifest.
pub fn delivery(data: &[u8]) {
    if let Ok(envelope) = Envelope::parse(data) {
        let mut w = Writer::new();
        envelope.write(&mut w);
        assert_eq!(w.as_slice(), data);
    }
    if let Ok(manifest) = DeliveryManifest::parse(data) {
        assert_eq!(manifest.encode().as_slice(), data);
    }
    strangers_keys(data);
}

/// A recipient and a sender, as whoever is told the fingerprint of these very bytes takes them.
fn strangers_keys(data: &[u8]) {
    if let Some(recipient) = recipient(data) {
        assert_eq!(recipient.public_key().to_bytes(), *data);
    }
    if let Some(sender) = sender(data) {
        assert_eq!(sender.to_bytes(), data);
    }
}

fn recipient(data: &[u8]) -> Option<Recipient> {
    let fingerprint = Fingerprint::of_recipient(data.try_into().ok()?);
    Recipient::verify(data, &fingerprint.to_string()).ok()
}

fn sender(data: &[u8]) -> Option<Sender> {
    let fingerprint = Fingerprint::of_sender(data).ok()?;
    Sender::verify(data, &fingerprint.to_string()).ok()
}

/// An upload token, what is sealed in one, a kept checkpoint.
pub fn token(data: &[u8]) {
    within::draft(data);
    if let Ok(kept) = Kept::parse(&Bytes::copy_from_slice(data)) {
        assert_eq!(kept.encode(), data);
    }
    if let Ok(token) = UploadToken::parse(data) {
        assert_eq!(token.to_bytes(), data);
    }
}

/// A checkpoint, a pin, an object key, a disclosure, an export; and what was done to honest ones of the last two.
pub fn text(data: &[u8]) {
    #[cfg(feature = "intake")]
    export::records(data);
    disclosed::altered(data);
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(pin) = text.parse::<Pin>() {
        assert_eq!(pin.to_string(), text);
    }
    if let Ok(key) = text.parse::<ObjectKey>() {
        assert_eq!(key.as_str(), text);
    }
    if let Ok(disclosure) = Disclosure::parse(text) {
        assert_eq!(disclosure.to_text(), text);
    }
    let key = SigningKey::from_seed(Secret::take([7; 32]));
    let parse = |note: &str| Checkpoint::parse(note, "origin", &key.verifying_key().to_bytes());
    if let Ok(checkpoint) = parse(text) {
        assert_eq!(parse(&checkpoint.sign(&key)).ok(), Some(checkpoint));
    }
    // The text within, as if the log had signed it: a checkpoint is what it says, then extensions.
    if let Ok(checkpoint) = parse(&note::sign(text, "origin", &key)) {
        let signed = checkpoint.sign(&key);
        assert!(signed.split("\n\n").next().is_some_and(|canonical| text.starts_with(canonical)));
    }
}

/// A note of several signers, a verifier key, and what a witness answers.
pub fn note(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(note) = Note::parse(text) {
        assert_eq!(note.to_string(), text);
        drop(Checkpoint::parse_text(note.text()));
    }
    quorum::answered(text);
}

/// A trust policy: what it prints parses to the same and prints the same, and it believes what its text says.
pub fn trust(data: &[u8]) {
    quorum::trust(data);
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(policy) = TrustPolicy::parse(text) {
        let printed = policy.to_string();
        assert_eq!(TrustPolicy::parse(&printed), Ok(policy));
    }
}

/// A receipt, verified too, and what was done to an honest one.
pub fn receipt(data: &[u8]) {
    crate::receipt::fuzzing::receipt(data);
}

/// A request to a witness, which answers it.
pub fn request(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    consistency::request(text);
}

/// A request for documents, and a link to one.
#[cfg(feature = "intake")]
pub fn descriptor(data: &[u8]) {
    crate::deposit::fuzzing::descriptor(data);
}

/// Parts, manifests, promises, claims, receipts, journals and answers of deposits.
#[cfg(feature = "intake")]
pub fn deposit(data: &[u8]) {
    crate::deposit::fuzzing::deposit(data);
}

/// A chunk stream, as it is and as what was done to an honest one.
pub fn chunks(data: &[u8]) {
    sealed::chunks(data);
}

/// A template in either notation: what reads has one canonical JSON, which reads to the same; what does not
/// read has its fault at a place in the text.
#[cfg(feature = "intake")]
pub fn template(data: &[u8]) {
    use crate::intake::Template;
    let Ok(text) = core::str::from_utf8(data) else { return };
    for template in [Template::from_toml(text), Template::from_json(text)] {
        match template {
            Ok(template) => {
                let canonical = template.to_canonical_json();
                let again = Template::from_json(&canonical).expect("canonical JSON reads");
                assert_eq!((again.to_canonical_json(), again), (canonical, template));
            }
            Err(error) => {
                let line = text.split('\n').nth(error.line() - 1).expect("a line of the text");
                assert!(error.column() <= line.chars().count() + 1, "{error}");
            }
        }
    }
}
