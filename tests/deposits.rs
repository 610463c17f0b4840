//! Deposits end to end: a request, a link, a client whose connection drops, a carrier that crashes, an
//! office that takes in and answers.
#![cfg(all(feature = "intake", feature = "testing"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::too_many_lines,
    reason = "tests"
)]

mod common;

use common::{block_on, intake::*};
use docvault::{Clock, deposit::*};

#[test]
fn a_deposit_arrives_and_its_client_gets_a_receipt() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let (carrier, opened) = (office.carrier(), office.open(&signed));
        assert_eq!((opened.case(), opened.slots()[0].requirement.as_str()), (office.case, "official-id"));
        let contents = [content(1, 1_500_000), content(2, 70_000)];
        let mut client = begin(&opened, &contents);
        let promise = deposit(&carrier, &mut client, &contents).await.unwrap();

        let inbox = office.inbox(&signed).await;
        assert_eq!(inbox.promises().await.unwrap(), [promise.clone()]);
        let incoming = inbox.deposit(&promise).await.unwrap();
        assert_eq!((incoming.slot(), incoming.comment()), (0, "con gusto"));
        assert_eq!(incoming.form()["rfc"], "PEJU850101AB1");
        for (page, content) in (0..).zip(&contents) {
            assert_eq!(incoming.read(page).unwrap().collect().await.unwrap().as_slice(), content);
            assert_eq!(incoming.pages()[usize::from(page)].digest, *blake3::hash(content).as_bytes());
        }

        let receipt = office.answer(&incoming, "official-id", Verdict::Accepted).await;
        let number = inbox.answer(&incoming, &receipt, &docvault::SystemEntropy::default()).await.unwrap();
        let held = carrier.held(signed.descriptor.request(), client.id(), 0).await.unwrap();
        assert_eq!((number, held.answers.len(), held.parts.len()), (0, 1, 4));
        let answer = client.open_answer(&held.answers[0]).unwrap();
        let policy = docvault::TrustPolicy::parse(opened.policy()).unwrap();
        let proven = answer.verify(&policy, opened.descriptor()).unwrap();
        assert_eq!(proven.claim.requirement, "official-id");
        assert_eq!(proven.claim.pages[1].len, 70_000);
        assert_eq!(promise.standing(office.clock.now(), Some(&proven)), Standing::Answered);
    });
}
