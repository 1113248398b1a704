"""The tables of the knowledge base as files, read once and refused whole when they contradict themselves."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts.drug_names import fold, key

DATA: Final = Path(__file__).parent.parent / "data"
REVIEWS: Final = frozenset({"reviewed", "partial", "none"})
SEVERITIES: Final = frozenset({"none", "minor", "moderate", "major", "critical", "contraindicated"})
MECHANISMS: Final = frozenset({"pharmacodynamic", "pharmacokinetic", "unspecified"})
KINDS: Final = frozenset({"inn", "alias", "abbreviation", "brand"})
_ATC: Final = re.compile(r"[A-Z]\d\d[A-Z]{2}\d\d")
_PREFIX: Final = re.compile(r"[A-Z](?:\d\d(?:[A-Z](?:[A-Z](?:\d\d)?)?)?)?")


class KnowledgeRefused(Exception):
    """The tables contradict themselves; the message lists what is wrong, a line for each row."""


@dataclass(frozen=True, slots=True)
class Ingredient:
    """One substance; `atc` are its codes, the one that names it first."""

    id: str
    name_en: str
    name_es: str
    name_pt: str
    atc: tuple[str, ...]
    interaction_review: str
    same_key_as: tuple[str, ...]

    @property
    def shown(self) -> str:
        """How the name is shown wherever one is: Portuguese, upper case, no accents (ruling 3.3)."""
        return fold(self.name_pt).upper()


@dataclass(frozen=True, slots=True)
class NameRow:
    """A name under which an ingredient is known."""

    ingredient: str
    name: str
    language: str
    kind: str
    country: str


@dataclass(frozen=True, slots=True)
class Combination:
    """A code for several ingredients in one product; each part is a tuple of alternatives."""

    code: str
    parts: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Ingredients that one rule speaks of: prefixes, codes or ids, less those excluded."""

    name: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One interaction as a table states it; sides are an ingredient's id, a code, a prefix or a group."""

    id: str
    a: str
    b: str
    severity: str
    mechanism: str
    description: str
    recommendation: str
    evidence: str
    source: str
    decided: bool = False


@dataclass(frozen=True, slots=True)
class DuplicateRow:
    """Of what kind two medicines do the same: within a prefix of level 4, or by two groups of one action."""

    id: str
    kind: str
    a: tuple[str, ...]
    b: tuple[str, ...]
    severity: str
    when: str
    source: str


@dataclass(frozen=True, slots=True)
class AllergenRow:
    """A class that an allergy may be recorded to, with its names in three languages."""

    name: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AllergyRow:
    """What an allergy to one thing says of another; `base` is as grave as the thing itself."""

    id: str
    recorded: tuple[str, ...]
    item: tuple[str, ...]
    exclude: tuple[str, ...]
    result: str
    reactions: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Tables:
    """The whole knowledge base of one release, checked."""

    release: str
    ingredients: tuple[Ingredient, ...]
    names: tuple[NameRow, ...]
    combinations: tuple[Combination, ...]
    groups: tuple[Group, ...]
    facts: tuple[RuleRow, ...]
    rules: tuple[RuleRow, ...]
    duplicates: tuple[DuplicateRow, ...]
    allergens: tuple[AllergenRow, ...]
    allergies: tuple[AllergyRow, ...]
    lookalikes: tuple[frozenset[str], ...]
    phrases: Mapping[str, tuple[str, str]]
    texts: Mapping[tuple[str, str], tuple[str, str]]

    @classmethod
    def read(cls, directory: Path = DATA) -> "Tables":
        """Read the files of a directory. Raises KnowledgeRefused."""
        tables = cls(
            release=(directory / "release.txt").read_text(encoding="utf-8").strip(),
            ingredients=tuple(map(_ingredient, _rows(directory / "ingredients.csv"))),
            names=tuple(NameRow(**row) for row in _rows(directory / "names.csv")),
            combinations=tuple(map(_combination, _rows(directory / "combinations.csv"))),
            groups=tuple(map(_group, _rows(directory / "groups.csv"))),
            facts=tuple(map(_fact, _rows(directory / "interaction_facts.csv"))),
            rules=tuple(map(_rule, _rows(directory / "rules.csv"))),
            duplicates=tuple(map(_duplicate, _rows(directory / "duplicates.csv"))),
            allergens=tuple(map(_allergen, _rows(directory / "allergens.csv"))),
            allergies=tuple(map(_allergy, _rows(directory / "allergies.csv"))),
            lookalikes=tuple(frozenset((r["a"], r["b"])) for r in _rows(directory / "lookalikes.csv")),
            phrases={row["en"]: (row["es"], row["pt"]) for row in _rows(directory / "phrases.csv")},
            texts={
                (row["text"], row["lang"]): (row["description"], row["recommendation"])
                for row in _rows(directory / "texts.csv")
            },
        )
        if problems := list(contradictions(tables)):
            raise KnowledgeRefused("\n".join(problems))
        return tables


