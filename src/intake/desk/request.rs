//! Asking a client for documents by a link.

use core::{fmt, time::Duration};

use zeroize::Zeroizing;

use super::{Desk, IntakeError, Result};
use crate::{
    CaseId, Timestamp,
    deposit::{CarrierPublicKey, RequestTerms, SignedRequest, Slot},
    intake::{Command, Key, Refusal, Requirement, Template, case::USES_OF_A_REQUEST},
};

/// What a client is to be asked for.
#[must_use = "a request is issued by `Desk::request`"]
pub struct NewRequest {
    carrier: CarrierPublicKey,
    expires: Timestamp,
    requirements: Vec<Key>,
    uses: Option<u16>,
    to: Option<Key>,
    answer_within: Option<Duration>,
    policy: String,
    passphrase: Option<Zeroizing<String>>,
}

impl NewRequest {
    /// Asks through `carrier`, until `expires`; up to five deposits for each requirement, fewer if five for each
    /// were more than 64 in all, unless [`NewRequest::uses`] says otherwise.
    pub const fn new(carrier: CarrierPublicKey, expires: Timestamp) -> Self {
        Self {
            carrier,
            expires,
            requirements: Vec::new(),
            uses: None,
            to: None,
            answer_within: None,
            policy: String::new(),
            passphrase: None,
        }
    }

    /// Adds a requirement.
    pub fn requirement(mut self, requirement: Key) -> Self {
        self.requirements.push(requirement);
        self
    }

    /// Adds requirements.
    pub fn requirements(mut self, requirements: impl IntoIterator<Item = Key>) -> Self {
        self.requirements.extend(requirements);
        self
    }

    /// Sets how many deposits each requirement takes; 64 over all of them at most.
    pub const fn uses(mut self, uses: u16) -> Self {
        self.uses = Some(uses);
        self
    }

    /// Says which contact gets the link.
    pub fn to(mut self, contact: Key) -> Self {
        self.to = Some(contact);
        self
    }

    /// Sets how soon deposits will be answered.
    pub const fn answer_within(mut self, duration: Duration) -> Self {
        self.answer_within = Some(duration);
        self
    }

    /// Sets the text of the policy that the client holds receipts against.
    pub fn policy(mut self, policy: impl Into<String>) -> Self {
        self.policy = policy.into();
        self
    }

    /// Asks for a passphrase on top of the link. See [`RequestTerms::passphrase`].
    pub fn passphrase(mut self, passphrase: impl Into<String>) -> Self {
        self.passphrase = Some(Zeroizing::new(passphrase.into()));
        self
    }
}

impl fmt::Debug for NewRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewRequest")
            .field("requirements", &self.requirements)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

impl Desk {
    /// Issues a request: on record, and signed. Publish its descriptor to the carrier, and give the link to the
    /// client, by a way that reaches nobody else.
    ///
    /// # Errors
    ///
    /// [`IntakeError::Refused`], with [`Refusal::TooManyUses`] if more was asked for than a request takes; invalid
    /// if the request has no requirement, or is too large; the vault's.
    ///
    /// # Cancellation
    ///
    /// A request may be on record whose link nobody has: it expires.
    pub async fn request(&self, case: CaseId, new: NewRequest) -> Result<SignedRequest> {
        let file = self.case(case).await?;
        let mut asked = new.requirements.clone();
        asked.sort();
        asked.dedup();
        let uses = uses(new.uses, asked.len())?;
        let terms = terms(case, file.template(), &new, &asked, uses)?;
        let signed = self.session.sign_request(terms).await?;
        let command = Command::IssueRequest {
            request: signed.descriptor.request(),
            uses: u32::from(uses).saturating_mul(u32::try_from(asked.len()).unwrap_or(u32::MAX)),
            requirements: asked,
            expires: new.expires,
            to: new.to,
        };
        self.act_on(file, command).await?;
        Ok(signed)
    }
}

/// How many deposits each requirement takes: the carrier counts by slot and promises what it takes, so that all
/// slots together must not take more than the case does.
fn uses(wanted: Option<u16>, requirements: usize) -> Result<u16, Refusal> {
    let shared = USES_OF_A_REQUEST.checked_div(requirements).unwrap_or(USES_OF_A_REQUEST).max(1);
    let uses = wanted.unwrap_or_else(|| u16::try_from(shared).unwrap_or(USES).min(USES));
    if usize::from(uses).saturating_mul(requirements) > USES_OF_A_REQUEST {
        return Err(Refusal::TooManyUses { uses, requirements, most: USES_OF_A_REQUEST });
    }
    Ok(uses)
}

/// Slots are the requirements in the order of their keys: the number alone tells which (FORMAT §12.6).
fn terms(
    case: CaseId,
    template: &Template,
    new: &NewRequest,
    asked: &[Key],
    uses: u16,
) -> Result<RequestTerms> {
    let mut terms = RequestTerms::new(case, new.carrier, new.expires);
    let rule = |key: &Key| template.requirement(key.as_str()).ok_or(Refusal::UnknownRequirement);
    let shown = asked.iter().map(rule).collect::<Result<Vec<_>, _>>()?;
    let widest = widest(&shown);
    for rule in &shown {
        terms = terms.slot(slot(rule, widest, uses));
    }
    if let Some(duration) = new.answer_within {
        terms = terms.answer_within(duration);
    }
    if let Some(passphrase) = &new.passphrase {
        terms = terms.passphrase(passphrase);
    }
    Ok(terms.policy(new.policy.clone()).presentation(presentation(template, &shown)?))
}

/// The most files, and bytes of one, that any of these takes; none if no slot could have both.
fn widest(rules: &[&Requirement]) -> Option<(u16, u64)> {
    let files = rules.iter().filter_map(|rule| rule.files());
    let (most, bytes) =
        files.fold((0, 0), |(most, bytes), of| (of.max().max(most), of.max_bytes().max(bytes)));
    (bytes.saturating_mul(u64::from(most)) <= WIDEST).then_some((most, bytes))
}

/// All slots have the caps of the widest: a carrier reads them, and would tell by its own which requirement it is. What the
/// requirement takes of that stands in the presentation, and is held against what comes.
fn slot(rule: &Requirement, widest: Option<(u16, u64)>, uses: u16) -> Slot {
    let own = || rule.files().map_or((0, 0), |files| (files.max(), files.max_bytes()));
    let (fewest, (most, bytes)) = (rule.files().map_or(0, |files| files.min()), widest.unwrap_or_else(own));
    let slot = Slot::new(rule.key().as_str(), bytes).files(fewest, most).uses(uses);
    let types = rule.files().map(|files| files.media_types()).unwrap_or_default();
    types.iter().fold(slot, |slot, media_type| slot.media_type(media_type.as_str()))
}

/// What the client's page shows: the requirements as the template has them (FORMAT §12.6).
fn presentation(template: &Template, shown: &[&Requirement]) -> Result<Vec<u8>> {
    let shown = serde_json::json!({
        "language": template.language(), "title": template.title(), "requirements": shown,
    });
    serde_json::to_vec(&shown).map_err(|_| IntakeError::Refused(Refusal::TooLarge))
}

/// Bytes of a deposit that are surely no more parts than one has, padded.
const WIDEST: u64 = 4 << 30;
/// Deposits that a requirement takes unless something else is asked for.
const USES: u16 = 5;
