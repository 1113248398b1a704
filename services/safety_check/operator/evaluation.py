"""Asks the knowledge base for each pair of a file and prints how often it was right (drug-safety.md 12)."""

import argparse
import csv
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from services.safety_check.domain import Finding, Item, Knowledge, Order, Severity, Tables, check

DONE, UNUSABLE = 0, 2
ROWS_MAX: Final = 1_000_000
BAD_ROWS_SHOWN_MAX: Final = 100
LANGUAGES: Final = {"en": ("a", "b"), "es": ("a_es", "b_es"), "pt": ("a_pt", "b_pt")}
COLUMNS: Final = ("a", "b", "min_severity", "max_severity")
MISSES: Final = (
    *("line", "language", "a", "b", "min_severity", "max_severity"),
    *("verdict", "rule_id", "reason", "source"),
)
_INTERACTIONS: Final = ("pharmacodynamic", "pharmacokinetic", "unspecified")


@dataclass(frozen=True)
class Answer:
    """What one pair got in one language."""

    severity: Severity
    rule_id: str
    unresolved: int
    reason: str


@dataclass(frozen=True)
class Row:
    """One pair of the file, with its answers by language."""

    line: int
    written: Mapping[str, str]
    least: Severity
    most: Severity
    source: str
    markets: bool
    answers: Mapping[str, Answer] = field(default_factory=dict)

    @property
    def missed(self) -> Iterator[tuple[str, Answer]]:
        return (
            (language, answer)
            for language, answer in self.answers.items()
            if not self.least <= answer.severity <= self.most
        )


def command(arguments: Sequence[str]) -> int:
    """0 when the file was asked for, whatever the figures say; 2 when it is unusable."""
    parser = argparse.ArgumentParser(prog="python -m services.safety_check evaluate", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE.csv")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures as JSON too")
    parser.add_argument("--misses", type=Path, metavar="OUT.csv", help="write every answer out of band")
    asked = parser.parse_args(arguments)
    knowledge = Knowledge(Tables.read())
    try:
        rows = list(_rows(asked.file, knowledge))
        figures = {name: _figures(chosen) for name, chosen in _sets(rows)}
        if asked.json:
            asked.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        if asked.misses:
            _write_misses(asked.misses, rows)
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        print(f"cannot evaluate {asked.file}: {error}", file=sys.stderr)
        return UNUSABLE
    print(f"knowledge base {knowledge.version}")
    for name, one in figures.items():
        print(f"\n{name}")
        print("\n".join(f"  {label:<34} {value}" for label, value in one.items()))
    return DONE


def _rows(file: Path, knowledge: Knowledge) -> Iterator[Row]:
    bad = 0
    with file.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.DictReader(text)
        if missing := [column for column in COLUMNS if column not in (reader.fieldnames or ())]:
            raise ValueError(f"no column {', '.join(missing)}")
        for written in reader:
            if reader.line_num > ROWS_MAX:
                raise ValueError(f"more than {ROWS_MAX} lines")
            row = _row(reader.line_num, written)
            if isinstance(row, Row):
                yield _answered(row, knowledge)
                continue
            bad += 1
            if bad <= BAD_ROWS_SHOWN_MAX:
                print(f"line {reader.line_num} is left out: {row}", file=sys.stderr)
    if bad:
        print(f"{bad} bad rows were left out", file=sys.stderr)


def _row(line: int, written: Mapping[str | None, str | list[str] | None]) -> Row | str:
    """A row, or what is wrong with it."""
    if None in written:
        return "more fields than columns"
    text = {str(column): str(value or "").strip() for column, value in written.items()}
    severities = [text["min_severity"].lower(), text["max_severity"].lower()]
    if unknown := [one for one in severities if one not in Severity.__members__]:
        return f"severity {unknown[0]!r}"
    least, most = (Severity[one] for one in severities)
    if least > most:
        return "min_severity is above max_severity"
    if not any(text.get(a) and text.get(b) for a, b in LANGUAGES.values()):
        return "no pair of names"
    source = text.get("source") or "(none)"
    return Row(line, text, least, most, source, bool(text.get("markets", "").strip(" ,;")))


