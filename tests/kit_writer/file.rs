//! A file of the kit: a header of `name: value` lines, an empty line, a body in base64.

use std::fmt::Write;

/// One file: what it is, what to give to the reader, what must come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KitFile {
    /// Under `tests/kit`, with a folder, without the ending.
    pub name: String,
    /// `name: value` lines, in order; a name may stand there more than once.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

pub const FIRST_LINE: &str = "docvault kit 1";
pub const ENDING: &str = "kit";
const LINE: usize = 100;

impl KitFile {
    /// A file whose body is to be accepted, so far.
    pub fn new(name: &str, object: &str, format: &str, what: &str) -> Self {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let fields = vec![
            field("what", what),
            field("object", object),
            field("format", format),
            field("expect", "accept"),
        ];
        Self { name: name.to_owned(), fields, body: Vec::new() }
    }

    pub fn expect(mut self, class: &str) -> Self {
        let expect = self.fields.iter_mut().find(|(name, _)| name == "expect").unwrap();
        class.clone_into(&mut expect.1);
        self
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    pub fn hex(self, name: &str, value: &[u8]) -> Self {
        self.with(name, hex(value))
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    pub fn field(&self, name: &str) -> &str {
        self.get(name).unwrap_or_else(|| panic!("{} has no {name}", self.name))
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        unhex(self.field(name))
    }

    pub fn array<const N: usize>(&self, name: &str) -> [u8; N] {
        self.bytes(name).try_into().unwrap()
    }

    pub fn to_text(&self) -> String {
        let mut text = format!("{FIRST_LINE}\n");
        for (name, value) in &self.fields {
            assert!(!value.contains('\n') && !name.contains(':'), "{}: {name}", self.name);
            writeln!(text, "{name}: {value}").unwrap();
        }
        text.push('\n');
        for line in base64(&self.body).as_bytes().chunks(LINE) {
            text.push_str(std::str::from_utf8(line).unwrap());
            text.push('\n');
        }
        text
    }

    pub fn parse(name: &str, text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or_else(|| panic!("{name}: no empty line"));
        let mut lines = head.lines();
        assert_eq!(lines.next(), Some(FIRST_LINE), "{name}");
        let field = |line: &str| {
            let (field, value) = line.split_once(": ").unwrap_or_else(|| panic!("{name}: {line}"));
            (field.to_owned(), value.to_owned())
        };
        let fields = lines.map(field).collect();
        Self { name: name.to_owned(), fields, body: unbase64(&body.replace('\n', "")) }
    }
}

/// Objects by name, as a body: for each a name and, if it is there, its bytes.
pub fn container<'a>(objects: impl IntoIterator<Item = (&'a String, &'a Option<Vec<u8>>)>) -> Vec<u8> {
    let mut body = Vec::new();
    let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_be_bytes();
    for (name, object) in objects {
        body.extend([&len(name.as_bytes()), name.as_bytes(), &[u8::from(object.is_some())]].concat());
        if let Some(object) = object {
            body.extend([&len(object)[..], object].concat());
        }
    }
    body
}

/// What [`container`] was given.
pub fn contained(body: &[u8]) -> Vec<(String, Option<Vec<u8>>)> {
    let (mut at, mut objects) = (0, Vec::new());
    let bytes = |at: &mut usize| {
        let len = u32::from_be_bytes(body[*at..*at + 4].try_into().unwrap()) as usize;
        *at += 4 + len;
        body[*at - len..*at].to_vec()
    };
    while at < body.len() {
        let name = String::from_utf8(bytes(&mut at)).unwrap();
        at += 1;
        let object = (body[at - 1] == 1).then(|| bytes(&mut at));
        objects.push((name, object));
    }
    objects
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "an odd number of digits");
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648 §4.
pub fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let held =
            chunk.iter().fold(0u32, |held, byte| held << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        let symbol = |at: usize| char::from(STANDARD[(held >> (18 - 6 * at)) as usize & 63]);
        text.extend((0..4).map(|at| if at <= chunk.len() { symbol(at) } else { '=' }));
    }
    text
}

pub fn unbase64(text: &str) -> Vec<u8> {
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0u32, 0);
    for symbol in text.trim_end_matches('=').bytes() {
        held = held << 6 | STANDARD.iter().position(|known| *known == symbol).unwrap() as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    bytes
}
