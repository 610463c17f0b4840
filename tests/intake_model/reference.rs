//! A second, slower implementation of a case's rules, for the template `case.toml`.
//!
//! It keeps the commands that were accepted and nothing else: every answer is read off that history anew.

use std::collections::BTreeSet;

use super::{
    calendar::{day, number, three_months_after},
    commands::{about, origin},
};
use docvault::{
    ContentDigest, RequestId, Timestamp, VersionId,
    intake::{Actor, Answer, Attestation, Command, Date, Origin, Standing},
};

const REQUIREMENTS: [&str; 4] = ["form", "id", "income", "extra"];

#[derive(Debug, Clone)]
pub(crate) struct Fact {
    pub(crate) at: u64,
    pub(crate) by: String,
    pub(crate) command: Command,
}

#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) opened: u64,
    pub(crate) facts: Vec<Fact>,
}

/// What is there for a requirement.
pub(crate) struct There {
    index: usize,
    pub(crate) version: VersionId,
    pub(crate) digest: ContentDigest,
    pub(crate) by: String,
    pub(crate) origin: Origin,
    pub(crate) received: u64,
    pub(crate) issued: Option<Date>,
    pub(crate) valid_until: Option<Date>,
    employed: Option<bool>,
}

/// A request that is open.
pub(crate) struct Asked {
    pub(crate) requirements: BTreeSet<String>,
    pub(crate) expires: u64,
    pub(crate) uses: usize,
    pub(crate) to: Option<String>,
    pub(crate) had: BTreeSet<String>,
}

impl Model {
    fn before(&self, facts: usize) -> Self {
        Self { opened: self.opened, facts: self.facts[..facts].to_vec() }
    }

    fn of(&self, key: &str) -> impl DoubleEndedIterator<Item = (usize, &Fact)> {
        self.facts.iter().enumerate().filter(move |(_, fact)| about(&fact.command) == Some(key))
    }

    pub(crate) fn there(&self, key: &str) -> Option<There> {
        let (index, fact) = self.of(key).rfind(|(_, fact)| {
            matches!(
                fact.command,
                Command::Submit { .. } | Command::SeeNewerVersion { .. } | Command::AskAgain { .. }
            )
        })?;
        let (by, received) = (fact.by.clone(), fact.at);
        let found = |version, digest| {
            let (origin, issued, valid_until, employed) = (Origin::Vault, None, None, None);
            There { index, version, digest, by, origin, received, issued, valid_until, employed }
        };
        let mut there = match &fact.command {
            Command::SeeNewerVersion { version, digest, .. } => found(*version, *digest),
            Command::Submit { submission: s, .. } => There {
                origin: s.origin.clone(),
                received: s.origin.received_at().map_or(received, |at| at.as_millis().min(received)),
                issued: s.issued,
                valid_until: s.valid_until,
                employed: s.form.get("employed").map(|answer| *answer == Answer::Boolean(true)),
                ..found(s.version, s.digest)
            },
            _ => return None,
        };
        for (_, fact) in self.of(key).filter(|(i, _)| *i > index) {
            if let Command::Approve { issued, valid_until, .. } = &fact.command {
                there.issued = issued.or(there.issued);
                there.valid_until = valid_until.or(there.valid_until);
            }
        }
        Some(there)
    }

    /// What has been decided about what is there.
    fn since(&self, key: &str) -> impl Iterator<Item = &Fact> {
        let there = self.there(key).map_or(usize::MAX, |there| there.index);
        self.of(key).filter(move |(i, _)| *i > there).map(|(_, fact)| fact)
    }

    fn is_rejected(&self, key: &str) -> bool {
        self.since(key).any(|fact| matches!(fact.command, Command::Reject { .. }))
    }

    /// Who has approved what is there.
    pub(crate) fn approvers(&self, key: &str) -> Vec<&str> {
        if self.is_rejected(key) {
            return Vec::new();
        }
        let approvals = self.since(key).filter(|fact| matches!(fact.command, Command::Approve { .. }));
        approvals.map(|fact| fact.by.as_str()).collect()
    }

    fn stage(&self, key: &str) -> Standing {
        if self.there(key).is_none() {
            return Standing::Missing;
        }
        if self.is_rejected(key) {
            return Standing::Rejected;
        }
        let needed = if key == "income" { 2 } else { 1 };
        if self.approvers(key).len() >= needed { Standing::Approved } else { Standing::Submitted }
    }