def _answered(row: Row, knowledge: Knowledge) -> Row:
    answers = {
        language: _answer(row.written[a], row.written[b], language, knowledge)
        for language, (a, b) in LANGUAGES.items()
        if row.written.get(a) and row.written.get(b)
    }
    return Row(row.line, row.written, row.least, row.most, row.source, row.markets, answers)


def _answer(a: str, b: str, language: str, knowledge: Knowledge) -> Answer:
    # Brands count in a country of their own; a name in Portuguese is one of Brazil.
    country = "BR" if language == "pt" else "ES"
    verdict = check(Order(country, (Item("a", 1, a), Item("b", 2, b))), knowledge)
    worst = max(_counted(verdict.findings), key=lambda found: found.severity, default=None)
    gaps = [gap.reason for gap in verdict.not_evaluated if gap.check == "interaction"]
    return Answer(
        severity=worst.severity if worst else Severity.none,
        rule_id=worst.rule_id if worst else "",
        unresolved=sum(found.interaction_type == "unverified_medication" for found in verdict.findings),
        reason=" ".join(dict.fromkeys(gaps)),
    )


def _counted(findings: Iterable[Finding]) -> Iterator[Finding]:
    return (f for f in findings if f.interaction_type in _INTERACTIONS and not f.assumed)


def _sets(rows: Sequence[Row]) -> Iterator[tuple[str, Sequence[Row]]]:
    """All rows, those with markets, and those of each source."""
    yield "all rows", rows
    yield "rows with markets", [row for row in rows if row.markets]
    by_source: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_source[row.source].append(row)
    yield from ((f"source {source}", by_source[source]) for source in sorted(by_source))


def _figures(rows: Sequence[Row]) -> dict[str, str | int | float | None]:
    asked = [(row, answer) for row in rows for answer in row.answers.values()]
    several = [row for row in rows if len(row.answers) > 1]
    known = [(row, a) for row, a in asked if row.least > Severity.none]
    grave = [(row, a) for row, a in asked if row.least >= Severity.major]
    harmless = [(row, a) for row, a in asked if row.most is Severity.none]
    low = [(row, a) for row, a in asked if Severity.minor <= row.most <= Severity.moderate]
    return {
        "rows": len(rows),
        "found": _share(a.severity >= row.least for row, a in known),
        "found, major and above": _share(a.severity >= row.least for row, a in grave),
        "in band": _share(row.least <= a.severity <= row.most for row, a in asked),
        "false alerts": _share(a.severity > Severity.none for _, a in harmless),
        "too high": _share(a.severity > row.most for row, a in low),
        "language agreement": _share(len({a.severity for a in row.answers.values()}) == 1 for row in several),
        **_by_language(rows),
    }


def _by_language(rows: Sequence[Row]) -> dict[str, int]:
    found: dict[str, int] = {}
    for language in LANGUAGES:
        answers = [row.answers[language] for row in rows if language in row.answers]
        found[f"unresolved names, {language}"] = sum(answer.unresolved for answer in answers)
        found[f"rows not evaluated, {language}"] = sum(bool(answer.reason) for answer in answers)
    return found


def _share(held: Iterable[bool]) -> float | None:
    values = list(held)
    return round(sum(values) / len(values), 4) if values else None


def _write_misses(path: Path, rows: Sequence[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(MISSES)
        for row in rows:
            for language, answer in row.missed:
                a, b = LANGUAGES[language]
                names = (row.written[a], row.written[b], row.least.name, row.most.name)
                told = (answer.severity.name, answer.rule_id, answer.reason, row.source)
                writer.writerow((row.line, language, *names, *told))
