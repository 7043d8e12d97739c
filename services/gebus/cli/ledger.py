"""run ledger, run witness, ledger: proof of every delivery, and what is needed to believe it."""

from __future__ import annotations

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from gebus.cli._lanes import AsJson, console
from gebus.cli._run import run_group
from gebus.kafka import Connection
from gebus.model.errors import GebusError, Stopped
from gebus.model.leaf import LEDGER_PRINCIPAL, Leaf
from gebus.model.receipt import Receipt, entity_tag

if TYPE_CHECKING:
    from gebus.ledger.audit import Report
    from gebus.ledger.verify_evidence import Checkpoint, VerifierKey

_LEDGER_URL, _WITNESS_URL = "http://127.0.0.1:9470", "http://127.0.0.1:9471"
_CHATTY = ("httpx", "kafka")
_PAUSE = 1.0

UrlOption = Annotated[str, typer.Option("--url", help="Where the ledger answers.")]
KeyOption = Annotated[
    str | None, typer.Option("--key", metavar="KEY", help="The ledger's key; that of this home, unless given.")
]
WitnessesOption = Annotated[
    list[str], typer.Option("--witness", metavar="KEY", help="A witness whose cosignature is demanded; repeatable.")
]


def register(app: typer.Typer) -> None:
    """Add this group to the command."""
    run = run_group(app)
    run.command("ledger")(run_ledger_command)
    run.command("witness")(run_witness_command)
    group = typer.Typer(no_args_is_help=True, help="Prove deliveries, and see that the ledger was not changed.")
    for name, command in (
        ("keys", keys), ("verify", verify), ("prove", prove), ("watch", watch), ("subject", subject),
    ):  # fmt: skip
        group.command(name)(command)
    app.add_typer(group, name="ledger")


def run_ledger_command(
    *,
    port: Annotated[int, typer.Option(min=1024, max=65_535, help="Where it answers, on 127.0.0.1.")] = 9470,
    metrics_port: Annotated[int | None, typer.Option(min=1024, max=65_535, help="Metrics, on 127.0.0.1.")] = None,
    witness: Annotated[
        list[str], typer.Option(metavar="KEY@URL", help="A witness to ask for cosignatures; repeatable.")
    ] = [],  # noqa: B006 - typer's form of an option that may be repeated
) -> None:
    """Append every delivery's leaf to the tree and sign its head each second, until Ctrl-C or SIGTERM.

    Its files are in $GEBUS_HOME/ledger, its key in $GEBUS_HOME/secrets. Nothing is lost, however it ends: leaves wait
    in Kafka. It ends with exit status 1 rather than sign what contradicts what was signed. Messages go to standard
    error.
    """
    _require_extra()
    from gebus.ledger.process import LedgerOptions, run_ledger

    _log_to_stderr()
    run_ledger(LedgerOptions(port=port, metrics_port=metrics_port, witnesses=tuple(witness)))


def run_witness_command(
    *,
    port: Annotated[int, typer.Option(min=1024, max=65_535, help="Where it answers, on 127.0.0.1.")] = 9471,
    directory: Annotated[
        Path | None, typer.Option(help="Its key and what it saw; $GEBUS_HOME/witness, unless given.")
    ] = None,
    name: Annotated[str, typer.Option(help="The name of a new key.")] = "gebus-witness",
    ledger: Annotated[
        list[str], typer.Option(metavar="KEY", help="A ledger to cosign; that of this home, unless given; repeatable.")
    ] = [],  # noqa: B006 - typer's form of an option that may be repeated
) -> None:
    """Cosign the ledger's heads, those alone that continue what it saw before, until Ctrl-C or SIGTERM.

    It needs no Kafka. Run it where the ledger's operator has no access, or it proves nothing against that operator.
    """
    _require_extra()
    from gebus.ledger.process import run_witness, witness_directory

    _log_to_stderr()
    run_witness(directory or witness_directory(), name, port, ledger)


