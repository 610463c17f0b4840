//! A script of 200 operations, and a fault or a crash at each storage call of each of them: what was acknowledged
//! is there, what was not is whole or absent. Each operation is replayed alone, from the storage as it was before it.
//!
//! One case in [`SAMPLE`] unless `DOCVAULT_FAULTS=all`, as `scripts/faults.sh` sets it.
#![cfg(feature = "testing")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "tests"
)]

mod common;

use std::{collections::BTreeMap, sync::Arc};

use common::{block_on, identity};
use docvault::{
    CaseId, DocumentId, Error, ErrorKind, GrantId, NewDocument, NewStatement, NoSleep, OperationId, Pin,
    Recipient, Session, Terms, UploadToken, Vault, VaultOptions,
    keys::LocalKey,
    storage::{
        MemoryStorage, Storage,
        testing::{CrashStorage, Fault, FaultyStorage, InFlight},
    },
};
use tempfile::TempDir;

/// What the vault has acknowledged, and what the script needs to go on.
#[derive(Clone)]
struct World {
    pin: Pin,
    key: String,
    cases: BTreeMap<CaseId, bool>,
    /// The names of the versions; the content follows from the name.
    documents: BTreeMap<DocumentId, Vec<String>>,
    grants: BTreeMap<GrantId, bool>,
    statements: Vec<(CaseId, OperationId)>,
    erased: Vec<CaseId>,
    upload: Option<(Vec<u8>, String)>,
}

struct Place {
    folder: TempDir,
    recipient: Recipient,
}

impl Place {
    fn key(&self, name: &str) -> Arc<LocalKey> {
        let path = self.folder.path().join(name);
        Arc::new(if path.exists() { LocalKey::load(path).unwrap() } else { LocalKey::create(path).unwrap() })
    }

    async fn open(&self, storage: Arc<dyn Storage>, key: &str, pin: &Pin) -> Result<Vault, Error> {
        Vault::open_with(storage, self.key(key), pin, options()).await
    }
}

fn options() -> VaultOptions {
    VaultOptions::default().sleeper(NoSleep::default()).upload_expiry(core::time::Duration::ZERO)
}

fn desk(vault: &Vault) -> Session {
    vault.session("a").purpose("p").begin().unwrap()
}

/// The content that a version of this name has: its pages are of the lengths that the name states.
fn pages(name: &str) -> Vec<Vec<u8>> {
    let seed = blake3::hash(name.as_bytes());
    let page = |len: &str| seed.as_bytes().iter().copied().cycle().take(len.parse().unwrap()).collect();
    name.split('/').skip(1).map(page).collect()
}

const KINDS: usize = 20;

