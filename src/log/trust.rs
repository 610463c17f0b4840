//! Whom to believe: a log's keys and a quorum of witnesses (c2sp.org/tlog-policy).

mod parse;

use core::fmt;

use super::{
    checkpoint::Checkpoint,
    note::{self, Note, Signed},
    verifier_key::VerifierKey,
};
use crate::{env::Timestamp, error::Result, wire::Malformed};

pub use parse::PolicyError;

/// Which logs are believed, and which witnesses must have cosigned what they say.
///
/// Its text is that of c2sp.org/tlog-policy: `log`, `witness`, `group` and `quorum` lines, parsed by
/// [`TrustPolicy::parse`] and printed by `Display` without comments, in the order they came in. A
/// log that has had several keys has a `log` line for each.
///
/// ```
/// use docvault::TrustPolicy;
///
/// let policy = TrustPolicy::parse(
///     "log example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n\
///      quorum none\n",
/// )?;
/// assert!(policy.check("no checkpoint").is_err());
/// # Ok::<(), docvault::PolicyError>(())
/// ```
///
/// # Security
///
/// Who writes the policy decides what is believed: it must come from the verifier's own side, never
/// from the log or along with a receipt. A quorum of `none` shows what the log said, not that it
/// says the same to everyone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustPolicy {
    /// In the order of their lines, the quorum among them.
    statements: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Statement {
    Log { key: VerifierKey, url: Option<String> },
    Witness { name: String, key: VerifierKey, url: Option<String> },
    Group { name: String, threshold: Threshold, members: Vec<String> },
    Quorum(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Threshold {
    All,
    Any,
    Of(usize),
}

/// A witness's statement that it had seen no larger head of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cosignature {
    /// The witness's name in the policy.
    pub witness: String,
    /// When the witness says it signed first, of the times that are kept: what it signed was there by then.
    pub first: Timestamp,
    /// When the witness says it signed last; whole seconds, as `first`.
    pub time: Timestamp,
}

/// A checkpoint that a [`TrustPolicy`] believes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckedCheckpoint {
    /// What the log says.
    pub checkpoint: Checkpoint,
    /// The policy's witnesses that cosigned it, in the policy's order: a quorum at least.
    pub witnesses: Vec<Cosignature>,
}

/// Why a [`TrustPolicy`] does not believe a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// It is no signed note in the form of a checkpoint.
    #[error("this is no checkpoint, or it was altered")]
    Malformed,
    /// The log has not signed it, or a signature under a known key is false.
    #[error("the checkpoint is not signed by the log, or a signature of the log or a witness is false")]
    Signature,
    /// The policy names no log of this origin.
    #[error("the policy names no log of this checkpoint's origin")]
    UnknownLog,
    /// Fewer witnesses have cosigned it than the policy's quorum asks for.
    #[error(
        "too few witnesses have cosigned the checkpoint; get more cosignatures, or ask a quorum of fewer"
    )]
    Quorum,
}

