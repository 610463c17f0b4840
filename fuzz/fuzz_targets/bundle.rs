//! What the parsers of a bundle's files take; then what is done to a small bundle in one ZIP file, eight bytes a step: to one
//! of its files, after which whatever follows from others is mended, or to the archive.
#![no_main]

#[allow(dead_code, unused_imports, reason = "what tests share besides")]
#[path = "../../tests/common/mod.rs"]
mod common;
#[allow(dead_code, reason = "an office has more to do")]
#[path = "../../tests/common/intake.rs"]
mod intake;
#[allow(dead_code, reason = "an office has more to do")]
#[path = "../../tests/bundle/office.rs"]
mod office;

use std::sync::{Arc, LazyLock};

use docvault::{
    NoSleep, Secret, Timestamp, Vault, VaultOptions,
    fuzzing::{Files, archive_of, files_in, mend, verify_archive},
    intake::{BundledRequirement, VerifiedBundle},
    keys::LocalKey,
    storage::MemoryStorage,
};
use futures_lite::future::block_on;
use intake::{Hand, Intake, Seeded};
use office::{Office, SMALL};

struct Honest {
    bytes: Vec<u8>,
    files: Files,
    says: VerifiedBundle,
    office: Office,
    /// Places in the archive that say nothing.
    free: Vec<usize>,
}

static HONEST: LazyLock<Honest> = LazyLock::new(|| block_on(honest()));

async fn honest() -> Honest {
    let key = LocalKey::from_seed(Secret::copy_from(&[2; 32]).expect("32 bytes"));
    let options = VaultOptions::default().sleeper(NoSleep::default()).entropy(Seeded::new(1));
    let options = options.clock(Hand::at(Timestamp::from_millis(1_790_000_000_000)));
    let vault = Vault::create_with(Arc::new(MemoryStorage::default()), Arc::new(key), options).await;
    let office = Office::of(Intake::of(vault.expect("created")).await, SMALL).await.with_note().await;
    let (path, _) = office.export("case.zip").await;
    let bytes = std::fs::read(path).expect("a file");
    let says = verify_archive(&bytes, &office.intake.policy).expect("it holds");
    let files = files_in(&bytes).expect("a bundle");
    let mut mended = files.clone();
    mend(&mut mended);
    assert_eq!(mended, files);
    assert!(verify_archive(&archive_of(&files), &office.intake.policy).is_ok());
    let free = free(&bytes);
    Honest { bytes, files, says, office, free }
}

/// FORMAT §13.2: versions, times, attributes, and that names are UTF-8.
fn free(bytes: &[u8]) -> Vec<usize> {
    let number = |at: usize, width: usize| {
        bytes[at..at + width].iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
    };
    let end = bytes.len() - 22;
    let (mut at, mut free) = (number(end + 16, 4), Vec::new());
    while at < end {
        let local = number(at + 42, 4);
        free.extend([4, 5, 7, 10, 11, 12, 13].map(|place| local + place));
        free.extend(
            [4, 5, 6, 7, 9, 12, 13, 14, 15].map(|place| at + place).into_iter().chain(at + 36..at + 42),
        );
        at += 46 + number(at + 28, 2) + number(at + 30, 2);
    }
    free
}

/// Of which file, what, and two numbers.
type Step = [u8; 8];

fn altered(bytes: &mut Vec<u8>, [_, what, how, at @ .., high, low]: Step) {
    let [at, from] = [at, [0, high, low]]
        .map(|[high, middle, low]| usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low));
    docvault::fuzzing::alter(bytes, [what, how], at, from, usize::from(how) * 3);
}

/// Alters a file, leaves it out, or puts another's content into it.
fn alter_file(files: &mut Files, step: Step) {
    let [of, what, .., other] = step;
    let nth = |files: &Files, number: u8| files.keys().nth(usize::from(number) % files.len().max(1)).cloned();
    let (Some(name), Some(other)) = (nth(files, of), nth(files, other)) else { return };
    match what % 8 {
        6 => drop(files.remove(&name)),
        7 => drop(files.insert(name, files[&other].clone())),
        _ => altered(files.get_mut(&name).expect("its name is from there"), step),
    }
}

/// What receipts prove is what they prove of the honest bundle.
fn is_proven(says: &VerifiedBundle) {
    let honest = &HONEST.says;
    assert_eq!(says.checkpoint, honest.checkpoint);
    assert_eq!(says.template, honest.template);
    assert_eq!(says.manifest.opened, honest.manifest.opened);
    for one in &says.manifest.requirements {
        let known = honest.manifest.requirements.iter().find(|known| known.requirement == one.requirement);
        let known = known.expect("a requirement of the template's");
        assert!(one.document.is_none() || proven(one) == proven(known), "{one:?}");
    }
    if let Some(completion) = &says.manifest.completion {
        assert_eq!(Some(completion), honest.manifest.completion.as_ref());
    }
}

/// The version, its files, and the statements on record.
fn proven(one: &BundledRequirement) -> String {
    let document = one.document.as_ref().map(|document| {
        let files: Vec<_> = document.files.iter().map(|file| (file.bytes, file.blake3)).collect();
        (document.document, document.version, document.digest, document.record, document.valid_until, files)
    });
    format!("{document:?} {:?}", one.statements)
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    docvault::fuzzing::bundle(data);
    let steps = data.as_chunks().0.iter().take(12).copied();
    let (to_files, to_archive): (Vec<Step>, Vec<Step>) = steps.partition(|step: &Step| step[0] < 128);
    let mut files = HONEST.files.clone();
    to_files.into_iter().for_each(|step| alter_file(&mut files, step));
    let same = files == HONEST.files;
    let mut bytes = if same {
        HONEST.bytes.clone()
    } else {
        mend(&mut files);
        archive_of(&files)
    };
    to_archive.into_iter().for_each(|step| altered(&mut bytes, step));
    let verified = verify_archive(&bytes, &HONEST.office.intake.policy);
    assert!(verified.is_ok() || bytes != HONEST.bytes, "{verified:?}");
    let Ok(says) = verified else { return };
    is_proven(&says);
    if same {
        assert_eq!(files_in(&bytes).expect("it holds"), HONEST.files);
        // Whatever else differs would be hidden.
        let differs = |at: &usize| bytes.get(*at) != HONEST.bytes.get(*at);
        assert_eq!(bytes.len(), HONEST.bytes.len());
        let other: Vec<usize> =
            (0..bytes.len()).filter(differs).filter(|at| !HONEST.free.contains(at)).collect();
        assert!(other.is_empty(), "{other:?}");
    }
});
