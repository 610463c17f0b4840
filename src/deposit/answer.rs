//! What the office leaves with the carrier for a client (FORMAT §11.4).

use bytes::Bytes;

use super::{
    descriptor::Descriptor,
    ids::{DepositId, RequestId},
    receipt::DepositReceipt,
};
use crate::{
    FORMAT, SUITE,
    crypto::{
        chunked,
        schedule::{DEPOSIT_ANSWER, context},
    },
    env::{Entropy, EntropyError},
    error::{Error, Result},
    padding,
    secret::Secret,
    wire::{Malformed, Reader, Writer},
};

/// Seals a receipt for whoever made the deposit.
pub(super) fn seal(
    request: &Descriptor,
    (deposit, number): (DepositId, u16),
    key: &Secret<32>,
    receipt: &DepositReceipt,
    entropy: &dyn Entropy,
) -> Result<Bytes, EntropyError> {
    let padded = padding::pad(&receipt.to_bytes());
    let sealed = chunked::seal(key, &bound(request, deposit, number), &padded, entropy)?;
    Ok(encode((request.request(), deposit), number, &sealed).into())
}

/// The bytes that [`parse`] takes.
pub(super) fn encode((request, deposit): (RequestId, DepositId), number: u16, sealed: &[u8]) -> Vec<u8> {
    let mut w = Writer::with_capacity(64 + sealed.len());
    w.fixed(b"dvda").u8(FORMAT).u8(SUITE).u16(0);
    w.fixed(request.as_bytes()).fixed(deposit.as_bytes()).u16(number).fixed(&[0; 6]).fixed(sealed);
    w.into_vec()
}

pub(super) fn open(
    request: &Descriptor,
    (deposit, number): (DepositId, usize),
    key: &Secret<32>,
    answer: &[u8],
) -> Result<DepositReceipt> {
    let opened = parse(answer).and_then(|(named, said, sealed)| {
        if named != (request.request(), deposit) || usize::from(said) != number {
            return Err(Malformed);
        }
        let padded = chunked::open(key, &bound(request, deposit, said), sealed).map_err(|_| Malformed)?;
        DepositReceipt::parse(padding::unpad(&padded)?).map_err(|_| Malformed)
    });
    opened.map_err(|Malformed| Error::corrupt(format!("the answer to deposit {deposit}")))
}

pub(super) type Parsed<'a> = ((RequestId, DepositId), u16, &'a [u8]);

pub(super) fn parse(bytes: &[u8]) -> Result<Parsed<'_>, Malformed> {
    if bytes.len() > ANSWER_CAP {
        return Err(Malformed);
    }
    let mut r = Reader::new(bytes);
    r.expect(b"dvda")?;
    r.expect(&[FORMAT, SUITE, 0, 0])?;
    let named = (RequestId::read(&mut r)?, DepositId::read(&mut r)?);
    let number = r.u16()?;
    r.zeros(6)?;
    Ok((named, number, r.rest()))
}

fn bound(request: &Descriptor, deposit: DepositId, number: u16) -> [u8; 32] {
    context(DEPOSIT_ANSWER, &[request.digest(), deposit.as_bytes(), &number.to_be_bytes()])
}

/// Bytes of an answer, at most.
pub(super) const ANSWER_CAP: usize = 704 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_704_kib_at_most() {
        let answer = |len: usize| {
            let start =
                [b"dvda".as_slice(), &[FORMAT, SUITE, 0, 0], &[3; 16], &[4; 16], &[0, 5], &[0; 6]].concat();
            [start.as_slice(), &vec![6; len - start.len()]].concat()
        };
        for (len, taken) in [(ANSWER_CAP - 1, true), (ANSWER_CAP, true), (ANSWER_CAP + 1, false)] {
            assert_eq!(parse(&answer(len)).map(|(_, number, _)| number).ok(), taken.then_some(5), "{len}");
        }
    }
}
