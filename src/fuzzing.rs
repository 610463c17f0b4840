//! What the fuzz targets call: one function for each parser of bytes from storage or a stranger.
//!
//! Each takes any bytes, must not panic, and checks that what parses encodes to the same bytes.

use bytes::Bytes;

use crate::{
    disclosure::Disclosure,
    document::{CaseMeta, VersionMeta},
    grant::GrantMeta,
    head::{HeadId, HeadType, ParsedHead},
    ids::{CaseId, OperationId, VaultId},
    keyring::SealedKeyring,
    log::{
        checkpoint::Checkpoint, commit::Commit, leaf::Leaf, manifest::Manifest, note::Note, page::Page,
        request::WitnessRequest, row::Row, statement::Statement, trust::TrustPolicy,
        verifier_key::VerifierKey,
    },
    pin::Pin,
    receipt::Receipt,
    recipient::{Recipient, Sender},
    secret::SecretBytes,
    storage::ObjectKey,
    transfer::{DeliveryManifest, Envelope, UploadToken},
    wire::{Reader, Writer},
};

const VAULT: VaultId = VaultId::from_bytes([0; 16]);

/// A record's leaf.
pub fn record(data: &[u8]) {
    if let Ok(leaf) = Leaf::parse(data) {
        assert_eq!(leaf.encode(), data);
    }
}

/// A commit.
pub fn segment(data: &[u8]) {
    drop(Commit::parse(VAULT, &Bytes::copy_from_slice(data)));
    if let Ok(statement) = Statement::parse(data) {
        assert_eq!(statement.encode(), data);
    }
}

/// An index page, a row, a manifest.
pub fn index(data: &[u8]) {
    if let Ok(manifest) = Manifest::parse(data) {
        assert_eq!(manifest.encode(), data);
    }
    drop(Page::parse(data));
    let mut r = Reader::new(data);
    if let Ok(row) = Row::read(&mut r) {
        let mut w = Writer::new();
        row.write(&mut w);
        assert!(data.starts_with(w.as_slice()));
    }
}

/// A keyring object.
pub fn keyring(data: &[u8]) {
    drop(SealedKeyring::parse(VAULT, data));
}

/// A head, and the metadata of each kind of head.
pub fn header(data: &[u8]) {
    for of in [HeadType::Case, HeadType::Version, HeadType::Grant] {
        let (case, operation) = (CaseId::from_bytes([0; 16]), OperationId::from_bytes([0; 16]));
        let id = HeadId { vault: VAULT, case, object: [0; 16], operation, of };
        drop(ParsedHead::parse(id, &Bytes::copy_from_slice(data)));
    }
    if let Ok(meta) = VersionMeta::parse(data) {
        assert_eq!(meta.encode().as_slice(), data);
    }
    if let Ok(meta) = CaseMeta::parse(data) {
        assert_eq!(meta.encode().as_slice(), data);
    }
}

/// A grant's metadata.
pub fn grant(data: &[u8]) {
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
    drop(Sender::verify(data, "aaaaa-aaaaa-aaaaa-aaaaa-aaaaaa"));
    drop(Recipient::verify(data, "aaaaa-aaaaa-aaaaa-aaaaa-aaaaaa"));
}

/// An upload token.
pub fn token(data: &[u8]) {
    if let Ok(token) = UploadToken::parse(data) {
        assert_eq!(token.to_bytes(), data);
    }
}

/// A checkpoint, a pin, an object key, a disclosure.
pub fn text(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(pin) = text.parse::<Pin>() {
        assert_eq!(pin.to_string(), text);
    }
    if let Ok(key) = text.parse::<ObjectKey>() {
        assert_eq!(key.as_str(), text);
    }
    if let Ok(disclosure) = Disclosure::parse(text) {
        assert_eq!(disclosure.to_text(), text);
        drop(disclosure.open());
    }
    drop(Checkpoint::parse(text, "origin", &[9; 32]));
}

/// A note of several signers, and a verifier key.
pub fn note(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(note) = Note::parse(text) {
        assert_eq!(note.to_string(), text);
        drop(Checkpoint::parse_text(note.text()));
    }
}

/// A trust policy: what it prints parses to the same and prints the same.
pub fn trust(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(policy) = TrustPolicy::parse(text) {
        let printed = policy.to_string();
        assert_eq!(TrustPolicy::parse(&printed), Ok(policy));
    }
}

/// A receipt, verified too, by a policy that knows no log.
pub fn receipt(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(receipt) = Receipt::parse(text) {
        assert_eq!(receipt.to_string(), text);
        let policy = TrustPolicy::parse("quorum none\n").expect("a policy");
        assert!(receipt.verify(&policy).is_err());
    }
}

/// A request to a witness.
pub fn request(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(request) = WitnessRequest::parse(text) {
        assert_eq!(request.to_string(), text);
        drop(Note::parse(request.note()));
    }
}

/// A chunk stream: what opens in pieces opens whole, and only what was sealed opens.
pub fn chunks(data: &[u8]) {
    use crate::chunked::{ChaCha20Poly1305, HkdfSha256, Opener, open_with};
    let whole = open_with::<ChaCha20Poly1305, HkdfSha256>(&[7; 32], b"", data);
    let mut opener = Opener::<ChaCha20Poly1305, HkdfSha256>::new(&[7; 32], b"");
    let mut content = SecretBytes::default();
    let pushed = data.chunks(1000).try_for_each(|piece| opener.push(piece, &mut content));
    let streamed = pushed.and_then(|()| opener.finish(&mut content));
    assert_eq!(whole.is_ok(), streamed.is_ok());
}
