//! What an office answers to a deposit (§11.4): claims, receipts, and the answers that carry them.

use super::{
    chest::{Chest, Id, Key, Record},
    commit::merkle,
    deposits::{Deposit, JOURNAL, small},
    file::KitFile,
    forge::{Dice, Out, context, pad, seal, sha256},
    notes::{checkpoint, log_key, proof},
    requests::PLAIN,
};

/// What is claimed of a deposit, and the log that states it.
struct Answer {
    deposit: Deposit,
    start: [u8; 8],
    claim_start: [u8; 8],
    case: Id,
    verdict: u8,
    reserved: [u8; 7],
    reason: Vec<u8>,
    requirement: Vec<u8>,
    manifest: Key,
    behind: Vec<u8>,
    promise: Vec<u8>,
    /// What the record says is the content.
    content: Key,
    /// Instead of the claim, what the record states.
    stated: Option<Vec<u8>>,
    /// What the record is about, if not the case.
    about: Option<Id>,
}

impl Answer {
    fn new() -> Self {
        let deposit = Deposit::new("journal-sound", &small());
        let manifest = deposit.manifest();
        Self {
            start: *b"dvdr\x01\x01\0\0",
            claim_start: *b"dvcl\x01\x01\0\0",
            case: deposit.request.case,
            verdict: 1,
            reserved: [0; 7],
            reason: Vec::new(),
            requirement: b"official-id".to_vec(),
            manifest: sha256(&[&manifest]),
            behind: Vec::new(),
            promise: deposit.promise(&manifest),
            content: [0; 32],
            stated: None,
            about: None,
            deposit,
        }
    }

    fn claim(&self) -> Vec<u8> {
        let request = &self.deposit.request;
        let out = Out::default().fixed(&self.claim_start).fixed(&request.chest.vault).fixed(&self.case);
        let out = out.fixed(&request.id).fixed(&self.deposit.id).u8(self.verdict).fixed(&self.reserved);
        let out = out.bytes(&self.reason).bytes(&self.requirement).fixed(&self.manifest);
        let mut out = out.u64(1_790_000_300_000).u32(self.deposit.pages.len());
        for page in &self.deposit.pages {
            out = out.u64(page.len() as u64).fixed(blake3::hash(page).as_bytes());
        }
        out.fixed(&self.behind).0
    }

    /// The receipt of the record that states the claim, by the vault of the request.
    fn record_receipt(&self, claim: &[u8]) -> String {
        let mut chest = Chest { dice: Dice::new("deposits/answer"), ..super::log::base().0 };
        let (blind, digest): (Key, Key) = (chest.dice.array(), self.content);
        let hash = sha256(&[self.stated.as_deref().unwrap_or(claim)]);
        let effect = context("effect", &[&blind, &hash, &digest]);
        let personal = Out::default().fixed(&blind).fixed(&digest).bytes(claim).bytes(b"").0;
        let case_key = super::log::base().1.key;
        let record = Record {
            flags: 2,
            case: self.about.unwrap_or(self.case),
            effect,
            details: Out::default().text("deposit").0,
            personal: Some((case_key, personal)),
            ..chest.record(19)
        };
        chest.commit(vec![record]);
        let hashes = chest.hashes();
        let note = checkpoint(&chest.origin(), hashes.len(), &merkle(&hashes), &chest.signing.checkpoint);
        let extra = Out::default().fixed(b"dvrc\x01\x01\0\0").fixed(chest.leaves.last().unwrap()).u8(1);
        let extra = extra.fixed(&blind).fixed(&hash).fixed(&digest).u8(0).0;
        proof(&extra, hashes.len() - 1, &hashes, &note)
    }

    fn receipt(&self) -> Vec<u8> {
        let claim = self.claim();
        let receipt = self.record_receipt(&claim);
        Out::default().fixed(&self.start).bytes(&claim).bytes(&self.promise).text(&receipt).0
    }
}

fn receipt(name: &str, what: &str, class: &str, change: impl FnOnce(&mut Answer)) -> KitFile {
    let mut answer = Answer::new();
    change(&mut answer);
    KitFile::new(&format!("deposits/receipt-{name}"), "deposit-receipt", "§11.4", what)
        .expect(class)
        .with("request", PLAIN)
        .with("policy", format!("log {}", log_key(&answer.deposit.request.chest)))
        .with("policy", "quorum none")
        .body(answer.receipt())
}

pub fn files() -> Vec<KitFile> {
    [receipts(), claims(), answers()].concat()
}

