//! Recipients, senders and whoever carries a delivery between them.

use std::{ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use docvault::{
    DocumentId, ErrorKind, GrantId, Identity, NewDocument, Recipient, Sender, Terms, VersionId,
    chunked::CHUNK_LEN,
    storage::{ObjectKey, Storage, StorageError, testing::EvilStorage},
};

use super::{forgeries::*, toolkit::*};
use crate::common::{around::*, block_on};

/// Two parts: the first can be released before the second is read.
const TWO_PARTS: usize = (8 << 20) + 300_000;

async fn deliver(world: &World, grant: GrantId) -> Vec<u8> {
    world.desk.deliver(grant).await.unwrap().collect().await.unwrap().to_vec()
}

/// What a recipient who colludes takes out of their delivery, and the delivery to another one.
async fn delivered_to_two(world: &World, document: DocumentId) -> (TakenApart, (Identity, Vec<u8>)) {
    let (colluding, notary) = (identity(1), identity(2));
    let one = granted(world, document, &colluding).await;
    let two = granted(world, document, &notary).await;
    (take_apart(1, &deliver(world, one).await), (notary, deliver(world, two).await))
}

async fn granted(world: &World, document: DocumentId, to: &Identity) -> GrantId {
    world.desk.grant(document, &recipient(to), Terms::read().purpose("p")).await.unwrap()
}

fn content(identity: &Identity, delivery: &[u8], sender: &Sender) -> Result<Vec<u8>, docvault::Error> {
    let mut opened = identity.open(delivery, sender)?;
    let content = opened.next_document()?.unwrap().content()?;
    assert!(opened.next_document()?.is_none());
    Ok(content)
}

/// A delivery of one version, with the metadata and the content of another head in it.
fn delivered(delivery: &[u8], head: &[u8]) -> Vec<u8> {
    let meta = 132 + u32::from_be_bytes(head[128..132].try_into().unwrap()) as usize;
    let (meta, inline) = (&head[128..meta], &head[meta..]);
    let start = &delivery[..documents_at(delivery)];
    [start, meta, &u32::try_from(inline.len()).unwrap().to_be_bytes(), inline].concat()
}

#[test]
fn recipient_key_substitution() {
    let (honest, attacker) = (identity(1), identity(2));
    let read_aloud = honest.fingerprint().to_string();
    let refused = |bytes: &[u8]| {
        let error = Recipient::verify(bytes, &read_aloud).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    };
    refused(&attacker.recipient_bytes());
    // Half of each: the X25519 half is the last 32 bytes, the ML-KEM half what is before.
    let (mine, theirs) = (honest.recipient_bytes(), attacker.recipient_bytes());
    refused(&[&mine[..1184], &theirs[1184..]].concat());
    refused(&[&theirs[..1184], &mine[1184..]].concat());
    for at in (0..mine.len()).step_by(5) {
        refused(&altered(&mine, at, 1));
    }
    assert!(Recipient::verify(&mine, &read_aloud).is_ok());
    // A recipient's fingerprint is no sender's, and a shortened one is none.
    assert!(Sender::verify(&mine[..48], &read_aloud).is_err());
    for len in 0..read_aloud.len() {
        assert!(Recipient::verify(&mine, &read_aloud[..len]).is_err());
    }
}

#[test]
fn one_version_one_plaintext() {
    block_on(async {
        let world = World::new().await;
        let honest = vec![1; TWO_PARTS];
        let stored = world.store("contract", honest.clone()).await;
        let (colluding, notary) = (identity(1), identity(2));
        let one = granted(&world, stored.document, &colluding).await;
        let two = granted(&world, stored.document, &notary).await;
        // The recipient hands the storage a second content under the version's own key.
        let apart = take_apart(1, &deliver(&world, one).await);
        let prefix = format!("part/{}/{}/", world.case, stored.version);
        let evil = world.evil();
        let (name, sealed) = objects(&*evil, &prefix).await.pop_first().unwrap();
        let attempt = attempt_of(&name);
        let forged = forged_part(&world, &apart, &attempt, 0, &vec![2; 8 << 20]);
        assert_eq!(forged.len(), sealed.len());
        evil.substitute(&name, forged.clone().into());
        let desk = session(&world.open(evil.clone()).await.unwrap());
        assert_eq!(desk.retrieve(stored.document).await.unwrap_err().kind(), ErrorKind::Corrupt);
        let mut reader = desk.reader(stored.document).await.unwrap();
        assert_eq!(
            reader.next().await.unwrap_err().kind(),
            ErrorKind::Corrupt,
            "before any of it is released"
        );
        assert_eq!(reader.next().await.unwrap_err().kind(), ErrorKind::Corrupt, "the error stays");
        // Another recipient's delivery, altered on its way.
        let whole = deliver(&world, two).await;
        let at = whole.windows(64).position(|window| window == &sealed[..64]).unwrap();
        let delivery = patched(&whole, at..at + forged.len(), &forged);
        let error = content(&notary, &delivery, &world.vault.sender()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        let mut opened = notary.open(&delivery[..], &world.vault.sender()).unwrap();
        let mut document = opened.next_document().unwrap().unwrap();
        let released = document.next_part().map(|part| part.is_some());
        assert_eq!(released.unwrap_err().kind(), ErrorKind::Corrupt, "before any of it is released");
        assert_eq!(document.next_part().unwrap_err().kind(), ErrorKind::Corrupt, "the error stays");
        assert_eq!(opened.next_document().unwrap_err().kind(), ErrorKind::Corrupt);
        // A part of one byte too many, before the length of the first sound one.
        let spoiled = [&whole[..at - 4], &[0, 0, 0, 1, 0], &whole[at - 4..]].concat();
        let mut opened = notary.open(spoiled.as_slice(), &world.vault.sender()).unwrap();
        let mut document = opened.next_document().unwrap().unwrap();
        for _ in 0..3 {
            let released = document.next_part().map(|part| part.is_some());
            assert_eq!(released.unwrap_err().kind(), ErrorKind::Corrupt, "nor what is sound behind it");
        }
        assert_eq!(opened.next_document().unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(world.desk.retrieve(stored.document).await.unwrap(), honest);
    });
}

/// Every chunk of it is sound, by a recipient who has the version's key: 8 MiB are the most that a part holds.
#[test]
fn p14_a_part_that_is_too_long_is_refused() {
    block_on(async {
        let world = World::new().await;
        let stored = world.store("contract", vec![1; TWO_PARTS]).await;
        let (apart, (notary, whole)) = delivered_to_two(&world, stored.document).await;
        let evil = world.evil();
        let (name, sealed) =
            objects(&*evil, &format!("part/{}/{}/", world.case, stored.version)).await.pop_first().unwrap();
        let at = whole.windows(64).position(|window| window == &sealed[..64]).unwrap();
        let delivered = |part: &[u8]| {
            let len = u32::try_from(part.len()).unwrap().to_be_bytes();
            [&whole[..at - 4], &len, part, &whole[at + sealed.len()..]].concat()
        };
        assert_eq!(delivered(&sealed), whole);
        let desk = session(&world.open(evil.clone()).await.unwrap());
        for (more, refused) in [(0, false), (1, true), (CHUNK_LEN, true)] {
            let forged = forged_part(&world, &apart, &attempt_of(&name), 0, &vec![1; (8 << 20) + more]);
            evil.substitute(&name, forged.clone().into());
            let answers = [
                desk.retrieve(stored.document).await.err(),
                desk.reader(stored.document).await.unwrap().next().await.err(),
                content(&notary, &delivered(&forged), &world.vault.sender()).err(),
            ];
            let kinds = answers.map(|error| error.map(|error| error.kind()));
            assert_eq!(kinds, [refused.then_some(ErrorKind::Corrupt); 3], "{more} bytes too long");
        }
    });
}

/// Whoever has the version's key can seal any padding: what opens is padded with zeros.
#[test]
fn p16_content_that_is_not_padded_with_zeros_is_refused() {
    block_on(async {
        let world = World::new().await;
        let stored = world.store("contract", vec![7; 300]).await;
        let (apart, (notary, whole)) = delivered_to_two(&world, stored.document).await;
        let evil = world.evil();
        let head = evil.read(&head_name(&stored), None).await.unwrap().unwrap();
        let attempt = 132 + u32::from_be_bytes(head[128..132].try_into().unwrap()) as usize;
        let (attempt, sealed) = (&head[attempt..attempt + 16], attempt + 16..head.len());
        let at = whole.windows(sealed.len()).position(|window| *window == head[sealed.clone()]).unwrap();
        let place = [&content_context(&world, &apart)[..], attempt, &[0; 8]].concat();
        // The Padmé length of 300 is 304.
        for (last, refused) in [(0, false), (1, true)] {
            let forged = seal(&apart.head_key, &place, &[&[7; 300][..], &[0, 0, 0, last]].concat());
            evil.substitute(&head_name(&stored), patched(&head, sealed.clone(), &forged));
            let desk = session(&world.open(evil.clone()).await.unwrap());
            let delivery = patched(&whole, at..at + forged.len(), &forged);
            let answers = [
                desk.retrieve(stored.document).await.err(),
                desk.reader(stored.document).await.unwrap().next().await.err(),
                content(&notary, &delivery, &world.vault.sender()).err(),
            ];
            let kinds = answers.map(|error| error.map(|error| error.kind()));
            assert_eq!(kinds, [refused.then_some(ErrorKind::Corrupt); 3], "{last}");
        }
    });
}

/// The recipient has the version's key, so its metadata too is theirs to write: another name, another
/// digest, another content, all sound under that key.
#[test]
fn one_version_one_head() {
    block_on(async {
        let world = World::new().await;
        let stored = world.store("contract", b"pay 100".to_vec()).await;
        let (grant, notary) = (granted(&world, stored.document, &identity(1)).await, identity(2));
        let apart = take_apart(1, &deliver(&world, grant).await);
        let two = granted(&world, stored.document, &notary).await;
        let whole = deliver(&world, two).await;
        let evil = world.evil();
        let head = evil.read(&head_name(&stored), None).await.unwrap().unwrap();
        let forged = forged_head(&world, &apart, &head, b"pay 900");
        // Another recipient's delivery, altered on its way: what the vault signed names the metadata.
        assert_eq!(delivered(&whole, &head), whole);
        let error = content(&notary, &delivered(&whole, &forged), &world.vault.sender()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        evil.substitute(&head_name(&stored), forged.into());
        let desk = session(&world.open(evil.clone()).await.unwrap());
        assert_eq!(desk.retrieve(stored.document).await.unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(desk.describe(stored.document).await.unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(desk.deliver(grant).await.unwrap_err().kind(), ErrorKind::Corrupt);
        evil.substitute(&head_name(&stored), head);
        assert_eq!(desk.retrieve(stored.document).await.unwrap(), b"pay 100".as_slice());
    });
}

#[test]
fn one_range_one_plaintext() {
    block_on(async {
        let world = World::new().await;
        let honest = vec![1; TWO_PARTS];
        let stored = world.store("contract", honest.clone()).await;
        let grant = granted(&world, stored.document, &identity(1)).await;
        let apart = take_apart(1, &deliver(&world, grant).await);
        let evil = world.evil();
        let parts = objects(&*evil, &format!("part/{}/{}/", world.case, stored.version)).await;
        let (name, sealed) = parts.first_key_value().unwrap();
        let attempt = attempt_of(name);
        // One byte of the part's third chunk is another.
        let mut other = vec![1; 8 << 20];
        other[40_000] = 2;
        let true_outline = chaining_values(0, &vec![1; 8 << 20]);
        let forgeries = [
            forged_part(&world, &apart, &attempt, 0, &other),
            outlined_part(&world, &apart, &attempt, 0, &other, &true_outline),
            outlined_part(&world, &apart, &attempt, 0, &other, &true_outline[32..]),
        ];
        for (which, forged) in forgeries.into_iter().enumerate() {
            assert_eq!(forged.len() == sealed.len(), which < 2);
            evil.substitute(name, forged.into());
            let desk = session(&world.open(evil.clone()).await.unwrap());
            let range = desk.retrieve_range(stored.document, 39_000..41_000).await;
            assert_eq!(range.unwrap_err().kind(), ErrorKind::Corrupt, "forgery {which}");
            let reader = desk.reader(stored.document).await.unwrap();
            assert_eq!(reader.range(39_000..41_000).await.unwrap_err().kind(), ErrorKind::Corrupt);
            // With the true outline, chunks that were not touched are still what they were.
            assert_eq!(reader.range(0..100).await.is_ok(), which == 1, "forgery {which}");
            assert_eq!(reader.range(8_400_000..8_500_000).await.unwrap(), honest[8_400_000..8_500_000]);
        }
        evil.substitute(name, sealed.clone());
        let desk = session(&world.open(evil).await.unwrap());
        assert_eq!(
            desk.retrieve_range(stored.document, 39_000..41_000).await.unwrap(),
            honest[39_000..41_000]
        );
    });
}

/// A page of one chunk has no outline, and in a version of more pages a part of its own.
#[test]
fn one_range_of_a_small_page_one_plaintext() {
    block_on(async {
        let world = World::new().await;
        let mut upload = world.desk.upload(world.case, NewDocument::named("two sides")).await.unwrap();
        upload.write(&[1; 300]).await.unwrap();
        upload.next_page().await.unwrap();
        upload.write(&[1; 300]).await.unwrap();
        let stored = upload.finish().await.unwrap();
        let grant = granted(&world, stored.document, &identity(1)).await;
        let apart = take_apart(1, &deliver(&world, grant).await);
        let evil = world.evil();
        let parts = objects(&*evil, &format!("part/{}/{}/", world.case, stored.version)).await;
        let (name, sealed) = parts.first_key_value().unwrap();
        let place = [&content_context(&world, &apart)[..], &attempt_of(name), &[0; 8]].concat();
        // The Padmé length of 300 is 304.
        for (byte, refused) in [(1, false), (2, true)] {
            let forged = seal(&apart.head_key, &place, &[&[byte; 300][..], &[0; 4]].concat());
            assert_eq!(forged.len(), sealed.len());
            evil.substitute(name, forged.into());
            let desk = session(&world.open(evil.clone()).await.unwrap());
            let reader = desk.reader(stored.document).await.unwrap();
            let answers = [
                desk.retrieve_range(stored.document, 5..9).await.err(),
                reader.range(5..9).await.err(),
                reader.range(299..301).await.err(),
            ];
            let kinds = answers.map(|error| error.map(|error| error.kind()));
            assert_eq!(kinds, [refused.then_some(ErrorKind::Corrupt); 3], "{byte}");
            assert_eq!(reader.range(300..600).await.unwrap(), vec![1; 300]);
        }
    });
}

/// Answers a read that ends where the object is to end with all that there is.
#[derive(Debug)]
struct Unbounded {
    objects: Arc<EvilStorage>,
    end: u64,
}

#[async_trait]
impl Around for Unbounded {
    fn objects(&self) -> &dyn Storage {
        &*self.objects
    }

    async fn read(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        let answered =
            range.map(|range| range.start..if range.end == self.end { u64::MAX } else { range.end });
        self.objects.read(key, answered).await
    }
}

/// What it says of the content is true, and the padding is none of it: ranges refuse what the whole is refused for.
#[test]
fn p16_an_outline_that_is_right_of_the_content_alone_is_refused() {
    block_on(async {
        let world = World::new().await;
        let stored = world.store("contract", vec![1; TWO_PARTS]).await;
        let grant = granted(&world, stored.document, &identity(1)).await;
        let apart = take_apart(1, &deliver(&world, grant).await);
        let evil = world.evil();
        let parts = objects(&*evil, &format!("part/{}/{}/", world.case, stored.version)).await;
        let (name, sealed) = parts.last_key_value().unwrap();
        let storage = Arc::new(Through(Unbounded { objects: evil.clone(), end: sealed.len() as u64 }));
        // The Padmé length of the second part's 300,000 bytes is 524,288: 19 chunks, and 13 of padding alone.
        let content = vec![1; 300_000];
        let (true_values, padded) = (chaining_values(1, &content), [&content[..], &[0; 224_288]].concat());
        let zeros = |values: usize| vec![0; 32 * values];
        for (outline, refused) in [
            (zeros(13), false),
            (zeros(12), true),
            (zeros(14), true),
            ([zeros(13), vec![0; 5]].concat(), true),
            ([zeros(12), vec![1; 32]].concat(), true),
        ] {
            let outline = [&true_values[..], &outline].concat();
            let forged = outlined_part(&world, &apart, &attempt_of(name), 1, &padded, &outline);
            assert!(refused || forged.len() == sealed.len());
            evil.substitute(name, forged.into());
            let desk = session(&world.open(storage.clone()).await.unwrap());
            let answers = [
                desk.retrieve(stored.document).await.err(),
                desk.retrieve_range(stored.document, 8_400_000..8_500_000).await.err(),
            ];
            let kinds = answers.map(|error| error.map(|error| error.kind()));
            assert_eq!(kinds, [refused.then_some(ErrorKind::Corrupt); 2], "{} bytes", outline.len());
        }
    });
}

#[test]
fn recipient_cannot_forge_for_other() {
    block_on(async {
        let world = World::new().await;
        let stored = world.store("contract", b"pay 100".to_vec()).await;
        let (mallory, notary) = (identity(1), identity(2));
        let grant = granted(&world, stored.document, &mallory).await;
        let delivery = deliver(&world, grant).await;
        let sender = world.vault.sender();
        assert_eq!(content(&mallory, &delivery, &sender).unwrap(), b"pay 100");
        let apart = take_apart(1, &delivery);
        // Addressed anew: the notary's fingerprint, and the grant key sealed to their key with the info that
        // it has for them.
        let to = recipient(&notary);
        let public = notary.recipient_bytes();
        let fingerprint = context("recipient", &[&public]);
        let (vault, case) = (world.vault.id(), world.case);
        let info = context(
            "grant to recipient",
            &[
                vault.as_bytes(),
                case.as_bytes(),
                &apart.object,
                &delivery[40..56],
                &[0; 16],
                &fingerprint,
                &apart.terms,
            ],
        );
        let resealed = seal_to(&public, &info, &apart.grant_key);
        let addressed = patched(&patched(&delivery, 56..88, &fingerprint), 120..152, &info);
        let addressed = patched(&addressed, 152..ENVELOPE, &resealed);
        assert_eq!(to.fingerprint(), notary.fingerprint());
        let error = content(&notary, &addressed, &sender).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        // And with a manifest of the forger's, valid but for the signature, over another content.
        let start = &addressed[..ENVELOPE];
        let key = subkey(&apart.grant_key, "key of delivery manifest", &[&delivery[24..40]]);
        let manifest = padded(&apart.manifest);
        let sealed = seal(&key, &context("delivery manifest", &[start]), &manifest);
        let documents = documents_at(&delivery);
        let old_signature = &delivery[documents - 64..documents];
        let len = u32::try_from(sealed.len()).unwrap().to_be_bytes();
        let own_signature = {
            use ed25519_dalek::Signer;
            let signer = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
            let message = [b"docvault/v1/sign delivery\0".as_slice(), start, &len, &sealed].concat();
            signer.sign(&message).to_bytes()
        };
        for signature in [old_signature, &own_signature, &[0; 64]] {
            let whole = [start, &len, &sealed, signature, &delivery[documents..]].concat();
            assert_eq!(content(&notary, &whole, &sender).unwrap_err().kind(), ErrorKind::Corrupt);
        }
        // A carrier passes one recipient's delivery on to another.
        assert_eq!(content(&notary, &delivery, &sender).unwrap_err().kind(), ErrorKind::Denied);
    });
}

#[test]
fn delivery_from_unknown_sender() {
    block_on(async {
        let (world, attacker) = (World::new().await, World::new().await);
        let notary = identity(1);
        let stored = attacker.store("forged", b"forged".to_vec()).await;
        let grant = granted(&attacker, stored.document, &notary).await;
        let forged = deliver(&attacker, grant).await;
        assert!(content(&notary, &forged, &attacker.vault.sender()).is_ok());
        // As it is; with the honest vault's id; with its id and key: "from the vault" in every clear field.
        let honest = world.vault.sender();
        let bytes = honest.to_bytes();
        let claims = patched(&forged, 8..24, &bytes[..16]);
        let claims_key = patched(&claims, 88..120, &bytes[16..]);
        for delivery in [&forged[..], &claims, &claims_key] {
            let error = content(&notary, delivery, &honest).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Denied | ErrorKind::Corrupt), "{error}");
        }
        // And with everything within made for that vault, too: only the signature is somebody else's.
        let whole = delivery_in_the_name_of(&bytes, &notary.recipient_bytes(), b"forged");
        assert_eq!(content(&notary, &whole, &honest).unwrap_err().kind(), ErrorKind::Corrupt);
        // A sender is taken by its fingerprint alone, and names vault and key.
        let theirs = attacker.vault.sender().to_bytes();
        let fingerprint = honest.fingerprint().to_string();
        let mixed = [&bytes[..16], &theirs[16..]].concat();
        for bytes in [theirs, mixed] {
            assert_eq!(Sender::verify(&bytes, &fingerprint).unwrap_err().kind(), ErrorKind::Invalid);
        }
    });
}

/// A grant of a document opens that document's version alone: the keys of others do not follow from
/// what its recipient holds.
#[test]
fn a_delivery_yields_no_key_of_another_version() {
    block_on(async {
        let world = World::new().await;
        let notary = identity(1);
        let first = world.store("x", b"first".to_vec()).await;
        let other = world.store("y", b"other".to_vec()).await;
        let grant = granted(&world, first.document, &notary).await;
        let second = world.store_version(first.document, b"second".to_vec()).await;
        let apart = take_apart(1, &deliver(&world, grant).await);
        assert_eq!(VersionId::from_bytes(apart.version), first.version, "a snapshot stays one");
        for stored in [&first, &other, &second] {
            let head = world.storage.read(&head_name(stored), None).await.unwrap().unwrap();
            let len = u32::from_be_bytes(head[128..132].try_into().unwrap()) as usize;
            let vault = world.vault.id();
            let ids: [&[u8]; 6] = [
                vault.as_bytes(),
                world.case.as_bytes(),
                stored.document.own(),
                stored.version.as_bytes(),
                &[2],
                &head[8..24],
            ];
            let opens = |key: &[u8; 32], label: &str, sealed: &[u8]| {
                let key = docvault::Secret::copy_from(key).unwrap();
                docvault::chunked::open(&key, &context(label, &ids), sealed).is_ok()
            };
            let (wrapped, meta) = (&head[24..128], &head[132..132 + len]);
            let delivered = stored.version == first.version;
            assert_eq!(opens(&apart.head_key, "head meta", meta), delivered, "{:?}", stored.version);
            assert!(!opens(&apart.head_key, "head key", wrapped));
            assert!(!opens(&apart.grant_key, "head meta", meta));
            assert!(!opens(&apart.grant_key, "head key", wrapped));
        }
        let new = NewDocument::named("z");
        assert!(world.desk.store(world.case, new, b"z".to_vec()).await.is_ok());
    });
}
