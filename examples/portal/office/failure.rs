//! Why something did not happen, as a page.

use std::sync::Arc;

use axum::{
    extract::Request,
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use docvault::{
    ErrorKind,
    deposit::DepositReceiptError,
    intake::{IntakeError, Refusal},
};
use maud::html;

use crate::{
    http::{Page, with_causes},
    language::Lang,
};

/// Why something did not happen.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// There is no such page, or no such token.
    NotFound,
    /// The form lacks something.
    Incomplete,
    /// The case's rules say no.
    Refused(Refusal),
    /// It did happen, or nobody knows: not to be done again before somebody has looked.
    Perhaps(Arc<docvault::Error>),
    /// All else.
    Failed(Arc<dyn std::error::Error + Send + Sync>),
}

impl From<IntakeError> for Failure {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::Refused(refusal) => Self::Refused(refusal),
            IntakeError::Vault(error) => error.into(),
            IntakeError::NoCaseFile(_) => Self::NotFound,
            other => Self::Failed(Arc::new(other)),
        }
    }
}

impl From<docvault::Error> for Failure {
    fn from(error: docvault::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::PinNotSaved(_) | ErrorKind::NotDeleted(_) | ErrorKind::OutcomeUnknown(_) => {
                Self::Perhaps(Arc::new(error))
            }
            _ => Self::Failed(Arc::new(error)),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(Arc::new(error))
    }
}

impl From<DepositReceiptError> for Failure {
    fn from(error: DepositReceiptError) -> Self {
        Self::Failed(Arc::new(error))
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Failure {
    const fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Incomplete => StatusCode::BAD_REQUEST,
            Self::Refused(_) => StatusCode::CONFLICT,
            Self::Perhaps(_) | Self::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn text(&self, lang: Lang) -> String {
        match self {
            Self::NotFound => lang.say("No existe esa página.", "There is no such page.").to_owned(),
            Self::Incomplete => {
                lang.say("Falta un dato del formulario.", "The form lacks something.").to_owned()
            }
            Self::Refused(refusal) => refused(refusal, lang),
            Self::Perhaps(error) => with_causes(&**error),
            Self::Failed(error) => with_causes(&**error),
        }
    }

    /// What it was, and what to do next.
    fn heads(&self, lang: Lang) -> (&'static str, &'static str) {
        if matches!(self, Self::Perhaps(_)) {
            return (
                lang.say("No está claro si se hizo", "It may have happened"),
                lang.say(
                    "No lo repita: abra de nuevo el expediente y vea primero qué consta.",
                    "Do not do it again: open the case file anew, and see first what is on record.",
                ),
            );
        }
        (
            lang.say("No se pudo", "That did not work"),
            lang.say(
                "Regrese a la página anterior; nada se perdió.",
                "Go back to the page before; nothing is lost.",
            ),
        )
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the page of what failed, in the visitor's language.
pub(super) async fn explained(lang: Lang, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let Some(failure) = response.extensions().get::<Failure>() else { return response };
    let (title, next) = failure.heads(lang);
    let banner = html! { span.brand { (title) } };
    let content = html! {
        h1 { (title) }
        p.alert role="alert" { (failure.text(lang)) }
        p { (next) }
    };
    (failure.status(), Page { lang, title, module: "office.js", path: "" }.around(&banner, &content))
        .into_response()
}

/// What reviewers meet in their work; of the rest, the library's own words.
fn refused(refusal: &Refusal, lang: Lang) -> String {
    let spanish = match refusal {
        Refusal::AlreadyApproved { .. } => "Ya está aprobado.",
        Refusal::AlreadyApprovedByYou { .. } => "Usted ya lo aprobó; falta la aprobación de otra persona.",
        Refusal::Incomplete { .. } => "El expediente aún no está completo.",
        Refusal::IssueDateNeeded { .. } => "Indique la fecha de expedición del documento.",
        Refusal::OtherDates { .. } => {
            "La otra persona aprobó con otras fechas: revíselas y apruebe con esas, o rechace."
        }
        Refusal::NotNewest { .. } => "Llegó otra versión mientras usted revisaba: véala y decida de nuevo.",
        Refusal::Stale { .. } => "El documento es más antiguo de lo que se admite.",
        Refusal::ValidUntilNeeded { .. } => "Indique hasta cuándo está vigente el documento.",
        Refusal::Expired { .. } => "El documento está vencido.",
        _ => return refusal.to_string(),
    };
    lang.say(spanish, &refusal.to_string()).to_owned()
}
