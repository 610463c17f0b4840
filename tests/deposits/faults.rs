//! A carrier that crashes, and storages that fail, at each of their calls.

use core::time::Duration;
use std::sync::Arc;

use docvault::{
    deposit::*,
    storage::{
        MemoryStorage, Storage,
        testing::{CrashStorage, Fault, FaultyStorage, InFlight},
    },
};

use crate::{common::block_on, intake::*};

/// What a client does, as far as its carrier answers.
async fn send(
    office: &Intake,
    storage: Arc<dyn Storage>,
    signed: &SignedRequest,
    contents: &[Vec<u8>],
) -> Result<Promise, CarrierError> {
    let carrier = office.carrier_on(storage);
    carrier.publish(signed.descriptor.to_bytes()).await?;
    let mut client = office.open(signed).begin(0, files(contents), &Seeded::new(7)).unwrap();
    deposit(&carrier, &mut client, contents).await
}

#[test]
fn a_crash_of_the_carrier_at_any_storage_call_loses_nothing_promised() {
    block_on(async {
        let office = Intake::new().await;
        let slot = Slot::new("any", 1 << 20).files(1, 2);
        let signed = office.desk.sign_request(office.terms().slot(slot)).await.unwrap();
        let contents = [content(1, 600_000), content(2, 10)];
        for crash_at in 0.. {
            let storage = Arc::new(CrashStorage::new(&MemoryStorage::new(), crash_at));
            let answered = send(&office, storage.clone(), &signed, &contents).await;
            if !storage.crashed() {
                assert!(crash_at > 20);
                assert!(answered.is_ok());
                return;
            }
            for in_flight in InFlight::BOTH {
                let found = Arc::new(storage.recover(in_flight).await.unwrap());
                // Time goes on between crash and recovery.
                office.clock.forward(Duration::from_millis(1));
                let promise = send(&office, found.clone(), &signed, &contents).await.unwrap();
                if let Ok(before) = &answered {
                    assert_eq!(promise, *before, "call {crash_at}");
                }
                let inbox = office.inbox_on(found, &signed).await;
                assert_eq!(
                    inbox.promises().await.unwrap().as_slice(),
                    core::slice::from_ref(&promise),
                    "call {crash_at}"
                );
                let incoming = inbox.deposit(&promise).await.unwrap();
                let page = incoming.read(0).unwrap().collect().await.unwrap();
                assert_eq!(page.as_slice(), contents[0], "call {crash_at}");
            }
        }
    });
}

#[cfg(feature = "fs")]
#[test]
fn a_folder_carries_deposits_too() {
    block_on(async {
        let office = Intake::new().await;
        let folder = tempfile::tempdir().unwrap();
        let storage = Arc::new(docvault::storage::FsStorage::create(folder.path().join("carrier")).unwrap());
        let signed = office.desk.sign_request(office.terms().slot(Slot::new("any", 1 << 20))).await.unwrap();
        let contents = [content(1, 700_000)];
        let promise = send(&office, storage.clone(), &signed, &contents).await.unwrap();
        let inbox = office.inbox_on(storage, &signed).await;
        let incoming = inbox.deposit(&promise).await.unwrap();
        assert_eq!(incoming.read(0).unwrap().collect().await.unwrap().as_slice(), contents[0]);
        inbox.clear(promise.deposit()).await.unwrap();
        assert!(incoming.read(0).unwrap().collect().await.is_err());
        assert_eq!(inbox.promises().await.unwrap(), [promise]);
    });
}

#[test]
fn a_fault_at_any_storage_call_loses_and_doubles_nothing() {
    block_on(async {
        let office = Intake::new().await;
        let slot = Slot::new("any", 1 << 20).uses(2);
        let signed = office.desk.sign_request(office.terms().slot(slot)).await.unwrap();
        let contents = [content(1, 600_000)];
        for fault in Fault::ALLOWED {
            for nth in 0.. {
                let kept = Arc::new(MemoryStorage::new());
                let faulty = Arc::new(FaultyStorage::script(kept.clone(), nth, fault));
                let first = send(&office, faulty.clone(), &signed, &contents).await;
                let calls = faulty.calls();
                let promise = match first {
                    Ok(promise) => promise,
                    // What failed is sent again.
                    Err(CarrierError::Failed(_)) => {
                        send(&office, faulty.clone(), &signed, &contents).await.unwrap()
                    }
                    Err(other) => panic!("{fault:?} at {nth}: {other}"),
                };
                faulty.land().await.unwrap();
                assert_eq!(send(&office, kept.clone(), &signed, &contents).await.unwrap(), promise);
                let found = office.inbox_on(kept, &signed).await.promises().await.unwrap();
                assert_eq!(found, [promise], "{fault:?} at {nth}");
                if calls <= nth {
                    break;
                }
            }
        }
    });
}
