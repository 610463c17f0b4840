//! What is sealed for one place opens in no other, and an old object not for a new one.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use docvault::{
    Checkpoint, DocumentId, ErrorKind, GrantId, Identity, NewDocument, Pin, Recipient, Secret, Sender,
    Stored, Terms, UploadToken, Vault, chunked,
    keys::LocalKey,
    storage::{ObjectKey, Storage},
};

use crate::{common::block_on, toolkit::*};

const LARGE: usize = 262_145;

#[test]
fn p04_no_object_opens_in_the_place_of_another() {
    block_on(async {
        // Two vaults, two cases, two documents, two versions: each pair of the sixteen differs in one to
        // four of them, and in the key id. Contents have one length, so only what they are bound to differs.
        let worlds = [World::new().await, World::new().await];
        let mut all: Vec<(usize, Stored, Vec<u8>)> = Vec::new();
        for (which, world) in worlds.iter().enumerate() {
            for case in [world.case, world.desk.create_case("other").await.unwrap()] {
                for document in 0..2u8 {
                    let content = vec![document; LARGE];
                    let first =
                        world.desk.store(case, NewDocument::named("x"), content.clone()).await.unwrap();
                    let newer = vec![document + 100; LARGE];
                    let second = world.store_version(first.document, newer.clone()).await;
                    all.push((which, first, content));
                    all.push((which, second, newer));
                }
            }
        }
        let evil = worlds.each_ref().map(World::evil);
        let mut desks = Vec::new();
        for (world, evil) in worlds.iter().zip(&evil) {
            desks.push(session(&world.open(evil.clone()).await.unwrap()));
        }
        let mut objects = Vec::new();
        for (which, stored, _) in &all {
            let storage = &evil[*which];
            let head = storage.read(&head_name(stored), None).await.unwrap().unwrap();
            let prefix = format!("part/{}/{}/", stored.document.case(), stored.version);
            objects.push((head, only(&**storage, &prefix).await));
        }
        for (at, (which, stored, content)) in all.iter().enumerate() {
            let (head, (part_name, part)) = &objects[at];
            let read = async || {
                let reader = desks[*which].reader_of(stored.document, stored.version).await;
                match reader {
                    Ok(mut reader) => reader.next().await.map(Option::unwrap),
                    Err(error) => Err(error),
                }
            };
            for (other, (other_head, (_, other_part))) in objects.iter().enumerate() {
                if other == at {
                    continue;
                }
                assert_eq!((head.len(), part.len()), (other_head.len(), other_part.len()));
                for (new_head, new_part) in [(other_head, part), (head, other_part), (other_head, other_part)]
                {
                    evil[*which].substitute(&head_name(stored), new_head.clone());
                    evil[*which].substitute(part_name, new_part.clone());
                    assert_eq!(read().await.unwrap_err().kind(), ErrorKind::Corrupt, "{other} for {at}");
                }
            }
            evil[*which].substitute(&head_name(stored), head.clone());
            evil[*which].substitute(part_name, part.clone());
            assert_eq!(read().await.unwrap(), *content);
        }
    });
}

#[test]
fn p17_an_old_version_is_never_served_for_the_new_one() {
    block_on(async {
        for grown in [false, true] {
            let world = World::new().await;
            let (old, new) = (vec![1; LARGE], vec![2; LARGE]);
            let first = world.store("x", old).await;
            let (old_part_name, old_part) = only(&*world.storage, "part/").await;
            let second = world.store_version(first.document, new.clone()).await;
            let prefix = format!("part/{}/{}/", world.case, second.version);
            let (part_name, _) = only(&*world.storage, &prefix).await;
            if grown {
                world.grow_to(300).await;
            }
            let head = world.storage.read(&head_name(&first), None).await.unwrap().unwrap();
            // The new version's objects hidden, or the old one's in their place: to a process that opens
            // then, and to one that was running.
            for (replace_head, replace_part, hide) in
                [(true, false, false), (false, true, false), (true, true, false), (false, false, true)]
            {
                let evil = world.evil();
                let running = session(&world.open(evil.clone()).await.unwrap());
                assert_eq!(running.retrieve(first.document).await.unwrap(), new);
                if replace_head {
                    evil.substitute(&head_name(&second), head.clone());
                }
                if replace_part {
                    evil.substitute(&part_name, old_part.clone());
                }
                if hide {
                    evil.delete(&head_name(&second)).await.unwrap();
                    evil.delete(&part_name).await.unwrap();
                }
                let opened = session(&world.open(evil.clone()).await.unwrap());
                for desk in [&running, &opened] {
                    assert_eq!(desk.retrieve(first.document).await.unwrap_err().kind(), ErrorKind::Corrupt);
                    let slice = desk.retrieve_range(first.document, 0..10).await;
                    assert_eq!(slice.unwrap_err().kind(), ErrorKind::Corrupt);
                }
                // The old version is what it was, for who asks for it by its own id.
                let mut reader = opened.reader_of(first.document, first.version).await.unwrap();
                assert_eq!(reader.next().await.unwrap().unwrap()[..4], [1; 4]);
                assert!(evil.read(&old_part_name, None).await.unwrap().is_some());
            }
        }
    });
}

