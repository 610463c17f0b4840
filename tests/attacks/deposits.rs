//! Whoever carries deposits, and whoever found a link.

use std::sync::Arc;

use docvault::{
    Clock, ErrorKind, Sender, SystemEntropy,
    deposit::*,
    storage::{MemoryStorage, ObjectKey, Storage, testing::EvilStorage},
};

use super::toolkit::base32;
use crate::{
    common::block_on,
    forge::{At, Holder, context, deposit_id, secret_of, sha256, subkey},
    intake::*,
};

/// Whether `bytes` hold `wanted`, as it is or in hexadecimal or base 64.
fn shows(bytes: &[u8], wanted: &[u8]) -> bool {
    let hex: String = wanted.iter().map(|byte| format!("{byte:02x}")).collect();
    let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    holds(wanted)
        || bytes.windows(hex.len()).any(|window| window.eq_ignore_ascii_case(hex.as_bytes()))
        || (0..3).any(|behind| {
            let text = inside_base64(wanted, behind);
            holds(text.as_bytes()) || holds(text.replace('-', "+").replace('_', "/").as_bytes())
        })
}

/// What base 64 that has `wanted` in it shows of it, `behind` bytes after where three others begin.
fn inside_base64(wanted: &[u8], behind: usize) -> String {
    let text = base64url(&[&[0; 2][..behind], wanted].concat());
    text[(behind * 8).div_ceil(6)..(behind + wanted.len()) * 8 / 6].to_owned()
}

/// A3: the server sees the URL without its fragment, everything that is sent, and everything that it stores.
#[test]
fn link_server_learns_no_key() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let url = signed.link.expose_url(PAGE).unwrap();
        let (carrier, opened) = (office.carrier(), office.open(&signed));
        let contents = [b"a passport number: G12345678 ".repeat(30_000)];
        let mut client = opened
            .begin(
                0,
                vec![File::new("passport of Juana.jpg", "image/jpeg", contents[0].len() as u64)],
                &SystemEntropy::default(),
            )
            .unwrap();
        let mut seen = vec![url.split_once('#').unwrap().0.as_bytes().to_vec()];
        for place in client.places() {
            let part = seal(&mut client, &contents, place);
            seen.push(part.to_vec());
            carrier.receive(part).await.unwrap();
        }
        let form = [("rfc".to_owned(), "PEJU850101AB1".to_owned())].into();
        let manifest = client.finish(form, "for señora Juana").unwrap();
        seen.push(manifest.to_vec());
        let promise = carrier.finish(manifest.clone()).await.unwrap();
        let promise = client.check_promise(&promise, &manifest).unwrap();
        let inbox = office.inbox(&signed).await;
        let incoming = inbox.deposit(&promise).await.unwrap();
        let receipt = office.answer(&incoming, "official-id", Verdict::Refused("blurred-photo".into())).await;
        inbox.answer(&incoming, &receipt, &SystemEntropy::default()).await.unwrap();
        let held = carrier.held(signed.descriptor.request(), client.id()).await.unwrap();
        seen.push(format!("{held:?} {carrier:?} {promise:?} {:?}", signed.descriptor).into_bytes());
        for (name, bytes) in objects(&*office.kept).await {
            seen.extend([name.into_bytes(), bytes.to_vec()]);
        }
        // And the journal, which a browser keeps for the page.
        seen.push(client.journal(&SystemEntropy::default()).unwrap().to_vec());

        let digests = [sha256(&contents[0]), incoming.pages()[0].digest];
        nothing_shows(&office, &signed, &seen, &digests);
        // The search finds what is there.
        let read = incoming.read(0).unwrap().collect().await.unwrap();
        let holder = Holder::of(&signed);
        assert!(shows(&read, b"G12345678") && shows(&seen[2], &holder.request));
        for before in ["", "a", "ab"] {
            let text = base64url(&[before.as_bytes(), &holder.root, b"xyz"].concat());
            assert!(shows(text.as_bytes(), &holder.root) && !shows(text.as_bytes(), &digests[0]));
        }
    });
}

