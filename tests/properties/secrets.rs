//! No secret in what is printed. That secrets are not cloned, compared or serialized is shown by
//! doctests that must not compile, in `src/secret.rs`.

use std::fmt::Debug;

use docvault::{
    Identity, NewCase, NewDocument, RecordFilter, Secret, SecretBytes, SystemEntropy, Terms, Vault,
    VaultOptions,
    chunked::{ChaCha20Poly1305, HkdfSha256, Opener, RangeOpener, Sealer},
    keys::{Bounds, KeyWrap, LocalKey, Passphrase},
};

use crate::{common::block_on, toolkit::*};

/// Every way in which bytes could show in `{:?}` and `{:#?}`.
fn looks(secret: &[u8]) -> Vec<String> {
    let list: Vec<String> = secret[..4].iter().map(u8::to_string).collect();
    let hex: String = secret[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    vec![list.join(", "), list.join(",\n"), hex.to_uppercase(), hex]
}

fn prints_none(secrets: &[Vec<u8>], texts: &[&str], what: &dyn Debug) {
    // Lists print an item a line: spaces taken away, they look like the short form.
    let (short, long) = (format!("{what:?}"), format!("{what:#?}"));
    let flat: String = long.split_whitespace().collect::<Vec<_>>().join(" ");
    for printed in [&short, &long, &flat] {
        for look in secrets.iter().flat_map(|secret| looks(secret)) {
            assert!(!printed.contains(&look), "{look} in {printed}");
        }
        for text in texts {
            assert!(!printed.contains(text), "{text} in {printed}");
        }
    }
}

#[test]
fn p21_the_search_finds_what_is_printed() {
    let found = |what: &dyn Debug| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            prints_none(&[vec![201, 202, 203, 204]], &["hunter2"], what);
        }))
        .is_err()
    };
    assert!(found(&[200, 201, 202, 203, 204, 205]));
    assert!(found(&"c9cacbcc") && found(&"C9CACBCC") && found(&Some("hunter2")));
    assert!(!found(&[201, 202, 203]));
}

#[test]
fn p21_no_public_type_prints_a_secret() {
    block_on(async {
        // Secrets that are known, so that they can be looked for.
        let (seed, root, content) = (
            [201u8, 202, 203, 204].repeat(8),
            [211u8, 212, 213, 214].repeat(8),
            [221u8, 222, 223, 224].repeat(100),
        );
        let secrets = vec![seed.clone(), root.clone(), content.clone()];
        let texts = ["hunter2", "nombre-secreto"];
        let check = |what: &dyn Debug| prints_none(&secrets, &texts, what);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        drop(LocalKey::create(&path).unwrap());
        let hex: String = root.iter().map(|byte| format!("{byte:02x}")).collect();
        std::fs::write(&path, format!("docvault local key 1\n{hex}\n")).unwrap();
        let key = LocalKey::load(&path).unwrap();
        check(&key);
        check(&Secret::<32>::copy_from(&seed).unwrap());
        check(&SecretBytes::new(content.clone()));
        let mut bounds = Bounds::default();
        (bounds.min_memory_kib, bounds.min_passes) = (8, 1);
        let passphrase = Passphrase::new("hunter2").bounds(bounds).cost(64, 1, 1);
        check(&passphrase);
        let notary = Identity::from_seed(Secret::copy_from(&seed).unwrap());
        check(&notary);
        check(&recipient(&notary));
        check(&VaultOptions::default());
        let wrapped = key.wrap(&[1; 32], &Secret::copy_from(&seed).unwrap()).await.unwrap();
        check(&key.unwrap(&[1; 32], &wrapped).await);
        check(&key.unwrap(&[2; 32], &wrapped).await.unwrap_err());
        let storage = std::sync::Arc::new(docvault::storage::MemoryStorage::default());
        let vault = Vault::create(storage.clone(), key).await.unwrap();
        check(&vault);
        check(&vault.pin());
        check(&vault.sender());
        check(&vault.audit());
        let builder = vault.session("actor").purpose("purpose");
        check(&builder);
        let desk = builder.begin().unwrap();
        check(&desk);
        let case = desk.create_case(NewCase::titled("t")).await.unwrap();
        let new = || NewDocument::named("nombre-secreto");
        let stored = desk.store(case, new(), content.clone()).await.unwrap();
        check(&stored);
        let mut upload = desk.upload(case, new()).await.unwrap();
        upload.write(&content).await.unwrap();
        check(&upload);
        upload.next_page().await.unwrap();
        upload.write(&content).await.unwrap();
        check(&upload);
        check(&upload.token().unwrap());
        upload.finish().await.unwrap();
        let mut reader = desk.reader(stored.document).await.unwrap();
        check(&reader);
        reader.next().await.unwrap();
        check(&reader);
        let grant = desk.grant(case, &recipient(&notary), Terms::read().purpose("p")).await.unwrap();
        check(&grant);
        let delivery = desk.deliver(grant).await.unwrap();
        check(&delivery);
        let delivery = delivery.collect().await.unwrap();
        let mut opened = notary.open(delivery.as_ref(), &vault.sender()).unwrap();
        check(&opened);
        let mut document = opened.next_document().unwrap().unwrap();
        check(&document);
        document.next_part().unwrap();
        check(&document);
        desk.add_slot(&passphrase, "recovery").await.unwrap();
        check(&vault.slots().await);
        check(&desk.who_can_open(stored.document).await);
        check(&desk.revoke(grant).await);
        check(&desk.collect_garbage().await);
        check(&desk.auditor().records(&RecordFilter::all()).await);
        check(&desk.auditor().disclose(2).await);
        check(&desk.open_record(2).await);
        check(&vault.audit().verify_from_genesis().await);
        check(&*storage);
        let wrong = Vault::open(storage, Passphrase::new("hunter2"), &vault.pin()).await.unwrap_err();
        check(&wrong);
        check(&desk.retrieve_range(stored.document, 5..1_000_000).await.unwrap_err());
        let long = "nombre-secreto".repeat(100);
        check(&desk.store(case, NewDocument::named(long), content.clone()).await.unwrap_err());
        // The engine, keyed and in the middle of a message.
        let mut sealer: Sealer = Sealer::new(&seed, b"", &SystemEntropy::default()).unwrap();
        let mut sealed = sealer.prefix().to_vec();
        sealer.push(&content, &mut sealed).unwrap();
        check(&sealer);
        sealer.finish(&mut sealed).unwrap();
        let mut plaintext = SecretBytes::default();
        let mut opener = Opener::<ChaCha20Poly1305, HkdfSha256>::new(&seed, b"");
        check(&opener);
        opener.push(&sealed, &mut plaintext).unwrap();
        check(&(&opener, &plaintext));
    });
}

/// Only types that hold no secret may be asked to implement `Debug` by derivation: this one compiles.
#[test]
fn p21_range_openers_print_no_key() {
    let seed = [201u8, 202, 203, 204].repeat(8);
    let sealed = docvault::chunked::seal(
        &Secret::copy_from(&seed).unwrap(),
        b"",
        b"content",
        &SystemEntropy::default(),
    )
    .unwrap();
    let prefix = sealed.first_chunk().unwrap();
    let opener: RangeOpener = RangeOpener::new(&seed, b"", prefix, sealed.len() as u64).unwrap();
    prints_none(&[seed], &[], &opener);
}
