//! A15: one ciphertext for two keys, made for the places of this vault, and the envelopes beside it exchanged.
#![allow(clippy::little_endian_bytes, reason = "RFC 8439 has its numbers so")]

use docvault::{ErrorKind, Secret, Terms, chunked, storage::Storage};

use super::{forgeries::*, toolkit::*};
use crate::common::block_on;

/// A number modulo 2^130 − 5, in limbs of 26 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Number([u64; 5]);

const LIMB: u64 = (1 << 26) - 1;

impl Number {
    /// Of little-endian bytes, with 2^128 added if it is a block.
    fn of(bytes: [u8; 16], top: bool) -> Self {
        let value = u128::from_le_bytes(bytes);
        let mut limbs = core::array::from_fn(|i| (value >> (26 * i)) as u64 & LIMB);
        limbs[4] |= u64::from(top) << 24;
        Self(limbs)
    }

    fn carried(mut limbs: [u64; 5]) -> Self {
        for _ in 0..3 {
            for i in 0..5 {
                let carry = limbs[i] >> 26;
                limbs[i] &= LIMB;
                limbs[(i + 1) % 5] += if i == 4 { carry * 5 } else { carry };
            }
        }
        Self(limbs)
    }

    fn minus(self, other: Self) -> Self {
        // Twice the modulus is added first.
        let twice = |i| if i == 0 { 2 * (LIMB - 4) } else { 2 * LIMB };
        Self::carried(core::array::from_fn(|i| self.0[i] + twice(i) - other.0[i]))
    }

    fn times(self, other: Self) -> Self {
        let mut wide = [0u64; 5];
        for i in 0..5 {
            for j in 0..5 {
                let product = self.0[i] * other.0[j];
                // Twenty-five products of 52 bits, some of them times five, stay below 2^60.
                wide[(i + j) % 5] += if i + j >= 5 { product * 5 } else { product };
            }
        }
        Self::carried(wide)
    }

    /// By Fermat: to the power of 2^130 − 7, whose bits are ones but for two.
    fn inverse(self) -> Self {
        let one = Self([1, 0, 0, 0, 0]);
        (0..130).rev().fold(one, |power, bit| {
            let squared = power.times(power);
            if bit == 1 || bit == 2 { squared } else { squared.times(self) }
        })
    }

    /// The block of ciphertext that it is, if it is one: with 2^128 and no more.
    fn block(self) -> Option<[u8; 16]> {
        let low = (0..4).fold(0u128, |value, i| value | u128::from(self.0[i]) << (26 * i));
        let high = u128::from(self.0[4] & ((1 << 24) - 1)) << 104;
        (self.0[4] >> 24 == 1).then(|| (low | high).to_le_bytes())
    }
}

/// RFC 8439 §2.3 with counter 0, which §2.6 takes the authenticator's key from.
fn authenticator(key: &[u8; 32], nonce: &[u8; 12]) -> (Number, u128) {
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
    let mut state = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    (4..12).zip(key.chunks(4)).for_each(|(i, bytes)| state[i] = word(bytes));
    (13..16).zip(nonce.chunks(4)).for_each(|(i, bytes)| state[i] = word(bytes));
    let start = state;
    for round in 0..20 {
        for column in 0..4 {
            let shift = if round % 2 == 0 { 0 } else { 1 };
            let at = |row: usize| 4 * row + (column + row * shift) % 4;
            let (a, b, c, d) = (at(0), at(1), at(2), at(3));
            for (sum, with, turned, by) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
                state[sum] = u32::wrapping_add(state[sum], state[with]);
                state[turned] = (state[turned] ^ state[sum]).rotate_left(by);
            }
        }
    }
    let bytes: Vec<u8> = (0..8).flat_map(|i| u32::wrapping_add(state[i], start[i]).to_le_bytes()).collect();
    let clamp = 0x0fff_fffc_0fff_fffc_0fff_fffc_0fff_ffffu128;
    let r = u128::from_le_bytes(bytes[..16].try_into().unwrap()) & clamp;
    (Number::of(r.to_le_bytes(), false), u128::from_le_bytes(bytes[16..].try_into().unwrap()))
}

/// Key, nonce and commitment of a sealed message (FORMAT §3).
fn derived(key: &[u8; 32], salt: &[u8; 24], context: &[u8]) -> ([u8; 32], [u8; 12], [u8; 32]) {
    let info =
        [b"c2sp.org/chunked-encryption@v1+AEAD_CHACHA20_POLY1305\0".as_slice(), salt, context].concat();
    let mut bytes = [0; 76];
    hkdf::Hkdf::<sha2::Sha256>::from_prk(key).unwrap().expand(&info, &mut bytes).unwrap();
    (bytes[..32].try_into().unwrap(), bytes[32..44].try_into().unwrap(), bytes[44..].try_into().unwrap())
}

