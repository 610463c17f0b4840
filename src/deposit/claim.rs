//! What the office states of a deposit (FORMAT §11.4).

use super::{
    descriptor::FILES_CAP,
    details::REQUIREMENT_CAP,
    ids::{DepositId, RequestId},
};
use crate::{
    FORMAT, SUITE,
    document::{ContentDigest, within},
    env::Timestamp,
    error::{Error, Result},
    ids::{CaseId, VaultId},
    wire::{Malformed, Reader, Writer},
};

/// What became of a deposit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It is in the case.
    Accepted,
    /// It is set apart, and not in the case; the reason is a code of the office's.
    Quarantined(String),
    /// It is not taken; the reason is a code of the office's.
    Refused(String),
}

impl Verdict {
    /// The reason why a deposit is refused of which nothing, or not what it says, can be read.
    pub const UNREADABLE: &str = "unreadable";

    pub(super) fn is_unreadable(&self) -> bool {
        matches!(self, Self::Refused(reason) if reason == Self::UNREADABLE)
    }
}

/// A page as it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClaimedPage {
    /// Its bytes.
    pub len: u64,
    /// The BLAKE3 hash of its content: `b3sum` of the file gives the same.
    pub digest: [u8; 32],
}

/// What the office states of one deposit, to be put on record by [`Claim::to_bytes`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claim {
    /// The vault that answers.
    pub vault: VaultId,
    /// The case it belongs to.
    pub case: CaseId,
    /// The request it was for.
    pub request: RequestId,
    /// The deposit.
    pub deposit: DepositId,
    /// What became of it.
    pub verdict: Verdict,
    /// The requirement's key.
    pub requirement: String,
    /// SHA-256 of its manifest.
    pub manifest_digest: [u8; 32],
    /// When the office decided, by its own clock; the record has a time of its own.
    pub time: Timestamp,
    /// Its pages, in order; none if it is [`Verdict::UNREADABLE`]: what they should have been is its client's word.
    pub pages: Vec<ClaimedPage>,
}

impl Claim {
    /// The claim's bytes, at most 4 KiB: what the record commits to.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if the requirement's key has more than 128 bytes or none, the
    /// reason's code is not 1 to 64 of `a-z`, `0-9`, `.` and `-`, there are more than 64 pages, or any of what is
    /// [`Verdict::UNREADABLE`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        within("the requirement's key", &self.requirement, REQUIREMENT_CAP)?;
        let bytes = self.encode();
        match Self::parse(&bytes) {
            Ok(_) => Ok(bytes),
            Err(Malformed) => Err(Error::invalid(
                "a claim names a requirement, at most 64 pages, none of what is unreadable, and a reason of 1 to 64 of a-z, \
                 0-9, '.' and '-' unless it accepts",
            )),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let (code, reason) = match &self.verdict {
            Verdict::Accepted => (1, ""),
            Verdict::Refused(reason) => (2, reason.as_str()),
            Verdict::Quarantined(reason) => (3, reason.as_str()),
        };
        let mut w = Writer::with_capacity(CLAIM_CAP);
        w.fixed(b"dvcl").u8(FORMAT).u8(SUITE).u16(0);
        w.fixed(self.vault.as_bytes()).fixed(self.case.as_bytes()).fixed(self.request.as_bytes());
        w.fixed(self.deposit.as_bytes()).u8(code).fixed(&[0; 7]);
        w.text(reason).text(&self.requirement).fixed(&self.manifest_digest).u64(self.time.as_millis());
        w.u32(u32::try_from(self.pages.len()).unwrap_or(u32::MAX));
        self.pages.iter().for_each(|page| {
            w.u64(page.len).fixed(&page.digest);
        });
        w.into_vec()
    }

    /// The claim of these bytes, which prove nothing before a receipt does.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if they are none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::parse(bytes).map_err(|Malformed| Error::invalid("these bytes are no claim about a deposit"))
    }

    /// Parses a claim.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        r.expect(b"dvcl")?;
        r.expect(&[FORMAT, SUITE, 0, 0])?;
        let (vault, case) = (VaultId::read(&mut r)?, CaseId::read(&mut r)?);
        let (request, deposit) = (RequestId::read(&mut r)?, DepositId::read(&mut r)?);
        let code = r.u8()?;
        r.zeros(7)?;
        let verdict = read_verdict(code, r.text(REASON_CAP)?)?;
        let requirement = r.text(REQUIREMENT_CAP)?.to_owned();
        let (manifest_digest, time) = (r.array()?, Timestamp::from_millis(r.u64()?));
        let count = r.count(usize::from(FILES_CAP))?;
        let page = |r: &mut Reader<'_>| Ok(ClaimedPage { len: r.u64()?, digest: r.array()? });
        let pages = (0..count).map(|_| page(&mut r)).collect::<Result<_, Malformed>>()?;
        r.finish()?;
        let claim =
            Self { vault, case, request, deposit, verdict, requirement, manifest_digest, time, pages };
        let of_nothing_seen = claim.verdict.is_unreadable() && !claim.pages.is_empty();
        if claim.requirement.is_empty() || of_nothing_seen { Err(Malformed) } else { Ok(claim) }
    }

    /// The digest of the version whose pages are these.
    #[must_use]
    pub fn content_digest(&self) -> ContentDigest {
        ContentDigest::of_page_digests(self.pages.iter().map(|page| ContentDigest::from_bytes(page.digest)))
    }
}

fn read_verdict(code: u8, reason: &str) -> Result<Verdict, Malformed> {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    let reason = Some(reason).filter(|reason| reason.bytes().all(allowed)).ok_or(Malformed)?;
    match (code, reason) {
        (1, "") => Ok(Verdict::Accepted),
        (2, reason) if !reason.is_empty() => Ok(Verdict::Refused(reason.to_owned())),
        (3, reason) if !reason.is_empty() => Ok(Verdict::Quarantined(reason.to_owned())),
        _ => Err(Malformed),
    }
}

const REASON_CAP: usize = 64;
/// Bytes of a claim, at most: as many as a statement may claim.
pub(super) const CLAIM_CAP: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_has_its_reason_and_no_other() {
        let reason = || "too-dark.2".to_owned();
        for (code, text, verdict) in [
            (1, "", Some(Verdict::Accepted)),
            (1, "too-dark.2", None),
            (2, "too-dark.2", Some(Verdict::Refused(reason()))),
            (2, "", None),
            (3, "too-dark.2", Some(Verdict::Quarantined(reason()))),
            (3, "", None),
            (2, "Too dark", None),
            (0, "", None),
            (4, "too-dark.2", None),
        ] {
            assert_eq!(read_verdict(code, text).ok(), verdict, "{code} {text}");
        }
    }
}
