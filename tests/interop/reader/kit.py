"""Runs the files of `tests/kit`, every one: `python -m reader.kit FOLDER`."""

import base64
import hashlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import delivery, deposit, heads, hpke, index, keys
from .kept import PIN, check_kept, check_pin, open_token, token_case
from .log import read_log
from .names import KNOWN, NAME
from .note import ED25519, VerifierKey, decoded, has_signed, parse_checkpoint
from .policy import Policy, parse_policy
from .receipt import open_disclosure, verify_receipt
from .request import Request, link_root, open_request, parse_link, parse_request
from .seal import open_sealed, public_of, small_order, subkey
from .vault import Vault
from .wire import Reader, Refused, failing, refuse, require
from .witness import first_checkpoint


@dataclass(frozen=True)
class File:
    name: str
    fields: dict[str, list[str]]
    body: bytes

    def field(self, name: str) -> str:
        return self.fields[name][0]

    def hex(self, name: str) -> bytes:
        return bytes.fromhex(self.field(name))


def read(path: Path) -> File:
    head, _, body = path.read_text("utf-8").partition("\n\n")
    first, *lines = head.split("\n")
    require(first == "docvault kit 1", f"{path}: not a file of the kit")
    fields: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        fields.setdefault(name, []).append(value)
    return File(f"{path.parent.name}/{path.stem}", fields, base64.b64decode(body))


class Memory:
    """The objects of a vault, as `names.Folder` gives them."""

    def __init__(self, objects: dict[str, bytes]):
        self.objects = objects

    def read(self, name: str, cap: int) -> bytes:
        data = self.objects.get(name)
        if data is None:
            refuse(f"{name}: missing")
        require(len(data) <= cap, f"{name}: larger than {cap} bytes")
        return data

    def exists(self, name: str) -> bool:
        return name in self.objects

    def list(self, prefix: str = "") -> Iterator[str]:
        return iter(sorted(name for name in self.objects if name.startswith(prefix)))


def container(body: bytes) -> dict[str, bytes | None]:
    r, found = Reader(body, "container"), {}
    while r.at < len(body):
        name = r.blob(1024).decode()
        found[name] = r.optional(lambda: r.blob(2**32 - 1))
    return found


