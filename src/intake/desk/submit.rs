//! Handing in: inspected, stored as a version, and stated, the last two together or not at all.

use super::{
    CaseFile, ClaimedContent, Desk, IntakeError, Result, TRIES,
    inspect::{Examined, Inspection},
    stating,
    submission::{AcceptedSubmission, NewSubmission, Submitted},
};
use crate::{
    CaseId, ContentDigest, DocumentId, ErrorKind, NewDocument, SealedUpload, VersionId, deposit,
    intake::{Command, Key, Refusal, Requirement, Submission, Verdict},
};

/// What a statement about a deposit claims, by its verdict.
pub(super) type Claims<'a> = &'a (dyn Fn(deposit::Verdict) -> Result<ClaimedContent> + Send + Sync);

/// What is handed in, looked at.
struct HandedIn<'a> {
    requirement: &'a Key,
    said: &'a NewSubmission,
    files: Vec<Examined>,
    /// There if it is a deposit.
    claims: Option<Claims<'a>>,
}

impl HandedIn<'_> {
    /// Whether a refusal is one of a deposit for what it is, which is put on record: it was promised, so it is answered.
    fn is_objection(&self, refusal: &Refusal) -> bool {
        self.claims.is_some() && !refusal.is_about_the_request()
    }

    /// What the version's digest will be.
    fn digest(&self) -> ContentDigest {
        let form = &self.said.form;
        let form = (!form.is_empty()).then(|| ContentDigest::of(form.to_page().as_bytes()));
        ContentDigest::of_page_digests(self.files.iter().map(|examined| examined.digest).chain(form))
    }

    /// The command that hands in this version, whose files have these lengths and digests.
    fn submit(
        &self,
        document: DocumentId,
        version: VersionId,
        digest: ContentDigest,
        pages: impl IntoIterator<Item = (u64, ContentDigest)>,
    ) -> Command {
        let mut new = Submission::new(document, version, digest, self.said.origin.clone());
        for (examined, (bytes, digest)) in self.files.iter().zip(pages) {
            new = new.file(examined.media_type(), bytes, digest);
        }
        new = new.form(self.said.form.clone());
        (new.issued, new.valid_until) = (self.said.issued, self.said.valid_until);
        Command::Submit { requirement: self.requirement.clone(), submission: new }
    }
}

/// Why a submission is not taken in.
struct Objection {
    verdict: Verdict,
    reason: String,
    /// For the claim about a deposit.
    code: &'static str,
}

impl Objection {
    /// To what its client signed, and nobody can read.
    fn unreadable() -> Self {
        let reason = "it cannot be read as its client has sealed it".to_owned();
        Self { verdict: Verdict::Refused, reason, code: deposit::Verdict::UNREADABLE }
    }
}

impl Desk {
    /// Hands something in for a requirement: inspected first, then stored as the next version of the
    /// requirement's document, and to be reviewed.
    ///
    /// # Errors
    ///
    /// [`IntakeError::Refused`] if the rules say no: nothing is on record then; an inspector's and the vault's.
    ///
    /// # Cancellation
    ///
    /// It may have happened, whole, or not at all: [`Desk::case`] tells.
    pub async fn submit(
        &self,
        case: CaseId,
        requirement: &Key,
        submission: NewSubmission,
    ) -> Result<Submitted> {
        self.hand_in(self.case(case).await?, requirement, &submission, None).await
    }

    /// Hands in for a case that was just read; if `claims` is there it is a deposit, whose refusal by the rules is
    /// on record, too.
    pub(super) async fn hand_in(
        &self,
        file: CaseFile,
        requirement: &Key,
        said: &NewSubmission,
        claims: Option<Claims<'_>>,
    ) -> Result<Submitted> {
        let rule = file.template().requirement(requirement.as_str()).ok_or(Refusal::UnknownRequirement)?;
        let (files, objection) = self.look_at(rule, said).await?;
        self.settle(file, &HandedIn { requirement, said, files, claims }, objection).await
    }

