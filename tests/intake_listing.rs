//! Many cases at a glance: what it costs the storage, however many there are.
#![cfg(all(feature = "intake", feature = "testing"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;
#[path = "common/interrupted.rs"]
mod interrupted;

use std::{collections::BTreeSet, sync::Arc};

use common::block_on;
use docvault::{
    CaseId, ContentDigest, NewDocument, NewStatement, NoSleep, Session, Vault, VaultOptions,
    intake::*,
    keys::LocalKey,
    storage::{
        MemoryStorage, Storage,
        testing::{CountingStorage, Counts, Fault, FaultyStorage},
    },
};
use futures_util::{StreamExt, TryStreamExt, stream};
use interrupted::Interrupted;

/// Twelve requirements, one of them optional.
fn template() -> Template {
    let requirement = |number: u32| {
        let optional = if number == 12 { "required = false" } else { "" };
        format!(
            "[[requirements]]\nkey = \"r{number}\"\ntitle = {{ en = \"Requirement {number}\" }}\n\
             files = {{ media_types = [\"application/pdf\"], max_bytes = 1000 }}\ndue_days = {number}\n{optional}\n"
        )
    };
    let head = "format = 1\nname = \"loan\"\nversion = 1\nlanguage = \"en\"\ntitle = { en = \"Loan\" }\n";
    let requirements: String = (1..=12).map(requirement).collect();
    Template::from_toml(&format!("{head}{requirements}")).unwrap()
}

/// A vault on a storage that counts, and the root key's file.
struct Archive {
    storage: Arc<CountingStorage>,
    key: Arc<LocalKey>,
    _folder: tempfile::TempDir,
}

impl Archive {
    /// `cases` case files of 12 requirements. Of each, twelve documents and two statements stand on the log: that it was
    /// opened, and the one after the last of its events, which are decided and applied here as a desk does. What a desk would have
    /// stated in between is left out: no listing reads it.
    async fn of(cases: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
        let storage = Arc::new(CountingStorage::new(Arc::new(MemoryStorage::default())));
        let vault = Vault::create_with(storage.clone(), key.clone(), VaultOptions::default()).await.unwrap();
        let session = vault.session("user:1").purpose("loans").begin().unwrap();
        let template = template();
        let all = stream::iter(0..cases).map(|number| open(&session, &template, number));
        all.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await.unwrap();
        Self { storage, key, _folder: folder }
    }

    /// The vault in a process that has read nothing yet.
    async fn opened(&self) -> Vault {
        let storage: Arc<dyn Storage> = self.storage.clone();
        Vault::open_unpinned(storage, self.key.clone(), VaultOptions::default()).await.unwrap()
    }
}

/// A case in which most documents are approved, some are to be reviewed, and the last requirement is open.
async fn open(session: &Session, template: &Template, number: u32) -> docvault::Result<()> {
    let case = session.create_case(format!("Case {number}")).await?;
    let (executive, reviewer) =
        (Actor::new("user:1"), Actor::new("user:2").with_role("reviewer".parse().unwrap()));
    let now = || session.vault().now();
    let event =
        CaseState::open(template, Opening::new(format!("client:{number}")), now(), &executive).unwrap();
    let opened = Statement::opening(template, event).unwrap();
    let stated = NewStatement::forged("intake.opened").payload(opened.to_json()).follows(None);
    let opening = session.make_statement(case, stated).await?.id;
    let (mut state, mut last) = (opened.state, None);
    for requirement in template.requirements() {
        let content = format!("%PDF-1.7 {number} {}", requirement.key()).into_bytes();
        let named = NewDocument::named(requirement.key().as_str()).media_type("application/pdf");
        let (bytes, digest) = (u64::try_from(content.len()).unwrap(), ContentDigest::of(&content));
        let stored = session.store(case, named, content).await?;
        let new = Submission::new(stored.document, stored.version, stored.digest, Origin::Direct);
        let new = new.file("application/pdf", bytes, digest);
        let key = requirement.key().clone();
        let mut commands = vec![(&executive, Command::Submit { requirement: key.clone(), submission: new })];
        if *requirement.key() != *"r11" && *requirement.key() != *"r12" {
            let (version, digest) = (stored.version, stored.digest);
            let approve =
                Command::Approve { requirement: key, version, digest, issued: None, valid_until: None };
            commands.push((&reviewer, approve));
        }
        for (actor, command) in commands {
            let event = state.decide(template, command, now(), actor).unwrap();
            let statement = Statement::following(&state, template, opening, event);
            state = statement.state.clone();
            last = Some(statement);
        }
    }
    let last = last.unwrap();
    let stated = NewStatement::forged(last.event.change.topic()).payload(last.to_json());
    session.make_statement(case, stated.follows(Some(opening))).await?;
    Ok(())
}

/// What a listing of all cases reads, page by page, and what it shows.
async fn list(archive: &Archive, vault: &Vault) -> (Vec<(usize, Counts)>, BTreeSet<CaseId>) {
    let desk = Desk::new(vault.session("user:9").purpose("overview").begin().unwrap());
    let (mut pages, mut shown, mut next) = (Vec::new(), BTreeSet::new(), None);
    archive.storage.take();
    loop {
        let page = desk.cases(next).await.unwrap();
        for file in &page.files {
            let now = vault.now();
            let status = file.status(now).unwrap();
            assert_eq!((status.totals.approved, status.totals.submitted, status.percent), (10, 2, 90));
            let digest = file.digest(now, Language::EN).unwrap();
            assert_eq!((digest.approved.len(), digest.in_review.len()), (10, 2));
            assert!(shown.insert(file.case()), "no case is shown twice");
        }
        pages.push((page.files.len(), archive.storage.take()));
        next = page.next;
        if next.is_none() {
            return (pages, shown);
        }
    }
}

