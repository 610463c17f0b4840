//! The templates that come with the crate; also as files, in `templates/`, to start from.

use super::Template;

impl Template {
    /// A personal loan to a natural person in Mexico.
    #[must_use]
    pub fn personal_loan() -> Self {
        shipped(include_str!("../../../templates/personal_loan_mx.toml"))
    }

    /// A bank account for a company in Mexico.
    #[must_use]
    pub fn company_account() -> Self {
        shipped(include_str!("../../../templates/company_account_mx.toml"))
    }

    /// A sale of real estate before a notary in Mexico.
    #[must_use]
    pub fn notarial_deed() -> Self {
        shipped(include_str!("../../../templates/notarial_deed_mx.toml"))
    }

    /// An employee's file in Mexico.
    #[must_use]
    pub fn employee_file() -> Self {
        shipped(include_str!("../../../templates/employee_file_mx.toml"))
    }
}

fn shipped(text: &str) -> Template {
    Template::from_toml(text).expect("what is shipped is a constant, and a test reads it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::{Language, Text};

    fn texts(template: &Template) -> Vec<&Text> {
        let requirements = template.requirements();
        let fields = || requirements.iter().flat_map(|requirement| requirement.fields());
        let sides = requirements.iter().filter_map(|r| r.files()).flat_map(|files| files.sides());
        (requirements.iter().flat_map(|r| [r.title(), r.instructions()]))
            .chain(fields().map(|field| field.title()))
            .chain(fields().flat_map(|field| field.choices()).map(|choice| choice.title()))
            .chain(template.rules().iter().map(|rule| rule.title()))
            .chain(sides)
            .chain([template.title()])
            .collect()
    }

    #[test]
    fn every_shipped_template_reads_and_is_bilingual_throughout() {
        for template in [
            Template::personal_loan(),
            Template::company_account(),
            Template::notarial_deed(),
            Template::employee_file(),
        ] {
            for text in texts(&template) {
                for language in [Language::ES, Language::EN] {
                    assert!(!text.get(language, language).is_empty(), "{}: {text:?}", template.name());
                }
            }
            let canonical = template.to_canonical_json();
            assert!(canonical.len() <= 32 * 1024, "{}: {}", template.name(), canonical.len());
            let again = Template::from_json(&canonical).expect("canonical JSON reads");
            assert_eq!((again.hash(), again), (template.hash(), template));
        }
    }
}
