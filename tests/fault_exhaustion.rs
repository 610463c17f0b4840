//! A script of 200 operations, and a fault or a crash at each storage call of each of them: what was acknowledged
//! is there and reads back equal, what was not is whole or absent, and what failed succeeds when it is tried again.
//! Each operation is replayed alone, from the storage as it was before it.
//!
//! One case in [`SAMPLE`] unless `DOCVAULT_FAULTS=all`, as `scripts/faults.sh` sets it.
#![cfg(all(feature = "intake", feature = "testing"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "tests"
)]

mod common;
#[path = "common/intake.rs"]
mod intake;
#[path = "fault_exhaustion/judge.rs"]
mod judge;
#[path = "fault_exhaustion/script.rs"]
mod script;

use std::sync::Arc;

use common::{block_on, identity};
use docvault::{
    Error, ErrorKind, NewDocument, Recipient, Vault,
    storage::{
        MemoryStorage, Storage,
        testing::{CrashStorage, Fault, FaultyStorage, InFlight},
    },
};
use judge::Judge;
use script::{KINDS, Place, Run, World, desk, new_root, options, pages};

/// Says what failed, in one of the ways that a storage's failure may be told.
fn is_clear(error: &Error, what: &str) {
    let kind = error.kind();
    let storage = matches!(kind, ErrorKind::Storage | ErrorKind::Contended | ErrorKind::OutcomeUnknown(_));
    assert!(storage && !error.to_string().is_empty(), "{what}: {kind:?}: {error}");
}

/// Where an operation begins.
struct Boundary {
    number: usize,
    objects: MemoryStorage,
    world: World,
    /// Storage calls until the operation, and with it.
    calls: (usize, usize),
}

async fn first(place: &Place) -> (Arc<MemoryStorage>, World) {
    let storage = Arc::new(MemoryStorage::default());
    let vault = Vault::create_with(storage.clone(), place.key("root"), options()).await.unwrap();
    let desk = desk(&vault);
    let case = desk.create_case("first").await.unwrap();
    let name = "first/10".to_owned();
    let stored = desk.store(case, NewDocument::named(&*name), pages(&name).concat()).await.unwrap();
    // The script crosses a fold.
    while vault.pin().size() < 230 {
        desk.describe(stored.document).await.unwrap();
    }
    (storage, World::first(vault.pin(), case, stored.document, name))
}

/// The script without faults, and what it starts each operation from.
async fn script(place: &Place) -> Vec<Boundary> {
    let (mut objects, mut world) = first(place).await;
    let mut boundaries = Vec::new();
    for number in 0..OPERATIONS {
        let (snapshot, before) = (objects.snapshot(), world.clone());
        let counted = Arc::new(FaultyStorage::scripted(objects.clone(), []));
        let storage: Arc<dyn Storage> = counted.clone();
        let vault = place.begin(number, storage.clone(), &world.key, &world.pin).await.unwrap();
        let opening = counted.calls();
        Run { number, vault: &vault, storage: &storage, place }.operate(&mut world).await.unwrap();
        let calls = (opening, counted.calls());
        boundaries.push(Boundary { number, objects: snapshot, world: before, calls });
        objects = Arc::new(objects.snapshot());
    }
    assert!(world.pin.size() > 256, "a fold is crossed");
    boundaries
}

/// One case: an operation, and what happens to its calls.
struct Trial<'a> {
    place: &'a Place,
    start: &'a Boundary,
    closely: bool,
    what: String,
}

