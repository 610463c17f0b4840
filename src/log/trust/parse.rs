//! The text of a policy (c2sp.org/tlog-policy).

use super::{NONE, Statement, Threshold};
use crate::log::verifier_key::VerifierKey;

/// A line of a policy's text that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the policy: {reason}")]
pub struct PolicyError {
    line: usize,
    reason: &'static str,
}

impl PolicyError {
    /// The number of the line, from 1; one more than there are if a line is missing.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }
}

/// The statements of a policy, consistent with each other.
pub(super) fn parse(text: &str) -> Result<Vec<Statement>, PolicyError> {
    if text.len() > MAX_POLICY {
        return Err(PolicyError { line: 1, reason: "the policy is longer than 256 KiB" });
    }
    let mut statements = Vec::new();
    let mut lines = 0;
    for line in text.split_terminator('\n') {
        lines += 1;
        let parsed = parse_line(line).and_then(|statement| match statement {
            Some(_) if statements.len() == MAX_STATEMENTS => Err("a policy has at most 1,024 such lines"),
            Some(statement) => check(&statement, &statements).map(|()| statements.push(statement)),
            None => Ok(()),
        });
        parsed.map_err(|reason| PolicyError { line: lines, reason })?;
    }
    if statements.iter().any(|statement| matches!(statement, Statement::Quorum(_))) {
        Ok(statements)
    } else {
        Err(PolicyError {
            line: lines + 1,
            reason: "there is no quorum line; write `quorum none` to ask for no witness",
        })
    }
}

// tlog-policy, Structure and Character set: items separated by spaces and tabs; no other control
// characters; empty lines and those that start with # are ignored.
fn parse_line(line: &str) -> Result<Option<Statement>, &'static str> {
    if line.bytes().any(|byte| byte != b'\t' && byte.is_ascii_control()) {
        return Err("a control character other than a tab");
    }
    let mut items = line.split([' ', '\t']).filter(|item| !item.is_empty());
    let Some(keyword) = items.next().filter(|keyword| !keyword.starts_with('#')) else { return Ok(None) };
    let items: Vec<&str> = items.collect();
    match (keyword, items.as_slice()) {
        ("log", [key]) => log(key, None),
        ("log", [key, url]) => log(key, Some(url)),
        ("witness", [name, key]) => witness(name, key, None),
        ("witness", [name, key, url]) => witness(name, key, Some(url)),
        ("group", [name, threshold, members @ ..]) => group(name, threshold, members),
        ("quorum", [name]) => Ok(Statement::Quorum((*name).to_owned())),
        ("log" | "witness" | "group" | "quorum", _) => {
            Err("expected `log KEY [URL]`, `witness NAME KEY [URL]`, `group NAME all|any|NUMBER MEMBER…` or \
             `quorum NAME`")
        }
        _ => Err("a line begins with log, witness, group, quorum or #"),
    }
    .map(Some)
}

fn log(key: &str, url: Option<&str>) -> Result<Statement, &'static str> {
    let key = key.parse().ok().filter(VerifierKey::is_for_logs);
    let key = key.ok_or("this is no verifier key of a log (Ed25519, type 0x01)")?;
    Ok(Statement::Log { key, url: url.map(str::to_owned) })
}

fn witness(name: &str, key: &str, url: Option<&str>) -> Result<Statement, &'static str> {
    let key = key.parse().ok().filter(VerifierKey::is_for_witnesses);
    let key = key.ok_or("this is no verifier key of a witness (Ed25519 cosignatures, type 0x04)")?;
    Ok(Statement::Witness { name: name.to_owned(), key, url: url.map(str::to_owned) })
}

fn group(name: &str, threshold: &str, members: &[&str]) -> Result<Statement, &'static str> {
    let threshold = match threshold {
        "all" => Threshold::All,
        "any" => Threshold::Any,
        number => Threshold::Of(
            crate::text::parse_decimal(number)
                .and_then(|number| usize::try_from(number).ok())
                .ok_or("a group needs all, any, or how many of its members")?,
        ),
    };
    if members.is_empty() {
        return Err("a group needs members");
    }
    if !(1..=members.len()).contains(&threshold.least(members.len())) {
        return Err("a group needs at least 1, and at most all, of its members");
    }
    let members = members.iter().map(|member| (*member).to_owned()).collect();
    Ok(Statement::Group { name: name.to_owned(), threshold, members })
}

