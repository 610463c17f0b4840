"""FORMAT §5: the log. Leaves, commits, the chain, the Merkle tree, signatures."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from . import names, wire
from .kinds import Fields, Has, Kind, kind_of
from .seal import context, sha256, verify
from .wire import Reader, parse, refuse, require, u32, u64

LEAF, ZERO16, ZERO32 = 280, bytes(16), bytes(32)
UNSEALED, INNER = 1, 2


@dataclass(frozen=True)
class Leaf:
    kind: Kind
    number: int
    flags: int
    position: int
    seq: int
    time: int
    previous: bytes
    case: bytes
    object: bytes
    auxiliary: bytes
    operation: bytes
    epoch: int
    body_commitment: bytes
    effect: bytes
    state_root: bytes
    hash: bytes
    aux: Fields


def parse_leaf(data: bytes) -> Leaf:
    """§5.1, in the order of its offsets."""
    r = Reader(data, "leaf")
    r.magic(b"dvlr")
    number, flags = r.u16(), r.u16()
    r.zeros(2)
    position = r.u16()
    r.zeros(2)
    seq, time, previous = r.u64(), r.u64(), r.take(32)
    r.what = f"record {seq}"
    case, object_, auxiliary, operation = r.take(16), r.take(16), r.take(32), r.take(16)
    epoch, _process, body, effect, state_root = r.u32(), r.take(12), r.take(32), r.take(32), r.take(32)
    r.zeros(24)
    r.end()
    kind = kind_of(number, r.what)
    leaf = Leaf(kind, number, flags, position, seq, time, previous, case, object_, auxiliary, operation, epoch,
                body, effect, state_root, sha256(b"\x00" + data), parse_auxiliary(kind, auxiliary, r.what))
    check_leaf(leaf, r.what)
    return leaf


def parse_auxiliary(kind: Kind, auxiliary: bytes, what: str) -> Fields:
    r = Reader(auxiliary, f"{what}, auxiliary")
    fields = kind.auxiliary(r)
    r.zeros(len(auxiliary) - r.at)
    return fields


def check_leaf(leaf: Leaf, what: str) -> None:
    """§5.2: which fields a kind sets, and which are zeros."""
    kind = leaf.kind
    flags = (0 if kind.sealed else UNSEALED) | (INNER if kind.personal else 0)
    require(leaf.flags == flags, f"{what}: flags {leaf.flags} are not those of {kind.name}")
    present(leaf.case, kind.case, f"{what}, case")
    present(leaf.object, kind.object, f"{what}, object")
    present(leaf.effect, Has.YES if kind.effect else Has.NO, f"{what}, effect")
    present(leaf.state_root, Has.YES if kind.state_root else Has.NO, f"{what}, state root")
    present(leaf.operation, Has.YES, f"{what}, operation")
    require(leaf.epoch >= 1, f"{what}: signing epoch 0")


def present(value: bytes, has: Has, what: str) -> None:
    require(has is Has.MAYBE or any(value) == (has is Has.YES), f"{what}: {'missing' if has is Has.YES else 'not zero'}")


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right)


class Tree:
    """The RFC 6962 §2.1 tree, as the roots of its perfect subtrees, largest first."""

    def __init__(self, leaves: list[bytes] | None = None):
        self.size = 0
        self.frontier: list[bytes] = []
        for leaf in leaves or []:
            self.append(leaf)

    def append(self, leaf_hash: bytes) -> None:
        self.frontier.append(leaf_hash)
        self.size += 1
        carries = (self.size & -self.size).bit_length() - 1
        for _ in range(carries):
            right, left = self.frontier.pop(), self.frontier.pop()
            self.frontier.append(node(left, right))

    def root(self) -> bytes:
        root = self.frontier[-1]
        for left in reversed(self.frontier[:-1]):
            root = node(left, root)
        return root


@dataclass(frozen=True)
class Genesis:
    vault: bytes
    commit_key: bytes
    delivery_key: bytes
    checkpoint_key: bytes
    origin: str


def parse_genesis(leaf: Leaf, body: bytes) -> Genesis:
    """§5.4, the one body that is not sealed."""
    require(leaf.number == 1, "record 0 is not Genesis")
    r = Reader(body, "genesis")
    require(r.take(4) == b"dvgs", "genesis: wrong magic")
    settings = (r.u8(), r.u8(), r.u8(), r.u8(), r.u32(), r.u32())
    require(settings == (1, 1, 1, 1, 16384, wire.PART), f"genesis: unknown settings {settings}")
    genesis = Genesis(leaf.object, r.take(32), r.take(32), r.take(32), r.text(128))
    r.end()
    require(genesis.origin == f"docvault/{leaf.object.hex()}", "genesis: of another origin")
    return genesis


@dataclass(frozen=True)
class Signing:
    """§5.2: the keys of a signing epoch, which sign what follows the first `since` records."""

    epoch: int
    since: int
    commit_key: bytes
    checkpoint_key: bytes


@dataclass(frozen=True)
class Commit:
    first: int
    previous: bytes
    root_after: bytes
    nonce: bytes
    recent: list[bytes]
    leaves: list[bytes]
    bodies: bytes
    signature: bytes
    vault: bytes


def parse_commit(data: bytes, what: str) -> Commit:
    """§5.3."""
    r = Reader(data, what)
    r.magic(b"dvcm")
    r.zeros(2)
    vault, first, count, recent = r.take(16), r.u64(), r.u32(), r.u32()
    require(1 <= count <= wire.CAP_RECORDS, f"{what}: {count} records")
    require(recent <= min(wire.CAP_RECENT, first), f"{what}: {recent} recent leaves")
    previous, root_after, nonce, bodies = r.take(32), r.take(32), r.take(16), r.u32()
    leaves = [r.take(LEAF) for _ in range(recent + count)]
    commit = Commit(first, previous, root_after, nonce, leaves[:recent], leaves[recent:], r.take(bodies), r.take(64), vault)
    r.end()
    return commit


def split_bodies(commit: Commit, what: str) -> list[bytes]:
    return parse(commit.bodies, what, lambda r: [r.blob(wire.CAP_BODY) for _ in commit.leaves])


@dataclass
class Log:
    """The verified log: each record's leaf, body, and the commit that holds it."""

    genesis: Genesis
    signing: list[Signing]
    leaves: list[Leaf] = field(default_factory=list)
    encoded: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    commit_previous: list[bytes] = field(default_factory=list)
    tree: Tree = field(default_factory=Tree)
    commits: int = 0

    @property
    def head(self) -> bytes:
        return self.leaves[-1].hash if self.leaves else ZERO32

    def root_at(self, size: int) -> bytes:
        return Tree([leaf.hash for leaf in self.leaves[:size]]).root()

    def signing_at(self, size: int) -> Signing:
        return [keys for keys in self.signing if keys.since <= size][-1]

    def keyring_at(self, size: int) -> bytes:
        return [leaf.effect for leaf in self.of_kind("Genesis", "Keyring", "SigningKeys") if leaf.seq < size][-1]

    def of_kind(self, *kinds: str) -> Iterator[Leaf]:
        return (leaf for leaf in self.leaves if leaf.kind.name in kinds)


