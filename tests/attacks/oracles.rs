//! A9: failures that could tell the attacker what a key made of what they put there.

use core::ops::Range;
use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use docvault::{
    DocumentId, Error, ErrorKind, GrantId, NewDocument, Terms, Vault,
    deposit::Promise,
    keys::LocalKey,
    storage::{Storage, testing::EvilStorage},
};

use super::{forgeries::*, toolkit::*};
use crate::{
    common::block_on,
    intake::{Intake, begin, content, deposit},
};

/// All that an error says, to a program and to people, its causes too.
fn told(error: &Error) -> String {
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    let causes = core::iter::successors(std::error::Error::source(error), |cause| cause.source());
    format!("{error} {error:?} {:?}", causes.map(ToString::to_string).collect::<Vec<_>>())
}

/// What can be made of a region of an object: one bit of each `step`th byte changed, zeros, the same region of
/// another such object; and if it is the last one, the object cut anywhere in it, or longer.
fn alterations(bytes: &Bytes, region: Range<usize>, other: &[u8], step: usize) -> Vec<Bytes> {
    let ends = region.clone().take(20).chain(region.clone().rev().take(20));
    let mut all: Vec<Bytes> =
        region.clone().step_by(step).chain(ends).map(|at| altered(bytes, at, 1 << (at % 8))).collect();
    all.push(patched(bytes, region.clone(), &vec![0; region.len()]));
    all.push(patched(bytes, region.clone(), other));
    if region.end == bytes.len() {
        all.extend(region.step_by(step).map(|len| bytes.slice(..len)));
        all.extend([&[0][..], &[0; 16], other].map(|more| [bytes, more].concat().into()));
    }
    all.retain(|altered| altered != bytes);
    all
}

/// A head's key and metadata, and its content.
fn regions(head: &Bytes) -> [Range<usize>; 2] {
    let meta = 132 + u32::from_be_bytes(head[128..132].try_into().unwrap()) as usize;
    [8..meta, meta..head.len()]
}

/// A vault on a storage that alters its objects.
struct Oracle<'a> {
    world: &'a World,
    evil: &'a Arc<EvilStorage>,
    vault: Vault,
    document: DocumentId,
    /// Of two pages.
    pages: DocumentId,
    grant: GrantId,
}

impl Oracle<'_> {
    /// Whatever is wrong with that object, one text says so, by each way to content.
    async fn one_text(&self, name: &str, altered: Vec<Option<Bytes>>, fresh: bool) {
        let key = name.parse().unwrap();
        let honest = self.evil.read(&key, None).await.unwrap().unwrap();
        let mut texts: [BTreeSet<String>; 3] = Default::default();
        for bytes in altered {
            match bytes {
                Some(bytes) => self.evil.substitute(&key, bytes),
                None => self.evil.delete(&key).await.unwrap(),
            }
            // A vault remembers keys of cases, and a session what it read ranges of.
            let opened = if fresh { &self.world.open(self.evil.clone()).await.unwrap() } else { &self.vault };
            let opened = session(opened);
            let whole = opened.retrieve(self.document).await.and(opened.retrieve(self.pages).await);
            let range = opened.retrieve_range(self.document, 0..1).await;
            let range = range.and(opened.retrieve_range(self.pages, 99..101).await);
            let delivered = async { opened.deliver(self.grant).await?.collect().await }.await;
            for (texts, failed) in texts.iter_mut().zip([whole, range, delivered]) {
                texts.extend(failed.err().map(|error| told(&error)));
            }
        }
        self.evil.substitute(&key, honest);
        assert!(texts.iter().any(|texts| texts.len() == 1), "{name}: nothing was refused");
        for texts in texts {
            assert!(texts.len() <= 1, "{name}: {texts:#?}");
        }
    }
}

