"""Reads a vault, a delivery or a receipt and prints what it says as JSON, or refuses: `python -m reader --help`."""

import argparse
import json
import sys
from pathlib import Path

from . import delivery, heads, index, kept, keys
from .log import Log, read_log
from .names import Folder
from .policy import parse_policy
from .receipt import proven_json, verify_receipt
from .vault import Json, Vault, content_json, pages_json, terms_json
from .wire import Refused, refuse


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="reader", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    vault = commands.add_parser("vault", help="a vault in a folder")
    vault.add_argument("folder", type=Path)
    root = vault.add_mutually_exclusive_group(required=True)
    root.add_argument("--key", type=Path, help="local key file")
    root.add_argument("--passphrase", type=Path, help="file holding the passphrase, without a newline")
    vault.add_argument("--pin", type=Path)
    vault.add_argument("--checkpoint", type=Path)
    vault.add_argument("--token", type=Path, help="upload token")
    stream = commands.add_parser("delivery", help="a delivery, as its recipient")
    stream.add_argument("file", type=Path)
    stream.add_argument("--identity", type=Path, required=True)
    stream.add_argument("--sender", required=True, help="fingerprint")
    receipt = commands.add_parser("receipt", help="a receipt, offline")
    receipt.add_argument("file", type=Path)
    receipt.add_argument("--policy", type=Path, required=True)
    return parser.parse_args(given)


def read_vault(args: argparse.Namespace, folder: Folder) -> Json:
    """Nothing is opened before the whole log is verified, and the pin compared."""
    log = read_log(folder)
    evidence: Json = {}
    if args.pin:
        evidence["pin"] = kept.check_pin(args.pin.read_bytes(), log)
    if args.checkpoint:
        evidence["checkpoint"] = kept.check_checkpoint(args.checkpoint.read_bytes(), log)
    objects = len(list(folder.list()))
    root = keys.local_file(args.key.read_bytes()) if args.key else keys.passphrase(args.passphrase.read_bytes())
    vault = Vault(folder, log, keys.open_keyring(folder, log, root))
    if args.token:
        evidence["upload"] = read_upload(vault, args.token.read_bytes())
    return {**log_json(log), **evidence, "objects": objects, "keyring": keyring_json(vault.keyring), "cases": vault.cases_json(),
            "index": index.check_index(folder, log), "kept": kept.check_kept(folder, log), "audit": vault.audit}


def log_json(log: Log) -> Json:
    return {"vault": log.genesis.vault.hex(), "origin": log.genesis.origin, "records": len(log.leaves), "commits": log.commits,
            "signing_epoch": log.signing[-1].epoch, "newest": log.head.hex(), "root": log.tree.root().hex(),
            "sender": delivery.fingerprint_text(delivery.sender_fingerprint(log.genesis.vault, log.genesis.delivery_key))}


def keyring_json(keyring: keys.Keyring) -> Json:
    slots = [{"id": slot.id.hex(), "kind": slot.kind, "label": keyring.labels[slot.id]} for slot in keyring.slots]
    return {"epochs": list(keyring.epochs), "slots": slots}


def read_upload(vault: Vault, token: bytes) -> Json:
    """An unfinished upload: the pages that are finished, opened."""
    case = vault.cases.get(kept.token_case(token))
    if case is None:
        refuse("upload token: of no case of this vault")
    upload = kept.open_token(token, vault.id, case.key)
    fetch = heads.from_folder(vault.folder, upload.ids, b"")
    pages = [heads.open_page(upload.ids, upload.key, page, number, fetch) for number, page in enumerate(upload.pages)]
    return {"operation": upload.ids.operation.hex(), "name": upload.name, "media_type": upload.media_type,
            "attributes": dict(upload.attributes), "reason": upload.reason, "pages": pages_json(upload.pages, pages)}


def read_file(args: argparse.Namespace, data: bytes) -> Json:
    return (read_delivery if args.command == "delivery" else read_receipt)(args, data)


def read_delivery(args: argparse.Namespace, data: bytes) -> Json:
    opened = delivery.open_delivery(data, delivery.read_identity(args.identity.read_bytes()), args.sender)
    documents = [{"object": entry.object.hex(), "version": entry.version.hex(), **content_json(meta, pages)}
                 for entry, meta, pages in opened.documents]
    return {"vault": opened.vault.hex(), "operation": opened.operation.hex(), "grant": opened.grant.hex(),
            "case": opened.case.hex(), "object": opened.object.hex(), **terms_json(opened.terms), "time": opened.time, "effect": opened.effect.hex(),
            "documents": documents}


def read_receipt(args: argparse.Namespace, data: bytes) -> Json:
    return proven_json(verify_receipt(data, parse_policy(args.policy.read_bytes())))


def main() -> int:
    args = arguments()
    try:
        found = read_vault(args, Folder(args.folder)) if args.command == "vault" else read_file(args, args.file.read_bytes())
    except Refused as why:
        print(f"refused: {why}", file=sys.stderr)
        return 1
    json.dump(found, sys.stdout, ensure_ascii=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
