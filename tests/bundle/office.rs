//! A case that is complete, and bundles of it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use docvault::{CaseId, Identity, Recipient, intake::*};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{common, intake::*};

pub(crate) const TEMPLATE: &str = r#"
    format = 1
    name = "loan"
    version = 3
    language = "es"
    title = { es = "Crédito", en = "Loan" }

    [[requirements]]
    key = "id"
    title = { es = "Identificación", en = "Identification" }
    files = { media_types = ["image/jpeg"], max_bytes = 4_000_000, sides = [{ es = "Frente" }, { es = "Reverso" }] }
    fields = [{ key = "number", type = "text", title = { es = "Número" } }]
    attestations = ["compared_with_original"]
    two_person = true
    expires = true

    [[requirements]]
    key = "statement"
    title = { es = "Estado de cuenta" }
    files = { media_types = ["application/pdf"], max_bytes = 4_000_000 }
    confidential = true

    [[requirements]]
    key = "other"
    title = { es = "Otros" }
    files = { media_types = ["application/pdf"], max_bytes = 4_000_000 }
    required = false
"#;

/// One requirement, one small file.
pub(crate) const SMALL: &str = r#"
    format = 1
    name = "small"
    version = 1
    language = "en"
    title = { en = "Small" }

    [[requirements]]
    key = "note"
    title = { en = "Note" }
    files = { media_types = ["text/plain"], max_bytes = 100 }
"#;

pub(crate) struct Office {
    pub(crate) intake: Intake,
    pub(crate) executive: Desk,
    pub(crate) reviewers: [Desk; 2],
    pub(crate) case: CaseId,
    pub(crate) folder: TempDir,
}

pub(crate) fn key(text: &str) -> Key {
    text.parse().unwrap()
}

pub(crate) fn photograph(seed: u64) -> Vec<u8> {
    [&[0xff, 0xd8, 0xff, 0xe0][..], &content(seed, 70_000)].concat()
}

pub(crate) fn pdf(seed: u64) -> Vec<u8> {
    [&b"%PDF-1.7\n"[..], &content(seed, 1_000)].concat()
}

impl Office {
    pub(crate) async fn open(template: &str) -> Self {
        Self::of(Intake::new().await, template).await
    }

    /// In a vault of somebody else's.
    pub(crate) async fn of(intake: Intake, template: &str) -> Self {
        let session = |actor: &str| intake.vault.session(actor).purpose("loans").begin().unwrap();
        let executive = Desk::new(session("user:1"));
        let reviewers = ["user:2", "user:3"].map(|actor| Desk::new(session(actor)).role(key("reviewer")));
        let template = Template::from_toml(template).unwrap();
        let case = executive.open_case("Juan Pérez", &template, Opening::new("client:42")).await.unwrap();
        Self { intake, executive, reviewers, case, folder: tempfile::tempdir().unwrap() }
    }

    /// A complete case: two sides and a form, approved by two and compared; a statement that came by messenger.
    pub(crate) async fn complete() -> Self {
        let office = Self::open(TEMPLATE).await;
        let [first, second] = &office.reviewers;
        let sides =
            [1, 2].map(|seed| NewFile::from_memory("../INE lado.jpg", "image/jpeg", photograph(seed)));
        let [front, back] = sides;
        let id = NewSubmission::on_behalf("client:42")
            .file(front)
            .file(back)
            .form(Form::new().with(key("number"), "IDMEX1234"))
            .valid_until("2090-12-31".parse().unwrap());
        let id = office.executive.submit(office.case, &key("id"), id).await.unwrap().accepted().unwrap();
        first.act(office.case, id.approve()).await.unwrap();
        second.act(office.case, id.approve()).await.unwrap();
        let compared = Command::Attest {
            requirement: key("id"),
            version: id.version,
            digest: id.digest,
            attestation: "compared_with_original".parse().unwrap(),
        };
        second.act(office.case, compared).await.unwrap();
        let received_at = office.intake.vault.now();
        let statement = NewSubmission::import_external(key("whatsapp"), received_at, "user:1")
            .file(NewFile::from_memory("estado.pdf", "application/pdf", pdf(3)));
        let statement = office.executive.submit(office.case, &key("statement"), statement).await.unwrap();
        first.act(office.case, statement.accepted().unwrap().approve()).await.unwrap();
        first.act(office.case, Command::Complete).await.unwrap();
        office
    }

    /// A complete case of one small file.
    pub(crate) async fn small() -> Self {
        Self::open(SMALL).await.with_note().await
    }

    /// One small file is handed in and approved, and the case completed.
    pub(crate) async fn with_note(self) -> Self {
        let office = self;
        let note = NewSubmission::direct().file(NewFile::from_memory("note.txt", "text/plain", "A note."));
        let note =
            office.executive.submit(office.case, &key("note"), note).await.unwrap().accepted().unwrap();
        office.reviewers[0].act(office.case, note.approve()).await.unwrap();
        office.reviewers[0].act(office.case, Command::Complete).await.unwrap();
        office
    }

    pub(crate) async fn export(&self, name: &str) -> (PathBuf, BundleManifest) {
        let (out, note) = (self.path(name), self.intake.vault.audit().checkpoint().await.unwrap());
        let manifest = self.reviewers[0].export_bundle(self.case, &note, &out).await.unwrap();
        (out, manifest)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    #[track_caller]
    pub(crate) fn refused(&self, bundle: &Path) -> BundleError {
        verify_bundle(bundle, &self.intake.policy).expect_err("it holds")
    }
}

pub(crate) fn notary() -> (Identity, Recipient, TempDir) {
    let (notary, folder) = common::identity();
    let fingerprint = notary.fingerprint().to_string();
    let recipient = Recipient::verify(&notary.recipient_bytes(), &fingerprint).unwrap();
    (notary, recipient, folder)
}

/// Every file below a folder.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

/// Makes the sums right again, as somebody who forges would.
pub(crate) fn sum_again(folder: &Path) {
    let mut sums = String::new();
    for (name, content) in files(folder).into_iter().filter(|(name, _)| name != "SHA256SUMS") {
        let sum: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
        sums += &format!("{sum}  {name}\n");
    }
    fs::write(folder.join("SHA256SUMS"), sums).unwrap();
}
