//! Asking a client by a link.

use core::time::Duration;
use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Form,
    extract::{Path, State},
    response::Html,
};
use docvault::{
    CaseId,
    intake::{CaseFile, Key, NewRequest, Standing, Status},
};
use maud::{Markup, html};

use super::{Office, Shared, failure::Failure, list::framed, people::Visitor};

/// The form that makes a link: for everything that is not approved, unless some is left out.
pub(super) fn form(visitor: &Visitor, file: &CaseFile, status: &Status) -> Markup {
    let lang = visitor.lang;
    let asked = status.requirements.iter().filter(|one| one.standing != Standing::Approved);
    html! {
        form.card #ask method="post" action=(visitor.link(&format!("/cases/{}/requests", file.case()))) {
            h2 { (lang.say("Pedir documentos al cliente", "Ask the client for documents")) }
            p.hint { (lang.say(
                "El enlace abre una página donde el cliente entrega sin crear una cuenta.",
                "The link opens a page where the client hands in without an account.",
            )) }
            details {
                summary { (lang.say("Qué se pide", "What is asked for")) }
                fieldset.checks {
                    legend.hidden { (lang.say("Requisitos", "Requirements")) }
                    @for one in asked {
                        @if let Some(rule) = file.template().requirement(one.requirement.as_str()) {
                            label.check {
                                input type="checkbox" name="requirement" value=(one.requirement) checked;
                                span { (lang.text(rule.title())) }
                            }
                        }
                    }
                }
            }
            label for="days" { (lang.say("Días en que se puede entregar", "Days in which it can be handed in")) }
            input #days name="days" type="number" min="1" max="90" value="14" required;
            label for="passphrase" { (lang.say("Contraseña adicional (opcional)", "Passphrase on top (optional)")) }
            input #passphrase name="passphrase" autocomplete="off" aria-describedby="passphrase-hint";
            p.hint #passphrase-hint { (lang.say(
                "Désela al cliente por otra vía, por ejemplo por teléfono.",
                "Give it to the client by another way, such as by telephone.",
            )) }
            button.primary { (lang.say("Crear enlace", "Make a link")) }
        }
    }
}

/// Issues a request, publishes it to the carrier, and shows the link, this once.
pub(super) async fn issue(
    State(office): State<Shared>,
    visitor: Visitor,
    Path((_, case)): Path<(String, CaseId)>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Html<String>, Failure> {
    let new = office.new_request(&fields).ok_or(Failure::Incomplete)?;
    let signed = visitor.desk.request(case, new).await?;
    let request = signed.descriptor.request();
    publish(format!("{}/requests", office.carrier.url), signed.descriptor.to_bytes().to_vec()).await?;
    office.watch(case, request, BTreeSet::new()).await?;
    office.changed();
    let url = signed.link.expose_url(&format!("{}/r/{request}", office.carrier.url))?;
    Ok(shown(&visitor, case, &url))
}

impl Office {
    fn new_request(&self, fields: &[(String, String)]) -> Option<NewRequest> {
        let all = |name: &'static str| {
            fields.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.trim())
        };
        let days: u64 = all("days").next()?.parse().ok().filter(|days| (1..=90).contains(days))?;
        let asked: Vec<Key> = all("requirement").map(str::parse).collect::<Result<_, _>>().ok()?;
        let expires = self.vault.now().saturating_add(Duration::from_secs(days * 24 * 3600));
        let new = NewRequest::new(self.carrier.key, expires).requirements(asked).policy(self.policy.clone());
        let passphrase = all("passphrase").next().filter(|text| !text.is_empty());
        Some(match passphrase {
            Some(text) => new.passphrase(text),
            None => new,
        })
    }
}

fn shown(visitor: &Visitor, case: CaseId, url: &str) -> Html<String> {
    let lang = visitor.lang;
    let path = format!("/cases/{case}");
    let title = lang.say("El enlace está listo", "The link is ready");
    let content = html! {
        h1 { (title) }
        div.card {
            label for="link" { (lang.say("Enlace para el cliente", "Link for the client")) }
            textarea #link readonly rows="5" spellcheck="false" { (url) }
            button.primary type="button" data-copy="link" data-copied=(lang.say("Copiado", "Copied")) {
                (lang.say("Copiar enlace", "Copy the link"))
            }
            p.hint { (lang.say(
                "No se guarda y no volverá a mostrarse: envíelo ahora, solo al cliente. Quien lo tenga puede entregar en su nombre.",
                "It is kept nowhere and shown only this once: send it now, to the client alone. Whoever has it can hand in in their name.",
            )) }
        }
        p { a.button href=(visitor.link(&path)) { (lang.say("Volver al expediente", "Back to the case file")) } }
    };
    framed(visitor, title, &path, &content)
}

/// What is sent is signed, and no secret.
async fn publish(url: String, descriptor: Vec<u8>) -> Result<(), Failure> {
    let sent =
        tokio::task::spawn_blocking(move || ureq::post(&url).send(descriptor.as_slice()).map(drop)).await;
    match sent {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Failure::Failed(Arc::new(error))),
        Err(error) => Err(Failure::Failed(Arc::new(error))),
    }
}
