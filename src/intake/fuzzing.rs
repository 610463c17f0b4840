//! What the fuzz target of templates calls.

use super::Template;

/// A template in either notation: what reads has one canonical JSON, which reads to the same.
pub(crate) fn template(text: &str) {
    for template in [Template::from_toml(text), Template::from_json(text)].into_iter().flatten() {
        let canonical = template.to_canonical_json();
        let again = Template::from_json(&canonical).expect("canonical JSON reads");
        assert_eq!(again.to_canonical_json(), canonical);
        assert_eq!(again, template);
    }
    for error in [Template::from_toml(text).err(), Template::from_json(text).err()].into_iter().flatten() {
        let line = text.split('\n').nth(error.line() - 1).expect("a line of the text");
        assert!(error.column() <= line.chars().count() + 1, "{error}");
    }
}