def contradictions(tables: Tables) -> Iterator[str]:
    """What the build must not let pass (drug-safety.md 3)."""
    ids = {ingredient.id for ingredient in tables.ingredients}
    yield from _twice((i.id for i in tables.ingredients), "ingredient {}: two rows")
    yield from _ingredient_problems(tables)
    yield from _name_problems(tables, ids)
    yield from _combination_problems(tables, ids)
    yield from _rule_problems(tables, ids)
    yield from _section_7_problems(tables, ids)
    yield from (
        f"lookalikes {'/'.join(sorted(pair))}: unknown, or no pair"
        for pair in tables.lookalikes
        if len(pair) != 2 or not pair <= ids
    )
    yield from (
        f"text {text}: no {language}"
        for text in {text for text, _ in tables.texts}
        for language in ("en", "es", "pt")
        if (text, language) not in tables.texts
    )


def _ingredient_problems(tables: Tables) -> Iterator[str]:
    yield from _twice((code for i in tables.ingredients for code in i.atc), "ATC code {}: two ingredients")
    for ingredient in tables.ingredients:
        if ingredient.interaction_review not in REVIEWS:
            yield f"ingredient {ingredient.id}: review {ingredient.interaction_review!r}"
        yield from (f"ingredient {ingredient.id}: code {c}" for c in ingredient.atc if not _ATC.fullmatch(c))


def _name_problems(tables: Tables, ids: set[str]) -> Iterator[str]:
    marked = {frozenset((i.id, other)) for i in tables.ingredients for other in i.same_key_as}
    folded: dict[str, str] = {}
    keyed: dict[str, set[str]] = {}
    for row in tables.names:
        if row.ingredient not in ids or row.kind not in KINDS:
            yield f"name {row.name}: unknown ingredient {row.ingredient} or kind {row.kind}"
        if (row.kind == "brand") != bool(row.country):
            yield f"name {row.name}: brands have a country, and only brands"
        if row.kind == "brand":
            continue
        if folded.setdefault(fold(row.name), row.ingredient) != row.ingredient:
            yield f"name {row.name}: two ingredients"
        if row.kind != "abbreviation":
            keyed.setdefault(key(row.name), set()).add(row.ingredient)
    for spelling, owners in keyed.items():
        others = {frozenset((a, b)) for a in owners for b in owners if a != b}
        if others - marked:
            yield f"key {spelling!r}: {', '.join(sorted(owners))}"


def _combination_problems(tables: Tables, ids: set[str]) -> Iterator[str]:
    yield from _twice((c.code for c in tables.combinations), "combination {}: two rows")
    for combination in tables.combinations:
        if len(combination.parts) < 2:
            yield f"combination {combination.code}: fewer than two ingredients"
        unknown = {one for part in combination.parts for one in part} - ids
        yield from (f"combination {combination.code}: unknown ingredient {one}" for one in sorted(unknown))


