//! What an office does, in tasks of a runtime that has several threads.

use std::sync::Arc;

use docvault::{
    Recipient, Terms,
    deposit::{Inbox, Promise},
};

use super::*;

struct Given {
    desk: Arc<Desk>,
    case: CaseId,
    inbox: Arc<Inbox>,
    promise: Promise,
    recipient: Recipient,
    key: Key,
}

async fn opens(given: Given, template: Template, opening: [Opening; 2]) -> Result<(), IntakeError> {
    let (desk, [one, other]) = (&given.desk, opening);
    let case = desk.open_case("case", &template, one).await?;
    desk.open_in(given.case, &template, other).await?;
    desk.case(case).await?;
    desk.cases(Some(case)).await?;
    desk.history(case, Some(1)).await?;
    Ok(())
}

async fn acts(given: Given, command: Command, new: NewSubmission) -> Result<(), IntakeError> {
    let desk = &given.desk;
    desk.act(given.case, command).await?;
    desk.read(given.case, &given.key).await?;
    desk.submit(given.case, &given.key, new).await?;
    Ok(())
}

async fn asks(given: Given, new: NewRequest, note: String) -> Result<(), IntakeError> {
    let (desk, inbox) = (&given.desk, &given.inbox);
    desk.request(given.case, new).await?;
    desk.take_in(given.case, inbox, &given.promise).await?;
    desk.answer(given.case, inbox, &given.promise, &note).await?;
    Ok(())
}

async fn ends(given: Given, note: String, terms: Terms) -> Result<(), IntakeError> {
    let desk = &given.desk;
    desk.export_bundle(given.case, &note, "out".as_ref()).await?;
    desk.hand_over(given.case, &given.recipient, terms).await?;
    Ok(())
}

async fn examines(one: Examined, _: (), _: ()) -> bool {
    one.content().await.is_ok()
}

/// That it compiles is what is asked.
#[test]
fn what_a_desk_does_may_cross_threads() {
    fn sent<A, B, C, F: Future + Send>(_: impl Fn(A, B, C) -> F) {}
    sent(opens);
    sent(acts);
    sent(asks);
    sent(ends);
    sent(examines);
}
