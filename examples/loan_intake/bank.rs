//! The office: a vault on a folder, people at their desks, a witness; and a carrier that is none of its business.

use std::{sync::Arc, time::Duration};

use docvault::{
    CaseId, MemoryWitnessStore, TrustPolicy, Vault, Witness, WitnessKey,
    deposit::{Carrier, CarrierKey, CarrierPublicKey, Inbox, Promise},
    intake::{AcceptedSubmission, Desk, Key, Submitted, Template, Verdict},
    keys::LocalKey,
    storage::{FsStorage, MemoryStorage},
};
use tempfile::TempDir;

use crate::{Outcome, client::Client, must};

pub(crate) const DAYS: Duration = Duration::from_secs(24 * 3600);

pub(crate) struct Bank {
    pub(crate) vault: Vault,
    pub(crate) template: Template,
    pub(crate) executive: Desk,
    pub(crate) reviewers: [Desk; 2],
    /// The carrier: a key and a storage of its own, and the public key of the vault.
    pub(crate) carrier: Carrier,
    pub(crate) carrier_key: CarrierPublicKey,
    pub(crate) carried: Arc<MemoryStorage>,
    /// Which log and which witness the client and the authority trust.
    pub(crate) policy: TrustPolicy,
    witness: Witness,
    cosigned: u64,
    pub(crate) folder: TempDir,
}

/// What was taken in.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) accepted: Vec<AcceptedSubmission>,
    pub(crate) refused: Vec<String>,
}

impl Taken {
    fn add(&mut self, submitted: Submitted, promise: &Promise, client: &Client) -> Outcome<()> {
        match submitted {
            Submitted::Accepted(accepted) => self.accepted.push(accepted),
            Submitted::SetAside { verdict, reason, .. } => {
                must(verdict == Verdict::Refused, "nothing is quarantined here")?;
                let slot = client.request.slots().get(usize::from(promise.deposit().slot()));
                let requirement = &slot.ok_or("the slot is known")?.requirement;
                println!("   {requirement}: refused by inspection: {reason}");
                self.refused.push(requirement.clone());
            }
            _ => must(false, "it is accepted or set aside")?,
        }
        Ok(())
    }

    pub(crate) fn merge(&mut self, newer: Self) {
        for accepted in newer.accepted {
            self.accepted.retain(|before| before.requirement != accepted.requirement);
            self.accepted.push(accepted);
        }
        self.refused.extend(newer.refused);
    }

    pub(crate) fn of(&self, requirement: &str) -> Outcome<&AcceptedSubmission> {
        let found = self.accepted.iter().find(|accepted| accepted.requirement == *requirement);
        found.ok_or_else(|| format!("nothing was accepted for {requirement}").into())
    }
}

impl Bank {
    pub(crate) async fn open() -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let key = LocalKey::create(folder.path().join("vault.key"))?;
        let vault = Vault::create(FsStorage::create(folder.path().join("vault"))?, key).await?;
        let session = |actor: &str| vault.session(actor).purpose("personal loans").begin();
        let reviewer: Key = "reviewer".parse()?;
        let executive = Desk::new(session("executive:7")?);
        let reviewers = [
            Desk::new(session("reviewer:1")?).role(reviewer.clone()),
            Desk::new(session("reviewer:2")?).role(reviewer),
        ];
        let carried = Arc::new(MemoryStorage::default());
        let own = CarrierKey::create(folder.path().join("carrier.key"))?;
        let carrier_key = own.public();
        let carrier = Carrier::new(carried.clone(), own, vault.sender());
        carrier.prove().await?;

        let keys = vault.audit().log().await?.verifier_keys().await?;
        let log: String = keys.iter().map(|key| format!("log {key}\n")).collect();
        let key = WitnessKey::create(folder.path().join("witness.key"), "witness.example/chamber")?;
        let policy = format!("{log}witness chamber {}\nquorum chamber\n", key.verifier_key());
        let known = TrustPolicy::parse(&format!("{log}quorum none\n"))?;
        let witness = Witness::new(key, known, MemoryWitnessStore::default());
        let (template, policy) = (Template::personal_loan(), TrustPolicy::parse(&policy)?);
        Ok(Self {
            vault,
            template,
            executive,
            reviewers,
            carrier,
            carrier_key,
            carried,
            policy,
            witness,
            cosigned: 0,
            folder,
        })
    }

    /// A checkpoint of everything so far that the witness has cosigned.
    pub(crate) async fn cosigned(&mut self) -> Outcome<String> {
        let audit = self.vault.audit();
        let (note, log) = (audit.checkpoint().await?, audit.log().await?);
        let request = log.witness_request(self.cosigned, &note).await?;
        let answer = self.witness.add_checkpoint(&request.to_string())?;
        let note = self.policy.add_cosignatures(&note, &answer)?;
        self.cosigned = self.policy.check(&note)?.checkpoint.size();
        Ok(note)
    }

    /// Takes in every deposit that is not in the case, and answers each that has no answer: what failed between the two is
    /// made up for when this is called again.
    pub(crate) async fn take_in(&mut self, case: CaseId, client: &Client) -> Outcome<Taken> {
        let request = client.request.descriptor().request();
        let secrets = self.executive.session().request_secrets(case, request).await?;
        let inbox = Inbox::open(self.carried.clone(), request, &self.vault.sender(), secrets).await?;
        let mut taken = Taken::default();
        for promise in inbox.promises().await? {
            let state = self.executive.case(case).await?;
            let known = state.state().requests().get(&request);
            if !known.is_some_and(|known| known.deposits.contains(&promise.deposit())) {
                let submitted = self.executive.take_in(case, &inbox, &promise).await?;
                taken.add(submitted, &promise, client)?;
            }
            // Each deposit opens here: of one that does not, the receipt is all there is, and to be kept.
            let incoming = inbox.deposit(&promise).await?;
            if !inbox.is_answered(&incoming).await? {
                let note = self.cosigned().await?;
                self.executive.answer(case, &inbox, &promise, &note).await?;
            }
        }
        println!(
            "   {} accepted, {} refused; each answered by a receipt",
            taken.accepted.len(),
            taken.refused.len()
        );
        Ok(taken)
    }
}
