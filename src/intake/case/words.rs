//! The digest's own words, in the languages built in.

use crate::intake::Language;

/// The words of one language.
pub(super) struct Words {
    pub(super) code: &'static str,
    pub(super) complete: &'static str,
    pub(super) approved: &'static str,
    pub(super) in_review: &'static str,
    pub(super) missing: &'static str,
    pub(super) rejected: &'static str,
    pub(super) expiring: &'static str,
    pub(super) due: &'static str,
    pub(super) valid_until: &'static str,
    pub(super) optional: &'static str,
}

const ENGLISH: Words = Words {
    code: "en",
    complete: "complete",
    approved: "Approved",
    in_review: "Under review",
    missing: "Still needed",
    rejected: "To be corrected",
    expiring: "Expired or about to expire",
    due: "due on",
    valid_until: "valid until",
    optional: "optional",
};

const SPANISH: Words = Words {
    code: "es",
    complete: "completo",
    approved: "Aprobados",
    in_review: "En revisión",
    missing: "Pendientes",
    rejected: "Por corregir",
    expiring: "Vencidos o por vencer",
    due: "se entrega a más tardar el",
    valid_until: "vigente hasta el",
    optional: "opcional",
};

/// English, unless the language is Spanish.
pub(super) fn words(language: Language) -> &'static Words {
    if language == Language::ES { &SPANISH } else { &ENGLISH }
}
