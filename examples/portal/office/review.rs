//! Reviewing what was handed in for a requirement: looking at it, and deciding on exactly that.

use axum::{
    Form,
    extract::{Path, State},
    response::{Html, IntoResponse, Response},
};
use docvault::{
    CaseId, ContentDigest, VersionId,
    deposit::Verdict,
    intake::{
        Answer, Attestation, CaseFile, Command, CurrentSubmission, Date, Key, Requirement, Stage, Submission,
    },
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    Office, Shared,
    failure::Failure,
    list::framed,
    past::Past,
    people::Visitor,
    words::{self, REASONS, Reason},
};
use crate::language::Lang;

/// What was handed in, and what may be decided.
pub(super) async fn show(
    State(office): State<Shared>,
    visitor: Visitor,
    Path((_, case, requirement)): Path<(String, CaseId, Key)>,
) -> Result<Html<String>, Failure> {
    let file = visitor.desk.case(case).await?;
    let rule = file.template().requirement(requirement.as_str()).ok_or(Failure::NotFound)?;
    let current = current(&file, &requirement)?;
    // The page shows answers and names of files: they are as confidential as the files.
    file.state().may_open(file.template(), &requirement, visitor.desk.actor())?;
    let past = Past::of(&visitor.desk, case).await?;
    let submission = past.submission(current.version).ok_or(Failure::NotFound)?;
    let described = visitor.desk.session().describe(submission.document).await?;
    let status = file.status(office.vault.now())?;
    let standing =
        status.requirements.iter().find(|one| one.requirement == requirement).map(|one| one.standing);
    let path = format!("/cases/{case}/review/{requirement}");
    let (lang, title) = (visitor.lang, visitor.lang.text(rule.title()).to_owned());
    let content = html! {
        p { a href=(visitor.link(&format!("/cases/{case}"))) { "← " (lang.say("Expediente", "Case file")) } }
        h1 { (title) " " @if let Some(standing) = standing { (words::chip(standing, lang)) } }
        p.hint { (lang.text(rule.instructions())) }
        p.hint {
            (lang.say("Recibido el ", "Received on ")) (words::moment(current.received, file.template().utc_offset()))
            @if let Some(day) = current.issued { " · " (lang.say("expedido el", "issued on")) " " (day) }
            @if let Some(day) = current.valid_until { " · " (lang.say("vigente hasta el", "valid until")) " " (day) }
        }
        (files(&visitor, &path.replace("/review/", "/files/"), submission, &described.attributes))
        (answers(&visitor, rule, submission))
        @for remark in past.remarks(&requirement) { blockquote { (remark) } }
        (attestations(&visitor, &path, rule, &file, current))
        @if current_stage(&file, &requirement) == Some(Stage::Submitted) { (approval(&visitor, &path, rule, current)) }
        (rejection(&visitor, &path, current))
    };
    Ok(framed(&visitor, &title, &path, &content))
}

fn current<'a>(file: &'a CaseFile, requirement: &Key) -> Result<&'a CurrentSubmission, Failure> {
    let state = file.state().requirement(requirement.as_str());
    state.and_then(|state| state.current.as_ref()).ok_or(Failure::NotFound)
}

fn current_stage(file: &CaseFile, requirement: &Key) -> Option<Stage> {
    file.state().requirement(requirement.as_str()).map(|state| state.stage)
}

fn files(
    visitor: &Visitor,
    path: &str,
    submission: &Submission,
    names: &std::collections::BTreeMap<String, String>,
) -> Markup {
    html! {
        ul.files {
            @for (number, file) in (1..).zip(&submission.files) {
                @let url = visitor.path(&format!("{path}/{number}"));
                @let name = words::name(names.get(&format!("name.{number}")).map_or("", String::as_str));
                li.card {
                    @if SHOWN.contains(&file.media_type.as_str()) { img src=(url) alt=(name); }
                    a.button href=(url) { (visitor.lang.say("Abrir", "Open")) " " (name) }
                    p.hint { (file.media_type) " · " (words::size(file.bytes)) }
                }
            }
        }
    }
}

