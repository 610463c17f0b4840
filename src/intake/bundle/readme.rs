//! What a person reads first.

use super::manifest::BundleManifest;
use crate::intake::{Language, Standing, Template};

/// The same text for the same manifest and template, so that nobody can put in another (FORMAT §13.2).
pub(super) fn readme(manifest: &BundleManifest, template: &Template) -> String {
    let in_language = |language| section(manifest, template, language);
    format!("{}\n\n{}", in_language(Language::ES), in_language(Language::EN))
}

fn section(manifest: &BundleManifest, template: &Template, language: Language) -> String {
    let spanish = language == Language::ES;
    let say = |es: &'static str, en: &'static str| if spanish { es } else { en };
    let title = template.title().get(language, template.language());
    let complete = match &manifest.completion {
        Some(completion) => {
            format!("{} {}", say("completo desde", "complete at"), completion.completion.at)
        }
        None => say("no está completo", "not complete").to_owned(),
    };
    let mut text = format!(
        "{title}\n{}\n\n{}: {}\n{}: {complete}\n{}: {}\n\n",
        "=".repeat(title.chars().count()),
        say("Expediente", "Case"),
        manifest.case,
        say("Estado", "State"),
        say("Elaborado", "Made"),
        manifest.at
    );
    for (number, requirement) in (1..).zip(&manifest.requirements) {
        let title = requirement.title.get(language, template.language());
        let files = requirement.document.as_ref().map_or(0, |document| document.files.len());
        let standing = standing(requirement.standing, spanish);
        text.push_str(&format!(
            "{number:>4}. {title}: {standing}, {files} {}\n",
            say("archivo(s)", "file(s)")
        ));
    }
    text.push('\n');
    text.push_str(if spanish { COMO } else { HOW });
    text
}

const fn standing(standing: Standing, spanish: bool) -> &'static str {
    match (standing, spanish) {
        (Standing::Approved, true) => "aprobado",
        (Standing::Expired, true) => "vencido",
        (Standing::Missing, true) => "no está",
        (Standing::Rejected, true) => "rechazado",
        (Standing::Submitted, true) => "en revisión",
        (Standing::Approved, false) => "approved",
        (Standing::Expired, false) => "expired",
        (Standing::Missing, false) => "not there",
        (Standing::Rejected, false) => "rejected",
        (Standing::Submitted, false) => "under review",
    }
}

const COMO: &str = include_str!("readme.es.txt");
const HOW: &str = include_str!("readme.en.txt");
