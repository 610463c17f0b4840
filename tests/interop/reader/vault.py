"""The whole vault: every record folded into cases, documents, grants; every object it commits to opened."""

from dataclasses import dataclass, field

from blake3 import blake3

from . import bodies, heads, keys
from .delivery import fingerprint_text, recipient_fingerprint
from .heads import CaseMeta, GrantMeta, OpenHead, VersionMeta
from .kinds import Fields
from .log import ZERO16, Leaf, Log
from .names import Folder
from .seal import context, sha256
from .wire import refuse, require

Json = dict[str, object]


@dataclass
class Grant:
    leaf: Leaf
    head: OpenHead[GrantMeta]
    revoked: bool = False
    deliveries: list[Leaf] = field(default_factory=list)


@dataclass
class Case:
    leaf: Leaf
    key: bytes
    head: OpenHead[CaseMeta]
    closed: bool = False
    documents: dict[bytes, list[tuple[Leaf, OpenHead[VersionMeta]]]] = field(default_factory=dict)
    grants: dict[bytes, Grant] = field(default_factory=dict)
    newest_statement: bytes = ZERO16
    statements: list[Json] = field(default_factory=list)


class Vault:
    """State is a fold over the log: one method per kind that changes it."""

    def __init__(self, folder: Folder, log: Log, keyring: keys.Keyring):
        self.folder, self.log, self.keyring = folder, log, keyring
        self.id = log.genesis.vault
        self.cases: dict[bytes, Case] = {}
        self.erased = {leaf.case: leaf for leaf in reversed(list(log.of_kind("CaseErased")))}
        self.audit = [self.record(leaf, body) for leaf, body in zip(log.leaves, log.bodies)]

    def record(self, leaf: Leaf, body: bytes) -> Json:
        """Applies one record and opens its body."""
        apply = self.check_erased if leaf.case in self.erased else getattr(self, f"apply_{leaf.kind.name}", None)
        if apply:
            apply(leaf)
        entry: Json = {"seq": leaf.seq, "kind": leaf.kind.name, "time": leaf.time, "operation": leaf.operation.hex(),
                       "case": leaf.case.hex(), "object": leaf.object.hex(), "effect": leaf.effect.hex(), **printable(leaf.aux)}
        return {**entry, **self.open_body(leaf, body)} if leaf.kind.sealed else entry

    def open_body(self, leaf: Leaf, body: bytes) -> Json:
        outer = bodies.open_outer(self.keyring.audit_key, self.id, leaf, body)
        sealed = leaf.kind.personal and leaf.case not in self.erased
        personal = bodies.open_inner(self.case(leaf).key, self.id, leaf, outer) if sealed else {}
        if sealed and leaf.kind.name == "Stated":
            self.add_statement(leaf, outer.details["topic"], personal)
        return {"actor": outer.actor, "stated_purpose": outer.purpose, "request": outer.request,
                **printable(outer.details), **printable(personal)}

    def check_erased(self, leaf: Leaf) -> None:
        """Of a case erased later, heads and inner bodies do not open; after that, nothing is about it."""
        erased = self.erased[leaf.case]
        require(leaf.seq <= erased.seq, f"record {leaf.seq}: its case was erased")
        if leaf is erased:
            turns = [by for by in self.log.of_kind("CaseOpened", "CaseClosed", "CaseReopened") if by.case == leaf.case]
            require(bool(turns) and turns[-1].kind.name == "CaseClosed", f"record {leaf.seq}: its case is not closed")
            follows = (turns[0].operation, turns[0].effect) == (leaf.aux["opened"], leaf.effect)
            require(follows, f"record {leaf.seq}: does not follow from its case")

    def case(self, leaf: Leaf) -> Case:
        require(leaf.case in self.cases, f"record {leaf.seq}: its case was never opened")
        return self.cases[leaf.case]

    def apply_CaseOpened(self, leaf: Leaf) -> None:
        require(leaf.case not in self.cases, f"record {leaf.seq}: the case exists")
        key = keys.case_key(self.folder, self.id, self.keyring, leaf.case)
        self.cases[leaf.case] = Case(leaf, key, heads.open_head(self.folder, self.id, key, leaf, heads.parse_case))

    def apply_CaseClosed(self, leaf: Leaf) -> None:
        self.turn(leaf, closed=True)

    def apply_CaseReopened(self, leaf: Leaf) -> None:
        self.turn(leaf, closed=False)

    def turn(self, leaf: Leaf, closed: bool) -> None:
        case = self.case(leaf)
        opened = (leaf.aux["opened"], leaf.effect) == (case.leaf.operation, case.leaf.effect)
        require(opened and case.closed != closed, f"record {leaf.seq}: does not follow from its case")
        case.closed = closed

    def apply_Stored(self, leaf: Leaf) -> None:
        case = self.case(leaf)
        versions = case.documents.setdefault(leaf.object, [])
        previous = versions[-1][0].operation if versions else ZERO16
        follows = (leaf.aux["previous"], leaf.aux["ordinal"]) == (previous, len(versions) + 1)
        require(follows, f"record {leaf.seq}: does not follow the version before it")
        versions.append((leaf, heads.open_head(self.folder, self.id, case.key, leaf, heads.parse_version)))

    def apply_Granted(self, leaf: Leaf) -> None:
        case = self.case(leaf)
        head = heads.open_head(self.folder, self.id, case.key, leaf, heads.parse_grant)
        fingerprint = recipient_fingerprint(head.meta.recipient)
        require(leaf.aux["recipient"] == fingerprint, f"record {leaf.seq}: not the recipient of its head")
        case.grants[leaf.operation] = Grant(leaf, head)

    def grant(self, leaf: Leaf) -> Grant:
        grant = self.case(leaf).grants.get(leaf.aux["grant"])
        if grant is None or grant.leaf.object != leaf.object:
            refuse(f"record {leaf.seq}: no such grant")
        return grant

    def apply_Stated(self, leaf: Leaf) -> None:
        case = self.case(leaf)
        require(leaf.aux["previous"] == case.newest_statement, f"record {leaf.seq}: does not follow the statement before it")
        case.newest_statement = leaf.operation

    def add_statement(self, leaf: Leaf, topic: str, said: Fields) -> None:
        """§7.3: the claim and the content's digest are what the effect commits to."""
        effect = context("effect", said["blind"], sha256(said["claim"]), said["digest"])
        require(leaf.effect == effect, f"record {leaf.seq}: not the effect of its claim")
        self.case(leaf).statements.append({"topic": topic, **printable({k: said[k] for k in ("digest", "claim", "payload")})})

    def apply_Delivered(self, leaf: Leaf) -> None:
        self.grant(leaf).deliveries.append(leaf)

    def apply_Revoked(self, leaf: Leaf) -> None:
        grant = self.grant(leaf)
        require(leaf.effect == grant.leaf.effect and not grant.revoked, f"record {leaf.seq}: does not follow from its grant")
        grant.revoked = True

    def cases_json(self) -> list[Json]:
        return [self.case_json(case) for case in self.cases.values()]

    def case_json(self, case: Case) -> Json:
        return {
            "id": case.leaf.case.hex(), "title": case.head.meta.title, "attributes": dict(case.head.meta.attributes),
            "closed": case.closed,
            "documents": [self.document_json(id_, versions) for id_, versions in case.documents.items()],
            "grants": [grant_json(grant) for grant in case.grants.values()],
            "statements": case.statements,
        }

    def document_json(self, id_: bytes, versions: list[tuple[Leaf, OpenHead[VersionMeta]]]) -> Json:
        return {"id": id_.hex(), "versions": [self.version_json(leaf, head) for leaf, head in versions]}

    def version_json(self, leaf: Leaf, head: OpenHead[VersionMeta]) -> Json:
        """Opens the content, every page of it."""
        pages = heads.open_version(head.ids, head.key, head.meta, heads.from_folder(self.folder, head.ids, head.inline))
        return {"id": leaf.operation.hex(), "ordinal": leaf.aux["ordinal"], **content_json(head.meta, pages)}


