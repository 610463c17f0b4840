//! When a carrier promises: while a request is open and has not expired, by one look at the clock.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use docvault::{Clock, ErrorKind, SystemEntropy, Timestamp, deposit::*};

use crate::{common::block_on, intake::*, interrupted::Interrupted};

/// A clock that goes on whenever it is looked at.
#[derive(Debug)]
struct Hasty(AtomicU64);

const STEP: u64 = 1000;

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_add(STEP, Ordering::SeqCst))
    }
}

/// A deposit of which everything is sent but its manifest.
async fn sent(office: &Intake) -> (SignedRequest, Depositor) {
    let signed = office.request().await;
    let contents = [content(1, 1_200_000)];
    let mut client = begin(&office.open(&signed), &contents);
    for place in client.places() {
        office.carrier().receive(seal(&mut client, &contents, place)).await.unwrap();
    }
    (signed, client)
}

/// The office takes nothing in that was promised at or after the request's end, so a carrier promises nothing then,
/// however long it takes to look at the parts.
#[test]
fn nothing_is_promised_after_a_request_has_expired() {
    block_on(async {
        let office = Intake::new().await;
        let (mut promised, mut refused) = (0, 0);
        for looks_before in 0..6 {
            let (signed, client) = sent(&office).await;
            let start = signed.descriptor.expires().as_millis() - looks_before * STEP;
            let late = office.carrier().clock(Hasty(AtomicU64::new(start)));
            match finish(&late, &client).await {
                Ok(promise) => {
                    promised += 1;
                    assert!(promise.time() < signed.descriptor.expires(), "after {looks_before} looks");
                }
                refusal => {
                    refused += 1;
                    assert_eq!(crate::intake::refusal(refusal), Refusal::Expired);
                }
            }
        }
        assert!(promised > 3 && refused > 0, "{promised} {refused}");
    });
}

/// What was begun in time goes on, and its answer comes after the request's end: only to begin is refused.
#[test]
fn what_was_begun_before_a_request_expired_is_answered_after_it() {
    block_on(async {
        let office = Intake::new().await;
        let (signed, client) = sent(&office).await;
        let journal = client.journal(&SystemEntropy::default()).unwrap();
        let promise = finish(&office.carrier(), &client).await.unwrap();
        office.clock.forward(DAY * 2);
        let late = office.open(&signed);
        let begun = late.begin(1, Vec::new(), &SystemEntropy::default()).map(drop);
        assert_eq!(begun.unwrap_err().kind(), ErrorKind::Denied);
        let again = late.resume(&journal).unwrap();
        assert_eq!(again.id(), promise.deposit());
    });
}

/// While a deposit is finished the request is closed, before the storage call of this number: at which object, and
/// whether the deposit was promised nevertheless.
async fn closed_at(nth: usize) -> Option<(String, bool)> {
    let office = Intake::new().await;
    let (signed, client) = sent(&office).await;
    let storage = Arc::new(Interrupted::new(office.kept.clone()));
    let (other, request) = (office.carrier(), signed.descriptor.request());
    storage.interrupt_at(nth, move || block_on(other.close(request)).unwrap());
    let answered = finish(&office.carrier_on(storage.clone()), &client).await;
    let at = storage.interrupted()?;
    if answered.is_err() {
        assert_eq!(refusal(answered), Refusal::Closed, "{at}");
        assert_eq!(office.inbox(&signed).await.promises().await.unwrap(), [], "{at}");
        return Some((at, false));
    }
    Some((at, true))
}

/// Nothing but the promise itself is under way when a request that was closed meanwhile gets one more promise.
#[test]
fn what_closes_a_request_is_seen_until_the_promise_is_written() {
    block_on(async {
        let mut seen = Vec::new();
        while let Some(closed) = closed_at(seen.len()).await {
            seen.push(closed);
        }
        assert!(seen.len() > 8, "{} storage calls", seen.len());
        let promised: Vec<_> = seen.iter().enumerate().filter(|(_, (_, promised))| *promised).collect();
        let [(last, (at, _))] = &promised[..] else { panic!("{promised:?}") };
        assert!(*last + 1 == seen.len() && at.contains("/promise/"), "{promised:?}");
    });
}

/// Of two manifests of one deposit, a carrier could show the office the one and promise the client the other.
#[test]
fn a_deposit_is_finished_once() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let client = office.open(&signed).begin(1, Vec::new(), &SystemEntropy::default()).unwrap();
        let form = |answer: &str| [("income".to_owned(), answer.to_owned())].into();
        let first = client.finish(form("1000"), "").unwrap();
        assert_eq!(client.finish(form("1000"), "").unwrap(), first, "the same bytes again");
        for (other, comment) in [("2000", ""), ("1000", "a remark")] {
            let refused = client.finish(form(other), comment).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
        }
    });
}

/// What an office has put on record of a deposit may be of another case, or for something else.
#[test]
fn a_client_holds_a_receipt_against_what_was_asked() {
    block_on(async {
        let office = Intake::new().await;
        let (signed, contents) = (office.request().await, [content(1, 1000)]);
        let opened = office.open(&signed);
        let promise = deposit(&office.carrier(), &mut begin(&opened, &contents), &contents).await.unwrap();
        let incoming = office.inbox(&signed).await.deposit(&promise).await.unwrap();
        let asked = office.answer(&incoming, "official-id", Verdict::Accepted).await;
        assert!(opened.verify(&asked, &office.policy).is_ok());
        let other = office.answer(&incoming, "declaration", Verdict::Accepted).await;
        assert!(other.verify(&office.policy, &signed.descriptor).is_ok());
        assert_eq!(opened.verify(&other, &office.policy).unwrap_err(), DepositReceiptError::Other);
    });
}

#[test]
fn a_passphrase_that_keeps_nobody_out_is_refused() {
    block_on(async {
        let office = Intake::new().await;
        let terms = office.terms().slot(Slot::new("declaration", 0).files(0, 0)).passphrase("");
        let refused = office.desk.sign_request(terms).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
    });
}
