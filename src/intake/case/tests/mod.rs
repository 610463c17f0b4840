//! What is shown, refused and stored; the rules themselves are held against a model in `tests/intake_model.rs`.

mod bounds;
mod refused;
mod shown;
mod stored;

use super::*;
use crate::{
    CaseId, ContentDigest, DepositId, DocumentId, RequestId, Timestamp, VersionId,
    intake::{Attestation, Date, Key, Language, Template},
};

const TEMPLATE: &str = r#"
    format = 1
    name = "test"
    version = 1
    language = "es"
    utc_offset = "-06:00"
    title = { es = "Prueba <1>", en = "Test & more" }
    remind_days = [3, 1]

    [[requirements]]
    key = "form"
    title = { es = "Solicitud", en = "Form" }
    fields = [
        { key = "name", type = "text", min = 2, max = 5, title = { es = "Nombre" } },
        { key = "sum", type = "amount", min = 10, max = 20, required = false, title = { es = "Monto" } },
        { key = "since", type = "date", required = false, title = { es = "Desde" } },
        { key = "mail", type = "email", required = false, title = { es = "Correo" } },
        { key = "phone", type = "phone", required = false, title = { es = "Teléfono" } },
        { key = "shape", type = "text", mask = "A9", required = false, title = { es = "Clave" } },
        { key = "married", type = "boolean", required = false, title = { es = "¿Casado?" } },
        { key = "pet", type = "choice", required = false, title = { es = "Mascota" }, choices = [
            { key = "cat", title = { es = "Gato" } },
        ] },
    ]

    [[requirements]]
    key = "id"
    title = { es = "Identificación", en = "Identification" }
    files = { media_types = ["application/pdf"], max_bytes = 100 }
    expires = true
    due_days = 10
    grace_days = 2
    confidential = true

    [[requirements]]
    key = "spouse"
    title = { es = "Acta", en = "Certificate" }
    files = { media_types = ["application/pdf"], max_bytes = 100 }
    required_if = { requirement = "form", field = "married", is = true }
"#;

fn key(text: &str) -> Key {
    text.parse().expect("a key")
}

fn date(text: &str) -> Date {
    text.parse().expect("a date")
}

/// Midnight in the template's offset, and so many hours.
fn at(day: &str, hours: u64) -> Timestamp {
    let offset = "-06:00".parse().expect("an offset");
    Timestamp::from_millis(date(day).start(offset).as_millis() + hours * 3_600_000)
}

struct Case {
    template: Template,
    state: CaseState,
    versions: u8,
}

impl Case {
    /// Opened on 2026-03-01.
    fn new() -> Self {
        Self::of(TEMPLATE)
    }

    fn of(template: &str) -> Self {
        let template = Template::from_toml(template).expect("a template");
        let opening =
            Opening::new("client-7").contact(Contact::new(key("wife"), "Rosa Pérez", "rosa@example.com"));
        let event = CaseState::open(&template, opening, at("2026-03-01", 9), &actor()).expect("opened");
        let state = CaseState::begin(&event).expect("an opening");
        Self { template, state, versions: 0 }
    }

    fn decide(&self, now: Timestamp, command: Command) -> Result<Event, Refusal> {
        self.state.decide(&self.template, command, now, &actor())
    }

    fn run(&mut self, now: Timestamp, command: Command) -> Event {
        let event = self.decide(now, command).expect("decided");
        self.state.apply(&self.template, &event);
        event
    }

    fn submission(&mut self, requirement: &str) -> Submission {
        self.versions += 1;
        let own = requirement.bytes().map(u32::from).sum::<u32>() % 200;
        let document = DocumentId::new(CaseId::from_bytes([1; 16]), [u8::try_from(own).expect("small"); 16]);
        let digest = ContentDigest::of(&[self.versions]);
        let new =
            Submission::new(document, VersionId::from_bytes([self.versions; 16]), digest, Origin::Direct);
        if requirement == "form" {
            new.form(Form::new().with(key("name"), "Juan"))
        } else {
            new.file("application/pdf", 100, digest)
        }
    }

    fn submit(&mut self, now: Timestamp, requirement: &str) {
        let submission = self.submission(requirement);
        self.run(now, Command::Submit { requirement: key(requirement), submission });
    }

    fn approve(&mut self, now: Timestamp, requirement: &str, valid_until: Option<&str>) {
        let current =
            self.state.requirement(requirement).and_then(|state| state.current.clone()).expect("there");
        let (version, digest, valid_until) = (current.version, current.digest, valid_until.map(date));
        let requirement = key(requirement);
        self.run(now, Command::Approve { requirement, version, digest, issued: None, valid_until });
    }

    fn reject(&mut self, now: Timestamp, requirement: &str, reason: &str) {
        let current =
            self.state.requirement(requirement).and_then(|state| state.current.clone()).expect("there");
        let (version, digest, reason) = (current.version, current.digest, reason.to_owned());
        self.run(now, Command::Reject { requirement: key(requirement), version, digest, reason, due: None });
    }

    fn standing(&self, now: Timestamp, requirement: &str) -> RequirementStatus {
        let status = self.state.status(&self.template, now).expect("its template");
        status.requirements.into_iter().find(|one| one.requirement == *requirement).expect("there")
    }
}

fn actor() -> Actor {
    Actor::new("ana@desk").with_role(key("reviewer"))
}
