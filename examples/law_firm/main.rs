//! A law firm shares a case with opposing counsel, requirement by requirement, and takes it back.
//!
//! `cargo run --release --features intake --example law_firm`

mod counsel;

use std::error::Error;

use docvault::{
    CaseId, DocumentId, Identity, Recipient, RecordFilter, Terms, Vault,
    intake::{Desk, NewFile, NewSubmission, Opening, Template},
    keys::LocalKey,
    storage::MemoryStorage,
};
use futures_lite::future::block_on;

use counsel::{open_refused, opened_by};

const TEMPLATE: &str = r#"
    format = 1
    name = "civil_suit"
    version = 1
    language = "es"
    title = { es = "Juicio ordinario civil", en = "Civil suit" }

    [[requirements]]
    key = "lease"
    title = { es = "Contrato de arrendamiento", en = "Lease" }
    files = { media_types = ["application/pdf"], max_bytes = 10_000_000 }

    [[requirements]]
    key = "receipts"
    title = { es = "Recibos de renta", en = "Rent receipts" }
    files = { media_types = ["application/pdf"], min = 1, max = 12, max_bytes = 10_000_000 }

    [[requirements]]
    key = "strategy"
    title = { es = "Memorando de estrategia", en = "Strategy memorandum" }
    files = { media_types = ["application/pdf"], max_bytes = 10_000_000 }
    confidential = true
    reviewer = "partner"
"#;

fn main() -> Result<(), Box<dyn Error>> {
    block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let key = LocalKey::create(folder.path().join("vault.key"))?;
    let vault = Vault::create(MemoryStorage::default(), key).await?;
    let pin = vault.pin();
    let lawyer = Desk::new(vault.session("lawyer:7").purpose("exp. 123/2026").begin()?);
    let case = lawyer
        .open_case("Pérez contra Inmobiliaria", &Template::from_toml(TEMPLATE)?, Opening::new("client:7"))
        .await?;

    let documents = hand_in(&lawyer, case).await?;

    // Opposing counsel reads their fingerprint out on the telephone; what the firm was sent is held against it.
    let counsel = Identity::create(folder.path().join("counsel.identity"))?;
    let recipient = Recipient::verify(&counsel.recipient_bytes(), &counsel.fingerprint().to_string())?;
    let session = lawyer.session();
    let mut grants = Vec::new();
    for (requirement, document) in documents.iter().filter(|(requirement, _)| *requirement != "strategy") {
        let grant = session.grant(*document, &recipient, Terms::read().purpose("discovery")).await?;
        let sealed = session.deliver(grant).await?.collect().await?;
        let text = opened_by(&counsel, &sealed, &vault.sender())?;
        println!("shared with opposing counsel, and opened there without a vault: {requirement}: {text:?}");
        grants.push((*requirement, *document, grant));
    }
    let confidential =
        documents.iter().find(|(requirement, _)| *requirement == "strategy").ok_or("handed in")?.1;
    assert!(session.who_can_open(confidential).await?.grants.is_empty(), "nobody was granted the memorandum");
    assert!(
        lawyer.read(case, &"strategy".parse()?).await.is_err(),
        "and a lawyer who is no partner cannot read it"
    );

    // A renewed lease comes in; what was granted reaches the version of its day, and is then taken back.
    lawyer.submit(case, &"lease".parse()?, submission("contrato renovado")).await?;
    for (requirement, document, grant) in grants {
        let report = session.revoke(grant).await?;
        println!(
            "revoked: {requirement}, at {}; {} delivery before, {} version stays exposed",
            report.revoked,
            report.delivered.len(),
            report.exposed.len()
        );
        assert_eq!((report.delivered.len(), report.exposed.len()), (1, 1));
        open_refused(session, grant).await?;
        let openers = session.who_can_open(document).await?;
        assert!(openers.grants.iter().all(|opener| opener.revoked.is_some()));
    }

    tell(&vault, case).await?;
    let verified = vault.audit().verify(&pin).await?;
    println!("\n{} records verified from the pin: {:?}.", verified.checked, verified.freshness);
    Ok(())
}

/// The client's papers, each with the requirement that it is for.
async fn hand_in(lawyer: &Desk, case: CaseId) -> Result<Vec<(&'static str, DocumentId)>, Box<dyn Error>> {
    let mut documents = Vec::new();
    for (requirement, text) in [("lease", "contrato"), ("receipts", "enero"), ("strategy", "reservado")] {
        let submitted = lawyer.submit(case, &requirement.parse()?, submission(text)).await?;
        let accepted = submitted.accepted().ok_or("refused")?;
        println!("handed in for the client: {requirement}, digest {}", accepted.digest);
        documents.push((requirement, accepted.document));
    }
    Ok(documents)
}

fn submission(text: &str) -> NewSubmission {
    let file = NewFile::from_memory(format!("{text}.pdf"), "application/pdf", format!("%PDF-1.7 {text}"));
    NewSubmission::on_behalf("client:7").file(file)
}

/// What an auditor reads about the case, which opens no document.
async fn tell(vault: &Vault, case: CaseId) -> Result<(), Box<dyn Error>> {
    let auditor = vault.session("auditor:1").purpose("conflict check").auditor()?;
    println!("\nWhat the log says of the case:");
    for record in auditor.records(&RecordFilter::all().case(case)).await? {
        let topic = record.topic.map(|topic| format!(" ({topic})")).unwrap_or_default();
        println!("  {:>3}  {}  {}{topic} by {}", record.seq, record.time, record.kind.name(), record.actor);
    }
    Ok(())
}
