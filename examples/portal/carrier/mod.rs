//! The carrier: what faces the network, and can open nothing.

mod api;
mod page;

use std::{path::Path, sync::Arc};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::map_response,
    routing::{get, post},
};
use docvault::{
    Sender,
    deposit::{Carrier, PART_MAX},
};
use tokio::net::TcpListener;

use crate::{Outcome, http, place};

/// What every handler works on.
#[derive(Clone)]
struct Shared {
    carrier: Arc<Carrier>,
    office: Arc<Sender>,
}

/// Serves until the process ends.
pub(crate) async fn serve(place: &Path, address: &str, office: Sender) -> Outcome<()> {
    let (storage, key) = place::carrier(place)?;
    let carrier = Arc::new(Carrier::new(storage, key, office.clone()));
    carrier.prove().await?;
    let listener = TcpListener::bind(address).await?;
    println!("carrier: http://{}/", listener.local_addr()?);
    let shared = Shared { carrier, office: Arc::new(office) };
    Ok(axum::serve(listener, router()?.with_state(shared)).await?)
}

fn router() -> Outcome<Router<Shared>> {
    let router = Router::new()
        .route("/", get(page::about))
        .route("/r/{request}", get(page::request))
        .route("/office", get(api::office))
        .route("/requests", post(api::publish))
        .route("/requests/{request}", get(api::descriptor))
        .route("/requests/{request}/deposits/{deposit}", get(api::held))
        .route("/parts", post(api::part))
        .route("/manifests", post(api::manifest))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .merge(http::assets(FILES)?)
        .layer(map_response(http::guarded));
    Ok(router)
}

/// What the client's page is made of.
const FILES: &[&str] = &[
    "style.css",
    http::WEB_MODULE,
    "client/main.js",
    "client/card.js",
    "client/fields.js",
    "client/journal.js",
    "client/save.js",
    "client/send.js",
    "client/server.js",
    "client/words.js",
];

/// A part is the largest that is sent, but for manifests of thousands of parts, below 1 MiB.
const BODY_MAX: usize = if PART_MAX > 1 << 20 { PART_MAX } else { 1 << 20 };
