//! What can be asked of a vault and of a carrier. Each opens it anew, and says all that it was told.

use core::{fmt::Debug, time::Duration};
use std::sync::Arc;

use docvault::{
    CheckDepth, Error, ErrorKind, Finding, Kind, LogReader, RecordFilter, Session, Standing, Vault,
    deposit::Promise, storage::MemoryStorage,
};
use futures_util::future::LocalBoxFuture;

use super::{
    changes,
    fault::Fault,
    outsiders,
    overlay::Overlay,
    template::{BEGUN, Template, notary, options, paper, passphrase},
};
use crate::intake::{Hand, seal};

/// What was answered, piece by piece.
pub(crate) type Facts = Vec<String>;

pub(super) type Answer = Result<Facts, Fault>;
type Ask = for<'a> fn(&'a Template, Arc<Overlay>, Option<usize>) -> LocalBoxFuture<'a, Answer>;

pub(crate) struct Question {
    pub(crate) name: &'static str,
    /// Of flipped bits and cuts that could be put to it, every how many-th is.
    pub(crate) every: u64,
    /// Where in what is asked an offset in an object of this kind lies, if that makes it cheaper.
    pub(crate) place: fn(&'static str, usize) -> Option<usize>,
    pub(crate) ask: Ask,
}

macro_rules! questions {
    ($($name:literal, $every:literal, $place:ident, $ask:path;)+) => {
        pub(crate) const QUESTIONS: &[Question] = &[$(Question {
            name: $name,
            every: $every,
            place: $place,
            ask: |template, storage, place| Box::pin($ask(template, storage, place)),
        }),+];
    };
}

// Cheap ones first.
questions! {
    "verify", 1, nowhere, verify;
    "prove", 1, record, prove;
    "open", 1, nowhere, open;
    "open by an old pin", 1, nowhere, open_old;
    "open by another key", 1, nowhere, open_other;
    "checkpoints", 1, nowhere, checkpoints;
    "cases", 1, nowhere, cases;
    "documents", 1, nowhere, documents;
    "contents", 1, nowhere, contents;
    "older contents", 1, nowhere, older;
    "a range", 1, chunk, range;
    "grants", 1, nowhere, grants;
    "deliver", 1, nowhere, deliver;
    "erasure", 1, nowhere, erasure;
    "resume", 1, nowhere, resume;
    "signing keys", 1, nowhere, outsiders::signing_keys;
    "receipts", 1, nowhere, outsiders::receipts;
    "rotate", 8, nowhere, changes::rotate;
    "erase", 1, nowhere, changes::erase;
    "take in", 1, nowhere, take_in;
    "hand in", 1, nowhere, hand_in;
    "look for the answer", 1, nowhere, look_for;
    "check tiles", 32, nowhere, tiles;
    "check index", 32, nowhere, index;
    "records", 32, nowhere, records;
    "export", 32, nowhere, outsiders::export;
    "check", 64, nowhere, check;
    "collect", 64, nowhere, collect;
    "copy", 128, nowhere, copy;
}

fn nowhere(_: &'static str, _: usize) -> Option<usize> {
    None
}

/// The record whose proof rests on these bytes of a bundle or a tile.
fn record(kind: &'static str, offset: usize) -> Option<usize> {
    match kind {
        "bundle" => Some(offset / 282),
        // Its neighbour's hash is a part of the proof.
        "tile" => Some((offset / 32) ^ 1),
        "tile above" => Some(usize::MAX),
        _ => None,
    }
}

/// The chunk of a full part.
fn chunk(kind: &'static str, offset: usize) -> Option<usize> {
    (kind == "large part").then_some(offset.saturating_sub(56) / 16_400)
}

pub(super) async fn opened(template: &Template, storage: Arc<Overlay>) -> Result<Vault, Error> {
    let options = options(&template.office.clock, 3);
    Vault::open_with(storage, template.key.clone(), &template.pins[1], options).await
}

pub(super) async fn desk(template: &Template, storage: Arc<Overlay>) -> Result<Session, Error> {
    opened(template, storage).await?.session("b").purpose("q").begin()
}

pub(super) fn fact<T: Debug>(answer: T) -> String {
    format!("{answer:?}")
}

pub(super) fn facts<T: Debug>(answers: impl IntoIterator<Item = T>) -> Facts {
    answers.into_iter().map(fact).collect()
}

/// One that stands for bytes: what keeps them secret does not show them.
pub(super) fn digest(bytes: impl AsRef<[u8]>) -> String {
    blake3::hash(bytes.as_ref()).to_string()
}

/// One that stands for what is long.
pub(super) fn brief<T: Debug>(answer: T) -> String {
    digest(fact(answer))
}

async fn verify(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let log = LogReader::open(storage, &template.pins[1]).await?;
    let whole = log.verify_from_genesis(&mut |_, _| {}).await?;
    Ok(vec![fact((whole, log.verify(&template.pins[0]).await?))])
}

async fn prove(template: &Template, storage: Arc<Overlay>, place: Option<usize>) -> Answer {
    let log = LogReader::open(storage, &template.pins[1]).await?;
    let size = template.pins[1].size();
    let seqs = match place {
        Some(seq) => vec![(size - 1).min(seq as u64)],
        None => vec![0, 101, 255, size - 1],
    };
    let mut all = Facts::new();
    for seq in seqs {
        all.push(brief(log.prove_inclusion(seq).await?));
    }
    Ok(all)
}

async fn tiles(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let log = LogReader::open(storage, &template.pins[1]).await?;
    Ok(vec![fact(log.check_tiles(&mut |_, _| {}).await?)])
}

async fn index(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let log = LogReader::open(storage, &template.pins[1]).await?;
    Ok(vec![fact(log.check_index(&mut |_, _| {}).await?)])
}

async fn open(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let vault = opened(template, storage).await?;
    Ok(vec![fact((vault.pin(), vault.freshness(), vault.slots().await?))])
}

/// Whether it is of this log, and all of it.
async fn open_old(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let head = LogReader::open(storage, &template.pins[0]).await?.head();
    let log = LogReader::open(template.overlay(), &template.pins[1]).await?;
    let mut all = vec![fact(log.verify(&head).await?.freshness)];
    all.extend((head == template.pins[1]).then(|| "newest".to_owned()));
    Ok(all)
}

async fn open_other(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let options = options(&template.office.clock, 3);
    let vault = Vault::open_with(storage, Arc::new(passphrase()), &template.pins[1], options).await?;
    Ok(vec![fact(vault.pin())])
}

async fn checkpoints(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let log = LogReader::open(storage, &template.pins[1]).await?;
    Ok(facts(log.checkpoints(None).await?))
}

async fn cases(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let desk = desk(template, storage).await?;
    let mut all = facts(desk.cases(None).await?.cases);
    all.push(fact(desk.describe_case(template.case).await?));
    let statements = desk.statements(template.case, None).await?.statements;
    all.extend(statements.iter().map(|statement| fact(statement) + &digest(&*statement.payload)));
    Ok(all)
}

async fn documents(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let desk = desk(template, storage).await?;
    let mut all = facts(desk.documents(template.case, None).await?.documents);
    for document in template.papers.small_ones() {
        all.extend(facts(desk.history(document).await?));
    }
    Ok(all)
}

pub(super) async fn contents(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let desk = desk(template, storage).await?;
    let mut all = Facts::new();
    for document in template.papers.small_ones() {
        all.push(digest(desk.retrieve(document).await?));
    }
    Ok(all)
}

/// In every version.
async fn older(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let desk = desk(template, storage).await?;
    let mut all = Facts::new();
    for version in desk.history(template.papers.small).await? {
        let mut reader = desk.reader_of(template.papers.small, version.described.version).await?;
        let mut content = Vec::new();
        while let Some(bytes) = reader.next().await? {
            content.extend_from_slice(&bytes);
        }
        all.push(fact((version, reader.pages())) + &digest(content));
    }
    Ok(all)
}

async fn range(template: &Template, storage: Arc<Overlay>, place: Option<usize>) -> Answer {
    let desk = desk(template, storage).await?;
    let mut all = Facts::new();
    let (Some(large), Some(chunk)) = (template.papers.large, place) else {
        all.push(digest(desk.retrieve_range(template.papers.pages, 90..16_500).await?));
        if let Some(large) = template.papers.large {
            all.push(digest(desk.retrieve(large).await?));
        }
        return Ok(all);
    };
    let start = chunk as u64 * 16_384;
    // In either part, as far as there is content; and what the outline of all is read for.
    for offset in [start, (8 << 20) + start, 8 << 20] {
        let offset = offset.min(super::template::LARGE as u64 - 1);
        all.push(digest(desk.retrieve_range(large, offset..offset + 1).await?));
    }
    Ok(all)
}

async fn grants(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let desk = desk(template, storage).await?;
    let who = desk.who_can_open(template.papers.small).await?;
    Ok([facts(who.grants), facts(who.slots), vec![fact(desk.revocation(template.grants[0]).await?)]].concat())
}

async fn deliver(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let desk = desk(template, storage).await?;
    let sealed = desk.deliver(template.grants[1]).await?.collect().await?;
    let mut opened = notary().open(&sealed[..], &desk.vault().sender())?;
    let mut all =
        vec![fact((opened.vault(), opened.grant(), opened.time(), opened.terms(), opened.documents()))];
    while let Some(document) = opened.next_document()? {
        let ids = fact((document.id(), document.version(), document.digest(), document.content_len()));
        let described = fact((document.name(), document.media_type(), document.attributes()));
        all.push(ids + &described + &digest(document.content()?));
    }
    let refused = desk.deliver(template.grants[0]).await.map(drop);
    all.push(format!("{:?}", honest(refused, ErrorKind::Denied)?));
    Ok(all)
}

/// The error that is the honest answer; any other is one.
pub(super) fn honest<T>(answer: Result<T, Error>, kind: ErrorKind) -> Result<ErrorKind, Fault> {
    match answer {
        Err(error) if error.kind() == kind => Ok(kind),
        Err(error) => Err(error.into()),
        Ok(_) => panic!("{kind:?} is the honest answer"),
    }
}

async fn erasure(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let desk = desk(template, storage).await?;
    let erasure = desk.erasure(template.erased).await?;
    let described = desk.describe_case(template.erased).await;
    Ok(vec![fact(erasure), fact(honest(described, ErrorKind::Erased)?)])
}

async fn records(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let desk = desk(template, storage).await?;
    let mut records = desk.auditor().records(&RecordFilter::all()).await?;
    records.retain(|record| record.seq < template.pins[1].size());
    let mut all = vec![brief(&records)];
    let personal = [Kind::Stored, Kind::Granted, Kind::Revoked, Kind::CaseClosed, Kind::Stated];
    let of_case = |record: &&docvault::AuditRecord| record.case == Some(template.case);
    for record in records.iter().filter(of_case).filter(|record| personal.contains(&record.kind)) {
        all.push(brief(desk.open_record(record.seq).await?));
    }
    Ok(all)
}

async fn resume(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let desk = desk(template, storage).await?;
    let mut upload = desk.resume_upload(&template.token).await?;
    upload.write(b"last page").await?;
    let stored = upload.finish().await?;
    Ok(vec![digest(desk.retrieve(stored.document).await?)])
}

async fn take_in(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let desk = desk(template, storage.clone()).await?;
    let request = template.left.request.descriptor.request();
    let secrets = desk.request_secrets(template.case, request).await?;
    let sender = desk.vault().sender();
    let inbox = docvault::deposit::Inbox::open(storage, request, &sender, secrets).await?;
    let mut all = Facts::new();
    for promise in inbox.promises().await? {
        let deposit = inbox.deposit(&promise).await?;
        let mut contents = Facts::new();
        for page in 0..deposit.pages().len() {
            contents.push(digest(&*deposit.read(page as u16)?.collect().await?));
        }
        all.push(fact((promise, deposit.pages(), deposit.form(), deposit.comment(), contents)));
    }
    // What was left out.
    if inbox.lost_promises().await?.is_empty() { Ok(all) } else { Err(Fault("found".into())) }
}

/// A client goes on where its telephone stopped; another's is refused, for its request is closed.
async fn hand_in(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let (carrier, opened) = (template.carrier(storage), template.office.open(&template.left.request));
    let mut client = opened.resume(&template.left.journals[2])?;
    for place in client.places() {
        carrier.receive(seal(&mut client, &paper(), place)).await?;
    }
    let manifest = client.finish(Default::default(), "")?;
    let promise = carrier.finish(manifest.clone()).await?;
    let mut all = vec![fact(client.check_promise(&promise, &manifest)?.deposit())];
    let mut late = crate::intake::begin(&template.office.open(&template.left.closed), &paper());
    match carrier.receive(seal(&mut late, &paper(), (0, 0))).await.map_err(Fault::from) {
        Ok(_) => Ok(all),
        Err(Fault(refused)) if refused == "Closed" => {
            all.push(refused);
            Ok(all)
        }
        Err(other) => Err(other),
    }
}

async fn look_for(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let carrier = template.carrier(storage);
    let request = template.left.request.descriptor.request();
    carrier.descriptor(request).await?;
    let opened = template.office.open(&template.left.request);
    let mut all = Facts::new();
    for journal in &template.left.journals {
        let client = opened.resume(journal)?;
        let held = carrier.held(request, client.id()).await?;
        for part in &held.parts {
            // Of others it knows that they are not its own, and sends them again.
            if client.holds(part)? {
                all.push(fact((client.id(), part)));
            }
        }
        if let Some(promise) = held.promise {
            all.push(fact(Promise::verify(&promise, opened.descriptor())?));
        }
        for (number, answer) in held.answers.iter().enumerate() {
            let answer =
                client.open_answer(number, answer)?.verify(&template.office.policy, opened.descriptor());
            all.push(answer.map(fact).map_err(|error| Fault(format!("{error:?}")))?);
        }
    }
    Ok(all)
}

/// What it counted and, one by one, what it found; how many names there are is the storage's to say.
async fn check(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let mut check = opened(template, storage).await?.check(CheckDepth::Content).await?;
    let report = check.run(&mut |_| {}).await?;
    let faulty = |finding: &&Finding| matches!(finding.standing, Standing::Missing | Standing::False);
    let faults = report.findings.iter().filter(faulty).count() as u64;
    assert_eq!((report.counts.faults(), report.is_sound()), (faults, faults == 0), "{report:?}");
    let mut counts = report.counts;
    (counts.listed, counts.deposits) = (0, 0);
    let mut all = vec![fact(counts)];
    all.extend(report.findings.iter().map(ToString::to_string));
    Ok(all)
}

/// Two days later, once to announce and once to delete: what is named is still there. What it says of itself comes first.
async fn collect(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let clock = Hand::at(BEGUN);
    let vault =
        Vault::open_with(storage.clone(), template.key.clone(), &template.pins[1], options(&clock, 3))
            .await?;
    let desk = vault.session("b").purpose("q").begin()?;
    let mut reports = Ok(Vec::new());
    for _ in 0..2 {
        let report = desk.collect_garbage().await;
        reports = report.and_then(|report| reports.map(|before| [before, vec![report]].concat()));
        clock.forward(Duration::from_secs(2 * 24 * 3600));
    }
    storage.heal();
    let lost = "a collection took what is named";
    let all = [
        contents(template, storage.clone(), None).await.expect(lost),
        range(template, storage.clone(), None).await.expect(lost),
        documents(template, storage.clone(), None).await.expect(lost),
        grants(template, storage, None).await.expect(lost),
    ];
    Ok([vec![fact(reports?)], all.concat()].concat())
}

/// What it says of itself comes first.
async fn copy(template: &Template, storage: Arc<Overlay>, _: Option<usize>) -> Answer {
    let vault = opened(template, storage).await?;
    let destination = Arc::new(MemoryStorage::default());
    let report = vault.copy_to(destination.clone()).await?;
    let options = options(&template.office.clock, 3);
    let copied = Vault::open_with(destination, template.key.clone(), &template.pins[1], options).await?;
    let mut all = vec![fact(report), fact(copied.audit().verify_from_genesis().await?.checked)];
    let desk = copied.session("b").purpose("q").begin()?;
    for document in template.papers.small_ones() {
        all.push(digest(desk.retrieve(document).await?));
        all.push(brief(desk.history(document).await?));
    }
    if let Some(large) = template.papers.large {
        all.push(digest(desk.retrieve(large).await?));
    }
    Ok(all)
}
