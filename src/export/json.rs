//! JSON strings (RFC 8259 §7), read back as they are written in one way.

use crate::{text::json_string as string, wire::Malformed};

/// A string, or `null`.
pub(super) fn optional(text: Option<&str>) -> String {
    text.map_or_else(|| "null".to_owned(), string)
}

/// The text whose [`string`] is `quoted`: no other spelling of it is taken.
///
/// # Errors
///
/// [`Malformed`].
pub(super) fn parse_string(quoted: &str) -> Result<String, Malformed> {
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or(Malformed)?;
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(character) = rest.next() {
        text.push(match character {
            '\\' => match rest.next().ok_or(Malformed)? {
                'n' => '\n',
                'u' => hexadecimal(&mut rest)?,
                escaped => escaped,
            },
            plain => plain,
        });
    }
    if string(&text) == quoted { Ok(text) } else { Err(Malformed) }
}

/// The string, or `null`, that `text` begins with, and what comes after it.
///
/// # Errors
///
/// [`Malformed`].
pub(super) fn take_optional(text: &str) -> Result<(Option<String>, &str), Malformed> {
    if let Some(rest) = text.strip_prefix("null") {
        return Ok((None, rest));
    }
    let mut escaped = false;
    let closes = |byte: u8| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    };
    let inner = text.bytes().skip(1).position(closes).ok_or(Malformed)?;
    let (quoted, rest) = text.split_at_checked(inner + 2).ok_or(Malformed)?;
    Ok((Some(parse_string(quoted)?), rest))
}

fn hexadecimal(rest: &mut core::str::Chars<'_>) -> Result<char, Malformed> {
    let digits: String = rest.by_ref().take(4).collect();
    u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn active_characters_are_escaped_and_letters_are_not() {
        assert_eq!(string("Pérez \"x\" \\ 日本 😀"), "\"Pérez \\\"x\\\" \\\\ 日本 😀\"");
        assert_eq!(string("a\nb\r\t\0\u{7f}\u{85}"), r#""a\nb\u000d\u0009\u0000\u007f\u0085""#);
        assert_eq!(string("\u{202e}gpj\u{2028}\u{2066}"), r#""\u202egpj\u2028\u2066""#);
        assert_eq!(string("e\u{301}\u{200b}\u{200f}\u{61c}"), "\"e\u{301}\u{200b}\\u200f\\u061c\"");
        assert_eq!((optional(None), optional(Some(""))), ("null".to_owned(), "\"\"".to_owned()));
    }

    #[test]
    fn other_spellings_are_refused() {
        for quoted in
            ["", "\"", "a", "\"a", r#""\a""#, r#""\u0061""#, r#""\u00""#, r#""\u000A""#, "\"\n\"", r#""\""#]
        {
            assert_eq!(parse_string(quoted), Err(Malformed), "{quoted:?}");
        }
    }

    proptest! {
        #[test]
        fn every_string_comes_back_here_and_from_another_parser(text: String, quoted in "\"(\\\\?[a-z0-9\"\\\\]){0,8}\"") {
            prop_assert_eq!(parse_string(&string(&text)), Ok(text.clone()));
            let theirs: String = serde_json::from_str(&string(&text)).expect("JSON");
            prop_assert_eq!(theirs, text);
            if let Ok(parsed) = parse_string(&quoted) {
                prop_assert_eq!(string(&parsed), quoted);
            }
        }
    }
}