def read_log(folder: names.Folder) -> Log:
    """The whole log from genesis: numbers in names are inverted, so the first commit is listed last."""
    log: Log | None = None
    for name in reversed(list(folder.list("log"))):
        commit = parse_commit(folder.read(name, wire.CAP_COMMIT), name)
        bodies = split_bodies(commit, name)
        log = log or begin(parse_genesis(parse_leaf(commit.leaves[0]), bodies[0]))
        require(name == names.log_name(commit.first, commit.previous), f"{name}: not the name of this commit")
        apply_commit(log, commit, bodies, name)
    return log or refuse("the log is empty")


def begin(genesis: Genesis) -> Log:
    return Log(genesis, [Signing(1, 0, genesis.commit_key, genesis.checkpoint_key)])


def apply_commit(log: Log, commit: Commit, bodies: list[bytes], what: str) -> None:
    require(commit.vault == log.genesis.vault, f"{what}: of another vault")
    require(commit.first == len(log.leaves), f"{what}: record {len(log.leaves)} is missing")
    require(commit.previous == log.head, f"{what}: the chain is broken")
    check_recent(log, commit, what)
    for position, (data, body) in enumerate(zip(commit.leaves, bodies)):
        append(log, position, data, body)
        log.commit_previous.append(commit.previous[:16])
    require(log.tree.root() == commit.root_after, f"{what}: wrong root")
    check_signature(log, commit, what)
    rotate(log, commit.first, what)
    log.commits += 1


def append(log: Log, position: int, data: bytes, body: bytes) -> None:
    leaf = parse_leaf(data)
    what = f"record {len(log.leaves)}"
    require(leaf.seq == len(log.leaves) and leaf.position == position, f"{what}: wrong number or position")
    require(leaf.previous == log.head, f"{what}: the chain is broken")
    require(leaf.epoch == log.signing[-1].epoch, f"{what}: of signing epoch {leaf.epoch}")
    require((leaf.number == 1) == (leaf.seq == 0), f"{what}: Genesis is record 0 and no other")
    require(not log.leaves or leaf.time >= log.leaves[-1].time, f"{what}: time goes back")
    require(leaf.body_commitment == context("body", body), f"{what}: not the body committed to")
    log.leaves.append(leaf)
    log.encoded.append(data)
    log.bodies.append(body)
    log.tree.append(leaf.hash)


def check_recent(log: Log, commit: Commit, what: str) -> None:
    start = commit.first - len(commit.recent)
    require(commit.recent == log.encoded[start:], f"{what}: recent leaves are no copy")
    require(not commit.recent or log.leaves[start].position == 0, f"{what}: copies begin within a commit")


def check_signature(log: Log, commit: Commit, what: str) -> None:
    message = b"".join((log.genesis.vault, u64(commit.first), u32(len(commit.leaves)), commit.previous, u64(log.tree.size),
                        commit.root_after, log.head, sha256(commit.bodies), commit.nonce))
    verify(log.signing[-1].commit_key, "sign commit", message, commit.signature, what)


def rotate(log: Log, first: int, what: str) -> None:
    """§5.2: SigningKeys, the last of its commit, states the keys of what follows."""
    *others, last = log.leaves[first:]
    require(all(leaf.kind.name != "SigningKeys" for leaf in others), f"{what}: SigningKeys is not its last record")
    if last.kind.name == "SigningKeys":
        log.signing.append(Signing(last.epoch + 1, last.seq + 1, last.aux["commit_key"], last.state_root))
