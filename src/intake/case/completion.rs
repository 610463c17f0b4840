//! Whether a case is complete, and the statement that it was.

use serde::{Deserialize, Serialize};

use super::{
    state::{CaseState, Stage},
    submission::Origin,
};
use crate::{
    ContentDigest, Timestamp, VersionId,
    intake::{Attestation, Condition, Date, Key, Necessity, Requirement, Rule, Template, TemplateHash},
};

/// How much of what is required is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) met: usize,
    pub(super) required: usize,
}

impl Progress {
    pub(super) fn is_complete(self) -> bool {
        self.met == self.required
    }

    /// Rounded down, so 100 only if complete.
    pub(super) fn percent(self) -> u8 {
        let percent = (100 * self.met).checked_div(self.required).unwrap_or(100);
        u8::try_from(percent).unwrap_or(100)
    }
}

impl CaseState {
    /// Whether a requirement has to be met, as the answers stand.
    #[must_use]
    pub fn is_required(&self, requirement: &Requirement) -> bool {
        match requirement.necessity() {
            Necessity::Always => true,
            Necessity::If(condition) => self.holds(condition),
            Necessity::Optional => false,
        }
    }

    fn holds(&self, condition: &Condition) -> bool {
        let of = self.requirements.get(condition.requirement()).filter(|of| of.counts());
        let Some(current) = of.and_then(|of| of.current.as_ref()) else { return false };
        let answer = current.answers.get(condition.field());
        // The answers of what was stored past intake are unknown, and nothing that they may call for is let off.
        current.origin == Origin::Vault || answer.is_some_and(|answer| condition.answers().contains(answer))
    }

    /// Whether a requirement is approved, attested, and, if a day is given, valid on it.
    pub(super) fn is_met(&self, requirement: &Requirement, on: Option<Date>) -> bool {
        let Some(state) = self.requirements.get(requirement.key()) else { return false };
        let attested =
            |wanted: &Attestation| state.attestations.iter().any(|found| found.attestation == *wanted);
        state.stage == Stage::Approved
            && requirement.attestations().iter().all(attested)
            && !on.is_some_and(|day| self.is_expired(requirement.key(), day))
    }

    pub(super) fn is_expired(&self, requirement: &Key, on: Date) -> bool {
        self.valid_until(requirement).is_some_and(|last| last < on)
    }

    pub(super) fn valid_until(&self, requirement: &Key) -> Option<Date> {
        self.requirements.get(requirement)?.current.as_ref()?.valid_until
    }

    pub(super) fn met_of(&self, rule: &Rule, template: &Template, on: Option<Date>) -> usize {
        let of = rule.of().iter().filter_map(|key| template.requirement(key.as_str()));
        of.filter(|requirement| self.is_met(requirement, on)).count()
    }

    /// What is required is what must be met now, and each rule; validity counts if a day is given.
    pub(super) fn progress(&self, template: &Template, on: Option<Date>) -> Progress {
        let required = template.requirements().iter().filter(|one| self.is_required(one));
        let of_requirements = required.map(|one| self.is_met(one, on));
        let satisfied = |rule: &Rule| self.met_of(rule, template, on) >= usize::from(rule.at_least());
        let all: Vec<bool> = of_requirements.chain(template.rules().iter().map(satisfied)).collect();
        Progress { met: all.iter().filter(|met| **met).count(), required: all.len() }
    }

    /// What is met on this day, required or not.
    pub(super) fn approved(&self, template: &Template, on: Date) -> Vec<Approved> {
        let met = template.requirements().iter().filter(|one| self.is_met(one, Some(on)));
        let approved = met.filter_map(|one| {
            let current = self.requirements.get(one.key())?.current.as_ref()?;
            Some(Approved {
                requirement: one.key().clone(),
                version: current.version,
                digest: current.digest,
            })
        });
        approved.collect()
    }
}

/// That a case was complete at an instant, and on what that rested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Completion {
    /// When.
    pub at: Timestamp,
    /// The template whose requirements were met.
    pub template: TemplateHash,
    /// Every requirement that was met, in the template's order, and by which bytes.
    pub approved: Vec<Approved>,
}

/// A requirement that was met, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Approved {
    /// The requirement.
    pub requirement: Key,
    /// The version approved.
    pub version: VersionId,
    /// Its digest.
    pub digest: ContentDigest,
}

impl Completion {
    /// What an outsider may be shown: when, by which template, how many requirements, and a commitment to
    /// which; JSON (FORMAT §12.5). Whoever is given this completion, too, can recompute it.
    #[must_use]
    pub fn claim(&self) -> String {
        #[derive(Serialize)]
        struct Claim<'a> {
            statement: &'a str,
            at: Timestamp,
            template: TemplateHash,
            requirements: usize,
            approved: String,
        }

        let list = serde_json::to_vec(&self.approved).expect("structs of texts are JSON");
        let digest = crate::sha256(&[&list]);
        let claim = Claim {
            statement: "complete",
            at: self.at,
            template: self.template,
            requirements: self.approved.len(),
            approved: crate::intake::hex::hex(&digest),
        };
        serde_json::to_string(&claim).expect("structs of texts are JSON")
    }
}
