//! Writes that land late, uploads that go on, garbage that is not.

use std::sync::Arc;

use docvault::{
    Error, ErrorKind, NewDocument, Outcome, Stored, Vault, VaultOptions,
    storage::{
        Creation, MemoryStorage, ObjectKey, Storage,
        testing::{Fault, FaultyStorage},
    },
};

use super::toolkit::*;
use crate::common::block_on;

const DAY: u64 = 24 * 60 * 60 * 1000;
const PART: usize = 8 << 20;

/// Whether the document that `stored` is about is there exactly if it was said to be.
async fn stands_as_told(
    world: &World,
    objects: Arc<MemoryStorage>,
    stored: Result<Stored, Error>,
    at: usize,
) {
    let vault = world.open(objects).await.unwrap();
    let documents = session(&vault).documents(world.case, None).await.unwrap().documents;
    match stored {
        Ok(stored) => assert_eq!(documents[0].version, stored.version, "call {at}"),
        Err(error) => assert!(documents.is_empty(), "call {at}: {error}"),
    }
    vault.audit().verify_from_genesis().await.unwrap();
}

/// What was held back comes too late.
async fn lands_in_vain(gate: &Gate) {
    let landed = gate.release().await;
    assert!(!landed.is_empty() && landed.iter().all(|creation| *creation == Creation::Exists), "{landed:?}");
}

#[test]
fn create_conflict_nothing_written() {
    block_on(async {
        let world = World::new().await;
        // On a storage whose proof and whose first commit are behind it; gives what stands there in the end.
        let store = async |faults: Vec<usize>| {
            let objects = Arc::new(world.storage.snapshot());
            let faults = faults.into_iter().map(|call| (call, Fault::FalseExists));
            let faulty = Arc::new(FaultyStorage::scripted(objects.clone(), faults));
            let desk = session(&world.open(faulty.clone()).await.unwrap());
            desk.describe_case(world.case).await.unwrap();
            let before = faulty.calls();
            let stored = desk.store(world.case, NewDocument::named("x"), vec![1; 300_000]).await;
            (objects, stored, before, faulty)
        };
        let (.., before, plain) = store(Vec::new()).await;
        // Each create in turn answers "taken" and writes nothing, once, then from there on for ever.
        let mut creates = Vec::new();
        for at in before..plain.calls() {
            let (objects, stored, _, faulty) = store(vec![at]).await;
            creates.extend((faulty.fired() > 0).then_some(at));
            stands_as_told(&world, objects, stored, at).await;
        }
        assert_eq!(creates.len(), 3, "the part's, the head's and the record's");
        for from in creates {
            let (objects, stored, ..) = store((from..from + 400).collect()).await;
            assert!(stored.is_err(), "call {from}");
            stands_as_told(&world, objects, stored, from).await;
        }
    });
}

#[test]
fn late_put_lands() {
    block_on(async {
        let world = World::new().await;
        // The commit is on its way for ever: not "done", not "lost", and asked for later.
        let gate = Gate::new(world.storage.clone());
        let vault = world.open(gate.clone()).await.unwrap();
        let desk = session(&vault);
        desk.describe_case(world.case).await.unwrap();
        gate.hold("log/");
        let error = desk.store(world.case, NewDocument::named("x"), b"late".to_vec()).await.unwrap_err();
        let ErrorKind::OutcomeUnknown(operation) = error.kind() else { panic!("{error}") };
        // Nothing else is committed meanwhile that could come to stand in its place.
        let other = desk.store(world.case, NewDocument::named("y"), b"y".to_vec()).await.unwrap_err();
        assert!(matches!(other.kind(), ErrorKind::Storage | ErrorKind::OutcomeUnknown(_)), "{other}");
        gate.pass();
        assert_eq!(gate.release().await[0], Creation::Created);
        let Outcome::Committed { seq, .. } = desk.outcome(operation).await.unwrap() else {
            panic!("it landed")
        };
        assert_eq!(seq + 2, vault.pin().size(), "at once after what was before, and asked about once");
        let documents = desk.documents(world.case, None).await.unwrap().documents;
        assert_eq!(documents.len(), 1);
        assert_eq!(desk.retrieve(documents[0].document).await.unwrap(), b"late".as_slice());
        // Asked for before it landed: then it has not happened, and cannot any more.
        gate.hold("log/");
        let error = desk.store(world.case, NewDocument::named("z"), b"z".to_vec()).await.unwrap_err();
        let ErrorKind::OutcomeUnknown(operation) = error.kind() else { panic!("{error}") };
        let another = session(&world.open(world.storage.clone()).await.unwrap());
        assert_eq!(another.outcome(operation).await.unwrap(), Outcome::NotCommitted);
        gate.pass();
        lands_in_vain(&gate).await;
        assert_eq!(another.outcome(operation).await.unwrap(), Outcome::NotCommitted);
        assert_eq!(desk.outcome(operation).await.unwrap(), Outcome::NotCommitted);
        world.vault.audit().verify_from_genesis().await.unwrap();
    });
}

