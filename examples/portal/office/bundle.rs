//! The complete case in one piece: a ZIP file that anyone verifies.

use std::{
    fs::File,
    io::Read,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::{Body, Bytes},
    extract::{Path, State},
    http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use docvault::CaseId;
use futures_util::stream;
use tempfile::TempDir;

use super::{Shared, failure::Failure, people::Visitor};

/// Writes the case's bundle under a checkpoint of now, sends it, and keeps nothing of it.
pub(super) async fn send(
    State(office): State<Shared>,
    visitor: Visitor,
    Path((_, case)): Path<(String, CaseId)>,
) -> Result<Response, Failure> {
    let folder = TempDir::new_in(&office.exports)?;
    let path = folder.path().join("case.zip");
    let note = office.vault.audit().checkpoint().await?;
    visitor.desk.export_bundle(case, &note, &path).await?;
    let file = File::open(&path)?;
    let headers = [
        (CONTENT_TYPE, "application/zip".to_owned()),
        (CONTENT_LENGTH, file.metadata()?.len().to_string()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{case}.zip\"")),
    ];
    let written = Written { file: Arc::new(Mutex::new(file)), _folder: folder };
    Ok((headers, Body::from_stream(stream::try_unfold(written, piece))).into_response())
}

/// A file, and the folder that goes when it was sent.
struct Written {
    file: Arc<Mutex<File>>,
    _folder: TempDir,
}

async fn piece(written: Written) -> std::io::Result<Option<(Bytes, Written)>> {
    let file = written.file.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut piece = Vec::with_capacity(PIECE);
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.by_ref().take(PIECE.try_into().unwrap_or(u64::MAX)).read_to_end(&mut piece).map(|_| piece)
    });
    let piece = read.await.map_err(std::io::Error::other)??;
    Ok(if piece.is_empty() { None } else { Some((piece.into(), written)) })
}

const PIECE: usize = 1 << 20;
