//! What a client keeps to go on with a deposit (FORMAT §11.2).

use bytes::Bytes;

use super::{
    descriptor::{Descriptor, FILES_CAP},
    ids::{DepositId, RequestId},
    manifest::{CONTENTS_CAP, File},
};
use crate::{
    FORMAT, SUITE,
    crypto::{
        chunked,
        schedule::{DEPOSIT_JOURNAL, context},
    },
    env::{Entropy, EntropyError},
    grant::SEALED_KEY_LEN,
    padding,
    secret::{Secret, SecretBytes},
    wire::{Malformed, Reader, Writer},
};

/// Everything from which a deposit follows, but for the files' contents.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) deposit: DepositId,
    pub(super) key: Secret<32>,
    pub(super) sealed_key: Vec<u8>,
    pub(super) files: Vec<File>,
}

impl Journal {
    pub(super) fn seal(
        &self,
        request: &Descriptor,
        key: &Secret<32>,
        entropy: &dyn Entropy,
    ) -> Result<Bytes, EntropyError> {
        let sealed =
            chunked::seal(key, &bound(request, self.deposit), &padding::pad(&self.encode()), entropy)?;
        let mut w = Writer::with_capacity(64 + sealed.len());
        w.fixed(b"dvdj").u8(FORMAT).u8(SUITE).u16(0);
        w.fixed(request.request().as_bytes()).fixed(self.deposit.as_bytes()).fixed(&sealed);
        Ok(w.into_vec().into())
    }

    pub(super) fn encode(&self) -> SecretBytes {
        let mut w = Writer::with_capacity(CONTENTS_CAP);
        w.fixed(self.key.expose()).fixed(&self.sealed_key);
        w.u32(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.iter().for_each(|file| file.write(&mut w));
        w.into_secret()
    }

    pub(super) fn open(request: &Descriptor, key: &Secret<32>, bytes: &[u8]) -> Result<Self, Malformed> {
        let ((named, deposit), sealed) = Self::split(bytes)?;
        if named != request.request() {
            return Err(Malformed);
        }
        let padded = chunked::open(key, &bound(request, deposit), sealed).map_err(|_| Malformed)?;
        Self::parse((named, deposit), padding::unpad(&padded)?)
    }

    /// The request and the deposit that a journal names, and what is sealed in it.
    pub(super) fn split(bytes: &[u8]) -> Result<(Named, &[u8]), Malformed> {
        let mut r = Reader::new(bytes);
        r.expect(b"dvdj")?;
        r.expect(&[FORMAT, SUITE, 0, 0])?;
        let named = (RequestId::read(&mut r)?, DepositId::read(&mut r)?);
        Ok((named, r.rest()))
    }

    pub(super) fn parse((_, deposit): Named, contents: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(contents);
        let key = r.secret()?;
        let sealed_key = r.take(SEALED_KEY_LEN)?.to_vec();
        let count = r.count(usize::from(FILES_CAP))?;
        let files = (0..count).map(|_| File::read(&mut r)).collect::<Result<_, _>>()?;
        r.finish()?;
        Ok(Self { deposit, key, sealed_key, files })
    }
}

type Named = (RequestId, DepositId);

fn bound(request: &Descriptor, deposit: DepositId) -> [u8; 32] {
    context(DEPOSIT_JOURNAL, &[request.digest(), deposit.as_bytes()])
}
