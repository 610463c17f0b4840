//! A13: fields of one object pasted into another.

use bytes::Bytes;
use docvault::{
    DocumentId, Error, ErrorKind, Terms,
    storage::{ObjectKey, Storage},
};

use super::toolkit::*;
use crate::common::block_on;

/// An object in its fields: some of them sealed, others that say how.
#[derive(Clone)]
struct Cut {
    key: ObjectKey,
    fields: Vec<Bytes>,
}

impl Cut {
    /// FORMAT §7.1: what begins a head, key id, wrapped key, metadata, and the content's attempt and chunks.
    fn head(key: &ObjectKey, bytes: &Bytes) -> Self {
        let meta = 132 + u32::from_be_bytes(bytes[128..132].try_into().unwrap()) as usize;
        let attempt = bytes.len().min(meta + 16);
        let ends = [8, 24, 128, meta, attempt, bytes.len()];
        Self::at(key, bytes, &ends)
    }

    /// FORMAT §4.4: what begins a case key, its epoch, the wrap.
    fn case_key(key: &ObjectKey, bytes: &Bytes) -> Self {
        Self::at(key, bytes, &[8, 12, bytes.len()])
    }

    fn at(key: &ObjectKey, bytes: &Bytes, ends: &[usize]) -> Self {
        let starts = core::iter::once(&0).chain(ends);
        let fields = starts.zip(ends).map(|(start, end)| bytes.slice(*start..*end)).collect();
        Self { key: key.clone(), fields }
    }

    fn bytes(&self) -> Bytes {
        self.fields.concat().into()
    }
}

/// Every field of every object, pasted where one of its kind or of its length is.
fn pastes(objects: &[Cut]) -> Vec<(ObjectKey, Bytes, String)> {
    let mut all = Vec::new();
    for (into, object) in objects.iter().enumerate() {
        for (field, own) in object.fields.iter().enumerate() {
            for (from, other) in objects.iter().enumerate() {
                let fits = |(at, pasted): &(usize, &Bytes)| {
                    *pasted != own && (*at == field || pasted.len() == own.len())
                };
                for (at, pasted) in other.fields.iter().enumerate().filter(fits) {
                    let mut altered = object.clone();
                    altered.fields[field].clone_from(pasted);
                    let what = format!("field {at} of {from} as field {field} of {into}");
                    all.push((object.key.clone(), altered.bytes(), what));
                }
            }
        }
    }
    all
}

#[test]
fn field_cut_and_paste() {
    block_on(async {
        let world = World::new().await;
        let second = world.desk.create_case("other").await.unwrap();
        // Versions of two documents and of one, of another case, a grant, and each case's own head and key.
        let (one, two) = (world.store("a", vec![1; 100]).await, world.store("b", vec![2; 100]).await);
        let again = world.store_version(two.document, vec![3; 100]).await;
        let elsewhere = docvault::NewDocument::named("c");
        let elsewhere = world.desk.store(second, elsewhere, vec![4; 100]).await.unwrap();
        let terms = Terms::read().purpose("p");
        let grant = world.desk.grant(one.document, &recipient(&identity(1)), terms).await.unwrap();
        let evil = world.evil();
        let mut cut: Vec<Cut> =
            objects(&*evil, "head/").await.iter().map(|(key, bytes)| Cut::head(key, bytes)).collect();
        cut.extend(objects(&*evil, "key/").await.iter().map(|(key, bytes)| Cut::case_key(key, bytes)));
        assert_eq!(cut.len(), 9);
        let ask = async || -> Result<Vec<Bytes>, Error> {
            let desk = session(&world.open(evil.clone()).await?);
            desk.describe_case(second).await?;
            desk.who_can_open(one.document).await?;
            desk.history(two.document).await?;
            desk.deliver(grant).await?.collect().await?;
            let mut contents = Vec::new();
            for stored in [&one, &again, &elsewhere] {
                contents.push(desk.retrieve(stored.document).await?);
            }
            contents.extend(desk.reader_of(two.document, two.version).await?.next().await?);
            desk.describe_case(world.case).await?;
            Ok(contents)
        };
        let honest = ask().await.unwrap();
        let pastes = pastes(&cut);
        println!("{} pastes", pastes.len());
        for (key, altered, what) in pastes {
            let bytes = evil.read(&key, None).await.unwrap().unwrap();
            evil.substitute(&key, altered);
            let kind = ask().await.map(|_| ()).expect_err(&what).kind();
            assert_eq!(kind, ErrorKind::Corrupt, "{what}");
            evil.substitute(&key, bytes);
        }
        assert_eq!(ask().await.unwrap(), honest);
    });
}

/// Fields that belong together, pasted together: every mixture of two heads but the honest ones.
#[test]
fn mixtures_of_two_heads_are_refused() {
    block_on(async {
        let world = World::new().await;
        let (one, two) = (world.store("a", vec![1; 100]).await, world.store("b", vec![2; 100]).await);
        let evil = world.evil();
        let read = async |stored| {
            let key = head_name(stored);
            Cut::head(&key, &evil.read(&key, None).await.unwrap().unwrap())
        };
        let (own, other) = (read(&one).await, read(&two).await);
        let desk = session(&world.open(evil.clone()).await.unwrap());
        let ask = async |document: DocumentId| desk.retrieve(document).await;
        for mixture in 1..1u32 << own.fields.len() {
            let mut mixed = own.clone();
            for field in (0..own.fields.len()).filter(|field| mixture >> field & 1 == 1) {
                mixed.fields[field].clone_from(&other.fields[field]);
            }
            if mixed.bytes() != own.bytes() {
                evil.substitute(&own.key, mixed.bytes());
                assert_eq!(ask(one.document).await.unwrap_err().kind(), ErrorKind::Corrupt, "{mixture:b}");
            }
        }
        evil.substitute(&own.key, own.bytes());
        assert_eq!(ask(one.document).await.unwrap(), [1; 100].as_slice());
    });
}
