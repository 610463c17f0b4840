//! One file of a submission, to be saved, or shown as a picture on a page of ours.

use axum::{
    body::Body,
    extract::{Path, State},
    http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use docvault::{CaseId, Reader, intake::Key};
use futures_util::stream;

use super::{Shared, failure::Failure, past::Past, people::Visitor};

/// Sends a file, as it was handed in; on record as every reading.
///
/// Whatever it is, nothing in it runs: it is an attachment of the type that its bytes show, in a sandbox if a
/// browser shows it all the same.
pub(super) async fn send(
    State(_): State<Shared>,
    visitor: Visitor,
    Path((_, case, requirement, number)): Path<(String, CaseId, Key, usize)>,
) -> Result<Response, Failure> {
    let reader = visitor.desk.read(case, &requirement).await?;
    let past = Past::of(&visitor.desk, case).await?;
    let submission = past.submission(reader.version()).ok_or(Failure::NotFound)?;
    let at = number.checked_sub(1).ok_or(Failure::NotFound)?;
    let file = submission.files.get(at).ok_or(Failure::NotFound)?;
    let range = reader.pages().get(at).cloned().ok_or(Failure::NotFound)?;
    // What the client called it would choose what opens it.
    let name = format!("{requirement}-{number}.{}", file.extension());
    let headers = [
        (CONTENT_TYPE, file.media_type.clone()),
        (CONTENT_LENGTH, (range.end - range.start).to_string()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".to_owned()),
    ];
    let pieces = stream::try_unfold((reader, range.start, range.end), piece);
    Ok((headers, Body::from_stream(pieces)).into_response())
}

type Left = (Reader, u64, u64);

async fn piece((reader, at, end): Left) -> docvault::Result<Option<(bytes::Bytes, Left)>> {
    if at >= end {
        return Ok(None);
    }
    let next = end.min(at.saturating_add(PIECE));
    let bytes = reader.range(at..next).await?;
    Ok(Some((bytes, (reader, next, end))))
}

const PIECE: u64 = 1 << 20;
