//! What is sealed in records and keyrings, and what tiles and bundles repeat of the log.

use std::{collections::BTreeSet, sync::LazyLock};

use bytes::Bytes;

use crate::{
    keyring::{self, Keyring, Slot},
    keys::{PassphraseSlot, SlotKind},
    log::{
        body,
        leaf::LEAF_LEN,
        tile::{self, BUNDLE_LEN, Tile},
        topic::topic,
    },
    padding,
    plan::Said,
    secret::Secret,
    transfer::{read_draft, write_draft},
    wire::{Malformed, Writer},
};

/// A body, what a statement says, its topic, and what pads them.
pub(super) fn record(data: &[u8]) {
    if let Ok((outer, inner)) = body::parse(data) {
        assert_eq!(body::encode(&outer, &inner).as_slice(), data);
    }
    if let Ok(said) = Said::parse(data) {
        assert_eq!(said.encode().as_slice(), data);
    }
    if let Ok(topic) = topic(data) {
        let mut w = Writer::new();
        w.text(&topic);
        assert_eq!(w.as_slice(), data);
    }
    if let Ok(bytes) = padding::unpad(data) {
        assert_eq!(padding::pad(bytes).as_slice(), data);
    }
}

/// The keys of a keyring, and the slot of a passphrase.
pub(super) fn keyring(data: &[u8]) {
    if let Ok(keyring) = contents(data) {
        assert!(keyring.labels.is_sorted_by(|a, b| a.slot < b.slot));
        assert_eq!(keyring.contents().as_slice(), data);
    }
    if let Ok(slot) = PassphraseSlot::parse(data) {
        assert_eq!(slot.encode(), data);
    }
}

/// Of a keyring that has a slot for each label, and one of each, ascending, as no other is read (FORMAT §4.2).
pub(super) fn contents(data: &[u8]) -> Result<Keyring, Malformed> {
    static LIKE: LazyLock<Slot> =
        LazyLock::new(|| keyring::slot([0; 16], SlotKind::Local, &Secret::take([7; 32]), Vec::new()));
    let slot = |id| {
        let mut slot = LIKE.clone();
        slot.id = id;
        slot
    };
    Keyring::read(data, |labels| {
        let ids: BTreeSet<[u8; 16]> = labels.iter().map(|label| label.slot).collect();
        ids.into_iter().map(slot).collect()
    })
}

/// What an upload token seals.
pub(super) fn draft(data: &[u8]) {
    if let Ok((described, reason, pages)) = read_draft(&padding::pad(data)) {
        assert_eq!(write_draft(&described, reason.as_deref(), &pages).as_slice(), data);
    }
}

/// A tile, and a bundle: as it is, and with its entries as often as it takes.
pub(super) fn tiles(data: &[u8]) {
    let hashes = data.len() / 32;
    if let Ok(width) = u16::try_from(hashes) {
        let tile = Tile::parse(data, width);
        assert_eq!(tile.is_ok(), data.len() == 32 * hashes);
        assert!(
            tile.is_err() || tile.is_ok_and(|tile| tile.encode() == data && tile.hashes().len() == hashes)
        );
    }
    bundle(&Bytes::copy_from_slice(data));
    let sound = entries(data).all(|entry| entry.starts_with(&[1, 24]));
    assert_eq!(bundle(&whole_bundle(data)), sound && entries(data).next().is_some());
}

fn entries(data: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    data.chunks_exact(2 + LEAF_LEN).take(256)
}

/// As many entries as a bundle has, these over and over.
pub(super) fn whole_bundle(data: &[u8]) -> Bytes {
    entries(data).cycle().take(256).collect::<Vec<_>>().concat().into()
}

/// Whether it is one.
pub(super) fn bundle(bytes: &Bytes) -> bool {
    let leaves = tile::parse_bundle(bytes);
    if let Ok(leaves) = &leaves {
        assert_eq!((leaves.len(), bytes.len()), (256, BUNDLE_LEN));
        assert_eq!(tile::bundle(leaves.iter()), bytes);
    }
    leaves.is_ok()
}
