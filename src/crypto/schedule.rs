//! The key schedule: every label, and the two functions that use them (FORMAT §3).

use hkdf::Hkdf;
use sha2::{Digest, Sha256};

use crate::secret::Secret;

macro_rules! labels {
    ($($name:ident = $text:literal;)*) => {
        $(
            #[cfg_attr(not(feature = "intake"), allow(dead_code, reason = "those of deposits are of intake alone"))]
            pub(crate) const $name: &str = concat!("docvault/v1/", $text);
        )*
        #[cfg(test)]
        const ALL: &[&str] = &[$($name),*];
    };
}

labels! {
    BODY_COMMITMENT = "body";
    CASE_KEY = "case key";
    CONTENT = "content";
    DELIVERED = "delivered";
    DELIVERY_DOCUMENT_KEY = "key of delivered document";
    DELIVERY_MANIFEST = "delivery manifest";
    DELIVERY_MANIFEST_KEY = "key of delivery manifest";
    DELIVERY_WRAP = "delivery wrap";
    DEPOSIT_ANSWER = "deposit answer";
    DEPOSIT_JOURNAL = "deposit journal";
    DEPOSIT_JOURNAL_KEY = "key of deposit journal";
    DEPOSIT_KEY = "deposit key to intake";
    DEPOSIT_MANIFEST = "deposit manifest";
    DEPOSIT_PART = "deposit part";
    DEPOSIT_SALT = "salt of deposit";
    EFFECT = "effect";
    GRANT = "grant to recipient";
    HEAD_KEY = "head key";
    HEAD_META = "head meta";
    INNER_BODY = "inner body";
    INNER_BODY_KEY = "key of inner body";
    INTAKE_SEED = "seed of intake key";
    KEYRING_PAYLOAD = "keyring payload";
    KEYRING_TO_SLOT = "keyring to slot";
    LINK_ROOT = "root of link";
    LINK_SECRET = "secret of link";
    LINK_SEED = "seed of link key";
    LOCAL_SLOT = "local slot";
    OUTER_BODY = "outer body";
    OUTER_BODY_KEY = "key of outer body";
    OUTLINE = "outline";
    PAGES = "pages";
    PASSPHRASE_SLOT = "passphrase slot";
    RECIPIENT = "recipient";
    REQUEST_DETAILS = "request details";
    REQUEST_DETAILS_KEY = "key of request details";
    SENDER = "sender";
    SIGN_COMMIT = "sign commit";
    SIGN_DELIVERY = "sign delivery";
    SIGN_DEPOSIT_MANIFEST = "sign deposit manifest";
    SIGN_DEPOSIT_PART = "sign deposit part";
    SIGN_DEPOSIT_PROMISE = "sign deposit promise";
    SIGN_REQUEST = "sign request";
    SLOT = "slot seed";
    UPLOAD_TOKEN = "upload token";
}

// context(label, f1, ..., fn) = SHA-256(bytes(label) || bytes(f1) || ... || bytes(fn)), where
// bytes(x) = u32 length || x: injective, so no two lists of fields share an input.
/// Binds a use to its fields.
pub(crate) fn context(label: &str, fields: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for field in core::iter::once(&label.as_bytes()).chain(fields) {
        hash.update(u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
        hash.update(field);
    }
    hash.finalize().into()
}

// RFC 5869 §2.3: OKM = HKDF-Expand(PRK, info, L); PRK is the uniformly random `key`, L = 32.
/// A key for one use, from a key that is itself uniformly random.
pub(crate) fn subkey(key: &Secret<32>, label: &str, fields: &[&[u8]]) -> Secret<32> {
    let mut derived = Secret::zeroed();
    expand_sha256(key.expose(), &[&context(label, fields)], derived.expose_mut());
    derived
}

/// HKDF-Expand-SHA256 of a key of at least 32 bytes, to at most 255 × 32 bytes.
pub(super) fn expand_sha256(key: &[u8], info: &[&[u8]], out: &mut [u8]) {
    let hkdf = Hkdf::<Sha256>::from_prk(key).expect("32 bytes are a SHA-256 output, the least RFC 5869 asks");
    hkdf.expand_multi_info(info, out).expect("no caller asks for more than 255 blocks");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_label_begins_another() {
        for (i, a) in ALL.iter().enumerate() {
            for (j, b) in ALL.iter().enumerate() {
                assert!(i == j || !b.starts_with(a), "{a:?} begins {b:?}");
            }
        }
    }

    #[test]
    fn p05_contexts_of_shifted_fields_differ() {
        let all = [
            context("a", &[b"bc", b"d"]),
            context("a", &[b"b", b"cd"]),
            context("a", &[b"bcd"]),
            context("a", &[b"bcd", b""]),
            context("ab", &[b"c", b"d"]),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all.iter().skip(i + 1).all(|b| a != b));
        }
    }

    #[test]
    fn subkeys_depend_on_key_label_and_fields() {
        let key = |byte| Secret::take([byte; 32]);
        let base = subkey(&key(1), "a", &[b"x"]);
        for other in
            [subkey(&key(2), "a", &[b"x"]), subkey(&key(1), "b", &[b"x"]), subkey(&key(1), "a", &[b"y"])]
        {
            assert_ne!(base.expose(), other.expose());
        }
    }
}
