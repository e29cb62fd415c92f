"""The commands about people's rights: erase, trace, verify, unblock."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cli.commands.options import stack_option
from cli.on_stack.erase import (
    find,
    new_request,
    read_list,
    submit,
    summary,
    trace,
    under_way,
    unmatched,
)
from cli.on_stack.stack import Stack, open_stack
from cli.on_stack.status import wait_until_finished
from cli.terminal.say import say, say_json
from darkroom.erasure import block_list, certificate
from darkroom.erasure.block_list import BlockList
from darkroom.erasure.request import ErasureRequest, Selector
from darkroom.errors import DarkroomError, ObjectNotFoundError, UsageError
from darkroom.layout import ERASURES, erasure_certificate
from darkroom.printable import printable
from functions.runs.records import RunRecord, State
from functions.runs.wording import as_json, words


@click.command()
@click.option("--key", "keys", multiple=True, help="An object key; may be repeated.")
@click.option("--prefix", help="All keys that start so.")
@click.option("--batch", help="All of a batch.")
@click.option("--content", "contents", multiple=True, metavar="SHA256",
              help="Every image with this content; may be repeated.")  # fmt: skip
@click.option("--list", "list_file", type=click.Path(path_type=Path),
              help="A file of keys: one a line, or a JSON list.")  # fmt: skip
@click.option("--why", default="", help="For the certificate: a case number, no names of people.")
@click.option("--keep-copies", is_flag=True,
              help="Leave images under other keys, be they the same picture.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--wait/--no-wait", "waits", default=True, help="Until the certificate is there.")
@stack_option
def erase(
    keys: tuple[str, ...],
    prefix: str | None,
    batch: str | None,
    contents: tuple[str, ...],
    list_file: Path | None,
    why: str,
    keep_copies: bool,
    dry_run: bool,
    yes: bool,
    waits: bool,
    stack_name: str,
) -> None:
    """Erase images everywhere, with all copies of the same content, and prove it.

    Their uploads in all versions, every row and line about them, their share in the principal
    components. What has the same content may not come in again (see `darkroom unblock`).
    """
    listed = read_list(list_file) if list_file else ()
    asked = new_request(_selector(keys, prefix, batch, contents, listed), why, keep_copies)
    stack = open_stack(stack_name)
    if dry_run or not yes:
        found = find(stack, asked)
        say("\n".join(summary(found)))
        for name in unmatched(asked, found)[:20]:
            say(f"nothing is held of {name!r}")
        if busy := under_way(stack):
            say(f"runs are under way; what they write goes too: {', '.join(map(printable, busy))}")
        if dry_run:
            say("\n".join(f"  {printable(key)}" for key in sorted(found.keys)))
            return
        click.confirm("Erase all this for good?", abort=True)
    _carry_out(stack, asked, waits)


def _selector(
    keys: tuple[str, ...],
    prefix: str | None,
    batch: str | None,
    contents: tuple[str, ...],
    listed: tuple[str, ...],
) -> Selector:
    candidates = (
        Selector("keys", keys),
        Selector("keys", listed),
        Selector("prefix", (prefix,) if prefix is not None else ()),
        Selector("batch", (batch,) if batch is not None else ()),
        Selector("content", tuple(content.lower() for content in contents)),
    )
    given = [selector for selector in candidates if selector.values]
    if len(given) != 1:
        raise UsageError(
            f"say what to erase by {'only ' if given else ''}one of --key, --prefix, --batch, "
            "--content, --list"
        )
    given[0].check()
    return given[0]


def _carry_out(stack: Stack, asked: ErasureRequest, waits: bool) -> None:
    record = submit(stack, asked)
    where = f"{stack.results.uri}/{erasure_certificate(asked.id)}"
    say(f"request {asked.id}, in erasure {record.run}; its certificate will be {where}")
    say(f"salt {asked.salt}: keep it if you want to show which keys the certificate is "
               "about. It is kept nowhere else once they are erased.")  # fmt: skip
    if not waits:
        return
    try:
        done = wait_until_finished(
            stack, ERASURES, record.run, lambda r: say(f"  {_words(stack, r)}")
        )
    except KeyboardInterrupt as stop:
        raise DarkroomError("the erasure goes on; `darkroom erasures` says how it stands") from stop
    if done.state == State.FAILED:
        raise DarkroomError(f"erasure {done.run} failed: {done.reason}")
    say(f"{_removed(_certificate(stack, asked.id))}; looked for everywhere once more: {where}")


def _certificate(stack: Stack, name: str) -> dict[str, Any]:
    """By a file, the id of a request, or the address of the object."""
    if Path(name).is_file():
        return certificate.unpack(Path(name).read_bytes())
    number = name.rpartition("/")[2].removesuffix(".json")
    try:
        return certificate.unpack(stack.results.read(erasure_certificate(number)))
    except ObjectNotFoundError as error:
        raise UsageError(
            f"{name} is neither a file nor a request that is done: `darkroom erasures` lists them"
        ) from error


def _removed(told: Mapping[str, Any]) -> str:
    counts = ", ".join(
        f"{place.replace('_', ' ')} {count}" for place, count in told["removed"].items() if count
    )
    left = told.get("left", [])
    if not told["images"] and not left:
        return "nothing was held of what was asked for"
    rest = f"; {len(left)} names could NOT be erased" if left else ""
    return f"{len(told['images'])} files erased ({counts}){rest}"


def _words(stack: Stack, record: RunRecord) -> str:
    return words(record, stack.closing_rules)


@click.command("trace")
@click.argument("key")
@click.option("--json", "for_programs", is_flag=True, help="For programs.")
@stack_option
def trace_command(key: str, for_programs: bool, stack_name: str) -> None:
    """Say every place that holds something of the image under KEY, copies of it included."""
    found = trace(open_stack(stack_name), key)
    if for_programs:
        say_json([asdict(place) for place in found])
    elif not found:
        say(f"nothing is held of {key}")
    for place in [] if for_programs else found:
        where, what = printable(place.where), printable(place.what)
        say(f"{place.place:12} {where}\n{'':12} {what}")


@click.command()
@click.argument("certificate_file", metavar="CERTIFICATE")
@click.option("--key", help="Also say whether the certificate is about this object key ...")
@click.option("--salt", help="... by the salt that `darkroom erase` gave.")
@stack_option
def verify(certificate_file: str, key: str | None, salt: str | None, stack_name: str) -> None:
    """Check that an erasure CERTIFICATE (a file, or the id of a request) is genuine."""
    if (key is None) != (salt is None):
        raise UsageError("--key and --salt belong together: `darkroom erase` gave the salt")
    stack = open_stack(stack_name)
    told = _certificate(stack, certificate_file)
    signature = certificate.signature_of(told)
    if not stack.signer.is_valid(certificate.digest_of(told), signature):
        raise DarkroomError("NOT GENUINE: the certificate was changed, or another stack signed it")
    say(f"genuine, of {told['finished_at']}: {_removed(told)}")
    if key is not None and salt is not None:
        about = certificate.names(told, salt, key)
        say(f"{key} {'is' if about else 'is NOT'} among them"
                   + ("" if about else ", or the salt is another's"))  # fmt: skip
        if not about:
            raise SystemExit(1)


@click.command()
@click.option("--content", metavar="SHA256", help="A content, by its SHA-256.")
@click.option("--file", type=click.Path(path_type=Path, exists=True), help="A content, by a file.")
@click.option("--request", "number", help="All contents of one request to erase, by its id.")
@stack_option
def unblock(content: str | None, file: Path | None, number: str | None, stack_name: str) -> None:
    """Allow a content that was erased to be processed again."""
    if sum(given is not None for given in (content, file, number)) != 1:
        raise UsageError("say which content by one of --content, --file, --request")
    if content is not None:
        content = content.lower()
        Selector("content", (content,)).check()
    if file is not None:
        content = hashlib.sha256(file.read_bytes()).hexdigest()
    lifted: list[str] = []

    def shorter(known: BlockList) -> BlockList:
        lifted[:] = [
            hashed
            for hashed, by in known.contents.items()
            if by == number or (content is not None and hashed == known.hashed_content(content))
        ]
        return known.without(lifted)

    results = open_stack(stack_name).results
    if block_list.load(results).contents:
        block_list.change(results, shorter)
    if not lifted:
        raise UsageError("no such content is blocked")
    say(f"{len(lifted)} contents may come in again; `darkroom retry BATCH --rejected` works "
               "those that were refused")  # fmt: skip


@click.command()
@click.option("--json", "for_programs", is_flag=True, help="For programs.")
@stack_option
def erasures(for_programs: bool, stack_name: str) -> None:
    """List the requests to erase: who asked when, why, and how they stand."""
    stack = open_stack(stack_name)
    found = list(stack.runs.of_batch(ERASURES))
    if for_programs:
        rules = stack.closing_rules
        say_json([as_json(record, rules) for record in found])
        return
    for record in found:
        say(f"erasure {record.run}: {_words(stack, record)}")
        for asked in record.requests:
            say(f"  {asked['id']}  {asked['requested_at']}  {asked['requested_by']}  by "
                       f"{asked['selector']}  {asked['why']}".rstrip())  # fmt: skip
    if not found:
        say("nobody has asked for anything to be erased")


COMMANDS = (erase, trace_command, verify, unblock, erasures)
