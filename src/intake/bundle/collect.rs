//! What a case has, read through the desk: the contents of a manifest.

use std::collections::BTreeMap;

use super::{
    evidence,
    hand_over::HANDED_OVER,
    manifest::{
        BundleManifest, BundledCompletion, BundledDocument, BundledFile, BundledOther, BundledRequirement,
        BundledStatement, BundledTemplate, FORMAT,
    },
    names,
};
use crate::{
    CaseId, ContentDigest, ContentHasher, Described, DocumentId, VersionId,
    intake::{
        CaseFile, Change, ClaimedKind, CurrentSubmission, Desk, Event, IntakeError, Key, Origin, Requirement,
        Submission, desk::TRIES,
    },
};

/// One event of a case, its record, and what that claims.
pub(super) struct Past {
    seq: u64,
    event: Event,
    claim: Vec<u8>,
}

/// A case at one moment.
pub(super) struct Collected {
    pub(super) file: CaseFile,
    /// Every document in its newest version.
    pub(super) stored: BTreeMap<DocumentId, Described>,
    past: Vec<Past>,
}

impl Desk {
    /// Reads a case: its state, all its events, and the description of all its documents, as they stand together.
    pub(super) async fn collect(&self, case: CaseId) -> Result<Collected, IntakeError> {
        for _ in 0..TRIES {
            let file = self.case(case).await?;
            // What was handed in and asked for anew is still there, among the documents that are for no requirement.
            for rule in file.template().requirements() {
                file.state().may_open(file.template(), rule.key(), self.actor())?;
            }
            let (stored, past) = (self.all_documents(case).await?, self.all_events(case).await?);
            let collected = Collected { file, stored, past };
            if collected.is_of_one_moment() {
                return Ok(collected);
            }
        }
        Err(IntakeError::Contended)
    }

    pub(super) async fn all_documents(
        &self,
        case: CaseId,
    ) -> Result<BTreeMap<DocumentId, Described>, IntakeError> {
        let (mut all, mut start) = (BTreeMap::new(), None);
        loop {
            let page = self.session().documents(case, start).await?;
            all.extend(page.documents.into_iter().map(|described| (described.document, described)));
            start = page.next;
            if start.is_none() {
                return Ok(all);
            }
        }
    }

    /// The oldest first.
    async fn all_events(&self, case: CaseId) -> Result<Vec<Past>, IntakeError> {
        let (mut past, mut start) = (Vec::new(), None);
        loop {
            let (page, next) = self.past(case, start).await?;
            let of = |(stated, event): (crate::Statement, Event)| Past {
                seq: stated.made.seq,
                event,
                claim: stated.claim,
            };
            past.extend(page.into_iter().map(of));
            start = next;
            if start.is_none() {
                past.reverse();
                return Ok(past);
            }
        }
    }

    /// The pages of a version of which no event tells, each hashed.
    async fn pages_of(&self, described: &Described) -> Result<Vec<(u64, ContentDigest)>, IntakeError> {
        let mut reader = self.session().reader_of(described.document, described.version).await?;
        let (mut pages, lengths) = (Vec::new(), reader.pages());
        for range in lengths {
            let (len, mut hasher) = (range.end.saturating_sub(range.start), ContentHasher::new());
            while hasher.len() < len {
                let Some(part) = reader.next().await? else { break };
                hasher.update(&part);
            }
            pages.push((len, ContentDigest::from_bytes(hasher.finish().blake3)));
        }
        Ok(pages)
    }
}

impl Collected {
    /// Whether nothing came between the reading of its parts.
    fn is_of_one_moment(&self) -> bool {
        let newest = self.past.last().is_some_and(|past| past.seq == self.file.seq());
        let mut rest = self.file.template().requirements().iter().filter_map(|rule| {
            let (document, current) = current(&self.file, rule.key())?;
            Some((self.stored.get(&document).map(|stored| stored.version), current.version))
        });
        newest && rest.all(|(stored, current)| stored == Some(current))
    }

    /// The manifest, without the hashes that only the contents tell.
    pub(super) async fn manifest(&self, desk: &Desk) -> Result<BundleManifest, IntakeError> {
        let (vault, template) = (desk.session().vault(), self.file.template());
        let at = vault.now();
        let status = self.file.status(at)?;
        let mut requirements = Vec::with_capacity(status.requirements.len());
        for (position, (rule, status)) in template.requirements().iter().zip(status.requirements).enumerate()
        {
            let state = self.file.state().requirement(rule.key().as_str());
            requirements.push(BundledRequirement {
                requirement: rule.key().clone(),
                title: rule.title().clone(),
                standing: status.standing,
                reason: status.reason,
                confidential: status.confidential,
                submissions: state.map_or(0, |state| state.submissions),
                imports: status.imports,
                set_aside: status.set_aside,
                document: self.document(desk, position, rule).await?,
                statements: self.statements(rule.key()),
            });
        }
        Ok(BundleManifest {
            format: FORMAT,
            vault: vault.id(),
            case: self.file.case(),
            at,
            record: self.file.seq(),
            opened: self.file.state().opened(),
            template: BundledTemplate {
                record: self.opening(),
                name: template.name().clone(),
                version: template.version(),
                hash: template.hash(),
            },
            completion: self.completion(),
            requirements,
            others: Vec::new(),
        })
    }

