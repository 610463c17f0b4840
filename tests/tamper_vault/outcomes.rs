//! What comes of alterations, and the table of what may.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use docvault::storage::ObjectKey;

use super::{
    alterations::{Alteration, Round},
    fault::Fault,
    overlay::Overlay,
    questions::{Facts, QUESTIONS, Question},
    template::Template,
};
use crate::common::block_on;

/// The kind of an object, what was done to it, and what was asked.
pub(crate) type Case = (String, String, String);
/// Each outcome that was met.
pub(crate) type Outcomes = BTreeMap<Case, BTreeMap<String, Met>>;

/// How often, and of what first.
#[derive(Clone)]
pub(crate) struct Met {
    pub(crate) times: u64,
    pub(crate) first: String,
}

/// How many questions are put to an alteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Two, which ones goes round.
    Few,
    /// All, but for flips and cuts, to which they are put in turns.
    Turns,
    /// All.
    All,
}

/// The answers on objects as they are, and what each question looks at.
pub(crate) struct Honest<'a> {
    template: &'a Template,
    depth: Depth,
    looks: Vec<Looks>,
    answers: Mutex<BTreeMap<Asked, Arc<Facts>>>,
}

/// A question and where it was asked.
type Asked = (&'static str, Option<usize>);

struct Looks {
    question: &'static Question,
    read: BTreeSet<ObjectKey>,
    listed: BTreeSet<ObjectKey>,
}

impl<'a> Honest<'a> {
    pub(crate) fn asked(template: &'a Template, depth: Depth) -> Self {
        let looks = QUESTIONS.iter().map(|question| {
            let storage = template.overlay();
            block_on((question.ask)(template, storage.clone(), None)).unwrap();
            let (read, listed) = storage.looked_at();
            Looks { question, read, listed }
        });
        Self { template, depth, looks: looks.collect(), answers: Mutex::default() }
    }

    /// Objects that no question reads, and those that none lists either.
    pub(crate) fn read(&self) -> BTreeSet<&ObjectKey> {
        self.looks.iter().flat_map(|looks| &looks.read).collect()
    }

    /// Objects that a question reads.
    #[allow(dead_code, reason = "fuzzing alters what is looked at")]
    pub(crate) fn read_by(&self, question: &str) -> impl Iterator<Item = &ObjectKey> {
        self.looks.iter().filter(move |looks| looks.question.name == question).flat_map(|looks| &looks.read)
    }

    fn answer(&self, question: &Question, place: Option<usize>) -> Arc<Facts> {
        let known = self.answers.lock().unwrap().get(&(question.name, place)).cloned();
        known.unwrap_or_else(|| {
            let asked = block_on((question.ask)(self.template, self.template.overlay(), place));
            let answer = Arc::new(asked.unwrap());
            self.answers.lock().unwrap().insert((question.name, place), answer.clone());
            answer
        })
    }

    /// Puts an alteration to whatever can notice it. In turns, a flip or a cut is put to one question, which one goes
    /// round; one in eight that it does not refuse is put to the others, too.
    pub(crate) fn try_out(&self, at: u64, round: &Round<'_>, outcomes: &mut Outcomes) {
        let relevant: Vec<&Looks> = self.looks.iter().filter(|looks| looks.may_notice(round)).collect();
        let Some(first) = at.checked_rem(relevant.len() as u64) else { return };
        let (before, from) = relevant.split_at(first as usize);
        let number = round.alteration.number().filter(|_| self.depth == Depth::Turns);
        let turn = at / relevant.len() as u64;
        let asked = |looks: &&&Looks| number.is_none() || turn.is_multiple_of(looks.question.every);
        let most = if self.depth == Depth::Few { 2 } else { usize::MAX };
        for looks in from.iter().chain(before).filter(asked).take(most) {
            let kind = self.template.kinds.kind(round.key);
            let place = round.alteration.offset();
            let place = place.and_then(|offset| (looks.question.place)(kind, offset));
            // It costs more than the question.
            let looked_after = round.alteration.number().is_none() || at.is_multiple_of(64);
            let outcome = self.outcome(looks.question, place, core::slice::from_ref(round), looked_after);
            let refused = !NOT_REFUSED.contains(&outcome.as_str());
            self.note(looks, round, outcome, outcomes);
            if number.is_some_and(|number| refused || number % 8 != turn % 8) {
                return;
            }
        }
    }

    /// Counts an outcome for the object, and for the other one if that was looked at.
    fn note(&self, looks: &Looks, round: &Round<'_>, outcome: String, outcomes: &mut Outcomes) {
        let mut keys = vec![round.key];
        if let Alteration::Swapped(other) = &round.alteration {
            keys.push(other);
            keys.retain(|key| looks.read.contains(*key));
        }
        let kinds: BTreeSet<&str> = keys.into_iter().map(|key| self.template.kinds.kind(key)).collect();
        for kind in kinds {
            let case = [kind, round.name(self.template), looks.question.name].map(str::to_owned);
            let met = outcomes.entry(case.into()).or_default().entry(outcome.clone());
            met.or_insert_with(|| Met { times: 0, first: format!("{round:?}") }).times += 1;
        }
    }

    /// What comes of a question after one alteration, or several at a time; and whether all stays as it was, if that is
    /// looked after.
    pub(crate) fn outcome(
        &self,
        question: &Question,
        place: Option<usize>,
        rounds: &[Round<'_>],
        looked_after: bool,
    ) -> String {
        let honest = self.answer(question, place);
        let storage = self.template.overlay();
        rounds.iter().for_each(|round| round.make(self.template, &storage));
        let asked = block_on((question.ask)(self.template, storage.clone(), place));
        if looked_after {
            self.stays(question, &storage, rounds);
        }
        let (asked, honest) =
            (asked.map(|answer| in_order(question, answer)), in_order(question, honest.to_vec()));
        match asked {
            Err(Fault(fault)) => fault,
            Ok(answer) if answer == honest => "same".to_owned(),
            Ok(answer) if question.name == "check" && is_of(&answer, &honest, rounds) => {
                if answer.iter().any(|finding| is_fault(finding)) { "found" } else { "told" }.to_owned()
            }
            Ok(answer) if reports(question) && answer[1..] == honest[1..] => "told".to_owned(),
            Ok(answer) if is_less(&answer, &honest) => "less".to_owned(),
            Ok(answer) => {
                println!("{rounds:?}: {} says {answer:?}, not {honest:?}", question.name);
                "other".to_owned()
            }
        }
    }

    /// Once the storage shows what there was, everything is as it was, except what the question itself has done.
    fn stays(&self, put: &Question, storage: &Arc<Overlay>, rounds: &[Round<'_>]) {
        storage.heal();
        let at: usize = rounds.iter().flat_map(|round| round.key.as_str().bytes()).map(usize::from).sum();
        let more = WHAT_STAYS[at % WHAT_STAYS.len()];
        for question in QUESTIONS.iter().filter(|of| ["verify", "contents", more].contains(&of.name)) {
            let asked = block_on((question.ask)(self.template, storage.clone(), None));
            let answer = asked.unwrap_or_else(|why| panic!("{rounds:?} has left damage: {why:?}"));
            let (answer, honest) = (in_order(question, answer), self.answer(question, None));
            let honest = in_order(question, honest.to_vec());
            let stays = match (put.name, question.name) {
                // The log grows by what is asked.
                (_, "verify") => true,
                (_, "check") => !answer.iter().any(|finding| is_fault(finding)),
                // A delivery is on record before what it holds is found to be altered.
                ("deliver", "grants") => answer == honest || answer == once_delivered(&honest),
                // An upload that is finished is one document more.
                ("resume" | "hand in", _) => answer == honest || is_less(&honest, &answer),
                ("erase", "cases") => self.of_others(&answer) == self.of_others(&honest),
                _ => answer == honest,
            };
            assert!(stays, "{rounds:?} has changed {}: {answer:?}, not {honest:?}", question.name);
        }
    }
}

impl Honest<'_> {
    /// What is said of cases but the one that is there to be erased.
    fn of_others(&self, cases: &Facts) -> Facts {
        let spare = self.template.spare.to_string();
        cases.iter().filter(|case| !case.contains(&spare)).cloned().collect()
    }
}

impl Looks {
    /// Up to where it reads the object, a question meets what it always does.
    fn may_notice(&self, round: &Round<'_>) -> bool {
        match &round.alteration {
            _ if round.is_new() => true,
            Alteration::Swapped(other) => self.read.contains(round.key) || self.read.contains(other),
            Alteration::Deleted => self.read.contains(round.key) || self.listed.contains(round.key),
            _ => self.read.contains(round.key),
        }
    }
}

/// Questions that are answered as before once an alteration is gone; one of them is put each time.
const WHAT_STAYS: [&str; 9] = [
    "a range",
    "cases",
    "check",
    "checkpoints",
    "documents",
    "erasure",
    "grants",
    "look for the answer",
    "take in",
];

/// Questions whose answer begins with what was done.
fn reports(question: &Question) -> bool {
    ["collect", "copy"].contains(&question.name)
}

/// Whether a check's finding is a fault.
fn is_fault(finding: &str) -> bool {
    finding.starts_with("Missing ") || finding.starts_with("False ")
}

/// Whether a check has other findings, and other counts with them, and all of these are of what was altered.
fn is_of(answer: &Facts, honest: &Facts, rounds: &[Round<'_>]) -> bool {
    let findings = |facts: &Facts| facts[1..].iter().cloned().collect::<BTreeSet<_>>();
    let (answer, honest) = (findings(answer), findings(honest));
    let altered: BTreeSet<&str> = rounds.iter().flat_map(Round::altered).map(|key| key.as_str()).collect();
    answer != honest
        && answer
            .symmetric_difference(&honest)
            .all(|finding| finding.split(' ').nth(1).is_some_and(|object| altered.contains(object)))
}

/// In what order a carrier tells is its own word; of anything else the order is a part of the answer.
fn in_order(question: &Question, mut facts: Facts) -> Facts {
    if ["take in", "look for the answer"].contains(&question.name) {
        facts.sort();
    }
    facts
}

/// What is said of the grants when the one that stands has been delivered.
fn once_delivered(grants: &Facts) -> Facts {
    grants.iter().map(|fact| fact.replace("deliveries: 0", "deliveries: 1")).collect()
}

/// Whether something is missing, and nothing is there besides or in another place.
fn is_less(answer: &Facts, honest: &Facts) -> bool {
    let mut left = honest.iter();
    answer.len() < honest.len() && answer.iter().all(|fact| left.any(|known| known == fact))
}

/// Outcomes that say why they do no harm.
const NOT_REFUSED: [&str; 3] = ["same", "less", "told"];
/// Those that say that something is wrong.
const REFUSED: [&str; 8] =
    ["BodyMissing", "Conflict", "Corrupt", "NotFound", "RolledBack", "Unknown", "Uses", "found"];

/// The outcomes that may be, and whether each is explained where it must be.
pub(crate) fn table() -> BTreeMap<Case, BTreeSet<String>> {
    let text = include_str!("TABLE.md");
    let list = |cell: &str| cell.split(", ").map(str::to_owned).collect::<Vec<_>>();
    let mut outcomes = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [kind, alterations, questions, met, why] = cells.as_slice() else {
            panic!("five columns: {line}")
        };
        let met: BTreeSet<String> = list(met).into_iter().collect();
        let refused = NOT_REFUSED.iter().all(|outcome| !met.contains(*outcome));
        let known = |outcome: &String| NOT_REFUSED.contains(&&**outcome) || REFUSED.contains(&&**outcome);
        assert!(met.iter().all(known), "an outcome that is not known: {line}");
        assert!(refused == why.is_empty() && *why != "?", "what is not refused says why: {line}");
        for alteration in list(alterations) {
            for question in asked(questions) {
                let case = ((*kind).to_owned(), alteration.clone(), question);
                assert!(outcomes.insert(case, met.clone()).is_none(), "a case stands there twice: {line}");
            }
        }
    }
    outcomes
}

/// The questions of a cell: a list, or all but a list.
fn asked(cell: &str) -> Vec<String> {
    let names = || QUESTIONS.iter().map(|question| question.name.to_owned());
    match cell.strip_prefix("all but ") {
        Some(without) => names().filter(|name| !without.split(", ").any(|other| other == name)).collect(),
        None => cell.split(", ").map(str::to_owned).collect(),
    }
}

/// Whether a question is asked after one in many alterations alone.
pub(crate) fn is_rare(name: &str) -> bool {
    QUESTIONS.iter().any(|question| question.name == name && question.every > 1)
}

/// As rows of the table, for who brings it up to date.
pub(crate) fn rows(outcomes: &Outcomes) -> String {
    let mut kinds: BTreeMap<&str, BTreeMap<&str, BTreeMap<String, Vec<&str>>>> = BTreeMap::new();
    for ((kind, alteration, question), met) in outcomes {
        let met = met.keys().cloned().collect::<Vec<_>>().join(", ");
        let asked = kinds.entry(kind).or_default().entry(alteration).or_default();
        asked.entry(met).or_default().push(question);
    }
    let mut text = String::new();
    for (kind, alterations) in kinds {
        let mut alike: BTreeMap<_, Vec<&str>> = BTreeMap::new();
        for (alteration, asked) in alterations {
            for (met, questions) in asked {
                alike.entry((questions, met)).or_default().push(alteration);
            }
        }
        for ((questions, met), alterations) in alike {
            text +=
                &format!("| {kind} | {} | {} | {met} | |\n", alterations.join(", "), questions.join(", "));
        }
    }
    text
}