/// No key, no name and no content.
fn nothing_shows(office: &Intake, signed: &SignedRequest, seen: &[Vec<u8>], digests: &[[u8; 32]; 2]) {
    let url = signed.link.expose_url(PAGE).unwrap();
    let (holder, secret) = (Holder::of(signed), secret_of(&url));
    let journal = subkey(&holder.root, "key of deposit journal", &[]);
    let details = subkey(&holder.root, "key of request details", &[]);
    let seed = subkey(&holder.root, "seed of link key", &[]);
    let fragment = url.split_once('#').unwrap().1;
    let wanted: [&[u8]; 19] = [
        &secret,
        &secret[..8],
        &fragment.as_bytes()[48..],
        &holder.root,
        &journal,
        &details,
        &seed,
        office.case.as_bytes(),
        b"official-id",
        b"declaration",
        "Identificación".as_bytes(),
        b"passport",
        b"G12345678",
        b"PEJU850101AB1",
        "señora".as_bytes(),
        b"image/jpeg",
        b"blurred",
        &digests[0],
        &digests[1],
    ];
    for (at, bytes) in seen.iter().enumerate() {
        for secret in &wanted {
            assert!(!shows(bytes, secret), "{at}: {:?}", String::from_utf8_lossy(secret));
        }
    }
}

/// A8: the carrier makes a deposit of its own and passes it off as the client's.
#[test]
fn planted_deposit_is_not_the_clients() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        // What the carrier has: the descriptor, and its own key, but not the link.
        let guess = Holder::with(&signed, &[5; 32], b"");
        let carrier = office.carrier();
        let id = deposit_id(0, 9);
        let part = guess.part(&id, At { page: 0, part: 0, last: true }, 5);
        assert_eq!(refusal(carrier.receive(part.clone()).await), Refusal::Signature);
        let manifest = guess.manifest(&id, &[vec![sha256(&part[152..])]]);
        assert_eq!(refusal(carrier.finish(manifest).await), Refusal::Signature);

        // A deposit that was promised, with another manifest put in its place.
        let contents = [content(1, 50)];
        let honest =
            deposit(&carrier, &mut begin(&office.open(&signed), &contents), &contents).await.unwrap();
        let other = deposit(&carrier, &mut begin(&office.open(&signed), &contents), &contents).await.unwrap();
        let evil = Arc::new(EvilStorage::new(&office.kept));
        let kept = objects(&*office.kept).await;
        let of =
            |id: DepositId| kept.iter().find(|(name, _)| name.ends_with(&format!("{id}/manifest"))).unwrap();
        let planted = of(other.deposit()).1.clone();
        evil.substitute(&of(honest.deposit()).0.parse().unwrap(), planted);
        let inbox = office.inbox_on(evil, &signed).await;
        assert_eq!(inbox.deposit(&honest).await.unwrap_err().kind(), ErrorKind::Corrupt);
    });
}

/// A29: the carrier, or the office behind it, lets a deposit fall and denies it.
#[test]
fn dropped_deposit_is_provable() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let contents = [content(1, 50)];
        let mut client = begin(&office.open(&signed), &contents);
        let promise = deposit(&office.carrier(), &mut client, &contents).await.unwrap();
        let other = deposit(&office.carrier(), &mut begin(&office.open(&signed), &contents), &contents)
            .await
            .unwrap();
        // What the client kept; the vault's fingerprint is known to everybody.
        let (request, kept) = (signed.descriptor.to_bytes(), promise.to_bytes());
        let fingerprint = office.vault.sender().fingerprint().to_string();

        // The judge has that, a clock, and no vault, network or key.
        let sender = Sender::verify(&office.vault.sender().to_bytes(), &fingerprint).unwrap();
        let request = Descriptor::verify(&request, &sender).unwrap();
        let judged = Promise::verify(&kept, &request).unwrap();
        let before = office.clock.now();
        office.clock.forward(DAY);
        office.clock.forward(DAY);
        let after = office.clock.now();
        assert_eq!(judged.standing(before, None), Standing::Pending);
        assert_eq!(judged.standing(judged.answer_by(), None), Standing::Pending);
        assert_eq!(judged.standing(after, None), Standing::Dropped);

        // Only an answer to this very deposit says otherwise.
        let inbox = office.inbox(&signed).await;
        let answered = inbox.deposit(&other).await.unwrap();
        let receipt = office.answer(&answered, "official-id", Verdict::Accepted).await;
        let elsewhere = receipt.verify(&office.policy, &request).unwrap();
        assert_eq!(judged.standing(after, Some(&elsewhere)), Standing::Dropped);
        let own =
            office.answer(&inbox.deposit(&promise).await.unwrap(), "official-id", Verdict::Accepted).await;
        let own = own.verify(&office.policy, &request).unwrap();
        assert_eq!(judged.standing(after, Some(&own)), Standing::Answered);

        // Nobody is held to a promise that the carrier has not given.
        let mut forged = kept.to_vec();
        forged[30] ^= 1;
        assert!(Promise::verify(&forged, &request).is_err());
        let stranger = CarrierKey::from_seed(docvault::Secret::copy_from(&[78; 32]).unwrap());
        let terms = RequestTerms::new(office.case, stranger.public(), after.saturating_add(DAY));
        let foreign = office.desk.sign_request(terms.slot(Slot::new("x", 1))).await.unwrap();
        assert!(Promise::verify(&kept, &foreign.descriptor).is_err());
        let refused = office.carrier().publish(foreign.descriptor.to_bytes()).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Denied);
    });
}

