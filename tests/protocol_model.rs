//! The commit protocol, checked before it is coded: every interleaving of a small instance, with the storage faults of
//! the contract, crashes and races. Each negative control breaks one rule and has to be caught, so that no rule is there
//! by habit and no invariant is idle.
//!
//! `cargo test --test protocol_model -- --nocapture` prints states, times and the shortest trace of each control.

#[cfg(test)]
#[path = "protocol_model"]
mod model {
    pub(crate) mod checker;
    pub(crate) mod commit;
    pub(crate) mod folding;
    pub(crate) mod garbage;
    pub(crate) mod opening;
    pub(crate) mod pinned;
    pub(crate) mod rotation;
    pub(crate) mod shared_log;
    pub(crate) mod signing;
    pub(crate) mod tiles;
    pub(crate) mod turns;
}
#[cfg(test)]
use model::*;

#[cfg(test)]
mod commit_protocol {
    use super::{checker::*, commit::*};

    #[test]
    fn holds() {
        assert_holds("commit", &Commits::default());
    }

    #[test]
    fn controls_are_caught() {
        let d = Commits::default;
        let zombie = Commits { folded_commits_deleted: true, ..d() };
        assert_caught("commit objects deleted after folding", ONE_CHAIN, &zombie);
        assert_caught("Exists taken for lost", ONCE, &Commits { exists_means_lost: true, ..d() });
        assert_caught("fresh bytes after Unknown", ONCE, &Commits { fresh_bytes_on_retry: true, ..d() });
        let trusting = Commits { unknown_means_won: true, ..d() };
        assert_caught("Unknown taken for stored", ACKNOWLEDGED_STAYS, &trusting);
        assert_caught("a dropped driver forgets", ONCE, &Commits { dropped_driver_forgets: true, ..d() });
        let unfenced = Commits { outcome_without_fence: true, ..d() };
        assert_caught("outcome answered without a fence", DENIED_NEVER, &unfenced);
        let replanned = Commits { replans_after_unknown: true, ..d() };
        assert_caught("planned again after OutcomeUnknown", DENIED_NEVER, &replanned);
    }

    /// On a store that keeps the contract a bare sequence number would do; the hash is there for the store that was
    /// restored from a backup under running writers.
    #[test]
    fn hash_in_the_name_survives_a_restored_backup() {
        assert_holds("seq-only names, honest store", &Commits { seq_only_names: true, ..Commits::default() });
        let restored = Commits { backup_restored: true, ..Commits::default() };
        assert_holds("restored backup", &restored);
        assert_caught("seq-only log names", NO_SPLICE, &Commits { seq_only_names: true, ..restored });
    }
}

#[cfg(test)]
mod garbage_collection {
    use super::{checker::*, garbage::*};

    #[test]
    fn holds() {
        for (storers, collectors) in [(1, 2), (2, 1)] {
            assert_holds("garbage", &Garbage { storers, collectors, ..Garbage::default() });
        }
    }

    #[test]
    fn controls_are_caught() {
        let d = || Garbage { storers: 1, collectors: 1, ..Garbage::default() };
        assert_caught("collection by the clock alone", HEAD_STAYS, &Garbage { clock_only: true, ..d() });
        let ignores = Garbage { planning_ignores_condemned: true, ..d() };
        assert_caught("planning ignores Condemned", HEAD_STAYS, &ignores);
        let any = Garbage { any_commit_is_own: true, ..d() };
        assert_caught("another's commit taken for the storer's own", ANSWERS_TRUE, &any);
    }
}

#[cfg(test)]
mod index_folding {
    use super::{checker::*, folding::*};

    #[test]
    fn holds() {
        assert_holds("folding", &Folding::default());
        let three = Folding { records: 2, others: 0, folders: 3, ..Folding::default() };
        assert_holds("folding, three at once", &three);
    }

    #[test]
    fn controls_are_caught() {
        let d = Folding::default;
        let future = Folding { deletes_future_pages: true, ..d() };
        assert_caught("unreachable pages of future folds deleted", PAGES_STAY, &future);
        let trusts = Folding { trusts_earlier_folds: true, ..d() };
        assert_caught("a fold trusts that earlier folds wrote their pages", PAGES_STAY, &trusts);
        let planned = |planned| Folding { planned, ..d() };
        assert_caught("an index may go back", INDEX_GROWS, &planned(Planned::Anything));
        let stale = planned(Planned::AnyBefore);
        assert_caught("an index that began from another than the newest", TABLES_STAY, &stale);
        let pages = Folding { rewrites: true, ..planned(Planned::AnyBefore) };
        assert_caught("an index with tables of one that is superseded", PAGES_STAY, &pages);
    }

    /// It is enough for the pages that the tables taken over stand in the newest index, but tables are then rewritten whose
    /// range is the same.
    #[test]
    fn an_index_on_another_base_with_the_same_tables_loses_no_page() {
        let tables = || Folding { planned: Planned::OwnTables, ..Folding::default() };
        assert_caught("an index that rewrites a table", TABLES_STAY, &tables());
        assert_holds("folding, on its tables", &Folding { rewrites: true, ..tables() });
    }
}

