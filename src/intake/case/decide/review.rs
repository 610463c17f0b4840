//! Looking at what was handed in: approve, reject, ask again, attest.

use super::{Decision, REASON_CAP, text};
use crate::{
    ContentDigest, VersionId,
    intake::{
        Actor, Attestation, CaseState, Date, Key, Requirement, Template,
        case::{
            event::Change,
            refusal::Refusal,
            state::{CurrentSubmission, Stage},
            submission::Origin,
        },
    },
};

/// What a reviewer has looked at.
type Seen = (VersionId, ContentDigest);

impl CaseState {
    /// Whether this actor may open what was handed in for a requirement.
    ///
    /// # Errors
    ///
    /// [`Refusal::Confidential`] if it is for its reviewers alone; [`Refusal::UnknownRequirement`];
    /// [`Refusal::OtherTemplate`].
    pub fn may_open(&self, template: &Template, requirement: &Key, actor: &Actor) -> Result<(), Refusal> {
        if template.hash() != self.template {
            return Err(Refusal::OtherTemplate);
        }
        let rule = template.requirement(requirement.as_str()).ok_or(Refusal::UnknownRequirement)?;
        let confidential = self.requirements.get(requirement).is_some_and(|state| state.confidential);
        if confidential && !actor.has_role(rule.reviewer()) && !actor.has_role(rule.attested_by()) {
            return Err(Refusal::Confidential {
                requirement: requirement.clone(),
                role: rule.reviewer().clone(),
            });
        }
        Ok(())
    }
}

