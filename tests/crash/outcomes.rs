//! What is told of an operation whose outcome was unknown.

use super::*;

/// A create whose answer is lost, or which is late, and then nothing answers for a while: one fault alone leaves no
/// outcome unknown.
fn outage(nth: usize, first: Fault) -> impl Iterator<Item = (usize, Fault)> {
    [(nth, first)].into_iter().chain((nth + 1..nth + 40).map(|call| (call, Fault::Error)))
}

#[test]
fn an_outcome_that_was_unknown_is_told_to_everyone_alike() {
    block_on(async {
        let template = Template::new().await;
        let (mut committed, mut not) = (0, 0);
        for first in [Fault::Applied, Fault::Late(usize::MAX)] {
            for nth in 0.. {
                let objects = Arc::new(template.objects.snapshot());
                let storage = Arc::new(FaultyStorage::scripted(objects.clone(), outage(nth, first)));
                let mut done = Acknowledged::default();
                let Ok(vault) = template.open(storage.clone(), "old", &template.pin).await else { continue };
                let run = script(&vault, &template, &mut done).await;
                if nth >= storage.calls() {
                    run.unwrap();
                    break;
                }
                if let Some((operation, told)) = outcome(&vault, &run).await {
                    is_told_to_others(&template, &objects, &done, (operation, told)).await;
                    storage.land().await.unwrap();
                    is_told_to_others(&template, &objects, &done, (operation, told)).await;
                    let happened = matches!(told, Outcome::Committed { .. });
                    *if happened { &mut committed } else { &mut not } += 1;
                }
                storage.land().await.unwrap();
                check(&template, objects, &done).await;
            }
        }
        println!("{committed} unknown outcomes were committed, {not} were not");
        assert!(committed > 10 && not > 3);
    });
}

async fn is_told_to_others(
    template: &Template,
    objects: &Arc<MemoryStorage>,
    done: &Acknowledged,
    (operation, told): (OperationId, Outcome),
) {
    let vault = reopen(template, objects.clone(), done).await;
    let desk = vault.session("b").purpose("q").begin().unwrap();
    assert_eq!(desk.outcome(operation).await.unwrap(), told, "others are told otherwise");
}

/// What this vault is told of an operation whose outcome was unknown to it, once the storage answers again.
async fn outcome(vault: &Vault, run: &Result<(), Error>) -> Option<(OperationId, Outcome)> {
    let ErrorKind::OutcomeUnknown(operation) = run.as_ref().err()?.kind() else { return None };
    let desk = vault.session("a").purpose("p").begin().unwrap();
    let mut failed = None;
    for _ in 0..40 {
        match desk.outcome(operation).await {
            Ok(told) => return Some((operation, told)),
            // Its root key was replaced: it has to start anew with the other.
            Err(error) if error.kind() == ErrorKind::Locked => return None,
            Err(error) => failed = Some(error),
        }
    }
    panic!("nobody is told what became of {operation}: {failed:?} after {run:?}")
}
