//! What is allowed: pure decisions on what the log says and what time it is.

use crate::{
    env::Timestamp,
    error::{Error, Result},
    grant::Terms,
    ids::{CaseId, GrantId, OperationId},
    log::{leaf::Kind, row::Row},
};

/// The two clocks a decision about time rests on. They need not agree: each decision takes the one that
/// errs to the side where less is lost (DESIGN, "Time").
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clocks {
    /// This process's own.
    pub(crate) own: Timestamp,
    /// The newest record's time.
    pub(crate) log: Timestamp,
}

impl Clocks {
    /// Whether either clock says that what ends at `end` is over. [`Timestamp::MAX`] is no end.
    fn may_be_over(self, end: Timestamp) -> bool {
        end < Timestamp::MAX && self.own.max(self.log) >= end
    }

    /// Says by which clock something has ended at `end`, and what can be done about it.
    fn ended_at(self, end: Timestamp) -> String {
        if self.own >= end {
            return format!("ended at {end}");
        }
        format!(
            "ended at {end} by the log's time, which is {}, and ahead of this machine's, {}; if a writer's \
             clock was ahead, make a grant that ends later or never, and revoke it in time",
            self.log, self.own
        )
    }
}

/// Refuses what is about a case that was erased.
pub(crate) fn not_erased(case: CaseId, row: Option<&Row>) -> Result<()> {
    match row.filter(|row| row.kind == Kind::CaseErased) {
        Some(erased) => Err(Error::erased(case, erased.time)),
        None => Ok(()),
    }
}

/// Refuses what is about a case that is not there or was erased.
pub(crate) fn case_stands(case: CaseId, row: Option<&Row>) -> Result<()> {
    not_erased(case, row)?;
    row.map(drop).ok_or_else(|| Error::not_found(format!("case {case}")))
}

/// Refuses what adds to a case that is not there, closed or erased.
pub(crate) fn case_is_open(case: CaseId, row: Option<&Row>) -> Result<()> {
    case_stands(case, row)?;
    match row.map(|row| row.kind) {
        Some(Kind::CaseClosed) => {
            Err(Error::denied(format!("case {case} is closed: reopen it to add to it")))
        }
        _ => Ok(()),
    }
}

/// Refuses to erase a case that is not there, not closed, or erased already.
pub(crate) fn case_may_be_erased(case: CaseId, row: Option<&Row>) -> Result<()> {
    case_stands(case, row)?;
    match row.map(|row| row.kind) {
        Some(Kind::CaseClosed) => Ok(()),
        _ => Err(Error::denied(format!("case {case} is open: close it first, for erasing it is final"))),
    }
}

/// Refuses a delivery that the grant's terms, its revocation or the clocks do not allow.
pub(crate) fn grant_delivers(grant: GrantId, row: Option<&Row>, terms: &Terms, clocks: Clocks) -> Result<()> {
    grant_stands(grant, row)?;
    terms_allow(grant, terms, clocks)
}

/// Refuses what is outside a grant's time.
pub(crate) fn terms_allow(grant: GrantId, terms: &Terms, clocks: Clocks) -> Result<()> {
    if clocks.may_be_over(terms.until) {
        return Err(Error::denied(format!("grant {grant} {}", clocks.ended_at(terms.until))));
    }
    // The log's time may be as old as its last record.
    if clocks.own < terms.not_before {
        return Err(Error::denied(format!("grant {grant} begins at {}", terms.not_before)));
    }
    Ok(())
}

/// Refuses to make a grant that could never be delivered.
pub(crate) fn may_grant(terms: &Terms, clocks: Clocks) -> Result<()> {
    if clocks.may_be_over(terms.until) {
        return Err(Error::invalid(format!("the grant would have {}", clocks.ended_at(terms.until))));
    }
    Ok(())
}

/// Refuses a grant that is not there or revoked.
pub(crate) fn grant_stands(grant: GrantId, row: Option<&Row>) -> Result<()> {
    match row.map(|row| (row.kind, row.time)) {
        None => Err(Error::not_found(format!("grant {grant}"))),
        Some((Kind::Revoked, at)) => Err(Error::denied(format!("grant {grant} was revoked at {at}"))),
        Some(_) => Ok(()),
    }
}

