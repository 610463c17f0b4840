//! Committing: group commit, the ambiguity rule, takeover (FORMAT §5.3, DESIGN "How a commit happens").

use core::fmt;
use std::sync::{self, Arc, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Either, join3, select},
    lock::Mutex,
};

use super::{
    commits::verified,
    draft::{Command, Committed, Index},
    driven::{Driven, Piece},
    lookup::Pages,
    objects::{TRIES, backoff},
    planner::{Planner, look_ahead},
    queue::{Queue, Ticket},
    state::State,
    turns::Turns,
};
use crate::{
    crypto::sign::SigningKey,
    env::{Clock, Entropy, Sleeper, Timestamp, random, yield_once},
    error::{Error, ErrorKind, Result},
    ids::OperationId,
    log::{
        commit::{COUNT_CAP, Commit, Sealed},
        manifest::FOLD,
        signing::LogKey,
    },
    observe,
    secret::Secret,
    storage::{Creation, ObjectKey, Storage, StorageError, probe},
};

/// Gives the key that signs what follows a state, which its keyring holds.
#[async_trait]
pub(crate) trait Signers: Send + Sync {
    /// # Errors
    ///
    /// Locked, or corrupt if the keyring that the state names is missing or has another key.
    async fn signer(&self, state: &State) -> Result<Arc<SigningKey>>;
}

/// What a ledger is made of.
pub(crate) struct LedgerParts {
    pub(crate) pages: Pages,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) sleeper: Arc<dyn Sleeper>,
    pub(crate) state: State,
    pub(crate) signers: Arc<dyn Signers>,
    pub(crate) audit: Secret<32>,
    pub(crate) process: [u8; 12],
}

/// The log of one vault, shared by all its sessions in this process.
pub(crate) struct Ledger {
    pages: Arc<Pages>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    sleeper: Arc<dyn Sleeper>,
    signers: Arc<dyn Signers>,
    audit: Secret<32>,
    process: [u8; 12],
    pub(super) state: RwLock<Arc<State>>,
    pub(super) queue: Queue,
    proof: sync::Mutex<Proof>,
    proving: Driven,
    /// Committing, or following what others commit.
    pub(super) leading: Driven,
    /// Held by that. What is under way stays in here when it is dropped.
    pub(super) work: Mutex<Work>,
}

/// Whether the backend was seen to honour create-if-absent.
#[derive(Default)]
enum Proof {
    #[default]
    Owed,
    /// It was, by objects that have to be deleted.
    Left(probe::Left),
    Done,
}

/// What the commit in progress has come to.
#[derive(Default)]
pub(super) struct Work {
    pub(super) batch: Vec<Arc<Ticket>>,
    /// Goes before the batch: of a fold that no record in the log names yet.
    pub(super) index: Option<Arc<Index>>,
    pub(super) attempt: Option<Attempt>,
    pub(super) losses: u32,
    turns: Turns,
}

/// One commit object that may have been created.
pub(super) struct Attempt {
    sealed: Sealed,
    /// What signs the log where it was planned.
    log_key: LogKey,
    /// The tickets with their record's index in the commit.
    tickets: Vec<(Arc<Ticket>, Committed)>,
    /// A create may have taken effect without saying so.
    doubtful: bool,
}

enum Settled {
    Won,
    Lost(Bytes),
    Failed(Error),
    /// With what the storage said last, if it said anything.
    Unknown(Option<StorageError>),
}

impl Settled {
    fn failure(&self) -> Option<&'static str> {
        match self {
            Self::Won => None,
            Self::Lost(_) => Some("Lost"),
            Self::Failed(_) => Some("Failed"),
            Self::Unknown(_) => Some("Unknown"),
        }
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("head", &self.state().head).finish_non_exhaustive()
    }
}

impl Ledger {
    pub(crate) fn new(parts: LedgerParts) -> Self {
        let LedgerParts { pages, clock, entropy, sleeper, state, signers, audit, process } = parts;
        Self {
            pages: Arc::new(pages),
            clock,
            entropy,
            sleeper,
            signers,
            audit,
            process,
            state: RwLock::new(Arc::new(state)),
            queue: Queue::default(),
            proof: sync::Mutex::default(),
            proving: Driven::default(),
            leading: Driven::default(),
            work: Mutex::default(),
        }
    }

    /// The newest state this process knows.
    pub(crate) fn state(&self) -> Arc<State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn pages(&self) -> &Arc<Pages> {
        &self.pages
    }

    pub(crate) fn storage(&self) -> &dyn Storage {
        &**self.pages.storage()
    }

    pub(crate) fn entropy(&self) -> &dyn Entropy {
        &*self.entropy
    }

