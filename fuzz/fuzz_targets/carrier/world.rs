//! One carrier's storage, and what its clients and its office were told.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use docvault::{
    Clock,
    deposit::{Carrier, CarrierError, HeldPart, Promise, Refusal},
    storage::{MemoryStorage, Storage, testing::FaultyStorage},
};

use crate::{
    EVERYONE,
    clients::{BEGUN, Deposit, Sealed},
    intake::{Hand, carrier_key, objects},
};

/// What is sent; what is honest says of which deposit and which way it is.
#[derive(Debug, Clone)]
pub enum Call {
    Publish { asked: Option<usize>, bytes: Bytes },
    Receive { deposit: usize, place: usize, way: Option<usize>, bytes: Bytes },
    Finish { deposit: usize, way: Option<usize>, bytes: Bytes },
    Close { asked: usize },
}

#[derive(Debug)]
pub enum Told {
    Published,
    Held(HeldPart),
    Promised(Bytes),
    Closed,
}

pub type Answer = Result<Told, CarrierError>;

/// How calls are made: one after the other or two at once, on a storage that fails or not.
#[derive(Debug, Clone, Copy)]
pub struct How {
    pub alone: bool,
    pub failing: bool,
}

/// Every object's name and bytes.
pub type Objects = BTreeMap<String, Bytes>;

pub struct World {
    pub kept: Arc<MemoryStorage>,
    pub clock: Hand,
    /// Storages whose late creates have not landed yet.
    pub late: Vec<Arc<FaultyStorage>>,
    /// Parts that were acknowledged, and promises, by their deposit.
    parts: BTreeMap<(usize, usize), Bytes>,
    promised: BTreeMap<usize, (usize, Bytes)>,
    cleared: BTreeSet<usize>,
}

impl Call {
    pub async fn make(&self, carrier: &Carrier) -> Answer {
        Ok(match self {
            Self::Publish { bytes, .. } => {
                carrier.publish(bytes.clone()).await?;
                Told::Published
            }
            Self::Receive { bytes, .. } => Told::Held(carrier.receive(bytes.clone()).await?),
            Self::Finish { bytes, .. } => Told::Promised(carrier.finish(bytes.clone()).await?),
            Self::Close { asked } => {
                carrier.close(EVERYONE.asked[*asked].signed.descriptor.request()).await?;
                Told::Closed
            }
        })
    }

    /// The deposit, and the way in which it was sealed.
    fn sealed(&self) -> Option<(&'static Deposit, &'static Sealed)> {
        match self {
            Self::Receive { deposit, way: Some(way), .. } | Self::Finish { deposit, way: Some(way), .. } => {
                let deposit = &EVERYONE.deposits[*deposit];
                Some((deposit, &deposit.ways[*way]))
            }
            _ => None,
        }
    }
}

/// The name of something of a request.
fn of_request(asked: usize, rest: &str) -> String {
    format!("deposit/{}/{rest}", EVERYONE.asked[asked].signed.descriptor.request())
}

fn of_deposit(deposit: &Deposit, rest: &str) -> String {
    of_request(deposit.asked, &format!("{}/{rest}", deposit.ways[0].client.id()))
}

fn part_name(deposit: &Deposit, (page, part): (u16, u32)) -> String {
    of_deposit(deposit, &format!("part-{page:04x}-{part:08x}"))
}

/// How many objects there are of a slot under `begun` or `promise`.
fn count(objects: &Objects, kind: &str, (asked, slot): (usize, u16)) -> usize {
    let prefix = of_request(asked, &format!("{kind}/{slot:04x}-"));
    objects.keys().filter(|name| name.starts_with(&prefix)).count()
}

fn uses((asked, slot): (usize, u16)) -> usize {
    EVERYONE.asked[asked].signed.descriptor.slots()[usize::from(slot)].uses.into()
}

impl World {
    pub fn new() -> Self {
        let (parts, promised) = Default::default();
        let (kept, late, cleared) = Default::default();
        Self { kept, clock: Hand::at(BEGUN), late, parts, promised, cleared }
    }

    pub fn carrier(&self, storage: Arc<dyn Storage>) -> Carrier {
        Carrier::new(storage, carrier_key(), EVERYONE.office.vault.sender()).clock(self.clock.clone())
    }

    pub async fn objects(&self) -> Objects {
        objects(&*self.kept).await.into_iter().collect()
    }

    fn is_expired(&self, asked: usize) -> bool {
        self.clock.now() >= EVERYONE.asked[asked].signed.descriptor.expires()
    }

