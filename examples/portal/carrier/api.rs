//! What pages and the office send to a carrier, and get from it. All of it is sealed, signed or public.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use docvault::{
    DepositId, ErrorKind, RequestId,
    deposit::{CarrierError, HeldPart, Refusal},
};
use serde_json::{Value, json};

use super::Shared;

/// Who the office is: its id and key, to be held against the fingerprint that it tells.
pub(super) async fn office(State(shared): State<Shared>) -> Response {
    octets(shared.office.to_bytes().into())
}

/// Publishes a request. Anybody may: only what the office signed for this carrier is taken.
pub(super) async fn publish(State(shared): State<Shared>, descriptor: Bytes) -> Response {
    match shared.carrier.publish(descriptor).await {
        Ok(request) => (StatusCode::CREATED, request.to_string()).into_response(),
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Denied) => {
            (StatusCode::FORBIDDEN, "the office has not signed this request for this carrier").into_response()
        }
        Err(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "the request could not be kept: try again").into_response()
        }
    }
}

/// The request that a link is for.
pub(super) async fn descriptor(State(shared): State<Shared>, Path(request): Path<RequestId>) -> Response {
    shared.carrier.descriptor(request).await.map_or_else(refused, octets)
}

/// Takes one sealed part.
pub(super) async fn part(State(shared): State<Shared>, part: Bytes) -> Response {
    shared.carrier.receive(part).await.map_or_else(refused, |part| Json(held_part(&part)).into_response())
}

/// Takes the manifest that completes a deposit; answers with the promise.
pub(super) async fn manifest(State(shared): State<Shared>, manifest: Bytes) -> Response {
    shared.carrier.finish(manifest).await.map_or_else(refused, octets)
}

/// What is here of a deposit, and what the office has answered.
pub(super) async fn held(
    State(shared): State<Shared>,
    Path((request, deposit)): Path<(RequestId, DepositId)>,
) -> Response {
    let held = match shared.carrier.held(request, deposit).await {
        Ok(held) => held,
        Err(error) => return refused(error),
    };
    let answers: Vec<String> = held.answers.iter().map(|answer| hex(answer)).collect();
    let parts: Vec<Value> = held.parts.iter().map(held_part).collect();
    let promise = held.promise.map(|promise| hex(&promise));
    Json(json!({ "parts": parts, "promise": promise, "answers": answers })).into_response()
}

fn held_part(part: &HeldPart) -> Value {
    json!({ "page": part.page, "part": part.part, "sha256": hex(&part.sha256) })
}

fn octets(bytes: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/octet-stream")], bytes).into_response()
}

/// A refusal with its name, which the page translates; a failure as one that may be tried again.
fn refused(error: CarrierError) -> Response {
    let CarrierError::Refused(refusal) = error else {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "refusal": "failed" }))).into_response();
    };
    let (status, name) = match refusal {
        Refusal::Unknown => (StatusCode::NOT_FOUND, "unknown"),
        Refusal::Closed => (StatusCode::GONE, "closed"),
        Refusal::Expired => (StatusCode::GONE, "expired"),
        Refusal::Caps => (StatusCode::PAYLOAD_TOO_LARGE, "caps"),
        Refusal::Signature => (StatusCode::FORBIDDEN, "signature"),
        Refusal::Malformed => (StatusCode::BAD_REQUEST, "malformed"),
        Refusal::Begun | Refusal::Uses => (StatusCode::CONFLICT, "uses"),
        Refusal::Finished => (StatusCode::CONFLICT, "finished"),
        Refusal::Missing { .. } => (StatusCode::CONFLICT, "missing"),
        _ => (StatusCode::CONFLICT, "conflict"),
    };
    (status, Json(json!({ "refusal": name }))).into_response()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
