//! Cosignatures with Ed25519 (c2sp.org/tlog-cosignature): a witness states that, at a time, this was
//! the largest consistent head it had seen of the log.

use super::{
    note::signature_line,
    verifier_key::{COSIGNATURE, key_id},
};
use crate::{
    crypto::sign::{SigningKey, VerifyingKey},
    wire::{Malformed, Reader},
};

// tlog-cosignature, Format: timestamped_signature = u64 timestamp || 64-byte Ed25519 signature
/// The signature line of the witness `name` for the note with `text`, at `time`, seconds since 1970.
pub(crate) fn cosign(text: &str, name: &str, key: &SigningKey, time: u64) -> String {
    let signature = key.sign_bare(message(text, time).as_bytes());
    let id = key_id(name, COSIGNATURE, &key.verifying_key().to_bytes());
    signature_line(name, id, &[&time.to_be_bytes()[..], &signature].concat())
}

/// The time, in seconds since 1970, at which the note with `text` was cosigned.
///
/// # Errors
///
/// [`Malformed`] if the signature does not verify, or its time is more than 2⁶³ − 1.
pub(crate) fn verify(text: &str, key: &VerifyingKey, signature: &[u8]) -> Result<u64, Malformed> {
    let mut r = Reader::new(signature);
    let (time, signature) = (r.u64()?, r.array()?);
    r.finish()?;
    if time > MAX_TIME {
        return Err(Malformed);
    }
    key.verify_bare(message(text, time).as_bytes(), &signature).map_err(|_| Malformed)?;
    Ok(time)
}

// tlog-cosignature, Ed25519 signed message: a header line, a timestamp line, the whole note text.
fn message(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// tlog-cosignature, Format.
pub(crate) const MAX_TIME: u64 = u64::MAX >> 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        log::{
            note::{Note, Signed},
            verifier_key::VerifierKey,
        },
        secret::Secret,
    };

    const TEXT: &str =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(Secret::take([seed; 32]))
    }

    /// The 72 bytes of the signature in a line.
    fn signature(line: &str) -> Vec<u8> {
        let encoded = line.trim_end().rsplit(' ').next().expect("a field");
        crate::text::parse_base64(encoded).expect("base64").split_off(4)
    }

    #[test]
    fn the_message_is_that_of_the_specification() {
        let expected = format!("cosignature/v1\ntime 1679315147\n{TEXT}");
        assert_eq!(message(TEXT, 1_679_315_147), expected);
    }

    #[test]
    fn a_cosignature_holds_for_its_text_time_and_key_alone() {
        let signature = signature(&cosign(TEXT, "witness.example/w1", &key(1), 1_679_315_147));
        let public = key(1).verifying_key();
        assert_eq!(signature.len(), 72);
        assert_eq!(verify(TEXT, &public, &signature), Ok(1_679_315_147));
        assert!(verify(&TEXT.replace('3', "4"), &public, &signature).is_err());
        assert!(verify(TEXT, &key(2).verifying_key(), &signature).is_err());
        for bit in 0..72 * 8 {
            let mut altered = signature.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(TEXT, &public, &altered).is_err(), "{bit}");
        }
        assert!(verify(TEXT, &public, &signature[..71]).is_err());
        assert!(verify(TEXT, &public, &[&signature[..], &[0]].concat()).is_err());
        let late = |time| verify(TEXT, &public, &self::signature(&cosign(TEXT, "w", &key(1), time)));
        assert_eq!((late(MAX_TIME), late(MAX_TIME + 1)), (Ok(MAX_TIME), Err(Malformed)));
    }

    #[test]
    fn of_several_cosignatures_the_newest_counts_and_a_plain_signature_is_none() {
        let witness = VerifierKey::cosignature("w", key(1).verifying_key()).expect("a name");
        let lines = [5, 9, 7].map(|time| cosign(TEXT, "w", &key(1), time)).concat();
        let note = format!("{TEXT}\n{lines}");
        assert_eq!(Note::parse(&note).expect("a note").signed_by(&witness), Ok(Some(Signed::At(9))));
        let plain = crate::log::note::sign(TEXT, "w", &key(1));
        assert_eq!(Note::parse(&plain).expect("a note").signed_by(&witness), Ok(None));
        let other = VerifierKey::ed25519("w", key(1).verifying_key()).expect("a name");
        assert_eq!(Note::parse(&note).expect("a note").signed_by(&other), Ok(None));
    }
}