#[cfg(test)]
mod anchored_opening {
    use super::{checker::*, opening::*};

    #[test]
    fn holds() {
        assert_holds("opening", &Opening::default());
    }

    #[test]
    fn controls_are_caught() {
        let d = Opening::default;
        let late = Opening { anchors_from_index_record: true, ..d() };
        assert_caught("anchors copy from the index record on", TAIL_EXACT, &late);
        let end = Opening { copies_from_anchor_end: true, ..d() };
        assert_caught("copies begin at the anchor's end", TAIL_EXACT, &end);
        assert_caught(
            "the beginning of the tail unchecked",
            TAMPERED,
            &Opening { begin_unchecked: true, ..d() },
        );
    }
}

#[cfg(test)]
mod key_rotation {
    use super::{checker::*, rotation::*};

    fn racing() -> Rotation {
        Rotation { rotators: 2, creators: 1, epochs: 3, ..Rotation::default() }
    }

    #[test]
    fn holds() {
        assert_holds("rotation, two rotators", &racing());
        assert_holds(
            "rotation, two cases",
            &Rotation { rotators: 1, creators: 2, epochs: 2, ..Rotation::default() },
        );
    }

    /// Listing the cases as of the keyring record and looking again at the drop cover for each other.
    #[test]
    fn listing_and_looking_again_are_each_enough() {
        let racing = || Rotation { epochs: 2, ..racing() };
        assert_holds(
            "drop unchecked, listed as of the record",
            &Rotation { drop_unchecked: true, ..racing() },
        );
        assert_holds(
            "listed before adding, drop checked",
            &Rotation { lists_before_adding: true, ..racing() },
        );
    }

    #[test]
    fn controls_are_caught() {
        let unchecked = Rotation { create_ignores_epoch: true, ..racing() };
        assert_caught("create_case does not compare the epoch", KEY_HELD, &unchecked);
        let stale = Rotation { drop_unchecked: true, lists_before_adding: true, ..racing() };
        assert_caught("an epoch dropped without looking at the cases again", KEY_HELD, &stale);
        let future = Rotation { cleans_unknown_epochs: true, ..racing() };
        assert_caught("key objects of epochs not yet known deleted", KEY_HELD, &future);
    }

    /// Deleting key objects does not fence a rotator whose write is under way; dropping every epoch that was held when
    /// the case was erased does.
    #[test]
    fn erasure_is_final_when_its_epochs_are_dropped() {
        let erasing =
            || Rotation { rotators: 1, creators: 1, epochs: 3, erases: true, ..Rotation::default() };
        assert_holds("erasure, final once its epochs are dropped", &erasing());
        let at_once = Rotation { deletion_taken_for_final: true, ..erasing() };
        assert_caught("deletion of key objects taken for final", ERASED_GONE, &at_once);
    }
}

#[cfg(test)]
mod signing_epochs {
    use super::{checker::*, signing::*};

    fn with(roles: &[Role]) -> Signing {
        Signing { roles: roles.to_vec(), ..Signing::default() }
    }

    #[test]
    fn hold() {
        assert_holds("signing, a change beside", &with(&[Role::Rotator, Role::Changer, Role::Writer]));
        assert_holds("signing, two rotators", &with(&[Role::Rotator, Role::Rotator, Role::Writer]));
        let late = Signing { late_writes: true, ..with(&[Role::Rotator, Role::Changer]) };
        assert_holds("signing, late keyring writes", &late);
    }

    #[test]
    fn controls_are_caught() {
        let one = || with(&[Role::Rotator, Role::Writer]);
        let own = Signing { signs_with_what_it_has: true, ..one() };
        assert_caught("a writer signs with the seed it has loaded", SIGNED_BY_PLACE, &own);
        let amid = Signing { change_amid_commit: true, ..one() };
        assert_caught("SigningKeys is not the last of its commit", SIGNED_BY_PLACE, &amid);
    }

    #[test]
    fn keyring_controls_are_caught() {
        let two = || with(&[Role::Rotator, Role::Changer]);
        let any = Signing { planned_on_any_keyring: true, ..two() };
        assert_caught("a change planned on any keyring", KEYRING_SIGNS, &any);
        let early = Signing { record_first: true, ..two() };
        assert_caught("the record before its keyring", KEYRING_STAYS, &early);
        let deletes = Signing { deletes_first: true, ..two() };
        assert_caught("the old keyring deleted before the record", KEYRING_STAYS, &deletes);
        let undecided = Signing { undecided_is_deleted: true, ..two() };
        assert_caught("the keyring of an undecided change deleted", KEYRING_STAYS, &undecided);
        let after = Signing { lists_after_record: true, ..two() };
        assert_caught("keyrings to delete listed after the record", KEYRING_STAYS, &after);
        let one = Signing { deletes_only_predecessor: true, ..two() };
        assert_caught("only the predecessor deleted", SUPERSEDED_GO, &one);
        let three = with(&[Role::Rotator, Role::Changer, Role::Writer]);
        let corrupt = Signing { missing_is_corrupt: true, ..three };
        assert_caught("a missing keyring taken for corrupt", FALSE_ALARM, &corrupt);
    }
}