/// The operation of this number. Notes in `world` what was acknowledged.
async fn operate(
    number: usize,
    vault: &Vault,
    storage: &Arc<dyn Storage>,
    place: &Place,
    world: &mut World,
) -> Result<(), Error> {
    let desk = desk(vault);
    let (round, kind) = (number / KINDS, number % KINDS);
    let open = |world: &World| world.cases.iter().rev().find(|case| !case.1).map(|case| *case.0).unwrap();
    let some = |world: &World| *world.documents.keys().nth(number % world.documents.len()).unwrap();
    match kind {
        0 => {
            let case = desk.create_case(format!("case {number}").as_str()).await?;
            world.cases.insert(case, false);
        }
        1 | 2 => {
            // One of two parts among them; else one page, or none at all.
            let len = if number == 21 { (8 << 20) + 5 } else { number % 7 * 1000 };
            let name = format!("{number}/{len}");
            let stored = desk.store(open(world), NewDocument::named(&*name), pages(&name).concat()).await?;
            world.documents.insert(stored.document, vec![name]);
        }
        3 | 4 => {
            let (document, name) = (some(world), format!("{number}/700"));
            desk.store_version(document, NewDocument::named(&*name), "better", pages(&name).concat()).await?;
            world.documents.get_mut(&document).unwrap().push(name);
        }
        5 => {
            let name = format!("{number}/17000/40");
            let mut upload = desk.upload(open(world), NewDocument::named(&*name)).await?;
            upload.write(&pages(&name)[0]).await?;
            upload.next_page().await?;
            world.upload = Some((upload.token()?.to_bytes(), name));
        }
        6 => {
            let (token, name) = world.upload.clone().unwrap();
            let mut upload = desk.resume_upload(&UploadToken::from_bytes(&token).unwrap()).await?;
            upload.write(&pages(&name)[1]).await?;
            let stored = upload.finish().await?;
            world.documents.insert(stored.document, vec![name]);
        }
        7 => {
            let document = some(world);
            let found = desk.retrieve(document).await?;
            assert_eq!(found, pages(world.documents[&document].last().unwrap()).concat());
        }
        8 => {
            let document = some(world);
            let expected = pages(world.documents[&document].last().unwrap()).concat();
            let end = expected.len().min(600);
            let found = desk.retrieve_range(document, end as u64 / 2..end as u64).await?;
            assert_eq!(found, expected[end / 2..end]);
        }
        9 => {
            let grant = desk.grant(some(world), &place.recipient, Terms::read().purpose("p")).await?;
            world.grants.insert(grant, false);
        }
        10 => {
            let grant = desk.grant(open(world), &place.recipient, Terms::read().purpose("p")).await?;
            world.grants.insert(grant, false);
        }
        11 => {
            let live = world.grants.iter().find(|grant| !grant.1);
            if let Some((grant, _)) = live {
                desk.deliver(*grant).await?.collect().await?;
            }
        }
        12 => {
            let live = world.grants.iter().find(|grant| !grant.1).map(|grant| *grant.0);
            if let Some(grant) = live {
                desk.revoke(grant).await?;
                world.grants.insert(grant, true);
            }
        }
        13 => {
            let case = open(world);
            let made = desk.make_statement(case, NewStatement::on("test").payload("made")).await?;
            world.statements.push((case, made.id));
        }
        14 => match round % 3 {
            0 => drop(desk.rotate_epoch().await?),
            1 => desk.rotate_signing_keys().await?,
            _ => {
                let slots = vault.slots().await?;
                let slot = slots.iter().find(|slot| slot.label == "root").unwrap().id;
                let key = format!("key {number}");
                desk.rotate_root(slot, &*place.key(&key)).await?;
                world.key = key;
            }
        },
        15 => {
            let slots = vault.slots().await?;
            match slots.iter().find(|slot| slot.label == "recovery") {
                Some(slot) => desk.remove_slot(slot.id).await?,
                None => drop(desk.add_slot(&*place.key("recovery"), "recovery").await?),
            }
        }
        16 => drop(desk.collect_garbage().await?),
        17 => {
            let note = vault.audit().checkpoint().await?;
            desk.keep_checkpoint(&note, &[]).await?;
        }
        18 => {
            // Another process, and then this one, which knows an older head.
            let other = place.open(storage.clone(), &world.key, &world.pin).await?;
            let case = open(world);
            for (vault, len) in [(&other, 3), (vault, 4)] {
                let name = format!("{number}/{len}");
                let new = NewDocument::named(&*name);
                let stored =
                    vault.session("b").purpose("q").begin()?.store(case, new, pages(&name).concat()).await?;
                world.documents.insert(stored.document, vec![name]);
            }
        }
        _ => {
            let case = desk.create_case("to be erased").await?;
            desk.store(case, NewDocument::named("x/1"), pages("x/1").concat()).await?;
            desk.close_case(case, "done").await?;
            desk.erase_case(case).await?;
            world.erased.push(case);
        }
    }
    world.pin = vault.pin();
    Ok(())
}

/// Everything acknowledged is there, everything visible is whole, and what was revoked or erased stays so.
async fn judge(
    place: &Place,
    storage: Arc<dyn Storage>,
    before: &Pin,
    world: &World,
    number: usize,
    what: &str,
) {
    let vault = match place.open(storage.clone(), &world.key, before).await {
        Ok(vault) => vault,
        // A rotation that was not acknowledged may stand.
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Locked, "{what}: {error}");
            place.open(storage.clone(), &format!("key {number}"), before).await.unwrap()
        }
    };
    vault.audit().verify(&world.pin).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    let desk = desk(&vault);
    let mut listed = BTreeMap::new();
    for case in desk.cases(None).await.unwrap().cases {
        if case.erased {
            continue;
        }
        for found in desk.documents(case.id, None).await.unwrap().documents {
            let expected = pages(&found.name).concat();
            let probe = expected.len().saturating_sub(600);
            let range = desk.retrieve_range(found.document, probe as u64..expected.len() as u64).await;
            assert_eq!(range.unwrap(), expected[probe..], "{what}: {} is not whole", found.name);
            assert_eq!(found.len, expected.len() as u64, "{what}");
            listed.insert(found.document, found.name);
        }
    }
    for (document, versions) in &world.documents {
        let newest = listed.get(document).unwrap_or_else(|| panic!("{what}: {versions:?} was lost"));
        let unacknowledged = newest.starts_with(&format!("{number}/"));
        assert!(unacknowledged || Some(newest) == versions.last(), "{what}: {newest} for {versions:?}");
    }
    for (case, closed) in &world.cases {
        assert_eq!(desk.describe_case(*case).await.unwrap().closed, *closed, "{what}");
    }
    for (grant, revoked) in &world.grants {
        if *revoked {
            assert_eq!(desk.deliver(*grant).await.unwrap_err().kind(), ErrorKind::Denied, "{what}");
        } else {
            desk.outcome(grant.operation()).await.unwrap();
        }
    }
    if let Some((case, statement)) = world.statements.last() {
        desk.one_statement(*case, *statement).await.unwrap();
    }
    for case in &world.erased {
        assert_eq!(desk.describe_case(*case).await.unwrap_err().kind(), ErrorKind::Erased, "{what}");
    }
    let more = desk.create_case("more").await.unwrap();
    desk.store(more, NewDocument::named("more"), b"more".to_vec()).await.unwrap();
}

