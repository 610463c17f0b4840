//! Checking a vault as a whole: whether every object is there and authentic, and what is there besides.

mod cases;
mod cursor;
mod derived;
mod objects;
mod repair;
mod report;

use core::fmt;

pub use cursor::CheckCursor;
pub use repair::RepairedTiles;
pub use report::{CheckCounts, CheckDepth, CheckProgress, CheckReport, Finding, Standing};

use crate::{
    error::{Error, ErrorKind, Result},
    ledger::State,
    observe,
    pin::{Freshness, Pin},
    vault::Vault,
    verification,
};
use cursor::Position;
use report::Tally;

/// Told how far a check is.
type Progress<'a> = &'a mut (dyn FnMut(CheckProgress) + Send);

/// A check of a vault, under way.
///
/// It goes step by step, each of bounded memory, save that one holds the name of each page of the index (256 rows), and
/// one those of all kept checkpoints; between two steps [`Check::cursor`] is all that another
/// process needs to go on. Nothing is released and nothing written: what is opened is compared and wiped.
pub struct Check {
    vault: Vault,
    began: Pin,
    position: Position,
    report: CheckReport,
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("position", &self.position).finish_non_exhaustive()
    }
}

impl Vault {
    /// Begins a check of everything committed up to now.
    ///
    /// # Errors
    ///
    /// Corrupt; the storage's.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// # use docvault::{CheckDepth, NewDocument, Vault, keys::LocalKey, storage::MemoryStorage};
    /// # let folder = tempfile::tempdir()?;
    /// # let key = LocalKey::create(folder.path().join("vault.key"))?;
    /// # let vault = Vault::create(MemoryStorage::default(), key).await?;
    /// # let desk = vault.session("user:1").purpose("intake").begin()?;
    /// # let case = desk.create_case("c").await?;
    /// # desk.store(case, NewDocument::named("x"), b"content".to_vec()).await?;
    /// let mut check = vault.check(CheckDepth::Content).await?;
    /// let report = check.run(&mut |_| {}).await?;
    /// assert!(report.is_sound());
    /// assert_eq!(report.counts.versions, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn check(&self, depth: CheckDepth) -> Result<Check> {
        observe::operation("Vault::check", self.id(), async {
            let began = self.ledger().sync().await?.pin();
            let report = CheckReport::new(depth, began.size());
            Ok(Check { vault: self.clone(), began, position: Position::Log, report })
        })
        .await
    }

    /// Goes on with a check that another process left at `cursor`. Counts go on; findings that were handed
    /// out before are not repeated.
    ///
    /// # Errors
    ///
    /// Invalid for another vault's cursor; rolled back or forked if the log does not continue the one that the
    /// check began with; corrupt; the storage's.
    ///
    /// # Security
    ///
    /// Whoever can alter the cursor can have parts of the vault left out: keep it with the pin.
    pub async fn resume_check(&self, cursor: &CheckCursor) -> Result<Check> {
        observe::operation("Vault::resume_check", self.id(), async {
            let began = cursor.began.clone();
            let state = self.ledger().sync().await?;
            let verified =
                verification::verify(self.ledger().pages(), &state, &began, &mut |_, _| {}).await?;
            match verified.freshness {
                Freshness::RolledBack { seen, got } => Err(Error::new(
                    ErrorKind::RolledBack,
                    format!("the check began with {seen} records, and the storage shows {got}"),
                )),
                Freshness::Forked { seen } => Err(Error::new(
                    ErrorKind::Forked,
                    format!("the storage shows another history than the {seen} records the check began with"),
                )),
                _ => {
                    let mut report = CheckReport::new(cursor.depth, began.size());
                    report.counts = cursor.counts;
                    report.done = cursor.position == Position::Done;
                    Ok(Check { vault: self.clone(), began, position: cursor.position.clone(), report })
                }
            }
        })
        .await
    }
}

impl Check {
    /// Where it is: what [`Vault::resume_check`] takes.
    #[must_use]
    pub fn cursor(&self) -> CheckCursor {
        CheckCursor {
            began: self.began.clone(),
            depth: self.report.depth,
            position: self.position.clone(),
            counts: self.report.counts,
        }
    }

    /// What was found so far.
    #[must_use]
    pub fn report(&self) -> &CheckReport {
        &self.report
    }

    /// All steps that are left; gives the report.
    ///
    /// # Errors
    ///
    /// As [`Check::step`].
    ///
    /// # Cancellation
    ///
    /// It can be called again, and goes on with the step it was at.
    pub async fn run(&mut self, progress: Progress<'_>) -> Result<CheckReport> {
        observe::operation("Check::run", self.vault.id(), async {
            while self.take_step(progress).await? {}
            Ok(self.report.clone())
        })
        .await
    }

    /// The next step: the log, the index, what the log names by hash, some documents, some names. False if
    /// nothing is left.
    ///
    /// # Errors
    ///
    /// Corrupt for a fault in the log, or in the index where something has to be looked up: what cannot be
    /// known by them cannot be checked. The storage's. [`Check::report`] keeps what was found.
    ///
    /// # Cancellation
    ///
    /// As for [`Check::run`].
    pub async fn step(&mut self, progress: Progress<'_>) -> Result<bool> {
        observe::operation("Check::step", self.vault.id(), self.take_step(progress)).await
    }

    async fn take_step(&mut self, progress: Progress<'_>) -> Result<bool> {
        if self.position == Position::Done {
            return Ok(false);
        }
        for again in (0..TRIES).rev() {
            let state = self.vault.ledger().sync().await?;
            let mut tally = Tally::default();
            let next = self.step_on(&state, &mut tally, progress).await;
            let doubtful = match &next {
                Ok(_) => tally.counts.faults() > 0,
                Err(error) => error.kind() == ErrorKind::Corrupt,
            };
            // What is missing may have been superseded, and deleted, since the state was read.
            if doubtful && again > 0 && self.vault.ledger().sync().await?.head.size > state.head.size {
                continue;
            }
            self.position = next?;
            self.report.add(tally);
            self.report.done = self.position == Position::Done;
            progress(CheckProgress::of(&self.report, self.position.stage()));
            return Ok(!self.report.done);
        }
        Err(Error::new(ErrorKind::Contended, "the log kept moving under the check: try again"))
    }

    async fn step_on(&self, state: &State, tally: &mut Tally, progress: Progress<'_>) -> Result<Position> {
        match &self.position {
            Position::Log => {
                derived::log(&self.vault, state, tally, progress).await?;
                Ok(Position::Index)
            }
            Position::Index => {
                derived::index(&self.vault, state, tally).await?;
                Ok(Position::Named)
            }
            Position::Named => {
                derived::named(&self.vault, state, tally).await?;
                Ok(Position::Case(None))
            }
            Position::Case(after) => cases::next_case(&self.vault, state, *after, tally).await,
            Position::Documents(case, after) => {
                let depth = self.report.depth;
                cases::documents(&self.vault, state, depth, (*case, *after), tally).await
            }
            Position::Objects(after) => objects::page(&self.vault, after.as_ref(), tally).await,
            Position::Done => Ok(Position::Done),
        }
    }
}

const TRIES: u32 = 3;
