//! Which object has which name (FORMAT §2).

use super::ObjectKey;
use crate::ids::{CaseId, Hex, OperationId};

pub(crate) const LOG: &str = "log/";
pub(crate) const HEADS: &str = "head/";
pub(crate) const PARTS: &str = "part/";
pub(crate) const CASE_KEYS: &str = "key/";
pub(crate) const KEYRINGS: &str = "keyring/";
pub(crate) const INDEX: &str = "index/";
pub(crate) const TILES: &str = "tile/";
/// Every entry bundle starts so.
pub(crate) const BUNDLES: &str = "tile/entries/";
pub(crate) const CHECKPOINTS: &str = "checkpoint/";
pub(crate) const PROBES: &str = "probe/";
pub(crate) const TURNS: &str = "turn/";
/// Where the objects of a case are: its keys first, without which the rest is noise.
pub(crate) const OF_A_CASE: [&str; 3] = [CASE_KEYS, HEADS, PARTS];

/// The commit whose first record is `first` and follows the record with leaf hash `previous`.
///
/// Inverted, so that the newest commit is the first key listed.
pub(crate) fn commit(first: u64, previous: &[u8; 32]) -> ObjectKey {
    ObjectKey::from_layout(format!("{LOG}{:016x}-{}", !first, Hex(prefix(previous))))
}

/// The first sequence number in a commit's name.
pub(crate) fn first_of_commit(key: &ObjectKey) -> Option<u64> {
    let (inverted, previous) = key.as_str().strip_prefix(LOG)?.split_once('-')?;
    let _: [u8; 16] = crate::ids::parse_hex(previous).ok()?;
    number::<16>(inverted).map(|inverted| !inverted)
}

/// The head that `operation` creates in `case`.
pub(crate) fn head(case: CaseId, operation: OperationId) -> ObjectKey {
    ObjectKey::from_layout(format!("{HEADS}{case}/{operation}"))
}

/// Everything `operation` created under `prefix` ([`HEADS`] or [`PARTS`]) in `case` starts so.
pub(crate) fn of_operation(prefix: &str, case: CaseId, operation: OperationId) -> String {
    format!("{prefix}{case}/{operation}")
}

/// One part: page and part index are one 64-bit number, the page in its upper 32 bits.
pub(crate) fn part(case: CaseId, operation: OperationId, attempt: &[u8; 16], index: u64) -> ObjectKey {
    ObjectKey::from_layout(format!("{PARTS}{case}/{operation}/{index:016x}-{}", Hex(attempt)))
}

/// Page and part as one number.
pub(crate) fn part_index(page: u32, part: u32) -> u64 {
    u64::from(page) << 32 | u64::from(part)
}

/// Every attempt at one part starts so.
pub(crate) fn of_part(case: CaseId, operation: OperationId, index: u64) -> String {
    format!("{PARTS}{case}/{operation}/{index:016x}-")
}

/// The index and the attempt in a part's name.
pub(crate) fn attempt_of_part(key: &ObjectKey) -> Option<(u64, [u8; 16])> {
    let (index, attempt) = key.as_str().rsplit('/').next()?.split_once('-')?;
    Some((number::<16>(index)?, crate::ids::parse_hex(attempt).ok()?))
}

/// The case and the operation in the name of a head or a part.
pub(crate) fn operation_of(key: &ObjectKey) -> Option<(CaseId, OperationId)> {
    let mut segments = key.as_str().split('/').skip(1);
    Some((segments.next()?.parse().ok()?, segments.next()?.parse().ok()?))
}

/// Everything under `prefix` ([`HEADS`], [`PARTS`] or [`CASE_KEYS`]) that belongs to `case` starts so.
pub(crate) fn of_case(prefix: &str, case: CaseId) -> String {
    format!("{prefix}{case}/")
}

/// The case in the name of a head, a part or a case's key.
pub(crate) fn case_of(key: &ObjectKey) -> Option<CaseId> {
    key.as_str().split('/').nth(1)?.parse().ok()
}

/// The wrap of a case's key under a vault key epoch.
pub(crate) fn case_key(case: CaseId, epoch: u32) -> ObjectKey {
    ObjectKey::from_layout(format!("{CASE_KEYS}{case}/{epoch:08x}"))
}

