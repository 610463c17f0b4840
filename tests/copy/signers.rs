//! A source whose storage signs the log itself.

use super::*;
use crate::{
    interrupted::Interrupted,
    writer::{
        chest::Chest,
        commit::leaf_hash,
        forge::{sha256, sign},
    },
};

/// A commit, signed by another: no leaf has its signature (FORMAT §5.3).
fn signed_by(seed: &[u8; 32], commit: &[u8]) -> Bytes {
    const LEAF: usize = 280;
    let number =
        |at: usize| usize::try_from(u32::from_be_bytes(commit[at..at + 4].try_into().unwrap())).unwrap();
    let (count, recent) = (number(32), number(36));
    let (unsigned, _) = commit.split_at(commit.len() - 64);
    let (leaves, bodies) = unsigned[124 + recent * LEAF..].split_at(count * LEAF);
    let end = u64::from_be_bytes(commit[24..32].try_into().unwrap()) + u64::try_from(count).unwrap();
    let last = leaf_hash(&leaves[(count - 1) * LEAF..]);
    let message = [&commit[8..36], &commit[40..72], &end.to_be_bytes(), &commit[72..104], &last];
    let message = [&message.concat()[..], &sha256(&[bodies]), &commit[104..120]].concat();
    [unsigned, &sign(seed, "sign commit", &message)].concat().into()
}

/// Whoever runs the source's storage shows a first record of their own, once or for good, and the true records signed by
/// the key that it states: nothing but signatures is false in what would be copied.
#[test]
fn what_the_storage_signs_itself_is_not_copied() {
    block_on(async {
        for once in [false, true] {
            let source = source().await;
            let forger = Chest::beginning(*source.vault.id().as_bytes(), None);
            let first: ObjectKey = Chest::first_commit().parse().unwrap();
            let evil = Arc::new(EvilStorage::new(&source.storage));
            let between = Arc::new(Interrupted::new(evil.clone()));
            let vault = open(between.clone(), &source.folder, &source.vault.pin()).await.unwrap();
            let mut resigned = None;
            for name in keys(&*source.storage, "log/").await {
                let commit = source.storage.read(&name, None).await.unwrap().unwrap();
                let commit = signed_by(&forger.signing.commit, &commit);
                evil.substitute(&name, commit.clone());
                resigned = Some(commit).filter(|_| name == first).or(resigned);
            }
            evil.substitute(&first, forger.objects[first.as_str()].clone().unwrap().into());
            let (again, shown) = (first.clone(), resigned.unwrap());
            if once {
                between.interrupt_read(2, &first, move || evil.substitute(&again, shown));
            }
            let copy = Arc::new(MemoryStorage::default());
            let refused = vault.copy_to(copy.clone()).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Corrupt, "{once}: {refused}");
            assert_eq!(keys(&*copy, "log/").await, [], "{once}");
        }
    });
}
