//! Heads and metadata (§7.1 to §7.3): a version more over the base, sound but for one thing.

use super::{
    chest::{Case, Chest, Record},
    content,
    file::{KitFile, hex},
    forge::{CHUNK, Out, pad, seal},
    head::{Grant, Head, Ids, Page, Version, zeros},
    log::{base, over_base, released},
};

pub(super) const CONTENT: &[u8] = b"un contrato";

/// The base with a version more, which `store` stores.
pub(super) fn over(
    name: &str,
    format: &str,
    what: &str,
    store: impl FnOnce(&mut Chest, &Case, Version),
) -> KitFile {
    let name = format!("heads/{name}");
    let (chest, case, _) = base();
    let mut chest = chest.overlay(&name);
    let version = Version::inline(&mut chest, &case, CONTENT);
    store(&mut chest, &case, version);
    over_base(&name, format, what, &chest).expect("corrupt")
}

/// Its metadata is another.
pub(super) fn meta(name: &str, what: &str, change: impl FnOnce(&mut Version)) -> KitFile {
    over(name, "§7.2", what, |chest, _, mut version| {
        change(&mut version);
        version.store(chest);
    })
}

/// What its head seals is made of its metadata otherwise.
fn plaintext(name: &str, format: &str, what: &str, made: impl FnOnce(Vec<u8>) -> Vec<u8>) -> KitFile {
    over(name, format, what, |chest, _, version| {
        let meta = made(version.meta.encode());
        let dice = &mut chest.dice;
        let mut head = Head::seal_padded(&version.ids, &version.case_key, &version.key, &meta, dice);
        let place = version.place(&head, 0, 0);
        head.inline = [&version.attempt[..], &seal(&version.key, &place, CONTENT, dice)].concat();
        version.store_as(chest, &head);
    })
}

/// Its head is another, and is what the record commits to.
pub(super) fn head(name: &str, what: &str, change: impl FnOnce(&mut Head, &mut Chest, &Version)) -> KitFile {
    over(name, "§7.1", what, |chest, _, version| {
        let mut head = version.head(&mut chest.dice);
        change(&mut head, chest, &version);
        version.store_as(chest, &head);
    })
}

pub fn files() -> Vec<KitFile> {
    [sound(), heads(), behind(), contexts(), metadata(), pages(), effects(), grants()].concat()
}

fn sound() -> Vec<KitFile> {
    let (_, _, versions) = base();
    let accepted = |name: &str, what: &str, change: fn(&mut Version)| {
        let mut added = None;
        let file = over(name, "§7", what, |chest, _, mut version| {
            change(&mut version);
            version.store(chest);
            added = Some(version);
        });
        let all = [&versions[..], &[added.unwrap()]].concat();
        file.expect("accept").releasing(&released(&all))
    };
    vec![
        accepted("version", "A version more, in its head", |_| {}),
        accepted("attributes", "With attributes in order, and a name that is empty", |version| {
            version.meta.name.clear();
            let pair = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
            version.meta.attributes = vec![pair("", "sin nombre"), pair("a", ""), pair("año", "2026")];
        }),
        accepted("sha256", "With the page's SHA-256", |version| {
            version.meta.pages[0].sha256 = Some(super::forge::sha256(&[CONTENT]));
        }),
        accepted("name-longest", "A name of 1,024 bytes", |version| version.meta.name = vec![b'n'; 1024]),
    ]
}