/// Whether `statement` can follow those before it.
fn check(statement: &Statement, before: &[Statement]) -> Result<(), &'static str> {
    match statement {
        Statement::Log { key, .. } => {
            let known =
                |other: &Statement| matches!(other, Statement::Log { key: other, .. } if other.same_key(key));
            if before.iter().any(known) { Err("an earlier line has a log with this key") } else { Ok(()) }
        }
        Statement::Witness { name, key, .. } => {
            let known = |other: &Statement| matches!(other, Statement::Witness { key: other, .. } if other.same_key(key));
            if before.iter().any(known) {
                return Err("an earlier line has a witness with this key");
            }
            check_new(name, before)
        }
        Statement::Group { name, members, .. } => {
            check_new(name, before)?;
            members.iter().enumerate().try_for_each(|(i, member)| {
                let twice = members.iter().take(i).any(|other| other == member);
                if twice { Err(MEMBER_TWICE) } else { check_member(member, before) }
            })
        }
        Statement::Quorum(name) => {
            if before.iter().any(|other| matches!(other, Statement::Quorum(_))) {
                return Err("there is a quorum line already");
            }
            if name == NONE || is_defined(name, before) { Ok(()) } else { Err(UNDEFINED) }
        }
    }
}

fn check_new(name: &str, before: &[Statement]) -> Result<(), &'static str> {
    if name == NONE {
        return Err("the name none is reserved");
    }
    if is_defined(name, before) { Err("an earlier line has a witness or group of this name") } else { Ok(()) }
}

// tlog-policy, Defining a witness group: each defined name can be listed as a group member at most
// once, so that each witness can contribute in only one way.
fn check_member(name: &str, before: &[Statement]) -> Result<(), &'static str> {
    let listed = |other: &Statement| matches!(other, Statement::Group { members, .. } if members.iter().any(|m| m == name));
    if !is_defined(name, before) {
        Err(UNDEFINED)
    } else if before.iter().any(listed) {
        Err(MEMBER_TWICE)
    } else {
        Ok(())
    }
}

fn is_defined(name: &str, before: &[Statement]) -> bool {
    before.iter().any(|statement| match statement {
        Statement::Witness { name: defined, .. } | Statement::Group { name: defined, .. } => defined == name,
        Statement::Log { .. } | Statement::Quorum(_) => false,
    })
}

