//! What people see: a table, and texts made safe for a terminal.

use std::{error::Error, fmt::Write, time::Duration};

/// What became of one file.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) len: u64,
    pub(crate) version: u32,
    pub(crate) digest: String,
    pub(crate) stored: Duration,
    pub(crate) read: Duration,
    pub(crate) equal: bool,
}

/// Prints the table.
pub(crate) fn table(rows: &[Row]) {
    println!(
        "\n{:<32} {:>12} {:>3} {:<14} {:>9} {:>9} {:>10} {:>10}  compared",
        "file", "bytes", "v", "BLAKE3", "store s", "read s", "store MB/s", "read MB/s"
    );
    for row in rows {
        let digest: String = row.digest.chars().take(12).collect();
        println!(
            "{:<32} {:>12} {:>3} {:<14} {:>9.3} {:>9.3} {:>10} {:>10}  {}",
            shortened(&row.name),
            row.len,
            row.version,
            digest + "…",
            row.stored.as_secs_f64(),
            row.read.as_secs_f64(),
            rate(row.len, row.stored),
            rate(row.len, row.read),
            if row.equal { "equal" } else { "DIFFERENT" }
        );
    }
}

/// A text with everything escaped that could steer a terminal.
pub(crate) fn shown(text: &str) -> String {
    text.chars().fold(String::new(), |mut shown, character| {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
        shown
    })
}

/// An error and its causes, in one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _infallible = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

fn shortened(name: &str) -> String {
    let name = shown(name);
    if name.chars().count() <= 32 { name } else { name.chars().take(31).chain(['…']).collect() }
}

#[allow(clippy::cast_precision_loss, clippy::as_conversions, reason = "a rate for people")]
fn rate(len: u64, time: Duration) -> String {
    format!("{:.0}", len as f64 / 1e6 / time.as_secs_f64().max(1e-9))
}