def keys(
    *,
    for_ledger: Annotated[
        bool, typer.Option("--for-ledger", help="Only what `gebus run ledger --witness` takes.")
    ] = False,
    witness_url: Annotated[str, typer.Option(help="Where this home's witness answers.")] = _WITNESS_URL,
) -> None:
    """Print the public keys of this home's ledger and witness, which are made if needed."""
    _require_extra()
    from gebus.ledger import process

    signer = process.witness_signer(process.witness_directory(), "gebus-witness")
    if for_ledger:
        typer.echo(f"{signer.key}@{witness_url}")
        return
    for what, key in (("ledger", process.own_key()), ("witness", signer.key)):
        typer.echo(f"{what}: {key}\n  fingerprint {key.fingerprint.hex()}")


def verify(
    *,
    key: KeyOption = None,
    witness: WitnessesOption = [],  # noqa: B006 - typer's form of an option that may be repeated
    seen: Annotated[
        Path | None, typer.Option(help="A checkpoint that was kept: the ledger must continue it. Written anew if good.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Hold the whole ledger of this home against its topic, its checkpoint, and every head that anybody kept.

    Each leaf that was changed, dropped, added or reordered, each tile that is wrong, a tree that was cut, rolled back
    or forked is named. Exit status 1 if there is any.
    """
    _require_extra()
    report = _audited(_ledger_key(key), [_key(text, "--witness") for text in witness], seen)
    if as_json:
        typer.echo(json.dumps(_as_json(report), indent=2))
    else:
        _print(report)
    if not report.good:
        raise typer.Exit(1)
    if seen is not None and report.checkpoint is not None:
        seen.write_text(report.checkpoint.text)


def prove(
    receipt: Annotated[Path, typer.Argument(help="A file of receipts, as `gebus consume --receipts` writes it.")],
    *,
    out: Annotated[Path, typer.Option("-o", "--out", help="Where the evidence goes.")],
    line: Annotated[int, typer.Option(min=1, help="Which receipt of the file.")] = 1,
    url: UrlOption = _LEDGER_URL,
    key: KeyOption = None,
    witness: WitnessesOption = [],  # noqa: B006 - typer's form of an option that may be repeated
) -> None:
    """Make the evidence that a record was delivered: anyone can verify it offline, by one file of Python.

    The ledger is asked by the record's digest; the record does not leave this machine.
    """
    _require_extra()
    from gebus.ledger import verify_evidence
    from gebus.ledger.client import LedgerClient

    asked = _receipt(receipt, line)
    ledger = _ledger_key(key)
    with LedgerClient(url, ledger, [_key(text, "--witness") for text in witness]) as client:
        evidence = client.evidence(asked)
    out.write_text(json.dumps(evidence, ensure_ascii=False, indent=1) + "\n", "utf-8")
    where = Path(verify_evidence.__file__)
    typer.echo(f"{out}: evidence of line {line} of {receipt}; verify it anywhere, offline:")
    typer.echo(f"python {where} {out} --ledger {ledger} --record {receipt}")


def watch(
    *,
    url: UrlOption = _LEDGER_URL,
    key: KeyOption = None,
    witness: WitnessesOption = [],  # noqa: B006 - typer's form of an option that may be repeated
    most: Annotated[int | None, typer.Option(min=1, help="End after so many checkpoints.")] = None,
) -> None:
    """Follow the ledger's heads and hold each against the one before, until Ctrl-C.

    Exit status 1 as soon as one does not continue what was seen: the ledger was rolled back or forked.
    """
    _require_extra()
    from gebus.ledger.client import LedgerClient

    pause, last, shown = threading.Event(), None, 0
    with LedgerClient(url, _ledger_key(key), [_key(text, "--witness") for text in witness]) as client:
        while most is None or shown < most:
            head = client.checkpoint()
            if last is not None:
                client.require_growth(last, head)
            if last is None or head.text != last.text:
                typer.echo(_line(head))
                shown += 1
            last = head
            if most is None or shown < most:
                pause.wait(_PAUSE)


def subject(
    entity: Annotated[str, typer.Argument(help="The entity id, as records carry it; - reads it from standard input.")],
    *,
    feed: Annotated[str | None, typer.Option(metavar="CONSUMER/FEED", help="One feed alone.")] = None,
    most: Annotated[int, typer.Option(min=1, max=100_000, help="The newest so many.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """Show who received what about an entity, when, under which grant and mode, by this home's ledger."""
    _require_extra()
    entity = sys.stdin.readline().strip() if entity == "-" else entity
    rows = _subject(entity, feed, most)
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    if not rows:
        typer.echo("nothing was delivered about it")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("when", "feed", "records", "grant", "mode", "policy", "leaf"):
        table.add_column(column, no_wrap=column == "when")
    for row in rows:
        table.add_row(*(str(row[name]) for name in ("when", "feed", "records", "grant", "mode", "policy", "leaf")))
    console().print(table)


def _subject(entity: str, feed: str | None, most: int) -> list[dict[str, Any]]:
    from gebus.ledger.files import Directory
    from gebus.ledger.index import Index
    from gebus.ledger.process import ledger_directory
    from gebus.ledger.tiles import TiledTree

    index = Index(ledger_directory(), read_only=True)
    try:
        places, size = index.places(entity_tag(entity), feed, most=most), index.size
    finally:
        index.close()
    tree = TiledTree(Directory(ledger_directory()).read, size, str(ledger_directory()))
    rows = []
    for place in places:
        leaf = Leaf.decode(tree.leaf(place.number), f"leaf {place.number}")
        rows.append(
            {
                "when": datetime.fromtimestamp(leaf.at / 1000, UTC).isoformat(timespec="milliseconds"),
                "feed": place.feed,
                "records": place.records,
                "grant": leaf.grant,
                "mode": leaf.mode,
                "policy": leaf.policy,
                "leaf": place.number,
            }
        )
    return rows


def _audited(key: VerifierKey, witnesses: list[VerifierKey], seen: Path | None) -> Report:
    from gebus.ledger.audit import audit
    from gebus.ledger.files import Directory
    from gebus.ledger.heads import committed_leaves, kept_heads
    from gebus.ledger.process import ledger_directory

    connection = Connection.load(LEDGER_PRINCIPAL)
    heads = kept_heads(connection, key, seen)
    with committed_leaves(connection) as (trimmed, leaves):
        return audit(Directory(ledger_directory()), leaves, key, witnesses, heads, trimmed=trimmed)


def _ledger_key(text: str | None) -> VerifierKey:
    from gebus.ledger import process
    from gebus.ledger.notes import LEDGER_KEY, parse_key

    found = parse_key(text, LEDGER_KEY, "--key") if text else process.known_key(process.ledger_directory(), LEDGER_KEY)
    if found is None:
        raise Stopped(
            f"{process.ledger_directory()} has no ledger's key; give --key KEY, which `gebus ledger keys` prints where "
            "the ledger runs"
        )
    return found


def _key(text: str, what: str) -> VerifierKey:
    from gebus.ledger.notes import WITNESS_KEY, parse_key

    return parse_key(text, WITNESS_KEY, what)


def _receipt(path: Path, line: int) -> Receipt:
    try:
        with path.open(encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                if number == line:
                    return Receipt.decode(text, f"{path}:{line}")
    except (OSError, UnicodeDecodeError) as error:
        raise Stopped(f"{path} cannot be read: {error}") from None
    raise Stopped(f"{path} has no line {line}; each line is a receipt")


def _line(head: Checkpoint) -> str:
    stamps = [
        datetime.fromtimestamp(one.time, UTC).isoformat(timespec="seconds") for one in head.signatures if one.time
    ]
    cosigned = f", cosigned {', '.join(stamps)}" if stamps else ", no cosignature of a witness that was named"
    return f"{head.origin}: {head.size} leaves, root {head.root.hex()}{cosigned}"


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "good": report.good,
        "leaves": report.size,
        "behind": report.behind,
        "not_in_the_topic_any_more": report.first,
        "findings": [{"kind": one.kind, "place": one.place, "found": one.found} for one in report.findings],
    }


def _print(report: Report) -> None:
    for finding in report.findings:
        typer.echo(str(finding))
    if report.checkpoint is not None:
        typer.echo(_line(report.checkpoint))
    if report.behind:
        typer.echo(f"{report.behind} leaves more are in the topic; the next checkpoints will cover them")
    typer.echo(
        f"all {report.size} leaves are as they were delivered"
        if report.good
        else f"THE LEDGER WAS CHANGED: {len(report.findings)} findings above"
    )


def _log_to_stderr() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _require_extra() -> None:
    missing = [name for name in ("cryptography", "prometheus_client") if find_spec(name) is None]
    if missing:
        raise GebusError(
            f"{', '.join(missing)}: not installed; the ledger needs the extra `ledger`: pip install 'gebus[ledger]'"
        )
