//! What a task of a process asks of its vault, and what it is told.

use std::{future::Future, pin::pin, rc::Rc};

use docvault::{
    CaseId, DocumentId, Error, ErrorKind, GrantId, NewStatement, OperationId, Outcome, Scope, Session,
    Upload, UploadToken, Vault,
};
use futures_util::future::{Either, select};

use super::{
    chance::{Chance, Seeded},
    delivered::Granted,
    judge::{End, Register, Storages, Tag, What},
    prefab::{Begun, RootKey, content, named, opens, tag_of, terms, to_recipient},
    world::World,
};

pub struct Client {
    pub world: Rc<World>,
    pub process: usize,
    pub vault: Vault,
    pub desk: Session,
    pub chance: Chance,
}

/// An operation by its name, and how often it comes up.
const OPERATIONS: [(&str, u64); 21] = [
    ("retrieve", 12),
    ("store_version", 12),
    ("store", 6),
    ("make_statement", 8),
    ("newest_statement", 6),
    ("retrieve_range", 3),
    ("upload", 4),
    ("resume_upload", 4),
    ("history", 2),
    ("create_case", 2),
    ("grant", 2),
    ("deliver", 3),
    ("revoke", 2),
    ("close_case", 1),
    ("erase_case", 2),
    ("rotate_root", 1),
    ("rotate_epoch", 1),
    ("rotate_signing_keys", 1),
    ("collect_garbage", 4),
    ("sync", 2),
    ("verify", 1),
];
/// The first of them are those that a restored storage is still good for.
const STORING: usize = 5;

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

    fn operation(&mut self) -> &'static str {
        let choice = match self.world.storages {
            Storages::Restored => &OPERATIONS[..STORING],
            _ => &OPERATIONS[..],
        };
        let mut drawn = self.chance.below(choice.iter().map(|(_, weight)| weight).sum());
        for (name, weight) in choice {
            match drawn.checked_sub(*weight) {
                Some(left) => drawn = left,
                None => return name,
            }
        }
        "sync"
    }

    async fn operate(&mut self) {
        let name = self.operation();
        if self.world.storages != Storages::Restored && self.chance.one_in(25) {
            self.world.count("a week passes");
            self.world.time.elapse(8 * 24 * 60 * 60 * 1000);
        }
        let known = self.world.known(self.process);
        let case = self.chance.pick(&known.cases);
        let document = self.chance.pick(&known.documents);
        let grant = self.chance.pick(&known.grants);
        let (Some(case), Some(document)) = (case, document) else { return };
        let desk = self.desk.clone();
        match name {
            "retrieve" => self.retrieve(document).await,
            "retrieve_range" => self.retrieve_range(document).await,
            "history" => self.history(document).await,
            "store" => {
                let tag = self.world.tag();
                let store = desk.store(case, named(tag), content(tag));
                let stored = self.attempt(name, What::Store(case, tag), store, |done| Some(done.seq)).await;
                self.stored(stored.map(|stored| stored.document));
            }
            "store_version" => {
                let tag = self.world.tag();
                let store = desk.store_version(document, named(tag), "r", content(tag));
                let what = What::Write(Register::Document(document), tag, None);
                self.attempt(name, what, store, |done| Some(done.seq)).await;
            }
            "make_statement" => self.make_statement(case).await,
            "newest_statement" => {
                self.newest_statement(case).await;
            }
            "upload" => self.upload(case, document).await,
            "resume_upload" => {
                if let Some(begun) = self.chance.pick(&known.uploads) {
                    self.resume(begun).await;
                }
            }
            "create_case" => {
                let tag = self.world.tag();
                let create = desk.create_case(tag.to_string());
                let made = self.attempt(name, What::CreateCase(tag), create, |_| None).await;
                self.world.learn(self.process, |known| known.cases.extend(made));
            }
            "grant" => {
                let scope = if self.chance.one_in(2) { Scope::Case(case) } else { Scope::Document(document) };
                self.grant(scope).await;
            }
            "deliver" => {
                if let Some(grant) = grant {
                    self.deliver(grant).await;
                }
            }
            "revoke" => {
                let Some(grant) = grant else { return };
                let revoke = desk.revoke(grant);
                self.attempt(name, What::Revoke(grant), revoke, |report| Some(report.seq)).await;
            }
            "close_case" => {
                self.attempt(name, What::Close(case), desk.close_case(case, "r"), |()| None).await;
            }
            "erase_case" => {
                // Most cases stay, or there would soon be nothing to look at.
                let case = known.cases[1.min(known.cases.len() - 1)];
                self.attempt("close_case", What::Close(case), desk.close_case(case, "r"), |()| None).await;
                let erase = desk.erase_case(case);
                self.attempt(name, What::Erase(case), erase, |erasure| Some(erasure.seq)).await;
            }
            "rotate_root" => {
                let stream = Chance::new(self.chance.next(), 0);
                let root = RootKey { number: stream.clone().next() as u8 | 1, entropy: Seeded::new(stream) };
                let vault = self.vault.clone();
                let rotate = async {
                    let slots = vault.slots().await?;
                    let old = slots.first().expect("a keyring has a slot").id;
                    desk.rotate_root(old, &root).await
                };
                let what = What::ChangeKeyring;
                self.attempt(name, what, rotate, |_| None).await;
            }
            "rotate_epoch" => {
                self.attempt(name, What::ChangeKeyring, desk.rotate_epoch(), |_| None).await;
            }
            "rotate_signing_keys" => {
                self.attempt(name, What::ChangeKeyring, desk.rotate_signing_keys(), |()| None).await;
            }
            "collect_garbage" => {
                let report = self.attempt(name, What::Collect, desk.collect_garbage(), |_| None).await;
                if let Some(report) = report {
                    self.world.count_by("condemned", report.condemned);
                    self.world.count_by("garbage deleted", report.objects_deleted);
                    self.world.count_by("index deleted", report.index_deleted);
                }
            }
            "verify" => self.verify().await,
            _ => {
                let vault = self.vault.clone();
                self.attempt("sync", What::Look, vault.sync(), |_| None).await;
            }
        }
    }

    /// Does it, or drops it somewhere on the way, and notes what its caller was told.
    async fn attempt<T>(
        &mut self,
        name: &'static str,
        what: What,
        operation: impl Future<Output = Result<T, Error>>,
        seq: impl Fn(&T) -> Option<u64>,
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
            Ok(done) => End::Done(seq(done)),
            // The record comes first, and then the storage may fail.
            Err(error)
                if error.kind() == ErrorKind::Storage && matches!(what, What::Erase(_) | What::Revoke(_)) =>
            {
                End::Unknown
            }
            // Erased before there was a record, or between that and the report.
            Err(error) if error.kind() == ErrorKind::Erased && matches!(what, What::Revoke(_)) => {
                End::Unknown
            }
            Err(error) => match (self.ended(error.kind()).await, what) {
                // The same operation may have finished meanwhile, by another run of it.
                (End::Done(_), What::Announce(..) | What::GiveUp(..) | What::Collect) => End::Done(None),
                // Its record stands, and its answer never came.
                (End::Done(_), What::Read(..)) => End::Unknown,
                (end, _) => end,
            },
        };
        if let Err(error) = &told {
            self.world.say(|| format!("  {}: {error}", self.process));
        }
        if self.world.met(self.process).0 > lies {
            self.lied_to(what, told.as_ref().err());
        }
        self.world.end(entry, name, end);
        told.ok()
    }

    /// Counts what came of an operation in which its process was lied to.
    fn lied_to(&self, what: What, error: Option<&Error>) {
        match (what, error.map(Error::kind)) {
            (What::Read(..), None) => self.world.count("lied to, and a read answered"),
            (_, Some(ErrorKind::Corrupt)) => self.world.count("lied to, and refused as corrupt"),
            _ => {}
        }
    }

    /// What an error says of an operation; of one whose outcome is unknown, what is said later.
    async fn ended(&mut self, kind: ErrorKind) -> End {
        let ErrorKind::OutcomeUnknown(operation) = kind else {
            // Who is lied to cannot know what did not happen.
            let definite = match self.world.storages {
                Storages::Honest => true,
                Storages::Evil => false,
                Storages::Restored => kind == ErrorKind::Corrupt,
            };
            return if definite { End::Refused(kind) } else { End::Unknown };
        };
        let patience = self.chance.below(200);
        self.world.time.sleep(patience).await;
        match self.desk.outcome(operation).await {
            Ok(Outcome::Committed { seq, .. }) => {
                self.world.count("outcome: committed");
                End::Done(Some(seq))
            }
            Ok(_) => {
                self.world.count("outcome: not committed");
                End::Refused(ErrorKind::Storage)
            }
            Err(_) => End::Unknown,
        }
    }

    async fn grant(&mut self, scope: Scope) {
        let (desk, recipient, following) = (self.desk.clone(), to_recipient(), self.chance.one_in(2));
        let at = self.world.next_entry();
        let grant = desk.grant(scope, &recipient, terms(following));
        let made = self.attempt("grant", What::Grant(scope.case()), grant, |_| None).await;
        if let Some(grant) = made {
            self.world.granted(grant, if following { Granted::Following } else { Granted::Made(at) });
            self.world.learn(self.process, |known| known.grants.push(grant));
        }
    }

    async fn deliver(&mut self, grant: GrantId) {
        let (desk, at) = (self.desk.clone(), self.world.next_entry());
        let deliver = async { desk.deliver(grant).await?.collect().await };
        let Some(sealed) = self.attempt("deliver", What::Deliver(grant), deliver, |_| None).await else {
            return;
        };
        let holds = opens(&sealed, &self.vault.sender(), grant);
        self.world.expect("a delivery opens, whole", holds.is_some());
        self.world.delivered(at, grant, holds.unwrap_or_default());
    }

    fn stored(&self, document: Option<DocumentId>) {
        self.world.learn(self.process, |known| known.documents.extend(document));
    }

    async fn retrieve(&mut self, document: DocumentId) {
        let (desk, world) = (self.desk.clone(), self.world.clone());
        let register = Register::Document(document);
        let mut tag = None;
        let read = async {
            let bytes = desk.retrieve(document).await?;
            tag = tag_of(&bytes);
            world.expect("content is what was stored, whole", tag.is_some());
            Ok(())
        };
        let at = self.world.next_entry();
        self.attempt("retrieve", What::Read(register, None), read, |()| None).await;
        self.world.saw(at, What::Read(register, tag));
    }

    async fn retrieve_range(&mut self, document: DocumentId) {
        let (desk, world) = (self.desk.clone(), self.world.clone());
        let (from, to) = (self.chance.below(8), 9 + self.chance.below(8));
        let register = Register::Document(document);
        let mut tag = None;
        let read = async {
            let mut reader = desk.reader(document).await?;
            let whole = reader.range(0..reader.len()).await?;
            tag = tag_of(&whole);
            world.expect("content is what was stored, whole", tag.is_some());
            let part = reader.range(from..to).await?;
            world.expect("a range is that of the whole", part == whole.slice(from as usize..to as usize));
            while reader.next().await?.is_some() {}
            Ok(())
        };
        let at = self.world.next_entry();
        self.attempt("retrieve_range", What::Read(register, None), read, |()| None).await;
        self.world.saw(at, What::Read(register, tag));
    }

    async fn history(&mut self, document: DocumentId) {
        let desk = self.desk.clone();
        let register = Register::Document(document);
        let mut tag = None;
        let read = async {
            let versions = desk.history(document).await?;
            tag = versions.last().and_then(|version| version.described.name.parse().ok());
            Ok(())
        };
        let at = self.world.next_entry();
        self.attempt("history", What::Read(register, None), read, |()| None).await;
        self.world.saw(at, What::Read(register, tag));
    }

    async fn make_statement(&mut self, case: CaseId) {
        let (mut statement, mut follows) = (NewStatement::on("t"), None);
        if self.chance.one_in(3) {
            let Some(newest) = self.newest_statement(case).await else { return };
            statement = statement.follows(newest.map(|(id, _)| id));
            follows = Some(newest.map(|(_, tag)| tag));
        }
        let (desk, tag) = (self.desk.clone(), self.world.tag());
        let make = desk.make_statement(case, statement.payload(tag.to_be_bytes()));
        let what = What::Write(Register::Statements(case), tag, follows);
        self.attempt("make_statement", what, make, |made| Some(made.seq)).await;
    }

    /// The id and the tag of a case's newest statement, if it could be read.
    async fn newest_statement(&mut self, case: CaseId) -> Option<Option<(OperationId, Tag)>> {
        let (desk, world) = (self.desk.clone(), self.world.clone());
        let register = Register::Statements(case);
        let mut tag = None;
        let read = async {
            let Some(newest) = desk.newest_statement(case).await? else { return Ok(None) };
            tag = newest.payload.first_chunk().copied().map(Tag::from_be_bytes);
            world.expect("a statement is what was stated", tag.is_some());
            Ok(tag.map(|tag| (newest.made.id, tag)))
        };
        let at = self.world.next_entry();
        let newest = self.attempt("newest_statement", What::Read(register, None), read, |_| None).await;
        self.world.saw(at, What::Read(register, tag));
        newest
    }

    /// Begins an upload; then finishes it, gives it up, or leaves it to whoever comes.
    async fn upload(&mut self, case: CaseId, document: DocumentId) {
        let (desk, tag) = (self.desk.clone(), self.world.tag());
        let replaced = self.chance.one_in(2).then_some(document);
        let case = replaced.map_or(case, |document| document.case());
        let begin = async {
            match replaced {
                None => desk.upload(case, named(tag)).await,
                Some(document) => desk.upload_version(document, named(tag), "r").await,
            }
        };
        let Some(mut upload) = self.attempt("upload", What::Announce(case, tag), begin, |_| None).await
        else {
            return;
        };
        if self.chance.one_in(2) {
            let page = async {
                upload.write(&content(tag)[..12]).await?;
                upload.next_page().await?;
                Ok(upload)
            };
            match self.attempt("page", What::Look, page, |_| None).await {
                Some(more) => upload = more,
                None => return,
            }
        }
        let token = upload.token().expect("randomness").to_bytes();
        let begun = Begun { token, case, document: replaced, tag };
        self.world.learn(self.process, |known| known.uploads.push(begun.clone()));
        match self.chance.below(6) {
            0 => {}
            1 => {
                self.attempt("abort", What::GiveUp(case, tag), upload.abort(), |()| None).await;
            }
            _ => self.finish(upload, &begun).await,
        }
    }

    async fn resume(&mut self, begun: Begun) {
        let Ok(token) = UploadToken::from_bytes(&begun.token) else { return };
        let desk = self.desk.clone();
        let resume = desk.resume_upload(&token);
        let what = What::Announce(begun.case, begun.tag);
        if let Some(upload) = self.attempt("resume_upload", what, resume, |_| None).await {
            self.finish(upload, &begun).await;
        }
    }

    fn upload_of(&self, begun: &Begun) -> What {
        match begun.document {
            None => What::Store(begun.case, begun.tag),
            Some(document) => What::Write(Register::Document(document), begun.tag, None),
        }
    }

    async fn finish(&mut self, mut upload: Upload, begun: &Begun) {
        let whole = content(begun.tag);
        let done = upload.pages() * 12;
        let finish = async move {
            for piece in whole[done..].chunks(100) {
                upload.write(piece).await?;
            }
            upload.finish().await
        };
        let what = self.upload_of(begun);
        let stored = self.attempt("finish", what, finish, |stored| Some(stored.seq)).await;
        if begun.document.is_none() {
            self.stored(stored.map(|stored| stored.document));
        }
    }

    async fn verify(&mut self) {
        let (vault, world) = (self.vault.clone(), self.world.clone());
        let pin = self.world.pin(self.process);
        let verify = async {
            let verified = vault.audit().verify(&pin).await?;
            world.fresh(&verified.freshness, verified.head.size() >= pin.size());
            Ok(())
        };
        self.attempt("verify", What::Look, verify, |()| None).await;
    }
}