def _rule_problems(tables: Tables, ids: set[str]) -> Iterator[str]:
    codes = {code for i in tables.ingredients for code in i.atc} | {c.code for c in tables.combinations}
    known = ids | codes | {code[:n] for code in codes for n in (1, 3, 4, 5)} | {g.name for g in tables.groups}
    yield from (
        f"group {group.name}: {member} is in no table"
        for group in tables.groups
        for member in (*group.include, *group.exclude)
        if member not in known
    )
    for table in (tables.facts, tables.rules):
        yield from _twice(("|".join((*sorted((r.a, r.b)), r.mechanism)) for r in table), "pair {}: two rows")
    yield from _twice((rule.id for rule in tables.rules), "rule {}: two rows")
    for rule in (*tables.facts, *tables.rules):
        if rule.severity not in SEVERITIES or rule.mechanism not in MECHANISMS:
            yield f"rule {rule.a} x {rule.b}: severity {rule.severity}, mechanism {rule.mechanism}"
        if not (rule.source and rule.description and rule.recommendation):
            yield f"rule {rule.a} x {rule.b}: no source or no text"
        yield from (f"rule {rule.a} x {rule.b}: unknown side {s}" for s in (rule.a, rule.b) if s not in known)


def _section_7_problems(tables: Tables, ids: set[str]) -> Iterator[str]:
    named = ids | {g.name for g in tables.groups}
    yield from _twice((row.id for row in tables.duplicates), "duplicate rule {}: two rows")
    yield from _twice((row.id for row in tables.allergies), "allergy rule {}: two rows")
    yield from _twice((fold(n) for row in tables.allergens for n in row.names), "allergen {}: two classes")
    for name, severity, members in (
        *((f"duplicate rule {r.id}", r.severity, (*r.a, *r.b)) for r in tables.duplicates),
        *((f"allergy rule {r.id}", r.result, (*r.recorded, *r.item, *r.exclude)) for r in tables.allergies),
        *((f"allergen {r.name}", "base", (*r.include, *r.exclude)) for r in tables.allergens),
    ):
        if severity not in SEVERITIES | {"base"}:
            yield f"{name}: severity {severity}"
        unknown = [member for member in members if member not in named and not _PREFIX.fullmatch(member)]
        yield from (f"{name}: {member} is in no table" for member in unknown)


def _twice(values: Iterable[str], problem: str) -> Iterator[str]:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            yield problem.format(value)
        seen.add(value)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, strict=True)


def _ingredient(row: Mapping[str, str]) -> Ingredient:
    return Ingredient(
        row["id"],
        row["name_en"],
        row["name_es"],
        row["name_pt"],
        _split(row["atc"]),
        row["interaction_review"],
        _split(row["same_key_as"]),
    )


def _combination(row: Mapping[str, str]) -> Combination:
    parts = tuple(tuple(part.split("/")) for part in row["ingredients"].split())
    return Combination(row["code"], parts, _split(row["names"]))


def _group(row: Mapping[str, str]) -> Group:
    return Group(row["name"], tuple(row["include"].split()), tuple(row["exclude"].split()))


def _fact(row: Mapping[str, str]) -> RuleRow:
    return RuleRow(
        "",  # Made when compiled, from the ids of the ingredients that own the codes.
        row["a"],
        row["b"],
        row["severity"],
        row["mechanism"],
        row["description"],
        row["recommendation"],
        "reference_list",
        row["source"],
    )


def _rule(row: Mapping[str, str]) -> RuleRow:
    return RuleRow(
        row["id"],
        row["a"],
        row["b"],
        row["severity"],
        row["mechanism"],
        row["description"],
        row["recommendation"],
        row["evidence"],
        row["source"],
        decided=row["decided"] == "yes",
    )


def _duplicate(row: Mapping[str, str]) -> DuplicateRow:
    a, b = tuple(row["a"].split()), tuple(row["b"].split())
    return DuplicateRow(row["id"], row["kind"], a, b, row["severity"], row["when"], row["source"])


def _allergen(row: Mapping[str, str]) -> AllergenRow:
    names = tuple(name for language in ("en", "es", "pt") for name in _split(row[language]))
    return AllergenRow(row["class"], tuple(row["include"].split()), tuple(row["exclude"].split()), names)


def _allergy(row: Mapping[str, str]) -> AllergyRow:
    return AllergyRow(
        row["id"],
        tuple(row["recorded"].split()),
        tuple(row["item"].split()),
        tuple(row["exclude"].split()),
        row["result"],
        _split(row["reactions"]),
        row["source"],
    )


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";") if part.strip())
