"""Loading a release of the catalogue beside the one in use, and switching between them."""

import csv
import hashlib
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TextIO

from contracts.drug_catalog import CatalogueProduct
from services.safety_check import messages, store
from services.safety_check.domain import Knowledge, Tables
from services.safety_check.domain.products import COLUMNS, BadRow, catalogue_item
from services.safety_check.settings import Settings
from services.safety_check.work import announce_release
from shared import clock, database, migrations
from shared.database import Connection, Pool, transaction
from shared.errors import NotFound

DONE, REFUSED = 0, 2
ROWS_AT_ONCE: Final = 500
RELEASES_KEPT: Final = 3
SHRINKS_TO_MIN: Final = 0.8
UNRESOLVED_SHOWN_MAX: Final = 50
LINE_CHARACTERS_MAX: Final = 100_000


@dataclass(frozen=True)
class Wish:
    """What an operator asks of a load."""

    file: Path
    release: str
    source: str = "csv"
    country: str = ""
    rejects_share_max: float = 0.01
    dry_run: bool = False
    activate: bool = False
    force: bool = False


@dataclass
class Report:
    """What became of the rows."""

    rows: int = 0
    products: int = 0
    rejects: Counter[str] = field(default_factory=Counter)
    unresolved: Counter[str] = field(default_factory=Counter)

    @property
    def rejected(self) -> int:
        return sum(self.rejects.values())

    def told(self) -> Iterator[str]:
        yield f"{self.rows} rows: {self.products} products, {self.rejected} rejected"
        yield from (f"  {rule}: {count}" for rule, count in self.rejects.most_common())
        if self.unresolved:
            count = sum(self.unresolved.values())
            yield f"{count} products with a substance that is in no table, most often:"
            found = self.unresolved.most_common(UNRESOLVED_SHOWN_MAX)
            yield from (f"  {count} x {text}" for text, count in found)


class _Refused(Exception):
    """The load changes nothing; the text says why."""


async def load(wish: Wish, settings: Settings | None = None, knowledge: Knowledge | None = None) -> int:
    """Load a file as a release, all of it or nothing."""
    knowledge = knowledge or Knowledge(Tables.read())
    try:
        digest = _digest(wish)
        _check_columns(wish.file)
        async with _pool(settings) as pool:
            return await _loaded(pool, wish, digest, knowledge)
    except (_Refused, OSError, UnicodeDecodeError, csv.Error) as error:
        print(f"nothing has changed: {error}", file=sys.stderr)
        return REFUSED


async def versions(settings: Settings | None = None) -> int:
    async with _pool(settings) as pool, transaction(pool) as conn:
        for n, one in enumerate(await store.releases(conn)):
            state = "in use" if n == 0 and one.sequence else "was in use" if one.sequence else "loaded"
            print(f"{one.release}\t{state}\t{one.products} products\tloaded {one.loaded_at:%Y-%m-%d %H:%M}Z")
    return DONE


async def activate(release: str, settings: Settings | None = None, knowledge: Knowledge | None = None) -> int:
    """Put a release in use that was loaded before."""
    knowledge = knowledge or Knowledge(Tables.read())
    async with _pool(settings) as pool, transaction(pool) as conn:
        await store.hold_catalogue(conn)
        try:
            return await _activated(conn, release, knowledge)
        except NotFound as error:
            print(f"nothing has changed: {error}", file=sys.stderr)
            return REFUSED


async def rollback(settings: Settings | None = None, knowledge: Knowledge | None = None) -> int:
    """Put in use again what was in use before."""
    async with _pool(settings) as pool, transaction(pool) as conn:
        used = [one.release for one in await store.releases(conn) if one.sequence is not None]
    if len(used) < 2:
        print("nothing has changed: no release was in use before this one", file=sys.stderr)
        return REFUSED
    return await activate(used[1], settings, knowledge)


async def _loaded(pool: Pool, wish: Wish, digest: bytes, knowledge: Knowledge) -> int:
    async with transaction(pool) as conn:
        await store.hold_catalogue(conn)
        known, active = await store.find_release(conn, wish.release), await store.find_active(conn)
        if known is not None and known.digest == digest:
            print(f"{wish.release} is loaded already: the same file is the same release")
        else:
            if known is not None and known.sequence is not None:
                raise _Refused(f"{wish.release} has been in use with other content: name this one otherwise")
            report = await _staged(conn, wish, digest, knowledge)
            print("\n".join(report.told()))
            if not wish.force:
                _check_report(report, wish, active)
            if wish.dry_run:
                raise _Refused("this was a dry run")
        if wish.activate and (active is None or active.release != wish.release):
            return await _activated(conn, wish.release, knowledge)
    return DONE


async def _activated(conn: Connection, release: str, knowledge: Knowledge) -> int:
    await announce_release(conn, release, knowledge, at=clock.now())
    await store.forget_releases(conn, keep=RELEASES_KEPT)
    print(f"{release} is in use; its readers are told as the service publishes it")
    return DONE


