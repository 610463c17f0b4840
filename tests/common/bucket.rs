//! A bucket on loopback, as much of S3's and Google's XML interface as a vault uses, that is honest or
//! fails as real ones do.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    dead_code,
    unreachable_pub,
    reason = "a test's helper"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// What the bucket does with `If-None-Match: *` and its like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Manner {
    Honest,
    /// Ignores the condition and overwrites, as Garage does.
    Overwrites,
    /// Looks, and writes a little later, as s3s-fs does.
    ChecksThenWrites,
    /// Says 501, as Swift does.
    NotImplemented,
    /// Says 403 to every write.
    Denies,
    /// Writes, and says 500, the first time for each name: the client's own retry meets its own write.
    LosesAnswers,
    /// Writes nothing and says 409, the first time for each name.
    Conflicts,
    /// Has no such bucket.
    NoBucket,
    /// Has no space left.
    Full,
}

#[derive(Debug)]
struct Bucket {
    manner: Manner,
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    seen: Mutex<BTreeSet<String>>,
}

/// Serves one bucket, for as long as the process lives.
pub fn serve(manner: Manner) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let bucket = Arc::new(Bucket { manner, objects: Mutex::default(), seen: Mutex::default() });
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let bucket = bucket.clone();
            thread::spawn(move || drop(bucket.converse(stream)));
        }
    });
    address
}

