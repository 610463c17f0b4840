//! What a request asks for, as only its client may know (FORMAT §11.1).

use super::descriptor::Caps;
use crate::{
    crypto::{
        chunked,
        schedule::{REQUEST_DETAILS, REQUEST_DETAILS_KEY, context, subkey},
    },
    document::within,
    env::{Entropy, EntropyError},
    error::{Error, Result},
    ids::CaseId,
    padding,
    secret::{Secret, SecretBytes},
    wire::{Malformed, Reader, Writer},
};

/// One slot of a request: a requirement, and what it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Slot {
    /// The requirement's key, 1 to 128 bytes.
    pub requirement: String,
    /// Files of a deposit, at least.
    pub fewest_files: u16,
    /// The media types that are taken, up to 32 of 256 bytes; any if there is none.
    pub media_types: Vec<String>,
    /// How often, how many files, how large.
    pub caps: Caps,
}

impl Slot {
    /// A slot for `requirement`, which takes one deposit of one file of at most `file_bytes`.
    #[must_use]
    pub fn new(requirement: impl Into<String>, file_bytes: u64) -> Self {
        let caps = Caps { uses: 1, files: 1, file_bytes };
        Self { requirement: requirement.into(), fewest_files: 1, media_types: Vec::new(), caps }
    }

    /// Sets how many files a deposit has, at least and at most; 64 at most.
    #[must_use]
    pub const fn files(mut self, fewest: u16, most: u16) -> Self {
        self.fewest_files = fewest;
        self.caps.files = most;
        self
    }

    /// Sets how many deposits can be completed; 1,024 at most.
    #[must_use]
    pub const fn uses(mut self, uses: u16) -> Self {
        self.caps.uses = uses;
        self
    }

    /// Adds a media type that is taken.
    #[must_use]
    pub fn media_type(mut self, media_type: impl Into<String>) -> Self {
        self.media_types.push(media_type.into());
        self
    }

    /// Refuses what the format cannot say.
    pub(super) fn check(&self) -> Result<()> {
        let requirement = &self.requirement;
        if requirement.is_empty() {
            return Err(Error::invalid("a slot names the requirement it is for"));
        }
        within("the requirement's key", requirement, REQUIREMENT_CAP)?;
        self.media_types
            .iter()
            .try_for_each(|media_type| within("a media type", media_type, MEDIA_TYPE_CAP))?;
        if self.media_types.len() > MEDIA_TYPES_CAP {
            return Err(Error::invalid(format!(
                "{requirement}: a slot lists at most {MEDIA_TYPES_CAP} media types"
            )));
        }
        if self.fewest_files > self.caps.files || !self.caps.are_allowed() {
            return Err(Error::invalid(format!(
                "{requirement}: a slot takes 1 to 1,024 deposits of at most 64 files, in 16,384 parts of 512 KiB \
                 over all, and at least as many files as it asks for"
            )));
        }
        Ok(())
    }
}

/// What is sealed in a descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Details {
    pub(crate) case: CaseId,
    pub(crate) policy: String,
    pub(crate) slots: Vec<Slot>,
    pub(crate) presentation: Vec<u8>,
}

impl Details {
    pub(super) fn check(&self) -> Result<()> {
        within("the policy for receipts", &self.policy, POLICY_CAP)?;
        if self.presentation.len() > PRESENTATION_CAP {
            return Err(Error::invalid(format!(
                "a request's presentation has at most {PRESENTATION_CAP} bytes"
            )));
        }
        self.slots.iter().try_for_each(Slot::check)
    }

    pub(crate) fn encode(&self) -> SecretBytes {
        let mut w = Writer::with_capacity(8192 + self.policy.len() + self.presentation.len());
        w.fixed(self.case.as_bytes()).text(&self.policy);
        for slot in &self.slots {
            w.text(&slot.requirement).u16(slot.fewest_files);
            w.u32(u32::try_from(slot.media_types.len()).unwrap_or(u32::MAX));
            slot.media_types.iter().for_each(|media_type| {
                w.text(media_type);
            });
        }
        w.bytes(&self.presentation);
        w.into_secret()
    }

