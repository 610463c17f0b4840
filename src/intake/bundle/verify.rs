//! Verifying a bundle with no vault, no key and no network (FORMAT §13.4).

use core::{fmt, ops::ControlFlow};
use std::{collections::BTreeMap, path::Path};

use super::{
    error::{BundleFault, Result},
    evidence,
    manifest::{BundleManifest, BundledFile, BundledStatement},
    names,
    readme::readme,
    records::{self, Line},
    source::Source,
};
use crate::{
    Checkpoint, ContentDigest, ContentHasher, Cosignature, TrustPolicy, VerifiedReceipt,
    intake::{
        Completion, Date, Language, Necessity, Template,
        case::{COMPLETED, OPENED, opened_claim},
    },
};

/// A bundle that holds: what is in it, and what is proven of it.
///
/// Proven, by a log that the policy believes, are the template; the documents' bytes and when they were stored; who handed in,
/// approved and attested them, and how they came, but for the answers that came by a link; and, if there is a completion, on what it rested. The rest of the manifest, names
/// and media types of files, counts, reasons, when the bundle was made, is as its issuer says, and so are the
/// records in `log.jsonl` for which there is no receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedBundle {
    /// What is in it.
    pub manifest: BundleManifest,
    /// What was asked for.
    pub template: Template,
    /// The head of the log that all its receipts are under.
    pub checkpoint: Checkpoint,
    /// The witnesses that cosigned this head.
    pub witnesses: Vec<Cosignature>,
    /// Receipts.
    pub receipts: usize,
    /// Files of documents.
    pub files: usize,
    /// Bytes of these files.
    pub bytes: u64,
}

/// Verifies a bundle that [`Desk::export_bundle`](crate::intake::Desk::export_bundle) wrote, a folder or a ZIP file, by
/// a policy: that every file is there and no other, that each is what the manifest and `SHA256SUMS` say, and that
/// the receipts prove what the manifest says of who did what. Nothing is unpacked, and no link is followed.
///
/// # Errors
///
/// [`BundleError`](super::BundleError): the first thing that is wrong, and where.
///
/// # Security
///
/// `policy` must be the verifier's own: the one in the bundle is its issuer's. A policy whose quorum is none
/// believes what the issuer's log says without anybody having watched it.
pub fn verify_bundle(path: impl AsRef<Path>, policy: &TrustPolicy) -> Result<VerifiedBundle> {
    verify(Source::open(path.as_ref())?, policy)
}

/// The same of what was found, wherever.
pub(super) fn verify(source: Source, policy: &TrustPolicy) -> Result<VerifiedBundle> {
    let mut bundle = Bundle::open(source)?;
    let manifest = BundleManifest::parse(&bundle.text(names::MANIFEST)?)?;
    bundle.check_names(&manifest)?;
    let template = bundle.template(&manifest)?;
    check_manifest(&manifest, &template)?;
    let (mut files, mut bytes) = (0usize, 0u64);
    for (_, _, document) in manifest.documents() {
        for file in &document.files {
            bundle.check_file(file)?;
            (files, bytes) = (files + 1, bytes.saturating_add(file.bytes));
        }
    }
    let lines = bundle.check_words(&manifest, &template)?;
    let proven = bundle.receipts(&manifest, policy)?;
    check_proven(&manifest, &template, &proven)?;
    check_lines(&lines, &manifest, &proven)?;
    let head = proven.get(names::OPENED).ok_or_else(|| BundleFault::Missing.at(names::OPENED))?;
    Ok(VerifiedBundle {
        checkpoint: head.checkpoint.clone(),
        witnesses: head.witnesses.clone(),
        receipts: proven.len(),
        manifest,
        template,
        files,
        bytes,
    })
}

struct Bundle {
    source: Source,
    sums: BTreeMap<String, String>,
}

impl Bundle {
    fn open(mut source: Source) -> Result<Self> {
        let sums = parse_sums(&source.whole(names::SUMS)?)
            .ok_or_else(|| BundleFault::Malformed("it is not what `sha256sum` writes").at(names::SUMS))?;
        Ok(Self { source, sums })
    }