    /// What was answered holds of what is there, before the call and after it.
    pub async fn judge(&mut self, call: &Call, told: &Answer, how: How, before: &Objects) {
        let after = self.objects().await;
        match told {
            Ok(told) => self.acknowledged(call, told, before, &after),
            Err(CarrierError::Refused(refusal)) if call.sealed().is_some() => {
                assert!(self.is_true(*refusal, call, how, &after), "{refusal:?}");
            }
            Err(CarrierError::Failed(error)) => {
                let honest = matches!(call, Call::Publish { asked: Some(_), .. } | Call::Close { .. });
                assert!(how.failing || !honest && call.sealed().is_none(), "{error}");
            }
            Err(_) => {}
        }
        self.holds(&after);
    }

    fn acknowledged(&mut self, call: &Call, told: &Told, before: &Objects, after: &Objects) {
        match (call, told) {
            (Call::Publish { asked, bytes }, Told::Published) => {
                let asked = asked.expect("nothing but what was signed for this carrier is published");
                assert_eq!(after.get(&of_request(asked, "request")), Some(bytes));
            }
            (Call::Receive { deposit, place, way, bytes }, Told::Held(held)) => {
                let sealed = &EVERYONE.deposits[*deposit].ways[way.expect("no altered part is acknowledged")];
                assert_eq!((held.page, held.part), sealed.places[*place]);
                self.parts.insert((*deposit, *place), bytes.clone());
            }
            (Call::Finish { deposit, way, .. }, Told::Promised(promise)) => {
                let way = way.expect("no altered manifest is acknowledged");
                let of = &EVERYONE.deposits[*deposit];
                assert!(of.ways[way].is_promised(promise));
                let first = self.promised.entry(*deposit).or_insert_with(|| (way, promise.clone()));
                assert_eq!(*first, (way, promise.clone()), "one manifest, and one promise for it");
                let known = before.values().any(|known| known == promise);
                let late = self.is_expired(of.asked) || before.contains_key(&of_request(of.asked, "closed"));
                assert!(known || !late, "promised after the request's end");
            }
            (Call::Close { asked }, Told::Closed) => {
                assert!(after.contains_key(&of_request(*asked, "closed")));
            }
            other => panic!("{other:?}"),
        }
    }

    /// Whether what is refused is so for the reason that is given.
    fn is_true(&self, refusal: Refusal, call: &Call, how: How, after: &Objects) -> bool {
        let Some((deposit, sealed)) = call.sealed() else { return true };
        let slot = (deposit.asked, deposit.slot);
        let has = |name: String| after.contains_key(&name);
        let other_part = |place: usize| {
            let found = after.get(&part_name(deposit, sealed.places[place]));
            found.is_some_and(|found| *found != sealed.parts[place])
        };
        let manifest = after.get(&of_deposit(deposit, "manifest"));
        match refusal {
            Refusal::Begun => count(after, "begun", slot) == uses(slot) + 8,
            Refusal::Closed => has(of_request(deposit.asked, "closed")),
            Refusal::Conflict => match call {
                Call::Receive { place, .. } => other_part(*place),
                _ => {
                    manifest.is_some_and(|found| *found != sealed.manifest)
                        || (0..sealed.places.len()).any(other_part)
                }
            },
            Refusal::Expired => self.is_expired(deposit.asked),
            Refusal::Finished => manifest.is_some(),
            Refusal::Missing { page, part } => !how.alone || !has(part_name(deposit, (page, part))),
            Refusal::Unknown => !how.alone || !has(of_request(deposit.asked, "request")),
            Refusal::Uses => count(after, "promise", slot) == uses(slot),
            _ => false,
        }
    }

    /// What was acknowledged is there, and nothing beyond what the requests take.
    pub fn holds(&self, objects: &Objects) {
        for ((deposit, place), bytes) in &self.parts {
            let of = &EVERYONE.deposits[*deposit];
            let found = objects.get(&part_name(of, of.ways[0].places[*place]));
            assert!(self.cleared.contains(deposit) || found == Some(bytes), "a part is gone, or another");
        }
        for (deposit, (way, promise)) in &self.promised {
            let of = &EVERYONE.deposits[*deposit];
            assert!(objects.values().any(|known| known == promise), "a promise is gone");
            assert_eq!(objects.get(&of_deposit(of, "manifest")), Some(&of.ways[*way].manifest));
        }
        for asked in 0..EVERYONE.asked.len() {
            for slot in 0..2 {
                within_uses(objects, (asked, slot));
            }
        }
    }

