//! Taking in what clients have deposited, as it comes, and answering it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use docvault::{
    CaseId, DepositId, ErrorKind, RequestId,
    deposit::{Inbox, Promise},
    intake::{IntakeError, Refusal},
};

use super::{Office, Shared};
use crate::{Outcome, http::with_causes};

/// The requests whose inboxes are looked at.
#[derive(Default)]
pub(super) struct Watched(Mutex<BTreeMap<RequestId, Arc<Request>>>);

struct Request {
    case: CaseId,
    inbox: Inbox,
    deposits: Mutex<Deposits>,
}

#[derive(Default)]
struct Deposits {
    /// In the case, or set aside.
    taken: BTreeSet<DepositId>,
    /// Answered, too.
    settled: BTreeSet<DepositId>,
    /// What failed, and when it is tried again.
    later: BTreeMap<DepositId, Instant>,
}

/// Watches every open request, those of earlier runs among them.
pub(super) async fn begin(office: Shared) -> Outcome<()> {
    let mut start = None;
    loop {
        let page = office.machine.cases(start).await?;
        for file in &page.files {
            for (request, open) in file.state().requests() {
                if let Err(error) = office.watch(file.case(), *request, open.deposits.clone()).await {
                    eprintln!("portal: request {request} is not watched: {}", with_causes(&error));
                }
            }
        }
        start = page.next;
        if start.is_none() {
            break;
        }
    }
    tokio::spawn(run(office));
    Ok(())
}

async fn run(office: Shared) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        for request in office.watched.all() {
            if let Err(error) = office.look(&request).await {
                eprintln!("portal: request {}: {}", request.inbox.request().request(), with_causes(&error));
            }
        }
    }
}

impl Watched {
    fn all(&self) -> Vec<Arc<Request>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

impl Request {
    fn deposits<T>(&self, with: impl FnOnce(&mut Deposits) -> T) -> T {
        with(&mut self.deposits.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Office {
    /// Looks at a request's inbox from now on; what it has `taken` in is there already.
    pub(super) async fn watch(
        &self,
        case: CaseId,
        request: RequestId,
        taken: BTreeSet<DepositId>,
    ) -> docvault::Result<()> {
        let inbox = self.inbox(case, request).await?;
        let deposits = Mutex::new(Deposits { taken, ..Deposits::default() });
        let mut watched = self.watched.0.lock().unwrap_or_else(PoisonError::into_inner);
        watched.insert(request, Arc::new(Request { case, inbox, deposits }));
        Ok(())
    }

    /// What came in for a request.
    pub(super) async fn inbox(&self, case: CaseId, request: RequestId) -> docvault::Result<Inbox> {
        let secrets = self.machine.session().request_secrets(case, request).await?;
        Inbox::open(self.carrier.storage.clone(), request, &self.vault.sender(), secrets).await
    }

    async fn look(&self, request: &Request) -> docvault::Result<()> {
        for promise in request.inbox.promises().await? {
            let deposit = promise.deposit();
            let waits = request.deposits(|all| {
                all.settled.contains(&deposit)
                    || all.later.get(&deposit).is_some_and(|time| *time > Instant::now())
            });
            if waits {
                continue;
            }
            if let Err(error) = self.settle(request, &promise).await {
                eprintln!("portal: deposit {deposit}: {}", with_causes(&*error));
                request.deposits(|all| all.later.insert(deposit, Instant::now() + RETRY));
            }
            self.changed();
        }
        Ok(())
    }

    /// Takes a deposit in, or sets it aside, and answers it; each once, whatever failed between.
    async fn settle(&self, request: &Request, promise: &Promise) -> Outcome<()> {
        let deposit = promise.deposit();
        if !request.deposits(|all| all.taken.contains(&deposit)) {
            match self.machine.take_in(request.case, &request.inbox, promise).await {
                Ok(_) | Err(IntakeError::Refused(Refusal::AlreadyTaken)) => {}
                Err(error) => return Err(error.into()),
            }
            request.deposits(|all| all.taken.insert(deposit));
        }
        self.answer(request, promise).await?;
        request.deposits(|all| all.settled.insert(deposit));
        Ok(())
    }

    /// Answers a deposit, unless it is answered. Of one that does not open the receipt is kept here, for its client to be
    /// given by another way.
    async fn answer(&self, request: &Request, promise: &Promise) -> Outcome<()> {
        let kept = self.exports.join(format!("{}-{}.receipt", promise.request(), promise.deposit()));
        let opens = match request.inbox.deposit(promise).await {
            Ok(incoming) if request.inbox.is_answered(&incoming).await? => return Ok(()),
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::Unreadable && kept.exists() => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Unreadable => false,
            Err(error) => return Err(error.into()),
        };
        let note = self.vault.audit().checkpoint().await?;
        let receipt = self.machine.answer(request.case, &request.inbox, promise, &note).await?;
        if !opens {
            let written = kept.with_extension("tmp");
            fs::write(&written, receipt.to_bytes())?;
            fs::rename(written, &kept)?;
            eprintln!("portal: a deposit does not open: give its client {}", kept.display());
        }
        Ok(())
    }
}

const RETRY: Duration = Duration::from_secs(30);
