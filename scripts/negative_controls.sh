#!/usr/bin/env bash
# Takes one check at a time out of a copy of the crate and sees that the test of its attack notices:
# a test that passes without the check it is for would prove nothing. With a word: only those whose name or test has it.
set -euo pipefail
cd "$(dirname "$0")/.."
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
git ls-files -z | xargs -0 cp --parents -t "$place"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target/controls}
python3 - "$place" "${1:-}" <<'PY'
import pathlib, subprocess, sys

place, word = pathlib.Path(sys.argv[1]), sys.argv[2]
# Whole vaults by the thousand: optimized.
SIMULATION = ["--release", "--test", "simulation", "no_seed_finds_a_violation"]
# Faults at every call of a script.
FAULTS = ["--release", "--test", "fault_exhaustion", "lose_nothing_acknowledged"]
# What is taken out; from which file; the text; what stands there instead; the test that must fail.
CONTROLS = [
    ("commit signatures", "src/log/commit.rs",
     "key.key.verify(schedule::SIGN_COMMIT, &statement, &self.signature).map_err(|_| Malformed)",
     "{ let _ = statement; Ok(()) }", ["--lib", "reseal_old_with_new_key"]),
    ("roots of opened logs", "src/ledger/open.rs",
     "if state.frontier.root() == root { Ok(state) }", "if root.len() == 32 { Ok(state) }", ["--lib", "linear_tail_fake"]),
    ("prefix of what a pin saw", "src/ledger/open.rs",
     "if root != trusted.root {", "if false && root != trusted.root {", ["--test", "attacks", "truncate_and_continue"]),
    ("size that a pin saw", "src/ledger/open.rs",
     "if state.head.size < size {", "if false && state.head.size < size {", ["--test", "attacks", "tail_deletion_detected"]),
    ("prefix of what witnesses saw", "src/verification/checkpoints.rs",
     "if root == *checkpoint.root() {", "if root.len() == 32 {", ["--test", "attacks", "recompute_contradicts_receipt"]),
    ("inclusion of a receipt's record", "src/receipt.rs",
     "    proof::verify_inclusion(&hash, self.leaf.seq, head.size(), &self.proof, head.root())\n            .map_err(ReceiptError::Inclusion)?;",
     "    let _ = (hash, head);", ["--lib", "receipt::"]),
    ("quorum of witnesses", "src/log/trust.rs",
     "if self.is_quorum(&witnesses) {", "if self.is_quorum(&witnesses) || true {",
     ["--test", "receipts", "a_receipt_needs_a_quorum"]),
    ("reads on record before release", "src/auditor.rs",
     "self.put_on_record(LogReading::Records, 0..state.head.size).await?;", "", ["--test", "auditor", "reading_the_log"]),
    ("that a commit is taken in once", "src/ledger/writer.rs",
     "if attempt.sealed.first() == Some(state.head.size) {\n            Arc::make_mut", "if attempt.sealed.first().is_some() {\n            Arc::make_mut",
     ["--test", "side_by_side", "taken_into_the_state_once"]),
    ("the previous hash in names of commits", "src/storage/layout.rs",
     'format!("{LOG}{:016x}-{}", !first, Hex(prefix(previous)))', 'format!("{LOG}{:016x}-{}", !first, Hex(prefix(&previous.map(|_| 0))))',
     SIMULATION),
    ("reading a name that is taken", "src/ledger/writer.rs",
     "Ok(Creation::Created) => return Settled::Won,\n",
     "Ok(Creation::Created) => return Settled::Won,\n"
     "Ok(Creation::Exists) => return Settled::Failed(Error::new(ErrorKind::Contended, \"lost\")),\n", SIMULATION),
    ("commits that stay after a fold", "src/session/collect.rs",
     "self.collect_tiles(&mut report).await?;",
     "self.collect_tiles(&mut report).await?;\n"
     "let covered = self.vault.ledger().state().manifest.covered();\n"
     "for key in self.vault.ledger().storage().list(layout::LOG, None, LISTED).await? {\n"
     "if layout::first_of_commit(&key).is_some_and(|first| first < covered) { self.vault.ledger().storage().delete(&key).await?; }\n}",
     SIMULATION),
    ("the fence before garbage is deleted", "src/session/collect.rs",
     "if self.unless_denied(self.condemn(case, operation, GivenUp::Expired).await)? {", "if GivenUp::Expired == GivenUp::Expired {",
     SIMULATION),
    ("hashes of index pages", "src/ledger/lookup.rs",
     "if sha256(&[&bytes]) != *hash || page.height() != height {", "if page.height() != height {", SIMULATION),
    ("the tail's signature", "src/log/commit.rs",
     "key.key.verify(schedule::SIGN_COMMIT, &statement, &self.signature).map_err(|_| Malformed)",
     "{ let _ = statement; Ok(()) }", SIMULATION),
]
chosen = [control for control in CONTROLS if word in control[0] or word in control[4]]

found = []

def test(arguments):
    command = ["cargo", "test", "--quiet", "--all-features", *arguments[:-1], arguments[-1]]
    run = subprocess.run(command, cwd=place, capture_output=True, text=True)
    output = run.stdout + run.stderr
    found.extend(line for line in output.splitlines() if "finds a violation" in line or line.startswith("operation "))
    if "could not compile" in output:
        sys.exit(output)
    if not any(line.startswith("running ") and not line.startswith("running 0 ") for line in output.splitlines()):
        sys.exit(f"no test is called {arguments[-1]}")
    return run.returncode == 0

failed = 0
for name, file, text, instead, arguments in chosen:
    path = place / file
    whole = path.read_text()
    if whole.count(text) != 1:
        sys.exit(f"{name}: {file} no longer holds the check once; bring this script up to date")
    path.write_text(whole.replace(text, instead))
    noticed = not test(arguments)
    path.write_text(whole)
    print(f"without {name}: {'noticed' if noticed else 'NOT NOTICED'} by {arguments[-1]}", flush=True)
    for line in found:
        print(f"    {line[:200]}", flush=True)
    found.clear()
    failed += not noticed
print(f"{len(chosen)} checks taken out, {failed} not noticed")
sys.exit(failed > 0)
PY