fn heads() -> Vec<KitFile> {
    let start =
        |at: usize, value: u8| move |head: &mut Head, _: &mut Chest, _: &Version| head.start[at] = value;
    vec![
        head("magic", "Another magic", start(0, b'x')),
        head("format", "Format 2", start(4, 2)),
        head("suite", "Suite 2", start(5, 2)),
        head("type-case", "A version's head that says it is a case's", start(6, 1)),
        head("type-4", "A type that is not known", start(6, 4)),
        head("reserved", "A reserved bit", start(7, 1)),
        head("key-id", "Another key id than it is sealed for", |head, _, _| head.key_id[0] ^= 1),
        head("meta-empty", "No metadata", |head, _, _| head.meta.clear()),
        head("wrapped-commitment", "A bit of the wrapped key's commitment", |head, _, _| {
            head.wrapped[30] ^= 1;
        }),
        head("wrapped-under-head-key", "The head's key wrapped under itself", |head, chest, version| {
            let bound = version.ids.context("head key", &head.key_id);
            head.wrapped = seal(&version.key, &bound, &version.key, &mut chest.dice);
        }),
        head("inline-missing", "No content behind the metadata", |head, _, _| head.inline.clear()),
        head("inline-attempt", "Another attempt before the content", |head, _, _| head.inline[0] ^= 1),
        head("inline-cut", "The content's last byte missing", |head, _, _| {
            head.inline.pop();
        }),
        head("inline-behind", "A byte behind the content", |head, _, _| head.inline.push(0)),
        head("inline-other-page", "Content sealed for the second page", |head, chest, version| {
            let place = version.place(head, 1, 0);
            head.inline =
                [&version.attempt[..], &seal(&version.key, &place, CONTENT, &mut chest.dice)].concat();
        }),
        head("inline-outline", "Content in its head, and an outline", |head, chest, version| {
            let place = version.place(head, 0, 0);
            let bound = super::forge::context("outline", &[&place]);
            head.inline.extend(seal(&version.key, &bound, &version.meta.digest, &mut chest.dice));
        }),
        head("inline-padding", "Padding that is not zero", |head, chest, version| {
            let mut padded = zeros(&content(1_000, 9));
            *padded.last_mut().unwrap() = 1;
            let place = version.place(head, 0, 0);
            head.inline =
                [&version.attempt[..], &seal(&version.key, &place, &padded, &mut chest.dice)].concat();
        }),
        over("missing", "§7.1", "A version whose head is not there", |chest, _, version| {
            let head = version.store(chest);
            chest.objects.remove(&head.name(&version.ids));
        }),
    ]
}

/// A byte behind a head that holds no content, which neither its metadata nor its record speaks of.
fn behind() -> Vec<KitFile> {
    let behind = |name: &str, what: &str, store: fn(&mut Chest, &Case) -> String| {
        let name = format!("heads/{name}");
        let (chest, case, _) = base();
        let mut chest = chest.overlay(&name);
        let stored = store(&mut chest, &case);
        let head = chest.objects.remove(&stored).flatten().expect("it was stored");
        chest.put(stored, [head, vec![0]].concat());
        over_base(&name, "§7.1", what, &chest).expect("corrupt")
    };
    vec![
        behind("parts-behind", "A byte behind a head whose content is in parts", |chest, case| {
            let version = Version::parts(chest, case, &[&content(100, 6)]);
            version.store(chest).name(&version.ids)
        }),
        behind("case-behind", "A byte behind the head of a case", |chest, _| {
            let case = chest.open_case("otro expediente");
            format!("head/{}/{}", hex(&case.id), hex(&case.opened))
        }),
        behind("grant-behind", "A byte behind the head of a grant", |chest, case| {
            let (_, _, versions) = base();
            let recipient = super::forge::hpke_public(&[1; 32]);
            let grant = Grant::new(chest, case, versions[0].ids.object, &recipient, 2);
            store_grant(chest, case, &grant, |_| {}).name(&grant.ids)
        }),
    ]
}

/// A field of the ids, what it is of then, and how it changes.
type Change = (&'static str, &'static str, fn(&mut Ids));

/// Everything that a head is bound to, another one at a time.
fn contexts() -> Vec<KitFile> {
    let changes: [Change; 5] = [
        ("vault", "another vault", |ids| ids.vault[0] ^= 1),
        ("case", "another case", |ids| ids.case[0] ^= 1),
        ("object", "another document", |ids| ids.object[0] ^= 1),
        ("operation", "another version", |ids| ids.operation[0] ^= 1),
        ("type", "a grant", |ids| ids.of = 3),
    ];
    let mut files = Vec::new();
    for (field, of, change) in changes {
        files.push(head(
            &format!("key-of-other-{field}"),
            &format!("Its key wrapped for {of}"),
            |head, chest, version| {
                let mut ids = version.ids;
                change(&mut ids);
                let bound = ids.context("head key", &head.key_id);
                head.wrapped = seal(&version.case_key, &bound, &version.key, &mut chest.dice);
            },
        ));
        files.push(head(
            &format!("meta-of-other-{field}"),
            &format!("Metadata sealed for {of}"),
            |head, chest, version| {
                let mut ids = version.ids;
                change(&mut ids);
                let bound = ids.context("head meta", &head.key_id);
                head.meta = seal(&version.key, &bound, &pad(&version.meta.encode()), &mut chest.dice);
            },
        ));
        if field != "type" {
            files.push(head(
                &format!("content-of-other-{field}"),
                &format!("Content sealed for {of}"),
                |head, chest, version| {
                    let mut other = version.clone();
                    change(&mut other.ids);
                    let sealed = seal(&version.key, &other.place(head, 0, 0), CONTENT, &mut chest.dice);
                    head.inline = [&version.attempt[..], &sealed].concat();
                },
            ));
        }
    }
    files
}

