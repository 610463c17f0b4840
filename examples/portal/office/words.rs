//! What states and events are called, and how times are written.

use axum::http::StatusCode;
use docvault::{
    Timestamp,
    intake::{Attestation, Change, Date, Standing, UtcOffset},
};
use maud::{Markup, html};

use crate::language::Lang;

/// How a requirement stands, as a chip: a word, and a colour that only repeats it.
pub(super) fn chip(standing: Standing, lang: Lang) -> Markup {
    let (class, word) = match standing {
        Standing::Approved => ("approved", lang.say("Aprobado", "Approved")),
        Standing::Expired => ("rejected", lang.say("Vencido", "Expired")),
        Standing::Rejected => ("rejected", lang.say("Rechazado", "Rejected")),
        Standing::Submitted => ("submitted", lang.say("Por revisar", "To review")),
        _ => ("missing", lang.say("Pendiente", "Missing")),
    };
    html! { span class={ "chip " (class) } { (word) } }
}

pub(super) fn attestation(attestation: &Attestation, lang: Lang) -> String {
    let word = match attestation {
        Attestation::ComparedWithOriginal => {
            lang.say("Cotejado con el original", "Compared with the original")
        }
        Attestation::IdentityInterview => {
            lang.say("Identidad confirmada en entrevista", "Identity confirmed in an interview")
        }
        Attestation::TranslationChecked => lang.say("Traducción revisada", "Translation checked"),
        other => return other.to_string(),
    };
    word.to_owned()
}

pub(super) fn change(change: &Change, lang: Lang) -> &'static str {
    let (spanish, english) = match change {
        Change::Approved { .. } => ("Aprobado", "Approved"),
        Change::AskedAgain { .. } => ("Pedido de nuevo", "Asked for again"),
        Change::Attested { .. } => ("Constancia asentada", "Attested"),
        Change::Commented { origin: Some(_), .. } => ("Nota del cliente", "Client's remark"),
        Change::Commented { .. } => ("Comentario", "Comment"),
        Change::Completed(_) => ("Expediente completo", "Case complete"),
        Change::NewerVersionSeen { .. } => ("Cambió fuera del portal", "Changed outside the portal"),
        Change::Opened { .. } => ("Expediente abierto", "Case opened"),
        Change::Rejected { .. } => ("Rechazado", "Rejected"),
        Change::Reopened { .. } => ("Reabierto", "Reopened"),
        Change::RequestClosed { .. } => ("Enlace cerrado", "Link closed"),
        Change::RequestIssued { .. } => ("Enlace emitido", "Link issued"),
        Change::SetAside { .. } => ("No admitido", "Not taken in"),
        Change::Submitted { .. } => ("Recibido", "Received"),
        _ => ("Cambio", "Change"),
    };
    if lang.language() == docvault::intake::Language::ES { spanish } else { english }
}

/// A reason that a client's page knows how to say.
pub(super) struct Reason {
    /// As the receipt has it (FORMAT §11.4).
    pub(super) code: &'static str,
    spanish: &'static str,
    english: &'static str,
}

impl Reason {
    pub(super) fn text(&self, lang: Lang) -> &'static str {
        lang.say(self.spanish, self.english)
    }

    pub(super) fn find(code: &str) -> Option<&'static Self> {
        REASONS.iter().find(|reason| reason.code == code)
    }
}

pub(super) const REASONS: &[Reason] = &[
    Reason { code: "review.illegible", spanish: "No se lee bien", english: "It is not legible" },
    Reason { code: "review.incomplete", spanish: "Está incompleto", english: "It is incomplete" },
    Reason { code: "review.other-document", spanish: "Es otro documento", english: "It is another document" },
    Reason { code: "review.out-of-date", spanish: "No está vigente", english: "It is out of date" },
    Reason {
        code: "review.differs",
        spanish: "No coincide con sus datos",
        english: "It does not match your data",
    },
];

/// Day and minute, where the template's days begin and end.
pub(super) fn moment(time: Timestamp, offset: UtcOffset) -> String {
    let day = Date::at(time, offset);
    let minutes = time.saturating_since(day.start(offset)).as_secs() / 60;
    format!("{day} {:02}:{:02}", minutes / 60, minutes % 60)
}

/// Bytes, for people.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
    }
}

/// After a form: the page is got anew, so that a reload sends nothing twice.
pub(super) fn see(path: &str) -> (StatusCode, [(axum::http::HeaderName, String); 1]) {
    (StatusCode::SEE_OTHER, [(axum::http::header::LOCATION, path.to_owned())])
}

/// What a client called a file, without what would turn other text around or end its line.
pub(super) fn name(called: &str) -> String {
    let turns = |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    called.chars().filter(|c| !c.is_control() && !turns(*c)).collect()
}
