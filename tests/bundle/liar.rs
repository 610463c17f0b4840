//! An office that lies: it has the vault, every key and the log, puts on record what it likes, and writes bundles by FORMAT §13
//! alone. Whatever follows from something else is what follows, so that a bundle is sound but for the lie.

use std::{collections::BTreeMap, fs, path::PathBuf};

use docvault::{AuditRecord, CaseId, ContentDigest, NewStatement, RecordFilter, intake::*};
use sha2::{Digest, Sha256};

use crate::office::*;

/// What is said, and how that is made of the truth; and what of something else is taken for it.
pub(crate) type Lying<T> = (&'static str, fn(&mut T));
pub(crate) type LyingOf<T, U> = (&'static str, fn(&mut T, &U));

/// What is done to the records before lines are made of them.
type Amend = dyn Fn(&mut Vec<AuditRecord>) + Send + Sync;

/// A bundle in the making; what is not altered is true.
pub(crate) struct Lie<'a> {
    office: &'a Office,
    pub(crate) manifest: BundleManifest,
    pub(crate) template: String,
    /// The files of documents.
    contents: BTreeMap<String, Vec<u8>>,
    amend: Box<Amend>,
}

impl<'a> Lie<'a> {
    /// Begins with the truth.
    pub(crate) async fn begin(office: &'a Office) -> Self {
        let (bundle, manifest) = office.export("truth").await;
        let template = fs::read_to_string(bundle.join("template.json")).unwrap();
        let contents =
            files(&bundle).into_iter().filter(|(name, _)| name.starts_with("documents/")).collect();
        fs::remove_dir_all(bundle).unwrap();
        Self { office, manifest, template, contents, amend: Box::new(|_| {}) }
    }

    /// Has the log's lines say something else.
    pub(crate) fn amend(&mut self, amend: impl Fn(&mut Vec<AuditRecord>) + Send + Sync + 'static) {
        self.amend = Box::new(amend);
    }

    /// The first requirement.
    pub(crate) fn first(&mut self) -> &mut BundledRequirement {
        &mut self.manifest.requirements[0]
    }

    /// The document of the first requirement.
    pub(crate) fn document(&mut self) -> &mut BundledDocument {
        self.first().document.as_mut().unwrap()
    }

    /// Exchanges a file of the first requirement's document.
    pub(crate) fn replace(&mut self, number: usize, content: &[u8]) {
        let document = self.document();
        let file = &mut document.files[number];
        (file.bytes, file.blake3) = (content.len() as u64, ContentDigest::of(content));
        file.sha256 = Some(hex(&Sha256::digest(content)));
        let path = file.path.clone();
        document.digest = ContentDigest::of_page_digests(document.files.iter().map(|file| file.blake3));
        self.contents.insert(path, content.to_vec());
    }

    /// Gives a file of the first requirement's document another name.
    pub(crate) fn rename(&mut self, number: usize, name: &str, path: &str) {
        let file = &mut self.document().files[number];
        let before = core::mem::replace(&mut file.path, path.to_owned());
        name.clone_into(&mut file.name);
        let content = self.contents.remove(&before).unwrap();
        self.contents.insert(path.to_owned(), content);
    }

    /// Puts a claim on record, in the name of whoever is to have made it; gives the record.
    pub(crate) async fn claim(&self, case: CaseId, (by, topic): (&str, &str), claim: Vec<u8>) -> u64 {
        let session = self.office.intake.vault.session(by).purpose("loans").begin().unwrap();
        session.make_statement(case, NewStatement::forged(topic).claim(claim)).await.unwrap().seq
    }

    /// Puts on record what the manifest is to say.
    pub(crate) async fn state(&self, stated: &mut BundledStatement) {
        let (says, topic) = (&stated.says, format!("intake.{}", word(stated.says.statement)));
        let claim = stated.deposit.as_deref().map_or_else(|| says.to_json().into_bytes(), unhex);
        stated.record = self.claim(self.office.case, (&says.by, &topic), claim).await;
    }

    /// Puts everything on record anew that was stated about the first requirement, as the manifest says it now.
    pub(crate) async fn state_all(&mut self) {
        let document = self.document();
        let (version, digest) = (document.version, document.digest);
        let mut statements = core::mem::take(&mut self.first().statements);
        for stated in &mut statements {
            (stated.says.version, stated.says.digest) = (version, digest);
            self.state(stated).await;
        }
        self.first().statements = statements;
    }

    /// Puts a completion on record, and in the manifest.
    pub(crate) async fn complete(&mut self, completion: Completion) {
        let of = (self.office.case, ("user:2", "intake.completed"), completion.claim().into_bytes());
        let record = self.claim(of.0, of.1, of.2).await;
        let stated = self.manifest.completion.as_mut().unwrap();
        (stated.record, stated.completion) = (record, completion);
    }

    /// Writes the bundle, under the log as it is.
    pub(crate) async fn tell(&self) -> PathBuf {
        let bundle = self.office.path("lie");
        fs::remove_dir_all(&bundle).ok();
        let records = self.records().await;
        let lines = records.iter().map(|record| serde_json::to_string(record).unwrap() + "\n");
        let texts = [
            ("log.jsonl", lines.collect()),
            ("log.txt", records.iter().map(line).collect()),
            ("manifest.json", self.manifest.to_json()),
            ("policy.txt", self.office.intake.policy.to_string()),
            ("README.txt", format!("{}\n\n{}", self.readme(&SPANISH), self.readme(&ENGLISH))),
            ("template.json", self.template.clone()),
        ];
        let texts = texts.map(|(name, text)| (name.to_owned(), text.into_bytes()));
        for (name, content) in self.contents.clone().into_iter().chain(texts).chain(self.receipts().await) {
            fs::create_dir_all(bundle.join(&name).parent().unwrap()).unwrap();
            fs::write(bundle.join(name), content).unwrap();
        }
        sum_again(&bundle);
        bundle
    }

    /// Why the lie is refused.
    pub(crate) async fn refused(&self, what: &str) -> BundleError {
        verify_bundle(self.tell().await, &self.office.intake.policy).expect_err(what)
    }

    async fn records(&self) -> Vec<AuditRecord> {
        let auditor = self.office.intake.vault.session("auditor:1").purpose("review").auditor().unwrap();
        let mut records = auditor.records(&RecordFilter::all().case(self.office.case)).await.unwrap();
        (self.amend)(&mut records);
        records
    }

    async fn receipts(&self) -> Vec<(String, Vec<u8>)> {
        let note = self.office.intake.vault.audit().checkpoint().await.unwrap();
        let session = self.office.reviewers[0].session();
        let mut receipts = Vec::new();
        for (name, record) in names(&self.manifest) {
            let receipt = session.receipt(record, &note).await.unwrap().to_string();
            receipts.push((format!("receipts/{name}.receipt"), receipt.into_bytes()));
        }
        receipts
    }

    fn readme(&self, words: &Words) -> String {
        let (manifest, template) = (&self.manifest, Template::from_json(&self.template).unwrap());
        let title = template.title().get(words.language, template.language());
        let complete = manifest.completion.as_ref();
        let state = complete.map_or(words.not_complete.to_owned(), |stated| {
            format!("{} {}", words.complete, stated.completion.at)
        });
        let [case, is, made] = words.labels;
        let mut text =
            format!("{title}\n{}\n\n{case}: {}\n", "=".repeat(title.chars().count()), manifest.case);
        text += &format!("{is}: {state}\n{made}: {}\n\n", manifest.at);
        for (number, one) in (1..).zip(&manifest.requirements) {
            let title = one.title.get(words.language, template.language());
            let standing = words.standings[one.standing as usize];
            let files = one.document.as_ref().map_or(0, |document| document.files.len());
            text += &format!("{number:>4}. {title}: {standing}, {files} {}\n", words.files);
        }
        text + "\n" + words.how
    }
}

/// What is said there is not what this receipt proves.
#[track_caller]
pub(crate) fn is_unproven(refused: &BundleError, at: &str, what: &str) {
    assert!(matches!(refused.what, BundleFault::Claim) && refused.at == at, "{what}: {refused}");
}

/// The manifest contradicts itself, there.
#[track_caller]
pub(crate) fn is_contradiction(refused: &BundleError, at: &str, what: &str) {
    let malformed = matches!(refused.what, BundleFault::Malformed("it contradicts itself"));
    assert!(malformed && refused.at == format!("manifest.json: {at}"), "{what}: {refused}");
}

/// Every receipt, and the record that it is for.
fn names(manifest: &BundleManifest) -> Vec<(String, u64)> {
    let mut names = vec![("opened".to_owned(), manifest.template.record)];
    names.extend(manifest.completion.iter().map(|stated| ("complete".to_owned(), stated.record)));
    for (at, one) in (1..).zip(&manifest.requirements) {
        let Some(document) = &one.document else { continue };
        let of = format!("{at:02}-{}", one.requirement);
        names.push((format!("{of}.stored"), document.record));
        names.extend((1..).zip(&one.statements).map(|(number, stated)| {
            (format!("{of}.{number:02}-{}", word(stated.says.statement)), stated.record)
        }));
    }
    names
}

/// What a receipt is called for such a statement, and its topic.
fn word(kind: ClaimedKind) -> String {
    serde_json::to_value(kind).unwrap().as_str().unwrap().replace('_', "-")
}

/// A record for people; nobody here is called anything that has to be escaped.
fn line(record: &AuditRecord) -> String {
    let AuditRecord { seq, time, kind, actor, purpose, .. } = record;
    let topic = record.topic.as_ref().map(|topic| format!(" ({topic})")).unwrap_or_default();
    let document = record.document.map(|document| format!(" of document {document}")).unwrap_or_default();
    format!("{time}  record {seq}: {kind:?}{topic}{document}, by {actor:?}, for {purpose:?}\n")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The words of `README.txt` in a language.
struct Words {
    language: Language,
    labels: [&'static str; 3],
    complete: &'static str,
    not_complete: &'static str,
    files: &'static str,
    /// In the order of [`Standing`].
    standings: [&'static str; 5],
    how: &'static str,
}

const SPANISH: Words = Words {
    language: Language::ES,
    labels: ["Expediente", "Estado", "Elaborado"],
    complete: "completo desde",
    not_complete: "no está completo",
    files: "archivo(s)",
    standings: ["aprobado", "vencido", "no está", "rechazado", "en revisión"],
    how: include_str!("../../src/intake/bundle/readme.es.txt"),
};

const ENGLISH: Words = Words {
    language: Language::EN,
    labels: ["Case", "State", "Made"],
    complete: "complete at",
    not_complete: "not complete",
    files: "file(s)",
    standings: ["approved", "expired", "not there", "rejected", "under review"],
    how: include_str!("../../src/intake/bundle/readme.en.txt"),
};
