//! The client's page: a frame, and what this server can see. All else the browser makes, out of the link.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use docvault::RequestId;
use maud::{Markup, html};

use super::Shared;
use crate::{http::Page, language::Lang};

/// The page that a link opens.
pub(super) async fn request(
    State(shared): State<Shared>,
    lang: Lang,
    Path(request): Path<RequestId>,
) -> Response {
    if shared.carrier.descriptor(request).await.is_err() {
        return (StatusCode::NOT_FOUND, unknown(lang)).into_response();
    }
    let content = html! {
        div #request data-request=(request) aria-busy="true" {
            p.lead role="status" { (lang.say("Abriendo la solicitud en su navegador…", "Opening the request in your browser…")) }
        }
        noscript {
            p.alert { (lang.say(
                "Esta página cifra sus documentos en su navegador y para ello necesita JavaScript.",
                "This page encrypts your documents in your browser, and needs JavaScript for that.",
            )) }
        }
        (sees(lang, &shared.office.fingerprint().to_string()))
    };
    frame(lang, &format!("/r/{request}"), &content).into_response()
}

/// What is at the server's root.
pub(super) async fn about(State(shared): State<Shared>, lang: Lang) -> Html<String> {
    let content = html! {
        h1 { (lang.say("Recepción de documentos", "Document reception")) }
        p.lead { (lang.say(
            "Para entregar documentos, abra el enlace completo que le envió la oficina.",
            "To hand in documents, open the whole link that the office sent you.",
        )) }
        (sees(lang, &shared.office.fingerprint().to_string()))
    };
    frame(lang, "/", &content)
}

fn unknown(lang: Lang) -> Html<String> {
    let content = html! {
        h1 { (lang.say("No encontramos esta solicitud", "We cannot find this request")) }
        p.lead { (lang.say(
            "Revise que el enlace esté completo o pida otro a la oficina.",
            "Check that the link is whole, or ask the office for another.",
        )) }
    };
    frame(lang, "/", &content)
}

fn frame(lang: Lang, path: &str, content: &Markup) -> Html<String> {
    let title = lang.say("Entrega de documentos", "Hand in documents");
    let banner = html! { span.brand { (title) } };
    Page { lang, title, module: "client/main.js", path }.around(&banner, content)
}

fn sees(lang: Lang, fingerprint: &str) -> Markup {
    html! {
        section.sees aria-labelledby="sees" {
            h2 #sees { (lang.say("Quién ve qué", "Who sees what")) }
            dl {
                dt { (lang.say("Su navegador", "Your browser")) }
                dd { (lang.say(
                    "Cifra sus archivos y respuestas antes de enviarlos. La clave está en el enlace, después de «#», y no se envía a ningún servidor. Quien tenga el enlace puede entregar en su lugar: no lo comparta.",
                    "Encrypts your files and answers before they are sent. The key is in the link, after “#”, and is sent to no server. Whoever has the link can hand in in your place: do not share it.",
                )) }
                dt { (lang.say("Este servidor", "This server")) }
                dd { (lang.say(
                    "Ve su dirección de internet, la hora, y el número y tamaño aproximado de los archivos. No puede leer archivos, nombres, respuestas ni lo que se le pide, mientras la página que entrega sea la verdadera.",
                    "Sees your internet address, the time, and the number and approximate size of files. It cannot read files, names, answers, or what you are asked for, as long as the page that it hands out is the true one.",
                )) }
                dt { (lang.say("La oficina", "The office")) }
                dd { (lang.say(
                    "Abre lo que usted entrega, en su propio equipo, y deja constancia de cada consulta.",
                    "Opens what you hand in, on a machine of its own, and keeps a record of every look at it.",
                )) }
            }
            p.fingerprint {
                (lang.say("Huella de la oficina, para comprobarla por teléfono: ", "The office's fingerprint, to be checked by telephone: "))
                code { (fingerprint) }
            }
        }
    }
}