    pub(crate) fn audit(&self) -> &Secret<32> {
        &self.audit
    }

    pub(super) fn process(&self) -> [u8; 12] {
        self.process
    }

    pub(crate) fn sleeper(&self) -> &dyn Sleeper {
        &*self.sleeper
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Stores an object that a later record will name.
    ///
    /// # Errors
    ///
    /// The storage's.
    pub(crate) async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<()> {
        super::put(self.storage(), self.sleeper(), key, bytes).await
    }

    /// Commits commands together, one record after the other; all stand in the log when this returns `Ok`,
    /// which tells of the first.
    ///
    /// # Errors
    ///
    /// What the command's plan refuses; [`ErrorKind::Contended`], [`ErrorKind::OutcomeUnknown`]; the storage's.
    ///
    /// # Cancellation
    ///
    /// A dropped future may still commit where its commit was begun: who waits next finishes that. It is planned
    /// on no other head.
    pub(crate) async fn commit(
        self: &Arc<Self>,
        operation: OperationId,
        commands: Vec<Arc<dyn Command>>,
    ) -> Result<Committed> {
        while self.queue.is_full() {
            match self.leading.piece(|| self.leader()) {
                Piece::Own(own) => own.finish().await,
                Piece::Other(other) => other.await,
            }
        }
        let ticket = Ticket::new(commands, operation);
        self.queue.push(ticket.clone());
        loop {
            // What tasks that are ready to run queue goes along. Not in the leading itself: whoever waits for that, and is
            // woken for another reason, goes on with it.
            yield_once().await;
            if let Some(answer) = ticket.take() {
                return answer;
            }
            match self.leading.piece(|| self.leader()) {
                // To its end, with the fold that its commit makes due: others who are answered leave it.
                Piece::Own(own) => own.finish().await,
                Piece::Other(other) => {
                    let answered = core::pin::pin!(ticket.answered());
                    if let Either::Left((answer, _)) = select(answered, other).await {
                        return answer;
                    }
                }
            }
            if let Some(answer) = ticket.take() {
                return answer;
            }
        }
    }

    /// Leads once nobody else does.
    fn leader(self: &Arc<Self>) -> BoxFuture<'static, ()> {
        let ledger = self.clone();
        async move { ledger.lead(&mut *ledger.work.lock().await).await }.boxed()
    }

    /// Brings everything queued to an end: one commit, or as many as lost races take.
    ///
    /// May be dropped at any `await`: a ticket is in the batch or in the attempt until it is answered.
    ///
    /// On the heap: it is much, and each operation's future would hold it.
    pub(super) fn lead<'a>(self: &'a Arc<Self>, work: &'a mut Work) -> BoxFuture<'a, ()> {
        Box::pin(self.commit_all(work))
    }

    async fn commit_all(self: &Arc<Self>, work: &mut Work) {
        let mut fold = true;
        loop {
            if work.attempt.is_none() {
                match self.begin(work, &mut fold).await {
                    Ok(true) => {}
                    Ok(false) => return self.leave(&mut work.turns).await,
                    Err(error) => return self.fail(work, &error).await,
                }
            }
            let Work { attempt: Some(attempt), turns, .. } = work else { continue };
            let records = attempt.sealed.records.len();
            let settling = observe::commit(records, self.settle(attempt), Settled::failure);
            let (settled, ..) = join3(settling, self.clear_proof(), self.glance(turns)).await;
            match settled {
                Settled::Won => {
                    self.won(work);
                    drop(self.load_manifest().await);
                    // Who leads on does it for a fold; while others wait, that waits for the next commit's turn.
                    if !fold || self.state().unfolded() < FOLD || work.turns.are_taken() {
                        return;
                    }
                    // Those that were answered come back, and what they queue goes along.
                    yield_once().await;
                }
                Settled::Lost(found) => match self.winner(work, &found) {
                    Ok(winner) => {
                        if let Err(error) = self.lost(work, winner) {
                            return self.fail(work, &error).await;
                        }
                    }
                    // Only who has the log's key can have won. The attempt itself may stand, and be shown the next time.
                    Err(error) => return self.leave_unknown(work, Some(&error)),
                },
                Settled::Failed(error) => return self.fail(work, &error).await,
                Settled::Unknown(cause) => return self.leave_unknown(work, cause.map(Error::from).as_ref()),
            }
        }
    }

