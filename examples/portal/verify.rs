//! What a client or an authority verifies, with no vault, no key and no network.

use std::fs;

use docvault::{
    Sender, TrustPolicy,
    deposit::{DepositReceipt, Descriptor, Verdict},
    intake::verify_bundle,
};

use crate::Outcome;

/// Verifies what a client saved: the receipt, the request that it answers, the policy that both were made under.
pub(crate) fn receipt(receipt: &str, request: &str, policy: &str, office: &Sender) -> Outcome<()> {
    let policy = TrustPolicy::parse(&fs::read_to_string(policy)?)?;
    let request = Descriptor::verify(&fs::read(request)?, office)?;
    let proven = DepositReceipt::parse(&fs::read(receipt)?)?.verify(&policy, &request)?;
    let claim = &proven.claim;
    let verdict = match &claim.verdict {
        Verdict::Accepted => "accepted".to_owned(),
        Verdict::Refused(reason) => format!("refused ({reason})"),
        Verdict::Quarantined(reason) => format!("quarantined ({reason})"),
        _ => "answered".to_owned(),
    };
    println!("{}: {verdict}, record {} of the office's log", claim.requirement, proven.receipt.record);
    for (number, page) in claim.pages.iter().enumerate() {
        let digest: String = page.digest.iter().map(|byte| format!("{byte:02x}")).collect();
        println!("  file {}: {} bytes, BLAKE3 {digest}", number + 1, page.len);
    }
    Ok(())
}

/// Verifies a case that the office handed over as a ZIP file, by a policy that did not come along with it.
pub(crate) fn bundle(bundle: &str, policy: &str) -> Outcome<()> {
    let policy = TrustPolicy::parse(&fs::read_to_string(policy)?)?;
    let verified = verify_bundle(bundle, &policy)?;
    let complete = if verified.manifest.completion.is_some() { "complete" } else { "not complete" };
    println!(
        "{}: {complete}, {} files of {} bytes, {} receipts",
        verified.template.name(),
        verified.files,
        verified.bytes,
        verified.receipts
    );
    Ok(())
}