#[cfg(test)]
mod pinned_opening {
    use super::{checker::*, pinned::*};

    #[test]
    fn holds() {
        assert_holds("opening with a pin", &Pinned::default());
    }

    #[test]
    fn controls_are_caught() {
        let d = Pinned::default;
        let by_epoch = Pinned { judges_by_epoch: true, ..d() };
        assert_caught("rolled back by the head's epoch alone", OPENS, &by_epoch);
        let included = Pinned { change_only_included: true, ..d() };
        assert_caught("the change of keys included instead of consistent", FORGED, &included);
        let unsigned = Pinned { change_unsigned: true, ..d() };
        assert_caught("a new key without the old key's signature", FORGED, &unsigned);
        assert_caught("the pin's tree unproven", FORGED, &Pinned { pin_unproven: true, ..d() });
        let genesis = Pinned { keys_from_genesis: true, ..d() };
        assert_caught("keys followed from the log's begin", FORGED, &genesis);
        assert_caught("a shorter log opens", ROLLED_BACK, &Pinned { shorter_opens: true, ..d() });
    }

    /// A pin from before a rotation vouches for what it pinned alone, once the old seed is known.
    #[test]
    fn superseded_seeds_sign_behind_older_pins() {
        let claim = Pinned { superseded_seeds_harmless: true, ..Pinned::default() };
        assert_caught("superseded seeds taken for harmless", FORGED, &claim);
    }
}

#[cfg(test)]
mod hash_tiles {
    use super::{checker::*, tiles::*};

    fn narrow() -> Tiles {
        Tiles { base: 2, folds: 3, ..Tiles::default() }
    }

    #[test]
    fn hold() {
        assert_holds("tiles", &Tiles { late_writes: true, reads: true, ..narrow() });
        assert_holds("tiles, three wide", &Tiles { base: 3, folds: 4, ..Tiles::default() });
        assert_holds("tiles, four levels", &Tiles { folds: 4, ..narrow() });
    }

    #[test]
    fn controls_are_caught() {
        let age = Tiles { collects_by_age: true, ..narrow() };
        assert_caught("tiles collected by age", TILES_STAY, &age);
        let width = Tiles { collects_by_width: true, base: 3, folds: 4, ..Tiles::default() };
        assert_caught("tiles collected by width alone", TILES_STAY, &width);
        let others = Tiles { collects_all_others: true, ..narrow() };
        assert_caught("tiles of folds still to come collected", TILES_STAY, &others);
        let equal = Tiles { collects_equal_ends: true, ..narrow() };
        assert_caught("tiles that end where the newest's end collected", TILES_STAY, &equal);
        let begun = Tiles { trusts_begun_folds: true, ..narrow() };
        assert_caught("a fold trusts that folds before it wrote their tiles", TILES_STAY, &begun);
        let last = Tiles { partial_tiles_last: true, ..narrow() };
        assert_caught("partial tiles after the Index record", TILES_STAY, &last);
        let corrupt = Tiles { missing_is_corrupt: true, reads: true, ..narrow() };
        assert_caught("a missing tile taken for corrupt", MISSES_HEAL, &corrupt);
    }
}

#[cfg(test)]
mod taking_turns {
    use super::{checker::*, turns::*};

    fn two() -> Turns {
        Turns { work: vec![2, 5], ..Turns::default() }
    }

    #[test]
    fn hold() {
        assert_holds("turns, two writers", &two());
        assert_holds("turns, three writers", &Turns { work: vec![1, 2, 2], ..Turns::default() });
        assert_holds(
            "turns, three that live",
            &Turns { work: vec![1, 2, 3], nobody_dies: true, ..Turns::default() },
        );
        let short =
            Turns { work: vec![1, 3, 3], nobody_dies: true, turns_are_short: true, ..Turns::default() };
        assert_holds("turns, three whose turns are short", &short);
    }

    #[test]
    fn controls_are_caught() {
        let any = Turns {
            work: vec![1, 3, 3],
            nobody_dies: true,
            turns_are_short: true,
            any_commit_ends_turn: true,
            ..Turns::default()
        };
        assert_caught("any commit taken for that of the first in line", NOT_LEFT_OUT, &any);
        let winners = Turns { winners_never_look: true, ..two() };
        assert_caught("only losers look at the line", NOT_LEFT_OUT, &winners);
        let dead = Turns { no_patience: true, ..two() };
        assert_caught("the dead are waited for", NO_WAIT_FOR_EVER, &dead);
        let outlive = Turns { turns_outlive_commits: true, no_patience: true, nobody_dies: true, ..two() };
        assert_caught("turns outlive their commits", NO_WAIT_FOR_EVER, &outlive);
    }
}