    /// The files that are there, those that are listed, and those that the manifest makes necessary are the same.
    fn check_names(&self, manifest: &BundleManifest) -> Result<()> {
        let fixed =
            [names::LOG, names::LOG_TEXT, names::MANIFEST, names::POLICY, names::README, names::TEMPLATE];
        let mut expected: Vec<String> = fixed.into_iter().map(str::to_owned).collect();
        expected.extend(evidence::receipts(manifest).into_iter().map(|(path, _)| path));
        let documents = manifest.documents();
        expected.extend(documents.flat_map(|(.., one)| one.files.iter().map(|file| file.path.clone())));
        expected.sort();
        if let Some(missing) = expected.iter().find(|name| !self.source.names.contains(*name)) {
            return Err(BundleFault::Missing.at(missing));
        }
        let extra = |name: &&String| *name != names::SUMS && expected.binary_search(name).is_err();
        if let Some(extra) = self.source.names.iter().find(extra) {
            return Err(BundleFault::Extra.at(extra));
        }
        if self.sums.keys().ne(expected.iter()) {
            return Err(BundleFault::Malformed("it does not list every file once").at(names::SUMS));
        }
        Ok(())
    }

    /// A file that is no document.
    fn text(&mut self, name: &str) -> Result<Vec<u8>> {
        let content = self.source.whole(name)?;
        self.check_sum(name, &super::hex(&crate::sha256(&[&content])))?;
        Ok(content)
    }