#[test]
fn error_oracle_indistinct() {
    block_on(async {
        let world = World::new().await;
        let stored = world.store("x", vec![7; 300]).await;
        let other = world.store_version(stored.document, vec![8; 300]).await;
        let pages = two_pages(&world).await;
        let before = objects(&*world.storage, "head/").await;
        let granted = async |seed| {
            let terms = Terms::read().purpose("p");
            world.desk.grant(stored.document, &recipient(&identity(seed)), terms).await.unwrap()
        };
        let (grant, _other) = (granted(1).await, granted(2).await);
        let evil = world.evil();
        let vault = world.open(evil.clone()).await.unwrap();
        let oracle = Oracle { world: &world, evil: &evil, vault, document: stored.document, pages, grant };
        let read = async |name: &str| evil.read(&name.parse().unwrap(), None).await.unwrap().unwrap();
        // Heads: of content, and of a grant; each with what another of its kind holds.
        let name = head_name(&other);
        let (head, older) = (read(name.as_str()).await, read(head_name(&stored).as_str()).await);
        for (region, from) in regions(&head).into_iter().zip(regions(&older)) {
            let altered = alterations(&head, region.clone(), &older[from], 11);
            let gone = if region.start == 8 { vec![None] } else { Vec::new() };
            oracle.one_text(name.as_str(), altered.into_iter().map(Some).chain(gone).collect(), false).await;
        }
        let mut grants = objects(&*evil, "head/").await;
        grants.retain(|name, _| !before.contains_key(name));
        let grants: Vec<_> = grants.into_iter().collect();
        let (own, other): (Vec<_>, Vec<_>) =
            grants.iter().partition(|(name, _)| name.to_string().ends_with(&grant.operation().to_string()));
        let ([(name, bytes)], [(_, other)]) = (own.as_slice(), other.as_slice()) else { panic!("two") };
        let altered = alterations(bytes, 8..bytes.len(), &other[8..], 11);
        oracle.one_text(name.as_str(), altered.into_iter().map(Some).chain([None]).collect(), false).await;
        // Parts of pages, each with what the other holds; and the key of a case, whose absence has a text of its own.
        let parts: Vec<_> = objects(&*evil, "part/").await.into_iter().collect();
        for (at, (name, bytes)) in parts.iter().enumerate() {
            let altered = alterations(bytes, 0..bytes.len(), &parts[1 - at].1, 7);
            oracle
                .one_text(name.as_str(), altered.into_iter().map(Some).chain([None]).collect(), false)
                .await;
        }
        let (name, bytes) = only(&*evil, "key/").await;
        let altered = alterations(&bytes, 12..bytes.len(), &head[24..128], 9);
        oracle.one_text(name.as_str(), altered.into_iter().map(Some).collect(), true).await;
    });
}

/// Whoever keeps the keyring learns from one that does not open nothing of the slots that it is sealed to.
#[test]
fn error_oracle_of_keyrings_indistinct() {
    block_on(async {
        let world = World::new().await;
        let evil = world.evil();
        let (first, bytes) = only(&*evil, "keyring/").await;
        let keys = tempfile::tempdir().unwrap();
        let second = LocalKey::create(keys.path().join("key")).unwrap();
        world.desk.add_slot(&second, "second").await.unwrap();
        let evil = world.evil();
        let (name, newest) = only(&*evil, "keyring/").await;
        assert_ne!(first, name);
        let texts: BTreeSet<String> = {
            let mut texts = BTreeSet::new();
            let shorter = newest.len().min(bytes.len());
            for altered in alterations(&newest, 0..shorter, &bytes[..shorter], 31) {
                evil.substitute(&name, altered);
                texts.insert(told(&world.open(evil.clone()).await.unwrap_err()));
            }
            texts
        };
        assert_eq!(texts.len(), 1, "{texts:#?}");
        evil.substitute(&name, newest);
        world.open(evil).await.unwrap();
    });
}

