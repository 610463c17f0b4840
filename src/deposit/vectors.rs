//! `tests/vectors/deposit/*.json`: what this crate makes of fixed inputs, for other implementations; and the way
//! back, deposits that another one has made.

use core::time::Duration;
use std::{fmt::Write, fs, path::PathBuf, sync::Arc, sync::Mutex};

use bytes::Bytes;
use futures_lite::future::block_on;
use serde_json::{Value, json};

use super::*;
use crate::{
    Attributes, CaseId, Clock, Entropy, EntropyError, Receipt, Secret, Sender, Timestamp, VaultId,
    crypto::sign::SigningKey, storage::MemoryStorage,
};

/// Fills from a counter, and remembers what it gave.
#[derive(Debug)]
struct Scripted(&'static str, Mutex<Vec<Vec<u8>>>);

impl Scripted {
    fn new(name: &'static str) -> Self {
        Self(name, Mutex::default())
    }

    fn given(&self) -> Value {
        self.1.lock().expect("not poisoned").iter().map(|bytes| hex(bytes)).collect()
    }
}

impl Entropy for Scripted {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        let mut given = self.1.lock().map_err(|_| EntropyError)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.0.as_bytes()).update(&given.len().to_be_bytes()).finalize_xof().fill(bytes);
        given.push(bytes.to_vec());
        Ok(())
    }
}

#[derive(Debug)]
struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

fn unhex(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("a text");
    (0..text.len() / 2)
        .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("hexadecimal"))
        .collect()
}

const NOW: Timestamp = Timestamp::from_millis(1_764_000_000_000);
const VAULT: VaultId = VaultId::from_bytes([0x11; 16]);
const CASE: CaseId = CaseId::from_bytes([0x22; 16]);
const PAGE: &str = "https://intake.example/r/1";

fn office() -> SigningKey {
    SigningKey::from_seed(Secret::take([0x33; 32]))
}

fn carrier_key() -> CarrierKey {
    CarrierKey::from_seed(Secret::take([0x44; 32]))
}

fn sender() -> Sender {
    Sender::new(VAULT, office().verifying_key())
}

fn secrets(request: RequestId) -> RequestSecrets {
    RequestSecrets::derive(&Secret::take([0x55; 32]), VAULT, CASE, request)
}

fn terms() -> RequestTerms {
    RequestTerms::new(CASE, carrier_key().public(), NOW.saturating_add(Duration::from_secs(86_400)))
        .answer_within(Duration::from_secs(3600))
        .slot(
            Slot::new("official-id", 3 << 20)
                .files(1, 2)
                .uses(2)
                .media_type("image/jpeg")
                .media_type("image/png"),
        )
        .slot(Slot::new("declaration", 0).files(0, 0).uses(3))
}

/// The requests of the vectors, by name, with their passphrases.
fn requests() -> Vec<(&'static str, Option<&'static str>, SignedRequest)> {
    let plain =
        terms().policy("quorum none\n").presentation("{\"es\":\"Identificación oficial\"}".as_bytes());
    let sign = |terms: RequestTerms, byte, name| {
        let id = RequestId::from_bytes([byte; 16]);
        terms.sign(VAULT, id, &secrets(id), &office(), (&Scripted::new(name), NOW)).expect("signed")
    };
    let passphrase = "ñandú azul";
    vec![
        ("plain", None, sign(plain, 0x66, "plain")),
        ("passphrase", Some(passphrase), sign(terms().passphrase(passphrase), 0x67, "passphrase")),
    ]
}

fn described(opened: &OpenedRequest) -> Value {
    let slots = opened.slots().iter().map(|slot| {
        json!({
            "requirement": slot.requirement, "fewestFiles": slot.fewest_files, "mediaTypes": slot.media_types,
            "uses": slot.caps.uses, "files": slot.caps.files, "fileBytes": slot.caps.file_bytes,
        })
    });
    json!({
        "id": opened.descriptor().request().to_string(), "case": opened.case().to_string(),
        "expires": opened.descriptor().expires().as_millis(), "policy": opened.policy(),
        "presentation": hex(opened.presentation()), "slots": slots.collect::<Value>(),
    })
}