fn metadata() -> Vec<KitFile> {
    let pair = |name: &str| (name.as_bytes().to_vec(), b"v".to_vec());
    let padded = |name: &str, what: &str, change: fn(&mut Vec<u8>)| {
        plaintext(name, "§1", what, |meta| {
            let mut padded = pad(&meta);
            change(&mut padded);
            padded
        })
    };
    vec![
        padded("padding", "Padding that is not zero", |meta| *meta.last_mut().unwrap() = 1),
        padded("padding-class", "Padding of a class too many", |meta| meta.resize(meta.len() + 256, 0)),
        padded("padding-missing", "No padding", |meta| {
            let len = u32::from_be_bytes(meta[..4].try_into().unwrap()) as usize;
            meta.truncate(4 + len);
        }),
        padded("padding-length", "A length beyond what is there", |meta| {
            meta[..4].copy_from_slice(&[0, 0, 9, 9]);
        }),
        meta("name-too-long", "A name of 1,025 bytes", |version| version.meta.name = vec![b'n'; 1025]),
        meta("name-not-utf-8", "A name that is not UTF-8", |version| version.meta.name = vec![0xc3]),
        meta("name-surrogate", "A name with a surrogate in it", |version| {
            version.meta.name = vec![0xed, 0xa0, 0x80];
        }),
        meta("media-type-too-long", "A media type of 257 bytes", |version| {
            version.meta.media_type = vec![b'm'; 257];
        }),
        meta("attributes-unsorted", "Attributes out of order", |version| {
            version.meta.attributes = vec![pair("b"), pair("a")];
        }),
        meta("attributes-doubled", "An attribute twice", |version| {
            version.meta.attributes = vec![pair("a"), pair("a")];
        }),
        meta("attributes-too-many", "65 attributes", |version| {
            version.meta.attributes = (0..65).map(|i| pair(&format!("{i:02}"))).collect();
        }),
        meta("attribute-name-too-long", "An attribute's name of 129 bytes", |version| {
            version.meta.attributes = vec![pair(&"a".repeat(129))];
        }),
        meta("attribute-value-too-long", "An attribute's value of 4,097 bytes", |version| {
            version.meta.attributes = vec![(b"a".to_vec(), vec![b'v'; 4097])];
        }),
    ]
}

fn pages() -> Vec<KitFile> {
    let page = |name: &str, what: &str, change: fn(&mut Page)| {
        meta(name, what, |version| change(&mut version.meta.pages[0]))
    };
    let bytes = |name: &str, what: &str, change: fn(Vec<u8>) -> Vec<u8>| {
        plaintext(name, "§7.2", what, |meta| pad(&change(meta)))
    };
    // The optional SHA-256, the storage and the number of runs end the only page.
    vec![
        bytes("optional", "A SHA-256 that is neither absent nor there", |mut meta| {
            let at = meta.len() - 6;
            meta[at] = 2;
            meta
        }),
        bytes("byte-behind", "A byte behind the last page", |meta| [meta, vec![0]].concat()),
        bytes("cut", "The last byte of the last page missing", |meta| meta[..meta.len() - 1].to_vec()),
        meta("no-page", "No page", |version| version.meta.pages.clear()),
        meta("two-pages-inline", "Two pages in the head", |version| {
            let page = version.meta.pages[0].clone();
            version.meta.pages.push(page);
            version.meta.digest = super::head::content_digest(&version.meta.pages);
        }),
        page("storage-2", "Kept in a place that is not known", |page| page.storage = 2),
        page("inline-with-run", "In the head, and an attempt with parts", |page| {
            page.runs = vec![([1; 16], 0, 1)];
        }),
        page("page-digest", "Another digest than the version's", |page| page.digest[0] ^= 1),
        meta("digest-of-other-content", "The digest of other content", |version| {
            version.meta.pages[0].digest = *blake3::hash(b"otro contrato").as_bytes();
            version.meta.digest = version.meta.pages[0].digest;
        }),
        page("shorter", "A byte less than the content has", |page| page.len -= 1),
        page("longer", "A byte more than the content has", |page| page.len += 1),
        page("huge", "A page of 2⁶⁴ − 1 bytes", |page| page.len = u64::MAX),
        meta("inline-too-long", "In the head, and longer than 256 KiB", |version| {
            let long = content(16 * CHUNK + 1, 8);
            version.meta.pages[0].len = long.len() as u64;
            version.meta.pages[0].digest = *blake3::hash(&long).as_bytes();
            version.meta.digest = version.meta.pages[0].digest;
            version.contents = vec![long];
        }),
    ]
}