/// The office says one thing of a deposit that does not open, whatever of it was altered on the way.
#[test]
fn error_oracle_of_deposits_indistinct() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let opened = office.open(&signed);
        let mut promises = Vec::new();
        for seed in [1, 2] {
            let contents = [content(seed, 20_000)];
            let mut client = begin(&opened, &contents);
            promises.push(deposit(&office.carrier(), &mut client, &contents).await.unwrap());
        }
        let evil = Arc::new(EvilStorage::new(&office.kept));
        let taken = async || -> Result<Vec<u8>, Error> {
            let inbox = office.inbox_on(evil.clone(), &signed).await;
            let incoming = inbox.deposit(&promises[0]).await?;
            Ok(incoming.read(0)?.collect().await?.to_vec())
        };
        assert_eq!(taken().await.unwrap(), content(1, 20_000));
        let sent = objects(&*evil, "deposit/").await;
        let of = |promise: &Promise| {
            let folder = format!("/{}/", promise.deposit());
            sent.iter().filter(|(name, _)| name.as_str().contains(&folder)).collect::<Vec<_>>()
        };
        let (own, others) = (of(&promises[0]), of(&promises[1]));
        assert_eq!((own.len(), others.len()), (2, 2), "a manifest and a part");
        for ((name, bytes), (_, other)) in own.into_iter().zip(others) {
            let shorter = bytes.len().min(other.len());
            let mut texts = BTreeSet::new();
            for altered in alterations(bytes, 0..shorter, &other[..shorter], 97) {
                evil.substitute(name, altered);
                texts.extend(taken().await.err().map(|error| told(&error)));
            }
            evil.substitute(name, bytes.clone());
            assert_eq!(texts.len(), 1, "{name}: {texts:#?}");
        }
    });
}

/// A document of two pages, which are in parts and not in its head.
async fn two_pages(world: &World) -> DocumentId {
    let mut upload = world.desk.upload(world.case, NewDocument::named("pages")).await.unwrap();
    upload.write(&[4; 100]).await.unwrap();
    upload.next_page().await.unwrap();
    upload.write(&[5; 100]).await.unwrap();
    upload.finish().await.unwrap().document
}

/// Of a delivery, whoever carries it learns one thing: that it does not open.
#[test]
fn error_oracle_of_deliveries_indistinct() {
    block_on(async {
        let world = World::new().await;
        let (notary, terms) = (identity(1), || Terms::read().purpose("p"));
        let mut deliveries = Vec::new();
        for content in [vec![7; 300], vec![8; 300]] {
            let stored = world.store("x", content).await;
            let grant = world.desk.grant(stored.document, &recipient(&notary), terms()).await.unwrap();
            deliveries.push(world.desk.deliver(grant).await.unwrap().collect().await.unwrap());
        }
        let [one, two] = deliveries.as_slice() else { panic!("two") };
        let content = |delivery: &[u8]| -> Result<Vec<u8>, Error> {
            let mut opened = notary.open(delivery, &world.vault.sender())?;
            let content = opened.next_document()?.ok_or("no document").unwrap().content()?;
            opened.next_document().map(|_| content)
        };
        assert_eq!(content(one).unwrap(), [7; 300]);
        let documents = documents_at(one);
        assert_eq!(one.len(), two.len());
        // From the grant info on: sealed key, manifest, signature, documents. What is before says in the clear whom it
        // is from and for, and is answered for what it is.
        let mut texts = BTreeSet::new();
        for region in [
            120..152,
            152..ENVELOPE,
            ENVELOPE..documents - 64,
            documents - 64..documents,
            documents..one.len(),
        ] {
            let altered = alterations(one, region.clone(), &two[region], 29);
            texts.extend(altered.iter().map(|altered| told(&content(altered).unwrap_err())));
        }
        for len in (0..one.len()).step_by(97) {
            texts.insert(told(&content(&one[..len]).unwrap_err()));
        }
        assert_eq!(texts.len(), 1, "{texts:#?}");
    });
}