impl Trial<'_> {
    fn judge(&self, crashed: bool, times: usize) -> Judge<'_> {
        Judge {
            place: self.place,
            number: self.start.number,
            before: &self.start.world.pin,
            crashed,
            times,
            closely: self.closely,
            what: &self.what,
        }
    }

    fn run<'a>(&'a self, vault: &'a Vault, storage: &'a Arc<dyn Storage>) -> Run<'a> {
        Run { number: self.start.number, vault, storage, place: self.place }
    }

    /// Begins, and does the operation once.
    async fn once(
        &self,
        storage: &Arc<dyn Storage>,
        world: &mut World,
    ) -> Result<Vault, (Option<Vault>, Error)> {
        let number = self.start.number;
        let opened = self.place.begin(number, storage.clone(), &world.key, &world.pin).await;
        let vault = opened.map_err(|error| (None, error))?;
        match self.run(&vault, storage).operate(world).await {
            Ok(()) => Ok(vault),
            Err(error) => Err((Some(vault), error)),
        }
    }

    /// Faults at calls of these numbers; the operation is tried again until it succeeds.
    async fn fault(&self, faults: &[(usize, Fault)]) -> usize {
        let objects = Arc::new(self.start.objects.snapshot());
        let faulty = Arc::new(FaultyStorage::scripted(objects.clone(), faults.iter().copied()));
        let (storage, mut world): (Arc<dyn Storage>, _) = (faulty.clone(), self.start.world.clone());
        if let Err((vault, error)) = self.once(&storage, &mut world).await {
            self.until_it_succeeds(vault, error, &storage, &mut world, faults.len()).await;
        }
        let fired = faulty.fired();
        faulty.land().await.unwrap();
        if fired > 0 {
            self.judge(false, fired).judge(objects, &world).await;
        }
        fired
    }

    async fn until_it_succeeds(
        &self,
        vault: Option<Vault>,
        error: Error,
        storage: &Arc<dyn Storage>,
        world: &mut World,
        faults: usize,
    ) {
        let (mut vault, mut failure) = (vault, Some(error));
        for _ in 0..=faults {
            let Some(error) = failure.take() else { return };
            is_clear(&error, &self.what);
            // A process whose root key was replaced starts anew with the other.
            let open = match vault.take().filter(|_| new_root(self.start.number).is_none()) {
                Some(open) => open,
                None => match self.judge(false, faults).try_open(storage.clone(), &world.key).await {
                    Ok((_, key)) if key != world.key => return world.key = key,
                    Ok((open, _)) => open,
                    Err(error) => {
                        failure = Some(error);
                        continue;
                    }
                },
            };
            failure = self.run(&open, storage).again(world, &error).await.err();
            vault = Some(open);
        }
        assert!(failure.is_none(), "{}: fails without a fault: {failure:?}", self.what);
    }

    /// A crash at the call of this number; the next process does the operation again.
    async fn crash(&self, call: usize) {
        let storage = Arc::new(CrashStorage::new(&self.start.objects, call));
        let mut acknowledged = self.start.world.clone();
        let died = self.once(&(storage.clone() as Arc<dyn Storage>), &mut acknowledged).await;
        if let Err((_, error)) = &died {
            is_clear(error, &self.what);
        }
        for in_flight in InFlight::BOTH {
            let found: Arc<dyn Storage> = Arc::new(storage.recover(in_flight).await.unwrap());
            let mut world = acknowledged.clone();
            if died.is_err() {
                let (vault, key) = self.judge(true, 1).open(found.clone(), &world.key).await;
                if key == world.key {
                    let done = self.run(&vault, &found).after_a_crash(&mut world).await;
                    done.unwrap_or_else(|error| panic!("{}: after the crash: {error}", self.what));
                }
                world.key = key;
            }
            self.judge(true, 1).judge(found, &world).await;
        }
    }
}

/// Whether the case of this number is run: all, or one in so many, by a hash so that no kind is left out.
fn chosen(case: usize) -> bool {
    std::env::var("DOCVAULT_FAULTS").is_ok_and(|which| which == "all") || one_in(SAMPLE, case)
}

fn one_in(many: u64, case: usize) -> bool {
    let drawn = blake3::hash(&case.to_be_bytes());
    u64::from_be_bytes(drawn.as_bytes()[..8].try_into().unwrap()).is_multiple_of(many)
}

#[test]
fn faults_and_crashes_at_every_call_of_200_operations_lose_nothing_acknowledged() {
    let (notary, _file) = identity();
    let recipient = Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string()).unwrap();
    let place = Place { folder: tempfile::tempdir().unwrap(), notary, recipient };
    block_on(async {
        let boundaries = script(&place).await;
        let (mut cases, mut fired, mut doubles, mut crashes) = (0, [0; Fault::ALLOWED.len()], 0, 0);
        for start in &boundaries {
            let trial = |what: String, case: usize| Trial {
                place: &place,
                start,
                closely: one_in(CLOSELY, case + 1) || (start.number % KINDS > 20 && one_in(4, case + 1)),
                what: format!("operation {}, {what}", start.number),
            };
            for call in start.calls.0..start.calls.1 {
                for (at, one) in Fault::ALLOWED.into_iter().enumerate() {
                    cases += 1;
                    if chosen(cases) {
                        let faults = [(call, one)];
                        fired[at] += trial(format!("{faults:?}"), cases).fault(&faults).await;
                        // And one more, soon after: by the number, so the same every time.
                        let second = Fault::ALLOWED[cases % Fault::ALLOWED.len()];
                        let faults = [(call, one), (call + 1 + cases % 9, second)];
                        let twice = one_in(4, cases + 2)
                            && trial(format!("{faults:?}"), cases).fault(&faults).await == 2;
                        doubles += usize::from(twice);
                    }
                }
                cases += 1;
                if chosen(cases) {
                    trial(format!("crash at call {call}"), cases).crash(call).await;
                    crashes += 1;
                }
            }
        }
        let calls: usize = boundaries.iter().map(|start| start.calls.1 - start.calls.0).sum();
        println!(
            "{OPERATIONS} operations, {calls} storage calls; {cases} cases, of which fired: {:?} {fired:?}, {doubles} double faults; {crashes} crashes, each with the call landed and not",
            Fault::ALLOWED
        );
        assert!(fired.iter().all(|count| *count > 0) && doubles > 0 && crashes > 0);
    });
}

const OPERATIONS: usize = 200;
const SAMPLE: u64 = 12;
/// One case in so many is judged closely.
const CLOSELY: u64 = 16;
