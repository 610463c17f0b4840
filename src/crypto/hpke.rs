//! Hybrid public-key encryption (RFC 9180, Base mode) with X-Wing, KEM 0x647a.

use core::{convert::Infallible, fmt};

use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable,
    aead::ChaCha20Poly1305,
    kdf::HkdfSha256,
    kem::XWing,
    rand_core::{TryCryptoRng, TryRng},
    single_shot_open, single_shot_seal_with_rng,
};

use super::{chunked::OpenError, stack};
use crate::{
    env::{Entropy, EntropyError},
    secret::{Secret, SecretBytes},
};

/// A recipient's public key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PublicKey(<XWing as Kem>::PublicKey);

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(X-Wing)")
    }
}

impl PublicKey {
    /// Decodes a key.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if a coefficient of the ML-KEM half is out of range (FIPS 203 §7.2).
    pub(crate) fn from_bytes(bytes: &[u8; PUBLIC_LEN]) -> Result<Self, OpenError> {
        <XWing as Kem>::PublicKey::from_bytes(bytes).map(Self).map_err(|_| OpenError)
    }

    pub(crate) fn to_bytes(&self) -> [u8; PUBLIC_LEN] {
        let mut bytes = [0; PUBLIC_LEN];
        self.0.write_exact(&mut bytes);
        bytes
    }

    // RFC 9180 §6.1: enc, ctx = SetupBaseS(pkR, info); ct = ctx.Seal(aad, pt); return enc, ct
    /// Seals `plaintext`: the encapsulation (1,120 bytes), then the ciphertext and its tag.
    ///
    /// # Errors
    ///
    /// [`EntropyError`].
    pub(crate) fn seal(
        &self,
        info: &[u8],
        aad: &[u8],
        plaintext: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, EntropyError> {
        wiped(|| self.seal_plainly(info, aad, plaintext, entropy))
    }

    pub(super) fn seal_plainly(
        &self,
        info: &[u8],
        aad: &[u8],
        plaintext: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, EntropyError> {
        self.seal_drawing(info, aad, plaintext, &mut Drawn::fill(entropy)?)
    }

    fn seal_drawing(
        &self,
        info: &[u8],
        aad: &[u8],
        plaintext: &[u8],
        rng: &mut Drawn,
    ) -> Result<Vec<u8>, EntropyError> {
        let (enc, ct) = single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
            &OpModeS::Base,
            &self.0,
            info,
            plaintext,
            aad,
            rng,
        )
        .map_err(|_| EntropyError)?;
        if rng.exhausted {
            return Err(EntropyError);
        }
        let mut sealed = vec![0; ENC_LEN];
        enc.write_exact(&mut sealed);
        sealed.extend_from_slice(&ct);
        Ok(sealed)
    }
}

/// A recipient's secret key. It stays where it was made: what is moved leaves a copy, which nobody wipes.
pub(crate) struct SecretKey(Box<<XWing as Kem>::PrivateKey>);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey([REDACTED])")
    }
}

impl SecretKey {
    /// The key of a seed: X-Wing's decapsulation key is its 32-byte seed.
    pub(crate) fn from_seed(seed: &Secret<32>) -> Self {
        wiped(|| Self::seeded(seed))
    }

    pub(super) fn seeded(seed: &Secret<32>) -> Self {
        let key = <XWing as Kem>::PrivateKey::from_bytes(seed.expose());
        Self(Box::new(key.expect("an X-Wing decapsulation key is any 32 bytes")))
    }

    pub(crate) fn public(&self) -> PublicKey {
        wiped(|| self.to_public())
    }

    pub(super) fn to_public(&self) -> PublicKey {
        PublicKey(XWing::sk_to_pk(&self.0))
    }

