//! The vault through its public API, on memory and on a folder.
#![allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "test data")]

mod common;

use common::{block_on, identity, vault};
use docvault::{
    ErrorKind, Freshness, Identity, NewDocument, Pin, Recipient, Terms, Vault, VaultOptions,
    keys::{Bounds, LocalKey, Passphrase},
    storage::{MemoryStorage, Storage},
};
use std::sync::Arc;

#[test]
fn what_was_stored_comes_back_under_its_name() {
    block_on(async {
        let (vault, _kept) = vault().await;
        let desk = vault.session("user:7f3a").purpose("credit review").begin().unwrap();
        let case = desk.create_case("Juan Pérez, crédito 0042").await.unwrap();
        let content = b"%PDF-1.7 an identity card".to_vec();
        let new = NewDocument::named("INE.pdf").media_type("application/pdf").attribute("side", "front");
        let stored = desk.store(case, new, content.clone()).await.unwrap();
        assert_eq!(desk.retrieve(stored.document).await.unwrap(), content);
        assert_eq!(desk.retrieve_range(stored.document, 5..8).await.unwrap(), &content[5..8]);
        let described = desk.describe(stored.document).await.unwrap();
        assert_eq!((described.name.as_str(), described.media_type.as_str()), ("INE.pdf", "application/pdf"));
        assert_eq!(described.attributes["side"], "front");
        assert_eq!((described.len, described.ordinal, described.digest), (25, 1, stored.digest));
        let page = desk.documents(case, None).await.unwrap();
        assert_eq!(page.documents, [described]);
        let cases = desk.cases(None).await.unwrap().cases;
        assert_eq!(cases[0].title, "Juan Pérez, crédito 0042");
    });
}

/// P22: what a session keeps of a version serves no other one.
#[test]
fn p22_a_range_is_of_the_newest_version_whoever_stored_it() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = common::vault_on(storage.clone()).await;
        let desk = vault.session("user:1").purpose("review").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let first = desk.store(case, NewDocument::named("x"), vec![1; 700_000]).await.unwrap();
        let document = first.document;
        let range = async |desk: &docvault::Session| desk.retrieve_range(document, 16_380..16_390).await;
        assert_eq!(range(&desk).await.unwrap(), [1; 10].as_slice());

        let key = LocalKey::load(folder.path().join("key")).unwrap();
        let other = Vault::open(storage, key, &vault.pin()).await.unwrap();
        let other = other.session("user:2").purpose("review").begin().unwrap();
        let newer = NewDocument::named("x");
        other.store_version(document, newer, "readable", vec![2; 700_000]).await.unwrap();
        // It has not heard of it; the read would stand behind the newer version.
        assert_eq!(range(&desk).await.unwrap(), [2; 10].as_slice());
        other.store_version(document, NewDocument::named("x"), "shorter", vec![3; 5]).await.unwrap();
        // Now it has heard of it first.
        desk.vault().sync().await.unwrap();
        assert_eq!(range(&desk).await.unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(desk.retrieve_range(document, 1..5).await.unwrap(), [3; 4].as_slice());
        let old = desk.reader_of(document, first.version).await.unwrap();
        assert_eq!(old.range(16_380..16_390).await.unwrap(), [1; 10].as_slice());
    });
}

