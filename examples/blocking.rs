//! A caller without an async runtime: each operation is waited for where it is called.
//!
//! The vault asks for no runtime: its file calls run on a small pool of threads of their own, and
//! any executor that polls a future will do, the one below in fifteen lines included.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use docvault::{NewDocument, Vault, keys::LocalKey, storage::FsStorage};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls `future` on this thread, which sleeps in between.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        thread::park();
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let storage = FsStorage::create(folder.path().join("vault"))?;
    let vault = wait(Vault::create(storage, LocalKey::create(folder.path().join("key"))?))?;
    let desk = vault.session("clerk:1").purpose("intake").begin()?;
    let case = wait(desk.create_case("María López, alta 0007"))?;

    // Sessions may be used from many threads: what they store at once goes into few commits.
    let stored: Vec<_> = thread::scope(|scope| {
        let store = |i: u8| {
            let desk = desk.clone();
            scope
                .spawn(move || wait(desk.store(case, NewDocument::named(format!("page {i}")), vec![i; 1000])))
        };
        (0..8).map(store).collect::<Vec<_>>().into_iter().map(|thread| thread.join()).collect()
    });
    for stored in stored {
        let stored = stored.map_err(|_| "a thread panicked")??;
        println!("record {}: {} bytes, BLAKE3 {}", stored.seq, stored.len, stored.digest);
    }
    let verified = wait(vault.audit().verify_from_genesis())?;
    println!("{} records verified", verified.checked);
    Ok(())
}
