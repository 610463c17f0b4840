//! The steps of an intake, and the check after a crash.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufReader, Read, Write},
    path::Path,
    time::{Duration, Instant},
};

use docvault::{
    CaseId, ContentDigest, DocumentId, ErrorKind, GrantId, Identity, NewDocument, Pin, Recipient, Sender,
    Session, Stored, Terms, Vault, VersionId,
};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    Asked, evidence,
    files::{self, Found},
    office::{Acknowledged, Outcome, beside, open},
    report::{self, Row, shown, with_causes},
};

/// Takes the files in and tells about it; false if anything was not as it must be.
pub(crate) async fn tell(asked: &Asked) -> Outcome<bool> {
    let mut acknowledged = Acknowledged::open(asked.crash_log.as_deref())?;
    let (vault, pin) = open(&asked.vault, asked.unpinned).await?;
    let pin = pin.unwrap_or_else(|| vault.pin());
    println!("vault {} in {}, {} records", vault.id(), asked.vault.display(), vault.pin().size());
    let files = files::gather(&asked.paths);
    let desk = vault.session("executive:1").purpose("customer intake").begin()?;
    let case = desk.create_case("Customer file").await?;
    acknowledged.note(&format!("case {case}"))?;
    println!("case {case} opened for {} files\n", files.len());

    let (mut rows, mut good) = (Vec::new(), true);
    let mut newest = None;
    for file in &files {
        match take_in(&desk, case, file, &mut acknowledged).await {
            Ok((row, stored)) => {
                rows.push(row);
                newest = Some(stored);
            }
            Err(error) => {
                good = false;
                println!("left out: {}: {}", shown(&file.name), with_causes(&*error));
            }
        }
    }
    good &= rows.iter().all(|row| row.equal);
    if let Some(stored) = newest {
        good &= share(&desk, &stored, &asked.vault, &mut acknowledged).await?;
        evidence::receipt(&desk, &stored, &asked.vault).await?;
        evidence::export(&desk, &asked.vault).await?;
    }
    verify(&vault, &pin).await?;
    if let Some(stored) = newest {
        good &= evidence::forge(&asked.vault, &stored).await?;
    }
    report::table(&rows);
    println!("\n{}", if good { "everything compared equal" } else { "SOMETHING DIFFERED, OR WAS LEFT OUT" });
    Ok(good)
}

/// Stores a file, reads it back and compares.
async fn take_in(
    desk: &Session,
    case: CaseId,
    file: &Found,
    acknowledged: &mut Acknowledged,
) -> Outcome<(Row, Stored)> {
    let begun = Instant::now();
    let stored = store(desk, case, file).await?;
    let stored_in = begun.elapsed();
    acknowledged.note(&format!("stored {} {} {}", stored.document, stored.version, stored.digest))?;
    let begun = Instant::now();
    let equal = compare(desk, &stored, file).await?;
    let read = begun.elapsed();
    let row = Row {
        name: file.name.clone(),
        len: stored.len,
        version: desk.describe(stored.document).await?.ordinal,
        digest: stored.digest.to_string(),
        stored: stored_in,
        read,
        equal,
    };
    Ok((row, stored))
}

async fn store(desk: &Session, case: CaseId, file: &Found) -> Outcome<Stored> {
    let mut source = File::open(&file.path)?;
    let bar = progress("storing", file);
    let mut upload = desk.upload(case, NewDocument::named(&file.name)).await?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = source.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        upload.write(bytes).await?;
        bar.inc(read.try_into()?);
    }
    let stored = upload.finish().await?;
    bar.finish_and_clear();
    Ok(stored)
}

/// Compares the whole byte for byte, and a range from its middle.
async fn compare(desk: &Session, stored: &Stored, file: &Found) -> Outcome<bool> {
    let mut source = BufReader::new(File::open(&file.path)?);
    let bar = progress("comparing", file);
    let mut reader = desk.reader(stored.document).await?;
    let mut buffer = Vec::new();
    let mut equal = true;
    while let Some(part) = reader.next().await? {
        buffer.resize(part.len(), 0);
        source.read_exact(&mut buffer)?;
        equal &= buffer == part;
        bar.inc(part.len().try_into()?);
    }
    equal &= source.read(&mut [0])? == 0;
    let middle = stored.len / 2..(stored.len / 2).saturating_add(1000).min(stored.len);
    let range = desk.retrieve_range(stored.document, middle.clone()).await?;
    let mut source = File::open(&file.path)?;
    std::io::Seek::seek(&mut source, std::io::SeekFrom::Start(middle.start))?;
    let mut expected = vec![0; range.len()];
    source.read_exact(&mut expected)?;
    bar.finish_and_clear();
    Ok(equal && expected == range)
}