    // RFC 9180 §6.1: ctx = SetupBaseR(enc, skR, info); return ctx.Open(aad, ct)
    /// Opens what [`PublicKey::seal`] gave.
    ///
    /// # Errors
    ///
    /// [`OpenError`] for another key, info or associated data, or anything altered.
    pub(crate) fn open(&self, info: &[u8], aad: &[u8], sealed: &[u8]) -> Result<SecretBytes, OpenError> {
        wiped(|| self.open_plainly(info, aad, sealed))
    }

    pub(super) fn open_plainly(
        &self,
        info: &[u8],
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<SecretBytes, OpenError> {
        let (enc, ct) = sealed.split_at_checked(ENC_LEN).ok_or(OpenError)?;
        let enc = <XWing as Kem>::EncappedKey::from_bytes(enc).map_err(|_| OpenError)?;
        single_shot_open::<ChaCha20Poly1305, HkdfSha256, XWing>(&OpModeR::Base, &self.0, &enc, info, ct, aad)
            .map(SecretBytes::new)
            .map_err(|_| OpenError)
    }
}

/// Random bytes drawn beforehand, so that a failing source is an error and not a panic.
struct Drawn {
    bytes: Secret<DRAWN>,
    used: usize,
    exhausted: bool,
}

impl Drawn {
    fn fill(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut bytes = Secret::zeroed();
        entropy.fill(bytes.expose_mut())?;
        Ok(Self { bytes, used: 0, exhausted: false })
    }
}

impl TryRng for Drawn {
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

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        let end = self.used.saturating_add(out.len());
        match self.bytes.expose().get(self.used..end) {
            Some(bytes) => out.copy_from_slice(bytes),
            None => self.exhausted = true,
        }
        self.used = end;
        Ok(())
    }
}

impl TryCryptoRng for Drawn {}

fn wiped<T>(work: impl FnOnce() -> T) -> T {
    stack::wiped::<{ stack::KEM }, T>(work)
}

