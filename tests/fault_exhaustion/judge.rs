//! Looks at what a storage holds after a fault: everything acknowledged is there and reads back equal, what was
//! refused is not there, what is unknown is whole or absent, and the vault goes on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use docvault::{
    AuditRecord, CaseId, Described, DocumentId, Error, ErrorKind, GrantId, Kind, NewDocument, OperationId,
    Pin, Scope, Session, Vault, VersionId, deposit::Carrier, storage::Storage,
};
use futures_util::future::join_all;

use crate::{
    intake::carrier_key,
    script::{KINDS, Place, World, content, desk, inbox, new_root, pages},
};

/// A run, as far as the judge has to know it.
pub struct Judge<'a> {
    pub place: &'a Place,
    /// Of the operation that was interrupted.
    pub number: usize,
    /// Of the head before it.
    pub before: &'a Pin,
    /// Whether nobody could find out what became of it.
    pub crashed: bool,
    /// How often the operation was interrupted.
    pub times: usize,
    /// Whether to look at what is expensive, too: long contents, the log from its first record on.
    pub closely: bool,
    pub what: &'a str,
}

impl Judge<'_> {
    pub async fn judge(&self, storage: Arc<dyn Storage>, world: &World) {
        let (vault, _) = self.open(storage.clone(), &world.key).await;
        let verified = vault.audit().verify(&world.pin).await;
        verified.unwrap_or_else(|error| panic!("{}: {error}", self.what));
        let desk = desk(&vault);
        if self.closely {
            desk.collect_garbage().await.unwrap();
            vault.audit().verify_from_genesis().await.unwrap();
        }
        let (cases, more_cases) = self.cases(&desk, world).await;
        let (documents, more_versions) = self.documents(&desk, world, &cases).await;
        let since = desk.auditor().changes_since(self.before.size()).await.unwrap().records;
        let more_grants = self.more_grants(&since, world);
        self.grants(&vault, world, &documents, &more_grants).await;
        let more_statements = self.more_statements(&since, world);
        self.statements(&desk, world, &cases, &more_statements).await;
        self.settled(more_cases + more_versions + more_grants.len() + more_statements.len(), world);
        self.slots(&vault, world).await;
        self.deposits(&vault, storage, world).await;
        self.goes_on(&desk).await;
    }

    /// What was settled later is there, too.
    fn settled(&self, more: usize, world: &World) {
        let told = self.crashed || self.number % KINDS >= 18 || more == world.settled;
        assert!(told, "{}: {} settled, {more} there", self.what, world.settled);
    }

    /// The vault, by the key that opens it: a rotation that was not acknowledged may stand.
    pub async fn open(&self, storage: Arc<dyn Storage>, key: &str) -> (Vault, String) {
        self.try_open(storage, key).await.unwrap_or_else(|error| panic!("{}: {error}", self.what))
    }

    pub async fn try_open(&self, storage: Arc<dyn Storage>, key: &str) -> Result<(Vault, String), Error> {
        match (self.place.open(storage.clone(), key, self.before).await, new_root(self.number)) {
            (Err(error), Some(new)) if error.kind() == ErrorKind::Locked => {
                Ok((self.place.open(storage, &new, self.before).await?, new))
            }
            (opened, _) => Ok((opened?, key.to_owned())),
        }
    }

    /// How many more than were acknowledged may bear a name: as many as were settled, exactly. After a crash, or where
    /// the operation does more than one thing, nobody knows of some, and each time that it was begun anew left at most
    /// one.
    fn more(&self, name: &str, world: &World) -> core::ops::RangeInclusive<usize> {
        // What the operation before this one deposited is stored by this one.
        let number = if self.number % KINDS == 22 { self.number - 1 } else { self.number }.to_string();
        let own = name.split('/').next() == Some(&number) || name == format!("case {number}");
        self.more_of(own, world)
    }

    /// The same of something that is the interrupted operation's own, or is not.
    fn more_of(&self, own: bool, world: &World) -> core::ops::RangeInclusive<usize> {
        match (own, self.crashed || self.number % KINDS >= 18) {
            (false, _) => 0..=0,
            (true, false) => world.settled..=world.settled,
            (true, true) => 0..=self.times,
        }
    }

    /// How many more there are than were acknowledged.
    fn check_names(
        &self,
        found: &BTreeMap<String, usize>,
        wanted: &BTreeMap<String, usize>,
        world: &World,
    ) -> usize {
        let names: BTreeSet<&String> = found.keys().chain(wanted.keys()).collect();
        let more = names.into_iter().map(|name| {
            let (found, wanted) =
                (found.get(name).copied().unwrap_or(0), wanted.get(name).copied().unwrap_or(0));
            let more = found.checked_sub(wanted).filter(|more| self.more(name, world).contains(more));
            more.unwrap_or_else(|| panic!("{}: {found} of {name}, of which {wanted} acknowledged", self.what))
        });
        more.sum()
    }

    /// Operations whose record says that they did this since the interrupted one began, and which nobody acknowledged.
    fn unacknowledged(
        &self,
        since: &[AuditRecord],
        kind: Kind,
        acknowledged: &BTreeSet<OperationId>,
        allowed: &core::ops::RangeInclusive<usize>,
    ) -> BTreeSet<OperationId> {
        let did = since.iter().filter(|record| record.kind == kind).map(|record| record.operation);
        let more: BTreeSet<_> = did.filter(|operation| !acknowledged.contains(operation)).collect();
        assert!(allowed.contains(&more.len()), "{}: {kind:?} by {more:?}, not acknowledged", self.what);
        more
    }

    fn more_grants(&self, since: &[AuditRecord], world: &World) -> BTreeSet<OperationId> {
        let known = world.grants.keys().map(GrantId::operation).collect();
        let allowed = self.more_of(matches!(self.number % KINDS, 9 | 10), world);
        self.unacknowledged(since, Kind::Granted, &known, &allowed)
    }

    fn more_statements(&self, since: &[AuditRecord], world: &World) -> BTreeSet<OperationId> {
        let known = world.statements.iter().map(|(_, id)| *id).collect();
        let allowed = self.more_of(matches!(self.number % KINDS, 13 | 22), world);
        self.unacknowledged(since, Kind::Stated, &known, &allowed)
    }

    /// The cases that are not erased, and how many of them nobody acknowledged.
    async fn cases(&self, desk: &Session, world: &World) -> (Vec<CaseId>, usize) {
        let listed = desk.cases(None).await.unwrap().cases;
        for (id, case) in &world.cases {
            let found = listed.iter().find(|found| found.id == *id);
            let found = found.unwrap_or_else(|| panic!("{}: case {} was lost", self.what, case.title));
            assert_eq!((&found.title, found.closed, found.erased), (&case.title, case.closed, false));
        }
        for id in &world.erased {
            assert!(listed.iter().any(|found| found.id == *id && found.erased), "{}", self.what);
            let error = desk.documents(*id, None).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Erased, "{}", self.what);
        }
        let standing = listed.iter().filter(|case| !case.erased && case.title != "to be erased");
        let found = counted(standing.map(|case| case.title.clone()));
        let wanted = counted(world.cases.values().map(|case| case.title.clone()));
        let more = self.check_names(&found, &wanted, world);
        (listed.iter().filter(|case| !case.erased).map(|case| case.id).collect(), more)
    }

    /// The documents, and how many of their versions nobody acknowledged.
    async fn documents(&self, desk: &Session, world: &World, cases: &[CaseId]) -> (Vec<DocumentId>, usize) {
        let listed = join_all(cases.iter().map(|case| desk.documents(*case, None))).await;
        let listed: Vec<Described> = listed.into_iter().flat_map(|page| page.unwrap().documents).collect();
        let histories = join_all(listed.iter().map(|found| desk.history(found.document))).await;
        let mut versions = Vec::new();
        for (newest, history) in listed.iter().zip(histories) {
            let mut history: Vec<_> = history.unwrap().into_iter().map(|version| version.described).collect();
            history.sort_by_key(|version| version.ordinal);
            assert_eq!(history.last(), Some(newest), "{}", self.what);
            let names: Vec<&str> = history.iter().map(|version| version.name.as_str()).collect();
            let acknowledged = world.documents.get(&newest.document).cloned().unwrap_or_default();
            let mut names = names.into_iter();
            let kept = acknowledged.iter().all(|wanted| names.any(|name| name == wanted));
            assert!(kept, "{}: of {acknowledged:?} there is {history:?}", self.what);
            versions.extend(history);
        }
        let wanted = world.documents.values().flatten().cloned();
        let found = versions.iter().map(|version| version.name.clone()).filter(|name| name != "x/1");
        let more = self.check_names(&counted(found), &counted(wanted), world);
        join_all(versions.iter().map(|version| self.is_whole(desk, version))).await;
        (listed.iter().map(|found| found.document).collect(), more)
    }

    async fn is_whole(&self, desk: &Session, version: &Described) {
        let expected = content(&version.name);
        assert_eq!(version.len, expected.len() as u64, "{}", self.what);
        if expected.len() > LARGE && !self.closely {
            let reader = desk.reader_of(version.document, version.version).await.unwrap();
            // The end reaches back into the part, or page, before the last.
            for range in [0..600, expected.len() - 600..expected.len()] {
                let found = reader.range(range.start as u64..range.end as u64).await.unwrap();
                assert!(found == expected[range], "{}: {} is not whole", self.what, version.name);
            }
            return;
        }
        assert!(read(desk, version.document, version.version).await == *expected, "{}", self.what);
    }

    async fn grants(
        &self,
        vault: &Vault,
        world: &World,
        documents: &[DocumentId],
        more: &BTreeSet<OperationId>,
    ) {
        let desk = desk(vault);
        let openers = self.openers(&desk, documents).await;
        for (document, grant) in openers.keys() {
            let known = world.grants.contains_key(grant) || more.contains(&grant.operation());
            assert!(known, "{}: {grant} opens {document}, and nobody made it", self.what);
        }
        let (mut live, mut asked) = (Vec::new(), Vec::new());
        for (grant, revoked) in &world.grants {
            match grant.scope() {
                _ if *revoked => {
                    let error = desk.deliver(*grant).await.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Denied, "{}", self.what);
                }
                Scope::Document(document) => {
                    asked.push((*grant, document));
                    live.push(*grant);
                }
                scope => {
                    let case = scope.case();
                    let within = world.documents.keys().find(|document| document.case() == case);
                    asked.extend(within.map(|document| (*grant, *document)));
                    live.extend(self.closely.then_some(*grant));
                }
            }
        }
        for (grant, document) in asked {
            let revoked = openers.get(&(document, grant));
            let revoked = revoked.unwrap_or_else(|| panic!("{}: {grant} was lost", self.what));
            // A revocation that was not acknowledged may stand.
            let own = self.crashed && self.number % KINDS == 12;
            assert!(!revoked || own, "{}: {grant} is revoked", self.what);
        }
        for grant in live {
            self.is_delivered(vault, grant, world).await;
        }
    }

    /// Who can open each document by which grant, and whether that is revoked.
    async fn openers(
        &self,
        desk: &Session,
        documents: &[DocumentId],
    ) -> BTreeMap<(DocumentId, GrantId), bool> {
        let answers = join_all(documents.iter().map(|document| desk.who_can_open(*document))).await;
        let mut openers = BTreeMap::new();
        for (document, answer) in documents.iter().zip(answers) {
            for opener in answer.unwrap().grants {
                let twice = openers.insert((*document, opener.grant), opener.revoked.is_some());
                assert!(twice.is_none(), "{}: {} is there twice", self.what, opener.grant);
            }
        }
        openers
    }

    async fn is_delivered(&self, vault: &Vault, grant: GrantId, world: &World) {
        let delivery = match desk(vault).deliver(grant).await {
            Err(error) if self.crashed && self.number % KINDS == 12 && error.kind() == ErrorKind::Denied => {
                return;
            }
            delivery => delivery.unwrap_or_else(|error| panic!("{}: {error}", self.what)),
        };
        let sealed = delivery.collect().await.unwrap();
        let (found, wanted) = (self.place.opened(&sealed, vault, grant), world.reached(grant));
        if world.held.contains_key(&grant) {
            return assert_eq!(found, wanted, "{}: {grant}", self.what);
        }
        // It follows: what was acknowledged is there, or what the interrupted operation put in its place or beside it.
        assert!(wanted.keys().all(|document| found.contains_key(document)), "{}: {found:?}", self.what);
        for (document, name) in &found {
            let right = wanted.get(document) == Some(name) || self.more(name, world) != (0..=0);
            assert!(right, "{}: {name} was delivered, and not of {wanted:?}", self.what);
        }
    }

    async fn statements(
        &self,
        desk: &Session,
        world: &World,
        cases: &[CaseId],
        more: &BTreeSet<OperationId>,
    ) {
        let mut wanted: BTreeSet<(CaseId, OperationId)> = world.statements.iter().copied().collect();
        let mut more = more.clone();
        for (case, page) in
            cases.iter().zip(join_all(cases.iter().map(|case| desk.statements(*case, None))).await)
        {
            for found in page.unwrap().statements {
                let id = found.made.id;
                let known = wanted.remove(&(*case, id)) || more.remove(&id);
                assert!(known, "{}: statement {id}, which nobody made, or twice", self.what);
                assert!(found.topic == "deposit" || found.payload.as_slice() == b"made", "{}", self.what);
            }
        }
        assert!(wanted.is_empty() && more.is_empty(), "{}: {wanted:?} {more:?} were lost", self.what);
    }

    async fn slots(&self, vault: &Vault, world: &World) {
        let slots = vault.slots().await.unwrap();
        let count = |label: &str| slots.iter().filter(|slot| slot.label == label).count();
        assert_eq!((count("root"), slots.len()), (1, 1 + count("recovery")), "{}: {slots:?}", self.what);
        let unknown = self.crashed && self.number % KINDS == 15;
        assert!(unknown || count("recovery") == usize::from(world.recovery), "{}: {slots:?}", self.what);
    }

    async fn deposits(&self, vault: &Vault, storage: Arc<dyn Storage>, world: &World) {
        let carrier = Carrier::new(storage.clone(), carrier_key(), vault.sender());
        for request in &world.requests {
            let inbox = inbox(vault, storage.clone(), request.case, request.id).await.unwrap();
            let promises = inbox.promises().await.unwrap();
            for (promise, name, answers) in &request.promises {
                assert!(promises.contains(promise), "{}: a promise was lost", self.what);
                let incoming = inbox.deposit(promise).await.unwrap();
                // The first page has two parts.
                let pages = (0..).zip(pages(name)).skip(usize::from(!self.closely));
                for (at, page) in pages {
                    let found = incoming.read(at).unwrap().collect().await.unwrap();
                    assert!(found.as_slice() == page, "{}: deposit {name}", self.what);
                }
                let held = carrier.held(request.id, promise.deposit()).await.unwrap();
                assert!(held.answers.len() >= *answers, "{}: an answer was lost", self.what);
            }
        }
    }

    async fn goes_on(&self, desk: &Session) {
        let more = desk.create_case("more").await.unwrap();
        let stored = desk.store(more, NewDocument::named("more"), b"more".to_vec()).await.unwrap();
        assert_eq!(desk.retrieve(stored.document).await.unwrap(), b"more".as_slice(), "{}", self.what);
    }
}

async fn read(desk: &Session, document: DocumentId, version: VersionId) -> Vec<u8> {
    let mut reader = desk.reader_of(document, version).await.unwrap();
    let mut content = Vec::new();
    while let Some(part) = reader.next().await.unwrap() {
        content.extend_from_slice(&part);
    }
    content
}

fn counted(names: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    names.for_each(|name| *counts.entry(name).or_insert(0) += 1);
    counts
}

/// Beyond this a content is read whole only where the judge looks closely.
const LARGE: usize = 64 << 10;