#[test]
fn resume_changed_file_hidden_part() {
    block_on(async {
        let world = World::new().await;
        let (before, after) = (vec![0x11; PART + 100], vec![0x22; PART + 100]);
        let mut upload = world.desk.upload(world.case, NewDocument::named("x")).await.unwrap();
        upload.write(&before).await.unwrap();
        let token = upload.token().unwrap();
        drop(upload);
        let (first, first_bytes) = only(&*world.storage, "part/").await;
        // Storage hides the part, from listings or altogether, and the file has changed.
        for hidden in [false, true] {
            let evil = world.evil();
            if hidden {
                evil.delete(&first).await.unwrap();
            } else {
                evil.unlist(&first);
            }
            let desk = session(&world.open(evil.clone()).await.unwrap());
            let mut upload = desk.resume_upload(&token).await.unwrap();
            assert_eq!(upload.position(), 0);
            upload.write(&after).await.unwrap();
            let stored = upload.finish().await.unwrap();
            let parts = objects(&*evil, "part/").await;
            let same_place = |key: &&ObjectKey| key.as_str()[..88] == first.as_str()[..88] && **key != first;
            let second = parts.keys().find(same_place).unwrap();
            // Another attempt, another salt, another commitment; and no keystream met two plaintexts: the
            // two ciphertexts differ by something else than the plaintexts do.
            let second_bytes = &parts[second];
            assert_ne!(first_bytes[..24], second_bytes[..24]);
            assert_ne!(first_bytes[24..56], second_bytes[24..56]);
            let differences = first_bytes[56..].iter().zip(&second_bytes[56..]).map(|(a, b)| a ^ b);
            let reused = differences.take(16_384).filter(|difference| *difference == 0x11 ^ 0x22).count();
            assert!(reused < 500, "{reused} of 16,384 bytes");
            assert_eq!(desk.retrieve(stored.document).await.unwrap(), after);
            // The hidden part comes back, under its own name and in the other's place.
            let evil = Arc::new(docvault::storage::testing::EvilStorage::new(&evil.snapshot()));
            evil.substitute(second, first_bytes.clone());
            let read = session(&world.open(evil).await.unwrap()).retrieve(stored.document).await;
            assert_eq!(read.unwrap_err().kind(), ErrorKind::Corrupt);
        }
        // A part that was altered is not gone on from.
        let evil = world.evil();
        evil.substitute(&first, altered(&first_bytes, PART / 2, 1));
        let desk = session(&world.open(evil).await.unwrap());
        assert_eq!(desk.resume_upload(&token).await.unwrap().position(), 0);
    });
}

#[test]
fn zombie_create_after_fold() {
    block_on(async {
        let world = World::new().await;
        let gate = Gate::new(world.storage.clone());
        let vault = world.open(gate.clone()).await.unwrap();
        let zombie = session(&vault);
        zombie.describe_case(world.case).await.unwrap();
        gate.hold("log/");
        let error = zombie.store(world.case, NewDocument::named("zombie"), b"z".to_vec()).await.unwrap_err();
        let ErrorKind::OutcomeUnknown(operation) = error.kind() else { panic!("{error}") };
        // It sleeps. Others write, fold more than twice, and collect everything that may go.
        let watched = Gate::new(world.storage.clone());
        let vault = world.open(watched.clone()).await.unwrap();
        let desk = session(&vault);
        while vault.pin().size() < 900 {
            let all = (0..64).map(|_| desk.describe_case(world.case));
            futures_util::future::try_join_all(all).await.unwrap();
        }
        let report = desk.collect_garbage().await.unwrap();
        assert!(report.index_deleted > 0);
        assert!(watched.deleted().iter().all(|key| !key.as_str().starts_with("log/")));
        // It wakes up: its name is taken, for names that decide are never freed.
        gate.pass();
        lands_in_vain(&gate).await;
        // The collector met its head and announced it on its behalf: it has not happened.
        assert_eq!(zombie.outcome(operation).await.unwrap(), Outcome::Announced);
        assert!(zombie.documents(world.case, None).await.unwrap().documents.is_empty());
        let again = zombie.store(world.case, NewDocument::named("awake"), b"a".to_vec()).await.unwrap();
        assert_eq!(desk.retrieve(again.document).await.unwrap(), b"a".as_slice());
        desk.vault().audit().verify_from_genesis().await.unwrap();
    });
}