    pub(crate) fn standing(&self, key: &str, now: u64) -> Standing {
        let stage = self.stage(key);
        let last = self.there(key).and_then(|there| there.valid_until);
        let expired = last.is_some_and(|last| number(last) < day(now));
        if stage == Standing::Approved && expired { Standing::Expired } else { stage }
    }

    pub(crate) fn required(&self, key: &str) -> bool {
        match key {
            "income" => {
                let counts = matches!(self.stage("form"), Standing::Submitted | Standing::Approved);
                // What was stored past intake may have answered anything.
                let asks = |there: There| there.employed == Some(true) || there.origin == Origin::Vault;
                counts && self.there("form").is_some_and(asks)
            }
            other => other != "extra",
        }
    }

    /// Whether a requirement is met; without an instant, however old what is there is.
    pub(crate) fn met(&self, key: &str, now: Option<u64>) -> bool {
        let standing = now.map_or_else(|| self.stage(key), |now| self.standing(key, now));
        standing == Standing::Approved && (key != "id" || self.compared())
    }

    /// Whether the identification that is there was compared with the original.
    pub(crate) fn compared(&self) -> bool {
        let compared = |fact: &Fact| {
            let attestation = &Attestation::ComparedWithOriginal;
            matches!(&fact.command, Command::Attest { attestation: found, .. } if found == attestation)
        };
        !self.is_rejected("id") && self.since("id").any(compared)
    }

    /// The day on which a requirement is due.
    pub(crate) fn due(&self, key: &str, now: u64) -> Option<i64> {
        let mut set = self.of(key).filter_map(|(_, fact)| match &fact.command {
            Command::SetDue { due, .. } => Some(due.map(number)),
            Command::Reject { due: Some(due), .. } | Command::AskAgain { due: Some(due), .. } => {
                Some(Some(number(*due)))
            }
            _ => None,
        });
        let template = (key == "id").then(|| day(self.opened) + 5);
        match self.standing(key, now) {
            _ if !self.required(key) => None,
            Standing::Expired => self.there(key).and_then(|there| there.valid_until).map(number),
            _ => set.next_back().flatten().or(template),
        }
    }

    /// Whether an income was ever handed in.
    pub(crate) fn confidential(&self, key: &str) -> bool {
        key == "income" && self.of(key).any(|(_, fact)| matches!(fact.command, Command::Submit { .. }))
    }

    pub(crate) fn comments(&self, key: &str) -> usize {
        self.of(key).filter(|(_, fact)| matches!(fact.command, Command::Comment { .. })).count()
    }

    pub(crate) fn set_aside(&self, key: &str) -> usize {
        self.of(key).filter(|(_, fact)| matches!(fact.command, Command::SetAside { .. })).count()
    }

    /// Of what is required, the rule included: how much is met, and how much there is.
    pub(crate) fn progress(&self, now: Option<u64>) -> (usize, usize) {
        let required: Vec<_> = REQUIREMENTS.into_iter().filter(|key| self.required(key)).collect();
        let rule = self.met("income", now) || self.met("extra", now);
        (required.iter().filter(|key| self.met(key, now)).count() + usize::from(rule), required.len() + 1)
    }

    fn complete(&self, now: Option<u64>) -> bool {
        let (met, all) = self.progress(now);
        met == all
    }

    /// Since when the case is complete, and how often it was opened again.
    pub(crate) fn completion(&self) -> (Option<u64>, u32) {
        let (mut since, mut reopened) = (None, 0);
        for (i, fact) in self.facts.iter().enumerate() {
            let approved = |facts: usize, key: &str| self.before(facts).stage(key) == Standing::Approved;
            let lost = REQUIREMENTS.into_iter().any(|key| approved(i, key) && !approved(i + 1, key));
            let reopen = matches!(fact.command, Command::Reopen { .. });
            let broken = lost || reopen || !self.before(i + 1).complete(None);
            match fact.command {
                Command::Complete => since = Some(fact.at),
                _ if since.is_some() && broken => (since, reopened) = (None, reopened + 1),
                _ => {}
            }
        }
        (since, reopened)
    }