def content_json(meta: VersionMeta, pages: list[bytes]) -> Json:
    """The digest is computed from the content that was opened."""
    digest = heads.content_digest([blake3(page).digest() for page in pages])
    return {"name": meta.name, "media_type": meta.media_type, "attributes": dict(meta.attributes), "digest": digest.hex(),
            "pages": pages_json(meta.pages, pages)}


def pages_json(kept: list[heads.Page], opened: list[bytes]) -> list[Json]:
    return [{"length": len(content), "digest": blake3(content).hexdigest(), "storage": page.storage, "runs": len(page.runs),
             "sha256": page.sha256 and page.sha256.hex()}
            for page, content in zip(kept, opened)]


def grant_json(grant: Grant) -> Json:
    meta = grant.head.meta
    return {"id": grant.leaf.operation.hex(), "object": grant.leaf.object.hex(), "revoked": grant.revoked,
            "recipient": fingerprint_text(recipient_fingerprint(meta.recipient)), **terms_json(meta.terms),
            "deliveries": [leaf.operation.hex() for leaf in grant.deliveries]}


def terms_json(terms: heads.Terms) -> Json:
    return {"mode": terms.mode, "purpose": terms.purpose, "not_before": terms.not_before, "until": terms.until,
            "floor": terms.floor}


def printable(fields: Fields) -> Json:
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in fields.items()}