#[test]
fn p11_content_of_every_size_class_comes_back() {
    block_on(async {
        let (vault, _kept) = vault().await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        const MIB: usize = 1 << 20;
        for len in [
            0,
            1,
            16_383,
            16_384,
            16_385,
            32_768,
            262_143,
            262_144,
            262_145,
            8 * MIB - 1,
            8 * MIB,
            8 * MIB + 1,
            17 * MIB,
        ] {
            let content: Vec<u8> = (0..len).map(|i| (i * 7 + i / 251) as u8).collect();
            let stored = desk.store(case, NewDocument::named("x"), content.clone()).await.unwrap();
            assert_eq!(stored.digest.as_bytes(), blake3::hash(&content).as_bytes(), "{len}");
            assert_eq!(desk.retrieve(stored.document).await.unwrap(), content, "{len}");
            let reader = desk.reader(stored.document).await.unwrap();
            let len64 = len as u64;
            for range in [0..len64.min(1), len64 / 2..len64, len64.saturating_sub(5)..len64, len64..len64] {
                let expected = &content[range.start as usize..range.end as usize];
                assert_eq!(reader.range(range.clone()).await.unwrap(), expected, "{len} {range:?}");
            }
            assert_eq!(reader.range(0..len64 + 1).await.unwrap_err().kind(), ErrorKind::Invalid);
        }
        vault.audit().verify_from_genesis().await.unwrap();
    });
}

#[test]
fn a_vault_opens_again_and_goes_on_after_many_folds() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let vault = Vault::create(storage.clone(), LocalKey::create(&path).unwrap()).await.unwrap();
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let mut stored = Vec::new();
        for i in 0..1400u32 {
            stored.push(
                desk.store(case, NewDocument::named(i.to_string()), i.to_be_bytes().to_vec()).await.unwrap(),
            );
            if i % 97 == 0 {
                let pin = vault.pin();
                let again = Vault::open(storage.clone(), LocalKey::load(&path).unwrap(), &pin).await.unwrap();
                let desk = again.session("b").purpose("q").begin().unwrap();
                let first = desk.retrieve(stored[i as usize / 2].document).await.unwrap();
                assert_eq!(first, (i / 2).to_be_bytes().as_slice());
            }
        }
        let pin: Pin = vault.pin().to_string().parse().unwrap();
        let again = Vault::open(storage.clone(), LocalKey::load(&path).unwrap(), &pin).await.unwrap();
        let desk = again.session("b").purpose("q").begin().unwrap();
        for (i, stored) in (0u32..).zip(&stored) {
            assert_eq!(desk.retrieve(stored.document).await.unwrap(), i.to_be_bytes().as_slice());
        }
        let page = desk.documents(case, None).await.unwrap();
        assert_eq!(page.documents.len(), 1000);
        let rest = desk.documents(case, page.next).await.unwrap();
        assert_eq!((rest.documents.len(), rest.next), (400, None));
        let verified = again.audit().verify(&pin).await.unwrap();
        assert_eq!(verified.freshness, Freshness::FreshByPin);
        let whole = again.audit().verify_from_genesis().await.unwrap();
        assert_eq!(whole.head, again.pin());
        assert_eq!(whole.checked, again.pin().size());
    });
}

#[test]
fn a_grant_is_delivered_opened_elsewhere_and_revoked() {
    block_on(async {
        let (vault, _kept) = vault().await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let small = desk.store(case, NewDocument::named("small"), b"small".to_vec()).await.unwrap();
        let big = vec![7; 9 << 20];
        desk.store(case, NewDocument::named("big"), big.clone()).await.unwrap();
        let (notary, _key) = identity();
        let recipient =
            Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string()).unwrap();
        let one =
            desk.grant(small.document, &recipient, Terms::read().purpose("protocolización")).await.unwrap();
        let all = desk.grant(case, &recipient, Terms::read().purpose("protocolización")).await.unwrap();
        let sender = vault.sender();

        let sealed = desk.deliver(one).await.unwrap().collect().await.unwrap();
        let mut opened = notary.open(sealed.as_ref(), &sender).unwrap();
        assert_eq!((opened.purpose(), opened.documents()), ("protocolización", 1));
        let document = opened.next_document().unwrap().unwrap();
        assert_eq!((document.name(), document.id()), ("small", small.document));
        assert_eq!(document.content().unwrap(), b"small");
        assert!(opened.next_document().unwrap().is_none());

        let sealed = desk.deliver(all).await.unwrap().collect().await.unwrap();
        let mut opened = notary.open(sealed.as_ref(), &sender).unwrap();
        let mut names = Vec::new();
        while let Some(document) = opened.next_document().unwrap() {
            names.push(document.name().to_owned());
            let content = document.content().unwrap();
            assert!(content == b"small" || content == big);
        }
        names.sort();
        assert_eq!(names, ["big", "small"]);

        let who = desk.who_can_open(small.document).await.unwrap();
        assert_eq!((who.slots.len(), who.grants.len()), (1, 2));
        assert_eq!(desk.revocation(one).await.unwrap_err().kind(), ErrorKind::Denied);
        let report = desk.revoke(one).await.unwrap();
        assert_eq!(desk.revocation(one).await.unwrap(), report);
        assert_eq!((report.delivered.len(), report.exposed), (1, vec![(small.document, small.version)]));
        assert_eq!(desk.deliver(one).await.unwrap_err().kind(), ErrorKind::Denied);
        assert_eq!(desk.revoke(one).await.unwrap_err().kind(), ErrorKind::Denied);
        let who = desk.who_can_open(small.document).await.unwrap();
        assert!(who.grants.iter().any(|opener| opener.grant == one && opener.revoked.is_some()));
        vault.audit().verify_from_genesis().await.unwrap();
    });
}