/// A late answer is told from one in time by the record's own time.
#[test]
fn an_answer_after_the_promised_time_is_late() {
    block_on(async {
        let office = Intake::new().await;
        let terms = office
            .terms()
            .answer_within(core::time::Duration::ZERO)
            .slot(Slot::new("official-id", 1 << 20).media_type("image/jpeg"));
        let signed = office.desk.sign_request(terms).await.unwrap();
        office.carrier().publish(signed.descriptor.to_bytes()).await.unwrap();
        let contents = [content(1, 50)];
        let promise = deposit(&office.carrier(), &mut begin(&office.open(&signed), &contents), &contents)
            .await
            .unwrap();
        std::thread::sleep(core::time::Duration::from_millis(5));
        let incoming = office.inbox(&signed).await.deposit(&promise).await.unwrap();
        let receipt = office.answer(&incoming, "official-id", Verdict::Accepted).await;
        let proven = receipt.verify(&office.policy, &signed.descriptor).unwrap();
        assert_eq!(promise.standing(office.clock.now(), Some(&proven)), Standing::AnsweredLate);
    });
}

/// A carrier that names a time of its own: an answer would be due in an age, or was due before it was asked for.
#[test]
fn a_promise_of_another_time_is_none() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let (carrier, contents) = (office.carrier(), [content(1, 50)]);
        let mut client = begin(&office.open(&signed), &contents);
        carrier.receive(seal(&mut client, &contents, (0, 0))).await.unwrap();
        let manifest = client.finish([].into(), "").unwrap();
        let honest = carrier.finish(manifest.clone()).await.unwrap();
        let at = |time: u64| {
            let by = time.saturating_add(DAY.as_millis().try_into().unwrap());
            let body = [&honest[..128], &time.to_be_bytes(), &by.to_be_bytes()].concat();
            let labelled = [b"docvault/v1/sign deposit promise\0", body.as_slice()].concat();
            let key = ed25519_dalek::SigningKey::from_bytes(&[77; 32]);
            [body, ed25519_dalek::Signer::sign(&key, &labelled).to_bytes().to_vec()].concat()
        };
        let (issued, expires) =
            (signed.descriptor.issued().as_millis(), signed.descriptor.expires().as_millis());
        for time in [issued, expires - 1] {
            Promise::verify(&at(time), &signed.descriptor).unwrap();
            client.check_promise(&at(time), &manifest).unwrap();
        }
        let place =
            objects(&*office.kept).await.into_iter().find(|(name, _)| name.contains("/promise/")).unwrap();
        for time in [0, issued - 1, expires, u64::MAX] {
            assert!(Promise::verify(&at(time), &signed.descriptor).is_err(), "{time}");
            assert!(client.check_promise(&at(time), &manifest).is_err(), "{time}");
            let evil = Arc::new(EvilStorage::over(office.kept.clone()));
            evil.show(&place.0.parse().unwrap(), at(time).into());
            assert!(office.inbox_on(evil, &signed).await.promises().await.unwrap().is_empty(), "{time}");
        }
    });
}