#[test]
fn gc_then_late_commit() {
    block_on(async {
        let hands = Hands::at(DAY);
        let with = || options().clock(hands.clone());
        let world = World::with(VaultOptions::default().clock(hands.clone())).await;
        // One upload that never reached its commit, and one whose commit is on its way.
        let gate = Gate::new(world.storage.clone());
        let vault = Vault::open_with(gate.clone(), world.key(), &world.vault.pin(), with()).await.unwrap();
        let desk = session(&vault);
        let mut slow = desk.upload(world.case, NewDocument::named("slow")).await.unwrap();
        slow.write(&vec![1; PART]).await.unwrap();
        let mut late = desk.upload(world.case, NewDocument::named("late")).await.unwrap();
        late.write(&vec![2; PART + 9]).await.unwrap();
        gate.hold("log/");
        let error = late.finish().await.unwrap_err();
        let ErrorKind::OutcomeUnknown(operation) = error.kind() else { panic!("{error}") };
        // Nobody collects what has not expired, though its part lies there unnamed.
        let collector = session(&world.vault);
        let report = collector.collect_garbage().await.unwrap();
        assert_eq!((report.condemned, report.objects_deleted, report.kept), (0, 0, 3), "heads and parts");
        hands.set(9 * DAY);
        let report = collector.collect_garbage().await.unwrap();
        assert_eq!(report.condemned, 2);
        assert!(objects(&*world.storage, "part/").await.is_empty());
        // Both commit too late, and are refused: one by the name that is taken, one by the plan.
        gate.pass();
        lands_in_vain(&gate).await;
        assert_eq!(desk.outcome(operation).await.unwrap(), Outcome::NotCommitted);
        assert_eq!(slow.finish().await.unwrap_err().kind(), ErrorKind::Denied);
        assert!(desk.documents(world.case, None).await.unwrap().documents.is_empty());
        // What both wrote after they were condemned goes with the next collection.
        desk.collect_garbage().await.unwrap();
        assert!(objects(&*world.storage, "part/").await.is_empty());
        // The other way round: what committed first is not condemned, however late the collector is.
        let mut upload = desk.upload(world.case, NewDocument::named("kept")).await.unwrap();
        upload.write(&vec![3; PART + 9]).await.unwrap();
        hands.set(30 * DAY);
        let kept = upload.finish().await.unwrap();
        collector.collect_garbage().await.unwrap();
        assert_eq!(collector.retrieve(kept.document).await.unwrap(), vec![3; PART + 9]);
        desk.vault().audit().verify_from_genesis().await.unwrap();
        // Nor did the case's key go with what was condemned in it, which only one who has none in memory can tell.
        let pin = world.vault.pin();
        let newcomer = Vault::open_with(world.storage.clone(), world.key(), &pin, with()).await.unwrap();
        assert_eq!(session(&newcomer).retrieve(kept.document).await.unwrap(), vec![3; PART + 9]);
    });
}

#[test]
fn id_is_not_authority() {
    block_on(async {
        let hands = Hands::at(DAY);
        let world = World::with(VaultOptions::default().clock(hands.clone())).await;
        let stored = world.store("x", vec![5; PART]).await;
        let before = objects(&*world.storage, "").await;
        let gate = Gate::new(world.storage.clone());
        let (pin, with) = (world.vault.pin(), options().clock(hands.clone()));
        let vault = Vault::open_with(gate.clone(), world.key(), &pin, with).await.unwrap();
        let desk = session(&vault);
        // Whoever runs the storage knows every id. They leave objects that look like an abandoned
        // operation's: of this document's case, under its version's id in another case, beside its parts.
        let (case, version) = (world.case, stored.version);
        let (unknown, elsewhere) = ("ab".repeat(16), "cd".repeat(16));
        let planted = [
            format!("head/{case}/{unknown}"),
            format!("part/{case}/{unknown}/{:016x}-{unknown}", 0),
            format!("head/{elsewhere}/{version}"),
            format!("part/{elsewhere}/{version}/{:016x}-{unknown}", 0),
            format!("part/{case}/{version}/{:016x}-{unknown}", 9),
            format!("key/{elsewhere}/{:08x}", 1),
        ];
        for name in &planted {
            world.storage.create(&name.parse().unwrap(), b"planted".to_vec().into()).await.unwrap();
        }
        for day in 1..20 {
            hands.set(day * DAY);
            desk.collect_garbage().await.unwrap();
        }
        for name in gate.deleted() {
            let probe = name.as_str().starts_with("probe/");
            assert!(probe || planted.contains(&name.to_string()), "{name} was deleted");
        }
        assert!(gate.deleted().iter().any(|name| planted.contains(&name.to_string())), "garbage goes");
        // A token is no authority either: ids alone do not make one.
        let token = desk.upload(case, NewDocument::named("y")).await.unwrap().token().unwrap().to_bytes();
        let forged = patched(&patched(&token, 40..56, stored.document.own()), 56..72, version.as_bytes());
        let forged = docvault::UploadToken::from_bytes(&forged).unwrap();
        assert_eq!(desk.resume_upload(&forged).await.unwrap_err().kind(), ErrorKind::Corrupt);
        for (name, bytes) in before {
            let kept = world.storage.read(&name, None).await.unwrap();
            assert!(name.as_str().starts_with("index/") || kept == Some(bytes), "{name}");
        }
        assert_eq!(desk.retrieve(stored.document).await.unwrap(), vec![5; PART]);
    });
}
