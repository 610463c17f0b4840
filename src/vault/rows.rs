//! Looking rows up in a state's index, or in the one that has superseded it meanwhile.

use std::sync::Arc;

use super::Vault;
use crate::{
    error::{ErrorKind, Result},
    ledger::{State, View},
    log::row::{Row, RowKey},
};

impl Vault {
    /// The newest row about `key` in `state`, or in the one that has superseded it.
    pub(crate) async fn row(&self, state: &State, key: &RowKey) -> Result<Option<Row>> {
        let mut found = self.with_view(state).row(key).await;
        let mut looked = state.manifest.covered();
        while let Some(newer) = self.superseding(looked, &found).await? {
            looked = newer.manifest.covered();
            found = self.with_view(&newer).row(key).await;
        }
        found
    }

    /// The newest row about `key`; what others committed is looked for before the answer is none.
    pub(crate) async fn fresh_row(&self, key: &RowKey) -> Result<Option<Row>> {
        match self.row(&self.ledger().state(), key).await {
            Ok(None) => {}
            known => return known,
        }
        let state = self.ledger().sync().await?;
        self.row(&state, key).await
    }

    /// Up to `limit` rows from `start` on in `state`, or in the one that has superseded it.
    pub(crate) async fn rows(&self, state: &State, start: &RowKey, limit: usize) -> Result<Vec<Row>> {
        let mut found = self.with_view(state).children(start, limit).await;
        let mut looked = state.manifest.covered();
        while let Some(newer) = self.superseding(looked, &found).await? {
            looked = newer.manifest.covered();
            found = self.with_view(&newer).children(start, limit).await;
        }
        found
    }

    /// The present state, if what was missed is an index that a newer one has superseded: it may have been deleted
    /// while this process looked it through.
    pub(crate) async fn superseding<T: Sync>(
        &self,
        looked: u64,
        found: &Result<T>,
    ) -> Result<Option<Arc<State>>> {
        if found.as_ref().err().is_none_or(|error| error.kind() != ErrorKind::Corrupt) {
            return Ok(None);
        }
        let newer = self.ledger().sync().await?;
        Ok((newer.manifest.covered() > looked).then_some(newer))
    }

    /// Every row from `start` on, of one parent.
    pub(crate) async fn all_rows(&self, state: &State, start: RowKey) -> Result<Vec<Row>> {
        let (mut all, mut pages) = (Vec::new(), self.row_pages(state, start));
        while let Some(page) = pages.next().await? {
            all.extend(page);
        }
        Ok(all)
    }

    /// The same a page at a time, where they may be too many.
    pub(crate) fn row_pages<'a>(&'a self, state: &'a State, start: RowKey) -> RowPages<'a> {
        RowPages { vault: self, state, next: Some(start) }
    }

    fn with_view<'a>(&'a self, state: &'a State) -> View<'a> {
        View::of(state, self.ledger().pages(), self.ledger().now())
    }
}

/// Rows of one parent, page by page.
pub(crate) struct RowPages<'a> {
    vault: &'a Vault,
    state: &'a State,
    next: Option<RowKey>,
}

impl RowPages<'_> {
    /// The next page; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Row>>> {
        let Some(start) = self.next.take() else { return Ok(None) };
        let page = self.vault.rows(self.state, &start, PAGE).await?;
        self.next = page.last().filter(|_| page.len() == PAGE).map(|row| row.key.after());
        Ok(Some(page))
    }
}

const PAGE: usize = 1000;
