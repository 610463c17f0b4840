//! What can be asked of a vault: each opens it anew, and says all that it was told.

use std::{fmt::Debug, sync::Arc};

use docvault::{
    Clock, Error, Kind, RecordFilter, Session, Vault,
    deposit::{CarrierError, Inbox, OpenedRequest, Promise},
    keys::LocalKey,
    storage::{StorageError, StorageErrorKind},
};
use futures_util::future::BoxFuture;

use crate::{
    overlay::Overlay,
    template::{Template, notary, options},
};

type Asked<'a> = BoxFuture<'a, Result<String, Error>>;

/// A question: the more an object is looked at, the more of them are asked about it.
pub(crate) struct Question {
    pub(crate) name: &'static str,
    pub(crate) ask: for<'a> fn(&'a Template, Arc<Overlay>) -> Asked<'a>,
}

/// The first is how a vault is opened, which all others do, too.
pub(crate) const QUESTIONS: &[Question] = &[
    Question { name: "open", ask: |template, storage| Box::pin(open(template, storage)) },
    Question { name: "the whole log", ask: |template, storage| Box::pin(verify(template, storage)) },
    Question { name: "tiles", ask: |template, storage| Box::pin(tiles(template, storage)) },
    Question { name: "index", ask: |template, storage| Box::pin(index(template, storage)) },
    Question { name: "checkpoints", ask: |template, storage| Box::pin(checkpoints(template, storage)) },
    Question { name: "cases", ask: |template, storage| Box::pin(cases(template, storage)) },
    Question { name: "documents", ask: |template, storage| Box::pin(documents(template, storage)) },
    Question { name: "contents", ask: |template, storage| Box::pin(contents(template, storage)) },
    Question { name: "ranges", ask: |template, storage| Box::pin(ranges(template, storage)) },
    Question { name: "grants", ask: |template, storage| Box::pin(grants(template, storage)) },
    Question { name: "a delivery", ask: |template, storage| Box::pin(delivery(template, storage)) },
    Question { name: "records", ask: |template, storage| Box::pin(records(template, storage)) },
    Question { name: "an upload", ask: |template, storage| Box::pin(upload(template, storage)) },
    Question { name: "a deposit", ask: |template, storage| Box::pin(deposit(template, storage)) },
    Question { name: "what a client finds", ask: |template, storage| Box::pin(client(template, storage)) },
];

async fn opened(template: &Template, storage: Arc<Overlay>) -> Result<Vault, Error> {
    let key = Arc::new(LocalKey::load(template.folder.path().join("key")).unwrap());
    Vault::open_with(storage, key, &template.pin, options(&template.clock)).await
}

async fn desk(template: &Template, storage: Arc<Overlay>) -> Result<Session, Error> {
    opened(template, storage).await?.session("b").purpose("q").begin()
}

fn said<T: Debug>(answers: T) -> String {
    format!("{answers:?}")
}

async fn open(template: &Template, storage: Arc<Overlay>) -> Result<String, Error> {
    let vault = opened(template, storage).await?;
    Ok(said((vault.pin(), vault.slots().await?)))
}

async fn verify(template: &Template, storage: Arc<Overlay>) -> Result<String, Error> {
    Ok(said(opened(template, storage).await?.audit().verify_from_genesis().await?))
}

async fn tiles(template: &Template, storage: Arc<Overlay>) -> Result<String, Error> {
    let log = opened(template, storage).await?.audit().log().await?;
    Ok(said(log.check_tiles(&mut |_, _| {}).await?))
}

async fn index(template: &Template, storage: Arc<Overlay>) -> Result<String, Error> {
    let log = opened(template, storage).await?.audit().log().await?;
    Ok(said(log.check_index(&mut |_, _| {}).await?))
}

async fn checkpoints(template: &Template, storage: Arc<Overlay>) -> Result<String, Error> {
    Ok(said(opened(template, storage).await?.audit().checkpoints(None).await?))
}

async fn cases(template: &Template, storage: Arc<Overlay>) -> Result<String, Error> {
    let desk = desk(template, storage).await?;
    Ok(said((desk.cases(None).await?, desk.statements(template.case, None).await?)))
}

async fn documents(template: &Template, storage: Arc<Overlay>) -> Result<String, Error> {
    let desk = desk(template, storage).await?;
    let mut all = said(desk.documents(template.case, None).await?);
    for document in &template.documents {
        all += &said(desk.history(*document).await?);
    }
    Ok(all)
}

