//! Content that is looked at and not released: every part found, or opened and its digest compared.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::{range::stored_len, reader::following, source::ContentSource};
use crate::{
    crypto::chunked,
    document::Place,
    error::{Error, Result},
    head,
    storage::{ObjectKey, Storage, layout},
};

/// Told of each part of a version, in order.
#[async_trait]
pub(crate) trait PartVisitor: Send {
    /// A part is what its version says: `sealed` if it was read, none of a part kept in the head.
    async fn sound(&mut self, name: Option<ObjectKey>, sealed: Bytes) -> Result<()>;
    /// An object is not there, or not what its version says.
    async fn faulty(&mut self, object: ObjectKey, missing: bool) -> Result<()>;
}

/// Reads and opens every part, and compares its digest. What was opened is wiped.
///
/// # Errors
///
/// The storage's; what `visitor` says.
pub(crate) async fn open_parts(source: &ContentSource, visitor: &mut dyn PartVisitor) -> Result<()> {
    let reads = parts(source).map(|at| async move { Ok::<_, Error>((at, stored(source, at).await?)) });
    let mut reads = stream::iter(reads).buffered(AHEAD);
    while let Some(read) = reads.next().await {
        let (at, (name, stored)) = read?;
        let object = || name.clone().unwrap_or_else(|| head_of(source));
        match stored {
            None => visitor.faulty(object(), true).await?,
            Some(stored) if open(source, at, &stored).is_ok() => visitor.sound(name, stored.1).await?,
            Some(_) => visitor.faulty(object(), false).await?,
        }
    }
    Ok(())
}

/// Whether what a version's head holds of its content opens.
pub(crate) fn opens_in_head(source: &ContentSource) -> bool {
    let inline = source.inline().unwrap_or_default();
    let mut pages = source.pages().iter().enumerate().filter(|(_, page)| page.place == Place::Inline);
    pages.all(|(page, _)| open(source, (page, 0), &inline).is_ok())
}

/// Looks whether every part is there and has its length; reads one byte of each.
///
/// # Errors
///
/// As [`open_parts`].
pub(crate) async fn find_parts(source: &ContentSource, visitor: &mut dyn PartVisitor) -> Result<()> {
    let probes = parts(source).map(|at| probe(source, at));
    let mut probes = stream::iter(probes).buffered(PROBED);
    while let Some(probed) = probes.next().await {
        match probed? {
            (object, None) => visitor.faulty(object, true).await?,
            (object, Some(false)) => visitor.faulty(object, false).await?,
            (object, Some(true)) => visitor.sound(Some(object), Bytes::new()).await?,
        }
    }
    Ok(())
}

/// The names of all parts that a version has outside its head, ascending.
pub(crate) fn part_names(source: &ContentSource) -> impl Iterator<Item = ObjectKey> {
    parts(source).filter_map(|(page, part)| source.part_name(page, part).ok().map(|(_, name)| name))
}

fn parts(source: &ContentSource) -> impl Iterator<Item = (usize, u32)> {
    let pages = source.pages();
    let next = move |at: &(usize, u32)| Some(following(pages, *at)).filter(|(page, _)| *page < pages.len());
    core::iter::successors((!pages.is_empty()).then_some((0, 0)), next)
}

type Stored = (Option<ObjectKey>, Option<([u8; 16], Bytes)>);

async fn stored(source: &ContentSource, (page, part): (usize, u32)) -> Result<Stored> {
    if source.page(page)?.place == Place::Inline {
        // A head too short for its content opens as nothing does.
        let inline = source.inline().unwrap_or_default();
        return Ok((None, Some(inline)));
    }
    let (attempt, name) = source.part_name(page, part)?;
    let sealed = source.storage().read(&name, None).await?;
    Ok((Some(name), sealed.map(|sealed| (attempt, sealed))))
}

fn open(source: &ContentSource, at: (usize, u32), (attempt, sealed): &([u8; 16], Bytes)) -> Result<()> {
    let mut padded = source.buffer(at.0, at.1)?;
    source.open_part(at, (*attempt, core::slice::from_ref(sealed)), &mut padded)
}

/// The object of a part, and whether it is there with its length.
async fn probe(source: &ContentSource, (page, part): (usize, u32)) -> Result<(ObjectKey, Option<bool>)> {
    let described = source.page(page)?;
    let padded = described.part_len(part);
    let inline = described.place == Place::Inline;
    let sealed = if inline { chunked::sealed_len(padded) } else { stored_len(padded) };
    let sealed = sealed.ok_or_else(|| source.corrupt())?;
    let (name, len) = if inline {
        let start = head::inline_start(source.head().sealed_meta.len()) + 16;
        (head_of(source), sealed.saturating_add(u64::try_from(start).unwrap_or(u64::MAX)))
    } else {
        (source.part_name(page, part)?.1, sealed)
    };
    let found = has_len(source.storage(), &name, len).await?;
    Ok((name, found))
}

/// Whether an object has so many bytes, at least one; none if it is not there. Reads one byte.
pub(super) async fn has_len(storage: &dyn Storage, name: &ObjectKey, len: u64) -> Result<Option<bool>> {
    // The last byte and one that must not be.
    let end = len.saturating_sub(1)..len.saturating_add(1);
    let found = storage.read(name, Some(end)).await?;
    Ok(found.map(|found| found.len() == 1))
}

fn head_of(source: &ContentSource) -> ObjectKey {
    let id = &source.head().id;
    layout::head(id.case, id.operation)
}

/// Parts read before they are opened.
const AHEAD: usize = 3;
/// Parts looked for at once.
pub(super) const PROBED: usize = 16;