/// Refuses to commit an operation a second time, or after its objects were given up.
pub(crate) fn may_commit(operation: OperationId, row: Option<&Row>) -> Result<()> {
    match row.map(|row| row.kind) {
        None | Some(Kind::UploadAnnounced) => Ok(()),
        Some(Kind::Condemned) => {
            Err(Error::denied(format!("operation {operation} was given up as abandoned: start it again")))
        }
        Some(_) => Err(Error::denied(format!("operation {operation} has been committed already"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::ErrorKind, ids::Scope};

    fn clocks(own: u64, log: u64) -> Clocks {
        Clocks { own: Timestamp::from_millis(own), log: Timestamp::from_millis(log) }
    }

    fn row(kind: Kind) -> Row {
        Row {
            key: crate::log::row::RowKey::keyring(),
            seq: 1,
            kind,
            time: Timestamp::from_millis(7),
            operation: OperationId::from_bytes([1; 16]),
            auxiliary: [0; 32],
            effect: [0; 32],
            leaf: [0; 32],
            position: 0,
            commit_previous: [0; 16],
        }
    }

    #[test]
    fn expiry_needs_one_clock_and_beginning_needs_our_own() {
        let grant = GrantId::new(Scope::Case(CaseId::from_bytes([1; 16])), OperationId::from_bytes([2; 16]));
        let terms = Terms::read().not_before(Timestamp::from_millis(100)).until(Timestamp::from_millis(200));
        let granted = row(Kind::Granted);
        let delivers = |own, log| grant_delivers(grant, Some(&granted), &terms, clocks(own, log)).is_ok();
        assert!(delivers(150, 150) && delivers(100, 0));
        assert!(!delivers(99, 150), "this machine's clock is before the beginning");
        assert!(!delivers(150, 200) && !delivers(200, 150), "either clock has reached the end");
        assert!(grant_delivers(grant, Some(&row(Kind::Revoked)), &terms, clocks(150, 150)).is_err());
        assert!(grant_delivers(grant, None, &terms, clocks(150, 150)).is_err());
    }

    #[test]
    fn only_a_closed_case_is_erased_and_an_erased_one_is_nothing_any_more() {
        let case = CaseId::from_bytes([1; 16]);
        let kind = |decided: Result<()>| decided.map_err(|error| error.kind());
        for of in [Kind::CaseOpened, Kind::CaseReopened] {
            assert_eq!(kind(case_may_be_erased(case, Some(&row(of)))), Err(ErrorKind::Denied));
            assert_eq!(kind(case_is_open(case, Some(&row(of)))), Ok(()));
        }
        assert_eq!(kind(case_may_be_erased(case, Some(&row(Kind::CaseClosed)))), Ok(()));
        assert_eq!(kind(case_is_open(case, Some(&row(Kind::CaseClosed)))), Err(ErrorKind::Denied));
        for decide in [case_may_be_erased, case_is_open, case_stands, not_erased] {
            assert_eq!(kind(decide(case, Some(&row(Kind::CaseErased)))), Err(ErrorKind::Erased));
        }
        for decide in [case_may_be_erased, case_is_open, case_stands] {
            assert_eq!(kind(decide(case, None)), Err(ErrorKind::NotFound));
        }
        assert_eq!(kind(not_erased(case, None)), Ok(()));
    }

    #[test]
    fn a44_a_log_far_ahead_ends_what_ends_before_it_and_nothing_else() {
        let grant = GrantId::new(Scope::Case(CaseId::from_bytes([1; 16])), OperationId::from_bytes([2; 16]));
        let ends = |until| Terms::read().until(Timestamp::from_millis(until));
        for log in [0, 500, u64::MAX - 1, u64::MAX] {
            for own in [0, 100, 499, 500] {
                let clocks = clocks(own, log);
                assert!(terms_allow(grant, &Terms::read(), clocks).is_ok(), "without end: {own} {log}");
                for until in [1, 500, 501, u64::MAX - 1] {
                    let runs = own < until && log < until;
                    assert_eq!(terms_allow(grant, &ends(until), clocks).is_ok(), runs, "{own} {log} {until}");
                    assert_eq!(may_grant(&ends(until), clocks).is_ok(), runs, "{own} {log} {until}");
                }
            }
        }
        let ended = |own, log| may_grant(&ends(200), clocks(own, log)).expect_err("over").to_string();
        assert!(ended(150, 300).contains("00.300Z, and ahead of this machine's, 1970-01-01T00:00:00.150Z"));
        assert!(!ended(250, 300).contains("ahead"));
    }

    #[test]
    fn an_operation_commits_once_and_never_after_it_was_given_up() {
        let operation = OperationId::from_bytes([1; 16]);
        assert!(may_commit(operation, None).is_ok());
        assert!(may_commit(operation, Some(&row(Kind::UploadAnnounced))).is_ok());
        assert!(may_commit(operation, Some(&row(Kind::Condemned))).is_err());
        assert!(may_commit(operation, Some(&row(Kind::Stored))).is_err());
    }
}
