//! Figures, as the crate `metrics` has them: counters, and histograms of seconds and records.

use core::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

use super::watched::{End, OK, Watched};

/// Says what each figure is, to the recorder of the moment.
pub(super) fn describe() {
    describe_counter!(OPERATIONS, Unit::Count, "calls of public methods that have ended");
    describe_histogram!(OPERATION_SECONDS, Unit::Seconds, "from a method's call to its end");
    describe_counter!(CALLS, Unit::Count, "calls of the storage that have ended");
    describe_histogram!(CALL_SECONDS, Unit::Seconds, "from a storage call to its answer");
    describe_counter!(CALL_BYTES, Unit::Bytes, "sealed bytes given to the storage and taken from it");
    describe_counter!(COMMITS, Unit::Count, "attempts at a commit that have ended");
    describe_histogram!(
        COMMIT_SECONDS,
        Unit::Seconds,
        "from a commit's creation to the certainty of its fate"
    );
    describe_histogram!(COMMIT_RECORDS, Unit::Count, "records committed together");
    describe_counter!(FOLDS, Unit::Count, "folds of the log's tail that have ended");
    describe_histogram!(FOLD_SECONDS, Unit::Seconds, "from a fold's beginning to its last object");
}

pub(super) fn count(watched: Watched, end: End, elapsed: Duration) {
    let outcome = end.outcome;
    match watched {
        Watched::Operation(operation) => {
            counter!(OPERATIONS, "operation" => operation, "outcome" => outcome).increment(1);
            histogram!(OPERATION_SECONDS, "operation" => operation).record(elapsed);
        }
        Watched::Call { call, object } => {
            counter!(CALLS, "call" => call, "object" => object, "outcome" => outcome).increment(1);
            histogram!(CALL_SECONDS, "call" => call, "object" => object).record(elapsed);
            if let Some(bytes) = u64::try_from(end.bytes).ok().filter(|bytes| *bytes > 0) {
                counter!(CALL_BYTES, "call" => call, "object" => object).increment(bytes);
            }
        }
        Watched::Commit { records } => {
            counter!(COMMITS, "outcome" => outcome).increment(1);
            histogram!(COMMIT_SECONDS).record(elapsed);
            if outcome == OK {
                histogram!(COMMIT_RECORDS).record(u32::try_from(records).unwrap_or(u32::MAX));
            }
        }
        Watched::Fold => {
            counter!(FOLDS, "outcome" => outcome).increment(1);
            histogram!(FOLD_SECONDS).record(elapsed);
        }
    }
}

const OPERATIONS: &str = "docvault_operations_total";
const OPERATION_SECONDS: &str = "docvault_operation_seconds";
const CALLS: &str = "docvault_storage_calls_total";
const CALL_SECONDS: &str = "docvault_storage_seconds";
const CALL_BYTES: &str = "docvault_storage_bytes_total";
const COMMITS: &str = "docvault_commits_total";
const COMMIT_SECONDS: &str = "docvault_commit_seconds";
const COMMIT_RECORDS: &str = "docvault_commit_records";
const FOLDS: &str = "docvault_folds_total";
const FOLD_SECONDS: &str = "docvault_fold_seconds";