class Kit:
    def __init__(self, folder: Path):
        self.files = {file.name: file for file in map(read, sorted(folder.glob("*/*.kit")))}

    def vault_of(self, file: File, changes: dict[str, bytes | None]) -> tuple[Vault, Memory]:
        base = self.files[file.field("base")] if "base" in file.fields else file
        objects = {**container(base.body), **changes}
        folder = Memory({name: data for name, data in objects.items() if data is not None})
        for name in folder.list():
            require(KNOWN.fullmatch(name) is not None, f"{name}: not the name of an object")
        log = read_log(folder)
        said = {**base.fields, **file.fields}
        check_pin(said["pin"][0].encode(), log)
        root = keys.passphrase(file.hex("passphrase")) if "passphrase" in file.fields else local_key(said["root-key"][0])
        return Vault(folder, log, keys.open_keyring(folder, log, root)), folder

    def vault(self, file: File) -> bytes:
        vault, folder = self.vault_of(file, container(file.body) if "base" in file.fields else {})
        index.check_index(folder, vault.log)
        check_kept(folder, vault.log)
        contents: dict[bytes, bytes] = {}
        for case in vault.cases.values():
            for object_, versions in case.documents.items():
                for _, head in versions:
                    pages = heads.open_version(head.ids, head.key, head.meta, heads.from_folder(folder, head.ids, head.inline))
                    contents[case.leaf.case + object_] = b"".join(pages)
        return b"".join(contents[document] for document in sorted(contents))

    def upload(self, file: File) -> bytes:
        vault, folder = self.vault_of(file, {})
        about = token_case(file.body)
        with failing("not-found"):
            case = vault.cases.get(about) or refuse("upload token: of no case of this vault")
        upload = open_token(file.body, vault.id, case.key)
        fetch = heads.from_folder(folder, upload.ids, b"")
        for number, page in enumerate(upload.pages):
            heads.open_page(upload.ids, upload.key, page, number, fetch)
        return b""

    def request(self, file: File) -> Request:
        return parse_request(self.files[file.field("request")].body)

    def root(self, name: str) -> bytes:
        """The link's root of the request in a file."""
        file = self.files[name]
        return link_root(parse_request(file.body), parse_link(file.field("link")).secret, optional_hex(file, "passphrase"))

    def promise(self, file: File) -> bytes:
        deposit.verify_promise(file.body, self.request(file))
        return b""

    def deposit_receipt(self, file: File) -> bytes:
        deposit.verify_deposit_receipt(file.body, self.request(file), policy_of(file))
        return b""

    def journal_of(self, file: File) -> deposit.Journal:
        return deposit.open_journal(file.body, self.request(file), self.root(file.field("request")))

    def journal(self, file: File) -> bytes:
        self.journal_of(file)
        return b""

    def answer(self, file: File) -> bytes:
        deposit.open_answer(file.body, self.request(file), self.journal_of(self.files[file.field("journal")]))
        return b""

    def deposit_part(self, file: File) -> bytes:
        deposit.take_part(file.body, self.request_for(file), int(file.field("now")))
        return b""

    def deposit_manifest(self, file: File) -> bytes:
        objects = {name: data for name, data in container(file.body).items() if data is not None}
        request, now, manifest = self.request_for(file), int(file.field("now")), objects.pop("manifest")
        parts = [deposit.take_part(data, request, now) for data in objects.values()]
        deposit.take_manifest(manifest, {(part.page, part.number): part for part in parts}, request, now)
        return b""

    def request_for(self, file: File) -> Request:
        """A carrier takes a descriptor for its own key."""
        request = self.request(file)
        require(public_of(file.hex("carrier-key")) == request.carrier_key, "request: for another carrier")
        return request

    def inbox(self, file: File) -> bytes:
        """Everything follows from the case's key, so a descriptor in another's place is seen."""
        vault, _ = self.vault_of(self.files[file.field("base")], {})
        case = vault.cases[file.hex("case")]
        objects = Memory({name: data for name, data in container(file.body).items() if data is not None})
        about = vault.id, file.hex("case"), self.request(file).id
        seed = subkey(case.key, "seed of intake key", *about)
        request = parse_request(objects.read(f"deposit/{about[2].hex()}/request", 2**20))
        theirs = request.vault, request.id, request.delivery_key, request.intake_key
        require(theirs == (vault.id, about[2], vault.log.genesis.delivery_key, hpke.public_key(seed)), "inbox: another request")
        link_root(request, subkey(case.key, "secret of link", *about), None)
        pages: list[bytes] = []
        for name in objects.list(f"deposit/{about[2].hex()}/promise/"):
            promise = deposit.verify_promise(objects.read(name, 2**20), request)
            pages += deposit.open_deposit(objects, request, promise, seed)[1]
        return b"".join(pages)


def local_key(digits: str) -> keys.RootKey:
    return keys.local_file(f"docvault local key 1\n{digits}\n".encode())


def sealed(file: File) -> bytes:
    return open_sealed(file.hex("key"), file.hex("context"), file.body, file.name)


def delivered(file: File) -> bytes:
    opened = delivery.open_delivery(file.body, file.hex("identity"), file.field("fingerprint"))
    require(file.hex("sender")[:16] == opened.vault, "delivery: from another vault")
    return b"".join(page for _, _, pages in opened.documents for page in pages)


def pin(file: File) -> bytes:
    with failing("invalid"):
        match = PIN.fullmatch(decoded(file.body, "pin")) or refuse("not a pin")
        require(int(match[4]) < 2**64 and int(match[2]) < 2**32, "pin: too large a number")
        require(not small_order(bytes.fromhex(match[3])), "pin: a key of small order")
    return b""


