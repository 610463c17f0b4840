//! Parts and outlines (§7.4): a version of two pages over the base, one of its objects another.

use super::{
    chest::Chest,
    content,
    file::KitFile,
    forge::{CHUNK, Sealer, flipped, seal},
    head::{Head, Version, zeros},
    log::{base, over_base, released},
};

/// Of three pieces, the last of them padded.
const LONG: usize = 33_000;
/// Bytes that a chunk has, sealed.
const SEALED: usize = CHUNK + 16;
const PREFIX: usize = 56;

/// The base with a version of two pages, whose second part `change` gives; `None` takes it away.
fn over(
    name: &str,
    what: &str,
    change: impl FnOnce(&mut Chest, &Version, &Head, Vec<u8>) -> Option<Vec<u8>>,
) -> KitFile {
    let name = format!("parts/{name}");
    let (chest, case, _) = base();
    let mut chest = chest.overlay(&name);
    let version = version(&mut chest, &case);
    let head = version.store(&mut chest);
    let part = chest.objects[&version.part_name(1)].clone().unwrap();
    let changed = change(&mut chest, &version, &head, part);
    chest.objects.remove(&version.part_name(1));
    if let Some(changed) = changed {
        chest.put(version.part_name(1), changed);
    }
    over_base(&name, "§7.4", what, &chest).expect("corrupt")
}

fn version(chest: &mut Chest, case: &super::chest::Case) -> Version {
    Version::parts(chest, case, &[&content(100, 6), &content(LONG, 7)])
}

/// The part's bytes are others.
fn bytes(name: &str, what: &str, change: fn(&[u8]) -> Vec<u8>) -> KitFile {
    over(name, what, |_, _, _, part| Some(change(&part)))
}

/// The part sealed anew, in this place with this content and this outline.
fn resealed(
    name: &str,
    what: &str,
    change: fn(&mut Version, &mut Vec<u8>, &mut Vec<u8>, &mut Head),
) -> KitFile {
    over(name, what, |chest, version, head, _| {
        let (mut version, mut head) = (version.clone(), head.clone());
        let (mut padded, mut outline) = (zeros(&version.contents[1]), version.outline(1));
        change(&mut version, &mut padded, &mut outline, &mut head);
        Some(version.part_of(&version.place(&head, 1, 0), &padded, &outline, &mut chest.dice))
    })
}

pub fn files() -> Vec<KitFile> {
    [sound(), altered(), sealed_anew(), runs()].concat()
}

fn sound() -> Vec<KitFile> {
    let (_, _, versions) = base();
    let accept = |name: &str, what: &str, contents: &[&[u8]]| {
        let name = format!("parts/{name}");
        let (chest, case, _) = base();
        let mut chest = chest.overlay(&name);
        let version = Version::parts(&mut chest, &case, contents);
        version.store(&mut chest);
        let all = [&versions[..], &[version]].concat();
        over_base(&name, "§7.4", what, &chest).releasing(&released(&all))
    };
    let chunk = content(CHUNK, 8);
    vec![
        accept(
            "two-pages",
            "Two pages, a part each, the second with an outline",
            &[&content(100, 6), &content(LONG, 7)],
        ),
        accept("empty-page", "A page of nothing between others", &[b"uno", b"", b"tres"]),
        accept(
            "full-chunk",
            "A page of exactly one piece: no outline, and an empty chunk behind the full one",
            &[&chunk, b"x"],
        ),
        accept(
            "padding-is-pieces",
            "A page of which the last piece is padding alone",
            &[&content(65_537, 9), b"x"],
        ),
    ]
}

fn altered() -> Vec<KitFile> {
    vec![
        over("missing", "A part that is not there", |_, _, _, _| None),
        bytes("empty", "Nothing in place of a part", |_| Vec::new()),
        bytes("content-altered", "A bit of the content", |part| flipped(part, 100)),
        bytes("outline-altered", "A bit of the outline", |part| flipped(part, part.len() - 20)),
        bytes("commitment-altered", "A bit of the commitment", |part| flipped(part, 40)),
        bytes("outline-missing", "Without its outline", |part| {
            let sealed = PREFIX + super::forge::padme(LONG) + 3 * 16;
            part[..sealed].to_vec()
        }),
        bytes("byte-behind", "A byte behind the outline", |part| [part, &[0]].concat()),
        bytes("cut", "The last byte missing", |part| part[..part.len() - 1].to_vec()),
        bytes("chunk-missing", "Without its second chunk", |part| {
            [&part[..PREFIX + SEALED], &part[PREFIX + 2 * SEALED..]].concat()
        }),
        bytes("chunks-swapped", "The first two chunks exchanged", |part| {
            let (a, b) = (PREFIX..PREFIX + SEALED, PREFIX + SEALED..PREFIX + 2 * SEALED);
            [&part[..PREFIX], &part[b], &part[a], &part[PREFIX + 2 * SEALED..]].concat()
        }),
        bytes("zeros", "Zeros in place of the second chunk", |part| {
            [&part[..PREFIX + SEALED], &vec![0; SEALED][..], &part[PREFIX + 2 * SEALED..]].concat()
        }),
        over("of-first-page", "The first page's part in place of the second's", |chest, version, _, _| {
            chest.objects[&version.part_name(0)].clone()
        }),
        over("of-other-version", "The same content of another version", |chest, _, _, _| {
            let (_, case, _) = base();
            let other = version(chest, &case);
            let head = other.head(&mut chest.dice);
            Some(other.part(&head, 1, &mut chest.dice))
        }),
    ]
}

