//! The plain form: a folder or a ZIP file with everything an authority needs (FORMAT §13.2).

use std::path::Path;

use super::{
    collect::Collected,
    error::BundleFault,
    manifest::{BundleManifest, BundledDocument},
    names,
    package::Package,
    readme::readme,
    records::{self, Line},
};
use crate::{
    CaseId, RecordFilter, TrustPolicy,
    intake::{Desk, IntakeError},
};

type Result<T, E = IntakeError> = core::result::Result<T, E>;

impl Desk {
    /// Writes a case to `out`, plain, with all evidence under the checkpoint `note`: one ZIP file if the name
    /// ends in `.zip`, else a folder. [`verify_bundle`](super::verify_bundle) checks it with no vault and no key.
    ///
    /// It holds what each requirement rests on, whatever was decided on it; older versions, comments and
    /// contacts are left out. Every document read and every receipt made is on record. The vault's log is read
    /// from its beginning, for the case's records.
    ///
    /// [`Audit::checkpoint`](crate::Audit::checkpoint) gives the note, after the case's last event; have it
    /// cosigned by the witnesses that the authority trusts. `out` is written to from the executor's thread.
    ///
    /// # Errors
    ///
    /// [`Refusal::Confidential`](crate::intake::Refusal::Confidential) if something may not be read by the desk's
    /// actor; [`IntakeError::Bundle`] if `out` exists or cannot be written; invalid if `note` does not reach to
    /// the case's last event; as [`Desk::case`] and [`Session::receipt`](crate::Session::receipt).
    ///
    /// # Security
    ///
    /// What it writes is sealed by nothing: it is as secret as the documents. Receipts show when things were done, and
    /// the manifest and the log's lines, by whom, by the application's own ids.
    ///
    /// # Cancellation
    ///
    /// Nothing is left at `out`; a process that dies may leave `out.unfinished`. What was read is on record.
    pub async fn export_bundle(&self, case: CaseId, note: &str, out: &Path) -> Result<BundleManifest> {
        let collected = self.collect(case).await?;
        let mut manifest = collected.manifest(self).await?;
        let mut package = Package::create(out)?;
        self.write_documents(&mut manifest, &mut package).await?;
        self.write_receipts(&manifest, note, &mut package).await?;
        package.write(names::POLICY, self.policy().await?.to_string().as_bytes())?;
        self.write_log(case, &mut package).await?;
        write_words(&collected, &manifest, &mut package)?;
        package.finish()?;
        Ok(manifest)
    }

    async fn write_documents(&self, manifest: &mut BundleManifest, package: &mut Package) -> Result<()> {
        for requirement in &mut manifest.requirements {
            if let Some(document) = &mut requirement.document {
                self.write_document(document, package).await?;
            }
        }
        Ok(())
    }

    /// Writes a version's pages, each as a file, and notes their SHA-256.
    async fn write_document(&self, document: &mut BundledDocument, package: &mut Package) -> Result<()> {
        let mut reader = self.session().reader_of(document.document, document.version).await?;
        for file in &mut document.files {
            let (mut entry, mut left) = (package.file(&file.path)?, file.bytes);
            while left > 0 {
                let Some(part) = reader.next().await? else { break };
                entry.write(&part)?;
                left = left.saturating_sub(u64::try_from(part.len()).unwrap_or(u64::MAX));
            }
            let written = entry.end()?;
            if (written.bytes, written.blake3) != (file.bytes, file.blake3) {
                return Err(BundleFault::Altered("the case").at(&file.path).into());
            }
            file.sha256 = Some(written.sha256);
        }
        // What is left is padding, which is checked like the rest.
        while let Some(part) = reader.next().await? {
            if !part.is_empty() {
                return Err(BundleFault::Altered("the case").at(document.document.to_string()).into());
            }
        }
        Ok(())
    }

    async fn write_receipts(
        &self,
        manifest: &BundleManifest,
        note: &str,
        package: &mut Package,
    ) -> Result<()> {
        for (path, record) in super::evidence::receipts(manifest) {
            let receipt = self.session().receipt(record, note).await?;
            package.write(&path, receipt.to_string().as_bytes())?;
        }
        Ok(())
    }

    /// The keys that the log has signed with; witnesses are for whoever relies on it to choose.
    async fn policy(&self) -> Result<TrustPolicy> {
        let log = self.session().vault().audit().log().await?;
        let keys: String = log.verifier_keys().await?.iter().map(|key| format!("log {key}\n")).collect();
        let policy = TrustPolicy::parse(&format!("{keys}quorum none\n"));
        policy.map_err(|error| BundleFault::Policy(error).at(names::POLICY).into())
    }

    async fn write_log(&self, case: CaseId, package: &mut Package) -> Result<()> {
        let found = self.session().auditor().records(&RecordFilter::all().case(case)).await?;
        let lines: Vec<Line> = found.into_iter().map(Line::of).collect();
        package.write(names::LOG, records::jsonl(&lines).as_bytes())?;
        package.write(names::LOG_TEXT, records::text(&lines).as_bytes())?;
        Ok(())
    }
}

fn write_words(collected: &Collected, manifest: &BundleManifest, package: &mut Package) -> Result<()> {
    let template = collected.file.template();
    package.write(names::TEMPLATE, template.to_canonical_json().as_bytes())?;
    package.write(names::README, readme(manifest, template).as_bytes())?;
    package.write(names::MANIFEST, manifest.to_json().as_bytes())?;
    let sums = package.sums();
    package.write(names::SUMS, sums.as_bytes())?;
    Ok(())
}
