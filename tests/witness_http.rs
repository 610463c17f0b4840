//! The witness of `examples/witness`, over loopback, with a log of other people's making.
#![cfg(feature = "fs")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod foreign_log;
#[path = "../examples/witness/http.rs"]
#[allow(dead_code, unreachable_pub, reason = "the example's own module")]
mod http;

use std::thread;

use docvault::{FileWitnessStore, TrustPolicy, Witness, WitnessKey};
use foreign_log::ForeignLog;

const ORIGIN: &str = "example.com/foreign";

/// Serves for as long as the test runs; gives the URL.
fn serve(witness: Witness) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, http::router(witness)).await.unwrap();
        });
    });
    url
}

#[test]
fn every_answer_of_the_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = ForeignLog::new(ORIGIN, 7);
    let logs = TrustPolicy::parse(&format!("log {}\nquorum none\n", log.verifier_key())).unwrap();
    let key = WitnessKey::create(folder.path().join("key"), "witness.example/w1").unwrap();
    let witness_key = key.verifier_key();
    let store = FileWitnessStore::create(folder.path().join("witness")).unwrap();
    let url = serve(Witness::new(key, logs, store));
    let submit = |request: &str| http::submit(&url, request).unwrap();
    let trust =
        TrustPolicy::parse(&format!("log {}\nwitness w1 {witness_key}\nquorum w1\n", log.verifier_key()));
    let trust = trust.unwrap();

    log.grow_to(3);
    assert!(trust.check(&log.checkpoint()).is_err(), "no witness has cosigned it yet");
    let answer = submit(&log.request(0));
    assert_eq!(answer.status, 200);
    let cosigned = trust.add_cosignatures(&log.checkpoint(), &answer.body).unwrap();
    assert_eq!(trust.check(&cosigned).unwrap().checkpoint.size(), 3);

    let mut fork = log.fork();
    fork.push(b"another record");
    log.grow_to(9);
    let conflict = submit(&log.request(0));
    assert_eq!((conflict.status, conflict.content_type.as_str()), (409, "text/x.tlog.size"));
    assert_eq!(conflict.body, "3\n");
    assert_eq!(submit(&log.request(3)).status, 200);
    assert_eq!(submit(&fork.request(3)).status, 409);
    fork.grow_to(12);
    assert_eq!(submit(&fork.request(9)).status, 422, "a fork");
    assert_eq!(submit(&ForeignLog::new("example.com/other", 7).request(0)).status, 404);
    let mut impostor = ForeignLog::new(ORIGIN, 8);
    impostor.grow_to(9);
    assert_eq!(submit(&impostor.request(9)).status, 403);
    assert_eq!(submit("old 1\n").status, 400);
    assert_eq!(submit(&log.request(9).replace("old 9", "old 10")).status, 400);
    assert_eq!(submit(&log.request(9)).status, 200, "the same head again");
}