fn receipts() -> Vec<KitFile> {
    let mut other_log = receipt("other-log", "By a policy that names another log", "receipt", |_| {});
    let other = log_key(&Chest::new("deposits/other"));
    other_log
        .fields
        .iter_mut()
        .filter(|(_, value)| value.starts_with("log "))
        .for_each(|(_, value)| *value = format!("log {other}"));
    let mut behind = receipt("byte-behind", "A byte behind the record's receipt", "malformed", |_| {});
    behind.body.push(0);
    vec![
        receipt("accepted", "A deposit that was accepted", "accept", |_| {}),
        receipt("refused", "A deposit that was refused", "accept", |answer| {
            (answer.verdict, answer.reason) = (2, b"blurred-photo".to_vec());
        }),
        receipt("quarantined", "A deposit that was set aside", "accept", |answer| {
            (answer.verdict, answer.reason) = (3, b"inspection".to_vec());
        }),
        receipt("unreadable", "A deposit that nobody can read: no pages", "accept", |answer| {
            (answer.verdict, answer.reason) = (2, b"unreadable".to_vec());
            answer.deposit.pages.clear();
            answer.content = context("pages", &[]);
        }),
        other_log,
        behind,
        receipt("format", "Format 2", "malformed", |answer| answer.start[4] = 2),
        receipt("reserved", "A reserved bit", "malformed", |answer| answer.start[7] = 1),
        receipt("forged-promise", "A promise that the carrier did not sign", "promise", |answer| {
            answer.promise =
                answer.deposit.promise_of(*b"dvpr\x01\x01\0\0", &answer.deposit.manifest(), &[9; 32]);
        }),
        receipt("other-manifest", "A claim about another manifest than was promised", "mismatch", |answer| {
            answer.manifest = [9; 32];
        }),
        receipt("other-deposit", "A promise of another deposit", "mismatch", |answer| {
            let other = Deposit::new("other", &small());
            answer.promise = other.promise(&other.manifest());
        }),
        receipt("other-claim", "A record that states something else", "claim", |answer| {
            answer.stated = Some(b"other".to_vec());
        }),
        receipt("other-case", "A record about another case", "claim", |answer| answer.about = Some([9; 16])),
    ]
}

fn claims() -> Vec<KitFile> {
    let claim = |name: &str, what: &str, change: fn(&mut Answer)| {
        receipt(&format!("claim-{name}"), what, "malformed", change)
    };
    vec![
        claim("format", "A claim of format 2", |answer| answer.claim_start[4] = 2),
        claim("reserved", "A reserved bit", |answer| answer.claim_start[6] = 1),
        claim("reserved-verdict", "A reserved bit behind the verdict", |answer| answer.reserved[0] = 1),
        claim("verdict-0", "No verdict", |answer| answer.verdict = 0),
        claim("verdict-4", "A verdict that is not known", |answer| answer.verdict = 4),
        claim("accepted-with-reason", "Accepted, with a reason", |answer| answer.reason = b"x".to_vec()),
        claim("refused-without-reason", "Refused, without a reason", |answer| answer.verdict = 2),
        claim("reason-alphabet", "A reason with a space in it", |answer| {
            (answer.verdict, answer.reason) = (2, b"blurred photo".to_vec());
        }),
        claim("reason-too-long", "A reason of 65 bytes", |answer| {
            (answer.verdict, answer.reason) = (2, vec![b'r'; 65]);
        }),
        claim("unreadable-with-pages", "Pages of what nobody can read", |answer| {
            (answer.verdict, answer.reason) = (2, b"unreadable".to_vec());
        }),
        claim("no-requirement", "No requirement", |answer| answer.requirement.clear()),
        claim("requirement-too-long", "A requirement of 129 bytes", |answer| {
            answer.requirement = vec![b'r'; 129];
        }),
        claim("byte-behind", "A byte behind the last page", |answer| answer.behind.push(0)),
    ]
}

/// A receipt, sealed for whoever made the deposit.
fn answers() -> Vec<KitFile> {
    let answer = |name: &str, what: &str, class: &str, start: [u8; 8], change: fn(&mut Sealed)| {
        let answer = Answer::new();
        let Deposit { request, id, key, .. } = &answer.deposit;
        let padded = pad(&answer.receipt());
        let mut sealed =
            Sealed { deposit: *id, named: *id, key: *key, number: 0, bound: 0, reserved: [0; 6], padded };
        change(&mut sealed);
        let bound =
            context("deposit answer", &[&request.digest(), &sealed.deposit, &sealed.bound.to_be_bytes()]);
        let out = Out::default().fixed(&start).fixed(&request.id).fixed(&sealed.named).u16(sealed.number);
        let content = seal(&sealed.key, &bound, &sealed.padded, &mut Dice::new(name));
        KitFile::new(&format!("deposits/answer-{name}"), "answer", "§11.4", what)
            .expect(class)
            .with("request", PLAIN)
            .with("journal", JOURNAL)
            .body(out.fixed(&sealed.reserved).fixed(&content).0)
    };
    let sound = *b"dvda\x01\x01\0\0";
    vec![
        answer("sound", "An answer", "accept", sound, |_| {}),
        answer("second", "The second answer", "accept", sound, |sealed| {
            (sealed.number, sealed.bound) = (1, 1);
        }),
        answer("format", "Format 2", "corrupt", *b"dvda\x02\x01\0\0", |_| {}),
        answer("reserved", "A reserved bit", "corrupt", sound, |sealed| sealed.reserved[5] = 1),
        answer("other-number", "The first answer, said to be the second", "corrupt", sound, |sealed| {
            sealed.number = 1;
        }),
        answer("other-deposit", "Sealed for another deposit", "corrupt", sound, |sealed| {
            sealed.deposit = [9; 16];
        }),
        answer("names-other-deposit", "It names another deposit", "corrupt", sound, |sealed| {
            sealed.named = [9; 16];
        }),
        answer("other-key", "Sealed under another key", "corrupt", sound, |sealed| sealed.key = [9; 32]),
        answer("padding", "Padding that is not zero", "corrupt", sound, |sealed| {
            *sealed.padded.last_mut().unwrap() = 1;
        }),
    ]
}

/// What an answer is sealed with.
struct Sealed {
    deposit: Id,
    named: Id,
    key: Key,
    number: u16,
    bound: u16,
    reserved: [u8; 6],
    padded: Vec<u8>,
}