/// A29: the carrier shows an answer that the office has thought better of as its newest.
#[test]
fn an_old_answer_is_not_the_newest() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let (carrier, contents) = (office.carrier(), [content(1, 50)]);
        let mut client = begin(&office.open(&signed), &contents);
        let promise = deposit(&carrier, &mut client, &contents).await.unwrap();
        let inbox = office.inbox(&signed).await;
        let incoming = inbox.deposit(&promise).await.unwrap();
        for verdict in [Verdict::Accepted, Verdict::Refused("review.unreadable".into())] {
            let receipt = office.answer(&incoming, "official-id", verdict).await;
            inbox.answer(&incoming, &receipt, &SystemEntropy::default()).await.unwrap();
        }
        let request = signed.descriptor.request();
        let answers = carrier.held(request, client.id()).await.unwrap().answers;
        let opened = |place: usize, shown: usize| -> Result<Verdict, docvault::Error> {
            let receipt = client.open_answer(place, &answers[shown])?;
            Ok(receipt.verify(&office.policy, &signed.descriptor).unwrap().claim.verdict)
        };
        assert_eq!(opened(0, 0).unwrap(), Verdict::Accepted);
        assert!(matches!(opened(1, 1).unwrap(), Verdict::Refused(_)));
        // In the other order, twice, after the newest, and as a number that differs in its upper byte alone.
        for (place, shown) in [(0, 1), (1, 0), (2, 0), (2, 1), (256, 0), (65_536, 0)] {
            assert_eq!(opened(place, shown).unwrap_err().kind(), ErrorKind::Corrupt, "{shown} as {place}");
        }

        // The carrier tells the office that the first number is taken, and later that it is free: its order is as it
        // likes, and receipts tell of the office's.
        let evil = Arc::new(EvilStorage::new(&office.kept));
        let named = |number: u16| -> ObjectKey {
            format!("deposit/{request}/{}/answer-{number:04x}", client.id()).parse().unwrap()
        };
        evil.delete(&named(0)).await.unwrap();
        evil.delete(&named(1)).await.unwrap();
        let inbox = office.inbox_on(evil.clone(), &signed).await;
        evil.create(&named(0), answers[1].clone()).await.unwrap();
        let first = office.answer(&incoming, "official-id", Verdict::Accepted).await;
        assert_eq!(inbox.answer(&incoming, &first, &SystemEntropy::default()).await.unwrap(), 1);
        evil.delete(&named(0)).await.unwrap();
        let second =
            office.answer(&incoming, "official-id", Verdict::Refused("review.unreadable".into())).await;
        assert_eq!(inbox.answer(&incoming, &second, &SystemEntropy::default()).await.unwrap(), 0);
        let shown = office.carrier_on(evil).held(request, client.id()).await.unwrap().answers;
        let proven = |number: usize| {
            let receipt = client.open_answer(number, &shown[number]).unwrap();
            receipt.verify(&office.policy, &signed.descriptor).unwrap()
        };
        let newest = (0..shown.len()).map(proven).max_by_key(|proven| proven.receipt.record).unwrap();
        assert!(matches!(newest.claim.verdict, Verdict::Refused(_)));
        assert_eq!((shown.len(), proven(1).claim.verdict), (2, Verdict::Accepted));
    });
}

