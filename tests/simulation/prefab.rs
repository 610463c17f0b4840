//! Vaults that every run begins with: the same one at several ages, made once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use docvault::{
    CaseId, DocumentId, Error, GrantId, Identity, NewDocument, NewStatement, NoSleep, OperationId, Pin,
    Recipient, Secret, Sender, Session, Terms, Vault, VaultOptions, chunked,
    keys::{KeyError, KeyWrap, SlotKind},
    storage::MemoryStorage,
};

use super::{
    chance::{Chance, Seeded},
    delivered::{Granted, Holds},
    executor::{Hands, Time},
    history::{Register, Tag},
};

/// A root key by number. Whoever has one has all, so that rotating it locks nobody out.
#[derive(Debug)]
pub struct RootKey {
    pub number: u8,
    pub entropy: Seeded,
}

#[async_trait]
impl KeyWrap for RootKey {
    fn kind(&self) -> SlotKind {
        SlotKind::External(1)
    }

    async fn wrap(&self, context: &[u8; 32], secret: &Secret<32>) -> Result<Vec<u8>, KeyError> {
        let sealed = chunked::seal(&key(self.number), context, secret.expose(), &self.entropy)?;
        Ok([&[self.number], sealed.as_slice()].concat())
    }

    async fn unwrap(&self, context: &[u8; 32], wrapped: &[u8]) -> Result<Secret<32>, KeyError> {
        let (number, sealed) = wrapped.split_first().ok_or(KeyError::Refused)?;
        let opened = chunked::open(&key(*number), context, sealed).map_err(|_| KeyError::Refused)?;
        Secret::copy_from(&opened).ok_or(KeyError::Refused)
    }
}

fn key(number: u8) -> Secret<32> {
    Secret::copy_from(&[number; 32]).unwrap()
}

/// An upload that somebody may go on with.
#[derive(Debug, Clone)]
pub struct Begun {
    pub token: Vec<u8>,
    pub case: CaseId,
    pub document: Option<DocumentId>,
    pub tag: Tag,
}

/// What everybody has been told.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub cases: Vec<CaseId>,
    pub documents: Vec<DocumentId>,
    pub grants: Vec<GrantId>,
    pub uploads: Vec<Begun>,
}

#[derive(Debug)]
pub struct Prefab {
    pub objects: MemoryStorage,
    pub pin: Pin,
    pub genesis: Pin,
    pub known: Known,
    pub lists: BTreeMap<Register, Vec<Tag>>,
    pub granted: BTreeMap<GrantId, Granted>,
    pub case_tags: Vec<Tag>,
    pub next_tag: Tag,
}

/// What is stored under a tag: 16 to some 1,000 bytes that no other tag has.
pub fn content(tag: Tag) -> Vec<u8> {
    let mut chance = Chance::new(tag, 7);
    // Whatever is decided, it follows from the tag.
    let below = if tag.is_multiple_of(5) { 1000 } else { 60 };
    let len = 16 + chance.undecided(|chance| chance.below(below)) as usize;
    let mut bytes = tag.to_be_bytes().to_vec();
    bytes.extend((8..len).map(|_| chance.next() as u8));
    bytes
}

/// The tag of content, if it is that of one, whole.
pub fn tag_of(bytes: &[u8]) -> Option<Tag> {
    let tag = Tag::from_be_bytes(*bytes.first_chunk()?);
    (content(tag) == bytes).then_some(tag)
}

pub fn recipient() -> &'static Identity {
    static RECIPIENT: std::sync::OnceLock<Identity> = std::sync::OnceLock::new();
    RECIPIENT.get_or_init(|| Identity::from_seed(Secret::copy_from(&[1; 32]).unwrap()))
}

pub fn to_recipient() -> Recipient {
    let bytes = recipient().recipient_bytes();
    Recipient::verify(&bytes, &recipient().fingerprint().to_string()).unwrap()
}

/// What a delivery under this grant holds, each document of it whole.
pub fn opens(sealed: &[u8], sender: &Sender, grant: GrantId) -> Result<Option<Holds>, Error> {
    let mut opened = recipient().open(sealed, sender)?;
    let (of, count) = (opened.grant(), opened.documents());
    let mut holds = Holds::new();
    while let Some(document) = opened.next_document()? {
        let (id, name) = (document.id(), document.name().to_owned());
        let Some(tag) = tag_of(&document.content()?) else { return Ok(None) };
        if name != tag.to_string() || holds.insert(id, tag).is_some() {
            return Ok(None);
        }
    }
    Ok((of == grant && holds.len() == count).then_some(holds))
}

pub fn terms(purpose: impl Into<String>, following: bool) -> Terms {
    let terms = Terms::read().purpose(purpose);
    if following { terms.following() } else { terms }
}

pub fn named(tag: Tag) -> NewDocument {
    NewDocument::named(tag.to_string())
}