def key_file(file: File) -> bytes:
    with failing("invalid"):
        read = keys.local_file if file.field("holds") == "root-key" else delivery.read_identity
        read(file.body)
    return b""


def recipient(file: File) -> bytes:
    with failing("invalid"):
        require(len(file.body) == 1216, "recipient: of another length")
        require(delivery.same_fingerprint(file.field("fingerprint"), delivery.recipient_fingerprint(file.body)), "another recipient")
    return b""


def sender(file: File) -> bytes:
    with failing("invalid"):
        require(len(file.body) == 48, "sender: of another length")
        fingerprint = delivery.sender_fingerprint(file.body[:16], file.body[16:])
        require(delivery.same_fingerprint(file.field("fingerprint"), fingerprint), "another sender")
    return b""


def policy_of(file: File) -> Policy:
    """A header line each, as the kit gives a policy that something is verified by."""
    return parse_policy("".join(line + "\n" for line in file.fields["policy"]).encode())


def optional_hex(file: File, name: str) -> bytes | None:
    return file.hex(name) if name in file.fields else None


def name(file: File) -> bytes:
    with failing("invalid"):
        require(NAME.fullmatch(decoded(file.body, "name")) is not None, "not the name of an object")
    return b""


def policy(file: File) -> bytes:
    with failing("invalid"):
        parse_policy(file.body)
    return b""


def checkpoint(file: File) -> bytes:
    with failing("invalid"):
        origin, found = file.field("origin"), parse_checkpoint(file.body)
        require(found.origin == origin, "checkpoint: of another origin")
        require(has_signed(VerifierKey(origin, ED25519, file.hex("key")), found.note), "checkpoint: not signed")
    return b""


def receipt(file: File) -> bytes:
    return verify_receipt(file.body, policy_of(file)).content or b""


def disclosure(file: File) -> bytes:
    return open_disclosure(file.body)[1].actor.encode()


def witness(file: File) -> bytes:
    first_checkpoint(file.body, policy_of(file))
    return b""


def link(file: File) -> bytes:
    with failing("invalid"):
        parse_link(decoded(file.body, "link"))
    return b""


def request(file: File) -> bytes:
    link_, passphrase = parse_link(file.field("link")), optional_hex(file, "passphrase")
    return open_request(file.body, link_, file.hex("sender"), int(file.field("now")), passphrase)[1].presentation


def wrong(file: File, run: Callable[[File], bytes] | None) -> str | None:
    """What is wrong with the answer to a file, if anything is: also that there is none."""
    expected = file.field("expect")
    if run is None:
        return "of a format that this reader does not know"
    try:
        released = run(file)
    except Refused as why:
        told = why.failure == expected
        return None if told else f"refused as {why.failure}, {why}, and is {expected}"
    if expected != "accept":
        return f"accepted, and is {expected}"
    digest = hashlib.sha256(released).hexdigest()
    stated = file.fields.get("released", [hashlib.sha256(b"").hexdigest()])[0]
    return None if digest == stated else f"{len(released)} other bytes are released"


def main(folder: Path) -> int:
    kit = Kit(folder)
    runs = {"sealed": sealed, "vault": kit.vault, "upload": kit.upload, "delivery": delivered, "pin": pin, "key-file": key_file,
            "recipient": recipient, "sender": sender, "name": name, "policy": policy, "checkpoint": checkpoint, "receipt": receipt,
            "disclosure": disclosure, "witness": witness, "link": link, "request": request, "deposit-part": kit.deposit_part,
            "deposit-manifest": kit.deposit_manifest, "inbox": kit.inbox, "promise": kit.promise, "journal": kit.journal,
            "deposit-receipt": kit.deposit_receipt, "answer": kit.answer}
    found = [(file.name, fault) for file in kit.files.values() if (fault := wrong(file, runs.get(file.field("object"))))]
    for file_name, fault in found:
        print(f"{file_name}: {fault}", file=sys.stderr)
    print(f"{len(kit.files) - len(found)} files are answered as they say")
    return 1 if found or not kit.files else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
