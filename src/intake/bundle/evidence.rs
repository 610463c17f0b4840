//! What the receipts of a bundle must prove of what its manifest says (FORMAT §13.4).

use std::collections::BTreeSet;

use super::{
    error::{BundleFault, Result},
    manifest::{BundleManifest, BundledDocument, BundledFile, BundledRequirement, BundledStatement},
    names, unhex,
};
use crate::{
    CaseId, Kind, Receipt, TrustPolicy, VerifiedReceipt,
    deposit::{Claim, ClaimedPage, Verdict},
    intake::{Attestation, ClaimedKind, Date, Origin, Requirement, Standing, Template},
};

/// Every receipt of a bundle, by its path, and the record it is for.
pub(super) fn receipts(manifest: &BundleManifest) -> Vec<(String, u64)> {
    let mut all = vec![(names::OPENED.to_owned(), manifest.template.record)];
    for (at, requirement, document) in manifest.documents() {
        let key = &requirement.requirement;
        all.push((names::stored(at, key), document.record));
        let stated = requirement.statements.iter().enumerate();
        all.extend(stated.map(|(number, stated)| {
            (names::statement(at, key, number, stated.says.statement), stated.record)
        }));
    }
    all.extend(manifest.completion.iter().map(|completion| (names::COMPLETE.to_owned(), completion.record)));
    all
}

/// A receipt that holds, for the record it has to be for.
pub(super) fn verify(
    text: &[u8],
    policy: &TrustPolicy,
    case: CaseId,
    (path, record): (&str, u64),
) -> Result<VerifiedReceipt> {
    let text = str::from_utf8(text).map_err(|_| BundleFault::Malformed("it is not UTF-8").at(path))?;
    let verified = Receipt::parse(text).and_then(|receipt| receipt.verify(policy));
    let verified = verified.map_err(|error| BundleFault::Receipt(error).at(path))?;
    let ours = verified.record == record && verified.case == Some(case);
    if ours { Ok(verified) } else { Err(BundleFault::Claim.at(path)) }
}

/// That a version was stored, with this digest.
pub(super) fn proves_version(proven: &VerifiedReceipt, document: &BundledDocument) -> bool {
    proven.kind == Kind::Stored
        && proven.document == Some(document.document)
        && proven.version == Some(document.version)
        && proven.content == Some(document.digest)
}

/// That the record states what the manifest says it does.
pub(super) fn proves_claim(proven: &VerifiedReceipt, claim: &[u8]) -> bool {
    proven.kind == Kind::Stated && proven.claim == Some(crate::sha256(&[claim]))
}

/// That the record states this about the requirement's document.
pub(super) fn proves_statement(
    proven: &VerifiedReceipt,
    stated: &BundledStatement,
    document: &BundledDocument,
    (manifest, rule): (&BundleManifest, &Requirement),
) -> bool {
    // What an office states of a deposit says that it was taken in, and nothing of what was decided about it since.
    let submitted = stated.says.statement == ClaimedKind::Submitted;
    match (&stated.deposit, &stated.says.origin) {
        (None, origin) => {
            let deposited = matches!(origin, Some(Origin::Deposit { .. }));
            !deposited && proves_claim(proven, stated.says.to_json().as_bytes())
        }
        (Some(claim), Some(Origin::Deposit { request, deposit, .. })) if submitted => {
            let Some(claim) = unhex(claim).filter(|claim| proves_claim(proven, claim)) else { return false };
            Claim::from_bytes(&claim).is_ok_and(|claim| {
                let ids = (claim.vault, claim.case, claim.request, claim.deposit);
                ids == (manifest.vault, manifest.case, *request, *deposit)
                    && claim.verdict == Verdict::Accepted
                    && claim.requirement == stated.says.requirement.as_str()
                    && came_whole(&claim, document, rule)
            })
        }
        _ => false,
    }
}

/// Whether the files are those of the deposit, with or without the answers behind them, of which a claim says nothing.
fn came_whole(claim: &Claim, document: &BundledDocument, rule: &Requirement) -> bool {
    let Some((files, behind)) = document.files.split_at_checked(claim.pages.len()) else { return false };
    let answers = match behind {
        [] => true,
        [form] => !rule.fields().is_empty() && form.is_form(),
        _ => false,
    };
    let same = |(page, file): (&ClaimedPage, &BundledFile)| {
        page.len == file.bytes && page.digest == *file.blake3.as_bytes()
    };
    answers && claim.pages.iter().zip(files).all(same)
}

