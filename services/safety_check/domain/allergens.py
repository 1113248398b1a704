"""What a recorded allergy stands for, and what else it forbids (drug-safety.md 7.2)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from contracts.drug_names import Names, fold, resolve
from services.safety_check.domain import groups
from services.safety_check.domain.tables import AllergyRow, Group, Ingredient, Tables
from services.safety_check.domain.therapies import LEVEL_4
from services.safety_check.domain.values import Allergy, Severity

_PREFIX: Final = re.compile(r"[A-Z]\d\d(?:[A-Z](?:[A-Z](?:\d\d)?)?)?")
_OF_RECORDED: Final[Mapping[str, Severity]] = {
    "severe": Severity.contraindicated,
    "moderate": Severity.critical,
    "mild": Severity.major,
}
_OF_UNKNOWN: Final = Severity.critical


@dataclass(frozen=True, slots=True)
class Allergen:
    """What an allergy is to: an ingredient, or all that a class holds. `assumed`: under a guess."""

    group: Group
    ingredient: str | None = None
    codes: tuple[str, ...] = ()
    assumed: bool = False


@dataclass(frozen=True, slots=True)
class Crossing:
    """That an ingredient is forbidden by an allergy, and why."""

    rule_id: str
    text: str
    severity: Severity
    source: str


@dataclass(frozen=True, slots=True)
class _Rule:
    id: str
    recorded: Group
    forbidden: Group
    result: str
    reactions: tuple[str, ...]
    source: str

    def speaks_of(self, allergen: Allergen, reaction: str) -> bool:
        if self.reactions and not any(_names(word, reaction) for word in self.reactions):
            return False
        if allergen.ingredient is not None:
            return groups.holds(self.recorded, allergen.codes, allergen.ingredient)
        return any(one.startswith(self.recorded.include) for one in allergen.group.include)


class Allergens:
    """Classes, and the rules of what crosses from one medicine to another, compiled once."""

    def __init__(self, tables: Tables, known: Sequence[Group]) -> None:
        self._ingredients: Final[Mapping[str, Ingredient]] = {one.id: one for one in tables.ingredients}
        classes = {
            row.name: groups.spelled_out(row.name, row.include, row.exclude, known)
            for row in tables.allergens
        }
        self._classes: Final = {
            fold(name): classes[row.name] for row in tables.allergens for name in row.names
        }
        self._rules: Final = tuple(_rule(row, known) for row in tables.allergies)

    def of(self, allergy: Allergy, country: str, names: Names) -> tuple[Allergen, ...]:
        """What it stands for: a class, an ATC prefix, or ingredients; nothing where nobody understands it."""
        text = fold(allergy.text)
        if (group := self._classes.get(text)) is not None:
            return (Allergen(group),)
        if _PREFIX.fullmatch(text.upper()):
            prefix = text.upper()
            return (Allergen(Group(prefix, (prefix,), ())),)
        resolution = resolve(allergy.text, country, names)
        guess = (resolution.assumed,) if resolution.assumed else ()
        return tuple(
            Allergen(Group(one, (one,), ()), one, self._ingredients[one].atc, assumed=bool(guess))
            for one in guess or resolution.ingredients
        )

    def base(self, allergy: Allergy) -> Severity:
        """How grave it is to give what the patient is allergic to."""
        return _OF_RECORDED.get(allergy.severity.lower(), _OF_UNKNOWN)

    def crossing(self, allergy: Allergy, allergen: Allergen, ingredient: str) -> Crossing | None:
        """The gravest reason why somebody with this allergy should not get the ingredient, if any."""
        base = self.base(allergy)
        codes = self._ingredients[ingredient].atc
        named = tuple(self._named(allergy, allergen, ingredient, codes, base))
        if not named:
            return self._alike(allergen, codes, base)
        gravest = max(named, key=lambda one: one.severity)
        return None if gravest.severity is Severity.none else gravest

    def _named(
        self, allergy: Allergy, allergen: Allergen, ingredient: str, codes: tuple[str, ...], base: Severity
    ) -> Iterator[Crossing]:
        if allergen.ingredient == ingredient:
            yield Crossing("allergy:same", "allergy.same", base, "Recepta drug-safety 7.2")
        elif groups.holds(allergen.group, codes, ingredient):
            name = allergen.group.name
            yield Crossing(f"allergy:class:{name}", "allergy.class", base, "Recepta drug-safety 7.2")
        for rule in self._rules:
            if rule.speaks_of(allergen, allergy.reaction) and groups.holds(rule.forbidden, codes, ingredient):
                severity = base if rule.result == "base" else Severity[rule.result]
                yield Crossing(f"allergy:{rule.id}", "allergy.cross", severity, rule.source)

    def _alike(self, allergen: Allergen, codes: tuple[str, ...], base: Severity) -> Crossing | None:
        """Another ingredient of the same ATC level 4, of which no rule speaks."""
        shared = {code[:LEVEL_4] for code in allergen.codes} & {code[:LEVEL_4] for code in codes}
        if not shared:
            return None
        rule_id = f"allergy:level4:{min(shared)}"
        return Crossing(rule_id, "allergy.alike", Severity(base - 1), "Recepta drug-safety 7.2")


def _rule(row: AllergyRow, known: Sequence[Group]) -> _Rule:
    return _Rule(
        row.id,
        groups.spelled_out(row.id, row.recorded, (), known),
        groups.spelled_out(row.id, row.item, row.exclude, known),
        row.result,
        row.reactions,
        row.source,
    )


def _names(word: str, reaction: str) -> bool:
    """An abbreviation in capitals is one in capitals alone: `TEN`, not ten."""
    said = reaction if word.isupper() else fold(reaction)
    return re.search(rf"\b{re.escape(word)}\b", said) is not None