fn answers(visitor: &Visitor, rule: &Requirement, submission: &Submission) -> Markup {
    let lang = visitor.lang;
    html! {
        @if !submission.form.is_empty() {
            dl.answers {
                @for field in rule.fields() {
                    @if let Some(answer) = submission.form.get(field.key().as_str()) {
                        dt { (lang.text(field.title())) }
                        dd {
                            @match answer {
                                Answer::Boolean(true) => (lang.say("Sí", "Yes")),
                                Answer::Boolean(false) => "No",
                                Answer::Integer(number) => (number),
                                Answer::Text(text) => {
                                    @if let Some(choice) = field.choices().iter().find(|choice| *choice.key() == **text) {
                                        (lang.text(choice.title()))
                                    } @else { (text) }
                                },
                                _ => "",
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What a decision is on: the very version that this page shows.
fn seen(current: &CurrentSubmission) -> Markup {
    html! {
        input type="hidden" name="version" value=(current.version);
        input type="hidden" name="digest" value=(current.digest);
    }
}

fn attestations(
    visitor: &Visitor,
    path: &str,
    rule: &Requirement,
    file: &CaseFile,
    current: &CurrentSubmission,
) -> Markup {
    let made = file.state().requirement(rule.key().as_str()).map(|state| state.attestations.as_slice());
    let made =
        |wanted: &Attestation| made.unwrap_or_default().iter().find(|made| made.attestation == *wanted);
    html! {
        @for wanted in rule.attestations() {
            @if let Some(made) = made(wanted) {
                p.done { (words::attestation(wanted, visitor.lang)) " · " (made.by) }
            } @else {
                form.inline method="post" action=(visitor.link(path)) {
                    (seen(current))
                    input type="hidden" name="attestation" value=(wanted);
                    button name="action" value="attest" {
                        (visitor.lang.say("Asentar: ", "Attest: ")) (words::attestation(wanted, visitor.lang))
                    }
                }
            }
        }
    }
}

fn approval(visitor: &Visitor, path: &str, rule: &Requirement, current: &CurrentSubmission) -> Markup {
    let lang = visitor.lang;
    html! {
        form.card.approve method="post" action=(visitor.link(path)) {
            (seen(current))
            h2 { (lang.say("Aprobar", "Approve")) }
            @if rule.issued_within_months().is_some() || current.issued.is_some() {
                label for="issued" { (lang.say("Expedido el", "Issued on")) }
                input #issued name="issued" type="date" value=[current.issued] required[rule.issued_within_months().is_some()];
            }
            @if rule.expires() || current.valid_until.is_some() {
                label for="valid_until" { (lang.say("Vigente hasta el", "Valid until")) }
                input #valid_until name="valid_until" type="date" value=[current.valid_until] required[rule.expires()];
            }
            @if rule.approvals_needed() > 1 {
                p.hint { (lang.say("Lo aprueban dos personas.", "It takes the approval of two people.")) }
            }
            button.primary name="action" value="approve" { (lang.say("Aprobar", "Approve")) }
        }
    }
}

fn rejection(visitor: &Visitor, path: &str, current: &CurrentSubmission) -> Markup {
    let lang = visitor.lang;
    html! {
        form.card.reject method="post" action=(visitor.link(path)) {
            (seen(current))
            h2 { (lang.say("Rechazar", "Reject")) }
            label for="code" { (lang.say("Motivo que verá el cliente", "Reason that the client will see")) }
            select #code name="code" {
                @for reason in REASONS { option value=(reason.code) { (reason.text(lang)) } }
            }
            label for="note" { (lang.say("Detalle para el expediente (opcional)", "Details for the case file (optional)")) }
            input #note name="note" maxlength="200" autocomplete="off";
            button.danger name="action" value="reject" { (lang.say("Rechazar", "Reject")) }
        }
    }
}

/// Approves, rejects or attests.
pub(super) async fn decide(
    State(office): State<Shared>,
    visitor: Visitor,
    Path((_, case, requirement)): Path<(String, CaseId, Key)>,
    Form(decision): Form<Decision>,
) -> Result<Response, Failure> {
    let decided = decision.command(requirement.clone(), visitor.lang);
    let (command, verdict) = decided.ok_or(Failure::Incomplete)?;
    let file = visitor.desk.act(case, command).await?;
    office.changed();
    office.tell_decision(&visitor, &file, &requirement, verdict).await?;
    Ok(words::see(&visitor.link(&format!("/cases/{case}"))).into_response())
}

impl Office {
    /// Tells the client, once it is decided: of two approvals, after the second.
    async fn tell_decision(
        &self,
        visitor: &Visitor,
        file: &CaseFile,
        requirement: &Key,
        verdict: Option<Verdict>,
    ) -> Result<(), Failure> {
        let Some(verdict) = verdict else { return Ok(()) };
        if verdict == Verdict::Accepted && current_stage(file, requirement) != Some(Stage::Approved) {
            return Ok(());
        }
        let submitted = current(file, requirement)?;
        self.tell(visitor, file.case(), requirement, submitted, verdict).await
    }
}

/// What the forms of a review send.
#[derive(Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub(super) enum Decision {
    Approve { version: VersionId, digest: ContentDigest, issued: Option<Date>, valid_until: Option<Date> },
    Attest { version: VersionId, digest: ContentDigest, attestation: Attestation },
    Reject { version: VersionId, digest: ContentDigest, code: String, note: String },
}

impl Decision {
    /// The command, and what its client is told.
    fn command(self, requirement: Key, lang: Lang) -> Option<(Command, Option<Verdict>)> {
        Some(match self {
            Self::Approve { version, digest, issued, valid_until } => {
                let command = Command::Approve { requirement, version, digest, issued, valid_until };
                (command, Some(Verdict::Accepted))
            }
            Self::Attest { version, digest, attestation } => {
                (Command::Attest { requirement, version, digest, attestation }, None)
            }
            Self::Reject { version, digest, code, note } => {
                let known = Reason::find(&code)?;
                let said = known.text(lang);
                let reason =
                    if note.trim().is_empty() { said.to_owned() } else { format!("{said}: {}", note.trim()) };
                let command = Command::Reject { requirement, version, digest, reason, due: None };
                (command, Some(Verdict::Refused(code)))
            }
        })
    }
}

/// Media types that a browser shows as a picture.
const SHOWN: &[&str] = &["image/jpeg", "image/png", "image/webp"];
