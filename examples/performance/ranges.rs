//! 64 KiB out of 1 GiB in a folder in memory, against reading and opening the same chunks by hand.

use std::{hint::black_box, path::Path, sync::Arc};

use bytes::Bytes;
use docvault::{
    CaseId, DocumentId, NewDocument, Session,
    chunked::{Aead, CHUNK_LEN, ChaCha20Poly1305, TAG_LEN},
    storage::{FsStorage, ObjectKey, Storage},
};
use futures_lite::future::block_on;

use crate::measure::{Failure, Times, append, desk};

const RANGE: u64 = 64 << 10;
const PART: u64 = 8 << 20;
const LEN: u64 = 1 << 30;

/// By an open reader, and by a single call that is on record.
pub(crate) fn ranges(folder: &Path) -> Result<(), Failure> {
    let storage = FsStorage::create(folder.join("ranges"))?;
    let (desk, case) = desk(Arc::new(storage.clone()), folder)?;
    let document = upload(&desk, case)?;
    let reader = block_on(desk.reader(document))?;
    let names = block_on(storage.list("part/", None, 1000))?;
    let cipher = ChaCha20Poly1305::new(&[7; 32]).ok_or("32 bytes are a key")?;
    let (mut by_reader, mut logged) = (Times::of("range_by_reader"), Times::of("range_logged"));
    let (mut by_hand, mut appended) = (Times::of("range_by_hand"), Times::of("append_folder"));
    for round in 0..2000u64 {
        // Well spread, and astride chunks.
        let start = (round * 7_919 * 1_048_583) % (LEN - (1 << 20)) / RANGE * RANGE + 100;
        if start % PART + RANGE > PART {
            continue;
        }
        by_reader.time(|| block_on(reader.range(start..start + RANGE)))?;
        // Elsewhere in the document each time: what was just read is in the cache.
        let name = names.get(usize::try_from((start / PART) ^ 64)?).ok_or("a part for every 8 MiB")?;
        by_hand.time(|| block_on(read_by_hand(&storage, name, start % PART, &cipher)))?;
        let start = (start + LEN / 4) % (LEN - PART);
        logged.time(|| block_on(desk.retrieve_range(document, start..start + RANGE)))?;
        appended.time(|| block_on(append(&desk, 1)))?;
    }
    [by_reader, logged, by_hand, appended].iter().for_each(Times::print);
    std::fs::remove_dir_all(folder.join("ranges"))?;
    Ok(())
}

fn upload(desk: &Session, case: CaseId) -> Result<DocumentId, Failure> {
    let mut upload = block_on(desk.upload(case, NewDocument::named("x")))?;
    let part = vec![7u8; usize::try_from(PART)?];
    (0..LEN / PART).try_for_each(|_| block_on(upload.write(&part)))?;
    Ok(block_on(upload.finish())?.document)
}

async fn read_by_hand(
    storage: &FsStorage,
    name: &ObjectKey,
    within: u64,
    cipher: &ChaCha20Poly1305,
) -> Result<Bytes, Failure> {
    let sealed_chunk = u64::try_from(CHUNK_LEN + TAG_LEN)?;
    let (first, last) = (within >> 14, (within + RANGE - 1) >> 14);
    let range = 56 + first * sealed_chunk..56 + (last + 1) * sealed_chunk;
    let sealed = storage.read(name, Some(range)).await?.ok_or("the part is there")?;
    let mut sealed = sealed.try_into_mut().map_err(|_| "nobody else holds it")?;
    for chunk in sealed.chunks_mut(CHUNK_LEN + TAG_LEN) {
        // ChaCha20-Poly1305 takes as long one way as the other; the other needs the document's key.
        black_box(cipher.seal(&[0; 12], chunk));
    }
    Ok(sealed.freeze())
}