    /// What an office finds: every promise, and of each exactly what its client has sealed.
    pub async fn look(&self) {
        EVERYONE.shown.set(self.kept.clone());
        for (number, asked) in EVERYONE.asked.iter().enumerate() {
            let promises = asked.inbox.promises().await.expect("memory");
            let kept = |slot| count_in(&self.kept, (number, slot));
            assert_eq!(promises.len(), kept(0).await + kept(1).await);
            for promise in &promises {
                let (deposit, way) = found(promise);
                let known = self.promised.get(&deposit);
                assert!(known.is_none_or(|known| *known == (way, promise.to_bytes())));
                self.opens(&EVERYONE.deposits[deposit].ways[way], promise, !self.cleared.contains(&deposit))
                    .await;
            }
        }
    }

    async fn opens(&self, sealed: &Sealed, promise: &Promise, whole: bool) {
        let inbox = &EVERYONE.asked[of(promise)].inbox;
        let incoming = inbox.deposit(promise).await.expect("what is promised opens");
        assert_eq!((incoming.comment(), &*incoming.form()["rfc"]), (&*sealed.comment, sealed.rfc));
        assert_eq!(incoming.pages().len(), sealed.contents.len());
        for (page, content) in (0..).zip(&sealed.contents).filter(|_| whole) {
            let read = incoming.read(page).expect("a page").collect().await.expect("whole");
            assert_eq!(read.as_slice(), content);
        }
    }

    /// Answers a deposit, if it is promised; its client opens the answer.
    pub async fn answer(&self, deposit: usize, seed: u64) {
        let Some((way, promise)) = self.promise(deposit).await else { return };
        let (asked, sealed) = (&EVERYONE.asked[of(&promise)], &EVERYONE.deposits[deposit].ways[way]);
        let incoming = asked.inbox.deposit(&promise).await.expect("it opens");
        let receipt = sealed.answer(&promise);
        let entropy = crate::intake::Seeded::new(seed);
        let number = asked.inbox.answer(&incoming, &receipt, &entropy).await.expect("memory");
        assert!(asked.inbox.is_answered(&incoming).await.expect("memory"));
        let held = self.carrier(self.kept.clone()).held(promise.request(), promise.deposit()).await;
        let answers = held.expect("memory").answers;
        let number = usize::from(number);
        let opened = sealed.client.open_answer(number, &answers[number]).expect("its own answer");
        assert_eq!(opened.to_bytes(), receipt.to_bytes());
        assert!(asked.opened.verify(&opened, &EVERYONE.office.policy).is_ok());
    }

    /// Deletes a deposit's parts, if it is promised.
    pub async fn clear(&mut self, deposit: usize) {
        let Some((_, promise)) = self.promise(deposit).await else { return };
        self.cleared.insert(deposit);
        EVERYONE.asked[of(&promise)].inbox.clear(promise.deposit()).await.expect("memory");
    }

    async fn promise(&self, deposit: usize) -> Option<(usize, Promise)> {
        EVERYONE.shown.set(self.kept.clone());
        let inbox = &EVERYONE.asked[EVERYONE.deposits[deposit].asked].inbox;
        let promises = inbox.promises().await.expect("memory");
        let promise = promises.into_iter().find(|promise| found(promise).0 == deposit)?;
        Some((found(&promise).1, promise))
    }
}

async fn count_in(kept: &MemoryStorage, slot: (usize, u16)) -> usize {
    count(&objects(kept).await.into_iter().collect(), "promise", slot)
}

/// The request that a promise is for.
fn of(promise: &Promise) -> usize {
    let asked =
        EVERYONE.asked.iter().position(|asked| asked.signed.descriptor.request() == promise.request());
    asked.expect("a request")
}

/// What is promised: the deposit, and in which way.
fn found(promise: &Promise) -> (usize, usize) {
    let bytes = promise.to_bytes();
    let ways = EVERYONE.deposits.iter().enumerate();
    let mut ways = ways.filter(|(_, of)| of.ways[0].client.id() == promise.deposit());
    let (number, deposit) = ways.next().expect("a deposit that somebody has made");
    let way = deposit.ways.iter().position(|way| way.is_promised(&bytes));
    (number, way.expect("one of the ways"))
}

/// Promises have numbers without gaps, one for a deposit, and as many as the slot has uses at most.
fn within_uses(objects: &Objects, (asked, slot): (usize, u16)) {
    let descriptor = &EVERYONE.asked[asked].signed.descriptor;
    let promises = count(objects, "promise", (asked, slot));
    assert!(promises <= uses((asked, slot)));
    assert!(count(objects, "begun", (asked, slot)) <= uses((asked, slot)) + 8);
    let mut deposits = BTreeSet::new();
    for number in 0..promises {
        let bytes = &objects[&of_request(asked, &format!("promise/{slot:04x}-{number:04x}"))];
        let promise = Promise::verify(bytes, descriptor).expect("the carrier's own, and in time");
        assert_eq!(promise.deposit().slot(), slot);
        assert!(deposits.insert(promise.deposit()), "a deposit has two uses");
    }
}