    /// Prepares an attempt, if there is anything to commit, when others let it.
    async fn begin(self: &Arc<Self>, work: &mut Work, fold: &mut bool) -> Result<bool> {
        if work.batch.is_empty() && work.index.is_none() {
            work.batch = self.queue.drain(COUNT_CAP);
            work.losses = 0;
        }
        let folds = work.index.is_some() || *fold && self.fold_is_due(work, true);
        if work.batch.is_empty() && !folds {
            return Ok(false);
        }
        self.prove().await?;
        self.take_turn(&mut work.turns, &work.batch).await?;
        // What came meanwhile goes along.
        let room = COUNT_CAP.saturating_sub(work.batch.len());
        work.batch.extend(self.queue.drain(room));
        self.prepare(work, fold).await?;
        Ok(true)
    }

    /// Plans the batch on the present state, with the fold that is due, and seals it into an attempt.
    async fn prepare(&self, work: &mut Work, fold: &mut bool) -> Result<()> {
        match self.bring_index(work, fold).await {
            // As with what is looked up: the index that the fold rests on may be gone.
            Err(error) if error.kind() == ErrorKind::Corrupt && self.superseded(&self.state()).await? => {
                Ok(())
            }
            Err(error) => Err(error),
            Ok(()) => self.plan_batch(work).await,
        }
    }

