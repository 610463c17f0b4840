#!/usr/bin/env bash
# Takes one check at a time out of a copy of the crate and sees that the test of its attack notices:
# a test that passes without the check it is for would prove nothing. All of them are made switches of one build, each
# test is run once with none thrown and then with its own, and what it then says is printed: that test must fail, and what
# fails must stand in a test, for elsewhere it may be for another reason. With words: only those whose name or test has one of them; with
# --check none, but each check must still stand where it is taken out. With DOCVAULT_PROFILE=dev it is built sooner and runs
# for longer.
set -euo pipefail
cd "$(dirname "$0")/.."
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
git ls-files -z | xargs -0 cp --parents -t "$place"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target/controls}
python3 - "$place" "$@" <<'PY'
import json, os, pathlib, re, subprocess, sys

place, words = pathlib.Path(sys.argv[1]), sys.argv[2:] or [""]
LIB, ATTACKS, SIMULATION = "--lib", "attacks", ("simulation", "no_seed_finds_a_violation")
KIT = ("kit", "every_file_is_answered_as_it_says")
FAULTS = ("fault_exhaustion", "faults_and_crashes_at_every_call_of_200_operations_lose_nothing_acknowledged")
PROFILE = os.environ.get("DOCVAULT_PROFILE", "release")
VERIFY_COMMIT = "key.key.verify(schedule::SIGN_COMMIT, &statement, &self.signature).map_err(|_| Malformed)"
# What is taken out; from which file; the expression, in brackets if it has a context; what stands there instead, SWITCH
# being whether it does if that is no expression; the tests that must fail: their binary and their name.
CONTROLS = [
    # Attacks by whoever runs the storage, each without the check that stands against it.
    ("signing epochs that records state", "src/log/commit.rs", "⟦self.check_epoch(key.epoch)?⟧;", "()",
     [(LIB, "gaps_and_empty_epochs_are_noticed")]),
    ("signatures of commits", "src/log/commit.rs", VERIFY_COMMIT, "{ let _ = &statement; Ok(()) }",
     [(LIB, "reseal_old_with_new_key"), (ATTACKS, "forged_tail_record"), SIMULATION]),
    ("format and suite of commits, which no signature is over", "src/log/commit.rs",
     "⟦r.expect(&[FORMAT, SUITE, 0, 0])?⟧;\n        r.expect(vault.as_bytes())?", "r.take(4).map(drop)?",
     [(ATTACKS, "version_floor_downgrade")]),
    ("the name that a first record gives its log", "src/ledger/first.rs", "if ⟦statement.origin == statement::origin(vault)⟧ {", "true",
     [(LIB, "a_first_record_under_another_name_is_none")]),
    ("roots of opened logs", "src/ledger/open.rs", "if ⟦state.frontier.root() == root⟧ { Ok(state) }", "true", [(LIB, "linear_tail_fake")]),
    ("the tree that a first record claims", "src/ledger/first.rs", "tree.root() != *commit.root()", "false",
     [("checkpoints", "a_first_record_that_is_not_the_logs_names_no_signer_of_checkpoints")]),
    ("the first key of what is copied", "src/copy/destination.rs", "self.vault.ledger().record(state, 0, stated_key).await?",
     "ledger::first_commit(self.vault.ledger().storage()).await?.1.commit", [("copy", "what_the_storage_signs_itself_is_not_copied")]),
    ("the first record that a walk began with", "src/verification/walk.rs", "if ⟦walk.first != Some(claimed.head)⟧ {", "false",
     [(LIB, "what_the_first_record_states_is_of_the_record_that_is_walked")]),
    ("prefix of what a pin saw", "src/ledger/authentic.rs", "if ⟦root != trusted.root⟧ {", "false", [(ATTACKS, "truncate_and_continue")]),
    ("size that a pin saw", "src/ledger/authentic.rs", "if ⟦state.head.size < size⟧ {", "false", [(ATTACKS, "tail_deletion_detected")]),
    ("prefix of what witnesses saw", "src/verification/checkpoints.rs", "root == *checkpoint.root()", "true",
     [(ATTACKS, "recompute_contradicts_receipt")]),
    ("hashes of index pages", "src/ledger/lookup.rs", "sha256(&[&bytes]) != *hash || page.height() != height", "page.height() != height",
     [(ATTACKS, "hidden_newest_version_and_hidden_revocation"), SIMULATION]),
    ("the hash of the keyring that the log names", "src/vault/genesis.rs", "sha256(&[&object]) == digest", "true",
     [(ATTACKS, "server_key_injection_rejected"), (ATTACKS, "keyring_rollback"), (ATTACKS, "escrow_auto_enrol_rejected")]),
    ("effects of heads", "src/vault/heads.rs", "head::effect(blind, &head.digest, content) == *effect", "true",
     [(ATTACKS, "one_version_one_head"), (ATTACKS, "metadata_swap_rejected")]),
    ("the key commitment before any chunk", "src/crypto/chunked/engine.rs", "bool::from(commitment.as_slice().ct_eq(committed))", "true",
     [("chunked", "p02_a_salamander_opens_under_one_key_only"), (ATTACKS, "envelope_swap_two_keys")]),
    ("the stack that the KEM has used", "src/crypto/stack.rs", "⟦overwrite::<REACHED>()⟧;", "()", [(LIB, "what_work_has_left_is_written_over")]),
    ("what others did before a record was answered", "src/session/mod.rs", "if ⟦looked.is_due(self.vault.now())⟧ {", "false",
     [(ATTACKS, "what_is_on_record_and_answered_late_is_not_given_after_an_erasure")]),
    ("what a deposit's claim proves", "src/intake/bundle/evidence.rs", "(Some(claim), Some(Origin::Deposit { request, deposit, .. })) if ⟦submitted⟧ =>", "true",
     [("bundle", "what_was_taken_in_is_not_approved_by_that")]),
    ("what is behind a deposit's files", "src/intake/bundle/evidence.rs", "⟦answers⟧ && claim.pages", "true",
     [("bundle", "no_file_is_slipped_behind_those_that_came_by_a_link")]),
    ("what was attested of what is complete", "src/intake/bundle/verify.rs", "evidence::was_attested(requirement, template)", "true",
     [("bundle", "a_completion_does_not_rest_on_what_nobody_attested")]),
    ("how long a manifest says that is which is for no requirement", "src/intake/bundle/unpack.rs", "if ⟦arrived.len != other.bytes⟧ {", "false",
     [("bundle", "what_is_unpacked_is_what_the_manifest_tells_of")]),
    ("the request that a promise is of", "src/deposit/inbox.rs", "!promised || ⟦!promise.is_of(&self.descriptor)⟧", "false",
     [("deposits", "a_promise_by_another_request_of_its_number_opens_nothing")]),
    ("the deposit that a promised manifest is of", "src/deposit/inbox.rs",
     "(outline.request, outline.deposit) == (self.descriptor.request(), deposit)", "true",
     [("deposits", "a_promise_opens_no_manifest_of_another_deposit")]),
    ("the content of a deposit's record", "src/deposit/receipt.rs", "receipt.content.is_none_or(|content| content == claim.content_digest())",
     "true", [("deposits", "a_record_of_other_content_is_no_receipt_for_a_claim")]),
    ("the case of a deposit's receipt", "src/deposit/opened.rs", "⟦proven.claim.case == self.case()⟧", "true",
     [("deposits", "a_client_takes_no_receipt_of_another_case")]),
    ("the template that a case was opened with", "src/intake/bundle/verify.rs", "evidence::proves_claim(receipt, opened.as_bytes())", "true",
     [("bundle", "a_template_that_asks_for_less_is_not_the_one_it_was_opened_with")]),
    ("what a second reviewer says of dates", "src/intake/case/decide/review.rs", "said == (current.issued, current.valid_until)",
     "said.1.is_none() || said == (current.issued, current.valid_until)",
     [("intake", "two_people_approve_what_somebody_handed_in_and_with_the_same_dates")]),
    ("inboxes of a case whose erasure is asked for", "src/session/erasure.rs", "may have been lost.\n            ⟦self.vault.forget_case_key(case)⟧;", "()",
     [("deposits", "whoever_asks_what_an_erasure_is_worth_or_collects_gives_nothing_more_either")]),
    ("the other name of what is deleted", "src/storage/fs/mod.rs", "⟦temporary::delete_others(&self.temporary, &found)?⟧;", "()",
     [("storage_folder", "what_is_deleted_is_gone_under_its_temporary_name_too")]),
    ("the state that shows a grant", "src/session/deliveries.rs", "let state = ⟦if mode == Mode::Snapshot { &newest } else { state }⟧;", "state",
     [("following", "a_snapshot_is_of_the_versions_that_stood_when_its_grant_was_made")]),
    ("finished pages of an upload that goes on", "src/transfer/upload/recovery.rs", "⟦upload.find_finished().await?⟧;", "()",
     [("copy", "an_upload_does_not_go_on_where_its_finished_pages_are_not")]),
    ("heads in the way of a copy", "src/copy/records.rs", "if ⟦there.is_some_and(|head| head.is_ok_and(|head| opens_all(vault, head)))⟧ {", "is_there",
     [("copy", "a_head_that_was_never_published_is_not_taken_for_the_versions")]),
    ("content of heads in the way of a copy", "src/copy/records.rs", "head.is_ok_and(|head| ⟦opens_all(vault, head)⟧)", "true",
     [("copy", "a_head_that_an_interrupted_copy_left_is_opened_with_all_that_it_holds")]),
    ("a byte behind long metadata", "src/vault/heads.rs", "Some(0..⟦needed.0.saturating_add(1)⟧)", "needed.0",
     [(ATTACKS, "p10_nothing_follows_the_long_head_of_a_case")]),
    ("lines about statements", "src/intake/bundle/verify.rs", "line.states(says)", "true", [("bundle", "lines_do_not_contradict_receipts")]),
    ("refusals of deposits for what has changed since", "src/intake/desk/submit.rs", "handed_in.digest()", "ContentDigest::of(b\"\")",
     [("intake", "what_is_there_already_is_answered_too")]),
    ("digests of parts", "src/transfer/source.rs", "described.has(index, digest)", "true", [(ATTACKS, "one_version_one_plaintext")]),
    ("outlines of ranges", "src/transfer/range.rs", "whole && page.holds(part.index, content)", "whole",
     [(ATTACKS, "one_range_one_plaintext")]),
    ("one text for whatever is wrong with content", "src/transfer/source.rs",
     "let digest = part.open(&Rope::new(sealed), content, padded).map_err(|OpenError| ⟦self.corrupt()⟧)?;", 'Error::corrupt("a chunk")',
     [(ATTACKS, "error_oracle_indistinct")]),
    ("one text for what a range is opened by", "src/transfer/source.rs",
     "let opener = Arc::new(opener.map_err(|OpenError| ⟦self.corrupt()⟧)?);", 'Error::corrupt("an outline")',
     [(ATTACKS, "error_oracle_indistinct")]),
    ("one text for whatever is wrong with a delivery", "src/transfer/opened.rs",
     "self.open_item(item, &sealed_meta).map_err(|OpenError| ⟦malformed()⟧)", 'Error::corrupt("an item")', [(ATTACKS, "error_oracle_of_deliveries_indistinct")]),
    ("the number that an answer is shown under", "src/deposit/answer.rs", "usize::from(said) != number", "false",
     [(ATTACKS, "an_old_answer_is_not_the_newest")]),
    ("the row that a kept version is of", "src/vault/heads.rs",
     "(case, object, operation) == (document.case(), *document.own(), row.operation)\n            && self.effect() == row.effect",
     "(case, object) == (document.case(), *document.own())",
     [("vault", "p22_a_range_is_of_the_newest_version_whoever_stored_it")]),
    ("the root that each commit claims, from the first on", "src/ledger/verify.rs", "frontier.root() != *commit.root()", "false",
     [(LIB, "a_false_root_within_is_found_by_who_begins_at_the_first_record")]),
    ("the tree that a change of keys was signed with", "src/ledger/authentic.rs", "size <= after || ⟦root != *commit.root()⟧", "false",
     [(LIB, "a_change_of_keys_is_of_the_tree_that_the_old_key_signed")]),
    ("the whole previous hash of a commit that is read by its name", "src/ledger/commits.rs", "*next.previous() == head.hash", "true",
     [(LIB, "a_commit_follows_by_the_whole_hash_before_it")]),
    ("the whole previous hash of a commit that is taken in", "src/ledger/follow.rs", "*commit.previous() == state.head.hash", "true",
     [(LIB, "a_commit_follows_by_the_whole_hash_before_it")]),
    ("the hash of a manifest", "src/ledger/lookup.rs", "if ⟦sha256(&[&bytes]) != *digest⟧ || manifest.covered()", "false",
     [(LIB, "a_manifest_is_the_one_that_is_named")]),
    ("tiles that a fold goes on from", "src/ledger/tiles.rs", "⟦check(&roots, frontier)?⟧;", "()",
     [("folding", "a_fold_writes_no_tile_that_begins_with_a_false_one")]),
    ("records of the tail that are read back", "src/ledger/records.rs", "Some(hash) if ⟦hash == last.hash⟧ =>", "true",
     [(ATTACKS, "a_commit_that_lost_its_race_is_not_read_for_one_of_the_tail")]),
    ("records of rows that are read back", "src/ledger/records.rs", "row.is_some_and(|row| ⟦row.leaf == record.hash⟧)", "true",
     [(ATTACKS, "a_commit_that_lost_its_race_is_not_read_for_what_its_operation_became")]),
    ("the record that a row is about", "src/vault/records.rs", "record.hash == row.leaf", "true",
     [(ATTACKS, "a_reason_in_a_commit_that_lost_its_race_was_given_by_nobody")]),
    ("that the first record is the log's", "src/verification/checkpoints.rs", "claimed.vault == state.vault && ⟦root == claimed.root⟧", "true",
     [("checkpoints", "a_first_record_that_is_not_the_logs_names_no_signer_of_checkpoints")]),
    ("that a keyring's key is the log's", "src/vault/keyrings.rs", "loaded.signer.verifying_key() == state.log_key.key", "true",
     [(LIB, "a_keyring_that_signs_by_another_key_than_the_logs_signs_nothing")]),
    ("a wrap that came first", "src/vault/cases.rs", "is_ok_and(|there| ⟦is_same(&there, &key)⟧)", "true",
     [(LIB, "a_wrap_that_came_first_has_to_hold_the_cases_key")]),
    ("padding of content that is zero", "src/transfer/part.rs", "padding.iter().any(|byte| *byte != 0)", "false",
     [(ATTACKS, "p16_content_that_is_not_padded_with_zeros_is_refused"), KIT]),
    ("the probe before the first commit", "src/storage/probe.rs", "⟦contest(storage, &names).await⟧;", "Ok(())",
     [(ATTACKS, "overwriting_backend_refused")]),
    ("a new attempt for each run of an upload", "src/transfer/upload.rs",
     "let attempt = ⟦random(session.vault().ledger().entropy())?⟧;", "target.key.id", [(ATTACKS, "resume_changed_file_hidden_part")]),
    ("the fence before garbage is deleted", "src/session/collect.rs",
     "self.condemn(case, operation, GivenUp::Expired).await", "{ let _ = GivenUp::Expired; Ok::<Result<()>, crate::error::Error>(Ok(())) }",
     [(ATTACKS, "gc_then_late_commit"), SIMULATION]),
    ("epochs that a rotation drops", "src/vault/keyring.rs", "⟦keys.drop_old_epochs()⟧;\n        let dropped", "()",
     [(ATTACKS, "old_wraps_open_nothing_after_a_rotation")]),
    ("slots that a rekeying leaves out", "src/vault/keyring.rs", "⟦keys.remove_slot(&old)⟧;\n            before.push", "false",
     [(ATTACKS, "who_has_a_leaked_root_key_is_shut_out_at_once")]),
    ("fresh signing keys of a rekeying", "src/vault/keyring.rs",
     "⟦keys.rotate_signing(self.ledger().entropy())?⟧;\n        Ok(Change", "()",
     [(ATTACKS, "who_has_a_leaked_root_key_is_shut_out_at_once")]),
    ("the head that proves a case's key", "src/vault/cases.rs", "self.proves_case_key(case, row, &key).await", "{ drop(row); Ok::<_, Error>(()) }",
     [(LIB, "a_wrap_under_an_epoch_that_is_to_be_dropped_has_to_be_the_cases")]),
    ("keys that a vault never changes", "src/vault/keyrings.rs", "!⟦are_of_one_vault(&opened.keys, &known.keys)⟧", "true",
     [(LIB, "keys_of_a_thiefs_making_are_not_carried_on")]),
    ("the keyring that a process began with", "src/vault/replacing.rs", "⟦self.prove_keyring(from).await?⟧;", "()",
     [(LIB, "keys_of_a_thiefs_making_are_not_carried_on")]),
    ("the audit key that a process began with", "src/vault/replacing.rs",
     "_ => ⟦body::open(self.id(), &record.leaf, &keys.audit, sealed).is_ok()⟧,", "true",
     [(LIB, "keys_of_a_thiefs_making_are_not_carried_on")]),
    ("a keyring that was opened slowly", "src/vault/keyrings.rs", "if ⟦now.loaded.digest == *known⟧ {", "true",
     [("hand_over", "a_keyring_that_is_opened_slowly_does_not_come_back")]),
    ("one key for an epoch", "src/vault/keyrings.rs", "other.epoch_key(epoch).is_none_or(|other| is_same(key, other))", "{ let _ = (epoch, key); true }",
     [(LIB, "keys_of_a_thiefs_making_are_not_carried_on")]),
    ("signing epoch and epochs of a keyring", "src/vault/genesis.rs", "if ⟦began⟧ {", "true",
     [(LIB, "keys_of_a_thiefs_making_are_not_carried_on")]),
    ("padding of content", "src/padding.rs", "len.checked_ilog2()", "None", [(ATTACKS, "length_classes")]),
    ("the wiping of keys", "src/secret.rs", "⟦self.0.zeroize()⟧;", "()", [("memory", "no_key_is_left_in_memory_when_a_vault_is_dropped")]),
    ("blinds of versions", "src/transfer/upload.rs", "blind: ⟦random(session.vault().ledger().entropy())?⟧,", "[0; 32]",
     [(ATTACKS, "leaf_reveals_no_guess")]),
    ("a keyring with a slot", "src/keyring.rs", "if ⟦slots.is_empty()⟧ || !slots", "false", [(LIB, "empty_key_list_rejected")]),
    ("a keyring with an epoch", "src/keyring.rs", "&& ⟦!epochs.is_empty()⟧;", "true", [(LIB, "empty_key_list_rejected")]),
    # By recipients, carriers and senders.
    ("a version with a page", "src/document.rs", "if ⟦pages.is_empty()⟧\n", "false", [(ATTACKS, "empty_lists_in_a_delivery_are_rejected")]),
    ("a request with a slot", "src/deposit/descriptor.rs", "if ⟦header.slots.is_empty()⟧ ||", "false",
     [(ATTACKS, "empty_lists_of_a_request_are_rejected")]),
    ("revocations before a delivery", "src/policy.rs", 'Err(Error::denied(format!("grant {grant} was revoked at {at}")))',
     "{ let _ = at; Ok(()) }", [(ATTACKS, "share_key_reinsert"), (ATTACKS, "hidden_newest_version_and_hidden_revocation")]),
    ("newest versions in a following delivery", "src/plan/grants.rs", "*newest != self.newest_in(view, newest.len()).await?", "false",
     [("following", "a_following_delivery_is_of_the_log_that_its_record_follows")]),
    ("the log's time beside a clock's", "src/policy.rs", "self.own.max(self.log) >= end", "self.own >= end",
     [(ATTACKS, "clock_regression_refused")]),
    ("signatures of deliveries", "src/transfer/opened.rs",
     "key.verify(schedule::SIGN_DELIVERY, w.as_slice(), signature).map_err(|_| malformed())", "{ let _ = (key, &w, signature); Ok(()) }",
     [(ATTACKS, "recipient_cannot_forge_for_other"), (ATTACKS, "delivery_from_unknown_sender")]),
    ("terms of the grant in a delivery", "src/transfer/opened.rs",
     "contents.terms.info(&grant, &envelope.recipient) != envelope.info", "false", [KIT]),
    ("metadata that a delivery's manifest names", "src/transfer/opened.rs", "sha256(&[sealed_meta]) != item.meta", "false",
     [(ATTACKS, "one_version_one_head")]),
    ("digests of delivered parts", "src/transfer/opened/document.rs", "!described.has(index, digest)", "false",
     [(ATTACKS, "one_version_one_plaintext")]),
    ("the recipient that a grant's record names", "src/vault/heads.rs", "if ⟦to_another⟧ {", "false", [KIT]),
    ("fingerprints of recipients", "src/recipient.rs", "bool::from(given.as_bytes().ct_eq(self.characters().as_bytes()))", "true",
     [(ATTACKS, "recipient_key_substitution")]),
    ("manifests that a promise is for", "src/deposit/inbox.rs",
     "manifest.digest() == *promise.manifest_digest()", "true",
     [("deposits", "a_promise_opens_no_other_manifest_of_its_deposit")]),
    ("the request's hash in a link", "src/deposit/opened.rs", "descriptor.digest() != link.descriptor_digest()", "false",
     [(ATTACKS, "intake_key_substitution")]),
    # Evidence, and the order of things.
    ("inclusion of a receipt's record", "src/receipt.rs",
     "proof::verify_inclusion(&hash, self.leaf.seq, head.size(), &self.proof, head.root())\n            .map_err(ReceiptError::Inclusion)?",
     "{ let _ = (&hash, &head); }", [(LIB, "each_check_that_fails_is_named")]),
    ("quorum of witnesses", "src/log/trust.rs", "self.is_quorum(&witnesses)", "true", [("receipts", "a_receipt_needs_a_quorum_and_a_checkpoint_that_reaches_it")]),
    ("reads on record before release", "src/auditor.rs", "self.put_on_record(LogReading::Records, 0..u64::MAX).await?",
     "self.verifier.ledger().sync().await?.head.size",
     [("auditor", "reading_the_log_is_on_the_log")]),
    ("that a commit is taken in once", "src/ledger/writer.rs",
     "if ⟦sealed.first() == Some(state.head.size)⟧ {\n            Arc::make_mut", "sealed.first().is_some()", [("side_by_side", "a_commit_that_a_sync_meets_is_taken_into_the_state_once")]),
    ("the previous hash in names of commits", "src/storage/layout.rs", "!first, Hex(⟦prefix(previous)⟧)", "&[0; 16][..]", [SIMULATION]),
    ("reading a name that is taken", "src/ledger/writer.rs", "Ok(Creation::Created) => return Settled::Won,\n",
     "Ok(Creation::Created) => return Settled::Won,\n"
     "Ok(Creation::Exists) if SWITCH => return Settled::Failed(Error::new(ErrorKind::Contended, \"lost\")),\n", [SIMULATION, FAULTS]),
    ("the manifest that a fold began from", "src/ledger/draft.rs", "state.unloaded().is_none() && state.manifest == self.base",
     "state.manifest.covered() < self.covered", [("folding", "a_fold_follows_the_index_that_it_began_from_or_none")]),
    ("that a fold is named once", "src/ledger/draft.rs", "state.unloaded().is_none() && state.manifest == self.base", "true",
     [("folding", "of_two_who_fold_the_same_one_writes_an_index_record")]),
    ("a look at the log when a fold finds its index gone", "src/ledger/writer.rs", "self.superseded(&self.state()).await?", "false",
     [("folding", "a_fold_that_has_to_be_goes_on_from_the_index_that_has_superseded_its_own")]),
    ("wake-ups that meet a poll", "src/ledger/driven.rs", "polled.is_ready() || ⟦waiting.is_woken()⟧", "false",
     [("driven", "who_stays_is_woken_when_the_other_leaves")]),
    ("that an end is told without the work's lock", "src/ledger/driven.rs", "!⟦job.waiting.has_ended()⟧",
     "job.future.try_lock().is_ok_and(|future| future.is_none())",
     [("driven", "who_waits_for_a_piece_that_has_ended_is_woken_whoever_comes_then")]),
    ("a name that a killed process may not have synced", "src/storage/fs/mod.rs", "if ⟦names_of(found) < 2⟧ {", "true",
     [("cut_short", "an_object_whose_writer_did_not_end_is_made_durable_when_it_is_read")]),
    ("the pin that is kept beside an older one", "src/vault/options.rs", "filter(|kept| ⟦kept != pin⟧)", "{ let _ = kept; false }",
     [("pins", "an_old_pin_opens_no_log_that_ends_before_the_pin_that_is_kept")]),
    ("what was held back of a page", "src/session/browse.rs", "if ⟦looked.is_due(self.vault.now())⟧ {", "false",
     [(ATTACKS, "a_page_that_is_held_back_gives_no_name_of_a_case_that_was_erased_meanwhile")]),
    ("who made the key of a case that is not known", "src/session/collect.rs", "unknown && ⟦self.vault.made_case(case, operation).await?⟧", "true",
     [("housekeeping", "a_name_that_was_planted_costs_no_case_its_key")]),
    ("the tree that a walk makes", "src/ledger/authentic.rs", "if ⟦walked.frontier.as_ref() == Some(&state.frontier)⟧ {", "true",
     [(LIB, "a_last_commit_that_is_shown_with_two_roots_opens_with_neither")]),
    ("the pinned tree of a log that is walked from its start", "src/ledger/authentic.rs", "if ⟦walked.frontier.as_ref().is_none_or(|tree| tree.root() != root)⟧ {", "false",
     [(LIB, "a_log_that_lost_its_tiles_opens_by_every_commit_and_a_false_tree_of_it_does_not")]),
    ("the newest key of a log, at a witness", "src/witness.rs", "self.logs.check_last_key(&note)?", "self.logs.check_log(&note)?",
     [(LIB, "a_superseded_key_of_a_log_gets_no_cosignature")]),
    ("a conflict of two roots of one size, at a witness", "src/witness.rs", "new.size == seen.size && new.root != seen.root", "false",
     [(LIB, "witness_refuses_rollback")]),
    ("one manifest of a deposit", "src/deposit/depositor.rs", "*self.finished.get_or_init(|| made) != made", "false",
     [("deposits", "a_deposit_is_finished_once")]),
    ("commits that stay after a fold", "src/session/collect.rs", "self.collect_tiles(&mut report).await?",
     "{ self.collect_tiles(&mut report).await?;\n"
     "let covered = self.vault.ledger().state().manifest.covered();\n"
     "for key in self.vault.ledger().storage().list(layout::LOG, None, 1000).await? {\n"
     "if layout::first_of_commit(&key).is_some_and(|first| first < covered) { self.vault.ledger().storage().delete(&key).await?; }\n} }",
     [SIMULATION]),
]

