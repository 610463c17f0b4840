//! What an office finds with its carrier (§11.2, §11.3).

use std::collections::BTreeMap;

use super::{
    content,
    deposits::{Deposit, PART, file, small},
    file::{KitFile, container},
    forge::{Dice, context, hpke_public, hpke_seal},
};

pub fn files() -> Vec<KitFile> {
    [sound(), of_manifests(), of_parts(), of_keys()].concat()
}

type Kept = BTreeMap<String, Option<Vec<u8>>>;

/// What a carrier keeps of a deposit, changed.
fn inbox(name: &str, what: &str, pages: &[Vec<u8>], change: fn(&Deposit, &mut Kept)) -> KitFile {
    let name = format!("inbox-{name}");
    let deposit = Deposit::new(&name, pages);
    let mut kept = deposit.kept();
    change(&deposit, &mut kept);
    holding(&name, what, &deposit, &kept)
}

/// What it keeps of a deposit that was changed before it was sealed.
fn resealed(name: &str, what: &str, change: fn(&mut Deposit)) -> KitFile {
    let name = format!("inbox-{name}");
    let mut deposit = Deposit::new(&name, &small());
    change(&mut deposit);
    holding(&name, what, &deposit, &deposit.kept())
}

fn holding(name: &str, what: &str, deposit: &Deposit, kept: &Kept) -> KitFile {
    let file = file(name, "inbox", "§11.2", what).with("base", "log/base").expect("corrupt");
    file.hex("case", &deposit.request.case).body(container(kept))
}

fn ending<'a>(kept: &'a mut Kept, end: &str) -> &'a mut Option<Vec<u8>> {
    kept.iter_mut().find(|(name, _)| name.ends_with(end)).unwrap().1
}

fn sound() -> Vec<KitFile> {
    let whole = |name: &str, what: &str, pages: &[Vec<u8>]| {
        inbox(name, what, pages, |_, _| {}).expect("accept").releasing(&pages.concat())
    };
    vec![
        whole("two-pages", "Two pages", &small()),
        whole("form", "A form alone", &[]),
        whole("two-parts", "A page of two parts", &[content(PART + 1_000, 3)]),
        whole("empty-page", "A page of nothing", &[Vec::new()]),
    ]
}

fn of_manifests() -> Vec<KitFile> {
    vec![
        inbox("manifest-missing", "A promise without its manifest", &small(), |_, kept| {
            *ending(kept, "/manifest") = None;
        }),
        inbox("other-manifest", "Another sound manifest than was promised", &small(), |deposit, kept| {
            let mut other = deposit.clone();
            other.pages[1] = content(300, 9);
            *ending(kept, "/manifest") = Some(other.manifest());
        }),
        inbox(
            "manifest-signature",
            "A promised manifest that the link has not signed",
            &[],
            |deposit, kept| {
                let planted = deposit.manifest_by(&[9; 32]);
                *ending(kept, "/promise/0001-0000") = Some(deposit.promise(&planted));
                *ending(kept, "/manifest") = Some(planted);
            },
        ),
    ]
}

fn of_parts() -> Vec<KitFile> {
    vec![
        inbox("part-signature", "A listed part that the link has not signed", &small(), |deposit, kept| {
            let mut planted = deposit.part(1, 0);
            planted.signer = [9; 32];
            *ending(kept, "part-0001-00000000") = Some(deposit.encode(&planted));
        })
        .releasing(&small()[0]),
        inbox("part-missing", "A part that is not there", &small(), |_, kept| {
            *ending(kept, "part-0001-00000000") = None;
        })
        .releasing(&small()[0]),
        inbox("other-part", "Another sound part than the manifest lists", &small(), |deposit, kept| {
            let mut other = deposit.clone();
            other.pages[1] = content(300, 9);
            *ending(kept, "part-0001-00000000") = Some(other.encode(&other.part(1, 0)));
        })
        .releasing(&small()[0]),
    ]
}

fn of_keys() -> Vec<KitFile> {
    vec![
        resealed("key-to-other", "A deposit's key that is sealed to somebody else", |deposit| {
            let info = context("deposit key to intake", &[&deposit.request.digest(), &deposit.id]);
            deposit.sealed_key = hpke_seal(&hpke_public(&[9; 32]), &info, &deposit.key, &mut Dice::new("x"));
        }),
        resealed("key-of-other-deposit", "A deposit's key that is sealed for another deposit", |deposit| {
            let info = context("deposit key to intake", &[&deposit.request.digest(), &[9; 16]]);
            let public = hpke_public(&deposit.request.intake);
            deposit.sealed_key = hpke_seal(&public, &info, &deposit.key, &mut Dice::new("x"));
        }),
        inbox("descriptor", "Another request in its place", &small(), |deposit, kept| {
            let mut other = deposit.request.clone();
            other.intake = [9; 32];
            other.signer = [9; 32];
            *ending(kept, "/request") = Some(other.bytes());
        }),
    ]
}
