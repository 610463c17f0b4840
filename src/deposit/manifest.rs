//! The manifest that completes a deposit (FORMAT §11.2).

use bytes::Bytes;

use super::{
    descriptor::{Caps, Descriptor, FILES_CAP},
    ids::{DepositId, RequestId},
    part::{PARTS_CAP, parts_of, seal_same},
};
use crate::{
    FORMAT, SUITE,
    crypto::{
        chunked,
        digest::sha256,
        hpke::SecretKey,
        schedule::{DEPOSIT_KEY, DEPOSIT_MANIFEST, SIGN_DEPOSIT_MANIFEST, context},
        sign::SigningKey,
    },
    document::{Attributes, NAME_CAP, read_attributes, write_attributes},
    env::{Entropy, EntropyError},
    error::Result,
    grant::SEALED_KEY_LEN,
    padding,
    secret::{Secret, SecretBytes},
    wire::{Malformed, Reader, Writer},
};

/// What a manifest says to its carrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) outline: Outline,
    pub(crate) contents: Vec<u8>,
    signature: [u8; 64],
}

/// All of a manifest but the sealed contents and the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outline {
    pub(crate) request: RequestId,
    pub(crate) deposit: DepositId,
    pub(crate) sealed_key: Vec<u8>,
    /// The hashes of each page's parts.
    pub(crate) pages: Vec<Vec<[u8; 32]>>,
}

/// A file of a deposit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct File {
    /// What it is called, at most 1,024 bytes; any characters, so it is no path.
    pub name: String,
    /// Its media type as the client says, at most 256 bytes.
    pub media_type: String,
    /// Its bytes.
    pub len: u64,
}

impl File {
    /// A file of `len` bytes.
    #[must_use]
    pub fn new(name: impl Into<String>, media_type: impl Into<String>, len: u64) -> Self {
        Self { name: name.into(), media_type: media_type.into(), len }
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.text(&self.name).text(&self.media_type).u64(self.len);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            name: r.text(NAME_CAP)?.to_owned(),
            media_type: r.text(MEDIA_TYPE_CAP)?.to_owned(),
            len: r.u64()?,
        })
    }
}

/// A file, and the digest of its content.
pub(super) type Described = (File, [u8; 32]);

/// What a manifest says to the office alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) pages: Vec<Described>,
    pub(crate) form: Attributes,
    pub(crate) comment: String,
}

impl Contents {
    pub(crate) fn encode(&self) -> SecretBytes {
        let mut w = Writer::with_capacity(CONTENTS_CAP);
        w.u32(u32::try_from(self.pages.len()).unwrap_or(u32::MAX));
        for (file, digest) in &self.pages {
            file.write(&mut w);
            w.fixed(digest);
        }
        write_attributes(&mut w, &self.form);
        w.text(&self.comment);
        w.into_secret()
    }

    /// Parses contents.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        let count = r.count(usize::from(FILES_CAP))?;
        let pages =
            (0..count).map(|_| Ok((File::read(&mut r)?, r.array()?))).collect::<Result<_, Malformed>>()?;
        let (form, comment) = (read_attributes(&mut r)?, r.text(COMMENT_CAP)?.to_owned());
        r.finish()?;
        Ok(Self { pages, form, comment })
    }
}

// FORMAT §11.2: info = context("deposit key to intake", D, deposit)
fn info(request: &[u8; 32], deposit: DepositId) -> [u8; 32] {
    context(DEPOSIT_KEY, &[request, deposit.as_bytes()])
}