/// A30: the server shows a request with its own intake key, signed by whom it likes.
#[test]
fn intake_key_substitution() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let now = office.clock.now();
        let open = |bytes: &[u8]| OpenedRequest::open(bytes, &signed.link, None, now).map(drop);
        open(&signed.descriptor.to_bytes()).unwrap();

        // The whole request of another vault, and another request of this one: both soundly signed.
        let other_office = Intake::new().await;
        for other in [other_office.request().await, office.request().await] {
            assert_eq!(open(&other.descriptor.to_bytes()).unwrap_err().kind(), ErrorKind::Corrupt);
        }
        // The same request, but for the intake key, which the server knows, or any other field.
        let intake = other_office.request().await.descriptor.to_bytes().slice(72..72 + 1216);
        let mut swapped = signed.descriptor.to_bytes().to_vec();
        swapped[72..72 + 1216].copy_from_slice(&intake);
        assert_eq!(open(&swapped).unwrap_err().kind(), ErrorKind::Corrupt);
        // Signed anew by a vault of the server's: the hash in the link, which it has not seen, is another.
        let key = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
        swapped[40..72].copy_from_slice(&key.verifying_key().to_bytes());
        let end = swapped.len() - 64;
        let message = [b"docvault/v1/sign request\0", &swapped[..end]].concat();
        let signature = ed25519_dalek::Signer::sign(&key, &message).to_bytes();
        swapped[end..].copy_from_slice(&signature);
        assert_eq!(open(&swapped).unwrap_err().kind(), ErrorKind::Corrupt);
        // It is a sound request otherwise: who trusts that key takes it.
        let vault = office.vault.id();
        let sender = [&vault.as_bytes()[..], &key.verifying_key().to_bytes()].concat();
        let fingerprint = base32(&context("sender", &[vault.as_bytes(), &key.verifying_key().to_bytes()]));
        let sender = Sender::verify(&sender, &fingerprint).unwrap();
        Descriptor::verify(&swapped, &sender).unwrap();
        // Nor does the office read deposits to a key that is not its own.
        let evil = Arc::new(EvilStorage::new(&MemoryStorage::new()));
        let name = format!("deposit/{}/request", signed.descriptor.request());
        evil.substitute(&name.parse().unwrap(), swapped.into());
        let secrets = office.desk.request_secrets(office.case, signed.descriptor.request()).await.unwrap();
        let inbox = Inbox::open(evil, signed.descriptor.request(), &office.vault.sender(), secrets).await;
        assert_eq!(inbox.unwrap_err().kind(), ErrorKind::Corrupt);
    });
}

/// A34: a link that rests on a passphrase alone, and one whose passphrase is guessed without the secret.
#[test]
fn passphrase_only_link_refused() {
    block_on(async {
        let office = Intake::new().await;
        let terms = office.terms().passphrase("luna azul").slot(Slot::new("official-id", 1 << 20));
        let signed = office.desk.sign_request(terms).await.unwrap();
        let (descriptor, now) = (signed.descriptor.to_bytes(), office.clock.now());
        let open = |link: &Link, passphrase| OpenedRequest::open(&descriptor, link, passphrase, now);
        assert!(signed.descriptor.asks_passphrase());
        open(&signed.link, Some("luna azul")).unwrap();
        for wrong in [None, Some(""), Some("luna azul "), Some("Luna azul")] {
            assert_eq!(open(&signed.link, wrong).unwrap_err().kind(), ErrorKind::Locked);
        }

        // There is no link without a secret of 32 bytes.
        let digest = *signed.descriptor.digest();
        let text = |bytes: &[u8]| base64url(bytes);
        let none: [Vec<u8>; 5] = [
            [&[1][..], &digest].concat(),
            [&[1][..], &digest, &[0; 32]].concat(),
            [&[1][..], &digest, &[7; 31]].concat(),
            [&[0][..], &digest, &[7; 32]].concat(),
            [&[1][..], &[7; 32]].concat(),
        ];
        for bytes in &none {
            assert_eq!(Link::parse(&text(bytes)).unwrap_err().kind(), ErrorKind::Invalid);
        }
        // With the right passphrase and any other secret nothing opens, so there is nothing to try passphrases on.
        let guessed = Link::parse(&text(&[&[1][..], &digest, &[7; 32]].concat())).unwrap();
        assert_eq!(open(&guessed, Some("luna azul")).unwrap_err().kind(), ErrorKind::Locked);
        let secret = secret_of(&signed.link.expose_url(PAGE).unwrap());
        let link_key = &descriptor[1288..1320];
        // Who has the secret and not the passphrase has not the key either.
        assert_ne!(Holder::with(&signed, &secret, b"").public(), link_key);
        // A passphrase where none is asked is no second way in.
        let plain = office.desk.sign_request(office.terms().slot(Slot::new("x", 1))).await.unwrap();
        let answer = OpenedRequest::open(&plain.descriptor.to_bytes(), &plain.link, Some("luna azul"), now);
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(Holder::of(&plain).public(), plain.descriptor.to_bytes()[1288..1320]);
    });
}

/// RFC 4648 §5, without padding.
fn base64url(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let held =
            chunk.iter().fold(0, |held, byte| held << 8 | usize::from(*byte)) << (8 * (3 - chunk.len()));
        text.extend((0..=chunk.len()).map(|at| char::from(alphabet[held >> (18 - 6 * at) & 63])));
    }
    text
}