/// Shares a document with a notary, who opens it without the vault; then revokes.
async fn share(
    desk: &Session,
    stored: &Stored,
    vault: &Path,
    acknowledged: &mut Acknowledged,
) -> Outcome<bool> {
    let notary = notary(&beside(vault, ".notary"))?;
    println!("the notary's fingerprint, read aloud: {}", notary.fingerprint());
    let recipient = Recipient::verify(&notary.recipient_bytes(), &notary.fingerprint().to_string())?;
    let grant = desk.grant(stored.document, &recipient, Terms::read().purpose("notarial deed")).await?;
    acknowledged.note(&format!("granted {grant}"))?;

    let parcel = beside(vault, ".delivery");
    let (mut file, mut delivery) = (File::create(&parcel)?, desk.deliver(grant).await?);
    while let Some(bytes) = delivery.next().await? {
        file.write_all(&bytes)?;
    }
    let (sender, sender_file) = (desk.vault().sender(), beside(vault, ".sender"));
    fs::write(&sender_file, sender.to_bytes())?;
    println!(
        "what the notary was sent is in {}; to open it with no vault:\n  open_delivery open {} {} {} {} FOLDER",
        parcel.display(),
        beside(vault, ".notary").display(),
        sender_file.display(),
        sender.fingerprint(),
        parcel.display()
    );
    let sender = Sender::verify(&fs::read(sender_file)?, &sender.fingerprint().to_string())?;
    let mut opened = notary.open(BufReader::new(File::open(parcel)?), &sender)?;
    let document = opened.next_document()?.ok_or("the delivery holds no document")?;
    let (name, digest) = (shown(document.name()), document.digest());
    let len = document.copy_to(std::io::sink())?;
    println!("the notary opened {name} with no vault: {len} bytes, digest {digest}");

    let report = desk.revoke(grant).await?;
    acknowledged.note(&format!("revoked {grant}"))?;
    println!(
        "revoked at {}: {} delivered before, {} version(s) stay exposed",
        report.revoked,
        report.delivered.len(),
        report.exposed.len()
    );
    match desk.deliver(grant).await {
        Err(error) if error.kind() == ErrorKind::Denied => println!("delivering again is refused: {error}\n"),
        Err(error) => return Err(error.into()),
        Ok(_) => return Ok(false),
    }
    Ok(digest == stored.digest)
}

fn notary(path: &Path) -> Outcome<Identity> {
    match Identity::load(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Identity::create(path)?),
        loaded => Ok(loaded?),
    }
}

async fn verify(vault: &Vault, pin: &Pin) -> Outcome<()> {
    let verified = vault.audit().verify(pin).await?;
    println!("the log is verified from the pin on: {} records, {:?}", verified.checked, verified.freshness);
    Ok(())
}

/// After a crash: the log verifies, what was acknowledged is there, nothing is half there.
pub(crate) async fn check(asked: &Asked) -> Outcome<bool> {
    let (vault, _) = open(&asked.vault, asked.unpinned).await?;
    let records = vault.audit().verify_from_genesis().await?.checked;
    let desk = vault.session("checker:1").purpose("crash test").begin()?;
    let mut documents = BTreeMap::new();
    let mut start = None;
    loop {
        let page = desk.cases(start).await?;
        for case in &page.cases {
            documents.append(&mut read_all(&desk, case.id).await?);
        }
        start = page.next;
        if start.is_none() {
            break;
        }
    }
    let log = asked.crash_log.as_deref().map(fs::read_to_string).transpose()?.unwrap_or_default();
    let mut acknowledged = 0;
    for line in log.lines() {
        acknowledged += 1;
        if !stands(&desk, line, &documents).await? {
            println!("acknowledged, and not there: {line}");
            return Ok(false);
        }
    }
    println!(
        "{records} records verified, {} documents whole, {acknowledged} acknowledged operations there",
        documents.len()
    );
    Ok(true)
}

/// Reads each document of a case.
async fn read_all(desk: &Session, case: CaseId) -> Outcome<BTreeMap<(DocumentId, VersionId), ContentDigest>> {
    let (mut documents, mut start) = (BTreeMap::new(), None);
    loop {
        let page = desk.documents(case, start).await?;
        for document in page.documents {
            whole(desk, document.document, document.version, &document.digest).await?;
            documents.insert((document.document, document.version), document.digest);
        }
        start = page.next;
        if start.is_none() {
            return Ok(documents);
        }
    }
}

async fn stands(
    desk: &Session,
    line: &str,
    documents: &BTreeMap<(DocumentId, VersionId), ContentDigest>,
) -> Outcome<bool> {
    let words: Vec<&str> = line.split(' ').collect();
    Ok(match words.as_slice() {
        ["case", case] => desk.describe_case(case.parse()?).await.is_ok(),
        ["stored", document, version, digest] => {
            let found = documents.get(&(document.parse()?, version.parse()?));
            found.is_some_and(|found| found.to_string() == *digest)
        }
        ["granted", grant] => {
            let grant: GrantId = grant.parse()?;
            let outcome = desk.outcome(grant.operation()).await?;
            matches!(outcome, docvault::Outcome::Committed { .. })
        }
        ["revoked", grant] => {
            let refused = desk.deliver(grant.parse()?).await;
            refused.is_err_and(|error| error.kind() == ErrorKind::Denied)
        }
        _ => false,
    })
}

/// Reads a version to its end; the reader compares its digest.
async fn whole(
    desk: &Session,
    document: DocumentId,
    version: VersionId,
    digest: &ContentDigest,
) -> Outcome<()> {
    let mut reader = desk.reader_of(document, version).await?;
    if reader.digest() != *digest {
        return Err("a version's reader and its description differ".into());
    }
    while reader.next().await?.is_some() {}
    Ok(())
}

fn progress(what: &str, file: &Found) -> ProgressBar {
    let bar = ProgressBar::new(file.len);
    let style =
        ProgressStyle::with_template("{msg:<40} {bar:30} {bytes:>10}/{total_bytes:<10} {bytes_per_sec}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.set_message(format!("{what} {}", shown(&file.name)));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

const BUFFER: usize = 1 << 20;