/// The epoch in the name of a case's key.
pub(crate) fn epoch_of(key: &ObjectKey) -> Option<u32> {
    let (_, epoch) = key.as_str().strip_prefix(CASE_KEYS)?.split_once('/')?;
    u32::try_from(number::<8>(epoch)?).ok()
}

/// The keyring with this SHA-256.
pub(crate) fn keyring(digest: &[u8; 32]) -> ObjectKey {
    ObjectKey::from_layout(format!("{KEYRINGS}{}", Hex(digest)))
}

/// An index object written by the fold up to `covered` records, named by its SHA-256.
pub(crate) fn index(covered: u64, digest: &[u8; 32]) -> ObjectKey {
    ObjectKey::from_layout(format!("{INDEX}{covered:016x}-{}", Hex(digest)))
}

/// The fold an index object's name tells.
pub(crate) fn fold_of_index(key: &ObjectKey) -> Option<u64> {
    let (covered, digest) = key.as_str().strip_prefix(INDEX)?.split_once('-')?;
    let _: [u8; 32] = crate::ids::parse_hex(digest).ok()?;
    number::<16>(covered)
}

/// A hash tile.
pub(crate) fn tile(level: u8, number: u64, width: u16) -> ObjectKey {
    ObjectKey::from_layout(format!("{TILES}{level:02x}/{number:016x}-{width:04x}"))
}

/// Every hash tile of a level starts so.
pub(crate) fn tiles_of(level: u8) -> String {
    format!("{TILES}{level:02x}/")
}

/// The level, number and width in a hash tile's name.
pub(crate) fn tile_of(key: &ObjectKey) -> Option<(u8, u64, u16)> {
    let (level, rest) = key.as_str().strip_prefix(TILES)?.split_once('/')?;
    let (count, width) = rest.split_once('-')?;
    let (level, width) = (number::<2>(level)?, number::<4>(width)?);
    Some((u8::try_from(level).ok()?, number::<16>(count)?, u16::try_from(width).ok()?))
}

/// A full entry bundle.
pub(crate) fn bundle(number: u64) -> ObjectKey {
    ObjectKey::from_layout(format!("{BUNDLES}{number:016x}-0100"))
}

/// The number in an entry bundle's name.
pub(crate) fn bundle_of(key: &ObjectKey) -> Option<u64> {
    number::<16>(key.as_str().strip_prefix(BUNDLES)?.strip_suffix("-0100")?)
}

/// A kept checkpoint of a tree of `size`, named by its SHA-256.
pub(crate) fn checkpoint(size: u64, digest: &[u8; 32]) -> ObjectKey {
    ObjectKey::from_layout(format!("{CHECKPOINTS}{:016x}-{}", !size, Hex(digest)))
}

/// A name used once, to see that the backend honours the create condition.
pub(crate) fn probe(random: &[u8; 16]) -> ObjectKey {
    ObjectKey::from_layout(format!("{PROBES}{}", Hex(random)))
}

/// The turn that `process` asked for when it knew `records`.
pub(crate) fn turn(records: u64, process: &[u8; 12]) -> ObjectKey {
    ObjectKey::from_layout(format!("{TURNS}{records:016x}-{}", Hex(process)))
}

/// The number of records and the process in a turn's name.
pub(crate) fn turn_of(key: &ObjectKey) -> Option<(u64, [u8; 12])> {
    let (records, process) = key.as_str().strip_prefix(TURNS)?.split_once('-')?;
    Some((number::<16>(records)?, crate::ids::parse_hex(process).ok()?))
}

/// A number of that many digits, as it is written: of a name that is not, nothing is to be read.
fn number<const DIGITS: usize>(digits: &str) -> Option<u64> {
    let written = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    let well_formed = digits.len() == DIGITS && digits.bytes().all(written);
    u64::from_str_radix(digits, 16).ok().filter(|_| well_formed)
}

