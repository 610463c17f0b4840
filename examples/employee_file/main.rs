//! An employee's file through a year: what is handed in, what expires, what is renewed, what is reminded of.
//!
//! `cargo run --release --features intake --example employee_file`

mod papers;
mod year;

use std::error::Error;

use docvault::{
    Vault, VaultOptions,
    intake::{Contact, Desk, Opening, Template},
    keys::LocalKey,
    storage::MemoryStorage,
};
use futures_lite::future::block_on;
use std::sync::Arc;

use year::{Calendar, Year};

fn main() -> Result<(), Box<dyn Error>> {
    block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let key = LocalKey::create(folder.path().join("vault.key"))?;
    let calendar = Calendar::at("2026-01-05".parse()?);
    let options = VaultOptions::default().clock(calendar.clone());
    let vault = Vault::create_with(Arc::new(MemoryStorage::default()), Arc::new(key), options).await?;
    let pin = vault.pin();

    let desk = |actor: &str, roles: &[&str]| -> Result<Desk, Box<dyn Error>> {
        let desk = Desk::new(vault.session(actor).purpose("expediente laboral").begin()?);
        roles.iter().try_fold(desk, |desk, role| Ok(desk.role(role.parse()?)))
    };
    let roles = ["human_resources", "payroll", "occupational_health"];
    let template = Template::employee_file();
    let opening =
        Opening::new("employee:0815").contact(Contact::new("self".parse()?, "Ana López", "ana@example.org"));
    let office = desk("user:hr-1", &roles)?;
    let case = office.open_case("Ana López", &template, opening).await?;
    println!("A file of {} requirements was opened on 2026-01-05.\n", template.requirements().len());

    let mut year =
        Year::new(calendar, case, desk("employee:0815", &[])?, [office, desk("user:hr-2", &roles)?]);
    year.live().await?;

    let verified = vault.audit().verify(&pin).await?;
    println!("\n{} records on the log, all of them verified: {:?}.", verified.checked, verified.freshness);
    Ok(())
}
