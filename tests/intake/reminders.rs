//! Reminders, as an application that looks once a day sends them.

use docvault::{CaseId, ContentDigest, DocumentId, Timestamp, VersionId, intake::*};

use crate::{key, template};

const REQUIREMENTS: &str = r#"
    remind_days = [1]
    expiry_notice_days = 30

    [[requirements]]
    key = "form"
    title = { en = "Form" }
    fields = [{ key = "married", type = "boolean", title = { en = "Married" } }]

    [[requirements]]
    key = "id"
    title = { en = "Identification" }
    files = { media_types = ["application/pdf"], max_bytes = 100 }
    expires = true
    due_days = 3

    [[requirements]]
    key = "spouse"
    title = { en = "Spouse" }
    files = { media_types = ["application/pdf"], max_bytes = 100 }
    required_if = { requirement = "form", field = "married", is = true }
    due_days = 3
"#;

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

/// An hour of a day of January 2026, counted on into the months behind it.
fn at(day_of_january: u64, hour: u64) -> Timestamp {
    let first = day("2026-01-01").start("+00:00".parse().unwrap()).as_millis();
    Timestamp::from_millis(first + ((day_of_january - 1) * 24 + hour) * 3_600_000)
}

struct Case {
    template: Template,
    state: CaseState,
    versions: u8,
    runs: u64,
}

impl Case {
    /// Opened on the 1st.
    fn open() -> Self {
        let template = template(REQUIREMENTS);
        let opened = CaseState::open(&template, Opening::new("client:1"), at(1, 9), &actor()).unwrap();
        let state = CaseState::begin(&opened).unwrap();
        Self { template, state, versions: 0, runs: 0 }
    }

    fn act(&mut self, now: Timestamp, command: Command) {
        let event = self.state.decide(&self.template, command, now, &actor()).unwrap();
        self.state.apply(&self.template, &event);
    }

    fn submit(&mut self, now: Timestamp, requirement: &str) {
        self.versions += 1;
        let of_requirement = requirement.len() as u8;
        let document = DocumentId::new(CaseId::from_bytes([1; 16]), [of_requirement; 16]);
        let (version, digest) =
            (VersionId::from_bytes([self.versions; 16]), ContentDigest::of(&[self.versions]));
        let new = Submission::new(document, version, digest, Origin::Direct);
        let submission = if requirement == "form" {
            new.form(Form::new().with(key("married"), true))
        } else {
            new.file("application/pdf", 100, digest)
        };
        self.act(now, Command::Submit { requirement: key(requirement), submission });
    }

    fn current(&self, requirement: &str) -> CurrentSubmission {
        self.state.requirement(requirement).unwrap().current.clone().unwrap()
    }

    fn reject(&mut self, now: Timestamp, requirement: &str) {
        let CurrentSubmission { version, digest, .. } = self.current(requirement);
        let (requirement, reason) = (key(requirement), "blurred".to_owned());
        self.act(now, Command::Reject { requirement, version, digest, reason, due: None });
    }

    fn approve(&mut self, now: Timestamp, requirement: &str, valid_until: Option<Date>) {
        let CurrentSubmission { version, digest, .. } = self.current(requirement);
        let requirement = key(requirement);
        self.act(now, Command::Approve { requirement, version, digest, issued: None, valid_until });
    }

    /// What is sent by runs at noon of every day up to this one, with the day.
    fn sent_until(&mut self, last: u64) -> Vec<(u64, String, ReminderKind)> {
        let mut sent = Vec::new();
        while self.runs < last {
            let before = if self.runs == 0 { Timestamp::from_millis(0) } else { at(self.runs, 12) };
            self.runs += 1;
            let due = self.state.due_reminders(&self.template, at(self.runs, 12)).unwrap();
            let new = due.into_iter().filter(|one| one.since > before);
            sent.extend(new.map(|one| (self.runs, one.requirement.to_string(), one.kind)));
        }
        sent
    }
}

fn actor() -> Actor {
    Actor::new("user:1").with_role(key("reviewer"))
}

fn sent(day: u64, requirement: &str, kind: ReminderKind) -> (u64, String, ReminderKind) {
    (day, requirement.to_owned(), kind)
}

#[test]
fn what_is_rejected_after_its_day_is_overdue_once() {
    let mut case = Case::open();
    case.submit(at(1, 10), "id");
    assert_eq!(case.sent_until(9), []);
    case.reject(at(10, 9), "id");
    assert_eq!(case.sent_until(20), [sent(10, "id", ReminderKind::Overdue(day("2026-01-04")))]);
    // Asked for again, it is to be said again.
    case.submit(at(20, 14), "id");
    case.reject(at(20, 15), "id");
    assert_eq!(case.sent_until(30), [sent(21, "id", ReminderKind::Overdue(day("2026-01-04")))]);
}

#[test]
fn what_is_approved_with_little_time_left_expires_once() {
    let mut case = Case::open();
    case.submit(at(1, 10), "id");
    assert_eq!(case.sent_until(2), []);
    let last = day("2026-01-10");
    case.approve(at(3, 9), "id", Some(last));
    let expected = [sent(3, "id", ReminderKind::Expiring(last)), sent(11, "id", ReminderKind::Expired(last))];
    assert_eq!(case.sent_until(20), expected);
}

#[test]
fn what_becomes_required_after_its_day_is_overdue_once() {
    let mut case = Case::open();
    case.submit(at(1, 10), "id");
    assert_eq!(case.sent_until(9), []);
    case.submit(at(10, 9), "form");
    assert_eq!(case.sent_until(12), [sent(10, "spouse", ReminderKind::Overdue(day("2026-01-04")))]);
    case.approve(at(12, 14), "form", None);
    assert_eq!(case.sent_until(20), []);
}

#[test]
fn a_day_set_in_the_past_is_overdue_once() {
    let mut case = Case::open();
    assert_eq!(case.sent_until(4).len(), 1);
    for (set, expected) in [("2026-01-20", 0), ("2026-01-02", 1), ("2026-01-02", 0)] {
        let hour = 13 + u64::try_from(expected).unwrap();
        let due = Some(day(set));
        case.act(at(case.runs, hour), Command::SetDue { requirement: key("id"), due });
        assert_eq!(case.sent_until(case.runs + 2).len(), expected, "{set}");
    }
}
