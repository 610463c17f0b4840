//! A chunk that ChaCha20-Poly1305 opens under two keys (eprint 2020/1456 §3): Poly1305 is linear in each block, so one block
//! makes the tags of two keys equal.
#![allow(clippy::little_endian_bytes, reason = "Poly1305 is little-endian")]

use chacha20::{
    ChaCha20,
    cipher::{KeyIvInit, StreamCipher},
};
use docvault::chunked::{HkdfSha256, PREFIX_LEN, seal_with};

use crate::suites::{Fixed, Recording};

/// Who a message of one chunk is sealed for: its key, what precedes its chunk, and what the chunk is sealed with.
pub(crate) struct Owner {
    pub(crate) key: [u8; 32],
    pub(crate) prefix: Vec<u8>,
    pub(crate) aead_key: [u8; 32],
    pub(crate) nonce: [u8; 12],
}

impl Owner {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        // Salts are public: whoever wants two keys to share a chunk chooses them.
        let salt = Fixed(vec![7; 24]);
        let sealed = seal_with::<Recording, HkdfSha256>(&key, b"", b"", &salt).unwrap();
        let (aead_key, nonce) = Recording::take()[0];
        Self { key, prefix: sealed[..PREFIX_LEN].to_vec(), aead_key, nonce }
    }

    // RFC 8439 §2.6 and §2.5: r, clamped, and s.
    fn one_time_key(&self) -> (Element, u128) {
        let mut block = [0; 32];
        ChaCha20::new(&self.aead_key.into(), &self.nonce.into()).apply_keystream(&mut block);
        let half = |at: usize| u128::from_le_bytes(block[at..at + 16].try_into().unwrap());
        (Element::new(0, half(0) & 0x0FFF_FFFC_0FFF_FFFC_0FFF_FFFC_0FFF_FFFF), half(16))
    }
}

/// Two blocks and a tag, authentic for both.
pub(crate) fn salamander(one: &Owner, other: &Owner) -> Vec<u8> {
    let keys = [one, other].map(Owner::one_time_key);
    // RFC 8439 §2.8: no associated data, 32 bytes of ciphertext.
    let lengths = block(32 << 64);
    let tried = (0u128..).map(|first| {
        // tag = first r^3 + second r^2 + lengths r + s
        let without = keys.map(|(r, _)| block(first).times(r).times(r).plus(lengths).times(r));
        let [a, b] = [0, 1].map(|at| without[at].plus(Element::new(0, keys[at].1)));
        let [square, others] = keys.map(|(r, _)| r.times(r));
        let second = b.plus(a.negated()).times(square.plus(others.negated()).inverse());
        let tags = [0, 1].map(|at| {
            let (r, s) = keys[at];
            without[at].plus(second.times(r).times(r)).low.wrapping_add(s)
        });
        (first, second, tags)
    });
    // Of a whole block bit 128 is set, and none beyond; and both sums have to pass the field's order as often.
    let mut fitting = tried.filter(|(_, second, tags)| second.high == 1 && tags[0] == tags[1]);
    let (first, second, tags) = fitting.next().unwrap();
    [first, second.low, tags[0]].map(u128::to_le_bytes).concat()
}

fn block(bytes: u128) -> Element {
    Element::new(1, bytes)
}

/// A number below 2^130 - 5: bits 128 and up, and those below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Element {
    high: u8,
    low: u128,
}

/// The low bits of 2^130 - 5; the high ones are 3.
const LOW: u128 = u128::MAX - 4;

impl Element {
    fn new(high: u8, low: u128) -> Self {
        let (mut high, mut low) = (high, low);
        // 2^130 = 5
        while high > 3 {
            let (sum, carry) = low.overflowing_add(5);
            (high, low) = (high - 4 + u8::from(carry), sum);
        }
        if high == 3 && low >= LOW { Self { high: 0, low: low - LOW } } else { Self { high, low } }
    }

    fn plus(self, other: Self) -> Self {
        let (low, carry) = self.low.overflowing_add(other.low);
        Self::new(self.high + other.high + u8::from(carry), low)
    }

    fn negated(self) -> Self {
        let (low, borrow) = LOW.overflowing_sub(self.low);
        Self::new(3 - self.high - u8::from(borrow), low)
    }

    fn bits(self) -> impl Iterator<Item = bool> {
        let high = (0..2).rev().map(move |bit| self.high >> bit & 1 == 1);
        high.chain((0..128).rev().map(move |bit| self.low >> bit & 1 == 1))
    }

    fn times(self, other: Self) -> Self {
        other.bits().fold(Self::new(0, 0), |sum, bit| {
            let double = sum.plus(sum);
            if bit { double.plus(self) } else { double }
        })
    }

    // Fermat: to the power of the order less two.
    fn inverse(self) -> Self {
        let order_less_two = Self { high: 3, low: LOW - 2 };
        order_less_two.bits().fold(Self::new(0, 1), |power, bit| {
            let square = power.times(power);
            if bit { square.times(self) } else { square }
        })
    }
}

#[test]
fn the_field_of_poly1305_has_inverses() {
    for of in [Element::new(0, 1), Element::new(3, LOW - 1), Element::new(2, 77), Element::new(1, u128::MAX)]
    {
        assert_eq!(of.times(of.inverse()), Element::new(0, 1));
        assert_eq!(of.plus(of.negated()), Element::new(0, 0));
    }
}
