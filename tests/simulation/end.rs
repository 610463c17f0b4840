//! The end of a run: faults and lies are over, what was late has landed, and somebody looks at everything.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, sync::atomic::Ordering};

use docvault::{DocumentId, ErrorKind, Freshness, Sender, Session, Vault};

use super::{
    chance::Chance,
    executor,
    history::{Register, Storages, Tag, Told},
    judge::{Found, Opening},
    prefab::{Known, opens, tag_of},
    storage::all,
    world::{OPERATOR, World},
};

type Verdict<T = ()> = Result<T, String>;

/// The verdict on all that was asked and answered, by what is there now.
pub fn judge(world: &Rc<World>) -> Verdict {
    let verdict: Rc<RefCell<Option<Verdict>>> = Rc::default();
    let (place, here) = (verdict.clone(), world.clone());
    // In virtual time like everything else: who has survived a restored backup may have to wait.
    world.spawner.spawn(OPERATOR, async move { *place.borrow_mut() = Some(judged(&here).await) });
    executor::run(&world.spawner, &world.time, Chance::new(0, 0))?;
    verdict.take().unwrap_or_else(|| Err("there was no verdict".into()))
}

async fn judged(world: &World) -> Verdict {
    let views = world.views.borrow().clone();
    for view in views {
        view.liar.evil.repent();
        view.calm.store(true, Ordering::SeqCst);
        view.faulty.land().await.map_err(|error| error.to_string())?;
    }
    world.say(|| format!("the end; the run began at {}", world.prefab.pin));
    let survivor = world.survivor.borrow().clone();
    let vault = match world.storages {
        Storages::Restored => survivor.ok_or("nobody opened the restored storage")?,
        _ => {
            every_pin_opens(world).await?;
            one_chain(world).await?;
            told("opening from the first pin", world.plain(&world.prefab.genesis, 20).await)?
        }
    };
    let found = look(world, &vault).await?;
    if world.storages != Storages::Restored {
        // Where a backup was put back, what others wrote since stays among the commits, and verifying says so.
        verified(world, &vault).await?;
    }
    world.history.borrow().judge(&found, world.storages, world.owed_from.get())
}

fn told<T>(what: &str, answer: Result<T, docvault::Error>) -> Verdict<T> {
    answer.map_err(|error| format!("IN THE END: {what}: {error}"))
}

/// Whoever kept a pin can open with it.
async fn every_pin_opens(world: &World) -> Verdict {
    for pin in world.all_pins() {
        let pin = told("a kept pin", pin.parse())?;
        let vault = told(&format!("opening with {pin}"), world.plain(&pin, 30).await)?;
        if vault.pin().size() < pin.size() || vault.freshness() != Freshness::FreshByPin {
            return Err(format!("STALE: opened at {} with a pin of {}", vault.pin().size(), pin.size()));
        }
    }
    Ok(())
}

/// The commits, one behind the other, are all that is under `log/` (FORMAT §5.3).
async fn one_chain(world: &World) -> Verdict {
    let mut runs = BTreeMap::new();
    for (key, bytes) in all(&world.objects, "log/").await {
        let first = u64::from_be_bytes(bytes[24..32].try_into().expect("a commit"));
        let count = u32::from_be_bytes(bytes[32..36].try_into().expect("a commit"));
        if let Some((_, other)) = runs.insert(first, (u64::from(count), key.clone())) {
            return Err(format!("TWO CHAINS: {key} and {other}"));
        }
    }
    let mut next = 0;
    for (first, (count, key)) in runs {
        if first != next {
            return Err(format!("TWO CHAINS: {key} is at {first}, and the records before it end at {next}"));
        }
        next += count;
    }
    Ok(())
}

async fn verified(world: &World, vault: &Vault) -> Verdict {
    let (audit, pin) = (vault.audit(), vault.pin());
    let verified = told("verifying", audit.verify_from_genesis().await)?;
    if verified.head.size() < pin.size() {
        return Err(format!("STALE: verified up to {} of {}", verified.head.size(), pin.size()));
    }
    let by_pin = told("verifying by a pin", audit.verify(&world.prefab.pin).await)?;
    if by_pin.freshness != Freshness::FreshByPin {
        return Err(format!("FRESHNESS: {:?} by a pin of this very log", by_pin.freshness));
    }
    Ok(())
}

