//! A personal loan, from the first link to the file that an authority can verify.
//!
//! An executive opens the case from the template that comes with the crate and sends the client a link; the client
//! photographs papers with a telephone whose connection drops; a carrier without any key of the vault keeps what arrives;
//! two reviewers decide; a notary is handed the case, an authority gets a bundle, an auditor verifies the log.
//!
//! `cargo run --release --features intake --example loan_intake [FOLDER]`: with a folder, the bundle and the policy
//! to verify it by are left there.

mod bank;
mod client;
mod connection;
mod outside;
mod papers;
mod review;

use std::{error::Error, path::PathBuf};

use docvault::{
    CaseId,
    intake::{Command, Language, NewRequest, Opening, Standing},
};
use futures_lite::future::block_on;

use crate::{bank::Bank, client::Client, connection::Connection};

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    block_on(story(std::env::args_os().nth(1).map(PathBuf::from)))
}

/// What must hold, or the example fails.
pub(crate) fn must(holds: bool, what: &str) -> Outcome<()> {
    if holds { Ok(()) } else { Err(format!("this does not hold: {what}").into()) }
}

async fn story(kept: Option<PathBuf>) -> Outcome<()> {
    let mut bank = Bank::open().await?;
    let pin = bank.vault.pin();

    println!("1. The executive opens the case and sends a link");
    let case = open(&bank).await?;
    let mut client = request(&bank, case).await?;

    println!("\n2. The client hands in, from a telephone whose connection drops");
    client.hand_in_everything(&mut Connection::to(&bank.carrier)).await?;
    outside::carrier_saw_nothing(&bank, 4_000_000).await?;

    println!("\n3. The office takes in what arrived, and answers every deposit");
    let mut taken = bank.take_in(case, &client).await?;
    must(taken.refused == ["tax_status"], "the picture that was called a PDF was refused, and nothing else")?;
    client.check_answers(&bank, 9, &["tax_status"]).await?;

    println!("\n4. The reviewers look at it");
    review::first_look(&bank, case, &taken).await?;
    say_digest(&bank, case, "The client's message of the day:").await?;

    println!("\n5. The client corrects it, the executive brings in what came on paper");
    client.correct(&mut Connection::to(&bank.carrier)).await?;
    taken.merge(bank.take_in(case, &client).await?);
    must(taken.refused.len() == 1, "the corrections were accepted")?;
    client.check_answers(&bank, 11, &["tax_status"]).await?;
    review::import_paper(&bank, case, &mut taken).await?;
    review::approve_everything(&bank, case, &taken).await?;

    println!("\n6. The case is complete");
    let early = bank.reviewers[0].case(case).await?.status(bank.vault.now())?;
    must(early.complete && early.completed.is_none(), "it can be completed, and was not")?;
    let done = bank.reviewers[0].act(case, Command::Complete).await?.status(bank.vault.now())?;
    must(done.percent == 100 && done.completed.is_some(), "it is complete")?;
    let approved = done.requirements.iter().filter(|one| one.standing == Standing::Approved).count();
    must(approved == 10, "all that was required is approved")?;
    say_digest(&bank, case, "The last message:").await?;

    println!("\n7. The notary is handed the case, sealed");
    outside::notary(&bank, case).await?;

    println!("\n8. An authority gets it as one file, and verifies it with no vault and no key");
    outside::authority(&mut bank, case, kept.as_deref()).await?;

    println!("\n9. The auditor verifies the log, and what is left with the carrier is looked through");
    outside::auditor(&bank, case, &pin).await?;
    outside::carrier_saw_nothing(&bank, 1).await?;
    println!("\nEverything held.");
    Ok(())
}

async fn open(bank: &Bank) -> Outcome<CaseId> {
    let opening = Opening::new("client:0042").language(Language::ES);
    let case = bank.executive.open_case(papers::NAME, &bank.template, opening).await?;
    let required = bank.executive.case(case).await?.status(bank.vault.now())?.totals.required;
    println!("   case {case}, {required} documents required until something is answered");
    Ok(case)
}

/// Asks for everything that the client is to hand in, and opens the link as the telephone does.
async fn request(bank: &Bank, case: CaseId) -> Outcome<Client> {
    let expires = bank.vault.now().saturating_add(bank::DAYS * 14);
    let asked = papers::ASKED.iter().map(|key| key.parse()).collect::<Result<Vec<_>, _>>()?;
    let new = NewRequest::new(bank.carrier_key, expires)
        .requirements(asked)
        .answer_within(bank::DAYS * 2)
        .policy(bank.policy.to_string());
    let signed = bank.executive.request(case, new).await?;
    bank.carrier.publish(signed.descriptor.to_bytes()).await?;
    let url = signed.link.expose_url("https://carga.banco.example/")?;
    println!("   link: {}… (the rest is the secret)", &url[..48]);
    Client::open(bank, signed.descriptor.request(), &url).await
}

async fn say_digest(bank: &Bank, case: CaseId, title: &str) -> Outcome<()> {
    let digest = bank.executive.case(case).await?.digest(bank.vault.now(), Language::ES)?;
    println!("   {title}\n");
    digest.to_text().lines().for_each(|line| println!("     | {line}"));
    Ok(())
}
