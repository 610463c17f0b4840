//! Who makes those logs.

use super::*;

pub(crate) const VAULT: VaultId = VaultId::from_bytes([1; 16]);

pub(crate) fn key(epoch: u8) -> SigningKey {
    SigningKey::from_seed(Secret::take([epoch; 32]))
}

/// What the first record states of this vault, with the key of this number for the first epoch.
pub(crate) fn genesis(number: u8, vault: VaultId) -> Bytes {
    let [commit, delivery, checkpoint] = [number, 101, 201].map(|seed| key(seed).verifying_key());
    Statement { commit, delivery, checkpoint, origin: origin(vault) }.encode()
}

/// Whether it is a change of the keyring, which is about no object.
fn names_nothing(kind: Kind) -> bool {
    matches!(kind, Kind::Keyring | Kind::SigningKeys)
}

/// A log under construction, a record a commit, with nothing behind it but keys and a storage.
#[derive(Clone)]
pub(crate) struct Forger {
    pub(crate) state: State,
    pub(crate) objects: Vec<(ObjectKey, Bytes)>,
}

impl Forger {
    pub(crate) fn new() -> Self {
        Self::begun_with(1, genesis(1, VAULT))
    }

    /// Whose first record, signed by the key of this number, states this.
    pub(crate) fn begun_with(number: u8, statement: Bytes) -> Self {
        Self::begun_as(VAULT, VAULT, number, statement)
    }

    /// The log of `vault`, whose first record is about another, if it is.
    pub(crate) fn begun_as(vault: VaultId, about: VaultId, number: u8, statement: Bytes) -> Self {
        let (signer, object) = (key(number), *about.as_bytes());
        let state = State::empty(vault, LogKey::first(signer.verifying_key()));
        let mut forger = Self { state, objects: Vec::new() };
        let first = Leaf { body: body_commitment(&statement), object, ..forger.leaf(Kind::Genesis, 0) };
        forger.add_entry(first, statement, &signer, &Frontier::default());
        forger
    }

    pub(crate) fn leaf(&self, kind: Kind, mark: u8) -> Leaf {
        let next = self.state.log_key.epoch.saturating_add(1);
        let fresh = key(u8::try_from(next).expect("few epochs"));
        let stated = if kind == Kind::SigningKeys { fresh.verifying_key().to_bytes() } else { [0; 32] };
        let read = kind == Kind::Read;
        Leaf {
            kind,
            form: if kind == Kind::Genesis { BodyForm::Plain } else { BodyForm::Outer },
            position: 0,
            seq: self.state.head.size,
            time: Timestamp::from_millis(1000),
            previous: self.state.head.hash,
            case: CaseId::from_bytes([u8::from(read); 16]),
            object: match kind {
                Kind::Genesis => *VAULT.as_bytes(),
                _ if names_nothing(kind) => [0; 16],
                _ => [mark | 0x80; 16],
            },
            auxiliary: if read { padded(&[mark | 0x80; 16]) } else { stated },
            operation: OperationId::from_bytes([mark.wrapping_add(1); 16]),
            key_epoch: self.state.log_key.epoch,
            process: [0; 12],
            body: body_commitment(b"body"),
            effect: if read { [0; 32] } else { [9; 32] },
            state_root: stated,
        }
    }

    /// Adds a record as an honest writer does, but for who signs it.
    pub(crate) fn add(&mut self, kind: Kind, mark: u8, signer: &SigningKey) {
        let before = self.state.frontier.clone();
        self.add_to(kind, mark, signer, &before);
    }

    /// Adds a record under the root of another tree than the chain's.
    pub(crate) fn add_to(&mut self, kind: Kind, mark: u8, signer: &SigningKey, before: &Frontier) {
        self.add_entry(self.leaf(kind, mark), Bytes::from_static(b"body"), signer, before);
    }

    pub(crate) fn add_entry(&mut self, leaf: Leaf, body: Bytes, signer: &SigningKey, before: &Frontier) {
        let nonce = [leaf.operation.as_bytes()[0]; 16];
        let entries = vec![Entry { record: Hashed::new(leaf), body }];
        let recent = self.state.recent(1);
        self.add_entries(entries, &recent, nonce, signer, before);
    }

    pub(crate) fn add_entries(
        &mut self,
        entries: Vec<Entry>,
        recent: &[Bytes],
        nonce: [u8; 16],
        signer: &SigningKey,
        before: &Frontier,
    ) {
        let draft = Draft { vault: self.state.vault, before, recent, entries, nonce };
        let sealed = draft.seal(signer).expect("an entry");
        let after = self.state.frontier.followed_by(sealed.records.iter().map(|record| record.hash));
        self.state.append(sealed.records, after);
        self.objects.push((sealed.key, sealed.bytes));
    }

    pub(crate) fn grow(&mut self, count: u8, signer: &SigningKey) {
        (0..count).for_each(|mark| self.add(Kind::Read, mark, signer));
    }

    pub(crate) fn trusted(&self) -> Trusted {
        Trusted::from(&self.state.pin())
    }

    pub(crate) async fn stored(&self) -> Arc<MemoryStorage> {
        let storage = Arc::new(MemoryStorage::default());
        for (key, bytes) in &self.objects {
            storage.create(key, bytes.clone()).await.expect("memory");
        }
        storage
    }

    /// The log as it was when it had so many records.
    pub(crate) fn up_to(&self, size: usize) -> Self {
        let mut shorter = self.clone();
        shorter.objects.truncate(size);
        shorter
    }

    /// What a reader with this pin makes of the log: by opening it, and by walking it from the pin.
    pub(crate) fn seen_from(&self, trusted: &Trusted) -> Result<State> {
        block_on(async {
            let storage = self.stored().await;
            let pages = Pages::new(storage.clone());
            let opened = load(trusted, &pages).await?.expect("there is a log");
            let from = Verified::trusted(trusted.size, trusted.head, trusted.log_key);
            for signatures in [Signatures::Each, Signatures::EndsOfEpochs] {
                walk(&*storage, VAULT, from.clone(), opened.head, signatures, &mut |_: &_| Ok(())).await?;
            }
            Ok(opened)
        })
    }

    pub(crate) fn refused_from(&self, trusted: &Trusted) -> ErrorKind {
        self.seen_from(trusted).map(|state| state.head).expect_err("a forgery").kind()
    }

    /// The leaf hash of a record, a record being a commit.
    pub(crate) fn objects_hash(&self, record: u64) -> [u8; 32] {
        let at = usize::try_from(record).expect("small");
        let (_, bytes) = self.objects.get(at).expect("added");
        let commit = Commit::parse(VAULT, bytes).expect("sealed");
        commit.leaves.first().expect("one").hash
    }
}
