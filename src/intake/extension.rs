//! What files of a media type are called at their end (FORMAT §13.2).

/// The usual extension of a media type.
pub(in crate::intake) fn extension_of(media_type: &str) -> &'static str {
    extensions_of(media_type).first().copied().unwrap_or(UNKNOWN)
}

/// The extensions of a media type as it is on record, the usual one first: `bin` for what is not known, and for what
/// can run when it is opened.
pub(in crate::intake) fn extensions_of(media_type: &str) -> &'static [&'static str] {
    match media_type {
        "application/json" => &["json"],
        "application/pdf" => &["pdf"],
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => &["xlsx"],
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => &["docx"],
        "application/xml" | "text/xml" => &["xml"],
        "application/zip" => &["zip"],
        "image/bmp" => &["bmp"],
        "image/gif" => &["gif"],
        "image/heic" => &["heic"],
        "image/heif" => &["heif", "heic"],
        "image/jpeg" => &["jpg", "jpeg"],
        "image/png" => &["png"],
        "image/tiff" => &["tif", "tiff"],
        "image/webp" => &["webp"],
        "text/csv" => &["csv"],
        "text/plain" => &["txt"],
        _ => &[UNKNOWN],
    }
}

const UNKNOWN: &str = "bin";