impl TrustPolicy {
    /// Reads a policy of at most 256 KiB and 1,024 statements.
    ///
    /// # Errors
    ///
    /// [`PolicyError`], which names the line.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        parse::parse(text).map(|statements| Self { statements })
    }

    // tlog-proof, Verifying a tlog proof, steps 2 and 3; signed-note, Signatures.
    /// Verifies a checkpoint: a signature of its log, every cosignature of a known witness, and that
    /// these are a quorum.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`].
    ///
    /// # Security
    ///
    /// Times of cosignatures are what the witnesses say; set your own limit to their age.
    pub fn check(&self, note: &str) -> Result<CheckedCheckpoint, CheckpointError> {
        let note = Note::parse(note).map_err(|_| CheckpointError::Malformed)?;
        let checkpoint = self.check_log(&note)?;
        let witnesses = self.cosignatures(&note).map_err(|Malformed| CheckpointError::Signature)?;
        if self.is_quorum(&witnesses) {
            Ok(CheckedCheckpoint { checkpoint, witnesses })
        } else {
            Err(CheckpointError::Quorum)
        }
    }

    /// Adds to a checkpoint what a witness answered: the cosignatures of known witnesses that verify, of each the oldest,
    /// which says how long the head has been there, and the newest, which says that no larger one was seen since.
    ///
    /// Other lines of the answer are dropped, and those of the checkpoint that are between these two of their witness.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Malformed`] if `note` is no signed note, or `answer` is not made of signature
    /// lines.
    pub fn add_cosignatures(&self, note: &str, answer: &str) -> Result<String, CheckpointError> {
        let known = |line: &Note<'_>| {
            let found = self.cosignatures(line).ok()?.into_iter().next()?;
            Some((found.witness, found.time))
        };
        note::append(note, answer, known).map_err(|Malformed| CheckpointError::Malformed)
    }

    /// The head in a note that its log has signed.
    pub(crate) fn check_log(&self, note: &Note<'_>) -> Result<Checkpoint, CheckpointError> {
        let checkpoint = Checkpoint::parse_text(note.text()).map_err(|_| CheckpointError::Malformed)?;
        check_signed(note, self.log_keys(checkpoint.origin()))?;
        Ok(checkpoint)
    }

    /// The head in a note that its log has signed with the key of its last line.
    pub(crate) fn check_last_key(&self, note: &Note<'_>) -> Result<Checkpoint, CheckpointError> {
        let checkpoint = Checkpoint::parse_text(note.text()).map_err(|_| CheckpointError::Malformed)?;
        check_signed(note, self.log_keys(checkpoint.origin()).last())?;
        Ok(checkpoint)
    }

    fn log_keys<'a>(&'a self, origin: &'a str) -> impl Iterator<Item = &'a VerifierKey> {
        self.statements.iter().filter_map(move |statement| match statement {
            Statement::Log { key, .. } if key.name() == origin => Some(key),
            _ => None,
        })
    }

    fn cosignatures(&self, note: &Note<'_>) -> Result<Vec<Cosignature>, Malformed> {
        let mut found = Vec::new();
        for statement in &self.statements {
            let Statement::Witness { name, key, .. } = statement else { continue };
            if let Some((Signed::At(first), Signed::At(last))) = note.first_and_last_by(key)? {
                let [first, time] =
                    [first, last].map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1000)));
                found.push(Cosignature { witness: name.clone(), first, time });
            }
        }
        Ok(found)
    }

    // tlog-policy, Defining a witness group: a group witnesses if at least k of its members do. Names
    // are defined before they are used, so one pass is enough.
    fn is_quorum(&self, cosigned: &[Cosignature]) -> bool {
        let mut witnessed: Vec<&str> = cosigned.iter().map(|by| by.witness.as_str()).collect();
        for statement in &self.statements {
            if let Statement::Group { name, threshold, members } = statement {
                let have = members.iter().filter(|member| witnessed.contains(&member.as_str())).count();
                if have >= threshold.least(members.len()) {
                    witnessed.push(name);
                }
            }
        }
        self.statements.iter().any(|statement| match statement {
            Statement::Quorum(name) => name == NONE || witnessed.contains(&name.as_str()),
            _ => false,
        })
    }
}

/// One of the keys, of which there must be any, has signed, and no signature of any is false.
fn check_signed<'a>(
    note: &Note<'_>,
    keys: impl IntoIterator<Item = &'a VerifierKey>,
) -> Result<(), CheckpointError> {
    let mut checked = Err(CheckpointError::UnknownLog);
    for key in keys {
        let signed = note.signed_by(key).map_err(|Malformed| CheckpointError::Signature)?.is_some();
        if signed {
            checked = Ok(());
        } else if checked.is_err() {
            checked = Err(CheckpointError::Signature);
        }
    }
    checked
}

