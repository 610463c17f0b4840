//! Lengths that a stranger declares take no memory before their bytes have come. Alone in its
//! process, whose memory it looks at.
#![cfg(all(feature = "testing", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::unwrap_in_result,
    clippy::too_many_lines,
    reason = "tests"
)]

mod common;
#[cfg(feature = "intake")]
#[path = "common/intake.rs"]
mod intake;

use common::{block_on, identity};
use docvault::{
    NewDocument, Recipient, Terms, UploadToken, Vault,
    keys::LocalKey,
    storage::{MemoryStorage, ObjectKey, Storage, testing::EvilStorage},
};
use std::sync::Arc;

/// The most address space this process has had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmPeak:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn p20_hostile_lengths_take_no_memory() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let storage = Arc::new(MemoryStorage::default());
        let path = folder.path().join("key");
        let vault = Vault::create(storage.clone(), LocalKey::create(&path).unwrap()).await.unwrap();
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let stored = desk.store(case, NewDocument::named("x"), b"content".to_vec()).await.unwrap();
        let (notary, _file) = identity();
        let to = Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string()).unwrap();
        let grant = desk.grant(stored.document, &to, Terms::read().purpose("p")).await.unwrap();
        let delivery = desk.deliver(grant).await.unwrap().collect().await.unwrap();
        let token = desk.upload(case, NewDocument::named("y")).await.unwrap().token().unwrap().to_bytes();
        let keys = storage.list("", None, 1000).await.unwrap();
        let key = || LocalKey::load(&path).unwrap();
        // Everything once, so that what is needed anyway is there.
        let ask = async |evil: Arc<EvilStorage>| {
            let Ok(vault) = Vault::open(evil, key(), &desk.vault().pin()).await else { return };
            let desk = vault.session("a").purpose("p").begin().unwrap();
            drop(desk.retrieve(stored.document).await);
            drop(desk.who_can_open(stored.document).await);
            drop(desk.cases(None).await);
        };
        ask(Arc::new(EvilStorage::new(&storage))).await;
        #[cfg(feature = "intake")]
        let strangers = strangers::Strangers::new().await;
        let before = peak();
        let mut tried = 0;
        // Any four bytes may be a length or a count: each in turn says four billion, and sixty-four million.
        for declared in [u32::MAX, 0x7fff_ffff, 64 << 20] {
            let hostile = |bytes: &[u8], at: usize| {
                let mut hostile = bytes.to_vec();
                hostile[at..at + 4].copy_from_slice(&declared.to_be_bytes());
                hostile
            };
            for at in (0..delivery.len().min(3000) - 4).step_by(4) {
                let bytes = hostile(&delivery, at);
                if let Ok(mut opened) = notary.open(bytes.as_slice(), &vault.sender()) {
                    drop(opened.next_document().map(|document| document.map(|document| document.content())));
                }
                tried += 1;
            }
            for at in 0..token.len() - 4 {
                if let Ok(token) = UploadToken::from_bytes(&hostile(&token, at)) {
                    drop(desk.resume_upload(&token).await);
                }
                tried += 1;
            }
            #[cfg(feature = "intake")]
            for (what, bytes) in strangers.sent() {
                for at in 0..bytes.len().min(600) - 4 {
                    strangers.take(*what, hostile(bytes, at)).await;
                    tried += 1;
                }
            }
            for key in &keys {
                let bytes = storage.read(key, None).await.unwrap().unwrap();
                for at in lengths(key, bytes.len()) {
                    let evil = Arc::new(EvilStorage::new(&storage));
                    evil.substitute(key, hostile(&bytes, at).into());
                    ask(evil).await;
                    tried += 1;
                }
            }
        }
        let grown = peak() - before;
        println!("{tried} hostile lengths: {grown} KiB more");
        assert!(tried > 2000 && grown < 64 * 1024, "{grown} KiB more");
    });
}

/// What a client, a carrier and an office send each other.
#[cfg(feature = "intake")]
mod strangers {
    use docvault::{SystemEntropy, deposit::*};

    use crate::intake::{Intake, begin, content, seal};

    #[derive(Debug, Clone, Copy)]
    pub(super) enum Sent {
        Answer,
        Descriptor,
        Journal,
        Manifest,
        Part,
        Promise,
    }

    pub(super) struct Strangers {
        office: Intake,
        carrier: Carrier,
        opened: OpenedRequest,
        client: Depositor,
        sent: Vec<(Sent, Vec<u8>)>,
    }

    impl Strangers {
        pub(super) async fn new() -> Self {
            let office = Intake::new().await;
            let signed = office.request().await;
            let (carrier, opened) = (office.carrier(), office.open(&signed));
            let contents = [content(1, 70_000)];
            let mut client = begin(&opened, &contents);
            let journal = client.journal(&SystemEntropy::default()).unwrap();
            let part = seal(&mut client, &contents, (0, 0));
            carrier.receive(part.clone()).await.unwrap();
            let manifest = client.finish([].into(), "").unwrap();
            let promise = carrier.finish(manifest.clone()).await.unwrap();
            let inbox = office.inbox(&signed).await;
            let incoming = inbox.deposit(&client.check_promise(&promise, &manifest).unwrap()).await.unwrap();
            let receipt = office.answer(&incoming, "official-id", Verdict::Accepted).await;
            inbox.answer(&incoming, &receipt, &SystemEntropy::default()).await.unwrap();
            let held = carrier.held(signed.descriptor.request(), client.id()).await.unwrap();
            let sent = vec![
                (Sent::Answer, held.answers[0].to_vec()),
                (Sent::Descriptor, signed.descriptor.to_bytes().to_vec()),
                (Sent::Journal, journal.to_vec()),
                (Sent::Manifest, manifest.to_vec()),
                (Sent::Part, part.to_vec()),
                (Sent::Promise, promise.to_vec()),
            ];
            Self { office, carrier, opened, client, sent }
        }

        pub(super) fn sent(&self) -> &[(Sent, Vec<u8>)] {
            &self.sent
        }

        /// Takes it as whoever it is sent to does.
        pub(super) async fn take(&self, what: Sent, bytes: Vec<u8>) {
            match what {
                Sent::Answer => drop(self.client.open_answer(0, &bytes)),
                Sent::Descriptor => drop(Descriptor::verify(&bytes, &self.office.vault.sender())),
                Sent::Journal => drop(self.opened.resume(&bytes)),
                Sent::Manifest => drop(self.carrier.finish(bytes.into()).await),
                Sent::Part => drop(self.carrier.receive(bytes.into()).await),
                Sent::Promise => drop(Promise::verify(&bytes, self.opened.descriptor())),
            }
        }
    }
}

/// Where an object of this name holds lengths and counts, and where others might look for one.
fn lengths(key: &ObjectKey, len: usize) -> Vec<usize> {
    let named: &[usize] = match key.as_str().split('/').next().unwrap() {
        "log" => &[32, 36, 120],
        "keyring" => &[40, 44 + 18 + 1216],
        "head" => &[128],
        _ => &[],
    };
    named.iter().copied().chain((0..len - 4).step_by(len / 6 + 1)).collect()
}
