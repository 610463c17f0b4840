//! A way to a server on which answers can be lost.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    dead_code,
    unreachable_pub,
    reason = "a test's helper"
)]

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Passes everything on, until it is told to lose answers.
#[derive(Debug)]
pub struct Proxy {
    pub address: SocketAddr,
    loses: Arc<AtomicBool>,
}

impl Proxy {
    /// A way to `server`, open for as long as the process lives.
    pub fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, loses) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let deaf = loses.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(&server).unwrap();
                let (client_too, server_too) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let deaf = deaf.clone();
                thread::spawn(move || pass(client_too, server_too, &AtomicBool::new(false)));
                thread::spawn(move || pass(server, client, &deaf));
            }
        });
        Self { address, loses }
    }

    /// From now on every answer, or none, is lost together with its connection.
    pub fn lose_answers(&self, loses: bool) {
        self.loses.store(loses, Ordering::SeqCst);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, loses: &AtomicBool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if loses.load(Ordering::SeqCst) || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
