//! The sealed form: granted, delivered, opened with no vault, put in order.

use std::fs;

use docvault::{DocumentId, Identity, NewDocument, Recipient, Scope, Terms, intake::*};

use crate::{common::block_on, office::*};

#[test]
fn a_case_is_handed_over_whole_and_in_order() {
    block_on(async {
        let office = Office::complete().await;
        let session = office.reviewers[0].session();
        let slip = NewDocument::named("../../a slip.txt").media_type("text/plain");
        session.store(office.case, slip, b"for no requirement".to_vec()).await.unwrap();
        let (notary, recipient, _folder) = notary();
        let terms = Terms::read().purpose("deed 1234");
        let refused = office.executive.hand_over(office.case, &recipient, terms.clone()).await;
        assert!(matches!(refused.unwrap_err(), IntakeError::Refused(Refusal::Confidential { .. })));

        for round in ["first", "second"] {
            let delivery =
                office.reviewers[0].hand_over(office.case, &recipient, terms.clone()).await.unwrap();
            let grant = delivery.grant();
            let sealed = delivery.collect().await.unwrap();
            let opened = notary.open(&sealed[..], &office.intake.vault.sender()).unwrap();
            let out = office.path(round);
            let manifest = unpack_handed_over(opened, &out).unwrap();
            assert_eq!((manifest.case, manifest.others.len()), (office.case, 1));
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o7777, 0o700);
            }
            let written = files(&out);
            assert_eq!(written.len(), 6, "four of the requirements, one other, the manifest: {written:?}");
            let [id, statement, other] = &manifest.requirements[..] else { panic!("{manifest:?}") };
            let sides = &id.document.as_ref().unwrap().files;
            assert_eq!(
                (&written[&sides[0].path], &written[&sides[1].path]),
                (&photograph(1), &photograph(2))
            );
            assert_eq!(written[&statement.document.as_ref().unwrap().files[0].path], pdf(3));
            assert_eq!(other.document, None);
            assert_eq!(written["documents/others/0001-_.._a_slip.txt"], b"for no requirement");
            assert_eq!(written["manifest.json"], manifest.to_json().as_bytes());
            no_other_path_is_taken(&manifest);
            let report = session.revoke(grant).await.unwrap();
            assert_eq!(report.delivered.len(), 1);
        }
        let names = session.documents(office.case, None).await.unwrap().documents;
        assert_eq!(names.iter().filter(|one| one.name == "docvault.manifest.json").count(), 1);
    });
}

/// Where a file of no requirement is unpacked to follows from its name, not from what the sender says.
fn no_other_path_is_taken(manifest: &BundleManifest) {
    let json = manifest.to_json();
    for path in ["../../evil", "/etc/evil", "documents/../../evil", "documents/others/evil", "manifest.json"]
    {
        let forged = json.replace("documents/others/0001-_.._a_slip.txt", path);
        assert_ne!(forged, json);
        let refused = BundleManifest::parse(forged.as_bytes()).unwrap_err();
        assert!(matches!(refused.what, BundleFault::Malformed(_)), "{refused}");
    }
}

#[test]
fn what_is_cut_short_or_altered_leaves_nothing() {
    block_on(async {
        let office = Office::complete().await;
        let (notary, recipient, _folder) = notary();
        let terms = Terms::read().purpose("deed 1234");
        let delivery = office.reviewers[0].hand_over(office.case, &recipient, terms).await.unwrap();
        let sealed = delivery.collect().await.unwrap().to_vec();
        let sender = office.intake.vault.sender();
        let out = office.path("out");
        for at in [sealed.len() - 1, sealed.len() / 2, sealed.len() * 3 / 4] {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            for bad in [&altered[..], &sealed[..at]] {
                let opened = notary.open(bad, &sender).unwrap();
                assert!(matches!(unpack_handed_over(opened, &out).unwrap_err().what, BundleFault::Vault(_)));
                assert!(!out.exists());
            }
        }
        // A delivery of one document is no case.
        let session = office.reviewers[0].session();
        let document = session.documents(office.case, None).await.unwrap().documents[0].document;
        let grant = session.grant(document, &recipient, Terms::read().purpose("x")).await.unwrap();
        let sealed = session.deliver(grant).await.unwrap().collect().await.unwrap();
        let opened = notary.open(&sealed[..], &sender).unwrap();
        assert!(unpack_handed_over(opened, &out).is_err());
        fs::create_dir(&out).unwrap();
        let opened = notary.open(&sealed[..], &sender).unwrap();
        assert!(matches!(unpack_handed_over(opened, &out).unwrap_err().what, BundleFault::Exists));
    });
}

/// Who delivers a manifest of its own making, and to whom.
struct Sender<'a> {
    office: &'a Office,
    manifest: DocumentId,
    notary: Identity,
    recipient: Recipient,
}

impl Sender<'_> {
    async fn unpacked(&self, told: &BundleManifest, scope: Scope) -> Result<BundleManifest, BundleError> {
        let session = self.office.reviewers[0].session();
        let named = NewDocument::named("docvault.manifest.json").media_type("application/json");
        let json = told.to_json().into_bytes();
        session.store_version(self.manifest, named, "handed over anew", json).await.unwrap();
        let grant = session.grant(scope, &self.recipient, Terms::read().purpose("x")).await.unwrap();
        let sealed = session.deliver(grant).await.unwrap().collect().await.unwrap();
        let opened = self.notary.open(&sealed[..], &self.office.intake.vault.sender()).unwrap();
        let out = self.office.path("out");
        let unpacked = unpack_handed_over(opened, &out);
        assert_eq!(unpacked.is_ok(), out.exists());
        fs::remove_dir_all(out).ok();
        unpacked
    }
}