/// Records in the prefabricated logs: young, and just before and after the first and the second fold.
const SIZES: [u64; 4] = [24, 250, 506, 520];

pub fn all() -> Vec<Prefab> {
    let objects = Arc::new(MemoryStorage::new());
    let entropy = |stream| Seeded::new(Chance::new(0, stream));
    let root = Arc::new(RootKey { number: 1, entropy: entropy(1) });
    let clock = Hands { time: Time::default(), ahead: super::world::BIRTH };
    let options = VaultOptions::default().entropy(entropy(2)).clock(clock).sleeper(NoSleep::default());
    futures_lite::future::block_on(async {
        let vault = Vault::create_with(objects.clone(), root, options).await.unwrap();
        let desk = vault.session("founder").purpose("p").begin().unwrap();
        let mut founder = Founder::new(desk);
        let genesis = vault.pin();
        let mut made = Vec::new();
        for size in SIZES {
            while vault.pin().size() < size {
                founder.step().await;
            }
            made.push(Prefab {
                objects: objects.snapshot(),
                pin: vault.pin(),
                genesis: genesis.clone(),
                known: founder.known.clone(),
                lists: founder.lists.clone(),
                granted: founder.granted.clone(),
                case_tags: founder.case_tags.clone(),
                next_tag: founder.tag + 1,
            });
        }
        made
    })
}

struct Founder {
    desk: Session,
    known: Known,
    lists: BTreeMap<Register, Vec<Tag>>,
    granted: BTreeMap<GrantId, Granted>,
    case_tags: Vec<Tag>,
    tag: Tag,
    steps: u64,
}

impl Founder {
    fn new(desk: Session) -> Self {
        let (known, lists, granted) = Default::default();
        Self { desk, known, lists, granted, case_tags: Vec::new(), tag: 0, steps: 0 }
    }

    /// One operation: early on what there must be, later mostly what only makes the log longer.
    async fn step(&mut self) {
        self.steps += 1;
        self.tag += 1;
        let (desk, tag) = (&self.desk, self.tag);
        match self.steps {
            1..=3 => {
                self.known.cases.push(desk.create_case(tag.to_string()).await.unwrap());
                self.case_tags.push(tag);
            }
            4..=7 => {
                let case = self.known.cases[self.steps as usize % 3];
                let stored = desk.store(case, named(tag), content(tag)).await.unwrap();
                self.known.documents.push(stored.document);
                self.write(Register::Document(stored.document));
            }
            8 | 9 => self.grant(self.steps == 9).await,
            10 | 14 => self.begin_upload().await,
            60 => desk.rotate_signing_keys().await.unwrap(),
            90 => drop(desk.rotate_epoch().await.unwrap()),
            steps if steps % 24 == 12 => {
                let document = self.known.documents[(steps / 24) as usize % 4];
                desk.store_version(document, named(tag), "r", content(tag)).await.unwrap();
                self.write(Register::Document(document));
            }
            steps if steps % 24 == 13 => {
                let case = self.known.cases[(steps / 24) as usize % 3];
                let statement = NewStatement::on("t").payload(tag.to_be_bytes());
                desk.make_statement(case, statement).await.unwrap();
                self.write(Register::Statements(case));
            }
            _ => drop(desk.outcome(OperationId::from_bytes([7; 16])).await.unwrap()),
        }
    }

    fn write(&mut self, register: Register) {
        self.lists.entry(register).or_default().push(self.tag);
    }

    async fn grant(&mut self, following: bool) {
        let case = self.known.cases[self.steps as usize % 3];
        let grant = self.desk.grant(case, &to_recipient(), terms("p", following)).await.unwrap();
        let held = self.lists.iter().filter_map(|(register, list)| match register {
            Register::Document(document) if document.case() == case => Some((*document, *list.last()?)),
            _ => None,
        });
        let granted = if following { Granted::Following(None) } else { Granted::Before(held.collect()) };
        self.granted.insert(grant, granted);
        self.known.grants.push(grant);
    }

    async fn begin_upload(&mut self) {
        let (case, tag) = (self.known.cases[0], self.tag);
        let mut upload = self.desk.upload(case, named(tag)).await.unwrap();
        upload.write(&content(tag)[..12]).await.unwrap();
        upload.next_page().await.unwrap();
        let token = upload.token().unwrap().to_bytes();
        self.known.uploads.push(Begun { token, case, document: None, tag });
    }
}

/// A pin that outlives its process.
#[derive(Debug, Clone)]
pub struct Kept(pub Arc<Mutex<Pin>>);

impl Kept {
    pub fn pin(&self) -> Pin {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl docvault::PinStore for Kept {
    async fn load(&self) -> docvault::Result<Option<Pin>> {
        Ok(Some(self.pin()))
    }

    async fn save(&self, pin: &Pin) -> docvault::Result<()> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.size() < pin.size() {
            *kept = pin.clone();
        }
        Ok(())
    }
}
