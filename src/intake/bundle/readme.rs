//! What a person reads first.

use super::manifest::BundleManifest;
use crate::intake::{Language, Standing, Template};

/// The same text for the same manifest and template, so that nobody can put in another.
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

const COMO: &str = "\
Cómo verificarlo, sin llaves y sin red
--------------------------------------
1. Que ningún archivo cambió:      sha256sum -c SHA256SUMS
   En manifest.json está también el BLAKE3 de cada archivo (b3sum).
2. Que la bitácora da fe de él:    verify_bundle <este paquete> <política>
   verify_bundle es un programa de ejemplo de docvault. Revisa que no sobre ni falte nada,
   que cada comprobante de receipts/ esté firmado y esté en la bitácora, y que lo aprobado
   sea exactamente lo que está aquí. Un comprobante solo: verify_receipt <política> <comprobante>.
3. La política dice en qué llaves y testigos confía usted. policy.txt es copia de la del
   emisor y no prueba nada por sí misma: pida la suya por otro medio, o compárela.

documents/      los documentos, en el orden de los requisitos; form.json son respuestas de formulario
receipts/       comprobantes (c2sp.org/tlog-proof): de cada versión, de cada aprobación, del cierre
manifest.json   qué hay, de quién vino, quién lo aprobó
template.json   qué se pidió
log.txt         los registros del expediente, para leer; log.jsonl, para programas
";

const HOW: &str = "\
How to verify it, with no key and no network
--------------------------------------------
1. That no file has changed:       sha256sum -c SHA256SUMS
   manifest.json has the BLAKE3 of every file, too (b3sum).
2. That the log vouches for it:    verify_bundle <this bundle> <policy>
   verify_bundle is an example program of docvault. It checks that there is nothing more and
   nothing less, that every receipt in receipts/ is signed and in the log, and that what was
   approved is exactly what is here. One receipt alone: verify_receipt <policy> <receipt>.
3. The policy says which keys and witnesses you trust. policy.txt is a copy of the issuer's
   and proves nothing by itself: get yours by another way, or compare.

documents/      the documents, in the order of the requirements; form.json has the answers of a form
receipts/       receipts (c2sp.org/tlog-proof): for each version, each approval, the completion
manifest.json   what there is, from whom it came, who approved it
template.json   what was asked for
log.txt         the case's records, to read; log.jsonl, for programs
";
