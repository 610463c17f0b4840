"""FORMAT §10.2: trust policies, c2sp.org/tlog-policy. Which checkpoints are believed."""

import re
from dataclasses import dataclass, field

from . import wire
from .note import COSIGNATURE, ED25519, ML_DSA_COSIGNATURE, Checkpoint, VerifierKey, decoded, has_signed, parse_verifier_key
from .wire import refuse, require

CAP_POLICY, CAP_LINES = 256 * wire.KIB, 1024
NONE = "none"


@dataclass(frozen=True)
class Group:
    threshold: int
    members: list[str]


@dataclass
class Policy:
    """Witnesses and groups share their names; each group names what was defined above it."""

    logs: list[VerifierKey] = field(default_factory=list)
    witnesses: dict[str, VerifierKey] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    quorum: str | None = None

    def believe(self, checkpoint: Checkpoint) -> list[str]:
        """Gives the names of the witnesses that have cosigned, or refuses."""
        logs = [key for key in self.logs if key.name == checkpoint.origin]
        signed = [has_signed(key, checkpoint.note) for key in logs]
        require(any(signed), "checkpoint: signed by no log of the policy")
        cosigned = [name for name, key in self.witnesses.items() if has_signed(key, checkpoint.note)]
        require(self.met_by(cosigned), "checkpoint: its quorum has not cosigned it")
        return cosigned

    def met_by(self, cosigned: list[str]) -> bool:
        met = {NONE, *cosigned}
        for name, group in self.groups.items():
            if len(met.intersection(group.members)) >= group.threshold:
                met.add(name)
        return self.quorum in met

    def define(self, name: str) -> str:
        require(name != NONE and name not in self.witnesses and name not in self.groups, f"policy: {name} is defined before")
        return name

    def defined(self, name: str) -> str:
        require(name in self.witnesses or name in self.groups, f"policy: {name} is not defined above")
        return name


def parse_policy(data: bytes) -> Policy:
    require(len(data) <= CAP_POLICY, "policy: too large")
    text = decoded(data, "policy")
    require(all(c in "\t\n" or (c >= " " and c != "\x7f") for c in text), "policy: a control character")
    lines = [line.strip(" \t") for line in text.split("\n")]
    lines = [line for line in lines if line and not line.startswith("#")]
    require(len(lines) <= CAP_LINES, f"policy: {len(lines)} lines")
    policy = Policy()
    for line in lines:
        word, *items = re.split("[ \t]+", line)
        parse = LINES.get(word) or refuse(f"policy: an unknown line, {word}")
        parse(policy, items)
    require(policy.quorum is not None, "policy: no quorum")
    return policy


def log_line(policy: Policy, items: list[str]) -> None:
    """`log <key> [<url>]`."""
    require(len(items) in (1, 2), "policy: a log is a key and a URL")
    add_key(policy.logs, items[0], ED25519)


def witness_line(policy: Policy, items: list[str]) -> None:
    """`witness <name> <key> [<url>]`."""
    require(len(items) in (2, 3), "policy: a witness is a name, a key and a URL")
    policy.define(items[0])
    policy.witnesses[items[0]] = add_key(list(policy.witnesses.values()), items[1], COSIGNATURE)


def add_key(known: list[VerifierKey], text: str, type_: int) -> VerifierKey:
    key = parse_verifier_key(text)
    require(key.type in (type_, ML_DSA_COSIGNATURE), f"policy: {key.name} has a key of another type")
    require(all(other.key != key.key for other in known), f"policy: the key of {key.name} stands there twice")
    known.append(key)
    return key


def group_line(policy: Policy, items: list[str]) -> None:
    """`group <name> all|any|<k> <name>…`; everything is a member of one group at most."""
    require(len(items) >= 3, "policy: a group is a name, a number and members")
    name, number, *members = items
    policy.define(name)
    taken = [member for group in policy.groups.values() for member in group.members]
    for at, member in enumerate(members):
        require(policy.defined(member) not in [*taken, *members[:at]], f"policy: {member} is in two groups")
    threshold = {"all": len(members), "any": 1}.get(number) or threshold_of(number)
    require(threshold <= len(members), f"policy: {name} asks for more than it has")
    policy.groups[name] = Group(threshold, members)


def threshold_of(number: str) -> int:
    require(re.fullmatch("[1-9][0-9]{0,3}", number) is not None, f"policy: {number} is not a number of members")
    return int(number)


def quorum_line(policy: Policy, items: list[str]) -> None:
    """`quorum <name>|none`."""
    require(len(items) == 1 and policy.quorum is None, "policy: one quorum, of one name")
    policy.quorum = items[0] if items[0] == NONE else policy.defined(items[0])


LINES = {"log": log_line, "witness": witness_line, "group": group_line, "quorum": quorum_line}
