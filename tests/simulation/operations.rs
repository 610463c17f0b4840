//! What a task can ask of its vault, and how often it asks it.

use docvault::{
    CaseId, DocumentId, ErrorKind, GrantId, NewStatement, OperationId, Scope, Stored, Upload, UploadToken,
    VersionInfo,
};

use super::{
    chance::{Chance, Seeded},
    client::Client,
    delivered::Granted,
    history::{Register, Storages, Tag, Told, What},
    prefab::{Begun, RootKey, content, named, opens, tag_of, terms, to_recipient},
};

/// An operation by its name, and how often it comes up.
const OPERATIONS: [(&str, u64); 22] = [
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
    ("rekey", 1),
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

    /// Asks something of the vault, mostly about what this process was told before.
    pub(super) async fn operate(&mut self) {
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
        match name {
            "retrieve" => self.retrieve(document).await,
            "retrieve_range" => self.retrieve_range(document).await,
            "history" => self.history(document).await,
            "store" => self.store(case).await,
            "store_version" => self.store_version(document).await,
            "make_statement" => self.make_statement(case).await,
            "newest_statement" => drop(self.newest_statement(case).await),
            "upload" => self.upload(case, document).await,
            "resume_upload" => self.resume_upload(&known.uploads).await,
            "create_case" => self.create_case().await,
            "grant" => self.grant(case, document).await,
            "deliver" => self.deliver(grant).await,
            "revoke" => self.revoke(grant).await,
            "close_case" => self.close_case(case).await,
            "erase_case" => self.erase_case(&known.cases).await,
            "rekey" => self.rekey().await,
            "rotate_root" => self.rotate_root().await,
            "rotate_epoch" => self.rotate_epoch().await,
            "rotate_signing_keys" => self.rotate_signing_keys().await,
            "collect_garbage" => self.collect_garbage().await,
            "verify" => self.verify().await,
            _ => self.sync().await,
        }
    }

    async fn store(&mut self, case: CaseId) {
        let (desk, tag) = (self.desk.clone(), self.world.tag());
        let store = desk.store(case, named(tag), content(tag));
        let stored = self.attempt("store", What::Store(case, tag), store, version).await;
        self.stored(stored.map(|stored| stored.document));
    }

    async fn store_version(&mut self, document: DocumentId) {
        let (desk, tag) = (self.desk.clone(), self.world.tag());
        let store = desk.store_version(document, named(tag), "r", content(tag));
        let what = What::Write(Register::Document(document), tag, None);
        self.attempt("store_version", what, store, version).await;
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
            let mut streamed = Vec::new();
            while let Some(part) = reader.next().await? {
                streamed.extend(part);
            }
            world.expect("a stream is the whole", *streamed == *whole);
            Ok(())
        };
        let at = self.world.next_entry();
        self.attempt("retrieve_range", What::Read(register, None), read, |()| None).await;
        self.world.saw(at, What::Read(register, tag));
    }

    async fn history(&mut self, document: DocumentId) {
        let (desk, world) = (self.desk.clone(), self.world.clone());
        let register = Register::Document(document);
        let mut whole = Vec::new();
        let read = async {
            let versions = desk.history(document).await?;
            world.expect("versions are numbered and follow each other", is_in_order(&versions));
            whole.extend(versions.iter().filter_map(|version| version.described.name.parse::<Tag>().ok()));
            world.expect("a version bears its name", whole.len() == versions.len());
            Ok(())
        };
        let at = self.world.next_entry();
        self.attempt("history", What::Read(register, None), read, |()| None).await;
        self.world.saw(at, What::Read(register, whole.last().copied()));
        self.world.told_history(at, whole);
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
        self.attempt("make_statement", what, make, |made| Some(Told::of(made.seq, made.id))).await;
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
        let scope = replaced.map_or(Scope::Case(case), Scope::Document);
        let begin = async {
            match replaced {
                None => desk.upload(case, named(tag)).await,
                Some(document) => desk.upload_version(document, named(tag), "r").await,
            }
        };
        let Some(mut upload) = self.attempt("upload", What::Announce(scope, tag), begin, |_| None).await
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
        let begun = Begun { token, case: scope.case(), document: replaced, tag };
        self.world.learn(self.process, |known| known.uploads.push(begun.clone()));
        match self.chance.below(6) {
            0 => {}
            1 => {
                self.attempt("abort", What::GiveUp(scope.case(), tag), upload.abort(), |()| None).await;
            }
            _ => self.finish(upload, &begun).await,
        }
    }

    async fn resume_upload(&mut self, begun: &[Begun]) {
        let Some(begun) = self.chance.pick(begun) else { return };
        let Ok(token) = UploadToken::from_bytes(&begun.token) else { return };
        let desk = self.desk.clone();
        let resume = desk.resume_upload(&token);
        let scope = begun.document.map_or(Scope::Case(begun.case), Scope::Document);
        let what = What::Announce(scope, begun.tag);
        if let Some(upload) = self.attempt("resume_upload", what, resume, |_| None).await {
            self.finish(upload, &begun).await;
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
        let stored = self.attempt("finish", what, finish, version).await;
        if begun.document.is_none() {
            self.stored(stored.map(|stored| stored.document));
        }
    }

    fn upload_of(&self, begun: &Begun) -> What {
        match begun.document {
            None => What::Store(begun.case, begun.tag),
            Some(document) => What::Write(Register::Document(document), begun.tag, None),
        }
    }

    async fn create_case(&mut self) {
        let (desk, tag) = (self.desk.clone(), self.world.tag());
        let create = desk.create_case(tag.to_string());
        let made = self.attempt("create_case", What::CreateCase(tag), create, |_| None).await;
        self.world.learn(self.process, |known| known.cases.extend(made));
    }

    async fn close_case(&mut self, case: CaseId) {
        let desk = self.desk.clone();
        self.attempt("close_case", What::Close(case), desk.close_case(case, "r"), |()| None).await;
    }

    async fn erase_case(&mut self, cases: &[CaseId]) {
        // Most cases stay, or there would soon be nothing to look at.
        let case = cases[1.min(cases.len() - 1)];
        self.close_case(case).await;
        let desk = self.desk.clone();
        let erase = desk.erase_case(case);
        self.attempt("erase_case", What::Erase(case), erase, |done| Some(Told::of(done.seq, None))).await;
    }

    async fn grant(&mut self, case: CaseId, document: DocumentId) {
        let scope = if self.chance.one_in(2) { Scope::Case(case) } else { Scope::Document(document) };
        let (desk, recipient, following) = (self.desk.clone(), to_recipient(), self.chance.one_in(2));
        let (at, tag) = (self.world.next_entry(), self.world.tag());
        let grant = desk.grant(scope, &recipient, terms(tag.to_string(), following));
        let made = self.attempt("grant", What::Grant(scope, tag), grant, |_| None).await;
        if let Some(grant) = made {
            let granted = if following { Granted::Following(Some(at)) } else { Granted::Made(at) };
            self.world.granted(grant, granted);
            self.world.learn(self.process, |known| known.grants.push(grant));
        }
    }

    async fn deliver(&mut self, grant: Option<GrantId>) {
        let Some(grant) = grant else { return };
        let (desk, at) = (self.desk.clone(), self.world.next_entry());
        let deliver = async { desk.deliver(grant).await?.collect().await };
        let Some(sealed) = self.attempt("deliver", What::Deliver(grant), deliver, |_| None).await else {
            return;
        };
        match opens(&sealed, &self.vault.sender(), grant) {
            // What a storage alters of sealed content it is for the recipient to notice.
            Err(error) => {
                let altered = error.kind() == ErrorKind::Corrupt && self.world.storages == Storages::Evil;
                self.world.expect("a delivery opens", altered);
            }
            Ok(holds) => {
                self.world.expect("a delivery opens, whole", holds.is_some());
                self.world.delivered(at, grant, holds.unwrap_or_default());
            }
        }
    }

    async fn revoke(&mut self, grant: Option<GrantId>) {
        let Some(grant) = grant else { return };
        let desk = self.desk.clone();
        let revoke = desk.revoke(grant);
        self.attempt("revoke", What::Revoke(grant), revoke, |report| Some(Told::of(report.seq, None))).await;
    }

    fn root_key(&mut self) -> RootKey {
        let stream = Chance::new(self.chance.next(), 0);
        RootKey { number: stream.clone().next() as u8 | 1, entropy: Seeded::new(stream) }
    }

    async fn rekey(&mut self) {
        let (root, desk) = (self.root_key(), self.desk.clone());
        self.attempt("rekey", What::ChangeKeyring, desk.rekey(&root, "root"), |_| None).await;
    }

    async fn rotate_root(&mut self) {
        let root = self.root_key();
        let (vault, desk) = (self.vault.clone(), self.desk.clone());
        let rotate = async {
            let slots = vault.slots().await?;
            let old = slots.first().expect("a keyring has a slot").id;
            desk.rotate_root(old, &root).await
        };
        self.attempt("rotate_root", What::ChangeKeyring, rotate, |_| None).await;
    }

    async fn rotate_epoch(&mut self) {
        let desk = self.desk.clone();
        self.attempt("rotate_epoch", What::ChangeKeyring, desk.rotate_epoch(), |_| None).await;
    }

    async fn rotate_signing_keys(&mut self) {
        let (desk, what) = (self.desk.clone(), What::ChangeKeyring);
        self.attempt("rotate_signing_keys", what, desk.rotate_signing_keys(), |()| None).await;
    }

    async fn collect_garbage(&mut self) {
        let desk = self.desk.clone();
        let report = self.attempt("collect_garbage", What::Collect, desk.collect_garbage(), |_| None).await;
        if let Some(report) = report {
            self.world.count_by("condemned", report.condemned);
            self.world.count_by("garbage deleted", report.objects_deleted);
            self.world.count_by("index deleted", report.index_deleted);
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

    async fn sync(&mut self) {
        let vault = self.vault.clone();
        self.attempt("sync", What::Look, vault.sync(), |_| None).await;
    }
}

fn version(stored: &Stored) -> Option<Told> {
    Some(Told::version(stored.seq, stored.version))
}

/// Whether they count from 1, each in the place of the one before.
fn is_in_order(versions: &[VersionInfo]) -> bool {
    let before = [None].into_iter().chain(versions.iter().map(|version| Some(version.described.version)));
    (1..).zip(before).zip(versions).all(|((ordinal, before), version)| {
        (version.described.ordinal, version.previous) == (ordinal, before)
    })
}
