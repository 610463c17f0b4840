//! Random commands about a case, most of them plausible.

use docvault::{
    CaseId, ContentDigest, DepositId, DocumentId, RequestId, Timestamp, VersionId,
    intake::{
        Actor, Attestation, Audience, CaseState, Command, Contact, CurrentSubmission, Date, Form, Key,
        Origin, Stage, Submission, UtcOffset, Verdict,
    },
};
use proptest::prelude::*;

/// One step: some time passes, and somebody wants something.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) hours: u64,
    pub(crate) actor: usize,
    pub(crate) action: u8,
    pub(crate) requirement: usize,
    /// Choices among variants, one a question.
    pub(crate) dice: [u8; 8],
}

pub(crate) fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let hours = prop_oneof![6 => 0..30u64, 1 => 24..2000u64];
    let requirement = prop_oneof![20 => 0..4usize, 1 => Just(4)];
    let actor = prop_oneof![3 => Just(0), 4 => Just(1), 1 => Just(2), 1 => Just(3)];
    let step = (hours, actor, 0..70u8, requirement, any::<[u8; 8]>());
    let step = step.prop_map(|(hours, actor, action, requirement, dice)| Step {
        hours,
        actor,
        action,
        requirement,
        dice,
    });
    proptest::collection::vec(step, 1..most)
}

pub(crate) fn actors() -> [Actor; 4] {
    let actor = |id: &str, roles: &[&str]| {
        roles.iter().fold(Actor::new(id), |actor, role| actor.with_role(role.parse().unwrap()))
    };
    [
        actor("ana", &["reviewer"]),
        actor("beto", &["reviewer", "notary"]),
        actor("eva", &[]),
        actor("noe", &["notary"]),
    ]
}

pub(crate) fn key(text: &str) -> Key {
    text.parse().unwrap()
}

/// The requirement that a command is about.
pub(crate) fn about(command: &Command) -> Option<&str> {
    match command {
        Command::Submit { requirement, .. }
        | Command::SeeNewerVersion { requirement, .. }
        | Command::AskAgain { requirement, .. }
        | Command::Approve { requirement, .. }
        | Command::Reject { requirement, .. }
        | Command::Attest { requirement, .. }
        | Command::SetAside { requirement, .. }
        | Command::SetDue { requirement, .. }
        | Command::Remark { requirement, .. }
        | Command::Comment { requirement: Some(requirement), .. } => Some(requirement.as_str()),
        _ => None,
    }
}

/// How what it hands in came.
pub(crate) fn origin(command: &Command) -> Option<&Origin> {
    match command {
        Command::Submit { submission, .. } => Some(&submission.origin),
        Command::Remark { origin, .. } | Command::SetAside { origin, .. } => Some(origin),
        _ => None,
    }
}

/// An approval, with the dates that the first one has said.
fn second(next: Command, current: Option<&CurrentSubmission>) -> Command {
    match (next, current) {
        (Command::Approve { requirement, version, digest, .. }, Some(current)) => {
            let (issued, valid_until) = (current.issued, current.valid_until);
            Command::Approve { requirement, version, digest, issued, valid_until }
        }
        (next, _) => next,
    }
}

impl Step {
    /// Anything; or, more often than not, what brings the case forward.
    pub(crate) fn command(&self, state: &CaseState, now: u64, serial: u8) -> Command {
        if self.action >= 28 { self.sensible(state, now, serial) } else { self.any(state, now, serial) }
    }

