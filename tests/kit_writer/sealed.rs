//! Seals (§3): the one construction that everything else is made of.

use super::{
    content,
    file::KitFile,
    forge::{CHUNK, Dice, Sealer, flipped},
};

const KEY: [u8; 32] = [0x4b; 32];
const CONTEXT: &[u8] = b"a context";

fn file(name: &str, what: &str) -> KitFile {
    KitFile::new(&format!("sealed/{name}"), "sealed", "§3", what).hex("key", &KEY).hex("context", CONTEXT)
}

/// What is refused once `released` is out.
fn refused(name: &str, what: &str, released: &[u8], body: Vec<u8>) -> KitFile {
    file(name, what).expect("corrupt").releasing(released).body(body)
}

fn sealer(name: &str) -> Sealer {
    Sealer::new(&KEY, CONTEXT, &Dice::new(name).array())
}

fn whole(name: &str, plaintext: &[u8]) -> Vec<u8> {
    let sealer = sealer(name);
    [sealer.prefix.clone(), sealer.chunks(plaintext).concat()].concat()
}

pub fn files() -> Vec<KitFile> {
    [accepted(), chunks(), keys(), salamander()].concat()
}

fn accepted() -> Vec<KitFile> {
    let sizes = [
        (0, "empty", "Nothing: one empty chunk"),
        (1, "one-byte", "One byte"),
        (CHUNK - 1, "longest-chunk", "One chunk, as long as a last one can be"),
        (CHUNK, "full-chunk", "A full chunk, so an empty one behind it"),
        (2 * CHUNK + 100, "three-chunks", "Three chunks"),
    ];
    let file = |(len, name, what): (usize, &str, &str)| {
        let plaintext = content(len, 1);
        file(name, what).releasing(&plaintext).body(whole(name, &plaintext))
    };
    sizes.into_iter().map(file).collect()
}

fn chunks() -> Vec<KitFile> {
    let plaintext = content(2 * CHUNK + 100, 2);
    let sealer = sealer("altered");
    let chunks = sealer.chunks(&plaintext);
    let other = Sealer::new(&KEY, CONTEXT, &[7; 24]).chunks(&content(2 * CHUNK + 100, 3));
    let (a, b, c) = (&chunks[0], &chunks[1], &chunks[2]);
    let joined = |pieces: &[&[u8]]| [sealer.prefix.clone(), pieces.concat()].concat();
    let (none, one, two) = (&plaintext[..0], &plaintext[..CHUNK], &plaintext[..2 * CHUNK]);
    let full = sealer.chunk(2, &content(CHUNK, 4));
    let short = sealer.chunk(1, b"short");
    let three = [two, &content(CHUNK, 4)].concat();
    vec![
        refused("prefix-cut", "Cut within the commitment", none, joined(&[])[..55].to_vec()),
        refused("no-chunk", "Without any chunk", none, joined(&[])),
        refused("last-chunk-cut", "The last chunk lacks a byte", two, joined(&[a, b, &c[..c.len() - 1]])),
        refused(
            "last-chunk-only-cut",
            "Of the last chunk less is left than a tag",
            two,
            joined(&[a, b, &c[..15]]),
        ),
        refused("last-chunk-missing", "Cut at the end of the second chunk", two, joined(&[a, b])),
        refused("first-chunk-missing", "Without its first chunk", none, joined(&[b, c])),
        refused("chunks-swapped", "The first two chunks exchanged", none, joined(&[b, a, c])),
        refused("chunk-doubled", "The first chunk twice", one, joined(&[a, a, b, c])),
        refused("chunk-of-another", "The second chunk of another message", one, joined(&[a, &other[1], c])),
        refused("byte-behind", "A byte behind the last chunk", two, joined(&[a, b, c, &[0]])),
        refused(
            "chunk-behind",
            "An empty chunk behind the last one",
            two,
            joined(&[a, b, c, &sealer.chunk(3, b"")]),
        ),
        refused(
            "full-chunk-last",
            "The last chunk is full, and no empty one follows",
            &three,
            joined(&[a, b, &full]),
        ),
        refused("short-chunk-inside", "A chunk inside is short", one, joined(&[a, &short, c])),
        refused("tag-altered", "A bit of the second chunk's tag", one, {
            joined(&[a, &flipped(b, b.len() - 1), c])
        }),
        refused(
            "content-altered",
            "A bit of the first chunk's content",
            none,
            joined(&[&flipped(a, 9), b, c]),
        ),
        refused("zeros", "Zeros in place of the second chunk", one, joined(&[a, &vec![0; b.len()], c])),
    ]
}

fn keys() -> Vec<KitFile> {
    let plaintext = content(100, 5);
    let body = whole("keys", &plaintext);
    let bare = |name: &str, what: &str| {
        KitFile::new(&format!("sealed/{name}"), "sealed", "§3", what).expect("corrupt").releasing(b"")
    };
    vec![
        refused("salt-altered", "A bit of the salt", b"", flipped(&body, 0)),
        refused(
            "commitment-altered",
            "A bit of the commitment: the chunks would open",
            b"",
            flipped(&body, 30),
        ),
        bare("other-key", "Another key").hex("key", &[0x4c; 32]).hex("context", CONTEXT).body(body.clone()),
        bare("other-context", "Another context")
            .hex("key", &KEY)
            .hex("context", b"a contexu")
            .body(body.clone()),
        bare("no-context", "No context").with("key", super::file::hex(&KEY)).with("context", "").body(body),
    ]
}

/// `tests/vectors/chunked_salamander.txt`: one chunk that is authentic under two keys.
fn salamander() -> Vec<KitFile> {
    let text = include_str!("../vectors/chunked_salamander.txt");
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} = "))).unwrap();
        super::file::unhex(line)
    };
    let file = |name: &str, what: &str, key: &str, commitment: &str| {
        let body = [value("salt"), value(commitment), value("chunk")].concat();
        let file = KitFile::new(&format!("sealed/salamander-{name}"), "sealed", "§3", what);
        file.hex("key", &value(key)).with("context", "").body(body)
    };
    let why = "A chunk made to open under two keys, under one that the commitment is not of";
    vec![
        file(
            "one",
            "A chunk made to open under two keys, under the one that it commits to",
            "key1",
            "commitment1",
        )
        .salamander_content(&value("chunk"), &value("aead_key1"), &value("nonce1")),
        file("two", "The same chunk, under the other key and its commitment", "key2", "commitment2")
            .salamander_content(&value("chunk"), &value("aead_key2"), &value("nonce2")),
        file("one-by-two", why, "key2", "commitment1").expect("corrupt").releasing(b""),
        file("two-by-one", why, "key1", "commitment2").expect("corrupt").releasing(b""),
    ]
}

impl KitFile {
    fn salamander_content(self, chunk: &[u8], key: &[u8], nonce: &[u8]) -> Self {
        use chacha20poly1305::{
            ChaCha20Poly1305, KeyInit,
            aead::{Aead, Nonce},
        };
        let nonce: [u8; 12] = nonce.try_into().unwrap();
        let aead = ChaCha20Poly1305::new_from_slice(key).unwrap();
        let opened = aead.decrypt(&Nonce::<ChaCha20Poly1305>::from(nonce), chunk).unwrap();
        self.releasing(&opened)
    }
}