/// One sentence, for people.
impl fmt::Display for Cosignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { witness, first, time } = self;
        let again = if first == time { String::new() } else { format!(" and again at {time}") };
        write!(f, "The witness {witness:?} has confirmed at {first}{again} that it was shown the same log.")
    }
}

impl Threshold {
    const fn least(self, members: usize) -> usize {
        match self {
            Self::All => members,
            Self::Any => 1,
            Self::Of(least) => least,
        }
    }
}

impl fmt::Display for TrustPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.statements.iter().try_for_each(|statement| writeln!(f, "{statement}"))
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = |url: &Option<String>| url.as_ref().map_or_else(String::new, |url| format!(" {url}"));
        match self {
            Self::Log { key, url } => write!(f, "log {key}{}", more(url)),
            Self::Witness { name, key, url } => write!(f, "witness {name} {key}{}", more(url)),
            Self::Group { name, threshold, members } => {
                write!(f, "group {name} {threshold} {}", members.join(" "))
            }
            Self::Quorum(name) => write!(f, "quorum {name}"),
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Any => f.write_str("any"),
            Self::Of(least) => write!(f, "{least}"),
        }
    }
}

/// The quorum that asks for no witness.
const NONE: &str = "none";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::sign::SigningKey,
        log::{cosignature::cosign, note::signature_line, verifier_key::tests::vkey},
        secret::Secret,
    };

    const ORIGIN: &str = "example.com/vault";

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(Secret::take([seed; 32]))
    }

    fn log(seed: u8) -> VerifierKey {
        VerifierKey::ed25519(ORIGIN, key(seed).verifying_key()).expect("a name")
    }

    fn witness(seed: u8) -> VerifierKey {
        VerifierKey::cosignature(&format!("w{seed}.example"), key(seed).verifying_key()).expect("a name")
    }

    /// A policy with witnesses W1 to W4 and these further lines.
    fn policy(more: &str) -> TrustPolicy {
        let witnesses: String = (1..=4).map(|seed| format!("witness W{seed} {}\n", witness(seed))).collect();
        TrustPolicy::parse(&format!("log {}\nlog {}\n{witnesses}{more}", log(100), log(101)))
            .expect("a policy")
    }

    fn head() -> Checkpoint {
        Checkpoint::new(ORIGIN, 5, [7; 32]).expect("an origin")
    }

    fn note(cosigners: &[u8]) -> String {
        let mut note = head().sign(&key(100));
        let text = note.split_once("\n\n").expect("a note").0.to_owned() + "\n";
        for seed in cosigners {
            let name = format!("w{seed}.example");
            note.push_str(&cosign(&text, &name, &key(*seed), 1000 + u64::from(*seed)));
        }
        note
    }

    #[test]
    fn a_group_needs_as_many_as_it_says() {
        for (quorum, enough, few) in [
            ("quorum none\n", vec![vec![]], vec![]),
            ("quorum W2\n", vec![vec![2], vec![1, 2]], vec![vec![], vec![1, 3, 4]]),
            ("group g any W1 W2\nquorum g\n", vec![vec![1], vec![2]], vec![vec![], vec![3, 4]]),
            ("group g all W1 W2\nquorum g\n", vec![vec![1, 2]], vec![vec![1], vec![2], vec![1, 3, 4]]),
            ("group g 2 W1 W2 W3\nquorum g\n", vec![vec![1, 3], vec![3, 2, 1]], vec![vec![1, 4], vec![2]]),
            (
                "group a 1 W1 W2\ngroup b all W3 W4\ngroup g all a b\nquorum g\n",
                vec![vec![1, 3, 4], vec![4, 3, 2]],
                vec![vec![3, 4], vec![1, 2, 3], vec![]],
            ),
        ] {
            let policy = policy(quorum);
            for cosigners in enough {
                let checked = policy.check(&note(&cosigners)).expect("a quorum");
                assert_eq!(checked.checkpoint, head());
                let mut expected = cosigners.clone();
                expected.sort_unstable();
                let found: Vec<_> =
                    checked.witnesses.iter().map(|w| (w.witness.clone(), w.time.as_millis())).collect();
                let expected = expected.iter().map(|s| (format!("W{s}"), 1_000_000 + 1000 * u64::from(*s)));
                assert_eq!(found, expected.collect::<Vec<_>>());
            }
            for cosigners in few {
                assert_eq!(
                    policy.check(&note(&cosigners)),
                    Err(CheckpointError::Quorum),
                    "{quorum}{cosigners:?}"
                );
            }
        }
    }

    #[test]
    fn a_witness_counts_once_however_often_it_signs() {
        let policy = policy("group g 2 W1 W2\nquorum g\n");
        assert_eq!(policy.check(&note(&[1, 1, 1])), Err(CheckpointError::Quorum));
    }

    #[test]
    fn any_of_a_logs_keys_may_sign_and_no_other() {
        let policy = policy("quorum none\n");
        for seed in [100, 101] {
            assert!(policy.check(&head().sign(&key(seed))).is_ok());
        }
        assert_eq!(policy.check(&head().sign(&key(102))), Err(CheckpointError::Signature));
        assert_eq!(policy.check(&head().sign(&key(1))), Err(CheckpointError::Signature));
        let other = Checkpoint::new("example.com/other", 5, [7; 32]).expect("an origin");
        assert_eq!(policy.check(&other.sign(&key(100))), Err(CheckpointError::UnknownLog));
        assert_eq!(policy.check("note"), Err(CheckpointError::Malformed));
        let cosigned_only = note(&[1]).replace(&note(&[]), "");
        let text = note(&[]).split_once("\n\n").expect("a note").0.to_owned();
        assert_eq!(policy.check(&format!("{text}\n\n{cosigned_only}")), Err(CheckpointError::Signature));
    }

    #[test]
    fn a_false_cosignature_of_a_known_witness_spoils_the_note_and_a_strangers_does_not() {
        let policy = policy("quorum W1\n");
        let good = note(&[1]);
        let other_text = Checkpoint::new(ORIGIN, 6, [7; 32]).expect("an origin").sign(&key(100));
        let other_text = other_text.split_once("\n\n").expect("a note").0.to_owned() + "\n";
        let with = |seed: u8| {
            let name = format!("w{seed}.example");
            [&good, cosign(&other_text, &name, &key(seed), 5).as_str()].concat()
        };
        assert_eq!(policy.check(&with(2)), Err(CheckpointError::Signature));
        assert_eq!(policy.check(&with(9)), policy.check(&good));
    }

    #[test]
    fn known_cosignatures_that_verify_are_added() {
        let policy = policy("quorum W1\n");
        let (bare, all) = (note(&[]), note(&[9, 1, 2]));
        let lines = all.strip_prefix(&bare).expect("lines").to_owned();
        let merged = policy.add_cosignatures(&bare, &lines).expect("lines");
        assert_eq!(merged, note(&[1, 2]));
        assert!(policy.check(&merged).is_ok());
        assert_eq!(policy.add_cosignatures(&bare, "no line"), Err(CheckpointError::Malformed));
    }

    /// The line of a witness that says it signed at this time.
    fn line(seed: u8, time: u64) -> String {
        let text = note(&[]).split_once("\n\n").expect("a note").0.to_owned() + "\n";
        cosign(&text, &format!("w{seed}.example"), &key(seed), time)
    }

    #[test]
    fn a_witness_that_answers_with_many_cosignatures_keeps_no_other_out() {
        let policy = policy("group g all W1 W2\nquorum g\n");
        let many: String = (1..=99).map(|time| line(1, time)).collect();
        let mut note = note(&[]);
        for answer in [&many, &many, &line(9, 1), &line(2, 5)] {
            note = policy.add_cosignatures(&note, answer).expect("lines");
        }
        assert_eq!(note, [self::note(&[]), line(1, 1), line(1, 99), line(2, 5)].concat());
        let checked = policy.check(&note).expect("both");
        let times = |by: &Cosignature| [by.first, by.time].map(Timestamp::as_millis);
        let times: Vec<_> = checked.witnesses.iter().map(times).collect();
        assert_eq!(times, [[1000, 99_000], [5000, 5000]]);
        let sentences: Vec<_> = checked.witnesses.iter().map(ToString::to_string).collect();
        let [first, last] = ["1970-01-01T00:00:01.000Z", "1970-01-01T00:01:39.000Z"];
        assert_eq!(
            sentences,
            [
                format!("The witness \"W1\" has confirmed at {first} and again at {last} that it was shown the same log."),
                "The witness \"W2\" has confirmed at 1970-01-01T00:00:05.000Z that it was shown the same log.".into(),
            ]
        );
        // Of so many that not both fit the newest stays.
        let strangers: String = (1..=97).map(|time| line(9, time)).collect();
        let full = [self::note(&[]), strangers, line(1, 5), line(2, 5)].concat();
        let fuller = policy.add_cosignatures(&full, &(line(1, 7) + &line(2, 9))).expect("lines");
        assert!(fuller.ends_with(&(line(9, 97) + &line(1, 7) + &line(2, 9))), "{fuller}");
    }

    #[test]
    fn a_cosignature_with_ml_dsa_spoils_nothing_and_counts_for_nothing() {
        let text = vkey("w6.example", &[&[6][..], &[7; 1312]].concat());
        let key: VerifierKey = text.parse().expect("a key");
        let witness = format!("witness W6 {key}\n");
        let cosigned = note(&[1]) + &signature_line(key.name(), key.id(), &[9; 8 + 2420]);
        let checked = policy(&format!("{witness}quorum W1\n")).check(&cosigned).expect("W1's");
        assert_eq!(checked.witnesses.len(), 1);
        assert_eq!(policy(&format!("{witness}quorum W6\n")).check(&cosigned), Err(CheckpointError::Quorum));
    }

    #[test]
    fn of_each_known_witness_the_oldest_and_the_newest_cosignature_stay_and_all_that_others_have_signed() {
        let policy = policy("quorum W1\n");
        let strangers = line(9, 1) + &line(9, 2);
        let with = |lines: &[String]| [note(&[]), strangers.clone(), lines.concat()].concat();
        let full = with(&[line(1, 5), line(2, 6), line(1, 4)]);
        for (answer, lines) in [
            (line(1, 7), vec![line(1, 4), line(1, 7), line(2, 6)]),
            (line(1, 3), vec![line(1, 3), line(1, 5), line(2, 6)]),
            (line(1, 5), vec![line(1, 4), line(1, 5), line(2, 6)]),
            (line(2, 7) + &line(2, 9) + &line(2, 8), vec![line(1, 4), line(1, 5), line(2, 6), line(2, 9)]),
            (line(8, 1), vec![line(1, 4), line(1, 5), line(2, 6)]),
        ] {
            assert_eq!(policy.add_cosignatures(&full, &answer).expect("lines"), with(&lines), "{answer}");
        }
    }

    #[test]
    fn the_last_of_a_logs_keys_is_the_one_that_a_witness_believes() {
        let policy = policy("quorum none\n");
        let by = |note: &str| policy.check_last_key(&Note::parse(note).expect("a note"));
        assert_eq!(by(&head().sign(&key(101))), Ok(head()));
        assert_eq!(by(&head().sign(&key(100))), Err(CheckpointError::Signature));
        let other = Checkpoint::new("example.com/other", 5, [7; 32]).expect("an origin");
        assert_eq!(by(&other.sign(&key(101))), Err(CheckpointError::UnknownLog));
    }
}