    fn sensible(&self, state: &CaseState, now: u64, serial: u8) -> Command {
        let calm = [
            self.dice[0] % 200,
            0,
            self.dice[2],
            0,
            self.dice[4] % 200,
            self.dice[5] % 150,
            121 + self.dice[6] % 60,
            101 + self.dice[7] % 150,
        ];
        for (requirement, name) in ["form", "id", "income"].into_iter().enumerate() {
            let found = state.requirement(name);
            let past_intake = found.and_then(|found| found.current.as_ref()).map(|there| &there.origin)
                == Some(&Origin::Vault);
            let action = match found.map(|found| (found.stage, found.attestations.is_empty())) {
                None | Some((Stage::Missing | Stage::Rejected, _)) => 0,
                Some((Stage::Submitted, _)) if past_intake && name != "id" => 0,
                Some((Stage::Submitted, _)) => 7,
                Some((Stage::Approved, true)) if name == "id" => 16,
                _ => continue,
            };
            let next = Self { action, requirement, dice: calm, ..self.clone() }.any(state, now, serial);
            return match found.filter(|found| !found.approvals.is_empty()) {
                Some(found) => second(next, found.current.as_ref()),
                None => next,
            };
        }
        Command::Complete
    }

    fn any(&self, state: &CaseState, now: u64, serial: u8) -> Command {
        let requirement = key(["form", "id", "income", "extra", "unknown"][self.requirement]);
        let (version, digest) = self.seen(state, &requirement);
        let reason = "because".to_owned();
        match self.action {
            0..7 => {
                Command::Submit { submission: self.submission(state, &requirement, now, serial), requirement }
            }
            7..13 => {
                let (issued, valid_until) = (self.issued(now), self.valid_until(now));
                Command::Approve { requirement, version, digest, issued, valid_until }
            }
            13 | 14 => Command::Reject { requirement, version, digest, reason, due: self.valid_until(now) },
            15 => Command::AskAgain { requirement, reason, due: self.valid_until(now) },
            16..19 => Command::Attest { requirement, version, digest, attestation: self.attestation() },
            19 => Command::SeeNewerVersion {
                requirement,
                version: if self.dice[0] < 60 { version } else { VersionId::from_bytes([serial; 16]) },
                digest: ContentDigest::of(&[self.dice[1] % 4]),
            },
            20 => self.set_aside(requirement, now),
            21 => self.issue_request(requirement, now),
            22 => Command::CloseRequest { request: self.request() },
            23 => Command::Comment {
                requirement: (self.dice[1] >= 128).then_some(requirement),
                text: reason,
                audience: if self.dice[2] < 128 { Audience::Office } else { Audience::Everyone },
            },
            24 if self.dice[0] < 128 => {
                let name = if self.dice[2] < 240 { "Eva" } else { "" };
                Command::SetContact(Contact::new(Self::contact(self.dice[1]), name, "eva@example.com"))
            }
            24 => Command::RemoveContact { contact: Self::contact(self.dice[1]) },
            25 | 26 => Command::Complete,
            _ if self.dice[0] < 100 => Command::Reopen { reason },
            _ => Command::SetDue { requirement, due: self.valid_until(now) },
        }
    }

    fn set_aside(&self, requirement: Key, now: u64) -> Command {
        Command::SetAside {
            requirement,
            verdict: if self.dice[1] < 128 { Verdict::Quarantined } else { Verdict::Refused },
            reason: "because".to_owned(),
            digest: (self.dice[2] >= 128).then(|| ContentDigest::of(&[self.dice[2] % 4])),
            bytes: 1,
            origin: self.origin(now),
        }
    }

    fn issue_request(&self, requirement: Key, now: u64) -> Command {
        let both = || vec![key("id"), key("income")];
        let expires = (now + u64::from(self.dice[2]) * 3_600_000).saturating_sub(36_000_000);
        Command::IssueRequest {
            request: self.request(),
            requirements: if self.dice[1] < 200 { both() } else { vec![requirement] },
            expires: Timestamp::from_millis(expires),
            uses: u32::from(self.dice[3] % 4),
            to: (self.dice[4] >= 128).then(|| Self::contact(self.dice[4])),
        }
    }

    /// Mostly the same one; there are more of them than a case can have.
    fn contact(die: u8) -> Key {
        if die % 16 < 10 { key("wife") } else { key(&format!("contact-{}", die / 16)) }
    }

