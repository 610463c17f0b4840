//! Granting against what it cannot do without, sealing a key to its recipient and signing; and taking a grant back
//! against one append to the log. Storage in memory.

use std::{convert::Infallible, hint::black_box, path::Path, sync::Arc};

use docvault::{Identity, NewDocument, Recipient, Terms, storage::MemoryStorage};
use ed25519_dalek::Signer;
use futures_lite::future::block_on;
use hpke::{
    Deserializable, Kem, OpModeS,
    aead::ChaCha20Poly1305,
    kdf::HkdfSha256,
    kem::XWing,
    rand_core::{TryCryptoRng, TryRng},
    single_shot_seal_with_rng,
};

use crate::measure::{Failure, Times, append, desk};

pub(crate) fn sharing(folder: &Path) -> Result<(), Failure> {
    let identity = Identity::create(folder.join("identity"))?;
    let fingerprint = identity.fingerprint().to_string();
    let recipient = Recipient::verify(&identity.recipient_bytes(), &fingerprint)?;
    let public = public_key()?;
    let signing = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let (mut grant, mut revoke) = (Times::of("grant"), Times::of("revoke"));
    let (mut seal, mut sign) = (Times::of("hpke_seal"), Times::of("sign"));
    let mut appended = Times::of("append");
    let (desk, case) = desk(Arc::new(MemoryStorage::new()), folder)?;
    let document = block_on(desk.store(case, NewDocument::named("x"), vec![7; 1000]))?.document;
    for _ in 0..1000 {
        let terms = Terms::read().purpose("performance");
        let granted = grant.time(|| block_on(desk.grant(document, &recipient, terms)))?;
        seal.time(|| hpke_seal(&public))?;
        sign.time(|| signing.sign(black_box(&[7; 280])));
        revoke.time(|| block_on(desk.revoke(granted)))?;
        appended.time(|| block_on(append(&desk, 1)))?;
    }
    [grant, revoke, seal, sign, appended].iter().for_each(Times::print);
    Ok(())
}

fn public_key() -> Result<<XWing as Kem>::PublicKey, Failure> {
    let secret = <XWing as Kem>::PrivateKey::from_bytes(&[7; 32]).map_err(|error| error.to_string())?;
    Ok(XWing::sk_to_pk(&secret))
}

/// 32 bytes, as a grant's key has.
fn hpke_seal(public: &<XWing as Kem>::PublicKey) -> Result<Vec<u8>, Failure> {
    let sealed = single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeS::Base,
        public,
        b"performance",
        &[7; 32],
        &[],
        &mut System,
    );
    Ok(sealed.map_err(|error| error.to_string())?.1)
}

/// The system's randomness, as the vault draws it.
struct System;

impl TryRng for System {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    #[expect(clippy::unwrap_in_result, reason = "its errors cannot be")]
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        getrandom::fill(bytes).expect("the system has randomness");
        Ok(())
    }
}

impl TryCryptoRng for System {}
