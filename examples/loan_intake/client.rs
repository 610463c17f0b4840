//! The client's telephone: it has the link, the papers, and a journal of each deposit.

use std::collections::BTreeMap;

use bytes::Bytes;
use docvault::{
    DepositId, RequestId, SystemEntropy, TrustPolicy,
    deposit::{Depositor, File, Link, OpenedRequest, Promise, Standing, Verdict},
    intake::Date,
};

use crate::{
    Outcome,
    bank::Bank,
    connection::{Connection, Lost},
    must,
    papers::{self, Envelope},
};

pub(crate) struct Client {
    pub(crate) request: OpenedRequest,
    today: Date,
    /// What stays on the telephone: a journal and the carrier's promise for each deposit.
    kept: Vec<(&'static str, Bytes, Promise)>,
    /// And the manifest of each that was finished, from before it is sent: there may be no other of the same deposit.
    manifests: BTreeMap<DepositId, Bytes>,
}

impl Client {
    /// Opens the link: what the carrier shows is checked against it.
    pub(crate) async fn open(bank: &Bank, request: RequestId, url: &str) -> Outcome<Self> {
        let (link, now) = (Link::parse(url)?, bank.vault.now());
        let shown = bank.carrier.descriptor(request).await?;
        let request = OpenedRequest::open(&shown, &link, None, now)?;
        let asked: Vec<&str> = request.slots().iter().map(|slot| slot.requirement.as_str()).collect();
        must(asked == papers::ASKED, "the link asks for what was meant")?;
        println!("   the telephone opens it and is asked for {}", asked.join(", "));
        let today = Date::at(now, bank.template.utc_offset());
        Ok(Self { request, today, kept: Vec::new(), manifests: BTreeMap::new() })
    }

    pub(crate) async fn hand_in_everything(&mut self, connection: &mut Connection<'_>) -> Outcome<()> {
        for envelope in papers::everything(self.today) {
            if envelope.requirement == "official_id" {
                self.hand_in_over_a_bad_connection(connection, &envelope).await?;
            } else {
                self.hand_in(connection, &envelope).await?;
            }
        }
        Ok(())
    }

    pub(crate) async fn correct(&mut self, connection: &mut Connection<'_>) -> Outcome<()> {
        for envelope in papers::corrected(self.today) {
            self.hand_in(connection, &envelope).await?;
        }
        Ok(())
    }

    async fn hand_in(&mut self, connection: &mut Connection<'_>, envelope: &Envelope) -> Outcome<()> {
        let mut deposit = self.begin(envelope)?;
        let journal = deposit.journal(&SystemEntropy::default())?;
        self.send(connection, &mut deposit, envelope, &journal).await?;
        Ok(())
    }

    /// After three parts nothing gets through; the telephone restarts, and has its journal and the photographs.
    async fn hand_in_over_a_bad_connection(
        &mut self,
        connection: &mut Connection<'_>,
        envelope: &Envelope,
    ) -> Outcome<()> {
        let mut deposit = self.begin(envelope)?;
        let (parts, journal) = (deposit.places().len(), deposit.journal(&SystemEntropy::default())?);
        let mut bad = Connection::to(connection.carrier()).drops_after(3);
        let lost = self.send(&mut bad, &mut deposit, envelope, &journal).await;
        let dropped = matches!(lost.as_ref().map_err(|error| error.downcast_ref()), Err(Some(Lost::Dropped)));
        must(dropped && bad.sent == 3, "the connection dropped after three parts")?;
        println!("   official_id: the connection dropped after {} of {parts} parts", bad.sent);
        drop(deposit);

        let mut resumed = self.request.resume(&journal)?;
        let before = connection.sent;
        self.send(connection, &mut resumed, envelope, &journal).await?;
        let sent = connection.sent - before;
        must(usize::try_from(sent)? + 3 == parts, "only what was missing was sent again")?;
        println!("   official_id: resumed from the journal, {sent} parts sent");
        Ok(())
    }

    fn begin(&self, envelope: &Envelope) -> Outcome<Depositor> {
        let slot = self.request.slots().iter().position(|slot| slot.requirement == envelope.requirement);
        let slot = u16::try_from(slot.ok_or("this is not asked for")?)?;
        let file = |paper: &papers::Paper| {
            File::new(&*paper.name, paper.media_type, u64::try_from(paper.bytes.len()).unwrap_or(u64::MAX))
        };
        let files = envelope.papers.iter().map(file).collect();
        Ok(self.request.begin(slot, files, &SystemEntropy::default())?)
    }

    /// Seals everything, sends what the carrier has not got, and keeps its promise.
    async fn send(
        &mut self,
        connection: &mut Connection<'_>,
        deposit: &mut Depositor,
        envelope: &Envelope,
        journal: &Bytes,
    ) -> Outcome<()> {
        let request = self.request.descriptor().request();
        let held = connection.held(request, deposit.id()).await?.parts;
        for (page, part) in deposit.places() {
            let range = deposit.range(page, part);
            let range = usize::try_from(range.start)?..usize::try_from(range.end)?;
            let paper = envelope.papers.get(usize::from(page)).and_then(|paper| paper.bytes.get(range));
            let sealed = deposit.seal_part(page, part, paper.ok_or("the paper is gone")?)?;
            match held.iter().find(|held| (held.page, held.part) == (page, part)) {
                Some(held) => must(deposit.holds(held)?, "the carrier has the same bytes")?,
                None => connection.part(sealed).await?,
            }
        }
        let manifest = self.finished(deposit, envelope)?;
        let promise = connection.manifest(manifest.clone()).await?;
        let promise = deposit.check_promise(&promise, &manifest)?;
        println!("   {}: {} file(s), promised", envelope.requirement, envelope.papers.len());
        self.kept.push((envelope.requirement, journal.clone(), promise));
        Ok(())
    }

    fn finished(&mut self, deposit: &mut Depositor, envelope: &Envelope) -> Outcome<Bytes> {
        if let Some(made) = self.manifests.get(&deposit.id()) {
            return Ok(made.clone());
        }
        let manifest = deposit.finish(envelope.answers.clone(), envelope.remark)?;
        self.manifests.insert(deposit.id(), manifest.clone());
        Ok(manifest)
    }

    /// Fetches the office's answers and verifies each by the policy that came with the link.
    pub(crate) async fn check_answers(&self, bank: &Bank, expected: usize, refused: &[&str]) -> Outcome<()> {
        let policy = TrustPolicy::parse(self.request.policy())?;
        let request = self.request.descriptor().request();
        let mut seen = Vec::new();
        for (requirement, journal, promise) in &self.kept {
            let deposit = self.request.resume(journal)?;
            let held = bank.carrier.held(request, deposit.id()).await?;
            let answer = deposit.open_answer(0, held.answers.first().ok_or("no answer yet")?)?;
            let proven = self.request.verify(&answer, &policy)?;
            let in_time = promise.standing(bank.vault.now(), Some(&proven)) == Standing::Answered;
            must(in_time && proven.claim.requirement == *requirement, "each deposit is answered in time")?;
            must(proven.receipt.witnesses.len() == 1, "a witness has cosigned the answer's checkpoint")?;
            match proven.claim.verdict {
                Verdict::Accepted => {}
                _ => seen.push(*requirement),
            }
        }
        must(self.kept.len() == expected && seen == refused, "the answers say what happened")?;
        println!("   the telephone verified {expected} receipts, {} of a refusal", seen.len());
        Ok(())
    }
}
