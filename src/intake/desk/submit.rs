//! Handing in: inspected, stored as a version, and stated, the last two together or not at all.

use super::{
    CaseFile, Desk, IntakeError, Result, TRIES,
    inspect::{Examined, Inspection},
    new_statement,
    submission::{AcceptedSubmission, NewSubmission, Submitted},
};
use crate::{
    CaseId, ContentDigest, ErrorKind, NewDocument, NewStatement, SealedUpload, VersionId, deposit,
    intake::{Command, Key, Refusal, Requirement, Submission, Verdict},
};

/// What a statement about a deposit claims, by its verdict.
pub(super) type Claims<'a> = &'a (dyn Fn(deposit::Verdict) -> Result<(Vec<u8>, ContentDigest)> + Send + Sync);

/// Why a submission is not taken in.
struct Objection {
    verdict: Verdict,
    reason: String,
    /// For the claim about a deposit.
    code: &'static str,
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
        self.hand_in(case, requirement, &submission, None).await
    }

    /// Hands in; if `claims` is there it is a deposit, whose refusal by the rules is on record, too.
    pub(super) async fn hand_in(
        &self,
        case: CaseId,
        requirement: &Key,
        submission: &NewSubmission,
        claims: Option<Claims<'_>>,
    ) -> Result<Submitted> {
        for _ in 0..TRIES {
            let file = self.case(case).await?;
            let rule =
                file.template().requirement(requirement.as_str()).ok_or(Refusal::UnknownRequirement)?;
            let mut files = Vec::with_capacity(submission.files.len());
            for new in &submission.files {
                files.push(Examined::of(new).await?);
            }
            let inspected = self.inspect(rule, &files).await?;
            let objection = match (inspected, self.expected(&file, rule, submission, &files)) {
                (Some(objection), _) => Some(objection),
                (None, Err(refusal)) if claims.is_some() && !refusal.is_about_the_request() => {
                    let (verdict, reason) = (Verdict::Refused, refusal.to_string());
                    Some(Objection { verdict, reason, code: "rules" })
                }
                (None, expected) => {
                    expected?;
                    None
                }
            };
            let done = match objection {
                Some(objection) => {
                    self.set_aside(&file, rule, submission, &files, (objection, claims)).await?
                }
                None => self.take(file, requirement, submission, &files, claims).await?,
            };
            if let Some(submitted) = done {
                return Ok(submitted);
            }
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

    /// Decides before anything is stored, on content of which only the digest is not known.
    fn expected(
        &self,
        file: &CaseFile,
        rule: &Requirement,
        submission: &NewSubmission,
        files: &[Examined],
    ) -> Result<(), Refusal> {
        let known = file.state().requirement(rule.key().as_str()).and_then(|state| state.document);
        let none = ContentDigest::of(b"");
        let document = known.or_else(|| format!("{}{:032}", file.case(), 0).parse().ok());
        let document = document.ok_or(Refusal::UnknownRequirement)?;
        let version = VersionId::from_bytes([0; 16]);
        let mut expected = Submission::new(document, version, none, submission.origin.clone());
        for examined in files {
            expected = expected.file(examined.media_type(), examined.bytes, none);
        }
        let command = self.command(rule.key(), completed(expected, submission));
        file.state().decide(file.template(), command, self.session.vault().now(), &self.actor).map(drop)
    }

    fn command(&self, requirement: &Key, submission: Submission) -> Command {
        Command::Submit { requirement: requirement.clone(), submission }
    }

    /// Puts on record that something is not taken in; none if the case has changed since.
    async fn set_aside(
        &self,
        file: &CaseFile,
        rule: &Requirement,
        submission: &NewSubmission,
        files: &[Examined],
        (objection, claims): (Objection, Option<Claims<'_>>),
    ) -> Result<Option<Submitted>> {
        let Objection { verdict, reason, code } = objection;
        let told = match verdict {
            Verdict::Quarantined => deposit::Verdict::Quarantined(code.to_owned()),
            Verdict::Refused => deposit::Verdict::Refused(code.to_owned()),
        };
        let claim = claims.map(|claims| claims(told)).transpose()?;
        let command = Command::SetAside {
            requirement: rule.key().clone(),
            verdict,
            reason: reason.clone(),
            digest: claim.as_ref().map(|(_, digest)| *digest),
            bytes: files.iter().fold(0, |sum, examined| sum.saturating_add(examined.bytes)),
            origin: submission.origin.clone(),
        };
        let event = file.state().decide(file.template(), command, self.session.vault().now(), &self.actor)?;
        let statement = file.following(event);
        let new = claiming(new_statement(&statement).follows(Some(file.newest)), claim);
        match self.session.make_statement(file.case(), new).await {
            Err(error) if error.kind() == ErrorKind::Superseded => Ok(None),
            made => {
                let made = made?;
                Ok(Some(Submitted::SetAside {
                    verdict,
                    reason,
                    file: file.after(statement, made.id, made.seq),
                }))
            }
        }
    }

    /// Stores and states; none if the requirement has got another document meanwhile.
    async fn take(
        &self,
        mut file: CaseFile,
        requirement: &Key,
        submission: &NewSubmission,
        files: &[Examined],
        claims: Option<Claims<'_>>,
    ) -> Result<Option<Submitted>> {
        let sealed = self.store(&file, requirement, submission, files).await?;
        let lengths = files.iter().zip(sealed.pages()).map(|(examined, page)| examined.bytes == page.len);
        if let Some(changed) = lengths.into_iter().position(|same| !same) {
            return Err(IntakeError::Changed(changed + 1));
        }
        let (document, version, digest) = (sealed.document(), sealed.version(), sealed.digest());
        let claim = claims.map(|claims| claims(deposit::Verdict::Accepted)).transpose()?;
        for _ in 0..TRIES {
            let mut new = Submission::new(document, version, digest, submission.origin.clone());
            for (examined, page) in files.iter().zip(sealed.pages()) {
                new = new.file(examined.media_type(), page.len, page.digest);
            }
            let command = self.command(requirement, completed(new, submission));
            let event = match file.state().decide(
                file.template(),
                command,
                self.session.vault().now(),
                &self.actor,
            ) {
                Err(Refusal::OtherDocument { .. }) => return Ok(None),
                decided => decided?,
            };
            let statement = file.following(event);
            let stating = claiming(new_statement(&statement).follows(Some(file.newest)), claim.clone());
            match sealed.publish_stating(stating).await {
                Err(error) if error.kind() == ErrorKind::Superseded => file = self.case(file.case()).await?,
                published => {
                    let (stored, made) = published?;
                    let file = file.after(statement, made.id, made.seq);
                    let (requirement, stored) = (requirement.clone(), stored.seq);
                    let accepted =
                        AcceptedSubmission { requirement, document, version, digest, stored, file };
                    return Ok(Some(Submitted::Accepted(accepted)));
                }
            }
        }
        Err(IntakeError::Contended)
    }

    /// Writes the files and the form as the pages of a version that nothing shows yet.
    async fn store(
        &self,
        file: &CaseFile,
        requirement: &Key,
        submission: &NewSubmission,
        files: &[Examined],
    ) -> Result<SealedUpload> {
        let described = described(requirement, files);
        let document = file.state().requirement(requirement.as_str()).and_then(|state| state.document);
        let mut upload = match document {
            Some(document) => self.session.upload_version(document, described, "handed in anew").await?,
            None => self.session.upload(file.case(), described).await?,
        };
        for (number, examined) in files.iter().enumerate() {
            if number > 0 {
                upload.next_page().await?;
            }
            let mut content = examined.content().await?;
            while let Some(chunk) = content.next().await? {
                upload.write(&chunk).await?;
            }
        }
        if !submission.form.is_empty() {
            if !files.is_empty() {
                upload.next_page().await?;
            }
            upload.write(submission.form.to_page().as_bytes()).await?;
        }
        Ok(upload.seal().await?)
    }
}

/// What is said about a submission, added to what it is.
fn completed(mut new: Submission, said: &NewSubmission) -> Submission {
    new = new.form(said.form.clone());
    new.issued = said.issued;
    new.valid_until = said.valid_until;
    new
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

fn claiming(statement: NewStatement, claim: Option<(Vec<u8>, ContentDigest)>) -> NewStatement {
    match claim {
        Some((claim, digest)) => statement.claim(claim).content(digest),
        None => statement,
    }
}