fn sealed_anew() -> Vec<KitFile> {
    vec![
        resealed("padding", "Padding that is not zero", |_, padded, _, _| *padded.last_mut().unwrap() = 1),
        resealed("other-content", "Other content, with its own outline", |version, padded, outline, _| {
            version.contents[1][20_000] ^= 1;
            (*padded, *outline) = (zeros(&version.contents[1]), version.outline(1));
        }),
        resealed("other-content-true-outline", "Other content under the true outline", |_, padded, _, _| {
            padded[20_000] ^= 1;
        }),
        resealed("outline-other", "Another outline over the true content", |_, _, outline, _| {
            outline[40] ^= 1;
        }),
        resealed("outline-short", "An outline of two of three pieces", |_, _, outline, _| {
            outline.truncate(64);
        }),
        resealed("outline-long", "An outline of a piece too many", |_, _, outline, _| {
            outline.extend([0; 32]);
        }),
        resealed("longer", "A chunk more than the page has", |_, padded, _, _| {
            padded.resize(padded.len() + CHUNK, 0);
        }),
        resealed("other-key", "Sealed under another key", |version, _, _, _| version.key = [9; 32]),
        resealed("other-attempt", "Sealed by another attempt", |version, _, _, _| version.attempt = [9; 16]),
        resealed("other-key-id", "Sealed for another key id", |_, _, _, head| head.key_id = [9; 16]),
        resealed("other-document", "Sealed for another document", |version, _, _, _| {
            version.ids.object = [9; 16];
        }),
        resealed("other-operation", "Sealed for another version", |version, _, _, _| {
            version.ids.operation = [9; 16];
        }),
        resealed("other-case", "Sealed for another case", |version, _, _, _| version.ids.case = [9; 16]),
        resealed("other-vault", "Sealed for another vault", |version, _, _, _| version.ids.vault = [9; 16]),
        over("other-page", "Sealed for the third page", |chest, version, head, _| {
            let place = version.place(head, 2, 0);
            Some(version.part_of(&place, &zeros(&version.contents[1]), &version.outline(1), &mut chest.dice))
        }),
        over("other-part", "Sealed for the page's second part", |chest, version, head, _| {
            let place = version.place(head, 1, 1);
            Some(version.part_of(&place, &zeros(&version.contents[1]), &version.outline(1), &mut chest.dice))
        }),
        over("outline-of-other-place", "The outline sealed for the first page", |chest, version, head, _| {
            let (place, other) = (version.place(head, 1, 0), version.place(head, 0, 0));
            let sealed = seal(&version.key, &place, &zeros(&version.contents[1]), &mut chest.dice);
            let bound = super::forge::context("outline", &[&other]);
            Some([sealed, seal(&version.key, &bound, &version.outline(1), &mut chest.dice)].concat())
        }),
        over("full-chunk-last", "Content without the short chunk that ends it", |chest, version, head, _| {
            let sealer = Sealer::new(&version.key, &version.place(head, 1, 0), &chest.dice.array());
            let chunks = sealer.chunks(&zeros(&version.contents[1]));
            Some([sealer.prefix.clone(), chunks[..2].concat()].concat())
        }),
    ]
}

/// What a page says of its parts, in metadata that is sound otherwise.
fn runs() -> Vec<KitFile> {
    let runs = |name: &str, what: &str, change: fn(&mut Version)| {
        let name = format!("parts/{name}");
        let (chest, case, _) = base();
        let mut chest = chest.overlay(&name);
        let mut version = version(&mut chest, &case);
        change(&mut version);
        version.store(&mut chest);
        over_base(&name, "§7.2", what, &chest).expect("corrupt")
    };
    let large = |chaining: [[u8; 32]; 2]| {
        move |version: &mut Version| {
            let page = &mut version.meta.pages[1];
            page.len = 9_000_000;
            page.runs[0].2 = 2;
            page.chaining = chaining.to_vec();
        }
    };
    let name = "parts/chaining-other";
    let (chest, case, _) = base();
    let mut chest = chest.overlay(name);
    let mut version = version(&mut chest, &case);
    large([[1; 32], [2; 32]])(&mut version);
    version.store(&mut chest);
    let what = "A page of two parts, whose chaining values do not come to its digest";
    let chaining = over_base(name, "§7.2", what, &chest).expect("corrupt");
    vec![
        chaining,
        runs("no-run", "A page in parts that names none", |version| version.meta.pages[1].runs.clear()),
        runs("run-of-none", "A run of no part", |version| version.meta.pages[1].runs.push(([1; 16], 1, 0))),
        runs("run-gap", "A run that does not start at the first part", |version| {
            version.meta.pages[1].runs[0].1 = 1;
        }),
        runs("run-too-many", "A part more than the page has", |version| version.meta.pages[1].runs[0].2 = 2),
        runs("pages-inline", "Two pages, of which one is in the head", |version| {
            version.meta.pages[0].storage = 0;
            version.meta.pages[0].runs.clear();
        }),
        runs("digest-of-one-page", "The digest of a version of two pages is that of one", |version| {
            version.meta.digest = version.meta.pages[0].digest;
        }),
        runs("pages-swapped", "The pages' digests exchanged", |version| {
            let digest = version.meta.pages[0].digest;
            version.meta.pages[0].digest = version.meta.pages[1].digest;
            version.meta.pages[1].digest = digest;
            version.meta.digest = super::head::content_digest(&version.meta.pages);
        }),
        runs("pages-too-many", "1,025 pages", |version| {
            version.meta.pages = vec![version.meta.pages[0].clone(); 1025];
            version.meta.digest = super::head::content_digest(&version.meta.pages);
        }),
    ]
}
