//! What a process keeps in memory is no way around what it asks for.

use std::sync::Arc;

use docvault::{
    ErrorKind, NewDocument, Vault,
    keys::{Bounds, Passphrase},
};

use crate::{common::block_on, toolkit::*};

/// One passphrase, whose derivation takes at least so much memory, and for which `cost` is spent where it is wrapped.
fn passphrase(least: u32, cost: u32) -> Passphrase {
    let mut bounds = Bounds::default();
    (bounds.min_memory_kib, bounds.min_passes) = (least, 1);
    Passphrase::new("correct horse").bounds(bounds).cost(cost, 1, 1)
}

/// The strict one has cached keyring, case key and version when a weak writer puts its slot beneath its policy.
#[test]
fn p22_a_weak_writer_lowers_no_strict_readers_policy() {
    block_on(async {
        let world = World::new().await;
        let document = world.store("x", vec![1; 300_000]).await.document;
        let slot = world.desk.add_slot(&passphrase(512, 512), "reader").await.unwrap();
        let open = async |least| {
            let key = Arc::new(passphrase(least, 512));
            Vault::open_with(world.storage.clone(), key, &world.vault.pin(), options()).await
        };
        let (strict, lax) = (session(&open(512).await.unwrap()), session(&open(8).await.unwrap()));
        for reader in [&strict, &lax] {
            assert_eq!(reader.retrieve_range(document, 0..9).await.unwrap(), [1; 9].as_slice());
            reader.describe_case(world.case).await.unwrap();
        }
        let weak = world.desk.rotate_root(slot, &passphrase(8, 64)).await.unwrap();
        for _ in 0..2 {
            let refused = [
                strict.retrieve_range(document, 0..9).await.err(),
                strict.retrieve(document).await.err(),
                strict.describe_case(world.case).await.err(),
                strict.vault().slots().await.err(),
                strict.store(world.case, NewDocument::named("y"), b"y".to_vec()).await.err(),
                open(512).await.err(),
            ];
            assert!(refused.iter().flatten().all(|error| error.kind() == ErrorKind::Denied), "{refused:?}");
            assert_eq!(refused.iter().flatten().count(), refused.len());
            assert_eq!(lax.retrieve(document).await.unwrap(), vec![1; 300_000]);
        }
        world.desk.rotate_root(weak, &passphrase(512, 512)).await.unwrap();
        assert_eq!(strict.retrieve_range(document, 0..9).await.unwrap(), [1; 9].as_slice());
    });
}
