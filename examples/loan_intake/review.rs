//! What the reviewers decide, and what they may not.

use docvault::{
    CaseId,
    intake::{Attestation, Command, IntakeError, NewFile, NewSubmission, Origin, Refusal, Stage},
};

use crate::{
    Outcome,
    bank::{Bank, Taken},
    must, papers,
};

/// Looks at the proof of address, which cannot be read, and compares the identification with the original.
pub(crate) async fn first_look(bank: &Bank, case: CaseId, taken: &Taken) -> Outcome<()> {
    let address = taken.of("proof_of_address")?;
    let mut reader = bank.reviewers[0].read(case, &address.requirement).await?;
    let mut bytes = 0;
    while let Some(part) = reader.next().await? {
        bytes += part.len();
    }
    must(bytes == 600_000, "the reviewer sees what the client sent")?;
    let file = bank.reviewers[0]
        .act(case, address.reject("No se lee la dirección: mande el recibo completo."))
        .await?;
    let stage = file.state().requirement("proof_of_address").map(|state| state.stage);
    must(stage == Some(Stage::Rejected), "the proof of address is rejected")?;
    println!("   proof_of_address: rejected");

    let payslips = taken.of("payslips")?;
    let closed = bank.executive.read(case, &payslips.requirement).await;
    must(
        matches!(closed, Err(IntakeError::Refused(Refusal::Confidential { .. }))),
        "the executive cannot open payslips",
    )?;
    println!("   payslips: closed to the executive");
    attest(bank, case, taken, "official_id", "compared_with_original").await?;
    attest(bank, case, taken, "selfie", "identity_interview").await
}

async fn attest(bank: &Bank, case: CaseId, taken: &Taken, requirement: &str, what: &str) -> Outcome<()> {
    let looked_at = taken.of(requirement)?;
    let attestation: Attestation = what.parse()?;
    let command = Command::Attest {
        requirement: looked_at.requirement.clone(),
        version: looked_at.version,
        digest: looked_at.digest,
        attestation: attestation.clone(),
    };
    let early = bank.executive.act(case, command.clone()).await;
    must(matches!(early, Err(IntakeError::Refused(Refusal::NeedsRole { .. }))), "not everybody may attest")?;
    let file = bank.reviewers[0].act(case, command).await?;
    let attested = file.state().requirement(requirement).map(|state| state.attestations.as_slice());
    let by = attested
        .and_then(|all| all.iter().find(|one| one.attestation == attestation))
        .map(|one| one.by.as_str());
    must(by == Some("reviewer:1"), "what was attested is on record")?;
    println!("   {requirement}: {what}, by reviewer:1");
    Ok(())
}

/// The consent came on paper, to the counter: marked so for ever.
pub(crate) async fn import_paper(bank: &Bank, case: CaseId, taken: &mut Taken) -> Outcome<()> {
    let consent = papers::pdf("autorización firmada.pdf");
    let new = NewSubmission::import_external("paper".parse()?, bank.vault.now(), "executive:7")
        .file(NewFile::from_memory(consent.name, consent.media_type, consent.bytes));
    let submitted = bank.executive.submit(case, &"credit_bureau_consent".parse()?, new).await?;
    let accepted = submitted.accepted().ok_or("the consent was not accepted")?;
    let state = accepted.file.state().requirement("credit_bureau_consent").ok_or("it is in the case")?;
    let origin = state.current.as_ref().map(|current| &current.origin);
    must(matches!(origin, Some(Origin::External { .. })) && state.imports == 1, "it is marked as imported")?;
    println!("   credit_bureau_consent: imported from paper");
    taken.accepted.push(accepted);
    Ok(())
}

/// Approves everything; the account that the money goes to takes two people.
pub(crate) async fn approve_everything(bank: &Bank, case: CaseId, taken: &Taken) -> Outcome<()> {
    let [first, second] = &bank.reviewers;
    let unfinished = first.act(case, Command::Complete).await;
    must(matches!(unfinished, Err(IntakeError::Refused(_))), "nothing is complete before it is approved")?;
    for accepted in &taken.accepted {
        let needs_role = bank.executive.act(case, accepted.approve()).await;
        must(
            matches!(needs_role, Err(IntakeError::Refused(Refusal::NeedsRole { .. }))),
            "an executive approves nothing",
        )?;
        let file = first.act(case, accepted.approve()).await?;
        if file.state().requirement(accepted.requirement.as_str()).map(|state| state.stage)
            == Some(Stage::Submitted)
        {
            must(accepted.requirement == *"payout_account", "one requirement takes two people")?;
            let twice = first.act(case, accepted.approve()).await;
            must(
                matches!(twice, Err(IntakeError::Refused(Refusal::AlreadyApprovedByYou { .. }))),
                "nobody is two people",
            )?;
            let file = second.act(case, accepted.approve()).await?;
            let approvals =
                file.state().requirement("payout_account").map_or(0, |state| state.approvals.len());
            must(approvals == 2, "two people approved the account")?;
            println!("   payout_account: approved by two people, and not by one twice");
        }
    }
    let stale = bank.reviewers[1].act(case, taken.of("selfie")?.approve()).await;
    must(
        matches!(stale, Err(IntakeError::Refused(Refusal::AlreadyApproved { .. }))),
        "approved is approved",
    )?;
    println!("   {} requirements approved", taken.accepted.len());
    Ok(())
}