    pub(crate) fn reopened(&self, key: &str) -> usize {
        let approved = |facts: usize| self.before(facts).stage(key) == Standing::Approved;
        (0..self.facts.len()).filter(|i| approved(*i) && !approved(i + 1)).count()
    }

    pub(crate) fn imports(&self, key: &str) -> usize {
        let external = |fact: &Fact| matches!(&fact.command, Command::Submit { submission, .. } if matches!(submission.origin, Origin::External { .. }));
        self.of(key).filter(|(_, fact)| external(fact)).count()
    }

    /// Whom something can be handed in for.
    pub(crate) fn clients(&self) -> BTreeSet<String> {
        let mut known = BTreeSet::from(["client".to_owned()]);
        for fact in &self.facts {
            match &fact.command {
                Command::SetContact(contact) => drop(known.insert(contact.id.to_string())),
                Command::RemoveContact { contact } => drop(known.remove(contact.as_str())),
                _ => {}
            }
        }
        known
    }

    pub(crate) fn request(&self, id: RequestId) -> Option<Asked> {
        let mut open = None;
        for fact in &self.facts {
            match (&fact.command, origin(&fact.command), &mut open) {
                (Command::IssueRequest { request, requirements, expires, uses, to }, ..)
                    if *request == id =>
                {
                    let requirements = requirements.iter().map(ToString::to_string).collect();
                    let (expires, uses) = (expires.as_millis(), *uses as usize);
                    let to = to.as_ref().map(ToString::to_string);
                    open = Some(Asked { requirements, expires, uses, to, had: BTreeSet::new() });
                }
                (Command::CloseRequest { request }, ..) if *request == id => open = None,
                (_, Some(Origin::Deposit { request, deposit, .. }), Some(open)) if *request == id => {
                    open.had.insert(deposit.to_string());
                }
                _ => {}
            }
        }
        open
    }

    fn deposit_fits(&self, key: &str, origin: &Origin, now: u64) -> bool {
        let Origin::Deposit { request, deposit, received_at } = origin else { return true };
        self.request(*request).is_some_and(|asked| {
            asked.requirements.contains(key)
                && received_at.as_millis().min(now) <= asked.expires
                && !asked.had.contains(&deposit.to_string())
                && asked.had.len() < asked.uses
        })
    }

    fn fresh(&self, key: &str, issued: Option<Date>, received: u64) -> bool {
        let age = |issued| {
            number(issued) <= day(received)
                && (key != "income" || three_months_after(issued) >= day(received))
        };
        issued.is_none_or(age)
    }

    /// Whether what was looked at is there and not rejected.
    fn seen(&self, key: &str, version: VersionId, digest: ContentDigest) -> bool {
        let same = self.there(key).is_some_and(|there| there.version == version && there.digest == digest);
        same && self.stage(key) != Standing::Rejected
    }

    fn takes(&self, key: &str, new: &docvault::intake::Submission, now: u64) -> bool {
        let files = match key {
            "form" => new.files.is_empty(),
            _ => matches!(new.files.len(), 1 | 2),
        };
        let files =
            files && new.files.iter().all(|file| file.media_type == "application/pdf" && file.bytes <= 1000);
        let form = match (key, new.form.get("employed"), new.form.get("age")) {
            ("form", Some(Answer::Boolean(_)), None) => new.form.iter().count() == 1,
            ("form", Some(Answer::Boolean(_)), Some(Answer::Integer(18..=99))) => {
                new.form.iter().count() == 2
            }
            (other, ..) => other != "form" && new.form.is_empty(),
        };
        let origin = match &new.origin {
            Origin::External { received_at, .. } => received_at.as_millis() <= now,
            Origin::OnBehalf { of } => self.clients().contains(of),
            other => *other != Origin::Vault,
        };
        let documents = self.facts.iter().filter_map(|fact| match &fact.command {
            Command::Submit { requirement, submission } => Some((requirement.as_str(), submission.document)),
            _ => None,
        });
        let mut clash = documents.filter(|(other, document)| (*other == key) != (*document == new.document));
        let same = self.there(key).is_some_and(|there| {
            there.version == new.version
                || (there.digest == new.digest
                    && self.stage(key) != Standing::Rejected
                    && there.origin != Origin::Vault)
        });
        let received = new.origin.received_at().map_or(now, |at| at.as_millis().min(now));
        let valid = new.valid_until.is_none_or(|last| number(last) >= day(received));
        files
            && form
            && origin
            && clash.next().is_none()
            && !same
            && valid
            && self.deposit_fits(key, &new.origin, now)
            && self.fresh(key, new.issued, received)
    }