/// Seals a deposit's key to the intake key.
pub(super) fn seal_key(
    descriptor: &Descriptor,
    deposit: DepositId,
    key: &Secret<32>,
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, EntropyError> {
    let info = info(descriptor.digest(), deposit);
    descriptor.header.intake_key.seal(&info, &[], key.expose(), entropy)
}

impl Outline {
    fn encode(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(2048);
        w.fixed(b"dvdm").u8(FORMAT).u8(SUITE).u16(0);
        w.fixed(self.request.as_bytes()).fixed(self.deposit.as_bytes());
        w.fixed(&self.sealed_key).u32(u32::try_from(self.pages.len()).unwrap_or(u32::MAX));
        for parts in &self.pages {
            w.u32(u32::try_from(parts.len()).unwrap_or(u32::MAX));
            parts.iter().for_each(|digest| {
                w.fixed(digest);
            });
        }
        w.into_vec()
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.expect(b"dvdm")?;
        r.expect(&[FORMAT, SUITE, 0, 0])?;
        let (request, deposit) = (RequestId::read(r)?, DepositId::read(r)?);
        let sealed_key = r.take(SEALED_KEY_LEN)?.to_vec();
        let pages =
            (0..r.count(usize::from(FILES_CAP))?).map(|_| read_parts(r)).collect::<Result<Vec<_>, _>>()?;
        let outline = Self { request, deposit, sealed_key, pages };
        if outline.parts() <= PARTS_CAP { Ok(outline) } else { Err(Malformed) }
    }

    fn parts(&self) -> u64 {
        self.pages.iter().map(|parts| u64::try_from(parts.len()).unwrap_or(u64::MAX)).sum()
    }

    /// Seals and signs the manifest with this outline.
    pub(super) fn complete(
        self,
        descriptor: &Descriptor,
        (key, link_key): (&Secret<32>, &SigningKey),
        contents: &Contents,
    ) -> Result<Manifest> {
        let bound = context(DEPOSIT_MANIFEST, &[descriptor.digest(), &self.encode()]);
        let contents = seal_same(key, &bound, &padding::pad(&contents.encode()))?;
        let mut manifest = Manifest { outline: self, contents, signature: [0; 64] };
        manifest.signature = link_key.sign(SIGN_DEPOSIT_MANIFEST, &manifest.signed(descriptor.digest()));
        Ok(manifest)
    }
}

fn read_parts(r: &mut Reader<'_>) -> Result<Vec<[u8; 32]>, Malformed> {
    let count = r.count(usize::try_from(PARTS_CAP).unwrap_or(usize::MAX))?;
    if count == 0 {
        return Err(Malformed);
    }
    (0..count).map(|_| r.array()).collect()
}

impl Manifest {
    /// Parses a manifest; its signature is not verified.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MANIFEST_CAP {
            return Err(Malformed);
        }
        let mut r = Reader::new(bytes);
        let outline = Outline::read(&mut r)?;
        let contents = r.bytes(CONTENTS_SEALED_CAP)?.to_vec();
        let signature = r.array()?;
        r.finish()?;
        Ok(Self { outline, contents, signature })
    }

    fn write_unsigned(&self, w: &mut Writer) {
        w.fixed(&self.outline.encode()).bytes(&self.contents);
    }

    fn signed(&self, request: &[u8; 32]) -> Vec<u8> {
        let mut w = Writer::new();
        w.fixed(request);
        self.write_unsigned(&mut w);
        w.into_vec()
    }

    pub(crate) fn encode(&self) -> Bytes {
        let mut w = Writer::with_capacity(4096 + self.contents.len());
        self.write_unsigned(&mut w);
        w.fixed(&self.signature);
        w.into_vec().into()
    }

    pub(super) fn digest(&self) -> [u8; 32] {
        sha256(&[&self.encode()])
    }

    /// Whether the link's key has signed this.
    pub(super) fn is_signed(&self, descriptor: &Descriptor) -> bool {
        let signed = self.signed(descriptor.digest());
        descriptor.header.link_key.verify(SIGN_DEPOSIT_MANIFEST, &signed, &self.signature).is_ok()
    }

    /// Opens the deposit key, and the contents under it.
    ///
    /// # Errors
    ///
    /// [`Malformed`] also if contents and outline do not belong together, or exceed the slot's caps.
    pub(super) fn open(
        &self,
        descriptor: &Descriptor,
        intake: &SecretKey,
    ) -> Result<(Secret<32>, Contents), Malformed> {
        let Outline { deposit, sealed_key, .. } = &self.outline;
        let info = info(descriptor.digest(), *deposit);
        let key = intake.open(&info, &[], sealed_key).map_err(|_| Malformed)?;
        let key = Secret::copy_from(&key).ok_or(Malformed)?;
        let bound = context(DEPOSIT_MANIFEST, &[descriptor.digest(), &self.outline.encode()]);
        let padded = chunked::open(&key, &bound, &self.contents).map_err(|_| Malformed)?;
        let contents = Contents::parse(padding::unpad(&padded)?)?;
        let caps = descriptor.caps(*deposit).ok_or(Malformed)?;
        if self.belongs(&contents, caps) { Ok((key, contents)) } else { Err(Malformed) }
    }

    fn belongs(&self, contents: &Contents, caps: &Caps) -> bool {
        let fits = |file: &File, parts: &Vec<_>| {
            file.len <= caps.file_bytes && u32::try_from(parts.len()) == Ok(parts_of(file.len))
        };
        let mut pages = contents.pages.iter().zip(&self.outline.pages);
        contents.pages.len() == self.outline.pages.len()
            && contents.pages.len() <= usize::from(caps.files)
            && pages.all(|((file, _), parts)| fits(file, parts))
    }
}

