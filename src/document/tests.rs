//! Metadata of documents: what comes back, and what is refused.

use super::*;

#[test]
fn a_digest_reads_as_hex() {
    let digest = ContentDigest::of(b"");
    assert_eq!(digest.to_string(), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
    assert_eq!(format!("{digest:?}"), format!("ContentDigest({digest})"));
}

fn meta() -> VersionMeta {
    let run = |attempt, first, parts| Run { attempt: [attempt; 16], first, parts };
    let chaining = vec![[5; 32], [6; 32], [7; 32]];
    let parts = Place::Parts(vec![run(1, 0, 2), run(2, 2, 1)]);
    let digest = digest::root(&chaining);
    let long = Page { len: 20 << 20, digest, sha256: Some([8; 32]), place: parts, chaining };
    let parts = Place::Parts(vec![run(2, 0, 1)]);
    let empty = Page { len: 0, digest: [4; 32], sha256: None, place: parts, chaining: Vec::new() };
    let pages = vec![long, empty];
    VersionMeta {
        blind: [1; 32],
        document: NewDocument::named("INE.pdf").attribute("b", "2").attribute("a", "1"),
        content_digest: ContentDigest::of_pages(&pages),
        pages,
    }
}

#[test]
fn chaining_values_are_one_for_each_part_and_come_to_the_digest() {
    let of = |chaining: Vec<Chaining>| {
        let mut meta = meta();
        meta.pages[0].chaining = chaining;
        VersionMeta::parse(&meta.encode())
    };
    assert!(of(vec![[5; 32], [6; 32], [7; 32]]).is_ok());
    for other in [
        vec![],
        vec![[5; 32], [6; 32]],
        vec![[5; 32], [6; 32], [7; 32], [0; 32]],
        vec![[6; 32], [5; 32], [7; 32]],
        vec![[5; 32], [6; 32], [9; 32]],
    ] {
        assert_eq!(of(other), Err(Malformed));
    }
}

#[test]
fn the_only_part_is_the_page_and_there_is_no_other() {
    let digest = digest::part_digest(0, b"content");
    let page = |root| Page { len: 7, digest: root, chaining: Vec::new(), ..meta().pages.swap_remove(1) };
    let only = page(digest::page_digest(&[digest]));
    assert!(only.has(0, Some(digest)) && !only.has(1, Some(digest)) && !only.has(0, None));
    assert!(!page([4; 32]).has(0, Some(digest)));
    let mut several = meta().pages.swap_remove(0);
    several.digest = only.digest;
    assert!(!several.has(0, Some(digest)) && !several.has(3, Some(digest)));
}

#[test]
fn a_page_has_the_parts_that_its_length_takes_and_no_more_than_the_cap() {
    let of = |len: u64, parts: u32| {
        let mut meta = meta();
        meta.pages.remove(0);
        let page = &mut meta.pages[0];
        page.len = len;
        let run = Run { attempt: [2; 16], first: 0, parts };
        page.place = Place::Parts(if parts == 0 { Vec::new() } else { vec![run] });
        page.chaining = vec![[0; 32]; usize::try_from(if parts > 1 { parts } else { 0 }).expect("few")];
        let content = usize::try_from(len.div_ceil(PART_LEN)).expect("few");
        page.chaining.iter_mut().take(content).for_each(|chaining| *chaining = [5; 32]);
        if parts > 1 && content <= page.chaining.len() {
            page.digest = digest::root(&page.chaining[..content]);
        }
        meta.content_digest = ContentDigest::of_pages(&meta.pages);
        VersionMeta::parse(&meta.encode()).is_ok()
    };
    for (len, parts, taken) in [(0, 0, false), (0, 1, true), (0, 2, false), (PART_LEN + 1, 1, false)] {
        assert_eq!(of(len, parts), taken, "{len} in {parts}");
    }
    for (len, taken) in [(CONTENT_CAP, true), (CONTENT_CAP + 1, false)] {
        let page = Page { len, ..meta().pages.swap_remove(1) };
        assert_eq!(of(len, page.parts()), taken, "{len}");
    }
}

#[test]
fn pages_have_together_no_more_than_the_cap() {
    let page = |len: u64| {
        let place = Place::Parts(Vec::new());
        let mut page = Page { len, digest: [4; 32], sha256: None, place, chaining: Vec::new() };
        let parts = page.parts();
        page.place = Place::Parts(vec![Run { attempt: [1; 16], first: 0, parts }]);
        if parts > 1 {
            let content = usize::try_from(len.div_ceil(PART_LEN)).expect("few");
            page.chaining = vec![[5; 32]; content];
            page.digest = digest::root(&page.chaining);
            page.chaining.resize(usize::try_from(parts).expect("few"), digest::PADDING);
        }
        page
    };
    let half = CONTENT_CAP / 2;
    for (lens, taken) in [
        (vec![half, half], true),
        (vec![half, half, 0], true),
        (vec![half, half, 1], false),
        (vec![half, half + 1], false),
        (vec![CONTENT_CAP, 0], true),
        (vec![CONTENT_CAP, CONTENT_CAP], false),
    ] {
        let pages: Vec<Page> = lens.iter().copied().map(page).collect();
        let content_digest = ContentDigest::of_pages(&pages);
        let parsed = VersionMeta::parse(&VersionMeta { pages, content_digest, ..meta() }.encode());
        assert_eq!(parsed.is_ok(), taken, "{lens:?}");
    }
}

#[test]
fn a_page_has_no_more_runs_than_the_cap() {
    let of = |runs: usize| {
        // So many parts have no padding.
        let (parts, few) = (1040u32, u32::try_from(runs - 1).expect("few"));
        let run = |first, parts| Run { attempt: [1; 16], first, parts };
        let runs = (0..few).map(|first| run(first, 1)).chain([run(few, parts - few)]);
        let (place, chaining) = (Place::Parts(runs.collect()), vec![[5; 32]; 1040]);
        let digest = digest::root(&chaining);
        let pages = vec![Page { len: u64::from(parts) * PART_LEN, digest, sha256: None, place, chaining }];
        let content_digest = ContentDigest::of_pages(&pages);
        VersionMeta::parse(&VersionMeta { pages, content_digest, ..meta() }.encode())
    };
    assert!(of(RUNS_CAP).is_ok());
    assert_eq!(of(RUNS_CAP + 1).err(), Some(Malformed));
}

#[test]
fn a_part_of_padding_alone_contributes_zeros() {
    // The shortest page whose padding fills a part of its own.
    let mut page = Page { len: (512 << 20) + 1, ..meta().pages.swap_remove(0) };
    assert_eq!((page.parts(), page.len.div_ceil(PART_LEN), page.content_in(65)), (66, 65, 0));
    page.chaining = vec![[5; 32]; 65];
    page.digest = digest::root(&page.chaining);
    assert!(!page.is_outlined(), "one is missing");
    page.chaining.push([0; 32]);
    assert!(page.is_outlined() && page.has(65, None) && page.holds(65, &[]));
    let some = digest::part_digest(65 * PART_LEN, b"content");
    assert!(
        !page.has(65, Some(some))
            && !page.holds(65, &[digest::contribution(Some(some))])
            && !page.has(64, None)
    );
    page.chaining[65] = [5; 32];
    assert!(!page.is_outlined(), "padding is content nowhere");
    page.chaining.truncate(64);
    assert!(!page.is_outlined(), "some of the content is missing");
}

#[test]
fn metadata_comes_back() {
    assert_eq!(VersionMeta::parse(&meta().encode()), Ok(meta()));
    let case = CaseMeta { blind: [1; 32], title: "Juan".into(), attributes: Attributes::new() };
    assert_eq!(CaseMeta::parse(&case.encode()), Ok(case));
}

#[test]
fn gaps_between_runs_and_missing_parts_are_refused() {
    for runs in [
        vec![Run { attempt: [1; 16], first: 0, parts: 2 }],
        vec![Run { attempt: [1; 16], first: 1, parts: 3 }],
        vec![Run { attempt: [1; 16], first: 0, parts: 4 }],
        vec![],
    ] {
        let mut meta = meta();
        meta.pages[0].place = Place::Parts(runs);
        assert_eq!(VersionMeta::parse(&meta.encode()), Err(Malformed));
    }
    let mut meta = meta();
    meta.pages.clear();
    meta.content_digest = ContentDigest::of_pages(&[]);
    assert_eq!(VersionMeta::parse(&meta.encode()), Err(Malformed));
}

#[test]
fn each_part_has_its_attempt_and_length() {
    let page = &meta().pages[0];
    assert_eq!(page.parts(), 3);
    assert_eq!([0, 1, 2, 3].map(|i| page.attempt(i).map(|a| a[0])), [Some(1), Some(1), Some(2), None]);
    assert_eq!([0, 2, 3].map(|i| page.part_len(i)), [8 << 20, 4 << 20, 0]);
}

#[test]
fn parts_have_together_what_the_page_has() {
    let near = |at: u64| at.saturating_sub(2)..at + 3;
    let lens = (0..140).flat_map(|part| near(part * PART_LEN)).chain(near(CONTENT_CAP)).chain(0..70_000);
    for len in lens.filter(|len| *len <= CONTENT_CAP) {
        let place = Place::Parts(Vec::new());
        let page = Page { len, digest: [0; 32], sha256: None, place, chaining: Vec::new() };
        let (mut content, mut padded) = (0, 0);
        for index in 0..page.parts() {
            let (held, all) = (page.content_in(index), page.part_len(index));
            assert!(held <= all && (all == PART_LEN || index + 1 == page.parts()), "{index} of {len}");
            assert!(all > 0 || len == 0, "{index} of {len} is empty");
            content += held;
            padded += all;
        }
        assert_eq!((content, padded), (len, crate::padding::padme(len)), "{len}");
        assert_eq!(page.padding(), padded - content);
        assert_eq!((page.content_in(page.parts()), page.part_len(page.parts())), (0, 0));
    }
}

#[test]
fn what_is_within_its_limits_is_kept_and_what_is_beyond_is_refused() {
    let names = |count: usize| (0..count).map(|at| (at.to_string(), String::new())).collect();
    let one = |name: usize, value: usize| Attributes::from([("n".repeat(name), "v".repeat(value))]);
    for (attributes, kept) in [
        (names(ATTRIBUTES_CAP), true),
        (names(ATTRIBUTES_CAP + 1), false),
        (one(ATTRIBUTE_NAME_CAP, ATTRIBUTE_VALUE_CAP), true),
        (one(ATTRIBUTE_NAME_CAP + 1, 0), false),
        (one(0, ATTRIBUTE_VALUE_CAP + 1), false),
    ] {
        let checked: Result<()> = check_attributes(&attributes);
        assert_eq!(checked.is_ok(), kept);
        let meta = CaseMeta { blind: [1; 32], title: "t".repeat(NAME_CAP), attributes };
        assert_eq!(CaseMeta::parse(&meta.encode()).is_ok(), kept);
    }
    let longer = CaseMeta { blind: [1; 32], title: "t".repeat(NAME_CAP + 1), attributes: Attributes::new() };
    assert_eq!(CaseMeta::parse(&longer.encode()).err(), Some(Malformed));
    assert!(within("a name", &"t".repeat(NAME_CAP), NAME_CAP).is_ok());
    assert!(within("a name", &longer.title, NAME_CAP).is_err());
}

#[test]
fn content_in_a_head_is_short_and_has_no_parts() {
    let of = |len: u64, code: u8, runs: &[Run]| {
        let mut w = Writer::new();
        w.u64(len).fixed(&[4; 32]).u8(0).u8(code).u32(u32::try_from(runs.len()).expect("few"));
        runs.iter().for_each(|run| {
            w.fixed(&run.attempt).u32(run.first).u32(run.parts);
        });
        read_page(&mut Reader::new(w.as_slice())).is_ok()
    };
    let one = [Run { attempt: [1; 16], first: 0, parts: 1 }];
    let longest = (0..=crate::head::INLINE_CAP)
        .rev()
        .find(|len| crate::padding::padme(*len) <= crate::head::INLINE_CAP);
    let longest = longest.expect("nothing is short");
    assert!(of(0, 0, &[]) && of(longest, 0, &[]));
    assert!(!of(longest + 1, 0, &[]), "too long");
    assert!(!of(0, 0, &one), "in its head and in a part");
    assert!(of(0, 1, &one) && !of(0, 2, &one));
}

#[test]
fn a_version_has_a_page_and_one_alone_if_it_is_in_its_head() {
    let of = |pages: Vec<Page>| {
        let content_digest = ContentDigest::of_pages(&pages);
        VersionMeta::parse(&VersionMeta { pages, content_digest, ..meta() }.encode()).is_ok()
    };
    let inline = || Page { place: Place::Inline, ..meta().pages.swap_remove(1) };
    assert!(of(vec![inline()]) && of(meta().pages));
    assert!(!of(vec![]) && !of(vec![inline(), inline()]));
    assert!(!of(vec![meta().pages.swap_remove(1), inline()]));
}
