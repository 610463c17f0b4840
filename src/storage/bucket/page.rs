//! A page of a listing, out of a store that lists in an order of its own.

use std::collections::BTreeSet;

use crate::storage::{ObjectKey, StorageError, StorageErrorKind};

/// In which order the store lists.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Order {
    Bytes,
    Any,
}

/// A page of a listing, filled as keys come in.
pub(super) struct Page<'a> {
    prefix: &'a str,
    after: Option<&'a str>,
    limit: usize,
    order: Order,
    keys: BTreeSet<ObjectKey>,
    last: Option<ObjectKey>,
}

impl<'a> Page<'a> {
    pub(super) fn new(prefix: &'a str, after: Option<&'a str>, limit: usize, order: Order) -> Self {
        Self { prefix, after, limit, order, keys: BTreeSet::new(), last: None }
    }

    pub(super) fn finish(self) -> Vec<ObjectKey> {
        self.keys.into_iter().collect()
    }

    /// Whether no key that is still to come belongs on the page.
    pub(super) fn is_complete(&self) -> bool {
        let beyond =
            |last: &ObjectKey| last.as_str() > self.prefix && !last.as_str().starts_with(self.prefix);
        self.order == Order::Bytes
            && (self.keys.len() >= self.limit || self.last.as_ref().is_some_and(beyond))
    }

    pub(super) fn take(&mut self, key: ObjectKey) -> Result<(), StorageError> {
        if self.order == Order::Bytes && self.last.as_ref().is_some_and(|last| *last >= key) {
            let message = "this store does not list in byte order; say so by `ObjectStorage::unordered`";
            return Err(StorageError::new(StorageErrorKind::Unsupported, message));
        }
        self.last = Some(key.clone());
        let wanted =
            key.as_str().starts_with(self.prefix) && self.after.is_none_or(|after| key.as_str() > after);
        if wanted {
            self.keys.insert(key);
        }
        if self.keys.len() > self.limit {
            self.keys.pop_last();
        }
        Ok(())
    }
}

/// A text that no key starting with `prefix` precedes, and few others follow before those; `None`
/// where the folder's beginning is as good.
///
/// The key alphabet in byte order is `-`, `/`, `0` to `9`, `a` to `z`.
pub(super) fn just_before(prefix: &str) -> Option<String> {
    let last = prefix.chars().next_back()?;
    let rest = prefix.strip_suffix(last)?;
    let within_segment = !rest.is_empty() && !rest.ends_with('/');
    let smaller = match last {
        '/' => return None,
        '-' => return within_segment.then(|| rest.to_owned()),
        '0' if within_segment => '/',
        '0' => return None,
        'a' => '9',
        last => char::from_u32(u32::from(last) - 1)?,
    };
    Some(format!("{rest}{smaller}{}", "z".repeat(SEGMENT)))
}

/// The longest segment of a key.
const SEGMENT: usize = 96;

#[cfg(test)]
mod tests {
    use object_store::path::Path;

    use super::*;

    #[test]
    fn a_listing_starts_just_before_its_prefix() {
        let keys = ["a", "a-", "a-0", "a/0", "a0", "a1", "a1-z", "a1/z", "a2", "aa", "az", "b", "b/0", "b/a"];
        for prefix in ["a", "a-", "a-0", "a/", "a/0", "a0", "a1", "a1-", "a1/", "aa", "ab", "b", "b/0", "b/a"]
        {
            let Some(start) = just_before(prefix) else { continue };
            for key in keys.iter().filter(|key| key.starts_with(prefix)) {
                assert!(Path::from(*key) > Path::from(start.as_str()), "{prefix}: {start} hides {key}");
            }
        }
        assert_eq!(just_before("part/00-").as_deref(), Some("part/00"));
        assert!(just_before("part/1f").is_some_and(|start| start.starts_with("part/1ez")));
        assert_eq!(just_before(""), None);
    }
}
