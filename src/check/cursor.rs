//! Where a check is, as text.

use core::{fmt, str::FromStr};

use super::report::{CheckCounts, CheckDepth};
use crate::{
    error::{Error, Result},
    ids::{CaseId, DocumentId},
    pin::Pin,
    storage::ObjectKey,
    text::parse_decimal,
};

/// Where a check is, for another process to go on from: one line of text ([`Display`](fmt::Display),
/// [`FromStr`]), 1,200 bytes at most, bound to the log as it was when the check began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckCursor {
    pub(super) began: Pin,
    pub(super) depth: CheckDepth,
    pub(super) position: Position,
    pub(super) counts: CheckCounts,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Position {
    Log,
    Index,
    /// Keyrings and kept checkpoints.
    Named,
    /// The case behind this one.
    Case(Option<CaseId>),
    /// The case's documents behind this one.
    Documents(CaseId, Option<DocumentId>),
    /// The names behind this one.
    Objects(Option<ObjectKey>),
    Done,
}

impl Position {
    pub(super) const fn stage(&self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Index => "index",
            Self::Named => "named",
            Self::Case(_) | Self::Documents(..) => "cases",
            Self::Objects(_) => "objects",
            Self::Done => "done",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let after = |text: &str| if text == "-" { Some(None) } else { text.parse().ok().map(Some) };
        Some(match text.split_once(':') {
            None => match text {
                "log" => Self::Log,
                "index" => Self::Index,
                "named" => Self::Named,
                "done" => Self::Done,
                _ => return None,
            },
            Some(("case", "-")) => Self::Case(None),
            Some(("case", case)) => Self::Case(Some(case.parse().ok()?)),
            Some(("objects", key)) => Self::Objects(after(key)?),
            Some(("documents", case)) => Self::Documents(case.parse().ok()?, None),
            Some(("document", document)) => {
                let document: DocumentId = document.parse().ok()?;
                Self::Documents(document.case(), Some(document))
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Case(None) => f.write_str("case:-"),
            Self::Case(Some(case)) => write!(f, "case:{case}"),
            Self::Documents(case, None) => write!(f, "documents:{case}"),
            Self::Documents(_, Some(document)) => write!(f, "document:{document}"),
            Self::Objects(None) => f.write_str("objects:-"),
            Self::Objects(Some(key)) => write!(f, "objects:{key}"),
            Self::Log | Self::Index | Self::Named | Self::Done => f.write_str(self.stage()),
        }
    }
}

impl fmt::Display for CheckCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let depth = match self.depth {
            CheckDepth::Structure => "structure",
            CheckDepth::Content => "content",
        };
        let counts: Vec<String> = self.counts.to_list().iter().map(ToString::to_string).collect();
        write!(f, "{FAMILY} {depth} {} {} {}", self.position, counts.join(","), self.began)
    }
}

impl FromStr for CheckCursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).ok_or_else(|| {
            Error::invalid(format!("this is no cursor of a check: it is one line that begins with {FAMILY}"))
        })
    }
}

fn parse(text: &str) -> Option<CheckCursor> {
    let mut fields = text.splitn(5, ' ');
    let mut next = || fields.next();
    if next()? != FAMILY {
        return None;
    }
    let depth = match next()? {
        "structure" => CheckDepth::Structure,
        "content" => CheckDepth::Content,
        _ => return None,
    };
    let position = Position::parse(next()?)?;
    let counts: Option<Vec<u64>> = next()?.split(',').map(parse_decimal).collect();
    let counts = CheckCounts::from_list(&counts?)?;
    Some(CheckCursor { began: next()?.parse().ok()?, depth, position, counts })
}

const FAMILY: &str = "docvault-check-1";