def switch(name):
    return f'std::env::var_os("DOCVAULT_WITHOUT").is_some_and(|without| without == {json.dumps(name)})'

def put_in(name, file, text, instead):
    path = place / file
    whole = path.read_text()
    before, marked, after = ("", text, "") if "⟦" not in text else (*text.split("⟦")[:1], *text.split("⟦")[1].split("⟧"))
    if whole.count(before + marked + after) != 1:
        sys.exit(f"{name}: {file} no longer holds the check once; bring this script up to date")
    if "SWITCH" in instead:
        gated = instead.replace("SWITCH", switch(name))
    else:
        gated = f"(if {switch(name)} {{ {instead} }} else {{ {marked} }})"
    path.write_text(whole.replace(before + marked + after, before + gated + after))

def cargo(binary, *arguments, without=None):
    target = ["--lib"] if binary == LIB else ["--test", binary]
    command = ["cargo", "test", "--quiet", "--profile", PROFILE, "--features", "testing,intake", *target, "--", *arguments]
    environment = {**os.environ, **({"DOCVAULT_WITHOUT": without} if without else {})}
    run = subprocess.run(command, cwd=place, capture_output=True, text=True, env=environment)
    if "could not compile" in run.stderr:
        sys.exit(run.stderr)
    return run.stdout + run.stderr