struct Request {
    method: String,
    key: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

struct Response(u16, Vec<(&'static str, String)>, Vec<u8>);

impl Response {
    fn status(status: u16, code: &str) -> Self {
        Self(status, Vec::new(), format!("<Error><Code>{code}</Code></Error>").into_bytes())
    }
}

impl Bucket {
    fn converse(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut writer = stream.try_clone()?;
        let mut reader = BufReader::new(stream);
        while let Some(request) = read_request(&mut reader)? {
            let Response(status, headers, body) = self.answer(&request);
            let mut head = format!("HTTP/1.1 {status} x\r\n");
            let head_only = request.method == "HEAD";
            if !headers.iter().any(|(name, _)| *name == "content-length") {
                head += &format!("content-length: {}\r\n", body.len());
            }
            headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
            // In one piece, or a body would wait for the client to acknowledge its head.
            let mut response = format!("{head}\r\n").into_bytes();
            if !head_only {
                response.extend(body);
            }
            writer.write_all(&response)?;
        }
        Ok(())
    }

    fn answer(&self, request: &Request) -> Response {
        if self.manner == Manner::NoBucket {
            return Response::status(404, "NoSuchBucket");
        }
        match (request.method.as_str(), request.key.is_empty()) {
            ("PUT", _) => self.put(request),
            ("GET", true) => self.list(&request.query),
            ("GET" | "HEAD", false) => self.get(request),
            ("POST", true) => self.delete_many(&String::from_utf8_lossy(&request.body)),
            ("DELETE", false) => {
                let removed = self.objects.lock().unwrap().remove(&request.key);
                if removed.is_some() {
                    Response(204, vec![], vec![])
                } else {
                    Response::status(404, "NoSuchKey")
                }
            }
            _ => Response::status(405, "MethodNotAllowed"),
        }
    }

    fn put(&self, Request { key, headers, body, .. }: &Request) -> Response {
        let conditional = headers.get("if-none-match").is_some_and(|value| value == "*")
            || headers.get("x-goog-if-generation-match").is_some_and(|value| value == "0");
        assert!(conditional, "a vault writes nothing without the condition");
        let first = || self.seen.lock().unwrap().insert(key.clone());
        match self.manner {
            Manner::NotImplemented => return Response::status(501, "NotImplemented"),
            Manner::Denies => return Response::status(403, "AccessDenied"),
            Manner::Full => return Response::status(403, "QuotaExceeded"),
            Manner::Conflicts if first() => return Response::status(409, "ConditionalRequestConflict"),
            Manner::ChecksThenWrites => {
                if self.objects.lock().unwrap().contains_key(key) {
                    return Response::status(412, "PreconditionFailed");
                }
                self.wait_for_another(key);
            }
            _ => {}
        }
        let mut objects = self.objects.lock().unwrap();
        let keeps = !matches!(self.manner, Manner::Overwrites | Manner::ChecksThenWrites);
        if keeps && objects.contains_key(key) {
            return Response::status(412, "PreconditionFailed");
        }
        objects.insert(key.clone(), body.clone());
        drop(objects);
        if self.manner == Manner::LosesAnswers && first() {
            return Response::status(500, "InternalError");
        }
        Response(200, vec![("etag", "\"1\"".to_owned())], vec![])
    }

    /// Holds the first writer of a probe's name, who has looked and not written, until another has looked
    /// too: the race that a vault runs must come out badly, however slow the machine.
    fn wait_for_another(&self, key: &str) {
        let second = format!("{key} again");
        if !self.seen.lock().unwrap().insert(key.to_owned()) {
            self.seen.lock().unwrap().insert(second);
            return;
        }
        for _ in 0..500 {
            if !key.starts_with("probe/") || self.seen.lock().unwrap().contains(&second) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn get(&self, Request { key, headers, method, .. }: &Request) -> Response {
        let Some(bytes) = self.objects.lock().unwrap().get(key).cloned() else {
            return Response::status(404, "NoSuchKey");
        };
        let mut about =
            vec![("etag", "\"1\"".to_owned()), ("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT".to_owned())];
        let range = headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        let Some((start, end)) = range else {
            if method == "HEAD" {
                about.push(("content-length", bytes.len().to_string()));
            }
            return Response(200, about, bytes);
        };
        let start: usize = start.parse().unwrap();
        if start >= bytes.len() {
            return Response::status(416, "InvalidRange");
        }
        let end = end.parse::<usize>().map_or(bytes.len(), |last| (last + 1).min(bytes.len()));
        about.push(("content-range", format!("bytes {start}-{}/{}", end - 1, bytes.len())));
        Response(206, about, bytes[start..end].to_vec())
    }

    fn delete_many(&self, body: &str) -> Response {
        let mut objects = self.objects.lock().unwrap();
        let keys = body.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
        let mut deleted = String::new();
        for (key, _) in keys {
            objects.remove(key);
            deleted += &format!("<Deleted><Key>{key}</Key></Deleted>");
        }
        Response(200, vec![], format!("<DeleteResult>{deleted}</DeleteResult>").into_bytes())
    }

    fn list(&self, query: &BTreeMap<String, String>) -> Response {
        let of = |name: &str| query.get(name).cloned().unwrap_or_default();
        let start = of("continuation-token").max(of("start-after"));
        let prefix = of("prefix");
        let objects = self.objects.lock().unwrap();
        let mut found = objects.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > start);
        let page: Vec<_> = found.by_ref().take(PAGE).collect();
        let mut body = String::from("<ListBucketResult>");
        for (key, bytes) in &page {
            body += &format!(
                "<Contents><Key>{key}</Key><Size>{}</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified>\
                 <ETag>1</ETag></Contents>",
                bytes.len()
            );
        }
        if let (Some(_), Some((last, _))) = (found.next(), page.last()) {
            body += &format!("<NextContinuationToken>{last}</NextContinuationToken>");
        }
        Response(200, vec![], (body + "</ListBucketResult>").into_bytes())
    }
}

/// `None` when the client has gone.
fn read_request(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.trim().to_owned()),
            None => break,
        };
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    // The bucket's name comes first.
    let key = path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key);
    let key = percent_decoded(key);
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let query = pairs.map(|(name, value)| (name.to_owned(), percent_decoded(value))).collect();
    Ok(Some(Request { method, key, query, headers, body }))
}

fn percent_decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut decoded = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (code, rest) = piece.split_at(2);
        decoded.push(u8::from_str_radix(code, 16).unwrap().into());
        decoded += rest;
    }
    decoded
}

/// Keys on one page of a listing.
const PAGE: usize = 100;
