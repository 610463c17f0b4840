//! Two processes, the model beside them, and what they are asked to do.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use docvault::{
    CaseId, Clock, DocumentId, Error, GrantId, Identity, NewDocument, NoSleep, Pin, Recipient, Scope, Secret,
    Session, Terms, Timestamp, UploadToken, Vault, VaultOptions, keys::LocalKey, storage::MemoryStorage,
};
use tempfile::TempDir;

use super::reference::{Answer, Case, Model, Upload, WEEK};

/// What to do, by which process, to what: numbers taken modulo what there is.
#[derive(Clone)]
pub struct Operation(pub [u8; 5]);

impl Debug for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [what, who, a, b, c] = self.0;
        write!(f, "{}({a}, {b}, {c}) by {}", NAMES[usize::from(what) % NAMES.len()], who % 2)
    }
}

const NAMES: [&str; 23] = [
    "create_case",
    "close_case",
    "reopen_case",
    "store",
    "store_version",
    "upload",
    "upload",
    "resume",
    "resume",
    "retrieve",
    "range",
    "describe",
    "list",
    "history",
    "grant",
    "deliver",
    "revoke",
    "who_can_open",
    "slots",
    "rotate_root",
    "rotate_epoch",
    "collect_garbage",
    "reopen",
];

#[derive(Debug, Clone, Default)]
pub(super) struct Hands(Arc<AtomicU64>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

pub struct Pair {
    pub(super) storage: Arc<MemoryStorage>,
    pub(super) folder: TempDir,
    pub(super) key: String,
    pub(super) hands: Hands,
    pub(super) vaults: [Vault; 2],
    pub(super) first_pin: Pin,
    pub(super) model: Model,
    pub(super) recipient: Identity,
    pub(super) slots: BTreeMap<String, docvault::SlotId>,
    count: usize,
}

/// Both say the same.
fn agree<T, M>(answer: Result<T, Error>, model: Answer<M>, operation: &Operation) -> Option<(T, M)> {
    match (answer, model) {
        (Ok(answer), Ok(model)) => Some((answer, model)),
        (Err(error), Err(kind)) => {
            assert_eq!(error.kind(), kind, "{operation:?}: {error}");
            None
        }
        (Ok(_), Err(kind)) => panic!("{operation:?}: done, and the model says {kind:?}"),
        (Err(error), Ok(_)) => panic!("{operation:?}: {error}, and the model says done"),
    }
}

fn pick<K: Copy, V>(map: &BTreeMap<K, V>, at: u8) -> Option<K> {
    map.keys().nth(usize::from(at) % map.len().max(1)).copied()
}

fn bytes(a: u8, b: u8, len: usize) -> Vec<u8> {
    (0..len).map(|i| a.wrapping_mul(31).wrapping_add(b).wrapping_add(i as u8)).collect()
}

impl Pair {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (storage, hands) = (Arc::new(MemoryStorage::default()), Hands::default());
        let key = Arc::new(LocalKey::create(folder.path().join("0")).unwrap());
        let options = VaultOptions::default().clock(hands.clone()).sleeper(NoSleep::default());
        let vault = Vault::create_with(storage.clone(), key, options).await.unwrap();
        let mut model = Model::default();
        model.slots.insert("root".into());
        let recipient = Identity::from_seed(Secret::copy_from(&[1; 32]).unwrap());
        let vaults = [vault.clone(), vault.clone()];
        let mut pair = Self {
            storage,
            folder,
            key: "0".into(),
            hands,
            vaults,
            first_pin: vault.pin(),
            model,
            recipient,
            slots: BTreeMap::new(),
            count: 0,
        };
        pair.reopen(1, &vault.pin()).await;
        pair
    }

    pub(super) fn desk(&self, who: u8) -> Session {
        self.vaults[usize::from(who % 2)].session("a").purpose("p").begin().unwrap()
    }

    pub async fn step(&mut self, operation: &Operation) {
        self.count += 1;
        let [what, who, a, b, c] = operation.0;
        let desk = self.desk(who);
        let name = format!("{}", self.count);
        let case = pick(&self.model.cases, a);
        let document = pick(&self.model.documents, a.wrapping_mul(7).wrapping_add(b));
        let grant = pick(&self.model.grants, a);
        match (NAMES[usize::from(what) % NAMES.len()], case, document) {
            ("create_case", ..) | (_, None, _) => {
                let id = desk.create_case(name.as_str()).await.unwrap();
                self.model.cases.insert(id, Case { title: name, closed: false });
            }
            ("close_case", Some(case), _) => {
                agree(desk.close_case(case, "r").await, self.model.set_closed(case, true), operation);
            }
            ("reopen_case", Some(case), _) => {
                agree(desk.reopen_case(case, "r").await, self.model.set_closed(case, false), operation);
            }
            ("store", Some(case), _) => self.store(&desk, case, None, &name, operation).await,
            ("store_version", _, Some(document)) => {
                self.store(&desk, document.case(), Some(document), &name, operation).await;
            }
            ("upload", Some(case), _) => {
                let replaces = document.filter(|document| document.case() == case && c > 128);
                self.upload(&desk, case, replaces, &name, operation).await;
            }
            ("resume", ..) => self.resume(&desk, usize::from(a), operation).await,
            ("retrieve" | "range", _, Some(document)) => self.read(&desk, document, operation).await,
            ("describe", Some(case), document) => self.describe(&desk, case, document, operation).await,
            ("list", Some(case), _) => self.list(&desk, case).await,
            ("history", _, Some(document)) => self.history(&desk, document).await,
            ("grant", Some(case), document) => {
                let scope = document.filter(|_| b > 100).map_or(Scope::Case(case), Scope::Document);
                self.grant(&desk, scope, c > 100, operation).await;
            }
            ("deliver", ..) if grant.is_some() => self.deliver(&desk, grant.unwrap(), operation).await,
            ("revoke", ..) if grant.is_some() => self.revoke(&desk, grant.unwrap(), operation).await,
            ("who_can_open", _, Some(document)) => self.who_can_open(&desk, document).await,
            ("slots", ..) => self.change_slots(&desk, a, &name).await,
            ("rotate_root", ..) => self.rotate_root(&desk, &name).await,
            ("rotate_epoch", ..) => {
                assert_eq!(desk.rotate_epoch().await.unwrap(), self.model.cases.len() as u64);
            }
            ("collect_garbage", ..) => {
                self.model.now += u64::from(c) * WEEK / 256;
                self.hands.0.store(self.model.now, Ordering::SeqCst);
                self.model.collect_garbage();
                desk.collect_garbage().await.unwrap();
            }
            ("reopen", ..) => {
                let pin = if c > 200 { self.first_pin.clone() } else { desk.vault().pin() };
                self.reopen(usize::from(who % 2), &pin.to_string().parse().unwrap()).await;
            }
            _ => {}
        }
    }

    async fn revoke(&mut self, desk: &Session, grant: GrantId, operation: &Operation) {
        let done = agree(desk.revoke(grant).await, self.model.revoke(grant), operation);
        let Some((report, (deliveries, exposed))) = done else { return };
        assert_eq!(report.delivered.len(), deliveries, "{operation:?}");
        assert_eq!(report.exposed.into_iter().collect::<BTreeSet<_>>(), exposed, "{operation:?}");
    }

    async fn store(
        &mut self,
        desk: &Session,
        case: CaseId,
        replaces: Option<DocumentId>,
        name: &str,
        operation: &Operation,
    ) {
        let [.., a, b, c] = operation.0;
        let content = bytes(a, b, usize::from(c) * usize::from(b));
        let new = NewDocument::named(name);
        let (stored, reason) = match replaces {
            None => (desk.store(case, new, content.clone()).await, ""),
            Some(document) => (desk.store_version(document, new, "better", content.clone()).await, "better"),
        };
        if let Some((stored, ())) = agree(stored, self.model.may_store(case, replaces), operation) {
            self.model.stored(stored.document, stored.version, name, reason, vec![content]);
        }
    }

    async fn upload(
        &mut self,
        desk: &Session,
        case: CaseId,
        replaces: Option<DocumentId>,
        name: &str,
        operation: &Operation,
    ) {
        let new = NewDocument::named(name);
        let begun = match replaces {
            None => desk.upload(case, new).await,
            Some(document) => desk.upload_version(document, new, "better").await,
        };
        let Some((upload, ())) = agree(begun, self.model.may_store(case, replaces), operation) else {
            return;
        };
        let token = upload.token().unwrap().to_bytes();
        let expiry = self.model.now + WEEK;
        let (name, pages) = (name.to_owned(), Vec::new());
        let known = Upload {
            token,
            case,
            replaces,
            name,
            pages,
            left_objects: false,
            expiry,
            about_to_be: None,
            over: false,
        };
        self.model.uploads.push(known);
        self.go_on(upload, self.model.uploads.len() - 1, operation).await;
    }

    async fn resume(&mut self, desk: &Session, at: usize, operation: &Operation) {
        let Some(at) = at.checked_rem(self.model.uploads.len()) else { return };
        let token = UploadToken::from_bytes(&self.model.uploads[at].token).unwrap();
        let resumed = desk.resume_upload(&token).await;
        let Some((upload, ())) = agree(resumed, self.model.resume(at), operation) else { return };
        assert_eq!((upload.position(), upload.pages()), (0, self.model.uploads[at].pages.len()));
        self.go_on(upload, at, operation).await;
    }

    /// Writes pages in pieces; then finishes, gives up, or leaves it there with a newer token or none.
    async fn go_on(&mut self, mut upload: docvault::Upload, at: usize, operation: &Operation) {
        let [.., a, b, c] = operation.0;
        let mut pages = self.model.uploads[at].pages.clone();
        for page in 0..a % 3 {
            let content = bytes(b, page, usize::from(c) * 20);
            for piece in content.chunks(700) {
                upload.write(piece).await.unwrap();
            }
            upload.next_page().await.unwrap();
            pages.push(content);
            self.model.uploads[at].left_objects = true;
        }
        let last = bytes(b, 9, usize::from(c % 40) * 10);
        upload.write(&last).await.unwrap();
        match b % 5 {
            0 => {
                self.model.uploads[at].token = upload.token().unwrap().to_bytes();
                self.model.uploads[at].pages = pages;
            }
            1 => {
                upload.abort().await.unwrap();
                self.model.uploads[at].over = true;
            }
            2 => drop(upload),
            _ => {
                pages.push(last);
                let model = self.model.finish(at, &pages);
                let Some((stored, ())) = agree(upload.finish().await, model, operation) else { return };
                let Upload { replaces, name, .. } = self.model.uploads[at].clone();
                self.model.uploads[at].over = true;
                assert!(replaces.is_none_or(|document| document == stored.document));
                let reason = if replaces.is_some() { "better" } else { "" };
                self.model.stored(stored.document, stored.version, &name, reason, pages);
            }
        }
    }

    async fn read(&self, desk: &Session, document: DocumentId, operation: &Operation) {
        let newest = self.model.newest(document).unwrap();
        let content = newest.content();
        let [what, .., b, c] = operation.0;
        if NAMES[usize::from(what) % NAMES.len()] == "retrieve" {
            assert_eq!(desk.retrieve(document).await.unwrap(), content, "{operation:?}");
            return;
        }
        let len = content.len() as u64;
        let (from, to) = (u64::from(b) * 37 % (len + 1), u64::from(c) * 91 % (len + 2));
        let range = desk.retrieve_range(document, from..to).await;
        let expected = content.get(from as usize..to as usize).ok_or(docvault::ErrorKind::Invalid);
        if let Some((range, expected)) = agree(range, expected, operation) {
            assert_eq!(range, expected, "{operation:?}");
        }
        let reader = desk.reader(document).await.unwrap();
        let lens: Vec<u64> = reader.pages().iter().map(|page| page.end - page.start).collect();
        assert_eq!(lens, newest.pages.iter().map(|page| page.len() as u64).collect::<Vec<_>>());
    }

    async fn describe(
        &self,
        desk: &Session,
        case: CaseId,
        document: Option<DocumentId>,
        operation: &Operation,
    ) {
        let described = desk.describe_case(case).await.unwrap();
        let model = &self.model.cases[&case];
        assert_eq!((&described.title, described.closed), (&model.title, model.closed), "{operation:?}");
        let Some(document) = document else { return };
        let described = desk.describe(document).await.unwrap();
        let newest = self.model.newest(document).unwrap();
        assert_eq!((&described.name, described.version), (&newest.name, newest.id), "{operation:?}");
        assert_eq!(
            (described.len, described.pages.len()),
            (newest.content().len() as u64, newest.pages.len())
        );
        assert_eq!(described.ordinal as usize, self.model.documents[&document].len());
    }

    pub(super) async fn list(&self, desk: &Session, case: CaseId) {
        let listed = desk.cases(None).await.unwrap().cases;
        let model: Vec<_> =
            self.model.cases.iter().map(|(id, case)| (*id, case.title.clone(), case.closed)).collect();
        assert_eq!(
            listed.into_iter().map(|case| (case.id, case.title, case.closed)).collect::<Vec<_>>(),
            model
        );
        let listed = desk.documents(case, None).await.unwrap().documents;
        let listed: Vec<_> = listed.into_iter().map(|one| (one.document, one.version, one.name)).collect();
        let model = self.model.documents_of(case).into_iter();
        assert_eq!(
            listed,
            model.map(|(id, newest)| (id, newest.id, newest.name.clone())).collect::<Vec<_>>()
        );
    }

    pub(super) async fn history(&self, desk: &Session, document: DocumentId) {
        let history = desk.history(document).await.unwrap();
        let versions = &self.model.documents[&document];
        assert_eq!(history.len(), versions.len());
        let mut previous = None;
        for (info, version) in history.iter().zip(versions) {
            assert_eq!((info.described.version, &info.described.name), (version.id, &version.name));
            assert_eq!((&info.reason, info.previous), (&version.reason, previous));
            let mut reader = desk.reader_of(document, version.id).await.unwrap();
            let mut content = Vec::new();
            while let Some(part) = reader.next().await.unwrap() {
                content.extend_from_slice(&part);
            }
            assert_eq!(content, version.content());
            previous = Some(version.id);
        }
    }

    async fn grant(&mut self, desk: &Session, scope: Scope, following: bool, operation: &Operation) {
        let key = self.recipient.recipient_bytes();
        let recipient = Recipient::verify(&key, &self.recipient.fingerprint().to_string()).unwrap();
        let terms = Terms::read().purpose("p");
        let terms = if following { terms.following() } else { terms };
        let granted = desk.grant(scope, &recipient, terms).await;
        if let Some((id, ())) = agree(granted, self.model.may_grant(scope), operation) {
            self.model.granted(id, following);
        }
    }

    async fn deliver(&mut self, desk: &Session, grant: GrantId, operation: &Operation) {
        let delivered = agree(desk.deliver(grant).await, self.model.deliver(grant), operation);
        let Some((delivery, held)) = delivered else { return };
        let sealed = delivery.collect().await.unwrap();
        let mut opened = self.recipient.open(sealed.as_ref(), &desk.vault().sender()).unwrap();
        assert_eq!((opened.grant(), opened.documents()), (grant, held.len()), "{operation:?}");
        let mut found = 0;
        while let Some(document) = opened.next_document().unwrap() {
            let expected = &held[&document.id()];
            assert_eq!((document.version(), document.name()), (expected.id, expected.name.as_str()));
            assert_eq!(document.content().unwrap(), expected.content(), "{operation:?}");
            found += 1;
        }
        assert_eq!(found, held.len());
    }

    pub(super) async fn who_can_open(&self, desk: &Session, document: DocumentId) {
        let who = desk.who_can_open(document).await.unwrap();
        let grants = who.grants.iter().map(|one| (one.grant, (one.revoked.is_some(), one.deliveries)));
        assert_eq!(grants.collect::<BTreeMap<_, _>>(), self.model.openers(document));
        assert_eq!(who.slots.into_iter().map(|slot| slot.label).collect::<BTreeSet<_>>(), self.model.slots);
    }
}