fn prefix(hash: &[u8; 32]) -> &[u8] {
    hash.first_chunk::<16>().map_or(hash.as_slice(), <[u8; 16]>::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_commits_sort_first() {
        let names = [commit(300, &[1; 32]), commit(299, &[2; 32]), commit(0, &[0; 32])];
        assert!(names.is_sorted());
        assert_eq!(names.each_ref().map(first_of_commit), [Some(300), Some(299), Some(0)]);
    }

    #[test]
    fn a_commit_has_digits_of_their_full_lengths() {
        let of = |name: &str| first_of_commit(&name.parse().expect("a name"));
        let (first, previous) = ("f".repeat(16), "0".repeat(32));
        assert_eq!(of(&format!("log/{first}-{previous}")), Some(0));
        assert_eq!(of(&format!("log/{}-{previous}", &first[1..])), None);
        assert_eq!(of(&format!("log/{first}-{}", &previous[1..])), None);
    }

    #[test]
    fn prefixes_are_of_what_is_under_them_alone() {
        let (case, operation) = (CaseId::from_bytes([1; 16]), OperationId::from_bytes([2; 16]));
        assert_eq!(part_index(7, u32::MAX), 7 << 32 | 0xffff_ffff);
        let parts = [5, 6].map(|index| part(case, operation, &[3; 16], index));
        let under = |prefix: &str| parts.each_ref().map(|key| key.as_str().starts_with(prefix));
        assert_eq!(under(&of_part(case, operation, 6)), [false, true]);
        assert_eq!(under(&of_case(PARTS, case)), [true, true]);
        let tiles = [tile(0, 1, 256), tile(1, 1, 256)];
        assert_eq!(tiles.map(|key| key.as_str().starts_with(&tiles_of(1))), [false, true]);
    }

    #[test]
    fn index_objects_and_bundles_tell_their_numbers() {
        for number in [0, 1, 300, u64::MAX] {
            assert_eq!(fold_of_index(&index(number, &[1; 32])), Some(number));
            assert_eq!(bundle_of(&bundle(number)), Some(number));
        }
        assert_eq!(fold_of_index(&bundle(1)), None);
        assert_eq!(bundle_of(&tile(0, 1, 256)), None);
    }

    /// Or an object that nobody writes so would pass for one that somebody has written.
    #[test]
    fn a_name_that_is_written_otherwise_tells_nothing() {
        let (case, hash) = (CaseId::from_bytes([1; 16]), "0b".repeat(32));
        let key = |name: String| name.parse::<ObjectKey>().expect("a name");
        let (of_log, of_index) = (first_of_commit, fold_of_index);
        assert_eq!(of_log(&key(format!("log/{:016x}-{}", !5u64, &hash[..32]))), Some(5));
        for name in [format!("log/{}-{}", "f".repeat(16), "z".repeat(32)), format!("log/5-{}", &hash[..32])] {
            assert_eq!(of_log(&key(name)), None);
        }
        assert_eq!(of_index(&key(format!("index/{:016x}-{hash}", 5))), Some(5));
        for name in [format!("index/5-{hash}"), format!("index/{:016x}-x", 5)] {
            assert_eq!(of_index(&key(name)), None);
        }
        assert_eq!(epoch_of(&key(format!("key/{case}/00000001"))), Some(1));
        for epoch in ["1", "000000001", "0000000g"] {
            assert_eq!(epoch_of(&key(format!("key/{case}/{epoch}"))), None);
        }
        assert_eq!(tile_of(&key(format!("tile/00/{:016x}-0100", 7))), Some((0, 7, 256)));
        for name in ["tile/00/0-100", "tile/0/0000000000000007-0100", "tile/00/0000000000000007-100"] {
            assert_eq!(tile_of(&key(name.to_owned())), None);
        }
    }

    #[test]
    fn names_tell_their_operation_and_attempt() {
        let (case, operation) = (CaseId::from_bytes([1; 16]), OperationId::from_bytes([2; 16]));
        let part = part(case, operation, &[3; 16], 1 << 32 | 5);
        assert_eq!(operation_of(&part), Some((case, operation)));
        assert_eq!(attempt_of_part(&part), Some((1 << 32 | 5, [3; 16])));
        assert_eq!(operation_of(&head(case, operation)), Some((case, operation)));
        assert_eq!(tile_of(&tile(1, 300, 7)), Some((1, 300, 7)));
        assert_eq!(tile_of(&bundle(300)), None);
        assert_eq!(turn_of(&turn(300, &[4; 12])), Some((300, [4; 12])));
        for key in [part, head(case, operation), case_key(case, 7)] {
            assert_eq!(case_of(&key), Some(case));
        }
    }
}
