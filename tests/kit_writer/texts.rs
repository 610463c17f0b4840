//! What an application keeps, and names (§2, §4.3, §8, §9.1).

use super::{
    file::KitFile,
    forge::{Out, context, fingerprint, hpke_public, pad, public, seal},
    head::{Ids, Version, encode_pages},
    log::base,
};

pub fn files() -> Vec<KitFile> {
    [super::notes::files(), pins(), names(), key_files(), people(), tokens()].concat()
}

fn pins() -> Vec<KitFile> {
    let (chest, _, _) = base();
    let pin = chest.pin();
    let fields: Vec<&str> = pin.split(' ').collect();
    let with = |at: usize, value: &str| {
        let mut fields = fields.clone();
        fields[at] = value;
        fields.join(" ")
    };
    let file = |name: &str, what: &str, pin: String| {
        KitFile::new(&format!("texts/pin-{name}"), "pin", "§9.1", what).expect("invalid").body(pin)
    };
    let upper = fields[1].replace(|c: char| c.is_ascii_digit(), "f").to_uppercase();
    vec![
        file("sound", "A pin", pin.clone()).expect("accept"),
        file("newline", "A newline behind it", format!("{pin}\n")),
        file("version", "Another version", with(0, "docvault-pin-2")),
        file("epoch-0", "Signing epoch 0", with(2, "0")),
        file("epoch-zero-first", "An epoch with a leading zero", with(2, "01")),
        file("size-0", "No record", with(4, "0")),
        file("size-zero-first", "A size with a leading zero", with(4, "05")),
        file("size-sign", "A size with a sign", with(4, "+5")),
        file("size-too-large", "A size of 2⁶⁴", with(4, "18446744073709551616")),
        file("upper-case", "Upper-case digits", with(1, &upper)),
        file("short-root", "A root of 31 bytes", with(6, &fields[6][2..])),
        file("two-spaces", "Two spaces", pin.replacen(' ', "  ", 1)),
        file("field-missing", "Without its root", fields[..6].join(" ")),
        file("field-behind", "A field more", format!("{pin} 1")),
        file("weak-key", "A key of small order", with(3, &format!("01{}", "0".repeat(62)))),
    ]
}

fn names() -> Vec<KitFile> {
    let file = |name: &str, what: &str, text: &str| {
        KitFile::new(&format!("texts/name-{name}"), "name", "§2", what).expect("invalid").body(text)
    };
    vec![
        file("sound", "Three segments", "head/00112233445566778899aabbccddeeff/0123").expect("accept"),
        file("empty", "Nothing", ""),
        file("dots", "The folder above", "head/../x"),
        file("absolute", "A path from the root", "/head/x"),
        file("empty-segment", "Nothing between two slashes", "head//x"),
        file("slash-behind", "A slash at its end", "head/"),
        file("five-segments", "Five segments", "a/b/c/d/e"),
        file("upper-case", "An upper-case letter", "Head/x"),
        file("backslash", "A backslash", "head\\x"),
        file("nul", "A NUL", "head/x\0"),
        file("not-ascii", "A letter that is not ASCII", "héad/x"),
        file("longest-segment", "A segment of 96 bytes", &format!("a/{}", "b".repeat(96))).expect("accept"),
        file("segment-too-long", "A segment of 97 bytes", &format!("a/{}", "b".repeat(97))),
        file("hyphen-first", "A segment that begins with a hyphen", "head/-x"),
    ]
}

fn key_files() -> Vec<KitFile> {
    let digits = "0123456789abcdef".repeat(4);
    let file = |name: &str, what: &str, holds: &str, text: String| {
        KitFile::new(&format!("texts/key-file-{name}"), "key-file", "§4.3, §9.1", what)
            .expect("invalid")
            .with("holds", holds)
            .body(text)
    };
    let root = |text: &str| format!("docvault local key 1\n{text}");
    vec![
        file("sound", "A root key", "root-key", root(&format!("{digits}\n"))).expect("accept"),
        file("identity", "A recipient's identity", "identity", format!("docvault identity 1\n{digits}\n"))
            .expect("accept"),
        file(
            "other-title",
            "An identity where a root key is asked for",
            "root-key",
            format!("docvault identity 1\n{digits}\n"),
        ),
        file("version", "Another version", "root-key", format!("docvault local key 2\n{digits}\n")),
        file("no-newline", "Without its last newline", "root-key", root(&digits)),
        file("upper-case", "Upper-case digits", "root-key", root(&format!("{}\n", digits.to_uppercase()))),
        file("short", "Two digits too few", "root-key", root(&format!("{}\n", &digits[2..]))),
        file("long", "Two digits too many", "root-key", root(&format!("00{digits}\n"))),
        file(
            "carriage-return",
            "Lines that end in two characters",
            "root-key",
            format!("docvault local key 1\r\n{digits}\r\n"),
        ),
        file("byte-behind", "A line more", "root-key", root(&format!("{digits}\n\n"))),
    ]
}