fn request_vectors() -> Value {
    let requests = requests();
    let url = |signed: &SignedRequest| signed.link.expose_url(PAGE).expect("no fragment");
    let all = requests.iter().map(|(name, passphrase, signed)| {
        let bytes = signed.descriptor.to_bytes();
        let opened = OpenedRequest::open(&bytes, &signed.link, *passphrase, NOW).expect("opens");
        json!({
            "name": name, "descriptor": hex(&bytes), "url": url(signed), "passphrase": passphrase,
            "now": NOW.as_millis(), "expect": described(&opened),
        })
    });
    let [(_, _, plain), (_, _, locked)] = requests.as_slice() else { panic!("two requests") };
    let refused = |code: &str,
                   descriptor: &SignedRequest,
                   link: &str,
                   passphrase: Option<&str>,
                   now: Timestamp| {
        let bytes = descriptor.descriptor.to_bytes();
        let answer = Link::parse(link).and_then(|link| OpenedRequest::open(&bytes, &link, passphrase, now));
        assert!(answer.is_err(), "{code}");
        json!({ "code": code, "descriptor": hex(&bytes), "url": link, "passphrase": passphrase, "now": now.as_millis() })
    };
    let (a, b) = (url(plain), url(locked));
    let refused = [
        refused("corrupt", plain, &b, None, NOW),
        refused("invalid", plain, &a, Some("x"), NOW),
        refused("locked", locked, &b, None, NOW),
        refused("locked", locked, &b, Some("nandu azul"), NOW),
        refused("invalid", plain, &a[..a.len() - 1], None, NOW),
        refused("invalid", plain, PAGE, None, NOW),
    ];
    json!({ "requests": all.collect::<Value>(), "refused": refused })
}

fn pattern(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from((i * 7 + (i >> 8) * 13 + seed) & 255).expect("below 256")).collect()
}

/// A receipt in form: what it proves is tested elsewhere.
fn record_receipt() -> Receipt {
    let leaf = crate::receipt::tests::sample_leaf(3);
    Receipt::new(leaf, None, None, vec![[9; 32]], "a note\n\nof nobody\n".to_owned())
}

/// Makes a deposit, hands it in and answers it, and says everything about it.
async fn deposit(name: &'static str, slot: u16, lens: &[usize], form: Attributes, comment: &str) -> Value {
    let (_, _, signed) = requests().swap_remove(0);
    let (storage, entropy) = (Arc::new(MemoryStorage::new()), Scripted::new(name));
    let carrier = Carrier::new(storage.clone(), carrier_key(), sender()).clock(At(NOW));
    let request = carrier.publish(signed.descriptor.to_bytes()).await.expect("published");
    let opened = OpenedRequest::open(&signed.descriptor.to_bytes(), &signed.link, None, NOW).expect("opens");
    let file = |(i, len): (usize, &usize)| {
        let len = u64::try_from(*len).expect("small");
        File::new(format!("lado {i} ñ.jpg"), "image/jpeg", len)
    };
    let files = lens.iter().enumerate().map(file).collect();
    let mut client = opened.begin(slot, files, &entropy).expect("begun");
    let journal = client.journal(&entropy).expect("entropy");
    let mut parts = Vec::new();
    for (page, part) in client.places() {
        let content = pattern(page.into(), lens[usize::from(page)]);
        let range = client.range(page, part);
        let at = |at: u64| usize::try_from(at).expect("small");
        let bytes = client.seal_part(page, part, &content[at(range.start)..at(range.end)]).expect("sealed");
        let held = carrier.receive(bytes.clone()).await.expect("taken");
        let whole = (bytes.len() < 4096).then(|| hex(&bytes));
        let of_all = hex(&crate::crypto::digest::sha256(&[&bytes]));
        parts.push(json!({ "page": page, "part": part, "sealed": hex(&held.sha256), "sha256": of_all, "bytes": whole }));
    }
    let manifest = client.finish(form.clone(), comment).expect("finished");
    let promise = carrier.finish(manifest.clone()).await.expect("promised");
    let inbox = Inbox::open(storage, request, &sender(), secrets(request)).await.expect("opens");
    let incoming =
        inbox.deposit(&Promise::verify(&promise, &signed.descriptor).expect("ours")).await.expect("opens");
    let verdict = Verdict::Refused("blurred".to_owned());
    let claim = incoming.claim(CASE, "official-id", verdict, NOW).to_bytes().expect("a claim");
    let receipt = DepositReceipt::new(claim, incoming.promise().clone(), record_receipt());
    let receipt = receipt.expect("a receipt");
    inbox.answer(&incoming, &receipt, &Scripted::new("answer")).await.expect("answered");
    let answer = carrier.held(request, incoming.id()).await.expect("held").answers.swap_remove(0);
    let pages =
        incoming.pages().iter().map(|page| json!({ "length": page.file.len, "digest": hex(&page.digest) }));
    json!({
        "request": "plain", "slot": slot, "id": incoming.id().to_string(), "random": entropy.given(),
        "files": client.files().iter().map(|file| json!({ "name": file.name, "mediaType": file.media_type, "length": file.len })).collect::<Value>(),
        "journal": hex(&journal), "form": form, "comment": comment, "parts": parts, "manifest": hex(&manifest),
        "promise": hex(&promise), "answerBy": incoming.promise().answer_by().as_millis(),
        "sealedBytes": incoming.promise().sealed_bytes(), "answer": hex(&answer), "receipt": hex(&receipt.to_bytes()),
        "claim": { "verdict": "refused", "reason": "blurred", "requirement": "official-id", "time": NOW.as_millis(), "pages": pages.collect::<Value>() },
    })
}