    /// Whether a second approval states the dates of the first, itself.
    fn agrees(&self, key: &str, there: &There, dates: (Option<Date>, Option<Date>)) -> bool {
        self.approvers(key).is_empty() || dates == (there.issued, there.valid_until)
    }

    /// Whether an approval with these dates happens.
    fn approves(
        &self,
        key: &str,
        (version, digest): (VersionId, ContentDigest),
        dates: (Option<Date>, Option<Date>),
        (now, actor): (u64, &Actor),
    ) -> bool {
        let Some(there) = self.there(key) else { return false };
        let (issued, last) = (dates.0.or(there.issued), dates.1.or(there.valid_until));
        let own = there.by == actor.id() && !matches!(there.origin, Origin::Deposit { .. });
        let persons = key != "income" || (!own && !self.approvers(key).contains(&actor.id()));
        let dated = (key != "income" || issued.is_some()) && (key != "id" || last.is_some());
        let handed_in = there.origin != Origin::Vault || matches!(key, "id" | "extra");
        actor.has_role(&"reviewer".parse().unwrap())
            && self.agrees(key, &there, dates)
            && handed_in
            && self.stage(key) == Standing::Submitted
            && self.seen(key, version, digest)
            && persons
            && dated
            && self.fresh(key, issued, there.received)
            && last.is_none_or(|last| number(last) >= day(now))
    }

    /// Whether the command happens.
    pub(crate) fn accepts(&self, command: &Command, now: u64, actor: &Actor) -> bool {
        let role = |role: &str| actor.has_role(&role.parse().unwrap());
        if about(command).is_some_and(|key| !REQUIREMENTS.contains(&key)) {
            return false;
        }
        match command {
            Command::Submit { requirement, submission } => self.takes(requirement.as_str(), submission, now),
            Command::SeeNewerVersion { requirement, version, .. } => {
                let submitted = self
                    .of(requirement.as_str())
                    .any(|(_, fact)| matches!(fact.command, Command::Submit { .. }));
                submitted && self.there(requirement.as_str()).is_none_or(|there| there.version != *version)
            }
            Command::SetAside { requirement, origin, .. } => {
                self.deposit_fits(requirement.as_str(), origin, now)
            }
            Command::Approve { requirement, version, digest, issued, valid_until } => self.approves(
                requirement.as_str(),
                (*version, *digest),
                (*issued, *valid_until),
                (now, actor),
            ),
            Command::Reject { requirement, version, digest, .. } => {
                role("reviewer") && self.seen(requirement.as_str(), *version, *digest)
            }
            Command::AskAgain { requirement, .. } => {
                role("reviewer") && self.stage(requirement.as_str()) != Standing::Missing
            }
            Command::Attest { requirement, version, digest, .. } => {
                let role = role(if requirement.as_str() == "id" { "notary" } else { "reviewer" });
                role && self.seen(requirement.as_str(), *version, *digest)
            }
            Command::IssueRequest { request, requirements, expires, uses, to } => {
                let told = to.as_ref().is_none_or(|to| self.clients().contains(to.as_str()));
                let known = requirements.iter().all(|key| REQUIREMENTS.contains(&key.as_str()));
                known
                    && told
                    && !requirements.is_empty()
                    && *expires > Timestamp::from_millis(now)
                    && *uses > 0
                    && self.request(*request).is_none()
            }
            Command::CloseRequest { request } => self.request(*request).is_some(),
            Command::SetContact(contact) => {
                let others = self.clients().iter().filter(|other| *other != contact.id.as_str()).count();
                // The client is among them.
                !contact.name.is_empty() && others <= 8
            }
            Command::RemoveContact { contact } => {
                contact.as_str() != "client" && self.clients().contains(contact.as_str())
            }
            Command::Complete => self.completion().0.is_none() && self.complete(Some(now)),
            Command::Reopen { .. } => self.completion().0.is_some(),
            _ => true,
        }
    }
}
