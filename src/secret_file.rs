//! Files that hold one secret of 32 bytes: a line that says what it is, a line of hexadecimal
//! (FORMAT §4.3, §9).

use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use crate::{
    env::{Entropy, SystemEntropy},
    error::{Error, ErrorKind, Result},
    file,
    ids::{Hex, parse_hex},
    secret::{Secret, SecretBytes},
};

/// Makes a fresh secret and a new file for it, which begins with the line `header`.
///
/// When this returns, the file is durable.
///
/// # Errors
///
/// [`ErrorKind::Invalid`] if there is anything at `path`; else as [`load`].
pub(crate) fn create(path: &Path, header: &str) -> Result<Secret<32>> {
    let mut secret = Secret::zeroed();
    SystemEntropy.fill(secret.expose_mut())?;
    file::write_file(path, &encode(header, &secret)).map_err(not_created)?;
    file::sync_parent(path).map_err(|cause| failure(cause, WRITE))?;
    Ok(secret)
}

/// Reads the secret from a file that begins with the line `header`, and makes the file durable: a crash may have cut
/// short who made it, and what is sealed by the secret must not outlive it.
///
/// # Errors
///
/// [`ErrorKind::NotFound`] if there is no file; [`ErrorKind::Denied`] if this process may not read
/// it, or if others may; [`ErrorKind::Invalid`] for any other content; [`ErrorKind::Storage`] if
/// the file system fails.
pub(crate) fn load(path: &Path, header: &str) -> Result<Secret<32>> {
    let file = File::open(path).map_err(|cause| failure(cause, READ))?;
    check_private(&file)?;
    let mut content = SecretBytes::new(Vec::with_capacity(MAX_FILE));
    let cap = u64::try_from(MAX_FILE).unwrap_or(u64::MAX);
    (&file).take(cap).read_to_end(&mut content).map_err(|cause| failure(cause, READ))?;
    let secret = decode(header, &content)?;
    file::settle(&file, path).map_err(|cause| failure(cause, WRITE))?;
    Ok(secret)
}

/// Looks at the file that is open, so that nobody can put another in its place afterwards.
fn check_private(file: &File) -> Result<()> {
    let metadata = file.metadata().map_err(|cause| failure(cause, READ))?;
    if !metadata.is_file() {
        return Err(Error::invalid("this is no regular file; name the secret's own file"));
    }
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0 {
        return Err(Error::denied(
            "users other than its owner can use the secret's file; consider the secret known to them, or \
             run `chmod 600` on the file",
        ));
    }
    Ok(())
}

fn encode(header: &str, secret: &Secret<32>) -> SecretBytes {
    let mut content = SecretBytes::new(Vec::with_capacity(MAX_FILE));
    let written = writeln!(content, "{header}\n{}", Hex(secret.expose()));
    written.expect("a vector takes every byte");
    content
}

fn decode(header: &str, content: &[u8]) -> Result<Secret<32>> {
    let text =
        core::str::from_utf8(content).ok().and_then(|text| text.strip_prefix(header)?.strip_prefix('\n'));
    let Some(text) = text else {
        return Err(Error::invalid(format!(
            "the file does not begin with the line `{header}`: it is another file, or one of a newer docvault"
        )));
    };
    let digits = text.strip_suffix('\n').and_then(|line| parse_hex(line).ok());
    digits.map(Secret::take).ok_or_else(|| {
        Error::invalid(format!(
            "after the line `{header}` the file must hold one line of 64 lower-case hexadecimal digits: \
             it is incomplete or was altered; restore it from its backup"
        ))
    })
}

// What a failed attempt leaves stays: no path here can remove a key that somebody else made.
#[cold]
fn not_created(cause: io::Error) -> Error {
    if cause.kind() == io::ErrorKind::AlreadyExists {
        let message =
            "a file is there already, and a secret is never overwritten: load it, or choose another path";
        return Error::invalid(message).caused(cause);
    }
    failure(cause, WRITE)
}

