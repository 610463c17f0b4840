//! Receipts: proof for outsiders of what a record says.

use super::Session;
use crate::{
    crypto::chunked::OpenError,
    error::{Error, Result},
    ids::{DocumentId, VersionId},
    log::{
        body,
        commit::Hashed,
        leaf::{BodyForm, Kind, Leaf},
        row::RowKey,
    },
    observe,
    plan::{Browsed, LogReading},
    receipt::{Disclosure, Opening, Receipt},
    vault::Extent,
    verification::prove,
};

impl Session {
    /// The receipt for record `seq` under the checkpoint `note`: for a stored version with the digest of
    /// its content, for a statement with the SHA-256 of its claim; that is on record before it is released.
    ///
    /// [`Audit::checkpoint`](crate::Audit::checkpoint) gives a checkpoint; have it cosigned by witnesses
    /// first, or take one that was kept.
    ///
    /// # Errors
    ///
    /// Not found beyond the head; invalid if the checkpoint does not reach to the record;
    /// [`ErrorKind::Erased`](crate::ErrorKind::Erased) for a version of an erased case; corrupt, rolled
    /// back or forked if the note is no checkpoint of this log, or of a longer or another one; the
    /// storage's. If the release cannot be put on record, there is no receipt.
    ///
    /// # Security
    ///
    /// Who has the receipt knows the content's digest: of a form with few possible answers that may tell
    /// the answer.
    ///
    /// # Cancellation
    ///
    /// The record may stand; nothing was released.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use docvault::{NewDocument, TrustPolicy, Vault, keys::LocalKey, storage::MemoryStorage};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let key = LocalKey::create(folder.path().join("vault.key"))?;
    /// let vault = Vault::create(MemoryStorage::default(), key).await?;
    /// let desk = vault.session("user:1").purpose("intake").begin()?;
    /// let case = desk.create_case("c").await?;
    /// let stored = desk.store(case, NewDocument::named("INE.pdf"), b"...".to_vec()).await?;
    /// let note = vault.audit().checkpoint().await?;
    /// let receipt = desk.receipt(stored.seq, &note).await?.to_string(); // for the client
    ///
    /// // The client, with no vault, no network and no key:
    /// let keys = vault.audit().log().await?.verifier_keys().await?; // one for each signing epoch
    /// let log: String = keys.iter().map(|key| format!("log {key}\n")).collect();
    /// let policy = TrustPolicy::parse(&format!("{log}quorum none\n"))?;
    /// let proven = docvault::Receipt::parse(&receipt)?.verify(&policy)?;
    /// assert_eq!((proven.record, proven.content), (stored.seq, Some(stored.digest)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn receipt(&self, seq: u64, note: &str) -> Result<Receipt> {
        observe::operation("Session::receipt", self.vault.id(), self.receipt_with(seq, note, None)).await
    }

    /// [`Session::receipt`], with who did it and what for.
    ///
    /// # Errors
    ///
    /// As [`Session::receipt`]; invalid for the vault's first record, which nobody in the vault did.
    ///
    /// # Cancellation
    ///
    /// The record may stand; nothing was released.
    pub async fn receipt_with_actor(&self, seq: u64, note: &str) -> Result<Receipt> {
        observe::operation("Session::receipt_with_actor", self.vault.id(), async {
            let disclosure = self.disclosure(seq).await?;
            self.receipt_with(seq, note, Some(disclosure)).await
        })
        .await
    }

    async fn receipt_with(&self, seq: u64, note: &str, disclosure: Option<Disclosure>) -> Result<Receipt> {
        let ledger = self.vault.ledger();
        let state = ledger.sync().await?;
        let (record, proof) = prove(ledger.pages(), &state, seq, note).await?;
        let opening = match record.leaf.kind {
            Kind::Stored => Some(self.opening(&record.leaf).await?),
            Kind::Stated => Some(self.stated(&record.leaf).await?),
            _ => None,
        };
        Ok(Receipt::new(record.leaf, opening, disclosure, proof, note.to_owned()))
    }

    /// What a stored version's effect commitment was made of.
    async fn opening(&self, leaf: &Leaf) -> Result<Opening> {
        let document = DocumentId::new(leaf.case, leaf.object);
        self.browse(Browsed::Receipt(document.into()), 1).await?;
        let row = self.vault.fresh_row(&RowKey::version(document, VersionId::of(leaf.operation))).await?;
        let row = row.ok_or_else(|| Error::corrupt(format!("record {}", leaf.seq)))?;
        let head = self.vault.version_head(document, &row, Extent::Start).await?;
        let content_digest = *head.meta.content_digest.as_bytes();
        Ok(Opening { blind: head.meta.blind, head_digest: head.digest, content_digest })
    }

    /// What a statement's effect commitment was made of.
    async fn stated(&self, leaf: &Leaf) -> Result<Opening> {
        self.browse(Browsed::Receipt(leaf.case.into()), 1).await?;
        let said = self.said(leaf.case, leaf.seq).await?;
        let content_digest = said.digest.map_or([0; 32], |digest| *digest.as_bytes());
        Ok(Opening { blind: said.blind, head_digest: said.claimed(), content_digest })
    }

    /// A record's body and the key of its outer layer, on record before they are released.
    async fn disclosure(&self, seq: u64) -> Result<Disclosure> {
        self.read_record(seq, LogReading::Disclosure).await?;
        let ledger = self.vault.ledger();
        let disclose = |record: &Hashed, body: &[u8]| {
            if record.leaf.form == BodyForm::Plain {
                return Err(Error::invalid(
                    "the vault's first record is not sealed, and says of nobody that they did it",
                ));
            }
            let key = body::outer_key(ledger.audit(), body);
            let key = key.map_err(|OpenError| Error::corrupt(format!("record {seq}")))?;
            Ok(Disclosure { vault: self.vault.id(), key, body: body.to_vec() })
        };
        ledger.record(&ledger.state(), seq, disclose).await
    }
}
