//! What storing a file costs without a vault, on as many threads as there are cores, each bound to one: the least
//! that this machine takes for what a vault does with every byte.
//!
//! `floor FILE FOLDER`, both in memory; parts of 8 MiB go into FOLDER. Prints `name seconds` lines, the best of five
//! rounds: the file read and written through memory, then hashed and sealed between, 16 KiB at a time.

use std::{
    fs::{self, File},
    hint::black_box,
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    thread,
    time::Instant,
};

use docvault::chunked::{Aead, CHUNK_LEN, ChaCha20Poly1305};

type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "usage: floor FILE FOLDER";
const PART: u64 = 8 << 20;
/// Read and written at once: little enough to stay in a core's cache.
const PIECE: usize = 256 << 10;

fn main() -> Result<(), Failure> {
    let arguments: Vec<PathBuf> = std::env::args().skip(1).map(PathBuf::from).collect();
    let [file, folder] = arguments.as_slice() else { return Err(USAGE.into()) };
    let cipher = ChaCha20Poly1305::new(&[7; 32]).ok_or("32 bytes are a key")?;
    best("copied", file, folder, &|_| {})?;
    best("hashed_and_sealed", file, folder, &|piece| {
        for chunk in piece.chunks_mut(CHUNK_LEN) {
            black_box(blake3::hash(chunk));
            black_box(cipher.seal(&[0; 12], chunk));
        }
    })
}

fn best(name: &str, file: &Path, folder: &Path, work: &(impl Fn(&mut [u8]) + Sync)) -> Result<(), Failure> {
    let file = File::open(file)?;
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        fs::create_dir(folder)?;
        let start = Instant::now();
        on_every_core(&|first, step| pass(&file, folder, (first, step), work))?;
        best = best.min(start.elapsed().as_secs_f64());
        fs::remove_dir_all(folder)?;
    }
    println!("{name} {best:.3}");
    Ok(())
}

/// Runs `work` once for each core, told its number and how many there are.
fn on_every_core(work: &(impl Fn(u64, u64) -> io::Result<()> + Sync)) -> Result<(), Failure> {
    let cores = core_affinity::get_core_ids().ok_or("the cores cannot be told")?;
    let count = u64::try_from(cores.len())?;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..)
            .zip(cores)
            .map(|(first, core)| {
                scope.spawn(move || {
                    core_affinity::set_for_current(core);
                    work(first, count)
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| Ok(thread.join().map_err(|_| "a thread panicked")??))
    })
}

/// Every part of the file that is this thread's: read, worked on and written piece by piece.
fn pass(file: &File, folder: &Path, (first, step): (u64, u64), work: &impl Fn(&mut [u8])) -> io::Result<()> {
    let (len, mut buffer, mut part) = (file.metadata()?.len(), vec![0; PIECE], first);
    while part * PART < len {
        let mut out = File::create_new(folder.join(part.to_string()))?;
        let (mut at, end) = (part * PART, len.min((part + 1) * PART));
        while at < end {
            let read = file.read_at(&mut buffer, at)?;
            let Some(piece) = buffer.get_mut(..read).filter(|piece| !piece.is_empty()) else { break };
            work(piece);
            out.write_all(piece)?;
            at += u64::try_from(read).unwrap_or(u64::MAX);
        }
        part += step;
    }
    Ok(())
}