/// `attempt` completes the sentence "could not …".
#[cold]
fn failure(cause: io::Error, attempt: &str) -> Error {
    let (kind, advice) = match cause.kind() {
        io::ErrorKind::NotFound => {
            (ErrorKind::NotFound, "there is no such file or directory; check the path")
        }
        io::ErrorKind::PermissionDenied => (
            ErrorKind::Denied,
            "permission denied; file and directory must belong to the user of this process",
        ),
        io::ErrorKind::ReadOnlyFilesystem => (ErrorKind::Denied, "the file system is read-only"),
        _ => (ErrorKind::Storage, "the file system failed; its cause is this error's source"),
    };
    Error::new(kind, format!("could not {attempt}: {advice}")).caused(cause)
}

const READ: &str = "read the secret's file";
const WRITE: &str = "make the secret's file durable";
/// More than any such file has, so that a longer one does not parse.
const MAX_FILE: usize = 128;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const HEADER: &str = "docvault local key 1";

    #[test]
    fn a_secret_comes_back_and_is_never_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let secret = create(&path, HEADER).expect("created");
        assert_eq!(load(&path, HEADER).expect("loads").expose(), secret.expose());
        let before = fs::read(&path).expect("readable");
        assert_eq!(
            before,
            [HEADER.as_bytes(), b"\n", Hex(secret.expose()).to_string().as_bytes(), b"\n"].concat()
        );
        assert_eq!(create(&path, HEADER).expect_err("exists").kind(), ErrorKind::Invalid);
        assert_eq!(fs::read(&path).expect("readable"), before);
        let other = create(&folder.path().join("other"), HEADER).expect("created");
        assert_ne!(other.expose(), secret.expose());
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let missing = folder.path().join("missing");
        assert_eq!(load(&missing, HEADER).expect_err("missing").kind(), ErrorKind::NotFound);
        let below = create(&missing.join("key"), HEADER).expect_err("no directory");
        assert_eq!(below.kind(), ErrorKind::NotFound);
        assert_eq!(load(folder.path(), HEADER).expect_err("a directory").kind(), ErrorKind::Invalid);
    }

    #[test]
    fn every_altered_byte_and_length_is_refused_or_another_secret() {
        let secret = Secret::take([0xA5; 32]);
        let content = encode(HEADER, &secret);
        assert_eq!(decode(HEADER, &content).expect("decodes").expose(), secret.expose());
        for len in 0..content.len() {
            assert!(decode(HEADER, &content[..len]).is_err(), "{len}");
        }
        assert!(decode(HEADER, &[&content[..], b"\n"].concat()).is_err());
        assert!(decode("docvault identity 1", &content).is_err());
        for offset in 0..content.len() {
            let mut altered = content.to_vec();
            altered[offset] ^= 0x20;
            assert!(decode(HEADER, &altered).is_err(), "{offset}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_it_and_a_link_to_it_is_fine() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().expect("a folder");
        let (path, link) = (folder.path().join("key"), folder.path().join("link"));
        create(&path, HEADER).expect("created");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        symlink(&path, &link).expect("linked");
        assert!(load(&link, HEADER).is_ok());
        for mode in [0o640, 0o604, 0o660, 0o620, 0o602] {
            fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("changed");
            assert_eq!(load(&path, HEADER).expect_err("not private").kind(), ErrorKind::Denied, "{mode:o}");
            assert_eq!(load(&link, HEADER).expect_err("not private").kind(), ErrorKind::Denied, "{mode:o}");
        }
    }

    #[test]
    fn errors_show_no_digit_of_the_secret() {
        let altered = format!("{HEADER}\n{}x\n", "ab".repeat(32));
        let error = decode(HEADER, altered.as_bytes()).expect_err("65 characters");
        assert!(!format!("{error} {error:?}").contains("abab"));
    }
}
