//! What the members of a template must say together.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Content,
    error::Fault,
    field::{Choice, Field, FieldKind},
    locate::Path,
    requirement::{Condition, FileRule, Requirement, Rule},
    words::{Key, Language, Text},
};

type Check = Result<(), Fault>;

/// Checks everything that no single member shows.
pub(super) fn check(content: &Content) -> Check {
    let top = Path::default;
    require(content.format == 1, || top().key("format"), "an unknown format: use 1")?;
    require(content.version >= 1, || top().key("version"), "versions count from 1 on")?;
    title(&content.title, content.language, &top().key("title"))?;
    reminders(content)?;
    let count = content.requirements.len();
    require((1..=REQUIREMENTS).contains(&count), || top().key("requirements"), "use 1 to 40 requirements")?;
    unique(content.requirements.iter().map(|r| &r.key), &top().key("requirements"))?;
    for (i, one) in content.requirements.iter().enumerate() {
        requirement(one, content.language, &top().key("requirements").index(i))?;
    }
    conditions(&content.requirements)?;
    rules(content)
}

/// Checks the size of the canonical JSON.
pub(super) fn fits(canonical: &str) -> Check {
    let problem = format!(
        "the template takes {} bytes as canonical JSON; at most {CANONICAL} fit: shorten its texts",
        canonical.len()
    );
    require(canonical.len() <= CANONICAL, Path::default, &problem)
}

fn reminders(content: &Content) -> Check {
    let days = &content.remind_days;
    let descending = days.is_sorted_by(|a, b| a > b) && days.iter().all(|day| (1..=365).contains(day));
    let problem = "use at most 8 different numbers of days from 1 to 365, the greatest first";
    require(descending && days.len() <= 8, || Path::default().key("remind_days"), problem)?;
    let notice = (1..=366).contains(&content.expiry_notice_days);
    require(notice, || Path::default().key("expiry_notice_days"), "use 1 to 366 days")
}

fn requirement(one: &Requirement, language: Language, path: &Path) -> Check {
    title(&one.title, language, &path.clone().key("title"))?;
    instructions(&one.instructions, language, &path.clone().key("instructions"))?;
    let something = one.files.is_some() || !one.fields.is_empty();
    require(something, || path.clone(), "nothing is asked for: add `files`, `fields` or both")?;
    if let Some(rule) = &one.files {
        files(rule, language, &path.clone().key("files"))?;
    }
    let list = || path.clone().key("fields");
    require(one.fields.len() <= FIELDS, list, "use at most 32 fields")?;
    unique(one.fields.iter().map(|field| &field.key), &list())?;
    for (i, one) in one.fields.iter().enumerate() {
        field(one, language, &list().index(i))?;
    }
    terms(one, path)
}

/// What concerns dates, review and necessity.
fn terms(one: &Requirement, path: &Path) -> Check {
    let at = |key: &'static str| move || path.clone().key(key);
    let months = one.issued_within_months.is_none_or(|months| (1..=120).contains(&months));
    require(months, at("issued_within_months"), "use 1 to 120 months")?;
    let due = one.due_days.is_none_or(|days| days <= DAYS);
    require(due, at("due_days"), "use at most 3660 days")?;
    require(one.grace_days() <= DAYS, at("grace_days"), "use at most 3660 days")?;
    let contradiction = one.required_if.is_some() && !one.required;
    let problem = "`required = false` contradicts `required_if`: keep one of them";
    require(!contradiction, at("required"), problem)?;
    let distinct: BTreeSet<_> = one.attestations.iter().collect();
    let problem = "use at most 4 attestations, each once";
    require(distinct.len() == one.attestations.len() && distinct.len() <= 4, at("attestations"), problem)
}