/// A chunk of 32 bytes whose tag is right under both keys (eprint 2020/1456), and what each commits to: two
/// linear equations in its two blocks (RFC 8439 §2.8).
fn for_both(keys: [&[u8; 32]; 2], salt: &[u8; 24], context: &[u8]) -> (Vec<u8>, [[u8; 32]; 2]) {
    let derived = keys.map(|key| derived(key, salt, context));
    let [(r1, s1), (r2, s2)] = [0, 1].map(|i| authenticator(&derived[i].0, &derived[i].1));
    let (square1, square2) = (r1.times(r1), r2.times(r2));
    let (cube1, cube2) = (square1.times(r1), square2.times(r2));
    let lengths = Number::of((32u128 << 64).to_le_bytes(), true);
    let divisor = cube1.times(square2).minus(cube2.times(square1)).inverse();
    for attempt in 0u128.. {
        let tag = attempt.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834);
        let wanted =
            |s: u128, r: Number| Number::of(tag.wrapping_sub(s).to_le_bytes(), false).minus(lengths.times(r));
        let (e1, e2) = (wanted(s1, r1), wanted(s2, r2));
        let x = e1.times(square2).minus(e2.times(square1)).times(divisor);
        let y = cube1.times(e2).minus(cube2.times(e1)).times(divisor);
        if let (Some(x), Some(y)) = (x.block(), y.block()) {
            return ([x, y, tag.to_le_bytes()].concat(), derived.map(|(_, _, commitment)| commitment));
        }
    }
    panic!("one attempt in sixteen succeeds")
}

#[test]
fn envelope_swap_two_keys() {
    block_on(async {
        let world = World::new().await;
        let (mallory, content) = (identity(1), [7; 32].to_vec());
        let one = world.store("a", content.clone()).await;
        let to = recipient(&mallory);
        let taken = async |document| {
            let grant = world.desk.grant(document, &to, Terms::read().purpose("p")).await.unwrap();
            take_apart(1, &world.desk.deliver(grant).await.unwrap().collect().await.unwrap())
        };
        let old = taken(one.document).await;
        let two = world.store_version(one.document, content).await;
        let new = taken(two.document).await;
        let evil = world.evil();
        let read = async |stored| evil.read(&head_name(stored), None).await.unwrap().unwrap();
        let (old_head, new_head) = (read(&one).await, read(&two).await);
        let meta = 132 + u32::from_be_bytes(new_head[128..132].try_into().unwrap()) as usize;
        let desk = session(&world.open(evil.clone()).await.unwrap());
        // A recipient of both versions has the keys of both, and makes for the new one's place what opens under either.
        let (salt, attempt) = ([3; 24], &new_head[meta..meta + 16]);
        let place = [&content_context(&world, &new)[..], attempt, &[0; 8]].concat();
        let keys = [&old.head_key, &new.head_key];
        let (chunk, commitments) = for_both(keys, &salt, &place);
        for commitment in commitments {
            let sealed = [&salt[..], &commitment, &chunk].concat();
            let opens =
                keys.map(|key| chunked::open(&Secret::copy_from(key).unwrap(), &place, &sealed).is_ok());
            assert_eq!(
                opens,
                [commitment == commitments[0], commitment == commitments[1]],
                "by what it commits to"
            );
            // Behind either head, its envelope (key id and wrapped key) as it is or the other's.
            for head in [&new_head, &old_head] {
                let meta = 132 + u32::from_be_bytes(head[128..132].try_into().unwrap()) as usize;
                for envelope in [&new_head[8..128], &old_head[8..128]] {
                    let head = [&head[..8], envelope, &head[128..meta], attempt, &sealed].concat();
                    evil.substitute(&head_name(&two), head.into());
                    assert_eq!(desk.retrieve(two.document).await.unwrap_err().kind(), ErrorKind::Corrupt);
                }
            }
        }
        // The honest content of either version beside the other's envelope, and whole in the other's place.
        for head in [
            patched(&new_head, 8..128, &old_head[8..128]),
            patched(&old_head, 8..128, &new_head[8..128]),
            old_head.clone(),
        ] {
            evil.substitute(&head_name(&two), head);
            assert_eq!(desk.retrieve(two.document).await.unwrap_err().kind(), ErrorKind::Corrupt);
        }
        evil.substitute(&head_name(&two), new_head);
        assert_eq!(desk.retrieve(two.document).await.unwrap(), [7; 32].as_slice());
    });
}
