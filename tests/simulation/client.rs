//! A task of a process: how it lives, how it tries what it asks of its vault, and what it notes of the answers.

use std::{future::Future, pin::pin, rc::Rc};

use docvault::{Error, ErrorKind, Outcome, Session, Vault};
use futures_util::future::{Either, select};

use super::{
    chance::Chance,
    history::{End, Storages, Told, What, is_on_record},
    world::World,
};

pub struct Client {
    pub world: Rc<World>,
    pub process: usize,
    pub vault: Vault,
    pub desk: Session,
    pub chance: Chance,
}

impl Client {
    pub async fn live(mut self) {
        // Who is lied to goes on for longer, or most lies would come when nobody asks any more.
        let operations = match self.world.storages {
            Storages::Evil => 4 + self.chance.below(9),
            _ => 2 + self.chance.below(5),
        };
        for _ in 0..operations {
            let pause = self.chance.below(20);
            self.world.time.sleep(pause).await;
            self.operate().await;
        }
    }

    /// Does it, or drops it somewhere on the way, and notes what its caller was told.
    pub(super) async fn attempt<T>(
        &mut self,
        name: &'static str,
        what: What,
        operation: impl Future<Output = Result<T, Error>>,
        record: impl Fn(&T) -> Option<Told>,
    ) -> Option<T> {
        let entry = self.world.begin_named(self.process, name, what);
        let (lies, _) = self.world.met(self.process);
        let operation = pin!(operation);
        let patience = if self.chance.one_in(12) { self.chance.below(80) } else { u64::MAX / 2 };
        let told = match patience {
            short if short < 1000 => {
                let dropped = pin!(self.world.time.sleep(short));
                match select(operation, dropped).await {
                    Either::Left((told, _)) => told,
                    Either::Right(_) => {
                        self.world.count("future dropped");
                        self.world.end(entry, name, End::Unknown);
                        return None;
                    }
                }
            }
            _ => operation.await,
        };
        let end = match &told {
            Ok(done) => End::Done(record(done)),
            Err(error) => self.failed(error.kind(), what).await,
        };
        if let Err(error) = &told {
            self.world.say(|| format!("  {}: {error}", self.process));
        }
        if self.world.met(self.process).0 > lies {
            self.lied_to(what, end, told.as_ref().err());
        }
        self.world.end(entry, name, end);
        told.ok()
    }

    /// How an operation ended whose caller was told of an error.
    async fn failed(&mut self, kind: ErrorKind, what: What) -> End {
        match (kind, what) {
            // The record comes first, and then the storage may fail.
            (ErrorKind::Storage, What::Erase(_) | What::Revoke(_)) => return End::Doubted(kind),
            // The change stands, and a superseded keyring as well: some deletion met a fault.
            (ErrorKind::NotDeleted(_), What::ChangeKeyring) if self.world.met(self.process).1 > 0 => {
                return End::Done(None);
            }
            // Erased before there was a record, or between that and the report.
            (ErrorKind::Erased, What::Revoke(_)) => return End::Doubted(kind),
            _ => {}
        }
        match (self.ended(kind).await, what) {
            // The same operation may have finished meanwhile, by another run of it.
            (End::Done(_), What::Announce(..) | What::GiveUp(..) | What::Collect) => End::Done(None),
            // Its record stands, and its answer never came.
            (End::Done(_), What::Read(..)) => End::Unknown,
            (end, _) => end,
        }
    }

    /// What an error says of an operation; of one whose outcome is unknown, what is said later.
    async fn ended(&mut self, kind: ErrorKind) -> End {
        let ErrorKind::OutcomeUnknown(operation) = kind else {
            // Who is lied to cannot know what did not happen.
            let definite = match self.world.storages {
                Storages::Honest => true,
                Storages::Evil => false,
                Storages::Restored => self.world.is_after_a_backup(self.process),
            };
            return if definite { End::Refused(kind) } else { End::Doubted(kind) };
        };
        let patience = self.chance.below(200);
        self.world.time.sleep(patience).await;
        match self.desk.outcome(operation).await {
            Ok(Outcome::Committed { seq, .. }) => {
                self.world.count("outcome: committed");
                End::Done(Some(Told::of(seq, operation)))
            }
            Ok(_) => {
                self.world.count("outcome: not committed");
                End::Refused(ErrorKind::Storage)
            }
            Err(_) => End::Unknown,
        }
    }

    /// Counts what came of an operation in which its process was lied to.
    fn lied_to(&self, what: What, end: End, error: Option<&Error>) {
        match (what, error.map(Error::kind)) {
            (What::Read(..), None) => self.world.count("lied to, and a read answered"),
            (_, Some(ErrorKind::Corrupt)) => self.world.count("lied to, and refused as corrupt"),
            (_, Some(kind)) if is_on_record(kind) && end == End::Doubted(kind) => {
                self.world.count("lied to, and refused by the log");
            }
            _ => {}
        }
    }
}
