//! All cases, and opening one.

use std::collections::BTreeMap;

use axum::{
    Form,
    extract::State,
    response::{Html, IntoResponse, Response},
};
use docvault::{
    CaseId, Entropy, SystemEntropy,
    intake::{CaseFile, Language, Opening},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{Shared, failure::Failure, people::Visitor, words};
use crate::http::Page;

/// All cases with their progress, and the form for another.
pub(super) async fn show(State(office): State<Shared>, visitor: Visitor) -> Result<Html<String>, Failure> {
    let lang = visitor.lang;
    let (mut files, mut start) = (Vec::new(), None);
    loop {
        let page = visitor.desk.cases(start).await?;
        files.extend(page.files);
        start = page.next;
        if start.is_none() {
            break;
        }
    }
    files.sort_by_key(|file| std::cmp::Reverse(file.state().updated()));
    let titles = titles(&visitor).await?;
    let content = html! {
        h1 { (lang.say("Expedientes", "Case files")) }
        @if files.is_empty() {
            p.lead { (lang.say("Todavía no hay ninguno. Abra el primero.", "There is none yet. Open the first.")) }
        }
        ul.cases {
            @for file in &files { (row(&visitor, file, titles.get(&file.case()), &office)) }
        }
        (form(&visitor, &office))
        (sees(&visitor, &office.vault.sender().fingerprint().to_string()))
    };
    let title = lang.say("Expedientes", "Case files");
    Ok(framed(&visitor, title, "/", &content))
}

fn row(visitor: &Visitor, file: &CaseFile, title: Option<&String>, office: &Shared) -> Markup {
    let lang = visitor.lang;
    let Ok(status) = file.status(office.vault.now()) else { return html! {} };
    html! {
        li.card {
            a.title href=(visitor.link(&format!("/cases/{}", file.case()))) { (title.map_or("", String::as_str)) }
            p.hint { (lang.text(file.template().title())) }
            (progress(status.percent, lang.say("Avance", "Progress")))
            p.facts {
                @if status.completed.is_some() { span.chip.approved { (lang.say("Completo", "Complete")) } }
                @if status.totals.submitted > 0 {
                    span.chip.submitted { (status.totals.submitted) " " (lang.say("por revisar", "to review")) }
                }
                @if status.totals.overdue > 0 {
                    span.chip.rejected { (status.totals.overdue) " " (lang.say("atrasados", "overdue")) }
                }
            }
        }
    }
}

/// How much of what is required is met.
pub(super) fn progress(percent: u8, label: &str) -> Markup {
    html! {
        div.progress {
            progress max="100" value=(percent) aria-label=(label) {}
            span { (percent) " %" }
        }
    }
}

fn form(visitor: &Visitor, office: &Shared) -> Markup {
    let lang = visitor.lang;
    html! {
        form.card method="post" action=(visitor.link("/cases")) {
            h2 { (lang.say("Abrir un expediente", "Open a case file")) }
            label for="client" { (lang.say("Nombre del cliente", "Client's name")) }
            input #client name="client" required maxlength="200" autocomplete="off";
            label for="template" { (lang.say("Para qué", "What for")) }
            select #template name="template" {
                @for template in &office.templates {
                    option value=(template.name()) { (lang.text(template.title())) }
                }
            }
            label for="language" { (lang.say("Idioma del cliente", "Client's language")) }
            select #language name="language" {
                option value="es" { "Español" }
                option value="en" { "English" }
            }
            button.primary { (lang.say("Abrir expediente", "Open case file")) }
        }
    }
}

fn sees(visitor: &Visitor, fingerprint: &str) -> Markup {
    let lang = visitor.lang;
    html! {
        section.sees aria-labelledby="sees" {
            h2 #sees { (lang.say("Quién ve qué", "Who sees what")) }
            dl {
                dt { (lang.say("Este servidor", "This server")) }
                dd { (lang.say(
                    "Tiene la llave de la bóveda, así que puede abrirlo todo. Atiende solo en este equipo y solo a quien tiene un enlace personal; cada consulta queda en el registro.",
                    "Has the vault's key, so it can open everything. It answers on this machine only, and only to who has a personal link; every look is on record.",
                )) }
                dt { (lang.say("El servidor de entregas", "The server that takes deposits")) }
                dd { (lang.say(
                    "Guarda lo cifrado hasta que se recibe aquí. No puede abrir nada ni sabe de quién es.",
                    "Keeps what is sealed until it is taken in here. It can open nothing, and does not know whose it is.",
                )) }
            }
            p.fingerprint {
                (lang.say("Huella de esta oficina, para leerla por teléfono: ", "This office's fingerprint, to be read out by telephone: "))
                code { (fingerprint) }
            }
        }
    }
}

/// What each case is called.
async fn titles(visitor: &Visitor) -> Result<BTreeMap<CaseId, String>, Failure> {
    let (mut titles, mut start) = (BTreeMap::new(), None);
    loop {
        let page = visitor.desk.session().cases(start).await?;
        titles.extend(page.cases.into_iter().map(|case| (case.id, case.title)));
        start = page.next;
        if start.is_none() {
            return Ok(titles);
        }
    }
}

#[derive(Deserialize)]
pub(super) struct NewCaseForm {
    client: String,
    template: String,
    language: Language,
}

/// Opens a case.
pub(super) async fn open(
    State(office): State<Shared>,
    visitor: Visitor,
    Form(new): Form<NewCaseForm>,
) -> Result<Response, Failure> {
    let template = office.templates.iter().find(|template| *template.name() == *new.template);
    let template = template.filter(|_| !new.client.trim().is_empty()).ok_or(Failure::Incomplete)?;
    // The client's name stands in the case's sealed title alone; the id is opaque.
    let mut id = [0; 8];
    SystemEntropy::default().fill(&mut id).map_err(|error| Failure::Failed(std::sync::Arc::new(error)))?;
    let opening = Opening::new(format!("client:{:016x}", u64::from_be_bytes(id))).language(new.language);
    let case = visitor.desk.open_case(new.client.trim(), template, opening).await?;
    office.changed();
    Ok(words::see(&visitor.link(&format!("/cases/{case}"))).into_response())
}

/// A page of the office, with the way back to all cases.
pub(super) fn framed(visitor: &Visitor, title: &str, path: &str, content: &Markup) -> Html<String> {
    let banner = html! {
        a.brand href=(visitor.link("/")) { (visitor.lang.say("Expedientes", "Case files")) }
        span.person { (visitor.name) }
    };
    let content = html! {
        p.news #news role="status" data-changes=(visitor.path("/changes")) data-text=(visitor.lang.say(
            "Hay novedades.", "There is something new.",
        )) data-action=(visitor.lang.say("Actualizar", "Reload")) {}
        (content)
    };
    Page { lang: visitor.lang, title, module: "office.js", path: &visitor.path(path) }
        .around(&banner, &content)
}