    /// Proves that the backend honours create-if-absent, once, before the first commit. Who is about to commit may
    /// call it while it still reads.
    ///
    /// # Errors
    ///
    /// Unsupported; the storage's.
    pub(crate) fn prove(self: &Arc<Self>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async {
            while matches!(*self.proof(), Proof::Owed) {
                let prove = || {
                    let ledger = self.clone();
                    async move { ledger.proven().await }.boxed()
                };
                self.proving.run(prove).await?;
            }
            Ok(())
        })
    }

    async fn proven(&self) -> Result<()> {
        if matches!(*self.proof(), Proof::Owed) {
            let left = probe::prove(self.storage(), &*self.entropy).await?;
            *self.proof() = Proof::Left(left);
        }
        Ok(())
    }

    async fn clear_proof(&self) {
        let left = match &*self.proof() {
            Proof::Left(left) => Some(left.clone()),
            _ => None,
        };
        if let Some(left) = left {
            left.clear(self.storage()).await;
            *self.proof() = Proof::Done;
        }
    }

    fn proof(&self) -> sync::MutexGuard<'_, Proof> {
        self.proof.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn plan_batch(&self, work: &mut Work) -> Result<()> {
        // Who gave up may have asked others, and been told that it did not happen. What is planned from here on can
        // stand only at the head of now, where their question stands if it was asked before.
        work.batch.retain(Ticket::is_wanted);
        let state = self.state();
        let signer = match self.signers.signer(&state).await {
            Err(error) if error.kind() == ErrorKind::Corrupt && self.superseded(&state).await? => {
                return Ok(());
            }
            Err(error) => return Err(error),
            Ok(signer) => signer,
        };
        let mut planner = Planner::new(self, &state);
        if let Some(index) = &work.index {
            let index: Arc<dyn Command> = index.clone();
            planner.add(&[index]).await?;
        }
        let (mut kept, mut refused, mut later) = (Vec::new(), Vec::new(), Vec::new());
        let mut not_ahead = Some(self.pages.missed());
        for (at, ticket) in work.batch.iter().enumerate() {
            if !planner.has_room_for(ticket.commands.len()) {
                break;
            }
            if not_ahead.take_if(|before| self.pages.missed() > *before).is_some() {
                look_ahead(self, &state, work.batch.get(at..).unwrap_or_default()).await;
            }
            match planner.add(&ticket.commands).await {
                Ok(committed) => kept.push((ticket.clone(), committed)),
                Err(error) if kept.is_empty() => refused.push((ticket.clone(), error)),
                // It may rest on what is planned before it, of which nothing may come.
                Err(_) => later.push(ticket.clone()),
            }
        }
        // A commit proves that the state it was planned on was current; a refusal has to look.
        if !refused.is_empty() && self.superseded(&state).await? {
            return Ok(());
        }
        let sealed = planner.seal(&signer)?;
        // From here on nothing awaits: every ticket moves at once.
        let seen = kept.len() + refused.len() + later.len();
        drop(work.batch.splice(..seen, later));
        refused.into_iter().for_each(|(ticket, error)| ticket.answer(Err(error)));
        work.attempt =
            sealed.map(|sealed| Attempt { sealed, log_key: state.log_key, tickets: kept, doubtful: false });
        Ok(())
    }

    /// Whether the log has gone on from `state`, whose index may have been deleted since, or it only lacked the index
    /// that stands.
    async fn superseded(&self, state: &State) -> Result<bool> {
        self.follow(1).await?;
        let now = self.state();
        Ok(now.head != state.head || now.manifest.covered() != state.manifest.covered())
    }

    /// Creates the attempt's object until it is known who has its name.
    async fn settle(&self, attempt: &mut Attempt) -> Settled {
        let Sealed { key, bytes, .. } = &attempt.sealed;
        let mut cause = None;
        for round in 0..TRIES {
            let was_doubtful = core::mem::replace(&mut attempt.doubtful, true);
            match self.storage().create(key, bytes.clone()).await {
                Ok(Creation::Created) => return Settled::Won,
                Ok(_) => {}
                Err(error) if !was_doubtful => {
                    attempt.doubtful = false;
                    return Settled::Failed(error.into());
                }
                Err(error) => cause = Some(error),
            }
            match self.storage().read(key, None).await {
                Ok(Some(found)) if found == *bytes => return Settled::Won,
                Ok(Some(found)) => return Settled::Lost(found),
                Ok(None) => {}
                Err(error) => cause = Some(error),
            }
            self.sleeper.sleep(backoff(round)).await;
        }
        Settled::Unknown(cause)
    }

    /// Takes the attempt's records into the state and answers its tickets.
    fn won(&self, work: &mut Work) {
        // The clock is the application's, and may panic: nothing is taken out before.
        let now = self.now();
        let Some(Attempt { sealed, tickets, .. }) = work.attempt.take() else { return };
        (work.index, work.losses) = (None, 0);
        work.turns.won(now);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        // A sync may have met them in the log before it was known whose they are.
        if sealed.first() == Some(state.head.size) {
            Arc::make_mut(&mut state).append(sealed.records, sealed.after);
        }
        drop(state);
        for (ticket, committed) in tickets {
            ticket.answer(Ok(committed));
        }
    }

    /// The commit that has the attempt's name.
    fn winner(&self, work: &Work, found: &Bytes) -> Result<Commit> {
        let attempt = work.attempt.as_ref().expect("it was just settled");
        verified(self.state().vault, &attempt.log_key, &attempt.sealed.key, found)
    }

    /// Takes the winner's records into the state; what was planned goes back into the batch.
    fn lost(&self, work: &mut Work, winner: Commit) -> Result<()> {
        let Some(attempt) = work.attempt.take() else { return Ok(()) };
        let tickets = attempt.tickets.into_iter().map(|(ticket, _)| ticket);
        let waiting = core::mem::take(&mut work.batch);
        work.batch = tickets.chain(waiting).collect();
        work.losses += 1;
        work.turns.lost(work.losses);
        if work.losses >= LOSSES {
            let reason = "other writers kept winning; nothing was written; try again later";
            return Err(Error::new(ErrorKind::Contended, reason));
        }
        // A sync may have met the winner before.
        if attempt.sealed.first() == Some(self.state().head.size) {
            self.apply(winner)?;
        }
        Ok(())
    }

    /// Answers everything under way that nobody knows whether it happened.
    fn leave_unknown(&self, work: &mut Work, cause: Option<&Error>) {
        // Whoever came meanwhile is answered too, or would lead here again and again.
        work.batch.extend(self.queue.drain(COUNT_CAP));
        leave_unanswered(work, cause);
    }

    /// Answers everything under way with the one error; nothing was written.
    async fn fail(&self, work: &mut Work, error: &Error) {
        let planned = work.attempt.take().into_iter().flat_map(|attempt| attempt.tickets);
        let tickets = planned.map(|(ticket, _)| ticket).chain(work.batch.split_off(0));
        work.index = None;
        tickets.for_each(|ticket| ticket.answer(Err(error.again())));
        self.leave(&mut work.turns).await;
    }

    pub(crate) fn operation(&self) -> Result<OperationId> {
        Ok(OperationId::from_bytes(random(&*self.entropy)?))
    }
}

/// Answers that the outcome is unknown; the attempt stays, to be settled before anything else, so what
/// was not part of it has certainly not happened.
fn leave_unanswered(work: &mut Work, cause: Option<&Error>) {
    let reason =
        "the storage does not tell whether an earlier operation happened, so nothing more was written";
    work.index = None;
    for ticket in work.batch.drain(..) {
        let told = || Error::new(ErrorKind::Storage, reason).because_of(cause);
        // Where something altered is shown, the storage has told, and it is that.
        let fault = cause.filter(|fault| fault.storage().is_none());
        ticket.answer(Err(fault.map_or_else(told, Error::again)));
    }
    if let Some(attempt) = &mut work.attempt {
        for (ticket, _) in attempt.tickets.drain(..) {
            let kind = ErrorKind::OutcomeUnknown(ticket.operation);
            let reason =
                "the storage does not tell whether it happened; ask for the operation's outcome later";
            ticket.answer(Err(Error::new(kind, reason).because_of(cause)));
        }
    }
}

/// Lost races before a writer gives up.
const LOSSES: u32 = 16;
