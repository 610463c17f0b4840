//! A source whose storage shows what is false.

use super::*;
use crate::interrupted::Interrupted;

/// Flips a bit of each object of the source, one at a time, after it was opened: what it knows by then is true. None
/// is copied. Gives the first segments of their names.
async fn is_not_copied(source: &Source, start: &MemoryStorage, names: &[ObjectKey]) -> BTreeSet<String> {
    let mut prefixes = BTreeSet::new();
    for key in names {
        let evil = Arc::new(EvilStorage::new(&source.storage));
        let vault = open(evil.clone(), &source.folder, &source.vault.pin()).await.unwrap();
        let mut bytes = evil.read(key, None).await.unwrap().unwrap().to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        evil.substitute(key, bytes.clone().into());
        let copy = Arc::new(start.snapshot());
        match vault.copy_to(copy.clone()).await {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{key}: {error}");
                // That a case has no key is told of the case.
                let named = key.as_str().strip_prefix("key/").and_then(|name| name.split('/').next());
                assert!(error.to_string().contains(named.unwrap_or(key.as_str())), "{key}: {error}");
            }
            Ok(report) => {
                assert!(key.as_str().starts_with("tile/"), "{key}");
                assert!(report.tiles_left_out > 0, "{key}");
            }
        }
        let copied = copy.read(key, None).await.unwrap();
        assert_ne!(copied, Some(Bytes::from(bytes)), "{key}");
        prefixes.extend(key.as_str().split('/').next().map(str::to_owned));
    }
    prefixes
}

#[test]
fn what_is_false_in_the_source_is_not_copied() {
    block_on(async {
        let source = source().await;
        let desk = desk(&source.vault);
        let note = source.vault.audit().checkpoint().await.unwrap();
        desk.keep_checkpoint(&note, &[]).await.unwrap();
        grow(&desk, source.case, 600).await;
        desk.collect_garbage().await.unwrap();
        let mut names = keys(&*source.storage, "").await;
        let mut commits = 0;
        names.retain(|key| {
            commits += u64::from(key.as_str().starts_with("log/"));
            !key.as_str().starts_with("log/") || commits % 8 == 0
        });
        let prefixes = is_not_copied(&source, &MemoryStorage::default(), &names).await;
        let all = ["checkpoint", "head", "index", "key", "keyring", "log", "part", "tile"];
        assert_eq!(prefixes, all.map(str::to_owned).into());
    });
}

/// A bundle, a tile and the partial tile above it, under which nothing is shown to be true without it.
#[test]
fn what_is_missing_in_the_source_is_taken_once_it_is_there() {
    block_on(async {
        let source = source().await;
        let desk = desk(&source.vault);
        grow(&desk, source.case, 600).await;
        desk.collect_garbage().await.unwrap();
        let wanted = keys(&*source.storage, "").await;
        for (prefix, left_out) in [("tile/entries/", 1), ("tile/00/", 2), ("tile/01/", 5)] {
            let copy = Arc::new(MemoryStorage::default());
            let key = keys(&*source.storage, prefix).await.remove(0);
            let bytes = source.storage.read(&key, None).await.unwrap().unwrap();
            source.storage.delete(&key).await.unwrap();
            for _ in 0..2 {
                let report = source.vault.copy_to(copy.clone()).await.unwrap();
                assert_eq!(report.tiles_left_out, left_out, "{key}");
            }
            source.storage.create(&key, bytes).await.unwrap();
            let report = source.vault.copy_to(copy.clone()).await.unwrap();
            assert_eq!((report.records, report.tiles, report.tiles_left_out), (0, left_out, 0), "{key}");
            assert_eq!(keys(&*copy, "").await, wanted);
            assert_whole(copy, &source, &report).await;
        }
    });
}

/// Heads that an earlier copy has stored are not opened again, so nothing but the wrap itself tells that it is false.
#[test]
fn a_false_wrap_of_a_new_epoch_is_not_copied() {
    block_on(async {
        let source = source().await;
        let copy = Arc::new(MemoryStorage::default());
        source.vault.copy_to(copy.clone()).await.unwrap();
        desk(&source.vault).rotate_epoch().await.unwrap();
        let names = keys(&*source.storage, "key/").await;
        assert_eq!(is_not_copied(&source, &copy, &names).await, ["key".to_owned()].into());
    });
}

/// Lookups meet only some of many pages: that the others are true is for the copy alone to see.
#[test]
fn a_false_page_of_many_is_not_copied() {
    block_on(async {
        let source = source().await;
        let desk = desk(&source.vault);
        let store = |_| desk.store(source.case, NewDocument::named("n"), b"x".to_vec());
        try_join_all((0..300).map(store)).await.unwrap();
        let size = source.vault.pin().size();
        grow_at_once(&desk, source.case, size.next_multiple_of(512) + 600).await;
        desk.collect_garbage().await.unwrap();
        let names = keys(&*source.storage, "index/").await;
        assert!(names.len() > 4, "{} pages: an inner one, and rows of several", names.len());
        is_not_copied(&source, &MemoryStorage::default(), &names).await;
    });
}

/// What a copy to an empty place has written of a commit whose loser takes its name before the call of this number; none
/// if there are fewer.
async fn lost_at(source: &Source, name: &ObjectKey, loser: &Bytes, nth: usize) -> Option<Option<Bytes>> {
    let (objects, copy) = (Arc::new(source.storage.snapshot()), Arc::new(MemoryStorage::default()));
    let place = Arc::new(Interrupted::new(objects.clone()));
    let vault = open(place.clone(), &source.folder, &source.vault.pin()).await.unwrap();
    let (key, bytes) = (name.clone(), loser.clone());
    let exchange = async move {
        objects.delete(&key).await.unwrap();
        objects.create(&key, bytes).await.unwrap();
    };
    place.interrupt_at(nth, move || block_on(exchange));
    drop(vault.copy_to(copy.clone()).await);
    place.interrupted()?;
    let written = copy.read(name, None).await.unwrap();
    let report = source.vault.copy_to(copy.clone()).await.unwrap();
    assert_whole(copy, source, &report).await;
    Some(written)
}

/// A commit that lost its race is signed, and the storage has seen it.
#[test]
fn a_commit_that_lost_its_race_is_not_copied() {
    block_on(async {
        let source = source().await;
        let fork = Arc::new(source.storage.snapshot());
        let other = open(fork.clone(), &source.folder, &source.vault.pin()).await.unwrap();
        desk(&other).create_case("lost").await.unwrap();
        let name = keys(&*fork, "log/").await.remove(0);
        let loser = fork.read(&name, None).await.unwrap().unwrap();
        let desk = desk(&source.vault);
        // Neither of the two commits that land first, which are not read again.
        grow(&desk, source.case, other.pin().size() + 40).await;
        let winner = source.storage.read(&name, None).await.unwrap();
        assert!(winner.is_some() && winner.as_ref() != Some(&loser), "of that name, and another");
        let (mut calls, mut before) = (0, 0);
        while let Some(written) = lost_at(&source, &name, &loser, calls).await {
            assert!(written.is_none() || written == winner, "{calls}");
            before += usize::from(written.is_none());
            calls += 1;
        }
        assert!(before > 20 && calls - before > 20, "{before} of {calls}");
    });
}