/// One of everything that is stored, handed over or kept; `grant` is the notary's.
async fn artefacts(world: &World, grant: GrantId) -> BTreeMap<String, Bytes> {
    let notary = identity(1);
    let delivery = world.desk.deliver(grant).await.unwrap().collect().await.unwrap();
    let token = world.desk.upload(world.case, NewDocument::named("u")).await.unwrap().token().unwrap();
    world.grow_to(260).await;
    let mut found = BTreeMap::new();
    // Tiles are used only where they lead to a root that the log signed.
    let stored = objects(&*world.storage, "").await.into_iter();
    for (key, bytes) in stored.filter(|(key, _)| !key.as_str().starts_with("tile/")) {
        let kind = match &bytes[..4] {
            b"dvhd" => format!("head {}", bytes[6]),
            b"dvip" => format!("page {}", bytes[5]),
            magic if magic.starts_with(b"dv") => String::from_utf8(magic.to_vec()).unwrap(),
            _ => "part".into(),
        };
        assert!(kind != "part" || key.as_str().starts_with("part/"));
        found.insert(kind, bytes);
    }
    found.insert("delivery".into(), delivery);
    found.insert("token".into(), token.to_bytes().into());
    found.insert("pin".into(), world.vault.pin().to_string().into());
    found.insert("checkpoint".into(), world.vault.audit().checkpoint().await.unwrap().into());
    found.insert("recipient".into(), notary.recipient_bytes().into());
    found.insert("sender".into(), world.vault.sender().to_bytes().into());
    found.insert("local key".into(), std::fs::read(world.folder.path().join("key")).unwrap().into());
    let path = world.folder.path().join("identity");
    Identity::create(&path).unwrap();
    found.insert("identity".into(), std::fs::read(path).unwrap().into());
    found
}

#[test]
fn p18_no_artefact_opens_as_another() {
    block_on(async {
        let world = World::new().await;
        let document = world.store("x", vec![7; LARGE]).await.document;
        let to = recipient(&identity(1));
        let grant = world.desk.grant(document, &to, Terms::read().purpose("p")).await.unwrap();
        let artefacts = artefacts(&world, grant).await;
        assert!(artefacts.len() >= 15, "{:?}", artefacts.keys());
        let utf8 = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let file = |bytes: &Bytes| {
            let path = world.folder.path().join("as a key");
            std::fs::write(&path, bytes).unwrap();
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            }
            path
        };
        let (notary, sender) = (identity(1), world.vault.sender());
        let fingerprints = (notary.fingerprint().to_string(), sender.fingerprint().to_string());
        let origin = format!("docvault/{}", world.vault.id());
        // The first record states the checkpoint key in the clear, after format, sizes and two other keys.
        let first = objects(&*world.storage, "log/").await.into_values().next_back().unwrap();
        let statement = first.windows(4).position(|window| window == b"dvgs").unwrap();
        let key: [u8; 32] = first[statement + 80..statement + 112].try_into().unwrap();
        for (kind, bytes) in &artefacts {
            let opens = [
                ("delivery", notary.open(bytes.as_ref(), &sender).is_ok()),
                ("token", UploadToken::from_bytes(bytes).is_ok()),
                ("pin", utf8(bytes).parse::<Pin>().is_ok()),
                ("checkpoint", Checkpoint::parse(&utf8(bytes), &origin, &key).is_ok()),
                ("recipient", Recipient::verify(bytes, &fingerprints.0).is_ok()),
                ("sender", Sender::verify(bytes, &fingerprints.1).is_ok()),
                ("local key", LocalKey::load(file(bytes)).is_ok()),
                ("identity", Identity::load(file(bytes)).is_ok()),
                ("object key", utf8(bytes).parse::<ObjectKey>().is_ok()),
                ("bare", chunked::open(&Secret::copy_from(&[0; 32]).unwrap(), b"", bytes).is_ok()),
            ];
            for (opener, opened) in opens {
                assert_eq!(opened, kind == opener, "a {kind} taken for a {opener}");
            }
        }
        none_stands_in_for_another(&world, &artefacts, document, grant).await;
    });
}

/// In the place of each stored kind, each artefact of another kind.
async fn none_stands_in_for_another(
    world: &World,
    artefacts: &BTreeMap<String, Bytes>,
    document: DocumentId,
    grant: GrantId,
) {
    let (mut refused, mut folders) = (0, BTreeSet::new());
    for (name, honest) in objects(&*world.storage, "").await {
        let folder = name.as_str().split('/').next().unwrap();
        // Of an old index nothing is asked; without its tiles a log is walked.
        let may_be_unasked = ["index", "tile"].contains(&folder);
        let newest = objects(&*world.storage, "log/").await.into_keys().next().unwrap();
        if folder == "log" && name != newest {
            continue;
        }
        for (kind, bytes) in artefacts {
            if *bytes == honest {
                continue;
            }
            let evil = world.evil();
            evil.substitute(&name, bytes.clone());
            match everything(world, evil, document, grant).await {
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "a {kind} as {name}");
                    folders.insert(folder.to_owned());
                    refused += 1;
                }
                Ok(()) => assert!(may_be_unasked, "a {kind} as {name}"),
            }
        }
    }
    assert!(refused > 100, "{refused} refused");
    assert_eq!(folders, ["head", "index", "key", "keyring", "log", "part"].map(str::to_owned).into());
    everything(world, world.evil(), document, grant).await.unwrap();
}

/// Asks for everything; the newest answer or an error.
async fn everything(
    world: &World,
    evil: std::sync::Arc<dyn Storage>,
    document: DocumentId,
    grant: GrantId,
) -> Result<(), docvault::Error> {
    let vault: Vault = world.open(evil).await?;
    let desk = session(&vault);
    desk.cases(None).await?;
    desk.describe_case(world.case).await?;
    desk.documents(world.case, None).await?;
    assert_eq!(desk.retrieve(document).await?, vec![7; LARGE]);
    desk.who_can_open(document).await?;
    let delivery = desk.deliver(grant).await?.collect().await?;
    let mut opened = identity(1).open(delivery.as_ref(), &vault.sender())?;
    assert_eq!(opened.next_document()?.unwrap().content()?, vec![7; LARGE]);
    Ok(())
}
