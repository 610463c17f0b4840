//! A21: no name in a bundle leads out of it.

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::Path,
};

use docvault::intake::*;
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

use crate::{common::block_on, office::*};

const LEADING_OUT: [&str; 6] =
    ["../evil", "/etc/evil", "documents/../../evil", "documents\\..\\evil", "C:\\evil", "./manifest.json"];

pub(crate) fn options() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(CompressionMethod::Stored)
}

/// The same archive, with what `add` writes behind its files.
pub(crate) fn copy_zip(
    from: &Path,
    to: &Path,
    options: SimpleFileOptions,
    add: impl FnOnce(&mut ZipWriter<File>),
) {
    let mut archive = ZipArchive::new(File::open(from).unwrap()).unwrap();
    let mut copy = ZipWriter::new(File::create(to).unwrap());
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let (name, mut content) = (entry.name().unwrap().into_owned(), Vec::new());
        entry.read_to_end(&mut content).unwrap();
        copy.start_file(name, options).unwrap();
        copy.write_all(&content).unwrap();
    }
    add(&mut copy);
    copy.finish().unwrap();
}

#[test]
fn a_path_that_is_not_its_files_own_is_refused() {
    block_on(async {
        let office = Office::small().await;
        let (bundle, manifest) = office.export("case").await;
        let json = manifest.to_json();
        let own = &manifest.requirements[0].document.as_ref().unwrap().files[0].path;
        for path in LEADING_OUT.into_iter().chain(["documents/01-note/01-other.txt"]) {
            let quoted = serde_json::to_string(path).unwrap();
            let forged = json.replace(&format!("\"{own}\""), &quoted);
            assert_ne!(forged, json);
            assert!(matches!(
                BundleManifest::parse(forged.as_bytes()).unwrap_err().what,
                BundleFault::Malformed(_)
            ));
            fs::write(bundle.join("manifest.json"), forged).unwrap();
            sum_again(&bundle);
            let refused = office.refused(&bundle);
            assert!(matches!(refused.what, BundleFault::Malformed(_)), "{refused}");
        }
    });
}

#[test]
fn names_in_an_archive_lead_nowhere() {
    block_on(async {
        let office = Office::small().await;
        let (bundle, _) = office.export("case.zip").await;
        let forged = office.path("forged.zip");
        copy_zip(&bundle, &forged, options(), |_| {});
        verify_bundle(&forged, &office.intake.policy).unwrap();
        for name in LEADING_OUT {
            copy_zip(&bundle, &forged, options(), |copy| {
                copy.start_file(name, options()).unwrap();
                copy.write_all(b"evil").unwrap();
            });
            let refused = office.refused(&forged);
            assert!(
                matches!(refused.what, BundleFault::Extra | BundleFault::Malformed(_)),
                "{name}: {refused}"
            );
        }
        assert!(!office.folder.path().parent().unwrap().join("evil").exists());
        copy_zip(&bundle, &forged, options(), |copy| {
            copy.add_symlink("link", "/etc/passwd", options()).unwrap();
        });
        assert!(matches!(office.refused(&forged).what, BundleFault::Malformed(_)));
        copy_zip(&bundle, &forged, options(), |copy| copy.add_directory("empty/", options()).unwrap());
        assert!(matches!(office.refused(&forged).what, BundleFault::Malformed(_)));
    });
}

/// However deep somebody has made them.
#[test]
fn folders_are_entered_no_deeper_than_a_bundle_has_them() {
    block_on(async {
        let office = Office::small().await;
        let (bundle, _) = office.export("case").await;
        fs::create_dir_all(bundle.join("a/b/c/d")).unwrap();
        fs::write(bundle.join("a/b/c/d/e"), "more").unwrap();
        let refused = office.refused(&bundle);
        assert!(matches!(refused.what, BundleFault::Extra) && refused.at == "a/b/c", "{refused}");
    });
}

#[cfg(unix)]
#[test]
fn links_in_a_folder_are_not_followed() {
    block_on(async {
        let office = Office::small().await;
        let (bundle, _) = office.export("case").await;
        for name in ["README.txt", "documents/01-note/01-note.txt"] {
            let (path, aside) = (bundle.join(name), office.path("aside"));
            fs::rename(&path, &aside).unwrap();
            std::os::unix::fs::symlink(&aside, &path).unwrap();
            let refused = office.refused(&bundle);
            assert!(matches!(refused.what, BundleFault::Extra) && refused.at == name, "{refused}");
            fs::remove_file(&path).unwrap();
            fs::rename(&aside, &path).unwrap();
        }
        std::os::unix::fs::symlink("/", bundle.join("root")).unwrap();
        assert!(matches!(office.refused(&bundle).what, BundleFault::Extra));
    });
}
