//! A11: lists that are empty where something has to be, each made by whoever signs or seals them.

use docvault::{ErrorKind, Sender, TrustPolicy, VaultId, deposit::*};
use ed25519_dalek::Signer;

use super::{forgeries::*, toolkit::*};
use crate::{
    common::block_on,
    forge::{At, Holder, deposit_id},
    intake::{Intake, refusal},
};

/// A sender whose key is the forger's, and who is believed.
fn believed() -> (Sender, Vec<u8>) {
    let (vault, key) = ([7; 16], forger().verifying_key().to_bytes());
    let bytes = [&vault[..], &key].concat();
    let sender = Sender::verify(&bytes, &base32(&context("sender", &[&vault, &key]))).unwrap();
    (sender, bytes)
}

/// A version without a page, and a page in parts without a run of them, in a delivery that is signed and sealed rightly.
#[test]
fn empty_lists_in_a_delivery_are_rejected() {
    let (sender, bytes) = believed();
    let notary = identity(1);
    let opened = |metadata: &[u8], before: &[u8]| {
        let content = (before, &b"content"[..]);
        let delivery = delivery_that_says(&bytes, &notary.recipient_bytes(), metadata, content);
        let mut opened = notary.open(&delivery[..], &sender)?;
        opened.next_document()?.ok_or("no document").unwrap().content()
    };
    assert_eq!(opened(&metadata(b"content"), &ATTEMPT).unwrap(), b"content");
    let digest = blake3::hash(b"content");
    let page =
        |storage: u8, runs: &[u8]| [&7u64.to_be_bytes()[..], digest.as_bytes(), &[0, storage], runs].concat();
    let run = [&[0, 0, 0, 1][..], &ATTEMPT, &[0; 4], &[0, 0, 0, 1]].concat();
    let empty_run = [&run[..24], &[0; 4]].concat();
    assert!(opened(&metadata_of(digest.as_bytes(), &[page(1, &run)]), &[]).is_ok(), "in one part");
    let none = context("pages", &[]);
    for (what, digest, pages) in [
        ("no page", none.as_slice(), vec![]),
        ("no run", digest.as_bytes(), vec![page(1, &[0; 4])]),
        ("a run of no part", digest.as_bytes(), vec![page(1, &empty_run)]),
    ] {
        let error = opened(&metadata_of(digest, &pages), &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}");
    }
}

/// A request without a slot, and a slot without a use, signed by an office; a page without a part, by a client.
#[test]
fn empty_lists_of_a_request_are_rejected() {
    block_on(async {
        let office = Intake::new().await;
        let signed = office.request().await;
        let honest = signed.descriptor.to_bytes();
        let (sender, _) = believed();
        let resigned = |slots: &[u8]| {
            let head = patched(&honest[..SLOTS], 8..24, &[7; 16]);
            let head = patched(&head, 40..72, &forger().verifying_key().to_bytes());
            // Two slots of 12 bytes are in it.
            let rest = &honest[SLOTS + 4 + 2 * 12..honest.len() - 64];
            let bytes = [&head[..], slots, rest].concat();
            let signature = forger().sign(&[b"docvault/v1/sign request\0", &bytes[..]].concat());
            Descriptor::verify(&[&bytes[..], &signature.to_bytes()].concat(), &sender)
        };
        let slots = &honest[SLOTS..SLOTS + 4 + 2 * 12];
        assert_eq!(resigned(slots).unwrap().vault(), VaultId::from_bytes([7; 16]));
        let one = [&[0, 0, 0, 1][..], &slots[4..16]].concat();
        assert!(resigned(&one).is_ok());
        for (what, slots) in [("no slot", &[0; 4][..]), ("no use", &patched(&one, 4..6, &[0; 2]))] {
            assert_eq!(resigned(slots).unwrap_err().kind(), ErrorKind::Corrupt, "{what}");
        }

        let (holder, id, carrier) = (Holder::of(&signed), deposit_id(0, 9), office.carrier());
        let part = holder.part(&id, At { page: 0, part: 0, last: true }, 5);
        carrier.receive(part.clone()).await.unwrap();
        let parts = vec![crate::forge::sha256(&part[152..])];
        for pages in [vec![vec![]], vec![parts.clone(), vec![]], vec![vec![], parts.clone()]] {
            let refused = refusal(carrier.finish(holder.manifest(&id, &pages)).await);
            assert_eq!(refused, Refusal::Malformed, "a page without a part");
        }
        carrier.finish(holder.manifest(&id, &[parts])).await.unwrap();
    });
}

/// Where a descriptor's list of slots begins (FORMAT §11.1).
const SLOTS: usize = 1376;

/// Witnesses of whom none has to have seen anything: only who says `none` says that.
#[test]
fn empty_lists_in_a_policy_are_rejected() {
    block_on(async {
        let world = World::new().await;
        let log = world.vault.audit().log().await.unwrap().verifier_keys().await.unwrap().remove(0);
        let parse = |lines: &str| TrustPolicy::parse(&format!("log {log}\n{lines}"));
        let key = docvault::WitnessKey::create(world.folder.path().join("w"), "ana.example").unwrap();
        let witness = format!("witness ana {}\n", key.verifier_key());
        assert!(parse(&format!("{witness}group g any ana\nquorum g\n")).is_ok());
        assert!(parse("quorum none\n").is_ok());
        for (lines, refused) in [
            (format!("{witness}group g any\nquorum g\n"), "line 3 of the policy: a group needs members"),
            (format!("{witness}group g all\nquorum g\n"), "line 3 of the policy: a group needs members"),
            (format!("{witness}group g 0 ana\nquorum g\n"), "line 3 of the policy: a group needs at least 1"),
            (
                "quorum g\n".to_owned(),
                "line 2 of the policy: no earlier line has a witness or group of this name",
            ),
            (witness.clone(), "line 3 of the policy: there is no quorum line"),
        ] {
            let error = parse(&lines).unwrap_err().to_string();
            assert!(error.starts_with(refused), "{error}");
        }
    });
}