impl Decision<'_> {
    pub(super) fn approve(
        &self,
        requirement: Key,
        seen: Seen,
        issued: Option<Date>,
        valid_until: Option<Date>,
    ) -> Result<Change, Refusal> {
        let rule = self.reviewed(&requirement)?;
        let current = self.newest(&requirement, seen)?;
        self.check_undecided(&requirement)?;
        check_handed_in(rule, current)?;
        self.check_person(rule, current)?;
        self.check_dates(rule, current, (issued, valid_until))?;
        let (issued, valid_until) = (issued.or(current.issued), valid_until.or(current.valid_until));
        self.check_age(rule, current, issued)?;
        self.check_validity(rule, valid_until)?;
        let (version, digest) = seen;
        Ok(Change::Approved { requirement, version, digest, issued, valid_until })
    }

    pub(super) fn reject(
        &self,
        requirement: Key,
        seen: Seen,
        reason: String,
        due: Option<Date>,
    ) -> Result<Change, Refusal> {
        self.reviewed(&requirement)?;
        text("reason", &reason, REASON_CAP)?;
        let (version, digest) = seen;
        self.newest(&requirement, seen)?;
        if self.state.stage(&requirement) == Stage::Rejected {
            return Err(Refusal::NothingThere { requirement });
        }
        Ok(Change::Rejected { requirement, version, digest, reason, due })
    }

    pub(super) fn ask_again(
        &self,
        requirement: Key,
        reason: String,
        due: Option<Date>,
    ) -> Result<Change, Refusal> {
        self.reviewed(&requirement)?;
        text("reason", &reason, REASON_CAP)?;
        if self.state.stage(&requirement) == Stage::Missing {
            return Err(Refusal::NothingThere { requirement });
        }
        Ok(Change::AskedAgain { requirement, reason, due })
    }

    pub(super) fn attest(
        &self,
        requirement: Key,
        seen: Seen,
        attestation: Attestation,
    ) -> Result<Change, Refusal> {
        let rule = self.rule(&requirement)?;
        self.check_role(rule, rule.attested_by())?;
        self.newest(&requirement, seen)?;
        if self.state.stage(&requirement) == Stage::Rejected {
            return Err(Refusal::NothingThere { requirement });
        }
        let there = self.state.requirements.get(&requirement).map_or(&[][..], |state| &state.attestations);
        let others = there.iter().filter(|found| found.attestation != attestation).count();
        if others >= ATTESTATIONS {
            return Err(Refusal::TooMany { what: "attestations".into(), most: ATTESTATIONS });
        }
        let (version, digest) = seen;
        Ok(Change::Attested { requirement, version, digest, attestation })
    }

    /// The requirement, if the actor reviews it.
    fn reviewed(&self, requirement: &Key) -> Result<&Requirement, Refusal> {
        let rule = self.rule(requirement)?;
        self.check_role(rule, rule.reviewer())?;
        Ok(rule)
    }

    fn check_role(&self, rule: &Requirement, role: &Key) -> Result<(), Refusal> {
        if self.actor.has_role(role) {
            return Ok(());
        }
        Err(Refusal::NeedsRole { requirement: rule.key().clone(), role: role.clone() })
    }

    fn check_undecided(&self, requirement: &Key) -> Result<(), Refusal> {
        match self.state.stage(requirement) {
            Stage::Submitted => Ok(()),
            Stage::Approved => Err(Refusal::AlreadyApproved { requirement: requirement.clone() }),
            Stage::Missing | Stage::Rejected => {
                Err(Refusal::NothingThere { requirement: requirement.clone() })
            }
        }
    }

    /// Where it takes two, they are two, and neither is who handed it in.
    fn check_person(&self, rule: &Requirement, current: &CurrentSubmission) -> Result<(), Refusal> {
        if rule.approvals_needed() < 2 {
            return Ok(());
        }
        // Who takes a deposit in only carries it.
        let carried = matches!(current.origin, Origin::Deposit { .. });
        if !carried && current.by == self.actor.id {
            return Err(Refusal::OwnSubmission { requirement: rule.key().clone() });
        }
        let approvals = self.state.requirements.get(rule.key()).map_or(&[][..], |state| &state.approvals);
        if approvals.iter().any(|approval| approval.by == self.actor.id) {
            return Err(Refusal::AlreadyApprovedByYou { requirement: rule.key().clone() });
        }
        Ok(())
    }

    /// Where it takes two, the second says the dates that stand: what the first alone has said would be one person's word, and
    /// who says nothing may not have seen it.
    fn check_dates(
        &self,
        rule: &Requirement,
        current: &CurrentSubmission,
        said: (Option<Date>, Option<Date>),
    ) -> Result<(), Refusal> {
        let first = self.state.requirements.get(rule.key()).is_none_or(|state| state.approvals.is_empty());
        if first || said == (current.issued, current.valid_until) {
            return Ok(());
        }
        Err(Refusal::OtherDates { requirement: rule.key().clone() })
    }

    fn check_age(
        &self,
        rule: &Requirement,
        current: &CurrentSubmission,
        issued: Option<Date>,
    ) -> Result<(), Refusal> {
        match issued {
            // It bears the time of a clock that was ahead, if one has written in the case before.
            Some(issued) => self.check_issued(rule, issued, current.received.min(self.now)),
            None if rule.issued_within_months().is_none() => Ok(()),
            None => Err(Refusal::IssueDateNeeded { requirement: rule.key().clone() }),
        }
    }

    fn check_validity(&self, rule: &Requirement, valid_until: Option<Date>) -> Result<(), Refusal> {
        match valid_until {
            Some(last) if last < self.today() => Err(Refusal::Expired { requirement: rule.key().clone() }),
            None if rule.expires() => Err(Refusal::ValidUntilNeeded { requirement: rule.key().clone() }),
            _ => Ok(()),
        }
    }
}

/// Of a version that was stored past intake, nobody knows the answers that conditions look at, nor whose it is.
fn check_handed_in(rule: &Requirement, current: &CurrentSubmission) -> Result<(), Refusal> {
    let unknown = !rule.fields().is_empty() || rule.approvals_needed() > 1;
    if unknown && current.origin == Origin::Vault {
        return Err(Refusal::HandInAnew { requirement: rule.key().clone() });
    }
    Ok(())
}

/// Different attestations about one submission, at most.
const ATTESTATIONS: usize = 8;
