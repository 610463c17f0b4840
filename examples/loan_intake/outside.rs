//! Those who are not the office: a notary, an authority, an auditor, and whoever looks at the carrier's disk.

use std::{
    fs::{self, File},
    io::{BufReader, Write},
    path::Path,
};

use docvault::{
    CaseId, ErrorKind, Freshness, Identity, Pin, Recipient, RecordFilter, Terms,
    intake::{Standing, unpack_handed_over, verify_bundle},
    storage::Storage,
};

use crate::{Outcome, bank::Bank, must, papers};

/// Hands the case over to a notary, who opens it with no vault; then the grant ends.
pub(crate) async fn notary(bank: &Bank, case: CaseId) -> Outcome<()> {
    let notary = Identity::create(bank.folder.path().join("notary.identity"))?;
    let recipient = Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string())?;
    let terms = Terms::read().purpose("notarial deed 1234");
    let desk = &bank.reviewers[0];
    let mut delivery = desk.hand_over(case, &recipient, terms).await?;
    let (grant, sealed) = (delivery.grant(), bank.folder.path().join("case.delivery"));
    let mut file = File::create(&sealed)?;
    while let Some(bytes) = delivery.next().await? {
        file.write_all(&bytes)?;
    }

    let opened = notary.open(BufReader::new(File::open(&sealed)?), &bank.vault.sender())?;
    let unpacked = bank.folder.path().join("the notary's");
    let manifest = unpack_handed_over(opened, &unpacked)?;
    let there = manifest.requirements.iter().filter(|one| one.document.is_some());
    must(there.count() == 10 && manifest.completion.is_some(), "the notary has the whole case, in order")?;
    let front = fs::read(unpacked.join("documents/03-official_id/01-INE_frente.jpg"))?;
    must(front == papers::photograph("", 1_300_000).bytes, "the notary sees what the client photographed")?;
    println!(
        "   {} bytes, opened with no vault: 10 documents in the template's order",
        fs::metadata(&sealed)?.len()
    );

    let report = desk.session().revoke_because(grant, "the deed is signed").await?;
    must(report.delivered.len() == 1, "the report tells of the delivery")?;
    let denied = desk.session().deliver(grant).await;
    must(denied.is_err_and(|error| error.kind() == ErrorKind::Denied), "nothing more is delivered")?;
    println!("   revoked; what was delivered once stays the notary's: {} versions", report.exposed.len());
    Ok(())
}

/// Writes the bundle and verifies it as somebody who has the file and a policy.
pub(crate) async fn authority(bank: &mut Bank, case: CaseId, kept: Option<&Path>) -> Outcome<()> {
    let note = bank.cosigned().await?;
    let folder = kept.unwrap_or(bank.folder.path());
    let (bundle, policy) = (folder.join("loan.zip"), folder.join("loan.policy"));
    bank.reviewers[0].export_bundle(case, &note, &bundle).await?;
    fs::write(&policy, bank.policy.to_string())?;

    let verified = verify_bundle(&bundle, &bank.policy)?;
    let approved = |one: &&docvault::intake::BundledRequirement| one.standing == Standing::Approved;
    must(verified.manifest.requirements.iter().filter(approved).count() == 10, "ten are proven approved")?;
    must(verified.manifest.completion.is_some(), "that it was complete is proven")?;
    must(verified.witnesses.len() == 1, "the witness vouches for the log")?;
    verified.to_string().lines().for_each(|line| println!("   {line}"));

    let mut altered = fs::read(&bundle)?;
    let middle = altered.len() / 2;
    *altered.get_mut(middle).ok_or("a bundle is not empty")? ^= 1;
    let forged = bank.folder.path().join("forged.zip");
    fs::write(&forged, altered)?;
    let refused = verify_bundle(&forged, &bank.policy).err().ok_or("an altered bundle was accepted")?;
    println!("   one bit altered in a copy: {refused}");
    if kept.is_some() {
        println!("   verify_bundle {} {}", bundle.display(), policy.display());
    }
    Ok(())
}

/// Verifies the whole log, and reads of the case what an auditor may.
pub(crate) async fn auditor(bank: &Bank, case: CaseId, pin: &Pin) -> Outcome<()> {
    let since = bank.vault.audit().verify(pin).await?;
    must(matches!(since.freshness, Freshness::FreshByPin), "the log goes on from where it was pinned")?;
    let auditor = bank.vault.session("auditor:1").purpose("loans of this quarter").auditor()?;
    let whole = auditor.verify_from_genesis().await?;
    let records = auditor.records(&RecordFilter::all().case(case)).await?;
    let told = serde_json::to_string(&records)?;
    must(!told.contains("Juana") && !told.contains("PEXJ850101"), "an auditor is shown nobody's name")?;
    let reads = records.iter().filter(|record| record.kind == docvault::Kind::Read).count();
    println!(
        "   {} records verified; {} of this case, {reads} of them reads of a document",
        whole.head.size(),
        records.len()
    );
    Ok(())
}

/// The carrier's storage has nothing that can be read, in at least so many bytes.
pub(crate) async fn carrier_saw_nothing(bank: &Bank, least: usize) -> Outcome<()> {
    let names = bank.carried.list("", None, usize::MAX).await?;
    let mut bytes = 0;
    for name in &names {
        let object = bank.carried.read(name, None).await?.ok_or("an object is gone")?;
        bytes += object.len();
        for known in [papers::NAME.as_bytes(), b"PEXJ850101", b"%PDF", b"official_id", b"INE frente"] {
            must(!object.windows(known.len()).any(|window| window == known), "the carrier can read nothing")?;
        }
    }
    must(bytes >= least, "the carrier holds what was carried")?;
    println!("   the carrier holds {} objects, {bytes} bytes, and not a name among them", names.len());
    Ok(())
}