fn people() -> Vec<KitFile> {
    let key = hpke_public(&[1; 32]);
    let print = fingerprint(&context("recipient", &[&key]));
    let vault = base().0;
    let sender = [&vault.vault[..], &public(&vault.delivery)].concat();
    let sender_print = fingerprint(&context("sender", &[&sender[..16], &sender[16..]]));
    let recipient = |name: &str, what: &str, bytes: &[u8], print: &str| {
        KitFile::new(&format!("texts/recipient-{name}"), "recipient", "§8", what)
            .expect("invalid")
            .with("fingerprint", print)
            .body(bytes)
    };
    let of = |name: &str, what: &str, bytes: &[u8], print: &str| {
        KitFile::new(&format!("texts/sender-{name}"), "sender", "§8", what)
            .expect("invalid")
            .with("fingerprint", print)
            .body(bytes)
    };
    let spaced = print.to_uppercase().replace('-', " ");
    vec![
        recipient("sound", "A recipient", &key, &print).expect("accept"),
        recipient("read-aloud", "A fingerprint in upper case, with spaces", &key, &spaced).expect("accept"),
        recipient("other", "Another's fingerprint", &hpke_public(&[2; 32]), &print),
        recipient(
            "half",
            "Half of another key",
            &[&key[..1184], &hpke_public(&[2; 32])[1184..]].concat(),
            &print,
        ),
        recipient("short", "A key that lacks a byte", &key[1..], &print),
        recipient(
            "short-fingerprint",
            "A fingerprint that lacks a character",
            &key,
            &print[..print.len() - 1],
        ),
        recipient(
            "alphabet",
            "A fingerprint with a character that is none of its",
            &key,
            &print.replacen(|_| true, "1", 1),
        ),
        of("sound", "A sender", &sender, &sender_print).expect("accept"),
        of(
            "other-vault",
            "Another vault with the same key",
            &[&[9; 16], &sender[16..]].concat(),
            &sender_print,
        ),
        of("as-recipient", "A recipient's fingerprint", &sender, &print),
        of("byte-behind", "A byte behind the key", &[&sender[..], &[0]].concat(), &sender_print),
    ]
}

/// Tokens of an upload of which nothing is stored yet (§9.1).
fn tokens() -> Vec<KitFile> {
    let (chest, case, _) = base();
    let token =
        |name: &str, what: &str, start: [u8; 8], class: &str, change: &dyn Fn(&mut Ids, &mut Vec<u8>)| {
            let name = format!("texts/token-{name}");
            let mut chest = chest.overlay(&name);
            let version = Version::inline(&mut chest, &case, b"");
            let out = Out::default().text("pendiente").text("application/pdf").u32(0).u8(0).u8(0);
            let mut draft = pad(&out.fixed(&encode_pages(&[])).0);
            let mut ids = version.ids;
            change(&mut ids, &mut draft);
            let key_id = chest.dice.array();
            let wrapped = seal(&case.key, &ids.context("head key", &key_id), &version.key, &mut chest.dice);
            let draft = seal(&version.key, &ids.context("upload token", &key_id), &draft, &mut chest.dice);
            let Ids { vault, case, object, operation, .. } = version.ids;
            let out =
                Out::default().fixed(&start).fixed(&vault).fixed(&case).fixed(&object).fixed(&operation);
            let body = out.fixed(&key_id).fixed(&wrapped).bytes(&draft).0;
            KitFile::new(&name, "upload", "§9.1", what).expect(class).with("base", "log/base").body(body)
        };
    let sound = *b"dvut\x01\x01\0\0";
    let nothing = |_: &mut Ids, _: &mut Vec<u8>| {};
    let mut behind = token("byte-behind", "A byte behind it", sound, "invalid", &nothing);
    behind.body.push(0);
    let mut other_case = token("unknown-case", "Of a case that is not there", sound, "not-found", &nothing);
    other_case.body[24] ^= 1;
    vec![
        token("sound", "An upload that goes on from its start", sound, "accept", &nothing),
        token("format", "Format 2", *b"dvut\x02\x01\0\0", "invalid", &nothing),
        token("suite", "Suite 2", *b"dvut\x01\x02\0\0", "invalid", &nothing),
        token("reserved", "A reserved bit", *b"dvut\x01\x01\0\x01", "invalid", &nothing),
        token("other-vault", "Sealed for another vault", sound, "corrupt", &|ids, _| ids.vault[0] ^= 1),
        token("other-document", "Sealed for another document", sound, "corrupt", &|ids, _| {
            ids.object[0] ^= 1;
        }),
        token("other-operation", "Sealed for another operation", sound, "corrupt", &|ids, _| {
            ids.operation[0] ^= 1;
        }),
        token("padding", "Padding that is not zero", sound, "corrupt", &|_, draft| {
            *draft.last_mut().unwrap() = 1;
        }),
        token(
            "asks-sha256",
            "Whether a SHA-256 is asked for, neither yes nor no",
            sound,
            "corrupt",
            &|_, draft| {
                draft[4 + 4 + 9 + 4 + 15 + 4 + 1] = 2;
            },
        ),
        behind,
        other_case,
    ]
}