/// Length of a public key.
pub(crate) const PUBLIC_LEN: usize = 1216;
/// Length of an encapsulation.
const ENC_LEN: usize = 1120;
/// X-Wing draws 64 bytes for an encapsulation; the rest is room.
const DRAWN: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::vectors::{Given, file::parse},
        env::SystemEntropy,
    };

    #[test]
    fn a_seal_opens_for_its_recipient_info_and_aad_alone() {
        let key = |byte| SecretKey::from_seed(&Secret::take([byte; 32]));
        let sealed = key(1).public().seal(b"info", b"aad", b"secret", &SystemEntropy).expect("entropy");
        assert_eq!(key(1).open(b"info", b"aad", &sealed).expect("opens").as_slice(), b"secret");
        assert!(key(2).open(b"info", b"aad", &sealed).is_err());
        assert!(key(1).open(b"Info", b"aad", &sealed).is_err());
        assert!(key(1).open(b"info", b"Aad", &sealed).is_err());
        for offset in (0..sealed.len()).step_by(13).chain(sealed.len() - 20..sealed.len()) {
            let mut altered = sealed.clone();
            altered[offset] ^= 0x10;
            assert!(key(1).open(b"info", b"aad", &altered).is_err(), "offset {offset}");
        }
    }

    #[test]
    fn a_public_key_comes_back_and_one_out_of_range_is_refused() {
        let public = SecretKey::from_seed(&Secret::take([1; 32])).public();
        assert_eq!(PublicKey::from_bytes(&public.to_bytes()), Ok(public));
        assert!(PublicKey::from_bytes(&[0xFF; PUBLIC_LEN]).is_err());
    }

    #[test]
    fn p06_two_seals_of_one_secret_differ() {
        let public = SecretKey::from_seed(&Secret::take([1; 32])).public();
        let seal = || public.seal(b"", b"", b"secret", &SystemEntropy).expect("entropy");
        assert_ne!(seal(), seal());
    }

    #[test]
    fn what_is_drawn_is_used_once_and_its_end_is_noticed() {
        #[derive(Debug)]
        struct Counting;
        impl Entropy for Counting {
            fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
                (0..).zip(bytes).for_each(|(number, byte)| *byte = number);
                Ok(())
            }
        }
        let mut drawn = Drawn::fill(&Counting).expect("entropy");
        assert_eq!(drawn.try_next_u32(), Ok(0x0001_0203));
        assert_eq!(drawn.try_next_u64(), Ok(0x0405_0607_0809_0A0B));
        let mut rest = [0; DRAWN - 12];
        assert_eq!((drawn.try_fill_bytes(&mut rest), rest[0], drawn.exhausted), (Ok(()), 12, false));
        assert_eq!((drawn.try_next_u32(), drawn.exhausted), (Ok(0), true));
    }

    // draft-connolly-cfrg-xwing-kem, Encapsulate: randomness of 64 bytes.
    #[test]
    fn nothing_is_sealed_with_less_randomness_than_an_encapsulation_takes() {
        let key = SecretKey::from_seed(&Secret::take([1; 32]));
        let seal = |left| {
            let mut drawn = Drawn::fill(&SystemEntropy).expect("entropy");
            drawn.used = DRAWN - left;
            key.public().seal_drawing(b"info", b"aad", b"secret", &mut drawn)
        };
        assert_eq!(seal(63), Err(EntropyError));
        let sealed = seal(64).expect("as much as it takes");
        assert_eq!(key.open(b"info", b"aad", &sealed).expect("opens").as_slice(), b"secret");
    }

    // The crate underneath, with the KEM that the RFC has vectors of: key schedule, sealing and exporting are X-Wing's, too.
    #[test]
    fn rfc_9180_base_mode() {
        type Kem25519 = hpke::kem::X25519HkdfSha256;
        let vectors = parse(include_str!("../../tests/vectors/hpke_rfc9180.txt"));
        let ([setup], rest) = vectors.split_at(1) else { panic!("the setup comes first") };
        let (sealed, exported) = rest.split_at(6);
        assert_eq!(exported.len(), 3);
        let public = <Kem25519 as Kem>::PublicKey::from_bytes(setup.bytes("pkRm")).expect("a key");
        let secret = <Kem25519 as Kem>::PrivateKey::from_bytes(setup.bytes("skRm")).expect("a key");
        let mut drawn = Drawn::fill(&Given(setup.bytes("ikmE").to_vec())).expect("entropy");
        let (enc, mut sender) = hpke::setup_sender_with_rng::<ChaCha20Poly1305, HkdfSha256, Kem25519>(
            &OpModeS::Base,
            &public,
            setup.bytes("info"),
            &mut drawn,
        )
        .expect("a sender");
        assert_eq!(enc.to_bytes().as_slice(), setup.bytes("enc"));
        let mut receiver = hpke::setup_receiver::<ChaCha20Poly1305, HkdfSha256, Kem25519>(
            &OpModeR::Base,
            &secret,
            &enc,
            setup.bytes("info"),
        )
        .expect("a receiver");
        let mut met = 0;
        for number in 0..=256u16 {
            let (pt, aad) = (sealed[0].bytes("pt"), format!("Count-{number}"));
            let ct = sender.seal(pt, aad.as_bytes()).expect("seals");
            if let Some(v) = sealed.iter().find(|v| v.array("seq") == number.to_be_bytes()) {
                assert_eq!((v.bytes("aad"), v.bytes("pt"), v.bytes("ct")), (aad.as_bytes(), pt, &*ct));
                met += 1;
            }
            assert_eq!(receiver.open(&ct, aad.as_bytes()).expect("opens"), pt);
        }
        assert_eq!(met, 6);
        for v in exported {
            let mut value = [0; 32];
            receiver.export(v.bytes("context"), &mut value).expect("exports");
            assert_eq!(value, v.array("exported"));
        }
    }

    #[test]
    fn keys_print_their_kind() {
        let key = SecretKey::from_seed(&Secret::take([1; 32]));
        assert_eq!(format!("{key:?} {:?}", key.public()), "SecretKey([REDACTED]) PublicKey(X-Wing)");
    }
}