/// Lists `cases` cases in a fresh process and holds the storage's work against the bound.
async fn check(cases: u32) {
    let archive = Archive::of(cases).await;
    let vault = archive.opened().await;
    let (pages, shown) = list(&archive, &vault).await;
    assert_eq!(shown.len(), usize::try_from(cases).unwrap());
    let (last, full) = pages.split_last().unwrap();
    assert!(full.iter().all(|(files, _)| *files == 1000), "pages are full but for the last: {pages:?}");
    assert!(last.0 <= 1000);
    for (files, counts) in &pages {
        let files = u64::try_from(*files).unwrap();
        println!("{cases} cases, a page of {files}: {counts:?}");
        assert!(counts.read <= READS_A_CASE * files + READS_A_PAGE, "{counts:?} for {files} cases");
    }
    // An index tells what there is; who wants to commit is looked for in one commit of eight.
    let listed: u64 = pages.iter().map(|(_, counts)| counts.list).sum();
    let commits = u64::try_from(pages.len()).unwrap();
    assert!(listed <= commits / 8 + 1, "{listed} listings for {commits} pages");
}

#[test]
fn ten_thousand_cases() {
    block_on(check(10_000));
}

/// Cases opened at once, so that commits are shared.
const AT_ONCE: usize = 256;
/// A case is erased in another process before the storage call of this number; whether it came to that, and what is
/// shown of the cases but the erased one.
async fn erased_at(nth: usize) -> Option<Result<usize, IntakeError>> {
    let (kept, folder) = (Arc::new(MemoryStorage::default()), tempfile::tempdir().unwrap());
    let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
    let vault = Vault::create_with(kept.clone(), key.clone(), VaultOptions::default()).await.unwrap();
    let session = vault.session("user:1").purpose("loans").begin().unwrap();
    for number in 0..3 {
        open(&session, &template(), number).await.unwrap();
    }
    let cases = session.cases(None).await.unwrap().cases;
    // Each has a statement of the application's behind those of intake, and a version that intake does not know.
    for case in &cases {
        session.make_statement(case.id, NewStatement::on("app.note").payload("ours")).await.unwrap();
        let document = session.documents(case.id, None).await.unwrap().documents[0].document;
        let new = NewDocument::named("r1").media_type("application/pdf");
        session.store_version(document, new, "a slip", b"%PDF-1.7 slip".to_vec()).await.unwrap();
    }
    let storage = Arc::new(Interrupted::new(kept.clone()));
    let reader = Vault::open_unpinned(storage.clone(), key, VaultOptions::default()).await.unwrap();
    let desk = Desk::new(reader.session("user:9").purpose("overview").begin().unwrap());
    let erased = cases[1].id;
    session.close_case(erased, "done").await.unwrap();
    storage.interrupt_at(nth, move || assert_eq!(block_on(session.erase_case(erased)).unwrap().case, erased));
    let page = desk.cases(None).await;
    storage.interrupted()?;
    Some(page.map(|page| page.files.iter().filter(|file| file.case() != erased).count()))
}

#[test]
fn a_case_that_is_erased_meanwhile_hides_no_other() {
    block_on(async {
        let mut calls = 0;
        while let Some(shown) = erased_at(calls).await {
            assert!(matches!(shown, Ok(2)), "call {calls}: {shown:?}");
            calls += 1;
        }
        assert!(calls > 10, "{calls} storage calls");
    });
}

/// Only what is erased is left out: of all else a page tells that it cannot be read, or is none.
#[test]
fn a_case_that_the_storage_does_not_give_is_hidden_from_nobody() {
    block_on(async {
        let (kept, folder) = (Arc::new(MemoryStorage::default()), tempfile::tempdir().unwrap());
        let key = Arc::new(LocalKey::create(folder.path().join("key")).unwrap());
        let vault = Vault::create_with(kept.clone(), key.clone(), VaultOptions::default()).await.unwrap();
        let session = vault.session("user:1").purpose("loans").begin().unwrap();
        for number in 0..3 {
            open(&session, &template(), number).await.unwrap();
        }
        let mut failed = 0;
        for nth in 0.. {
            // Away from this call on, for longer than anybody tries again.
            let away = (nth..nth + 1000).map(|call| (call, Fault::Error));
            let storage = Arc::new(FaultyStorage::scripted(Arc::new(kept.snapshot()), away));
            let options = VaultOptions::default().sleeper(NoSleep::default());
            let Ok(reader) = Vault::open_unpinned(storage.clone(), key.clone(), options).await else {
                continue;
            };
            let desk = Desk::new(reader.session("user:9").purpose("overview").begin().unwrap());
            match desk.cases(None).await {
                Ok(page) => assert_eq!((page.files.len(), page.unreadable.len()), (3, 0), "call {nth}"),
                Err(_) => failed += 1,
            }
            if storage.calls() <= nth {
                break;
            }
        }
        assert!(failed > 3, "{failed} listings");
    });
}

/// Its key and its newest statement.
const READS_A_CASE: u64 = 2;
/// Pages of the index, in which the documents of a case lie side by side; the template, once.
const READS_A_PAGE: u64 = 128;
