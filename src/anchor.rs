//! Time authorities: a digest out, an opaque token back.

use core::fmt;

use async_trait::async_trait;

/// Somebody whose word on time others take: an RFC 3161 authority, a NOM-151 provider.
///
/// The vault never looks into a token. It keeps it beside the checkpoint that it is about, and hands it
/// out for whoever trusts the authority to verify.
///
/// `examples/time_anchor.rs` is one over RFC 3161, verified with the `openssl` tool.
///
/// # Security
///
/// The authority sees 32 bytes that tell nothing of the log's content.
#[async_trait]
pub trait TimeAnchor: fmt::Debug + Send + Sync {
    /// A name for the authority, 1 to 128 bytes, kept with the token.
    fn authority(&self) -> &str;

    /// A token, 64 KiB at most, which says that `digest`, a SHA-256 value, existed when it was made. What blocks belongs on a
    /// thread of its own, or it stops the executor's.
    ///
    /// # Errors
    ///
    /// [`AnchorError`] if the authority gives none now.
    async fn stamp(&self, digest: &[u8; 32]) -> Result<Vec<u8>, AnchorError>;
}

/// Why a time authority gave no token.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct AnchorError {
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl AnchorError {
    /// No token; `message` says what was attempted and what to do next.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }

    /// The same, with the cause.
    #[must_use]
    pub fn caused(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }
}
