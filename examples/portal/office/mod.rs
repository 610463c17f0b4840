//! The office: holds the vault, listens on loopback alone, and shows nothing without a token.

mod bundle;
mod case;
mod failure;
mod file;
mod list;
mod past;
mod people;
mod request;
mod review;
mod taking_in;
mod telling;
mod words;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    extract::State,
    middleware::{from_fn, map_response},
    routing::{get, post},
};
use docvault::{
    Vault,
    deposit::CarrierPublicKey,
    intake::{Desk, Template},
    storage::{FsStorage, Storage},
};
use tokio::net::TcpListener;

use crate::{Outcome, http, place};
use people::People;
use taking_in::Watched;

/// The carrier that this office asks through.
pub(crate) struct CarrierLink {
    storage: Arc<dyn Storage>,
    key: CarrierPublicKey,
    /// Without a slash at its end.
    url: String,
}

impl CarrierLink {
    /// The carrier that keeps its objects at `place`, whose key its operator has told, and whose server is at `url`.
    pub(crate) fn new(place: &Path, key: &str, url: &str) -> Outcome<Self> {
        let storage: FsStorage = place::carrier_storage(place)?;
        Ok(Self { storage: Arc::new(storage), key: key.parse()?, url: url.trim_end_matches('/').to_owned() })
    }
}

/// What every handler works on.
struct Office {
    vault: Vault,
    people: People,
    /// The desk of what happens without anybody at it.
    machine: Desk,
    templates: Vec<Template>,
    carrier: CarrierLink,
    /// Where bundles lie, in clear, while they are sent, and receipts that could not be left with the carrier.
    exports: PathBuf,
    /// What clients hold their receipts against.
    policy: String,
    watched: Watched,
    changes: AtomicU64,
}

type Shared = Arc<Office>;

impl Office {
    async fn open(place: &Path, carrier: CarrierLink) -> Outcome<Self> {
        let vault = place::office(place).await?;
        let templates = vec![
            Template::personal_loan(),
            Template::company_account(),
            Template::notarial_deed(),
            Template::employee_file(),
        ];
        let people = People::new(&vault, &templates)?;
        let machine = Desk::new(vault.session("portal:intake").purpose("taking in deposits").begin()?);
        let keys = vault.audit().log().await?.verifier_keys().await?;
        let log: String = keys.iter().map(|key| format!("log {key}\n")).collect();
        let policy = format!("{log}quorum none\n");
        let exports = place.to_owned();
        let (watched, changes) = (Watched::default(), AtomicU64::new(0));
        Ok(Self { vault, people, machine, templates, carrier, exports, policy, watched, changes })
    }

    /// Lets the pages that are open know that there is something new.
    fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }
}

/// Serves until the process ends.
pub(crate) async fn serve(place: &Path, address: &str, carrier: CarrierLink) -> Outcome<()> {
    let address: SocketAddr = address.parse()?;
    if !address.ip().is_loopback() {
        return Err("the office's pages show everything: they are served on a loopback address only".into());
    }
    let office = Arc::new(Office::open(place, carrier).await?);
    let listener = TcpListener::bind(address).await?;
    for (name, token) in office.people.tokens() {
        println!("office of {name}: http://{}/{token}/", listener.local_addr()?);
    }
    taking_in::begin(office.clone()).await?;
    Ok(axum::serve(listener, router()?.with_state(office)).await?)
}

fn router() -> Outcome<Router<Shared>> {
    let case = "/{token}/cases/{case}";
    let router = Router::new()
        .route("/{token}/", get(list::show))
        .route("/{token}/changes", get(changes))
        .route("/{token}/cases", post(list::open))
        .route(case, get(case::show))
        .route(&format!("{case}/complete"), post(case::complete))
        .route(&format!("{case}/bundle"), get(bundle::send))
        .route(&format!("{case}/requests"), post(request::issue))
        .route(&format!("{case}/review/{{requirement}}"), get(review::show).post(review::decide))
        .route(&format!("{case}/files/{{requirement}}/{{number}}"), get(file::send))
        .layer(from_fn(failure::explained))
        .merge(http::assets(&["style.css", "office.js"])?)
        .layer(map_response(http::guarded));
    Ok(router)
}

/// A number that grows with everything that happens: pages ask for it, so that nobody has to reload on suspicion.
async fn changes(State(office): State<Shared>, _: people::Visitor) -> String {
    office.changes.load(Ordering::Relaxed).to_string()
}