fn effects() -> Vec<KitFile> {
    let effect = |name: &str, what: &str, change: fn(&Version, &Head) -> [u8; 32]| {
        over(name, "§7.3", what, |chest, _, version| {
            let head = version.head(&mut chest.dice);
            chest.put(head.name(&version.ids), head.bytes());
            let record = version.record(chest, &head);
            let effect = change(&version, &head);
            chest.commit(vec![Record { effect, ..record }]);
        })
    };
    vec![
        effect("effect-other", "A record that commits to something else", |_, _| [9; 32]),
        effect("effect-unblinded", "A record that commits without the blind", |version, head| {
            head.effect(&[0; 32], &version.meta.digest)
        }),
        effect("effect-of-case", "A record that commits to no content", |version, head| {
            head.effect(&version.meta.blind, &[0; 32])
        }),
        over(
            "effect-of-other-head",
            "§7.3",
            "A head of the same version, sound, and not the one that was stored",
            |chest, _, version| {
                let first = version.store(chest);
                let mut other = version.clone();
                other.meta.name = b"otro.pdf".to_vec();
                let second = other.head(&mut chest.dice);
                chest.put(first.name(&version.ids), second.bytes());
            },
        ),
    ]
}

/// Stores a grant, with another record.
fn store_grant(chest: &mut Chest, case: &Case, grant: &Grant, effect: fn(&mut Record)) -> Head {
    let blind: [u8; 32] = chest.dice.array();
    let sealed = grant.sealed_key(&mut chest.dice);
    let out = Out::default().fixed(&blind).fixed(&grant.recipient).fixed(&grant.terms());
    let meta = out.fixed(&grant.key).fixed(&sealed).0;
    let key = chest.dice.array();
    let head = Head::seal(&grant.ids, &case.key, &key, &meta, &mut chest.dice);
    chest.put(head.name(&grant.ids), head.bytes());
    let mut record = grant.record(chest, head.effect(&blind, &[0; 32]), case.key);
    effect(&mut record);
    chest.commit(vec![record]);
    head
}

fn grants() -> Vec<KitFile> {
    let (_, _, versions) = base();
    let grant = |name: &str, what: &str, change: fn(&mut Grant), effect: fn(&mut Record)| {
        let name = format!("heads/grant-{name}");
        let (chest, case, _) = base();
        let mut chest = chest.overlay(&name);
        let recipient = super::forge::hpke_public(&[1; 32]);
        let mut grant = Grant::new(&mut chest, &case, versions[0].ids.object, &recipient, 2);
        change(&mut grant);
        store_grant(&mut chest, &case, &grant, effect);
        over_base(&name, "§7.2", what, &chest).expect("corrupt")
    };
    vec![
        grant("sound", "A grant of a document", |_| {}, |_| {})
            .expect("accept")
            .releasing(&released(&versions)),
        grant("rights", "Rights that are not known", |grant| grant.rights = 2, |_| {}),
        grant("mode", "A mode that is not known", |grant| grant.mode = 3, |_| {}),
        grant(
            "purpose-too-long",
            "A purpose of 1,025 bytes",
            |grant| grant.purpose = "p".repeat(1025),
            |_| {},
        ),
        grant("effect", "A record that commits to another head", |_| {}, |record| record.effect = [9; 32]),
        grant("recipient", "A record of another recipient", |_| {}, |record| record.auxiliary = vec![9; 32]),
    ]
}