def whole_name(binary, name):
    listed = (line.removesuffix(": test") for line in cargo(binary, "--list", name).splitlines() if line.endswith(": test"))
    found = [test for test in listed if test.split("::")[-1] == name]
    if len(found) != 1:
        sys.exit(f"{len(found)} tests of {binary} are called {name}")
    return found[0]

MODULES = {module for file in (place / "src").rglob("*.rs")
           for module in re.findall(r"#\[cfg\(test\)\]\n(?:pub\(crate\) )?mod (\w+);", file.read_text())}

def is_in_a_test(at):
    """Of a panic's place."""
    file, line = at.split(":")[:2]
    if not file.startswith("src/"):
        return file.startswith("tests/")
    before = (place / file).read_text().splitlines()[: int(line)]
    return not MODULES.isdisjoint(pathlib.Path(file).with_suffix("").parts) or any(
        line.startswith(("#[cfg(test)]", "#[cfg(all(test,")) for line in before)

def test(binary, whole, without=None):
    """Whether that one test passes, whether it fails, and what it says, or a simulation found."""
    lines = cargo(binary, "--exact", whole, without=without).splitlines()
    said = [(at.split(" panicked at ")[1], line) for at, line in zip(lines, lines[1:]) if " panicked at " in at]
    said = [f"{at} {line}"[:240] for at, line in said if is_in_a_test(at)]
    passed = any(line.startswith("test result: ok. 1 passed") for line in lines)
    failed = any(line.startswith("test result: FAILED. 0 passed; 1 failed") for line in lines)
    return passed, failed, said[:1] + [line[:200] for line in lines if line.startswith("operation ")]

for name, file, text, instead, _ in CONTROLS:
    put_in(name, file, text, instead)
if words == ["--check"]:
    print(f"{len(CONTROLS)} checks stand where they can be taken out")
    sys.exit()
chosen = [(name, *test) for name, _, _, _, tests in CONTROLS for test in tests if any(word in name or word in test[1] for word in words)]
whole = {}
for binary, part in dict.fromkeys((binary, part) for _, binary, part in chosen):
    whole[binary, part] = whole_name(binary, part)
    if not test(binary, whole[binary, part])[0]:
        sys.exit(f"{part} fails with every check in place")
missed = 0
for name, binary, part in chosen:
    _, failed, found = test(binary, whole[binary, part], without=name)
    noticed = failed and bool(found)
    print(f"without {name}: {'noticed' if noticed else 'NOT NOTICED'} by {part}", flush=True)
    for line in found:
        print(f"    {line}", flush=True)
    missed += not noticed
print(f"{len(chosen)} times a check was taken out, {missed} not noticed")
sys.exit(missed > 0)
PY