/// Whether the statements of a requirement are about what is there, in an order in which they can be made, and
/// carry how it is said to stand. None of it needs a receipt.
pub(super) fn is_consistent(requirement: &BundledRequirement, rule: &Requirement, day: Date) -> bool {
    let named = requirement.requirement == *rule.key() && requirement.title == *rule.title();
    let Some(document) = &requirement.document else {
        return named && requirement.standing == Standing::Missing && requirement.statements.is_empty();
    };
    let Some((handed_in, rest)) = requirement.statements.split_first() else { return false };
    let entered = |kind| matches!(kind, ClaimedKind::Submitted | ClaimedKind::NewerVersionSeen);
    let about_it = |stated: &BundledStatement| {
        let says = &stated.says;
        (&says.requirement, says.version, says.digest) == (rule.key(), document.version, document.digest)
    };
    named
        && entered(handed_in.says.statement)
        && !rest.iter().any(|stated| entered(stated.says.statement))
        && requirement.statements.iter().all(about_it)
        && requirement.statements.is_sorted_by(|one, next| one.record < next.record)
        && document.valid_until == valid_until(&requirement.statements)
        && stands(requirement, rule, day)
}

/// Who approves last says until when.
pub(super) fn valid_until(statements: &[BundledStatement]) -> Option<Date> {
    let last = approvals(statements).last().or_else(|| statements.first());
    last.and_then(|stated| stated.says.valid_until)
}

/// Approved is what enough people have approved, and expired what was valid until a day before.
fn stands(requirement: &BundledRequirement, rule: &Requirement, day: Date) -> bool {
    let enough = approvers(requirement, rule) >= rule.approvals_needed();
    let expired = valid_until(&requirement.statements).is_some_and(|last| last < day);
    match requirement.standing {
        Standing::Approved => enough && !expired,
        Standing::Expired => enough && expired,
        Standing::Rejected => requirement.statements.len() == 1,
        Standing::Submitted => !enough,
        Standing::Missing => false,
    }
}

pub(super) fn was_approved(requirement: &BundledRequirement) -> bool {
    matches!(requirement.standing, Standing::Approved | Standing::Expired)
}

/// Whether everything was attested that the template has attested.
pub(super) fn was_attested(requirement: &BundledRequirement, template: &Template) -> bool {
    let attested = requirement.statements.iter().filter(|one| one.says.statement == ClaimedKind::Attested);
    let made: Vec<&Attestation> = attested.filter_map(|one| one.says.attestation.as_ref()).collect();
    let rule = template.requirement(requirement.requirement.as_str());
    rule.is_some_and(|rule| rule.attestations().iter().all(|wanted| made.contains(&wanted)))
}

/// How many people have approved; where it takes two, none of them is who handed it in. Who takes a deposit in only
/// carries it.
fn approvers(requirement: &BundledRequirement, rule: &Requirement) -> usize {
    let mut people: BTreeSet<&str> =
        approvals(&requirement.statements).map(|stated| stated.says.by.as_str()).collect();
    let first = requirement.statements.first().filter(|_| rule.approvals_needed() > 1);
    let own = first.filter(|stated| !matches!(stated.says.origin, Some(Origin::Deposit { .. })));
    if let Some(handed_in) = own {
        people.remove(handed_in.says.by.as_str());
    }
    people.len()
}

fn approvals(statements: &[BundledStatement]) -> impl Iterator<Item = &BundledStatement> {
    statements.iter().filter(|stated| stated.says.statement == ClaimedKind::Approved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Checkpoint, ContentDigest, DocumentId, OperationId, Timestamp, VersionId};

    /// What no receipt proves today: of records of these kinds alone a receipt names a content and a version, or a claim.
    #[test]
    fn what_is_proven_is_proven_by_a_record_of_its_kind() {
        let id: DocumentId = "0a".repeat(32).parse().expect("an id");
        let (version, digest) = (VersionId::of(OperationId::from_bytes([1; 16])), ContentDigest::of(b"x"));
        let proven = |kind| VerifiedReceipt {
            record: 7,
            time: Timestamp::from_millis(1),
            kind,
            operation: version.operation(),
            case: Some(id.case()),
            document: Some(id),
            version: Some(version),
            content: Some(digest),
            claim: Some(crate::sha256(&[b"claim"])),
            disclosed: None,
            checkpoint: Checkpoint::new("example.com/log", 8, [2; 32]).expect("an origin"),
            witnesses: Vec::new(),
        };
        let files = Vec::new();
        let stored = BundledDocument { document: id, version, digest, record: 7, valid_until: None, files };
        for kind in [Kind::Stored, Kind::Read, Kind::Stated] {
            assert_eq!(proves_version(&proven(kind), &stored), kind == Kind::Stored, "{kind:?}");
            assert_eq!(proves_claim(&proven(kind), b"claim"), kind == Kind::Stated, "{kind:?}");
        }
    }
}