    /// What is there, or sometimes something else.
    fn seen(&self, state: &CaseState, requirement: &Key) -> (VersionId, ContentDigest) {
        let current = state.requirement(requirement.as_str()).and_then(|found| found.current.as_ref());
        match current {
            Some(current) if self.dice[0] < 230 => (current.version, current.digest),
            Some(current) if self.dice[0] < 240 => (current.version, ContentDigest::of(b"other")),
            _ => (VersionId::from_bytes([250; 16]), ContentDigest::of(&[self.dice[1] % 4])),
        }
    }

    fn submission(&self, state: &CaseState, requirement: &Key, now: u64, serial: u8) -> Submission {
        let own = if self.dice[0] < 245 { self.requirement } else { usize::from(self.dice[0] % 4) };
        let document = DocumentId::new(CaseId::from_bytes([1; 16]), [u8::try_from(own).unwrap(); 16]);
        let version = if self.dice[1] < 245 {
            VersionId::from_bytes([serial; 16])
        } else {
            self.seen(state, requirement).0
        };
        let digest = ContentDigest::of(&[self.dice[2] % 4]);
        let mut new = Submission::new(document, version, digest, self.origin(now));
        (new.issued, new.valid_until) = (self.issued(now), self.valid_until(now));
        let files = if requirement.as_str() == "form" { 0 } else { usize::from(self.dice[3] % 2) + 1 };
        let files = if self.dice[3] < 245 { files } else { 3 };
        for _ in 0..files {
            let media_type = if self.dice[4] < 240 { "application/pdf" } else { "image/png" };
            new = new.file(media_type, if self.dice[4] < 230 { 1000 } else { 1001 }, digest);
        }
        if requirement.as_str() == "form" { new.form(self.form()) } else { new }
    }

    fn form(&self) -> Form {
        let employed = key("employed");
        match self.dice[4] {
            0..100 => Form::new().with(employed, true),
            100..180 => Form::new().with(employed, false),
            180..210 => Form::new().with(employed, true).with(key("age"), 18),
            210..220 => Form::new().with(employed, true).with(key("age"), 17),
            220..230 => Form::new().with(employed, "yes"),
            230..240 => Form::new().with(key("age"), 30),
            _ => Form::new().with(employed, true).with(key("weight"), 80),
        }
    }

    fn origin(&self, now: u64) -> Origin {
        let received_at =
            Timestamp::from_millis((now + 3_600_000).saturating_sub(u64::from(self.dice[6]) * 360_000));
        match self.dice[5] {
            0..120 => Origin::Direct,
            120..150 => Origin::OnBehalf { of: "client".into() },
            150..170 => Origin::OnBehalf { of: Self::contact(self.dice[7]).to_string() },
            170..200 => Origin::External { channel: key("whatsapp"), received_at, by: "eva".into() },
            200..250 => {
                let deposit = DepositId::from_bytes([self.dice[7] % 8; 16]);
                Origin::Deposit { request: self.request(), deposit, received_at }
            }
            _ => Origin::Vault,
        }
    }

    fn request(&self) -> RequestId {
        RequestId::from_bytes([self.dice[7] % 2; 16])
    }

    fn issued(&self, now: u64) -> Option<Date> {
        match self.dice[6] {
            0..120 => None,
            other => Some(Self::today(now).plus_days(1).minus_days(u32::from(other - 120))),
        }
    }

    fn valid_until(&self, now: u64) -> Option<Date> {
        match self.dice[7] {
            0..100 => None,
            other => Some(Self::today(now).minus_days(1).plus_days(u32::from(other - 100))),
        }
    }

    fn today(now: u64) -> Date {
        Date::at(Timestamp::from_millis(now), "-06:00".parse::<UtcOffset>().unwrap())
    }

    fn attestation(&self) -> Attestation {
        if self.dice[1] < 200 { Attestation::ComparedWithOriginal } else { Attestation::IdentityInterview }
    }
}