/// What is given by one call is held in memory, a range too.
#[test]
fn a_range_beyond_what_is_given_whole_is_refused_without_a_trace() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
        let options = VaultOptions::default().whole_limit(10);
        let vault = Vault::create_with(Arc::new(MemoryStorage::default()), key, options).await.unwrap();
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let document = desk.store(case, NewDocument::named("x"), vec![7; 100]).await.unwrap().document;
        let size = vault.pin().size();
        for range in [0..11, 50..100, 0..u64::MAX] {
            let refused = desk.retrieve_range(document, range).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Invalid);
            assert!(refused.to_string().contains("reader"), "{refused}");
        }
        assert_eq!(vault.pin().size(), size);
        assert_eq!(desk.retrieve_range(document, 90..100).await.unwrap().len(), 10);
        assert_eq!(desk.reader(document).await.unwrap().range(0..100).await.unwrap().len(), 100);

        let identity = Identity::create(folder.path().join("identity")).unwrap();
        let recipient =
            Recipient::verify(&identity.recipient_bytes(), &identity.fingerprint().to_string()).unwrap();
        let grant = desk.grant(document, &recipient, Terms::read().purpose("p")).await.unwrap();
        let refused = desk.deliver(grant).await.unwrap().collect().await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        let (mut delivery, mut len) = (desk.deliver(grant).await.unwrap(), 0);
        while let Some(piece) = delivery.next().await.unwrap() {
            len += piece.len();
        }
        assert!(len > 100);
    });
}

/// Ids come back from what they were serialized to; reports say their ids and names as text.
#[test]
#[cfg(feature = "serde")]
fn ids_and_reports_are_serialized_as_text() {
    block_on(async {
        let (vault, _folder) = vault().await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        let case = desk.create_case("c").await.unwrap();
        let document = desk.store(case, NewDocument::named("x"), vec![7]).await.unwrap().document;
        let identity = Identity::from_seed(docvault::Secret::copy_from(&[7; 32]).unwrap());
        let recipient =
            Recipient::verify(&identity.recipient_bytes(), &identity.fingerprint().to_string()).unwrap();
        let grant = desk.grant(document, &recipient, Terms::read().purpose("p")).await.unwrap();
        let text = serde_json::to_value(grant).unwrap();
        assert_eq!(text, grant.to_string());
        assert_eq!(serde_json::from_value::<docvault::GrantId>(text).unwrap(), grant);
        assert!(serde_json::from_str::<docvault::GrantId>("\"00\"").is_err());

        let who = serde_json::to_value(desk.who_can_open(document).await.unwrap()).unwrap();
        assert_eq!(who["slots"][0]["label"], "root");
        let slot = vault.slots().await.unwrap()[0].id;
        assert_eq!(who["slots"][0]["id"], slot.to_string());
        assert_eq!(serde_json::from_value::<docvault::SlotId>(who["slots"][0]["id"].clone()).unwrap(), slot);
        assert_eq!(who["grants"][0]["recipient"], identity.fingerprint().to_string());
        let revoked = serde_json::to_value(desk.revoke(grant).await.unwrap()).unwrap();
        assert_eq!(revoked["grant"], grant.to_string());
        let copied = vault.copy_to(MemoryStorage::default()).await.unwrap();
        assert_eq!(serde_json::to_value(&copied).unwrap()["pin"], copied.pin.to_string());
        let report =
            vault.check(docvault::CheckDepth::Structure).await.unwrap().run(&mut |_| {}).await.unwrap();
        assert_eq!(serde_json::to_value(&report).unwrap()["findings"], serde_json::json!([]));
    });
}

