//! What both servers share: headers, static files, the frame of a page.

use std::{error::Error, fs, path::Path};

use axum::{
    Router,
    body::Bytes,
    http::{
        HeaderMap, HeaderName, HeaderValue,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::{Html, Response},
    routing::get,
};
use maud::{DOCTYPE, Markup, html};

use crate::{Outcome, language::Lang};

/// Nothing but the server's own files runs or is shown; `blob:` is what a client's page hands out to be saved.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Sets the headers that every answer has, unless it has stricter ones of its own.
pub(crate) async fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    default(headers, CONTENT_SECURITY_POLICY, POLICY);
    default(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(headers, REFERRER_POLICY, "no-referrer");
    default(headers, CACHE_CONTROL, "no-store");
    default(headers, HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    default(headers, HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    response
}

fn default(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.entry(name).or_insert(HeaderValue::from_static(value));
}

/// Where the files that pages name are: the web module with all that it needs, as `npm run build` made it, and the
/// example's own.
const WEB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/web/dist");
const PAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/portal/pages");

/// Serves these files under `/assets/`; they are read once, here.
pub(crate) fn assets<S: Clone + Send + Sync + 'static>(names: &[&str]) -> Outcome<Router<S>> {
    let mut router = Router::new();
    for name in names {
        let kind =
            if name.ends_with(".css") { "text/css; charset=utf-8" } else { "text/javascript; charset=utf-8" };
        let folder = if *name == WEB_MODULE { WEB } else { PAGES };
        let file = Path::new(folder).join(name);
        let missing = |error| format!("{}: {error}; scripts/portal.sh makes what is missing", file.display());
        let text: Bytes = fs::read(&file).map_err(missing)?.into();
        let answer = ([(CONTENT_TYPE, kind)], text);
        router = router.route(&format!("/assets/{name}"), get(async move || answer));
    }
    Ok(router)
}

/// The client's side of deposits.
pub(crate) const WEB_MODULE: &str = "docvault-deposit.js";

/// A page: its title, the module that it runs, what stands in it.
pub(crate) struct Page<'a> {
    pub(crate) lang: Lang,
    pub(crate) title: &'a str,
    pub(crate) module: &'a str,
    /// Its own path, for the link to the other language.
    pub(crate) path: &'a str,
}

impl Page<'_> {
    pub(crate) fn around(&self, banner: &Markup, content: &Markup) -> Html<String> {
        let lang = self.lang;
        let other = lang.other();
        let page = html! {
            (DOCTYPE)
            html lang=(lang.language()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) }
                    link rel="stylesheet" href="/assets/style.css";
                    script type="module" src={ "/assets/" (self.module) } {}
                }
                body {
                    a.skip href="#content" { (lang.say("Ir al contenido", "Skip to content")) }
                    header.top {
                        div.bar {
                            (banner)
                            a.tongue data-tongue href={ (self.path) "?lang=" (other) } lang=(other) hreflang=(other) {
                                (lang.say("English", "Español"))
                            }
                        }
                    }
                    main #content tabindex="-1" { (content) }
                }
            }
        };
        Html(page.into_string())
    }
}

/// An error and its causes, in one line.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
