//! Requests, links and deposits: what people without a vault are sent and send.

use std::sync::Arc;

use docvault::{
    CaseId, Sender, SystemEntropy, Timestamp,
    deposit::{
        Carrier, CarrierError, CarrierKey, DepositReceipt, Descriptor, Inbox, Link, OpenedRequest, Promise,
        RequestId,
    },
    storage::{MemoryStorage, Storage},
};

use super::{At, Error, Kit, KitFile, Outcome, Secret, class, class_of, contained, parsed, refused, text};
use crate::common::block_on;

pub fn answer(kit: &Kit, file: &KitFile, object: &str) -> Outcome {
    match object {
        "link" => parsed(Link::parse(&text(file)?)),
        "request" => request(file).and_then(presentation).map_err(|error| refused(&error)),
        "deposit-part" => block_on(async {
            let part = carrier(kit, file).await.receive(file.body.clone().into()).await;
            part.map(|_| Vec::new()).map_err(turned_away)
        }),
        "deposit-manifest" => block_on(manifest(kit, file)),
        "inbox" => block_on(inbox(kit, file)),
        "promise" => {
            let of = request(kit.of(file, "request")).unwrap();
            let verified = Promise::verify(&file.body, of.descriptor());
            verified.map(|_| Vec::new()).map_err(|error| refused(&error))
        }
        "deposit-receipt" => {
            let of = request(kit.of(file, "request")).unwrap();
            let receipt = DepositReceipt::parse(&file.body);
            let verified = receipt.and_then(|receipt| receipt.verify(&super::policy(file), of.descriptor()));
            verified.map(|_| Vec::new()).map_err(|error| (class(error), Vec::new()))
        }
        "answer" => {
            let of = request(kit.of(file, "request")).unwrap();
            let depositor = of.resume(&kit.of(file, "journal").body).unwrap();
            // The one that it says it is.
            let number =
                file.body.get(40..42).map_or(0, |number| number[0] as usize * 256 + number[1] as usize);
            depositor.open_answer(number, &file.body).map(|_| Vec::new()).map_err(|error| refused(&error))
        }
        "journal" => {
            let of = request(kit.of(file, "request")).unwrap();
            of.resume(&file.body).map(|_| Vec::new()).map_err(|error| refused(&error))
        }
        other => panic!("{} is of a kind that is not known: {other}", file.name),
    }
}

fn now(file: &KitFile) -> Timestamp {
    Timestamp::from_millis(file.field("now").parse().unwrap())
}

fn request(file: &KitFile) -> Result<OpenedRequest, Error> {
    let link = Link::parse(file.field("link"))?;
    let passphrase = file.get("passphrase").map(|_| String::from_utf8(file.bytes("passphrase")).unwrap());
    OpenedRequest::open(&file.body, &link, passphrase.as_deref(), now(file))
}

/// What is shown to who may begin a deposit.
fn presentation(opened: OpenedRequest) -> Result<Vec<u8>, Error> {
    if opened.has_expired() {
        opened.begin(0, Vec::new(), &SystemEntropy::default())?;
    }
    Ok(opened.presentation().to_vec())
}

/// Who signed the request, taken at its word.
fn sender(request: &KitFile) -> Sender {
    let bytes = request.bytes("sender");
    let fields: [&[u8]; 2] = [&bytes[..16], &bytes[16..]];
    let print = crate::writer::forge::fingerprint(&crate::writer::forge::context("sender", &fields));
    Sender::verify(&bytes, &print).unwrap()
}

/// A carrier that holds the request and nothing else.
async fn carrier(kit: &Kit, file: &KitFile) -> Carrier {
    let request = kit.of(file, "request");
    let key = CarrierKey::from_seed(Secret::copy_from(&file.bytes("carrier-key")).unwrap());
    let storage = Arc::new(MemoryStorage::default());
    let carrier = Carrier::new(storage, key, sender(request)).clock(At(now(file)));
    carrier.publish(request.body.clone().into()).await.unwrap();
    carrier
}

fn turned_away(error: CarrierError) -> (String, Vec<u8>) {
    match error {
        CarrierError::Refused(refusal) => (class(refusal), Vec::new()),
        CarrierError::Failed(error) => refused(&error),
        other => panic!("{other}"),
    }
}

/// The parts, which are taken; then the manifest.
async fn manifest(kit: &Kit, file: &KitFile) -> Outcome {
    let carrier = carrier(kit, file).await;
    let mut promise = None;
    for (name, bytes) in contained(&file.body).into_iter().rev() {
        let bytes = bytes.unwrap();
        if name == "manifest" {
            promise = Some(bytes);
        } else {
            carrier.receive(bytes.into()).await.unwrap();
        }
    }
    let promise = carrier.finish(promise.unwrap().into()).await.map_err(turned_away)?;
    let of = request(kit.of(file, "request")).unwrap();
    Promise::verify(&promise, of.descriptor()).unwrap();
    Ok(Vec::new())
}

/// Opens the one deposit that was promised, and reads its pages.
async fn inbox(kit: &Kit, file: &KitFile) -> Outcome {
    let mut released = Vec::new();
    match read_inbox(kit, file, &mut released).await {
        Ok(()) => Ok(released),
        Err(error) => Err((class_of(&error), released)),
    }
}

async fn read_inbox(kit: &Kit, file: &KitFile, released: &mut Vec<u8>) -> Result<(), Error> {
    let storage = Arc::new(MemoryStorage::default());
    for (name, bytes) in contained(&file.body) {
        if let Some(bytes) = bytes {
            storage.create(&name.parse().unwrap(), bytes.into()).await.unwrap();
        }
    }
    let asked = kit.of(file, "request");
    let sender = sender(asked);
    let id: RequestId = Descriptor::verify(&asked.body, &sender)?.request();
    let vault = kit.open(file).await?;
    let desk = vault.session("reader").purpose("kit").begin()?;
    let secrets = desk.request_secrets(CaseId::from_bytes(file.array("case")), id).await?;
    let inbox = Inbox::open(storage, id, &sender, secrets).await?;
    let promises = inbox.promises().await?;
    let deposit = inbox.deposit(promises.first().unwrap()).await?;
    for page in 0..deposit.pages().len() {
        let mut reader = deposit.read(u16::try_from(page).unwrap())?;
        while let Some(part) = reader.next().await? {
            released.extend_from_slice(&part);
        }
    }
    Ok(())
}