    /// Parses the details of a request with these slots.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub(crate) fn parse(bytes: &[u8], caps: &[Caps]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        let (case, policy) = (CaseId::read(&mut r)?, r.text(POLICY_CAP)?.to_owned());
        let slots = caps.iter().map(|caps| read_slot(&mut r, *caps)).collect::<Result<_, _>>()?;
        let presentation = r.bytes(PRESENTATION_CAP)?.to_vec();
        r.finish()?;
        Ok(Self { case, policy, slots, presentation })
    }

    pub(super) fn seal(
        &self,
        root: &Secret<32>,
        header: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, EntropyError> {
        let key = subkey(root, REQUEST_DETAILS_KEY, &[]);
        chunked::seal(&key, &context(REQUEST_DETAILS, &[header]), &padding::pad(&self.encode()), entropy)
    }

    pub(super) fn open(
        root: &Secret<32>,
        header: &[u8],
        caps: &[Caps],
        sealed: &[u8],
    ) -> Result<Self, Malformed> {
        let key = subkey(root, REQUEST_DETAILS_KEY, &[]);
        let padded =
            chunked::open(&key, &context(REQUEST_DETAILS, &[header]), sealed).map_err(|_| Malformed)?;
        Self::parse(padding::unpad(&padded)?, caps)
    }
}

fn read_slot(r: &mut Reader<'_>, caps: Caps) -> Result<Slot, Malformed> {
    let slot = Slot {
        requirement: r.text(REQUIREMENT_CAP)?.to_owned(),
        fewest_files: r.u16()?,
        media_types: (0..r.count(MEDIA_TYPES_CAP)?)
            .map(|_| Ok(r.text(MEDIA_TYPE_CAP)?.to_owned()))
            .collect::<Result<_, Malformed>>()?,
        caps,
    };
    let sound = !slot.requirement.is_empty() && slot.fewest_files <= caps.files;
    if sound { Ok(slot) } else { Err(Malformed) }
}

/// Bytes of a requirement's key, at most.
pub(super) const REQUIREMENT_CAP: usize = 128;
const MEDIA_TYPES_CAP: usize = 32;
const MEDIA_TYPE_CAP: usize = 256;
const POLICY_CAP: usize = 32 << 10;
const PRESENTATION_CAP: usize = 48 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn details(slot: Slot) -> Details {
        Details {
            case: CaseId::from_bytes([1; 16]),
            policy: String::new(),
            slots: vec![slot],
            presentation: Vec::new(),
        }
    }

    #[test]
    fn a_slot_says_what_the_format_can_say() {
        let slot = || Slot::new("official-id", 5);
        let types = |count: usize| Slot { media_types: vec!["a/b".to_owned(); count], ..slot() };
        for (slot, taken) in [
            (slot(), true),
            (Slot::new("", 5), false),
            (Slot::new("r".repeat(REQUIREMENT_CAP), 5), true),
            (Slot::new("r".repeat(REQUIREMENT_CAP + 1), 5), false),
            (slot().media_type("m".repeat(MEDIA_TYPE_CAP)), true),
            (slot().media_type("m".repeat(MEDIA_TYPE_CAP + 1)), false),
            (types(MEDIA_TYPES_CAP), true),
            (types(MEDIA_TYPES_CAP + 1), false),
            (slot().files(2, 2), true),
            (slot().files(3, 2), false),
            (slot().uses(0), false),
        ] {
            assert_eq!(slot.check().is_ok(), taken, "{slot:?}");
            let (caps, details) = (slot.caps, details(slot));
            assert_eq!(details.check().is_ok(), taken);
            // What is read has its caps from the clear part of the descriptor.
            let read = Details::parse(&details.encode(), &[caps]);
            assert_eq!(read.ok(), (taken || caps.uses == 0).then_some(details));
        }
    }

    #[test]
    fn details_have_a_policy_and_a_presentation_within_their_limits() {
        let of = |policy: usize, presentation: usize| {
            let (policy, presentation) = ("p".repeat(policy), vec![b'p'; presentation]);
            Details { policy, presentation, ..details(Slot::new("official-id", 5)) }.check().is_ok()
        };
        assert!(of(POLICY_CAP, PRESENTATION_CAP));
        assert!(!of(POLICY_CAP + 1, 0) && !of(0, PRESENTATION_CAP + 1));
    }
}