/// What is told, how that is made of the truth, and where it is refused.
type Deceit = (&'static str, fn(&mut BundleManifest), fn(&BundleManifest) -> String);

const OF_MANIFEST: &str = "manifest.json";

/// What is there for the first requirement.
fn id_of(manifest: &mut BundleManifest) -> &mut BundledDocument {
    manifest.requirements[0].document.as_mut().unwrap()
}

/// What is told of a document is not what came; where that is said.
const DECEITS: &[Deceit] = &[
    ("another vault", |told| told.vault = "01".repeat(16).parse().unwrap(), |_| OF_MANIFEST.into()),
    ("another case", |told| told.case = "01".repeat(16).parse().unwrap(), |_| OF_MANIFEST.into()),
    ("another version", |told| id_of(told).version = other_of(told).version, |told| document_of(told)),
    ("another content", |told| id_of(told).digest = other_of(told).digest, |told| document_of(told)),
    ("another file", |told| id_of(told).files[0].blake3 = other_of(told).digest, |told| path_of(told, 0)),
    ("a shorter file", |told| id_of(told).files[0].bytes -= 1, |told| path_of(told, 0)),
    ("a longer file", |told| id_of(told).files[2].bytes += 1, |told| path_of(told, 2)),
    ("fewer files", |told| drop(id_of(told).files.pop()), |told| path_of(told, 1)),
    (
        "another version of what is for no requirement",
        |told| told.others[0].version = other_of(told).version,
        |told| told.others[0].document.to_string(),
    ),
    (
        "another length of what is for no requirement",
        |told| told.others[0].bytes += 1,
        |told| told.others[0].path.clone(),
    ),
];

/// What is there for the second.
fn other_of(manifest: &BundleManifest) -> &BundledDocument {
    manifest.requirements[1].document.as_ref().unwrap()
}

fn document_of(manifest: &BundleManifest) -> String {
    manifest.requirements[0].document.as_ref().unwrap().document.to_string()
}

fn path_of(manifest: &BundleManifest, number: usize) -> String {
    manifest.requirements[0].document.as_ref().unwrap().files[number].path.clone()
}

async fn delivered(office: &Office) -> (Sender<'_>, BundleManifest, tempfile::TempDir) {
    let session = office.reviewers[0].session();
    let slip = NewDocument::named("slip.txt").media_type("text/plain");
    session.store(office.case, slip, b"for no requirement".to_vec()).await.unwrap();
    let (notary, recipient, folder) = notary();
    let terms = Terms::read().purpose("deed 1234");
    let delivery = office.reviewers[0].hand_over(office.case, &recipient, terms).await.unwrap();
    let sealed = delivery.collect().await.unwrap();
    let opened = notary.open(&sealed[..], &office.intake.vault.sender()).unwrap();
    let manifest = unpack_handed_over(opened, &office.path("honest")).unwrap();
    let documents = session.documents(office.case, None).await.unwrap().documents;
    let of_manifest = documents.iter().find(|one| one.name == "docvault.manifest.json").unwrap().document;
    (Sender { office, manifest: of_manifest, notary, recipient }, manifest, folder)
}

#[test]
fn what_is_unpacked_is_what_the_manifest_tells_of() {
    block_on(async {
        let office = Office::complete().await;
        let (sender, honest, _folder) = delivered(&office).await;
        let scope = Scope::Case(office.case);
        for (what, tell, at) in DECEITS {
            let mut told = honest.clone();
            tell(&mut told);
            let refused = sender.unpacked(&told, scope).await.expect_err(what);
            assert!(matches!(refused.what, BundleFault::Altered(_)), "{what}: {refused}");
            assert_eq!(refused.at, at(&told), "{what}");
        }
        let unpacked = sender.unpacked(&honest, scope).await.unwrap();
        assert_eq!(unpacked, honest);
    });
}

#[test]
fn a_delivery_has_the_documents_that_its_manifest_lists_and_no_others() {
    block_on(async {
        let office = Office::complete().await;
        let (sender, honest, _folder) = delivered(&office).await;
        let mut less = honest.clone();
        let hidden = less.others.pop().unwrap();
        let refused = sender.unpacked(&less, Scope::Case(office.case)).await.unwrap_err();
        assert!(matches!(refused.what, BundleFault::Extra), "{refused}");
        assert_eq!(refused.at, hidden.document.to_string());
        // The manifest alone, which says that the case has no document.
        let mut none = less;
        none.requirements.iter_mut().for_each(|one| one.document = None);
        let alone = Scope::Document(sender.manifest);
        let refused = sender.unpacked(&none, alone).await.unwrap_err();
        assert!(matches!(refused.what, BundleFault::Altered("the delivery")), "{refused}");
        // One more than there is.
        let mut more = honest;
        more.others[0].document = sender.manifest;
        let refused = sender.unpacked(&more, Scope::Case(office.case)).await.unwrap_err();
        assert!(matches!(refused.what, BundleFault::Missing), "{refused}");
    });
}

/// A page of a case's documents has a thousand.
#[test]
fn a_case_of_many_documents_is_handed_over_whole() {
    block_on(async {
        let office = Office::open(SMALL).await;
        let session = office.reviewers[0].session();
        for number in 0..1001 {
            let slip = NewDocument::named(format!("{number}.txt")).media_type("text/plain");
            session.store(office.case, slip, b"slip".to_vec()).await.unwrap();
        }
        let (sender, manifest, _folder) = delivered(&office).await;
        assert_eq!(manifest.others.len(), 1002);
        drop(sender);
    });
}
