//! Spans, as the crate `tracing` has them.

use tracing::{
    Span, debug_span,
    field::{Empty, display},
    info_span,
};

use super::watched::{End, Watched};
use crate::ids::{CaseId, DocumentId, GrantId, Scope, VaultId};

/// Identifiers that an operation is about. They name things and grant nothing.
pub(crate) trait Subject {
    fn tell(&self, span: &Span);
}

impl Subject for () {
    fn tell(&self, _: &Span) {}
}

impl Subject for VaultId {
    fn tell(&self, span: &Span) {
        span.record("vault", display(self));
    }
}

impl Subject for CaseId {
    fn tell(&self, span: &Span) {
        span.record("case", display(self));
    }
}

impl Subject for DocumentId {
    fn tell(&self, span: &Span) {
        self.case().tell(span);
        span.record("document", display(self));
    }
}

impl Subject for Scope {
    fn tell(&self, span: &Span) {
        match self {
            Self::Case(case) => case.tell(span),
            Self::Document(document) => document.tell(span),
        }
    }
}

impl Subject for GrantId {
    fn tell(&self, span: &Span) {
        self.scope().tell(span);
        span.record("grant", display(self));
    }
}

impl<A: Subject, B: Subject> Subject for (A, B) {
    fn tell(&self, span: &Span) {
        self.0.tell(span);
        self.1.tell(span);
    }
}

pub(super) fn begin(watched: Watched) -> Span {
    match watched {
        Watched::Operation(name) => info_span!(
            target: "docvault",
            "operation",
            otel.name = name,
            vault = Empty,
            case = Empty,
            document = Empty,
            grant = Empty,
            request = Empty,
            deposit = Empty,
            outcome = Empty,
        ),
        Watched::Call { call, object } => {
            debug_span!(target: "docvault", "storage", otel.name = call, object, bytes = Empty, outcome = Empty)
        }
        Watched::Commit { records } => debug_span!(target: "docvault", "commit", records, outcome = Empty),
        Watched::Fold => debug_span!(target: "docvault", "fold", outcome = Empty),
    }
}

pub(super) fn end(span: &Span, watched: Watched, end: End) {
    span.record("outcome", end.outcome);
    if matches!(watched, Watched::Call { call: "create" | "read", .. }) {
        span.record("bytes", end.bytes);
    }
}
