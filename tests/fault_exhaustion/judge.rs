//! Looks at what a storage holds after a fault: everything acknowledged is there and reads back equal, what was
//! refused is not there, what is unknown is whole or absent, and the vault goes on.

use std::{collections::BTreeMap, sync::Arc};

use docvault::{
    CaseId, Described, Error, ErrorKind, GrantId, NewDocument, Pin, Scope, Session, Vault, VersionId,
    deposit::Carrier, storage::Storage,
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
        let cases = self.cases(&desk, world).await;
        self.documents(&desk, world, &cases).await;
        self.grants(&vault, world).await;
        self.statements(&desk, world).await;
        self.slots(&vault, world).await;
        self.deposits(&vault, storage, world).await;
        self.goes_on(&desk).await;
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
        match (own, self.crashed || self.number % KINDS >= 18) {
            (false, _) => 0..=0,
            (true, false) => world.settled..=world.settled,
            (true, true) => 0..=self.times,
        }
    }

    fn check_names(&self, found: BTreeMap<String, usize>, wanted: &BTreeMap<String, usize>, world: &World) {
        let names: std::collections::BTreeSet<&String> = found.keys().chain(wanted.keys()).collect();
        for name in names {
            let (found, wanted) =
                (found.get(name).copied().unwrap_or(0), wanted.get(name).copied().unwrap_or(0));
            let more = found.checked_sub(wanted);
            let right = more.is_some_and(|more| self.more(name, world).contains(&more));
            assert!(right, "{}: {found} of {name}, of which {wanted} acknowledged", self.what);
        }
    }

    /// The cases that are not erased.
    async fn cases(&self, desk: &Session, world: &World) -> Vec<CaseId> {
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
        self.check_names(found, &counted(world.cases.values().map(|case| case.title.clone())), world);
        listed.iter().filter(|case| !case.erased).map(|case| case.id).collect()
    }

    async fn documents(&self, desk: &Session, world: &World, cases: &[CaseId]) {
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
        self.check_names(counted(found), &counted(wanted), world);
        join_all(versions.iter().map(|version| self.is_whole(desk, version))).await;
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

    async fn grants(&self, vault: &Vault, world: &World) {
        let desk = desk(vault);
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
        for (answer, (grant, _)) in
            join_all(asked.iter().map(|(_, document)| desk.who_can_open(*document))).await.iter().zip(&asked)
        {
            let opener = answer.as_ref().unwrap().grants.iter().find(|opener| opener.grant == *grant);
            let revoked = opener.unwrap_or_else(|| panic!("{}: {grant} was lost", self.what)).revoked;
            // A revocation that was not acknowledged may stand.
            let own = self.crashed && self.number % KINDS == 12;
            assert!(revoked.is_none() || own, "{}: {grant} is revoked", self.what);
        }
        for grant in live {
            self.is_delivered(vault, grant, world).await;
        }
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

    async fn statements(&self, desk: &Session, world: &World) {
        let mut wanted: BTreeMap<CaseId, Vec<_>> = BTreeMap::new();
        world.statements.iter().for_each(|(case, id)| wanted.entry(*case).or_default().push(*id));
        for (case, ids) in wanted {
            let listed = desk.statements(case, None).await.unwrap().statements;
            for id in ids {
                let found = listed.iter().find(|statement| statement.made.id == id);
                let found = found.unwrap_or_else(|| panic!("{}: statement {id} was lost", self.what));
                assert!(found.topic == "deposit" || found.payload.as_slice() == b"made", "{}", self.what);
            }
        }
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

async fn read(desk: &Session, document: docvault::DocumentId, version: VersionId) -> Vec<u8> {
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