fn files(rule: &FileRule, language: Language, path: &Path) -> Check {
    let at = |key: &'static str| move || path.clone().key(key);
    let distinct: BTreeSet<_> = rule.media_types.iter().collect();
    let listed = (1..=32).contains(&distinct.len()) && distinct.len() == rule.media_types.len();
    require(listed, at("media_types"), "use 1 to 32 media types, each once")?;
    require((1..=FILES).contains(&rule.min()), at("min"), "use 1 to 32 files")?;
    require(rule.max() <= FILES, at("max"), "use at most 32 files")?;
    let problem = format!("fewer than `min`, which is {}: correct one of them", rule.min());
    require(rule.max() >= rule.min(), at("max"), &problem)?;
    let problem = "more sides than `max` files: correct one of them";
    require(rule.sides.len() <= usize::from(rule.max()), at("sides"), problem)?;
    let bytes = (1..=FILE_BYTES).contains(&rule.max_bytes);
    require(bytes, at("max_bytes"), "use 1 to 4294967296 bytes for each file")?;
    for (i, side) in rule.sides.iter().enumerate() {
        title(side, language, &path.clone().key("sides").index(i))?;
    }
    Ok(())
}

fn field(one: &Field, language: Language, path: &Path) -> Check {
    let at = |key: &'static str| move || path.clone().key(key);
    title(&one.title, language, &path.clone().key("title"))?;
    instructions(&one.help, language, &path.clone().key("help"))?;
    let counted = matches!(one.kind, FieldKind::Amount | FieldKind::Integer | FieldKind::Text);
    let problem = "only fields of type `text`, `integer` or `amount` have a range: take it out";
    require(counted || one.min.is_none(), at("min"), problem)?;
    require(counted || one.max.is_none(), at("max"), problem)?;
    let ordered = one.min.unwrap_or(i64::MIN) <= one.max.unwrap_or(i64::MAX);
    require(ordered, at("max"), "less than `min`: correct one of them")?;
    let text = one.kind == FieldKind::Text;
    let length = |bound: Option<i64>| !text || bound.is_none_or(|bound| (0..=TEXT).contains(&bound));
    require(length(one.min), at("min"), "use 0 to 2000 characters")?;
    require(length(one.max), at("max"), "use 0 to 2000 characters")?;
    require(text || one.mask.is_none(), at("mask"), "only a field of type `text` has a mask: take it out")?;
    choices(one, language, path)
}

fn choices(one: &Field, language: Language, path: &Path) -> Check {
    let list = || path.clone().key("choices");
    let count = one.choices.len();
    match one.kind {
        FieldKind::Choice => require((1..=CHOICES).contains(&count), list, "use 1 to 64 choices")?,
        _ => require(count == 0, list, "only a field of type `choice` has choices: take them out")?,
    }
    unique(one.choices.iter().map(|choice| &choice.key), &list())?;
    for (i, Choice { title: text, .. }) in one.choices.iter().enumerate() {
        title(text, language, &list().index(i).key("title"))?;
    }
    Ok(())
}

fn conditions(all: &[Requirement]) -> Check {
    let by_key: BTreeMap<&Key, &Requirement> = all.iter().map(|one| (&one.key, one)).collect();
    for (i, one) in all.iter().enumerate() {
        let path = Path::default().key("requirements").index(i).key("required_if");
        if let Some(needed) = &one.required_if {
            condition(needed, &by_key, &path)?;
            require(
                !depends_on_itself(one, &by_key),
                || path,
                "the conditions go round in a circle: break it",
            )?;
        }
    }
    Ok(())
}

fn condition(one: &Condition, by_key: &BTreeMap<&Key, &Requirement>, path: &Path) -> Check {
    let Some(requirement) = by_key.get(&one.requirement) else {
        let problem = format!("there is no requirement `{}`: correct it", one.requirement);
        return require(false, || path.clone().key("requirement"), &problem);
    };
    let Some(field) = requirement.field(one.field.as_str()) else {
        let problem = format!("requirement `{}` has no field `{}`: correct it", one.requirement, one.field);
        return require(false, || path.clone().key("field"), &problem);
    };
    let possible: Vec<String> = match field.kind {
        FieldKind::Boolean => vec!["true".into(), "false".into()],
        FieldKind::Choice => field.choices.iter().map(|choice| choice.key.to_string()).collect(),
        _ => Vec::new(),
    };
    let problem = "a condition looks at a field of type `boolean` or `choice`: name one";
    require(!possible.is_empty(), || path.clone().key("field"), problem)?;
    let known = !one.is.is_empty() && one.is.iter().all(|answer| possible.contains(answer));
    let problem = format!("use one or more of the field's answers: {}", possible.join(", "));
    require(known, || path.clone().key("is"), &problem)
}

