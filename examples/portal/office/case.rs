//! One case: how it stands, what is to be reviewed, what has happened.

use axum::{
    extract::{Path, State},
    response::{Html, IntoResponse, Response},
};
use docvault::{
    CaseId,
    intake::{CaseFile, Command, Necessity, RequirementStatus, Standing, Status, Timeliness},
};
use maud::{Markup, html};

use super::{
    Shared,
    failure::Failure,
    list::{framed, progress},
    past::Past,
    people::Visitor,
    request, words,
};

/// The case as it is now.
pub(super) async fn show(
    State(office): State<Shared>,
    visitor: Visitor,
    Path((_, case)): Path<(String, CaseId)>,
) -> Result<Html<String>, Failure> {
    let file = visitor.desk.case(case).await?;
    let status = file.status(office.vault.now())?;
    let title = visitor.desk.session().describe_case(case).await?.title;
    let past = Past::of(&visitor.desk, case).await?;
    let content = html! {
        (head(&visitor, &file, &status, &title))
        h2 { (visitor.lang.say("Requisitos", "Requirements")) }
        ul.requirements {
            @for one in &status.requirements { (row(&visitor, &file, one)) }
        }
        (request::form(&visitor, &file, &status))
        (history(&visitor, &file, &past))
    };
    Ok(framed(&visitor, &title, &format!("/cases/{case}"), &content))
}

/// States that the case is complete.
pub(super) async fn complete(
    State(office): State<Shared>,
    visitor: Visitor,
    Path((_, case)): Path<(String, CaseId)>,
) -> Result<Response, Failure> {
    visitor.desk.act(case, Command::Complete).await?;
    office.changed();
    Ok(words::see(&visitor.link(&format!("/cases/{case}"))).into_response())
}

fn head(visitor: &Visitor, file: &CaseFile, status: &Status, title: &str) -> Markup {
    let (lang, offset) = (visitor.lang, file.template().utc_offset());
    html! {
        h1 { (title) }
        p.hint { (lang.text(file.template().title())) " · " (lang.say("abierto el", "opened on")) " " (words::moment(status.opened, offset)) }
        (progress(status.percent, lang.say("Avance del expediente", "Progress of the case")))
        @if let Some(time) = status.completed {
            p.done { (lang.say("Completo desde el ", "Complete since ")) (words::moment(time, offset)) }
            p { a.button #bundle href=(visitor.path(&format!("/cases/{}/bundle", file.case()))) download {
                (lang.say("Descargar el expediente (ZIP)", "Download the case file (ZIP)"))
            } }
            p.hint { (lang.say(
                "Sin cifrar, con acuses que cualquiera puede comprobar; guárdelo como los originales.",
                "In clear, with receipts that anybody can verify; keep it as you would the originals.",
            )) }
        } @else {
            form.inline method="post" action=(visitor.link(&format!("/cases/{}/complete", file.case()))) {
                button.primary disabled[!status.complete] { (lang.say("Declarar completo", "State that it is complete")) }
                @if !status.complete {
                    span.hint { (lang.say("cuando todo lo obligatorio esté aprobado", "once all that is required is approved")) }
                }
            }
        }
    }
}

fn row(visitor: &Visitor, file: &CaseFile, one: &RequirementStatus) -> Markup {
    let lang = visitor.lang;
    let Some(rule) = file.template().requirement(one.requirement.as_str()) else { return html! {} };
    let path = format!("/cases/{}/review/{}", file.case(), one.requirement);
    let anything =
        file.state().requirement(one.requirement.as_str()).is_some_and(|state| state.current.is_some());
    html! {
        li.requirement {
            div {
                @if anything {
                    a.title href=(visitor.link(&path)) { (lang.text(rule.title())) }
                } @else {
                    span.title { (lang.text(rule.title())) }
                }
                p.hint { (facts(visitor, one, rule.necessity())) }
                @if let Some(reason) = &one.reason { p.reason { (reason) } }
            }
            (words::chip(one.standing, lang))
        }
    }
}

fn facts(visitor: &Visitor, one: &RequirementStatus, necessity: Necessity<'_>) -> String {
    let lang = visitor.lang;
    let mut facts = vec![match (one.required, necessity) {
        (true, _) => lang.say("Obligatorio", "Required").to_owned(),
        (false, Necessity::If(_)) => lang.say("Solo en su caso", "Only if it applies").to_owned(),
        _ => lang.say("Opcional", "Optional").to_owned(),
    }];
    if let Some(day) = one.due.filter(|_| one.standing != Standing::Approved) {
        facts.push(format!("{} {day}", lang.say("vence el", "due on")));
    }
    if matches!(one.timeliness, Timeliness::Late | Timeliness::Overdue) {
        facts.push(lang.say("atrasado", "late").to_owned());
    }
    if one.approvals_lacking > 0 {
        facts.push(format!(
            "{} {}",
            lang.say("aprobaciones que faltan:", "approvals lacking:"),
            one.approvals_lacking
        ));
    }
    if let Some(day) = one.valid_until {
        facts.push(format!("{} {day}", lang.say("vigente hasta el", "valid until")));
    }
    if one.standing == Standing::Approved && !one.attestations_lacking.is_empty() {
        facts.push(lang.say("falta asentar una constancia", "an attestation is lacking").to_owned());
    }
    if one.set_aside > 0 {
        facts.push(format!("{} {}", lang.say("entregas no admitidas:", "not taken in:"), one.set_aside));
    }
    facts.join(" · ")
}

fn history(visitor: &Visitor, file: &CaseFile, past: &Past) -> Markup {
    let (lang, offset) = (visitor.lang, file.template().utc_offset());
    let title = |key: &str| file.template().requirement(key).map(|rule| lang.text(rule.title()));
    html! {
        details.card {
            summary { (lang.say("Qué ha pasado", "What has happened")) }
            ol.history {
                @for event in past.0.iter().take(SHOWN) {
                    li {
                        time { (words::moment(event.time, offset)) } " "
                        strong { (words::change(&event.event.change, lang)) }
                        @if let Some(title) = event.event.change.requirement().and_then(|key| title(key.as_str())) {
                            ": " (title)
                        }
                        " · " (event.event.by) " · #" (event.seq)
                    }
                }
            }
        }
    }
}

/// Events of a case that its page shows.
const SHOWN: usize = 50;