fn deposit_vectors() -> Value {
    // In UTF-16, as JavaScript orders texts, the last two names stand the other way round.
    let form =
        |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), format!("valor {name}"))).collect();
    let all = [
        block_on(deposit(
            "two sides",
            0,
            &[700_000, 300],
            form(&["rfc", "a", "\u{ffff}", "\u{10000}"]),
            "con gusto",
        )),
        block_on(deposit("empty", 0, &[0], form(&[]), "")),
        block_on(deposit("full parts", 0, &[1 << 20], form(&[]), "")),
        block_on(deposit("padding alone", 0, &[(1 << 20) + (1 << 19) - 1000, 1], form(&[]), "")),
        block_on(deposit("form", 1, &[], form(&["ingresos"]), "sin archivos")),
    ];
    json!({ "deposits": all })
}

/// One of each artefact, by the names in [`fuzzing::PARSERS`](super::fuzzing::PARSERS).
pub(crate) fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let (_, _, signed) = requests().swap_remove(0);
    let deposits = read(folder().join("deposits.json"));
    let deposit = &deposits["deposits"][0];
    let receipt = unhex(&deposit["receipt"]);
    let small = deposit["parts"].as_array().expect("a list").iter().find(|part| !part["bytes"].is_null());
    let claim_len =
        usize::try_from(u32::from_be_bytes(receipt[8..12].try_into().expect("four"))).expect("small");
    vec![
        ("request", signed.descriptor.to_bytes().to_vec()),
        ("link", signed.link.expose_url(PAGE).expect("no fragment").into_bytes()),
        ("deposit part", unhex(&small.expect("a small part")["bytes"])),
        ("deposit manifest", unhex(&deposit["manifest"])),
        ("promise", unhex(&deposit["promise"])),
        ("claim", receipt[12..12 + claim_len].to_vec()),
        ("deposit receipt", receipt.clone()),
        ("deposit journal", unhex(&deposit["journal"])),
        ("answer", unhex(&deposit["answer"])),
    ]
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/deposit")
}

fn read(path: PathBuf) -> Value {
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

#[test]
#[ignore = "writes the vectors anew, which changes the format"]
fn vectors_are_written() {
    fs::create_dir_all(folder()).expect("made");
    for (name, value) in [("requests.json", request_vectors()), ("deposits.json", deposit_vectors())] {
        let text = serde_json::to_string_pretty(&value).expect("JSON") + "\n";
        fs::write(folder().join(name), text).expect("written");
    }
}

#[test]
fn the_vectors_are_what_this_crate_makes() {
    assert_eq!(read(folder().join("requests.json")), request_vectors());
    assert_eq!(read(folder().join("deposits.json")), deposit_vectors());
}

/// What `web/test/seal.mjs` wrote, with fresh randomness, to the request of the vectors.
#[test]
#[ignore = "run by scripts/web.sh"]
fn deposits_of_another_implementation_open() {
    let path = std::env::var_os("DOCVAULT_WEB_DEPOSITS").expect("DOCVAULT_WEB_DEPOSITS names the file");
    let deposits = read(path.into());
    let deposits = deposits["deposits"].as_array().expect("a list");
    assert!(deposits.len() >= 4);
    block_on(async {
        for deposit in deposits {
            let (_, _, signed) = requests().swap_remove(0);
            let storage = Arc::new(MemoryStorage::new());
            let carrier = Carrier::new(storage.clone(), carrier_key(), sender()).clock(At(NOW));
            let request = carrier.publish(signed.descriptor.to_bytes()).await.expect("published");
            for part in deposit["parts"].as_array().expect("a list") {
                carrier.receive(unhex(part).into()).await.expect("taken");
            }
            let promise = carrier.finish(Bytes::from(unhex(&deposit["manifest"]))).await.expect("promised");
            let inbox = Inbox::open(storage, request, &sender(), secrets(request)).await.expect("opens");
            let promise = Promise::verify(&promise, &signed.descriptor).expect("ours");
            let incoming = inbox.deposit(&promise).await.expect("opens");
            assert_eq!(json!(incoming.form()), deposit["form"]);
            assert_eq!(json!(incoming.comment()), deposit["comment"]);
            let lens = deposit["lengths"].as_array().expect("a list");
            assert_eq!(lens.len(), incoming.pages().len());
            for (page, len) in (0..).zip(lens) {
                let len = usize::try_from(len.as_u64().expect("a length")).expect("small");
                let content = incoming.read(page).expect("a page").collect().await.expect("authentic");
                assert_eq!(content.as_slice(), pattern(page.into(), len));
            }
        }
    });
}