/// Each requirement looks at one other at most, so following them ends, or comes back within their number.
fn depends_on_itself(one: &Requirement, by_key: &BTreeMap<&Key, &Requirement>) -> bool {
    let mut at = one;
    for _ in 0..by_key.len() {
        let Some(condition) = &at.required_if else { return false };
        let Some(next) = by_key.get(&condition.requirement) else { return false };
        if next.key == one.key {
            return true;
        }
        at = next;
    }
    false
}

fn rules(content: &Content) -> Check {
    let list = || Path::default().key("rules");
    require(content.rules.len() <= RULES, list, "use at most 16 rules")?;
    unique(content.rules.iter().map(|rule| &rule.key), &list())?;
    for (i, one) in content.rules.iter().enumerate() {
        rule(one, content, &list().index(i))?;
    }
    Ok(())
}

fn rule(one: &Rule, content: &Content, path: &Path) -> Check {
    title(&one.title, content.language, &path.clone().key("title"))?;
    for (i, key) in one.of.iter().enumerate() {
        let known = content.requirements.iter().any(|requirement| requirement.key == *key);
        let problem = format!("there is no requirement `{key}`: correct it");
        require(known, || path.clone().key("of").index(i), &problem)?;
        let twice = one.of.iter().take(i).any(|earlier| earlier == key);
        let problem = format!("`{key}` is listed twice: take one out");
        require(!twice, || path.clone().key("of").index(i), &problem)?;
    }
    let possible = one.at_least >= 1 && usize::from(one.at_least) <= one.of.len();
    let problem = format!("use 1 to {}, the number of requirements listed in `of`", one.of.len());
    require(possible, || path.clone().key("at_least"), &problem)
}

fn title(text: &Text, language: Language, path: &Path) -> Check {
    let problem = format!("no text in the template's language: add `{language}`");
    require(!text.get(language, language).is_empty(), || path.clone(), &problem)?;
    short(text, TITLE, path)
}

fn instructions(text: &Text, language: Language, path: &Path) -> Check {
    if text.is_empty() {
        return Ok(());
    }
    let problem = format!("no text in the template's language: add `{language}`");
    require(!text.get(language, language).is_empty(), || path.clone(), &problem)?;
    short(text, INSTRUCTIONS, path)
}

fn short(text: &Text, most: usize, path: &Path) -> Check {
    for (language, text) in text.iter() {
        let at = || path.clone().key(language.as_str());
        let problem = format!("use 1 to {most} bytes");
        require((1..=most).contains(&text.len()), at, &problem)?;
        let visible = text.chars().all(|c| !c.is_control() || (c == '\n' && most > TITLE));
        require(visible, at, "control characters: take them out")?;
    }
    Ok(())
}

fn unique<'a>(keys: impl Iterator<Item = &'a Key>, list: &Path) -> Check {
    let mut seen = BTreeSet::new();
    for (i, key) in keys.enumerate() {
        let problem = format!("`{key}` is there twice: rename one");
        require(seen.insert(key), || list.clone().index(i).key("key"), &problem)?;
    }
    Ok(())
}

fn require(holds: bool, path: impl FnOnce() -> Path, problem: &str) -> Check {
    if holds { Ok(()) } else { Err(Fault { path: path(), problem: problem.to_owned() }) }
}

const REQUIREMENTS: usize = 40;
const RULES: usize = 16;
const FIELDS: usize = 32;
const CHOICES: usize = 64;
/// Files of a submission, at most.
const FILES: u16 = 32;
/// Bytes of one file, at most: 4 GiB.
const FILE_BYTES: u64 = 1 << 32;
/// Characters of a text field, at most.
const TEXT: i64 = 2000;
/// Ten years, and some days.
const DAYS: u32 = 3660;
const TITLE: usize = 200;
const INSTRUCTIONS: usize = 2000;
/// A case's first statement carries the template (FORMAT §12.1).
pub(in crate::intake) const CANONICAL: usize = 32 * 1024;
