//! Requests and links (§11.1).

use super::{
    chest::{Chest, Id, Key},
    file::{KitFile, hex},
    forge::{Dice, Out, context, hpke_public, pad, public, seal, sign, subkey},
};

pub const CARRIER: Key = [0xca; 32];
const ISSUED: u64 = 1_790_000_100_000;
const NOW: u64 = ISSUED + 60_000;
const DAY: u64 = 24 * 3_600_000;
const PRESENTATION: &[u8] = "Identificación oficial".as_bytes();

/// A request, and everything that its office and its client know.
#[derive(Debug, Clone)]
pub struct Request {
    pub chest: Chest,
    pub start: [u8; 8],
    pub case: Id,
    pub id: Id,
    pub secret: Key,
    /// The passphrase's key, or nothing.
    pub passphrase: Vec<u8>,
    pub salt: Option<Id>,
    pub intake: Key,
    pub issued: u64,
    pub expires: u64,
    /// Uses, files, bytes of a file.
    pub slots: Vec<(u16, u16, u64)>,
    pub details: Option<Vec<u8>>,
    pub signer: Key,
}

impl Request {
    pub fn new(name: &str) -> Self {
        let (chest, case, _) = super::log::base();
        let mut dice = Dice::new(name);
        let id: Id = dice.array();
        let of = |label: &str| subkey(&case.key, label, &[&chest.vault, &case.id, &id]);
        Self {
            start: *b"dvrq\x01\x01\0\0",
            case: case.id,
            id,
            secret: of("secret of link"),
            passphrase: Vec::new(),
            salt: None,
            intake: of("seed of intake key"),
            issued: ISSUED,
            expires: ISSUED + DAY,
            slots: vec![(2, 2, 2 << 20), (1, 0, 0)],
            details: None,
            signer: chest.delivery,
            chest: Chest { dice, ..chest },
        }
    }

    pub fn root(&self) -> Key {
        subkey(&self.secret, "root of link", &[&self.id, &self.passphrase])
    }

    pub fn link_key(&self) -> Key {
        subkey(&self.root(), "seed of link key", &[])
    }

    fn header(&self) -> Vec<u8> {
        let out = Out::default().fixed(&self.start).fixed(&self.chest.vault).fixed(&self.id);
        let out = out.fixed(&public(&self.chest.delivery)).fixed(&hpke_public(&self.intake));
        let out = out.fixed(&public(&self.link_key())).fixed(&public(&CARRIER));
        let mut out = out.u64(self.issued).u64(self.expires).u64(DAY).u32(self.slots.len());
        for (uses, files, bytes) in &self.slots {
            out = out.u16(*uses).u16(*files).u64(*bytes);
        }
        match &self.salt {
            Some(salt) => out.u8(1).fixed(salt).0,
            None => out.u8(0).0,
        }
    }

    pub fn contents(&self) -> Vec<u8> {
        let mut out = Out::default().fixed(&self.case).text("quorum none\n");
        for (_, files, _) in &self.slots {
            out = match files {
                0 => out.text("declaration").u16(0).u32(0),
                _ => out.text("official-id").u16(1).u32(1).text("image/jpeg"),
            };
        }
        out.bytes(PRESENTATION).0
    }

    pub fn bytes(&self) -> Vec<u8> {
        let header = self.header();
        let padded = self.details.clone().unwrap_or_else(|| pad(&self.contents()));
        let key = subkey(&self.root(), "key of request details", &[]);
        let bound = context("request details", &[&header]);
        let details = seal(&key, &bound, &padded, &mut self.chest.dice.clone());
        let signed = Out(header).bytes(&details).0;
        let signature = sign(&self.signer, "sign request", &signed);
        [&signed[..], &signature].concat()
    }

    /// What binds everything of a deposit.
    pub fn digest(&self) -> Key {
        super::forge::sha256(&[&self.bytes()])
    }

    pub fn fragment(&self) -> Vec<u8> {
        [&[1][..], &self.digest(), &self.secret].concat()
    }

    fn file(&self, name: &str, what: &str, body: Vec<u8>) -> KitFile {
        KitFile::new(&format!("deposits/{name}"), "request", "§11.1", what)
            .with("link", format!("#{}", base64url(&self.fragment())))
            .with("now", NOW.to_string())
            .hex("sender", &[&self.chest.vault[..], &public(&self.chest.delivery)].concat())
            .body(body)
    }
}

/// RFC 4648 §5, without padding.
pub fn base64url(bytes: &[u8]) -> String {
    super::file::base64(bytes).replace('+', "-").replace('/', "_").trim_end_matches('=').to_owned()
}

/// The request that the deposits of the kit are for.
pub const PLAIN: &str = "deposits/request";

pub fn plain() -> Request {
    Request::new(PLAIN)
}

pub fn files() -> Vec<KitFile> {
    [requests(), links()].concat()
}

fn changed(name: &str, what: &str, change: impl FnOnce(&mut Request)) -> KitFile {
    let mut request = Request::new(&format!("deposits/{name}"));
    change(&mut request);
    let body = request.bytes();
    request.file(name, what, body).expect("corrupt")
}

/// Sound, and shown for a link that it is not of.
fn shown(name: &str, what: &str, change: impl FnOnce(&mut Request)) -> KitFile {
    let (honest, mut other) = (plain(), plain());
    change(&mut other);
    let file = honest.file(name, what, other.bytes());
    file.expect("corrupt")
}

fn requests() -> Vec<KitFile> {
    [opened(), altered(), shown_for_another(), asked_for_a_passphrase()].concat()
}

/// A request whose padded contents were changed.
fn padded(name: &str, what: &str, change: fn(&mut Vec<u8>)) -> KitFile {
    changed(name, what, |request| {
        let mut padded = pad(&request.contents());
        change(&mut padded);
        request.details = Some(padded);
    })
}