/// Everything there is, read whole.
async fn look(world: &World, vault: &Vault) -> Verdict<Found> {
    let desk = told("a session", vault.session("end").purpose("p").begin())?;
    let mut found = Found::default();
    let known = world.known(world.owed_from.get());
    let page = told("cases", desk.cases(None).await)?;
    let mut cases = known.cases.clone();
    for case in page.cases {
        if case.erased {
            found.erased.insert(case.id);
            continue;
        }
        let tag = case.title.parse().map_err(|_| format!("WRONG: a case is called {}", case.title))?;
        if !world.prefab.case_tags.contains(&tag) {
            found.cases.insert(tag, case.id);
        }
        if !cases.contains(&case.id) {
            cases.push(case.id);
        }
    }
    for case in cases {
        match desk.documents(case, None).await {
            Ok(page) => {
                for document in page.documents {
                    let list = versions(world, &desk, document.document).await?;
                    found.list(Register::Document(document.document), list);
                    openers(&desk, document.document, &mut found).await?;
                }
                found.list(Register::Statements(case), statements(&desk, case).await?);
            }
            Err(error) if error.kind() == ErrorKind::Erased => {
                found.erased.insert(case);
            }
            Err(error) => return Err(format!("IN THE END: documents of case {case}: {error}")),
        }
    }
    grants(&desk, &vault.sender(), &known, &mut found).await?;
    let changes = told("the log", desk.auditor().changes_since(world.prefab.pin.size()).await)?;
    world.count_by("records", changes.records.len() as u64);
    for record in changes.records {
        if record.kind == docvault::Kind::Index {
            world.count("fold");
        }
        found.records.insert(record.seq, record);
    }
    Ok(found)
}

/// A document's versions, and the record of each. What was stored in this run is read whole, and so is the newest.
async fn versions(world: &World, desk: &Session, document: DocumentId) -> Verdict<Vec<(Tag, Told)>> {
    let mut tags = Vec::new();
    let versions = told("history", desk.history(document).await)?;
    let before = world.prefab.lists.get(&Register::Document(document)).map_or(0, Vec::len);
    for (at, version) in versions.iter().enumerate() {
        let named: Tag =
            version.described.name.parse().map_err(|_| format!("WRONG: a version of {document}"))?;
        if at >= before || at + 1 == versions.len() {
            let mut reader = told("a version", desk.reader_of(document, version.described.version).await)?;
            let mut bytes = Vec::new();
            while let Some(part) = told("content", reader.next().await)? {
                bytes.extend(part);
            }
            if tag_of(&bytes) != Some(named) {
                return Err(format!(
                    "HALF DONE: version {named} of {document} has {} other bytes",
                    bytes.len()
                ));
            }
        }
        tags.push((named, Told::version(version.described.seq, version.described.version)));
    }
    Ok(tags)
}

async fn statements(desk: &Session, case: docvault::CaseId) -> Verdict<Vec<(Tag, Told)>> {
    let page = told("statements", desk.statements(case, None).await)?;
    let tagged = |statement: &docvault::Statement| {
        let tag = Tag::from_be_bytes(*statement.payload.first_chunk()?);
        Some((tag, Told::of(statement.made.seq, statement.made.id)))
    };
    let tags = page.statements.iter().rev().map(|statement| tagged(statement).ok_or("WRONG: a statement"));
    tags.map(|tag| tag.map_err(str::to_owned)).collect()
}

/// Who can open a document by a grant.
async fn openers(desk: &Session, document: DocumentId, found: &mut Found) -> Verdict {
    let grants = told("who can open", desk.who_can_open(document).await)?.grants;
    let count = grants.len();
    let grants = grants.into_iter().map(|opener| {
        let opening = Opening { tag: opener.purpose.parse().ok(), revoked: opener.revoked.is_some() };
        (opener.grant, opening)
    });
    let grants: BTreeMap<_, _> = grants.collect();
    if grants.len() != count {
        return Err(format!("TWICE: a grant on {document}"));
    }
    found.openers.extend(grants);
    Ok(())
}

async fn grants(desk: &Session, sender: &Sender, known: &Known, found: &mut Found) -> Verdict {
    for grant in &known.grants {
        match desk.deliver(*grant).await {
            Ok(delivery) => {
                let sealed = told("a delivery", delivery.collect().await)?;
                let holds = opens(&sealed, sender, *grant).ok().flatten();
                let holds = holds.ok_or("WRONG: a delivery does not open, whole")?;
                found.delivered.insert(*grant, holds);
                found.grants.insert(*grant, false)
            }
            Err(error) if error.kind() == ErrorKind::Denied => {
                match desk.revocation(*grant).await {
                    Err(error) if error.kind() == ErrorKind::Erased => {}
                    revocation => {
                        found.revocations.insert(*grant, told("a revocation", revocation)?.seq);
                    }
                }
                found.grants.insert(*grant, true)
            }
            Err(error) if error.kind() == ErrorKind::Erased => None,
            Err(error) => return Err(format!("IN THE END: grant {grant}: {error}")),
        };
    }
    Ok(())
}
