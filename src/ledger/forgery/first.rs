//! First records that say what is not so.

use futures_lite::future::block_on;

use super::{super::first::claimed, Forger, VAULT, genesis};
use crate::{error::ErrorKind, ids::VaultId};

/// Whoever makes the first record has the log take another's name, under which that one's checkpoints are signed.
#[test]
fn a_first_record_under_another_name_is_none() {
    let elsewhere = VaultId::from_bytes([2; 16]);
    for (named, refused) in [(VAULT, None), (elsewhere, Some(ErrorKind::Corrupt))] {
        let log = Forger::begun_with(1, genesis(1, named));
        let found = block_on(async { claimed(&*log.stored().await).await });
        assert_eq!(found.err().map(|error| error.kind()), refused, "{named}");
    }
}

/// Likewise, about another vault, with a statement of the true name.
#[test]
fn a_first_record_about_another_vault_is_none() {
    let elsewhere = VaultId::from_bytes([2; 16]);
    for (about, refused) in [(VAULT, None), (elsewhere, Some(ErrorKind::Corrupt))] {
        let log = Forger::begun_as(VAULT, about, 1, genesis(1, VAULT));
        let found = block_on(async { claimed(&*log.stored().await).await });
        assert_eq!(found.err().map(|error| error.kind()), refused, "{about}");
    }
}