fn opened() -> Vec<KitFile> {
    let request = plain();
    let accept = |file: KitFile| file.expect("accept").releasing(PRESENTATION);
    let mut late = request.file("request-expired", "Looked at when it has expired", request.bytes());
    late.fields
        .iter_mut()
        .filter(|(name, _)| name == "now")
        .for_each(|(_, now)| *now = (ISSUED + DAY).to_string());
    let mut other_secret =
        request.file("request-other-secret", "A link with another secret", request.bytes());
    let link = [&[1][..], &request.digest(), &[9; 32]].concat();
    other_secret
        .fields
        .iter_mut()
        .filter(|(name, _)| name == "link")
        .for_each(|(_, to)| *to = format!("#{}", base64url(&link)));
    vec![
        accept(request.file("request", "Two slots, one of them for a form alone", request.bytes())),
        late.expect("denied"),
        other_secret.expect("locked"),
        request
            .file("request-passphrase-unasked", "A passphrase, and none is asked for", request.bytes())
            .with("passphrase", hex(b"luna"))
            .expect("invalid"),
    ]
}

fn altered() -> Vec<KitFile> {
    vec![
        changed("request-format", "Format 2", |request| request.start[4] = 2),
        changed("request-suite", "Suite 2", |request| request.start[5] = 2),
        changed("request-reserved", "A reserved bit", |request| request.start[7] = 1),
        changed("request-signed-by-other", "Signed by another key than it names", |request| {
            request.signer = [9; 32];
        }),
        changed("request-no-slot", "No slot", |request| request.slots.clear()),
        changed("request-no-use", "A slot without a use", |request| request.slots[0].0 = 0),
        changed("request-expires-first", "It expires when it is issued", |request| {
            request.expires = request.issued;
        }),
        changed("request-many-slots", "65 slots", |request| request.slots = vec![(1, 0, 0); 65]),
        padded("request-padding", "Padding that is not zero", |padded| *padded.last_mut().unwrap() = 1),
        padded("request-padding-class", "Padding of a class too many", |padded| {
            padded.resize(padded.len() + 256, 0);
        }),
        changed("request-byte-behind", "A byte behind the presentation", |request| {
            request.details = Some(pad(&[request.contents(), vec![0]].concat()));
        }),
    ]
}

fn shown_for_another() -> Vec<KitFile> {
    vec![
        shown("request-other-intake", "The request with another intake key, soundly signed", |request| {
            request.intake = [9; 32];
        }),
        shown("request-other-vault", "The same request of another vault", |request| {
            request.chest.vault[0] ^= 1;
        }),
        shown("request-of-other", "Another request", |request| request.id[0] ^= 1),
    ]
}

fn asked_for_a_passphrase() -> Vec<KitFile> {
    vec![
        asks_passphrase(
            "request-passphrase",
            "With the passphrase that it asks for",
            Some(PASSPHRASE),
            "accept",
        ),
        asks_passphrase(
            "request-passphrase-missing",
            "Without the passphrase that it asks for",
            None,
            "locked",
        ),
        asks_passphrase("request-passphrase-other", "With another passphrase", Some("luna roja"), "locked"),
    ]
}

const PASSPHRASE: &str = "luna azul";

fn asks_passphrase(name: &str, what: &str, given: Option<&str>, class: &str) -> KitFile {
    let mut request = Request::new(&format!("deposits/{name}"));
    let salt = [0x5a; 16];
    let mut key = [0; 32];
    let params = argon2::Params::new(19_456, 2, 1, Some(32)).unwrap();
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    argon2.hash_password_into(PASSPHRASE.as_bytes(), &salt, &mut key).unwrap();
    (request.salt, request.passphrase) = (Some(salt), key.to_vec());
    let body = request.bytes();
    let mut file = request.file(name, what, body).expect(class);
    if let Some(given) = given {
        file = file.hex("passphrase", given.as_bytes());
    }
    if class == "accept" { file.releasing(PRESENTATION) } else { file }
}

fn links() -> Vec<KitFile> {
    let fragment = plain().fragment();
    let file = |name: &str, what: &str, text: String| {
        KitFile::new(&format!("deposits/link-{name}"), "link", "§11.1", what).expect("invalid").body(text)
    };
    let of = |bytes: &[u8]| format!("https://intake.example/r/1#{}", base64url(bytes));
    let whole = of(&fragment);
    let with = |range: core::ops::Range<usize>, value: u8| {
        let mut bytes = fragment.clone();
        bytes[range].fill(value);
        of(&bytes)
    };
    vec![
        file("sound", "A link", whole.clone()).expect("accept"),
        file("fragment", "Its fragment alone", base64url(&fragment)).expect("accept"),
        file("version", "Version 2", with(0..1, 2)),
        file("no-secret", "A secret of zeros", with(33..65, 0)),
        file("cut", "A character less", whole[..whole.len() - 1].to_owned()),
        file("behind", "A byte more", of(&[&fragment[..], &[0]].concat())),
        file("no-fragment", "Without a fragment", "https://intake.example/r/1".to_owned()),
        file("standard-alphabet", "In the other alphabet of base64", with(1..65, 0xff).replace('_', "/")),
        file("padding", "With padding", format!("{whole}=")),
        file(
            "spare-bits",
            "Bits set that hold nothing",
            format!("{}{}", &whole[..whole.len() - 1], {
                // 65 bytes leave four bits of the last character, which are zeros.
                let last = whole.chars().last().unwrap();
                next_character(last)
            }),
        ),
    ]
}

/// The character whose value is greater by one.
fn next_character(of: char) -> char {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = alphabet.find(of).unwrap();
    alphabet[at + 1..].chars().next().unwrap()
}