    /// The documents that are for no requirement, but for manifests of earlier deliveries.
    pub(super) fn others(&self) -> Vec<BundledOther> {
        let template = self.file.template();
        let of_requirements: Vec<DocumentId> = template
            .requirements()
            .iter()
            .filter_map(|rule| current(&self.file, rule.key()).map(|(document, _)| document))
            .collect();
        let others = self
            .stored
            .values()
            .filter(|one| !of_requirements.contains(&one.document) && one.name != HANDED_OVER);
        let other = |(number, one): (usize, &Described)| BundledOther {
            document: one.document,
            version: one.version,
            digest: one.digest,
            path: names::other(number, (&one.name, &one.media_type)),
            name: one.name.clone(),
            media_type: one.media_type.clone(),
            bytes: one.len,
        };
        others.enumerate().map(other).collect()
    }

    /// The record that opened the case: the first of its events.
    fn opening(&self) -> u64 {
        self.past.first().map_or(self.file.seq(), |past| past.seq)
    }

    fn completion(&self) -> Option<BundledCompletion> {
        self.file.state().completed()?;
        self.past.iter().rev().find_map(|past| match &past.event.change {
            Change::Completed(completion) => {
                Some(BundledCompletion { record: past.seq, completion: completion.clone() })
            }
            _ => None,
        })
    }

    async fn document(
        &self,
        desk: &Desk,
        position: usize,
        rule: &Requirement,
    ) -> Result<Option<BundledDocument>, IntakeError> {
        let Some((document, current)) = current(&self.file, rule.key()) else { return Ok(None) };
        // Of one moment with the case's file, it has each of its documents.
        let described = self.stored.get(&document).ok_or(IntakeError::Contended)?;
        let mut files = match self.submission(rule.key(), current.version) {
            Some(submission) => files_of(submission),
            None => {
                let pages = desk.pages_of(described).await?;
                pages.into_iter().map(|(bytes, digest)| file(&described.media_type, bytes, digest)).collect()
            }
        };
        for (number, file) in files.iter_mut().enumerate() {
            if file.name.is_empty() {
                let called = described.attributes.get(&format!("name.{}", number + 1));
                file.name.clone_from(called.unwrap_or(&described.name));
            }
            file.path = names::document(position, rule.key(), number, (&file.name, &file.media_type));
        }
        // An approval that a rejection took back says nothing any more, and no receipt shows its date.
        let valid_until = evidence::valid_until(&self.statements(rule.key()));
        let (version, digest) = (current.version, current.digest);
        Ok(Some(BundledDocument { document, version, digest, record: described.seq, valid_until, files }))
    }

    fn submission(&self, requirement: &Key, version: VersionId) -> Option<&Submission> {
        self.past.iter().rev().find_map(|past| match &past.event.change {
            Change::Submitted { requirement: of, submission } if of == requirement => {
                (submission.version == version).then_some(submission)
            }
            _ => None,
        })
    }

    /// What was stated about what is there, as the fold of §12.4 keeps it.
    fn statements(&self, requirement: &Key) -> Vec<BundledStatement> {
        let mut kept: Vec<BundledStatement> = Vec::new();
        for past in self.past.iter().filter(|past| past.event.change.requirement() == Some(requirement)) {
            match &past.event.change {
                Change::Rejected { .. } => kept.truncate(1),
                Change::AskedAgain { .. } => kept.clear(),
                _ => {}
            }
            let Some(says) = past.event.claimed() else { continue };
            match says.statement {
                ClaimedKind::Submitted | ClaimedKind::NewerVersionSeen => kept.clear(),
                // By what is no attestation nothing is attested.
                ClaimedKind::Attested => kept.retain(|one| one.says.attestation != says.attestation),
                ClaimedKind::Approved => {}
            }
            let of_deposit = matches!(says.origin, Some(Origin::Deposit { .. }));
            let deposit = of_deposit.then(|| super::hex(&past.claim));
            kept.push(BundledStatement { record: past.seq, says, deposit });
        }
        kept
    }
}

fn current<'a>(file: &'a CaseFile, requirement: &Key) -> Option<(DocumentId, &'a CurrentSubmission)> {
    let state = file.state().requirement(requirement.as_str())?;
    Some((state.document?, state.current.as_ref()?))
}

fn files_of(submission: &Submission) -> Vec<BundledFile> {
    let files = submission.files.iter().map(|one| file(&one.media_type, one.bytes, one.digest));
    let form = (!submission.form.is_empty()).then(|| {
        let page = submission.form.to_page();
        let bytes = u64::try_from(page.len()).unwrap_or(u64::MAX);
        BundledFile {
            name: names::FORM.0.to_owned(),
            ..file(names::FORM.1, bytes, ContentDigest::of(page.as_bytes()))
        }
    });
    files.chain(form).collect()
}

fn file(media_type: &str, bytes: u64, blake3: ContentDigest) -> BundledFile {
    let (path, name, media_type) = (String::new(), String::new(), media_type.to_owned());
    BundledFile { path, name, media_type, bytes, blake3, sha256: None }
}