/// Says what failed, in one of the ways that a storage's failure may be told.
fn is_clear(error: &Error, what: &str) {
    let kind = error.kind();
    let storage = matches!(kind, ErrorKind::Storage | ErrorKind::Contended | ErrorKind::OutcomeUnknown(_));
    assert!(storage && !error.to_string().is_empty(), "{what}: {kind:?}: {error}");
}

struct Boundary {
    number: usize,
    objects: MemoryStorage,
    world: World,
    /// Storage calls of opening, and of opening and the operation.
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
    let world = World {
        pin: vault.pin(),
        key: "root".into(),
        cases: [(case, false)].into(),
        documents: [(stored.document, vec![name])].into(),
        grants: BTreeMap::new(),
        statements: Vec::new(),
        erased: Vec::new(),
        upload: None,
    };
    (storage, world)
}

/// The script without faults, and what it starts each operation from.
async fn script(place: &Place) -> Vec<Boundary> {
    let (mut objects, mut world) = first(place).await;
    let mut boundaries = Vec::new();
    for number in 0..OPERATIONS {
        let (snapshot, before) = (objects.snapshot(), world.clone());
        let counted = Arc::new(FaultyStorage::scripted(objects.clone(), []));
        let storage: Arc<dyn Storage> = counted.clone();
        let vault = place.open(storage.clone(), &world.key, &world.pin).await.unwrap();
        let opening = counted.calls();
        operate(number, &vault, &storage, place, &mut world).await.unwrap();
        let calls = (opening, counted.calls());
        boundaries.push(Boundary { number, objects: snapshot, world: before, calls });
        objects = Arc::new(objects.snapshot());
    }
    assert!(world.pin.size() > 256, "a fold is crossed");
    boundaries
}

async fn replay(place: &Place, start: &Boundary, storage: Arc<dyn Storage>, what: &str) -> World {
    let mut world = start.world.clone();
    let run = match place.open(storage.clone(), &world.key, &world.pin).await {
        Ok(vault) => operate(start.number, &vault, &storage, place, &mut world).await,
        Err(error) => Err(error),
    };
    if let Err(error) = run {
        is_clear(&error, what);
    }
    world
}

async fn fault(place: &Place, start: &Boundary, faults: &[(usize, Fault)]) -> usize {
    let what = format!("operation {}, faults {faults:?}", start.number);
    let objects = Arc::new(start.objects.snapshot());
    let storage = Arc::new(FaultyStorage::scripted(objects.clone(), faults.iter().copied()));
    let world = replay(place, start, storage.clone(), &what).await;
    storage.land().await.unwrap();
    if storage.fired() > 0 {
        judge(place, objects, &start.world.pin, &world, start.number, &what).await;
    }
    storage.fired()
}

async fn crash(place: &Place, start: &Boundary, call: usize) {
    let what = format!("operation {}, crash at call {call}", start.number);
    let storage = Arc::new(CrashStorage::new(&start.objects, call));
    let world = replay(place, start, storage.clone(), &what).await;
    for in_flight in InFlight::BOTH {
        let found = Arc::new(storage.recover(in_flight).await.unwrap());
        judge(place, found, &start.world.pin, &world, start.number, &what).await;
    }
}

/// Whether the case of this number is run: all, or one in so many, by a hash so that no kind is left out.
fn chosen(case: usize) -> bool {
    let drawn = blake3::hash(&case.to_be_bytes());
    let drawn = u64::from_be_bytes(drawn.as_bytes()[..8].try_into().unwrap());
    std::env::var("DOCVAULT_FAULTS").is_ok_and(|which| which == "all") || drawn.is_multiple_of(SAMPLE)
}

#[test]
fn faults_and_crashes_at_every_call_of_200_operations_lose_nothing_acknowledged() {
    let (notary, _file) = identity();
    let recipient = Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string()).unwrap();
    let place = Place { folder: tempfile::tempdir().unwrap(), recipient };
    block_on(async {
        let boundaries = script(&place).await;
        let (mut cases, mut fired, mut doubles, mut crashes) = (0, [0; Fault::ALLOWED.len()], 0, 0);
        for start in &boundaries {
            for call in start.calls.0..start.calls.1 {
                for (at, one) in Fault::ALLOWED.into_iter().enumerate() {
                    cases += 1;
                    if chosen(cases) {
                        fired[at] += fault(&place, start, &[(call, one)]).await;
                        // And one more, soon after: by the number, so the same every time.
                        let second = Fault::ALLOWED[cases % Fault::ALLOWED.len()];
                        let faults = [(call, one), (call + 1 + cases % 9, second)];
                        doubles +=
                            usize::from(cases.is_multiple_of(4) && fault(&place, start, &faults).await == 2);
                    }
                }
                cases += 1;
                if chosen(cases) {
                    crash(&place, start, call).await;
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