async fn contents(template: &Template, storage: Arc<Overlay>) -> Result<String, Error> {
    let desk = desk(template, storage).await?;
    let mut all = String::new();
    for document in &template.documents {
        all += &said(blake3::hash(&desk.retrieve(*document).await?));
    }
    Ok(all)
}

async fn ranges(template: &Template, storage: Arc<Overlay>) -> Result<String, Error> {
    let desk = desk(template, storage).await?;
    let [_, _, large, pages] = template.documents.as_slice() else { panic!("four documents") };
    let (one, two) = (
        desk.retrieve_range(*large, 100_000..140_000).await?,
        desk.retrieve_range(*pages, 90..20_100).await?,
    );
    Ok(said((blake3::hash(&one), blake3::hash(&two))))
}

async fn grants(template: &Template, storage: Arc<Overlay>) -> Result<String, Error> {
    let desk = desk(template, storage).await?;
    Ok(said(desk.who_can_open(template.documents[0]).await?))
}

async fn delivery(template: &Template, storage: Arc<Overlay>) -> Result<String, Error> {
    let desk = desk(template, storage).await?;
    let sealed = desk.deliver(template.grant).await?.collect().await?;
    let mut opened = notary().open(&sealed[..], &desk.vault().sender())?;
    let mut all = String::new();
    while let Some(document) = opened.next_document()? {
        all += &said((document.id(), document.version(), document.name().to_owned()));
        all += &said(blake3::hash(&document.content()?));
    }
    Ok(all)
}

async fn records(template: &Template, storage: Arc<Overlay>) -> Result<String, Error> {
    let desk = desk(template, storage).await?;
    let mut records = desk.auditor().records(&RecordFilter::all()).await?;
    records.retain(|record| record.seq < template.pin.size());
    let mut all = said(&records);
    let personal =
        [Kind::Stored, Kind::Granted, Kind::Revoked, Kind::CaseClosed, Kind::CaseReopened, Kind::Stated];
    for record in records.iter().filter(|record| personal.contains(&record.kind)) {
        all += &said(desk.open_record(record.seq).await?);
    }
    Ok(all)
}

async fn upload(template: &Template, storage: Arc<Overlay>) -> Result<String, Error> {
    let desk = desk(template, storage).await?;
    let mut upload = desk.resume_upload(&template.token).await?;
    upload.write(b"last page").await?;
    let stored = upload.finish().await?;
    Ok(said(blake3::hash(&desk.retrieve(stored.document).await?)))
}

async fn deposit(template: &Template, storage: Arc<Overlay>) -> Result<String, Error> {
    let desk = desk(template, storage.clone()).await?;
    let request = template.request.descriptor.request();
    let secrets = desk.request_secrets(template.case, request).await?;
    let inbox = Inbox::open(storage, request, &desk.vault().sender(), secrets).await?;
    let mut all = String::new();
    for promise in inbox.promises().await? {
        let deposit = inbox.deposit(&promise).await?;
        all += &said((promise, deposit.form()));
        for page in 0..deposit.pages().len() {
            all += &said(blake3::hash(&deposit.read(page as u16)?.collect().await?));
        }
    }
    Ok(all)
}

async fn client(template: &Template, storage: Arc<Overlay>) -> Result<String, Error> {
    let carrier = template.carrier(storage);
    let request = template.request.descriptor.request();
    let descriptor = carrier.descriptor(request).await.map_err(failed)?;
    let opened = OpenedRequest::open(&descriptor, &template.request.link, None, template.clock.now())?;
    let client = opened.resume(&template.journal)?;
    let held = carrier.held(request, client.id()).await.map_err(failed)?;
    let promise = held.promise.map(|promise| Promise::verify(&promise, opened.descriptor())).transpose()?;
    let mut all = said((promise, held.answers.len()));
    for answer in &held.answers {
        let verified = client.open_answer(answer)?.verify(&template.policy, opened.descriptor());
        all += &said(verified.unwrap());
    }
    Ok(all)
}

fn failed(error: CarrierError) -> Error {
    match error {
        CarrierError::Failed(error) => error,
        refused => StorageError::new(StorageErrorKind::Unavailable, refused.to_string()).into(),
    }
}