/// A passphrase whose cost must lie within these numbers of KiB.
fn bounded(text: &str, min: u32, max: u32) -> Passphrase {
    let mut bounds = Bounds::default();
    (bounds.min_memory_kib, bounds.max_memory_kib, bounds.min_passes) = (min, max, 1);
    Passphrase::new(text).bounds(bounds)
}

/// Slots are tried in the order of their ids, and of two passphrases one has the other's before its own.
#[test]
fn a_slot_that_costs_too_much_or_too_little_does_not_hide_the_right_one() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, _kept) = common::vault_on(storage.clone()).await;
        let desk = vault.session("a").purpose("p").begin().unwrap();
        desk.add_slot(&bounded("cheap", 64, 64).cost(64, 1, 1), "cheap").await.unwrap();
        desk.add_slot(&bounded("dear", 128, 128).cost(128, 1, 1), "dear").await.unwrap();
        let pin = vault.pin();
        let open = |key: Passphrase| Vault::open(storage.clone(), key, &pin);
        for (text, memory) in [("cheap", 64), ("dear", 128)] {
            let opened = open(bounded(text, memory, memory)).await;
            assert!(opened.is_ok(), "{text}: {opened:?}");
        }
        // One that may be the right one for a slot which was not tried is not told that it is the wrong one.
        let (tried, not_tried) = (open(bounded("none", 64, 128)).await, open(bounded("none", 64, 64)).await);
        assert_eq!(tried.unwrap_err().kind(), ErrorKind::Locked);
        assert_eq!(not_tried.unwrap_err().kind(), ErrorKind::Denied);
    });
}

#[test]
fn a_session_needs_an_actor_and_a_purpose() {
    block_on(async {
        let (vault, _kept) = vault().await;
        for (actor, purpose, refused) in [("a", "p", false), ("", "p", true), ("a", "", true)] {
            let begun = vault.session(actor).purpose(purpose).begin().map(drop);
            assert_eq!(begun.err().map(|error| error.kind()), refused.then_some(ErrorKind::Invalid));
        }
        assert_eq!(vault.session("a").begin().map(drop).unwrap_err().kind(), ErrorKind::Invalid);
    });
}

/// Nor is anything of it written: a keyring beside the true one would open nothing.
#[test]
fn no_vault_is_made_where_one_is() {
    block_on(async {
        let storage = Arc::new(MemoryStorage::default());
        let (vault, folder) = common::vault_on(storage.clone()).await;
        let before = storage.list("", None, 100).await.unwrap();
        let key = LocalKey::create(folder.path().join("another")).unwrap();
        let refused = Vault::create(storage.clone(), key).await.map(drop).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        assert_eq!(storage.list("", None, 100).await.unwrap(), before);
        let key = LocalKey::load(folder.path().join("key")).unwrap();
        assert_eq!(Vault::open(storage, key, &vault.pin()).await.unwrap().pin(), vault.pin());
    });
}