    /// Sets a deposit aside of which nothing can be read.
    pub(super) async fn refuse_unreadable(
        &self,
        file: CaseFile,
        requirement: &Key,
        said: &NewSubmission,
        claims: Claims<'_>,
    ) -> Result<Submitted> {
        let unread = HandedIn { requirement, said, files: Vec::new(), claims: Some(claims) };
        self.settle(file, &unread, Some(Objection::unreadable())).await
    }

    /// Reads what is handed in, and has it inspected.
    async fn look_at(
        &self,
        rule: &Requirement,
        said: &NewSubmission,
    ) -> Result<(Vec<Examined>, Option<Objection>)> {
        let mut files = Vec::with_capacity(said.files.len());
        for new in &said.files {
            match Examined::of(new).await {
                Err(error) if error.kind() == ErrorKind::Unreadable => {
                    return Ok((files, Some(Objection::unreadable())));
                }
                examined => files.push(examined?),
            }
        }
        let inspected = self.inspect(rule, &files).await?;
        Ok((files, inspected))
    }

    /// Takes in what was looked at, or sets it aside.
    async fn settle(
        &self,
        mut file: CaseFile,
        handed_in: &HandedIn<'_>,
        inspected: Option<Objection>,
    ) -> Result<Submitted> {
        for _ in 0..TRIES {
            let ruled_out = if inspected.is_some() { None } else { self.ruled_out(&file, handed_in)? };
            let done = match inspected.as_ref().or(ruled_out.as_ref()) {
                Some(objection) => self.set_aside(&file, handed_in, objection).await?,
                None => self.take(&mut file, handed_in).await?,
            };
            if let Some(submitted) = done {
                return Ok(submitted);
            }
            file = self.case(file.case).await?;
        }
        Err(IntakeError::Contended)
    }

    async fn inspect(&self, rule: &Requirement, files: &[Examined]) -> Result<Option<Objection>> {
        for inspector in &self.inspectors {
            let (verdict, reason) = match inspector.inspect(rule, files).await? {
                Inspection::Accept => continue,
                Inspection::Quarantine(reason) => (Verdict::Quarantined, reason),
                Inspection::Refuse(reason) => (Verdict::Refused, reason),
            };
            return Ok(Some(Objection { verdict, reason, code: "inspection" }));
        }
        Ok(None)
    }

    /// What the rules say before anything is stored: an objection to a deposit, or a refusal.
    fn ruled_out(&self, file: &CaseFile, handed_in: &HandedIn<'_>) -> Result<Option<Objection>, Refusal> {
        match self.expected(file, handed_in) {
            Err(refusal) if handed_in.is_objection(&refusal) => {
                let (verdict, reason) = (Verdict::Refused, refusal.to_string());
                Ok(Some(Objection { verdict, reason, code: "rules" }))
            }
            expected => expected.map(|()| None),
        }
    }

    /// Decides on what will be stored, as far as it is known before.
    fn expected(&self, file: &CaseFile, handed_in: &HandedIn<'_>) -> Result<(), Refusal> {
        handed_in.said.no_form.clone().map_or(Ok(()), Err)?;
        let known = file.document_of(handed_in.requirement);
        let document = known.unwrap_or_else(|| DocumentId::new(file.case(), [0; 16]));
        let pages = handed_in.files.iter().map(|examined| (examined.bytes, examined.digest));
        let command = handed_in.submit(document, VersionId::from_bytes([0; 16]), handed_in.digest(), pages);
        self.decided(file, command).map(drop)
    }

