//! Commits whose hashes are mended, or only the first of them would ever be looked at.

use bytes::Bytes;

use super::VAULT;
use crate::{
    crypto::sign::SigningKey,
    log::{
        commit::{BODY_CAP, COMMIT_CAP, Commit, Draft, Entry, Hashed, body_commitment},
        leaf::{Kind, LEAF_LEN, Leaf},
        merkle::Frontier,
        signing::{self, LogKey},
    },
    secret::Secret,
    wire::{Malformed, Reader},
};

/// Those records of a commit that repeat what is before it, and its own: each made to follow the one before and to name
/// its body. Some 64 of either will do.
pub(super) fn records(data: &[u8]) -> Result<(Vec<Hashed>, Vec<Entry>), Malformed> {
    let mut r = Reader::new(data);
    r.take(24)?;
    let (first, count, recent) = (r.u64()?, r.count(64)?, r.count(64)?);
    r.take(80)?;
    let bodies = r.count(COMMIT_CAP)?;
    let leaves = r.take((recent + count) * LEAF_LEN)?;
    let mut bodies = Reader::new(r.take(bodies)?);
    let (mut hashed, mut entries) = (Vec::<Hashed>::new(), Vec::new());
    for (encoded, at) in leaves.chunks(LEAF_LEN).zip(0u64..) {
        let mut leaf = Leaf::parse(encoded)?;
        let before = hashed.last().map_or(leaf.previous, |record| record.hash);
        let own = usize::try_from(at).map_err(|_| Malformed)?.checked_sub(recent);
        (leaf.seq, leaf.previous) = (first.checked_add(at).ok_or(Malformed)?, before);
        let body = if own.is_some() { bodies.bytes(BODY_CAP)? } else { &[] };
        if let Some(own) = own {
            (leaf.position, leaf.body) = (u16::try_from(own).map_err(|_| Malformed)?, body_commitment(body));
        }
        let record = Hashed::new(leaf);
        hashed.push(record.clone());
        entries.extend(own.map(|_| Entry { record, body: Bytes::copy_from_slice(body) }));
    }
    hashed.truncate(recent);
    Ok((hashed, entries))
}

/// A commit of these records: it parses if they are in order, to what was sealed, and is verified by its key alone.
pub(super) fn commit(recent: &[Hashed], entries: Vec<Entry>) {
    let signer = SigningKey::from_seed(Secret::take([7; 32]));
    let records: Vec<Leaf> =
        recent.iter().chain(entries.iter().map(|entry| &entry.record)).map(|r| r.leaf.clone()).collect();
    let Some(last) = entries.last().map(|entry| entry.record.leaf.clone()) else { return };
    let epochs: Vec<u32> = entries.iter().map(|entry| entry.record.leaf.key_epoch).collect();
    let encoded: Vec<Bytes> = recent.iter().map(|record| record.encoded.clone()).collect();
    let draft =
        Draft { vault: VAULT, before: &Frontier::default(), recent: &encoded, entries, nonce: [3; 16] };
    let sealed = draft.seal(&signer).expect("few records");
    let parsed = Commit::parse(VAULT, &sealed.bytes);
    let first = records.get(recent.len());
    let follows = |first: &Leaf| first.seq > 0 || first.previous == [0; 32] && recent.is_empty();
    let sound = first.is_some_and(follows)
        && records.is_sorted_by_key(|leaf| leaf.time)
        && records.iter().rev().skip(1).take(epochs.len() - 1).all(|leaf| leaf.kind != Kind::SigningKeys)
        && signing::stated(&last).is_ok();
    assert_eq!(parsed.is_ok(), sound);
    let Ok(parsed) = parsed else { return };
    assert_eq!(parsed.encode(), sealed.bytes);
    let key =
        |seed, epoch| LogKey { epoch, key: SigningKey::from_seed(Secret::take([seed; 32])).verifying_key() };
    let one_epoch = epochs.iter().all(|epoch| *epoch == last.key_epoch);
    assert_eq!(parsed.verify(&key(7, last.key_epoch)).is_ok(), one_epoch);
    assert!(parsed.verify(&key(8, last.key_epoch)).is_err());
    assert!(parsed.verify(&key(7, last.key_epoch.wrapping_add(1))).is_err());
}