const MEMBER_TWICE: &str = "each witness or group can be a member once, of one group";
const UNDEFINED: &str = "no earlier line has a witness or group of this name";
const MAX_POLICY: usize = 256 << 10;
/// Checks compare each statement with those before it.
const MAX_STATEMENTS: usize = 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{crypto::sign::SigningKey, log::trust::TrustPolicy, secret::Secret};

    fn verifying(seed: u8) -> crate::crypto::sign::VerifyingKey {
        SigningKey::from_seed(Secret::take([seed; 32])).verifying_key()
    }

    fn log_key(seed: u8) -> String {
        VerifierKey::ed25519("example.com/log", verifying(seed)).expect("a name").to_string()
    }

    fn witness_key(seed: u8) -> String {
        VerifierKey::cosignature("witness.example", verifying(seed)).expect("a name").to_string()
    }

    fn example() -> String {
        let witness = |name: &str, seed| format!("witness {name} {}\n", witness_key(seed));
        [
            format!("log {}\n", log_key(9)),
            witness("X1", 1) + &witness("X2", 2) + &witness("X3", 3),
            "group X-witnesses 2 X1 X2 X3\n".to_owned(),
            witness("Y1", 4) + &witness("Y2", 5) + &witness("Y3", 6),
            "group Y-witnesses any Y1 Y2 Y3\ngroup X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n"
                .to_owned(),
        ]
        .concat()
    }

    #[test]
    fn the_example_of_the_specification_comes_back() {
        assert_eq!(TrustPolicy::parse(&example()).expect("a policy").to_string(), example());
    }

    #[test]
    fn spaces_tabs_comments_and_urls_are_read() {
        let text = format!(
            "# ours\n\n \t log\t{}  https://log.example/ \n\t#quorum x\nwitness W\u{e9} {} https://w.example/x\nquorum   W\u{e9}",
            log_key(9),
            witness_key(1)
        );
        let expected = format!(
            "log {} https://log.example/\nwitness W\u{e9} {} https://w.example/x\nquorum W\u{e9}\n",
            log_key(9),
            witness_key(1)
        );
        assert_eq!(TrustPolicy::parse(&text).expect("a policy").to_string(), expected);
    }

    #[test]
    fn errors_name_the_line() {
        let (log, other) = (log_key(9), log_key(8));
        let (w1, w2) = (witness_key(1), witness_key(2));
        let witnesses = format!("witness a {w1}\nwitness b {w2}\n");
        for (text, line) in [
            (String::new(), 1),
            (format!("log {log}\n"), 2),
            (format!("log {log}\nlog {log}\nquorum none\n"), 2),
            (format!("log {w1}\nquorum none\n"), 1),
            (format!("log {log} url more\nquorum none\n"), 1),
            ("log\nquorum none\n".to_owned(), 1),
            ("quorum none\nquorum none\n".to_owned(), 2),
            ("quorum a\n".to_owned(), 1),
            (format!("quorum a\nwitness a {w1}\n"), 1),
            ("quorum none\r\n".to_owned(), 1),
            ("quorum none\nlogs\n".to_owned(), 2),
            ("quorum\u{a0}none\n".to_owned(), 1),
            (format!("witness a {log}\nquorum none\n"), 1),
            (format!("witness none {w1}\nquorum none\n"), 1),
            (format!("witness a {w1}\nwitness a {w2}\nquorum none\n"), 2),
            (format!("witness a {w1}\nwitness b {w1}\nquorum none\n"), 2),
            (format!("{witnesses}group g all\nquorum g\n"), 3),
            (format!("{witnesses}group g 0 a b\nquorum g\n"), 3),
            (format!("{witnesses}group g 3 a b\nquorum g\n"), 3),
            (format!("{witnesses}group g 02 a b\nquorum g\n"), 3),
            (format!("{witnesses}group g some a b\nquorum g\n"), 3),
            (format!("{witnesses}group g all a c\nquorum g\n"), 3),
            (format!("{witnesses}group g all a a\nquorum g\n"), 3),
            (format!("{witnesses}group g all a none\nquorum g\n"), 3),
            (format!("{witnesses}group a all b\nquorum a\n"), 3),
            (format!("{witnesses}group g all g\nquorum g\n"), 3),
            (format!("{witnesses}group g all a\ngroup h all a b\nquorum h\n"), 4),
        ] {
            assert_eq!(TrustPolicy::parse(&text).expect_err("no policy").line(), line, "{text}");
        }
        assert!(TrustPolicy::parse(&format!("log {log}\nlog {other}\nquorum none\n")).is_ok());
    }

    #[test]
    fn a_policy_has_256_kib_and_1024_statements_at_most() {
        let policy = |len: usize| format!("quorum none\n#{}\n", "a".repeat(len - 14));
        for (len, taken) in [(MAX_POLICY - 1, true), (MAX_POLICY, true), (MAX_POLICY + 1, false)] {
            assert_eq!((policy(len).len(), TrustPolicy::parse(&policy(len)).is_ok()), (len, taken));
        }
        let witness = witness_key(1);
        let statements = |count: usize| {
            // A member is in one group only.
            let groups = (2..count).map(|group| format!("group g{group} any g{}\n", group - 1));
            format!("quorum none\nwitness g1 {witness}\n{}", groups.collect::<String>())
        };
        for (count, line) in [(1023, None), (1024, None), (1025, Some(1025))] {
            assert_eq!(parse(&statements(count)).err().map(|error| error.line()), line, "{count}");
        }
    }

    #[test]
    fn a_line_that_is_wrong_is_told_from_one_of_no_kind() {
        for (line, reason) in [("log\n", "expected `log KEY"), ("logs\n", "a line begins with log")] {
            let error = TrustPolicy::parse(line).expect_err("no policy").to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn many_logs_witnesses_and_groups_are_taken() {
        let mut text = String::new();
        for seed in 0..64 {
            text += &format!(
                "log {}\nwitness w{seed} {}\ngroup g{seed} any w{seed}\n",
                log_key(seed),
                witness_key(seed)
            );
        }
        let groups: Vec<String> = (0..64).map(|seed| format!("g{seed}")).collect();
        text += &format!("group all 33 {}\nquorum all\n", groups.join(" "));
        assert_eq!(TrustPolicy::parse(&text).expect("a policy").to_string(), text);
    }

    proptest! {
        #[test]
        fn any_text_is_answered_and_a_policy_comes_back(lines in prop::collection::vec(
            "(log|witness|group|quorum|#)?( |\t)?[abn]{0,4} ?(all|any|[0-3])?( [ab]){0,3}", 0..8,
        )) {
            if let Ok(policy) = TrustPolicy::parse(&lines.join("\n")) {
                prop_assert_eq!(TrustPolicy::parse(&policy.to_string()), Ok(policy));
            }
        }
    }
}