    /// Puts on record that something is not taken in; none if the case has changed since.
    async fn set_aside(
        &self,
        file: &CaseFile,
        handed_in: &HandedIn<'_>,
        objection: &Objection,
    ) -> Result<Option<Submitted>> {
        let HandedIn { requirement, said, files, claims } = handed_in;
        let Objection { verdict, reason, code } = objection;
        let told = match verdict {
            Verdict::Quarantined => deposit::Verdict::Quarantined((*code).to_owned()),
            Verdict::Refused => deposit::Verdict::Refused((*code).to_owned()),
        };
        let claim = claims.map(|claims| claims(told)).transpose()?;
        let command = Command::SetAside {
            requirement: (*requirement).clone(),
            verdict: *verdict,
            reason: reason.clone(),
            digest: claim
                .as_ref()
                .map(|(_, digest)| *digest)
                .filter(|_| *code != deposit::Verdict::UNREADABLE),
            bytes: files.iter().fold(0, |sum, examined| sum.saturating_add(examined.bytes)),
            origin: said.origin.clone(),
        };
        let after = self.put_on_record(file, command, claim).await?;
        let (verdict, reason) = (*verdict, reason.clone());
        Ok(after.map(|file| Submitted::SetAside { verdict, reason, file }))
    }

    /// Stores and states; none if what the case has become meanwhile is against it.
    async fn take(&self, file: &mut CaseFile, handed_in: &HandedIn<'_>) -> Result<Option<Submitted>> {
        let sealed = self.store(file, handed_in).await?;
        let mut stored = handed_in.files.iter().zip(sealed.pages());
        if let Some(changed) = stored.position(|(examined, page)| !examined.is(page)) {
            return Err(IntakeError::Changed(changed + 1));
        }
        let (document, version, digest) = (sealed.document(), sealed.version(), sealed.digest());
        let claim = handed_in.claims.map(|claims| claims(deposit::Verdict::Accepted)).transpose()?;
        for _ in 0..TRIES {
            let pages = sealed.pages().iter().map(|page| (page.len, page.digest));
            let statement = match self.decided(file, handed_in.submit(document, version, digest, pages)) {
                Err(Refusal::OtherDocument { .. }) => return Ok(None),
                // Of the case as it has become since: it is looked at anew, and set aside.
                Err(refusal) if handed_in.is_objection(&refusal) => return Ok(None),
                decided => decided?,
            };
            match sealed.publish_stating(stating(&statement, file, claim.clone())).await {
                Err(error) if error.kind() == ErrorKind::Superseded => *file = self.case(file.case()).await?,
                published => {
                    let (stored, made) = published?;
                    let file = file.after(statement, made.id, made.seq);
                    let (requirement, stored) = (handed_in.requirement.clone(), stored.seq);
                    let accepted =
                        AcceptedSubmission { requirement, document, version, digest, stored, file };
                    return Ok(Some(Submitted::Accepted(accepted)));
                }
            }
        }
        Err(IntakeError::Contended)
    }

    /// Writes the files and the form as the pages of a version that nothing shows yet.
    async fn store(&self, file: &CaseFile, handed_in: &HandedIn<'_>) -> Result<SealedUpload> {
        let HandedIn { requirement, said, files, .. } = handed_in;
        let described = described(requirement, files);
        let document = file.document_of(requirement);
        let mut upload = match document {
            Some(document) => self.session.upload_version(document, described, "handed in anew").await?,
            None => self.session.upload(file.case(), described).await?,
        };
        for (number, examined) in files.iter().enumerate() {
            if number > 0 {
                upload.next_page().await?;
            }
            let mut content = examined.again().await?;
            while let Some(chunk) = content.next().await? {
                upload.write(&chunk).await?;
            }
        }
        if !said.form.is_empty() {
            if !files.is_empty() {
                upload.next_page().await?;
            }
            upload.write(said.form.to_page().as_bytes()).await?;
        }
        Ok(upload.seal().await?)
    }
}

/// A version is called by its requirement; what its files were called stands in its attributes, sealed like them.
fn described(requirement: &Key, files: &[Examined]) -> NewDocument {
    let media_type = match files {
        [] => "application/json",
        [only] => only.media_type(),
        _ => "multipart/mixed",
    };
    let named = NewDocument::named(requirement.as_str()).media_type(media_type);
    (1..).zip(files).fold(named, |named, (number, file): (usize, _)| {
        named.attribute(format!("name.{number}"), file.name.clone())
    })
}