    /// A file that must be this text, of which no more is read than that takes.
    fn check_text(&mut self, name: &str, text: &str, by: &'static str) -> Result<()> {
        let mut left = Some(text.as_bytes());
        self.source.read(name, &mut |piece| {
            left = left.and_then(|left| left.strip_prefix(piece));
            if left.is_some() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        if left != Some(&[]) {
            return Err(BundleFault::Altered(by).at(name));
        }
        self.check_sum(name, &super::hex(&crate::sha256(&[text.as_bytes()])))
    }

    fn check_sum(&self, name: &str, found: &str) -> Result<()> {
        match self.sums.get(name) {
            Some(listed) if listed == found => Ok(()),
            _ => Err(BundleFault::Altered(names::SUMS).at(name)),
        }
    }

    fn check_file(&mut self, file: &BundledFile) -> Result<()> {
        let mut hasher = ContentHasher::with_sha256();
        self.source.read(&file.path, &mut |piece| {
            hasher.update(piece);
            if hasher.len() <= file.bytes { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let found = hasher.finish();
        let sha256 = found.sha256.map(|sha256| super::hex(&sha256));
        self.check_sum(&file.path, sha256.as_deref().unwrap_or_default())?;
        if (found.len, &found.blake3, sha256) == (file.bytes, file.blake3.as_bytes(), file.sha256.clone()) {
            Ok(())
        } else {
            Err(BundleFault::Altered(names::MANIFEST).at(&file.path))
        }
    }

    fn template(&mut self, manifest: &BundleManifest) -> Result<Template> {
        let text = self.text(names::TEMPLATE)?;
        let malformed = |why| BundleFault::Malformed(why).at(names::TEMPLATE);
        let text = str::from_utf8(&text).map_err(|_| malformed("it is not UTF-8"))?;
        let template =
            Template::from_json(text).map_err(|error| BundleFault::Template(error).at(names::TEMPLATE))?;
        if template.to_canonical_json() != text {
            return Err(malformed("it is not in its canonical form"));
        }
        let told = &manifest.template;
        let ours =
            (&told.name, told.version, told.hash) == (template.name(), template.version(), template.hash());
        if ours { Ok(template) } else { Err(BundleFault::Altered(names::MANIFEST).at(names::TEMPLATE)) }
    }

    /// Every receipt, verified; all are under one head of the log of the manifest's vault.
    fn receipts(
        &mut self,
        manifest: &BundleManifest,
        policy: &TrustPolicy,
    ) -> Result<BTreeMap<String, VerifiedReceipt>> {
        let mut proven: BTreeMap<String, VerifiedReceipt> = BTreeMap::new();
        for (path, record) in evidence::receipts(manifest) {
            let text = self.text(&path)?;
            let receipt = evidence::verify(&text, policy, manifest.case, (&path, record))?;
            let head = proven.values().next().map_or(&receipt.checkpoint, |first| &first.checkpoint);
            let of_vault = receipt.checkpoint.origin() == format!("docvault/{}", manifest.vault);
            if *head != receipt.checkpoint || !of_vault {
                return Err(BundleFault::Claim.at(path));
            }
            proven.insert(path, receipt);
        }
        Ok(proven)
    }

    /// What is there for people says the same as what is verified; gives the records.
    fn check_words(&mut self, manifest: &BundleManifest, template: &Template) -> Result<Vec<Line>> {
        let lines = records::parse(&self.text(names::LOG)?, manifest.case)?;
        let expected = [
            (names::LOG_TEXT, records::text(&lines), names::LOG),
            (names::README, readme(manifest, template), names::MANIFEST),
        ];
        for (name, text, by) in expected {
            self.check_text(name, &text, by)?;
        }
        let policy = self.text(names::POLICY)?;
        let policy = str::from_utf8(&policy)
            .map_err(|_| BundleFault::Malformed("it is not UTF-8").at(names::POLICY))?;
        TrustPolicy::parse(policy).map_err(|error| BundleFault::Policy(error).at(names::POLICY))?;
        Ok(lines)
    }
}

/// What follows from the manifest and its template alone.
fn check_manifest(manifest: &BundleManifest, template: &Template) -> Result<()> {
    let inconsistent =
        |at: &str| BundleFault::Malformed("it contradicts itself").at(format!("{}: {at}", names::MANIFEST));
    if !manifest.others.is_empty() || manifest.requirements.len() != template.requirements().len() {
        return Err(inconsistent("requirements"));
    }
    let day = Date::at(manifest.at, template.utc_offset());
    for (requirement, rule) in manifest.requirements.iter().zip(template.requirements()) {
        let digest = requirement.document.as_ref().is_none_or(|document| {
            let files = document.files.iter().map(|file| file.blake3);
            ContentDigest::of_page_digests(files) == document.digest
        });
        if !digest || !evidence::is_consistent(requirement, rule, day) {
            return Err(inconsistent(rule.key().as_str()));
        }
    }
    if manifest.completion.as_ref().is_some_and(|one| !rests_on(&one.completion, manifest, template)) {
        return Err(inconsistent("completion"));
    }
    Ok(())
}

/// Whether what a completion rests on is in the bundle: those versions, approved and attested, in the template's order,
/// and among them what the template requires whatever is answered.
fn rests_on(completion: &Completion, manifest: &BundleManifest, template: &Template) -> bool {
    let mut documents = manifest.documents();
    let mut always = template.requirements().iter().filter(|one| one.necessity() == Necessity::Always);
    always.all(|rule| completion.approved.iter().any(|approved| approved.requirement == *rule.key()))
        && completion.template == manifest.template.hash
        && completion.approved.iter().all(|approved| {
            documents.any(|(_, requirement, document)| {
                requirement.requirement == approved.requirement
                    && (document.version, document.digest) == (approved.version, approved.digest)
                    && evidence::was_approved(requirement)
                    && evidence::was_attested(requirement, template)
            })
        })
}

/// What the receipts must prove.
fn check_proven(
    manifest: &BundleManifest,
    template: &Template,
    proven: &BTreeMap<String, VerifiedReceipt>,
) -> Result<()> {
    let check = |path: String, holds: &dyn Fn(&VerifiedReceipt) -> bool| match proven.get(&path) {
        Some(receipt) if holds(receipt) => Ok(()),
        _ => Err(BundleFault::Claim.at(path)),
    };
    // Or a rule could be taken out of the template, and with it how many must approve.
    let opened = opened_claim(manifest.opened, manifest.template.hash);
    check(names::OPENED.to_owned(), &|receipt| evidence::proves_claim(receipt, opened.as_bytes()))?;
    for (at, requirement, document) in manifest.documents() {
        let key = &requirement.requirement;
        let rule = template.requirement(key.as_str());
        check(names::stored(at, key), &|receipt| evidence::proves_version(receipt, document))?;
        for (number, stated) in requirement.statements.iter().enumerate() {
            let path = names::statement(at, key, number, stated.says.statement);
            check(path, &|receipt| {
                rule.is_some_and(|rule| {
                    evidence::proves_statement(receipt, stated, document, (manifest, rule))
                })
            })?;
        }
    }
    let Some(stated) = &manifest.completion else { return Ok(()) };
    check(names::COMPLETE.to_owned(), &|receipt| {
        evidence::proves_claim(receipt, stated.completion.claim().as_bytes())
    })
}

/// Every record that is proven is among the lines, which say of each statement what the manifest says.
fn check_lines(
    lines: &[Line],
    manifest: &BundleManifest,
    proven: &BTreeMap<String, VerifiedReceipt>,
) -> Result<()> {
    let by_number: BTreeMap<u64, &Line> = lines.iter().map(|line| (line.seq, line)).collect();
    let line_of = |record: &u64| by_number.get(record).copied();
    let unlisted =
        proven.iter().find(|(_, receipt)| !line_of(&receipt.record).is_some_and(|line| line.is_of(receipt)));
    if let Some((path, _)) = unlisted {
        return Err(BundleFault::Altered(names::LOG).at(path));
    }
    let completed = manifest.completion.iter().map(|stated| (names::COMPLETE, stated.record, COMPLETED));
    for (path, record, topic) in completed.chain([(names::OPENED, manifest.template.record, OPENED)]) {
        if !line_of(&record).is_some_and(|line| line.is_on(topic)) {
            return Err(BundleFault::Altered(names::LOG).at(path));
        }
    }
    for (at, requirement, _) in manifest.documents() {
        for (number, BundledStatement { record, says, .. }) in requirement.statements.iter().enumerate() {
            if !line_of(record).is_some_and(|line| line.states(says)) {
                let path = names::statement(at, &requirement.requirement, number, says.statement);
                return Err(BundleFault::Altered(names::LOG).at(path));
            }
        }
    }
    Ok(())
}

/// The sums by name: ascending, as they are written here.
pub(super) fn parse_sums(text: &[u8]) -> Option<BTreeMap<String, String>> {
    let text = str::from_utf8(text).ok()?;
    let line = |line: &str| line.split_once("  ").map(|(sum, name)| (name.to_owned(), sum.to_owned()));
    let sums: BTreeMap<String, String> = text.lines().map(line).collect::<Option<_>>()?;
    let written: String = sums.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect();
    (written == text).then_some(sums)
}

impl fmt::Display for VerifiedBundle {
    /// A few lines of English. What the application wrote is quoted and escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { manifest, template, .. } = self;
        let title = template.title().get(Language::EN, template.language());
        writeln!(f, "Case {}: {title:?}.", manifest.case)?;
        match &manifest.completion {
            None => writeln!(f, "It was not stated to be complete.")?,
            Some(stated) => writeln!(
                f,
                "It was stated to be complete at {}, on {} approved documents: record {}.",
                stated.completion.at,
                stated.completion.approved.len(),
                stated.record
            )?,
        }
        writeln!(
            f,
            "{} files, {} bytes, {} receipts: all of them hold.",
            self.files, self.bytes, self.receipts
        )?;
        writeln!(
            f,
            "The log {:?} has signed that it held {} records.",
            self.checkpoint.origin(),
            self.checkpoint.size()
        )?;
        if self.witnesses.is_empty() {
            return writeln!(f, "No witness is asked for: others may have been shown another log.");
        }
        self.witnesses.iter().try_for_each(|cosignature| writeln!(f, "{cosignature}"))
    }
}
