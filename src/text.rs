//! Base 32 and Base 64 (RFC 4648), decimal numbers and JSON strings, as canonical text.

use zeroize::Zeroizing;

#[cfg(feature = "intake")]
use crate::secret::SecretBytes;

/// Base 32 (RFC 4648 §6) in lower case, without padding (§3.2).
pub(crate) fn base32(bytes: &[u8]) -> String {
    encode(BASE32, 5, bytes)
}

/// Whether it is a symbol of [`base32`], whichever in the same time.
pub(crate) const fn is_base32(symbol: u8) -> bool {
    matches!(symbol, b'a'..=b'z' | b'2'..=b'7')
}

/// Base 64 (RFC 4648 §4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    let mut text = encode(BASE64, 6, bytes);
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// The bytes whose [`base64`] is `text`: no other encoding of them is taken (RFC 4648 §3.5).
pub(crate) fn parse_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = decode64(text.trim_end_matches('='), *b"+/")?;
    (base64(&bytes) == text).then(|| core::mem::take(&mut *bytes))
}

/// Of the alphabet whose last two symbols are `last`. What a text that is none begins with is wiped, too.
fn decode64(text: &str, last: [u8; 2]) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let (mut held, mut bits) = (0u16, 0u16);
    for symbol in text.bytes() {
        let value = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            _ if symbol == last[0] => 62,
            _ if symbol == last[1] => 63,
            _ => return None,
        };
        held = held << 6 | u16::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits).ok()?);
            held &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}

/// Base 64 for URLs (RFC 4648 §5), without padding (§3.2). Of a secret it leaves nothing in memory but what it gives.
#[cfg(feature = "intake")]
pub(crate) fn base64url(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(encode(BASE64_URL, 6, bytes))
}

/// The bytes whose [`base64url`] is `text`: no other encoding of them is taken.
#[cfg(feature = "intake")]
pub(crate) fn parse_base64url(text: &str) -> Option<SecretBytes> {
    let bytes = SecretBytes::new(core::mem::take(&mut *decode64(text, *b"-_")?));
    (*base64url(&bytes) == text).then_some(bytes)
}

/// The number that `text` is the one decimal representation of.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let number = text.parse::<u64>().ok()?;
    (number.to_string() == text).then_some(number)
}

// RFC 4648 §4, §6: the bits of the input, most significant first, in groups of `width`, the last
// filled up with zeros.
fn encode(alphabet: &[u8], width: u16, bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    let mut push = |value: u16| text.extend(alphabet.get(usize::from(value)).copied().map(char::from));
    let (mut held, mut bits) = (0u16, 0u16);
    for byte in bytes {
        held = held << 8 | u16::from(*byte);
        bits += 8;
        while bits >= width {
            bits -= width;
            push(held >> bits);
            held &= (1 << bits) - 1;
        }
    }
    if bits > 0 {
        push(held << (width - bits));
    }
    text
}

/// RFC 4648 §6, table 3, in lower case.
const BASE32: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";
/// RFC 4648 §5, table 2.
#[cfg(feature = "intake")]
const BASE64_URL: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// RFC 4648 §4, table 1.
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// `text` as a JSON string (RFC 8259 §7), in quotes.
///
/// Escaped are quotation marks, backslashes, and whatever a terminal or an editor could act on:
/// control characters, line and paragraph separators, and marks of writing direction. A string thus stays
/// on its line and looks like what it is, also outside JSON.
pub(crate) fn json_string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            _ if is_active(character) => quoted.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// Controls, separators of lines, and the marks that UAX #9 §2 lists; all below U+10000.
fn is_active(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 4648 §10: input, Base 64, Base 32.
    const VECTORS: [(&str, &str, &str); 7] = [
        ("", "", ""),
        ("f", "Zg==", "MY======"),
        ("fo", "Zm8=", "MZXQ===="),
        ("foo", "Zm9v", "MZXW6==="),
        ("foob", "Zm9vYg==", "MZXW6YQ="),
        ("fooba", "Zm9vYmE=", "MZXW6YTB"),
        ("foobar", "Zm9vYmFy", "MZXW6YTBOI======"),
    ];

    #[test]
    fn the_vectors_of_rfc_4648_hold() {
        for (input, base_64, base_32) in VECTORS {
            assert_eq!(base64(input.as_bytes()), base_64);
            assert_eq!(parse_base64(base_64).as_deref(), Some(input.as_bytes()));
            assert_eq!(base32(input.as_bytes()), base_32.trim_end_matches('=').to_lowercase());
        }
    }

    #[test]
    fn every_value_has_its_symbol() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(parse_base64(&base64(&all)), Some(all));
        assert_eq!(base64(&[0xFB, 0xFF, 0xBF]), "+/+/");
    }

    #[test]
    fn other_spellings_of_base64_are_refused() {
        for text in [
            "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Z", "Zm9v=", "====", "Zm 9v", "Zm9v\n", "Zm-_", "Z=g=",
            "é===",
        ] {
            assert_eq!(parse_base64(text), None, "{text:?}");
        }
    }

    #[test]
    fn only_canonical_decimals_parse() {
        for number in [0, 1, 10, u64::MAX] {
            assert_eq!(parse_decimal(&number.to_string()), Some(number));
        }
        for text in ["", "00", "01", "+1", "-1", " 1", "1 ", "1_0", "18446744073709551616", "١"] {
            assert_eq!(parse_decimal(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn base64_is_total_and_has_one_text(bytes: Vec<u8>, text in "[A-Za-z0-9+/=]{0,12}") {
            prop_assert_eq!(parse_base64(&base64(&bytes)), Some(bytes));
            if let Some(parsed) = parse_base64(&text) {
                prop_assert_eq!(base64(&parsed), text);
            }
        }
    }
}