/// Bytes of a media type, at most.
pub(super) const MEDIA_TYPE_CAP: usize = 256;
/// Bytes of a comment, at most.
pub(super) const COMMENT_CAP: usize = 4096;
/// 64 files with names and types of full length, a form of 64 full fields, a comment, and padding.
pub(super) const CONTENTS_CAP: usize = 384 << 10;
const CONTENTS_SEALED_CAP: usize = CONTENTS_CAP + 1024;
/// Outline with a hash for each part, and contents; below the 1 MiB that web servers take by default.
pub(super) const MANIFEST_CAP: usize = 960 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deposit::PART_LEN;

    #[test]
    fn contents_belong_to_an_outline_of_the_same_files_within_the_caps() {
        let (one, two) = (vec![[4; 32]], vec![[4; 32]; 2]);
        let of = |lens: &[u64], pages: Vec<Vec<[u8; 32]>>| {
            let outline = Outline {
                request: RequestId::from_bytes([1; 16]),
                deposit: DepositId::from_bytes([0; 16]),
                sealed_key: Vec::new(),
                pages,
            };
            let file = |len: &u64| (File::new("", "", *len), [5; 32]);
            let pages = lens.iter().map(file).collect();
            let contents = Contents { pages, form: Attributes::new(), comment: String::new() };
            let caps = Caps { uses: 1, files: 2, file_bytes: 2 * PART_LEN };
            Manifest { outline, contents: Vec::new(), signature: [0; 64] }.belongs(&contents, &caps)
        };
        assert!(of(&[], vec![]) && of(&[0, 2 * PART_LEN], vec![one.clone(), two.clone()]));
        assert!(!of(&[5], vec![]) && !of(&[], vec![one.clone()]), "other numbers of files");
        assert!(!of(&[5, 5, 5], vec![one.clone(); 3]), "more files than are taken");
        assert!(!of(&[2 * PART_LEN + 1], vec![vec![[4; 32]; 3]]), "longer than is taken");
        assert!(!of(&[5], vec![two.clone()]) && !of(&[PART_LEN + 1], vec![one]), "other numbers of parts");
        assert!(!of(&[5, 5], vec![vec![[4; 32]], two]), "also of the last file");
    }

    #[test]
    fn a_deposit_has_16384_parts_at_most() {
        assert!(Manifest::parse(&vec![0; MANIFEST_CAP + 1]).is_err());
        for (parts, taken) in [([8192, 8191], true), ([8192, 8192], true), ([8192, 8193], false)] {
            let outline = Outline {
                request: RequestId::from_bytes([1; 16]),
                deposit: DepositId::from_bytes([0; 16]),
                sealed_key: vec![3; SEALED_KEY_LEN],
                pages: parts.map(|parts| vec![[4; 32]; parts]).to_vec(),
            };
            assert_eq!(Outline::read(&mut Reader::new(&outline.encode())).is_ok(), taken, "{parts:?}");
        }
    }
}
