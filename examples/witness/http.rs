//! The witness protocol over HTTP (c2sp.org/tlog-witness): both ends.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use docvault::Witness;

/// Answers `POST /add-checkpoint`.
pub(crate) fn router(witness: Witness) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(witness)
}

async fn add_checkpoint(State(witness): State<Witness>, request: String) -> Response {
    // The witness waits for its store, so it gets a thread for that.
    let answer = tokio::task::spawn_blocking(move || witness.add_checkpoint(&request)).await;
    match answer {
        Ok(Ok(lines)) => ([(CONTENT_TYPE, "text/plain; charset=utf-8")], lines).into_response(),
        Ok(Err(refusal)) => {
            let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, [(CONTENT_TYPE, refusal.content_type())], refusal.body()).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// What a witness answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The answer's `Content-Type`.
    pub(crate) content_type: String,
    /// On success, signature lines for [`docvault::TrustPolicy::add_cosignatures`].
    pub(crate) body: String,
}

/// Sends a request to the witness at `url`, its submission prefix: `http://host:port/prefix`.
///
/// Plain HTTP only: what is sent is public, and what comes back is signed.
pub(crate) fn submit(url: &str, request: &str) -> io::Result<Answer> {
    let rest = url.strip_prefix("http://").ok_or_else(|| invalid("the URL does not begin with http://"))?;
    let (host, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let path = format!("/{prefix}/add-checkpoint").replace("//", "/");
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: text/plain\r\n\
         Content-Length: {}\r\n\r\n{request}",
        request.len()
    )?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER).read_to_string(&mut answer)?;
    parse(&answer).ok_or_else(|| invalid("this is no HTTP answer"))
}

fn parse(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let (status, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = status.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let content_type = headers.split("\r\n").filter_map(|header| header.split_once(": "));
    let content_type = content_type.filter(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let content_type = content_type.map(|(_, value)| value.to_owned()).next().unwrap_or_default();
    Some(Answer { status, content_type, body: body.to_owned() })
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// A note of 256 KiB, and the proof before it.
const MAX_BODY: usize = 264 << 10;
const MAX_ANSWER: u64 = 256 << 10;
const TIMEOUT: Duration = Duration::from_secs(10);