async def _staged(conn: Connection, wish: Wish, digest: bytes, knowledge: Knowledge) -> Report:
    report = Report()
    await store.stage(conn, wish.release, digest, at=clock.now())
    with _Rejects(wish.file, report) as rejects:
        waiting: dict[str, tuple[int, CatalogueProduct]] = {}
        for line, product in _products(wish, knowledge, report, rejects):
            code = product.product.product_code
            if code in waiting:
                rejects.add(line, "product_code", "duplicate", code)
                continue
            waiting[code] = (line, product)
            if len(waiting) == ROWS_AT_ONCE:
                await _keep(conn, waiting, rejects)
        await _keep(conn, waiting, rejects)
    report.products = await store.count_products(conn, wish.release)
    return report


async def _keep(
    conn: Connection, waiting: dict[str, tuple[int, CatalogueProduct]], rejects: "_Rejects"
) -> None:
    for code in await store.add_products(conn, [product for _, product in waiting.values()]):
        rejects.add(waiting[code][0], "product_code", "duplicate", code)
    waiting.clear()


def _products(
    wish: Wish, knowledge: Knowledge, report: Report, rejects: "_Rejects"
) -> Iterator[tuple[int, CatalogueProduct]]:
    progress = _Progress(wish.file.stat().st_size)
    with wish.file.open("rb") as raw:
        # Text is decoded line by line: a file of any size takes the memory of a line.
        reader = csv.DictReader((line.decode("utf-8-sig") for line in raw), strict=True)
        for row in reader:
            report.rows += 1
            progress.tell(report.rows, raw.tell())
            try:
                if None in row or None in row.values():
                    raise BadRow("", "column_count")
                found = catalogue_item(row, source=wish.source, country=wish.country, knowledge=knowledge)
            except BadRow as error:
                rejects.add(reader.line_num, error.column, error.rule, ",".join(map(str, row.values())))
                continue
            if found.unresolved:
                report.unresolved[found.unresolved] += 1
            yield reader.line_num, messages.product(found, release=wish.release, source=wish.source)


def _check_columns(file: Path) -> None:
    with file.open(encoding="utf-8-sig", newline="") as text:
        columns = csv.DictReader(text).fieldnames or ()
    if missing := sorted(COLUMNS - set(columns)):
        raise _Refused(f"no column {', '.join(missing)}")


def _check_report(report: Report, wish: Wish, active: store.Release | None) -> None:
    if report.rejected > wish.rejects_share_max * report.rows:
        raise _Refused(f"{report.rejected} of {report.rows} rows were rejected (--force to overrule)")
    if active is not None and report.products < SHRINKS_TO_MIN * active.products:
        raise _Refused(f"{report.products} products instead of {active.products} (--force to overrule)")


def _digest(wish: Wish) -> bytes:
    """Of the file and of what else decides what its rows mean."""
    with wish.file.open("rb") as file:
        content = hashlib.file_digest(file, "sha256")
    content.update(f"\0{wish.source}\0{wish.country}".encode())
    return content.digest()


@asynccontextmanager
async def _pool(settings: Settings | None) -> AsyncIterator[Pool]:
    settings = settings or Settings.from_environment("SAFETY_CHECK")
    await migrations.migrate(settings.database_url, "safety-check", role=settings.database_role)
    pool = await database.open_pool(
        settings.database_url, min_size=1, max_size=2, role=settings.database_role
    )
    try:
        yield pool
    finally:
        await pool.close()


class _Rejects:
    """Bad rows, counted and written beside the file with their line numbers; no file when there are none."""

    def __init__(self, file: Path, report: Report) -> None:
        self._path = file.with_name(f"{file.name}.rejects.csv")
        self._report = report
        self._file: TextIO | None = None

    def __enter__(self) -> "_Rejects":
        self._path.unlink(missing_ok=True)
        return self

    def add(self, line: int, column: str, rule: str, raw: str) -> None:
        if self._file is None:
            self._file = self._path.open("w", encoding="utf-8", newline="")
            csv.writer(self._file).writerow(("line", "column", "rule", "raw"))
        csv.writer(self._file).writerow((line, column, rule, raw[:LINE_CHARACTERS_MAX]))
        self._report.rejects[f"{column}: {rule}" if column else rule] += 1

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
            print(f"rejected rows: {self._path}")


class _Progress:
    """Once a second on a terminal, every ten seconds elsewhere."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._every = 1.0 if sys.stderr.isatty() else 10.0
        self._began = self._told = time.monotonic()

    def tell(self, rows: int, position: int) -> None:
        moment = time.monotonic()
        if moment - self._told < self._every:
            return
        self._told = moment
        share = position / self._size if self._size else 1.0
        pace = rows / (moment - self._began)
        print(f"{rows} rows, {share:.0%} of the file, {pace:.0f} rows/s", file=sys.stderr)
