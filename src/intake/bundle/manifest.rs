//! What a bundle says is in it (FORMAT §13.1).

use serde::{Deserialize, Serialize};

use super::{
    error::{BundleFault, Result},
    names,
};
use crate::{
    CaseId, ContentDigest, DocumentId, Timestamp, VaultId, VersionId,
    intake::{Claimed, Completion, Date, Key, Standing, TemplateHash, Text},
};

/// What a bundle holds, in the order of the case's template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BundleManifest {
    /// 1.
    pub format: u32,
    /// The vault.
    pub vault: VaultId,
    /// The case, by its random id: nobody's name.
    pub case: CaseId,
    /// When the bundle was made.
    pub at: Timestamp,
    /// The record of the case's newest event then.
    pub record: u64,
    /// When the case was opened.
    pub opened: Timestamp,
    /// What was asked for.
    pub template: BundledTemplate,
    /// That the case was complete, if that stood then.
    pub completion: Option<BundledCompletion>,
    /// Every requirement of the template.
    pub requirements: Vec<BundledRequirement>,
    /// Documents of the case that are for no requirement; in what is handed over alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<BundledOther>,
}

/// Which template a case was opened with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BundledTemplate {
    /// The record that states it, and that the case was opened.
    pub record: u64,
    /// Its name.
    pub name: Key,
    /// Its version.
    pub version: u32,
    /// Its hash.
    pub hash: TemplateHash,
}

/// That a case was complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BundledCompletion {
    /// The record that states it.
    pub record: u64,
    /// On what it rested.
    pub completion: Completion,
}

/// A requirement, and what is there for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BundledRequirement {
    /// The requirement.
    pub requirement: Key,
    /// What it is called.
    pub title: Text,
    /// How it stood.
    pub standing: Standing,
    /// Why it was rejected or asked for anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether only its reviewers may open it.
    pub confidential: bool,
    /// Submissions taken into the case, ever.
    pub submissions: u32,
    /// Those among them that came from outside.
    pub imports: u32,
    /// Submissions quarantined or refused.
    pub set_aside: u32,
    /// What is there.
    pub document: Option<BundledDocument>,
    /// That it was handed in; then what was approved and attested about it, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<BundledStatement>,
}

/// The version that a requirement rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BundledDocument {
    /// The document.
    pub document: DocumentId,
    /// The version.
    pub version: VersionId,
    /// Its digest, over the digests of its files.
    pub digest: ContentDigest,
    /// The record that stored it.
    pub record: u64,
    /// Its last day of validity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Date>,
    /// Its files in order; a form comes last, as JSON.
    pub files: Vec<BundledFile>,
}

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BundledFile {
    /// Where it is in the bundle.
    pub path: String,
    /// What it was called.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its length.
    pub bytes: u64,
    /// Its BLAKE3 hash: `b3sum` gives the same.
    pub blake3: ContentDigest,
    /// Its SHA-256 (FIPS 180-4), in hexadecimal; not in what is handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl BundledFile {
    pub(super) fn is_form(&self) -> bool {
        (self.name.as_str(), self.media_type.as_str()) == names::FORM
    }
}

/// A statement about a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BundledStatement {
    /// The record that states it.
    pub record: u64,
    /// What it says.
    pub says: Claimed,
    /// Of a deposit, what the record claims instead (FORMAT §11.4), in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deposit: Option<String>,
}

/// A document of the case that is for no requirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BundledOther {
    /// The document.
    pub document: DocumentId,
    /// The version.
    pub version: VersionId,
    /// Its digest.
    pub digest: ContentDigest,
    /// Its content, all pages in one file; the BLAKE3 hash is that of the version.
    pub path: String,
    /// What it is called.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its length.
    pub bytes: u64,
}

impl BundleManifest {
    /// The manifest as the file of a bundle: JSON, indented by two spaces, a newline at its end.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("structs of texts are JSON");
        json.push('\n');
        json
    }

    /// Reads a manifest that is written exactly as [`BundleManifest::to_json`] does, with paths as this crate
    /// gives them.
    ///
    /// # Errors
    ///
    /// [`BundleFault::Malformed`].
    pub fn parse(json: &[u8]) -> Result<Self> {
        let malformed = |why| BundleFault::Malformed(why).at(names::MANIFEST);
        let manifest: Self =
            serde_json::from_slice(json).map_err(|_| malformed("it is no manifest of this format"))?;
        if manifest.format != FORMAT || manifest.to_json().as_bytes() != json {
            return Err(malformed("it is written otherwise than manifests are"));
        }
        if !manifest.paths_are_ours() {
            return Err(malformed("a path is not the one that its file must have"));
        }
        Ok(manifest)
    }

    /// Every requirement's document, with its position.
    pub(super) fn documents(&self) -> impl Iterator<Item = (usize, &BundledRequirement, &BundledDocument)> {
        let requirements = self.requirements.iter().enumerate();
        requirements.filter_map(|(at, requirement)| Some((at, requirement, requirement.document.as_ref()?)))
    }

    /// A path follows from where its file stands and what it is called, so it leads nowhere else (A21); and a version has so
    /// many pages at most.
    fn paths_are_ours(&self) -> bool {
        let of_requirements = self.documents().all(|(at, requirement, document)| {
            document.files.len() <= PAGES
                && document.files.iter().enumerate().all(|(number, file)| {
                    file.path
                        == names::document(
                            at,
                            &requirement.requirement,
                            number,
                            (&file.name, &file.media_type),
                        )
                })
        });
        let of_others = self
            .others
            .iter()
            .enumerate()
            .all(|(number, other)| other.path == names::other(number, (&other.name, &other.media_type)));
        of_requirements && of_others
    }
}

pub(super) const FORMAT: u32 = 1;
/// Pages of a version, at most (FORMAT §1).
const PAGES: usize = 1024;
