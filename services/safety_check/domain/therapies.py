"""Which medicines do the same: those of one ATC level 4, and those of one action (drug-safety.md 7.1)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from services.safety_check.domain import groups
from services.safety_check.domain.tables import Group, Tables
from services.safety_check.domain.values import Severity

LEVEL_4: Final = 5
_OF_A_LEVEL_4: Final = Severity.moderate
_ONE: Final = "one"
_OTHER: Final = "other"
_OPPOSITE: Final = {_ONE: _OTHER, _OTHER: _ONE}


@dataclass(frozen=True, slots=True)
class Therapy:
    """That two ingredients do the same, and how grave that is."""

    rule_id: str
    text: str
    severity: Severity
    source: str


@dataclass(frozen=True, slots=True)
class _Action:
    id: str
    one: Group
    other: Group
    severity: Severity
    source: str


@dataclass(frozen=True, slots=True)
class Kinds:
    """What an ingredient is, as far as doing the same goes: its ATC level 4, and its sides of actions.

    `facing` is what another must hold for the two to do the same: most pairs are told apart by that alone.
    """

    levels: frozenset[str] = frozenset()
    actions: frozenset[tuple[int, str]] = frozenset()
    held: frozenset[object] = frozenset()
    facing: frozenset[object] = frozenset()


NO_KINDS: Final = Kinds()


class Therapies:
    """The rules about other ingredients that do the same, compiled once."""

    def __init__(self, tables: Tables, known: Sequence[Group]) -> None:
        self._levels: Final = tuple(row for row in tables.duplicates if row.kind == "level4")
        self._actions: Final = tuple(
            _Action(
                row.id,
                groups.spelled_out(row.id, row.a, (), known),
                groups.spelled_out(row.id, row.b, (), known),
                Severity[row.severity],
                row.source,
            )
            for row in tables.duplicates
            if row.kind == "action"
        )

    def kinds(self, ingredient: str, codes: tuple[str, ...]) -> Kinds:
        """Of an ingredient under the codes that fit its route."""
        levels = frozenset(code[:LEVEL_4] for code in codes)
        sides = frozenset(
            (n, side)
            for n, action in enumerate(self._actions)
            for side, group in ((_ONE, action.one), (_OTHER, action.other))
            if groups.holds(group, codes, ingredient)
        )
        opposite = frozenset((n, _OPPOSITE[side]) for n, side in sides)
        return Kinds(levels, sides, levels | sides | {ingredient}, levels | opposite | {ingredient})

    def same(self, a: Kinds, b: Kinds, *, as_needed: bool) -> Therapy | None:
        """The gravest way in which two different ingredients do the same, if any."""
        actions = frozenset(n for n, side in a.actions if (n, _OPPOSITE[side]) in b.actions)
        found = (*self._of_levels(a.levels & b.levels, as_needed), *self._of_actions(actions))
        return max(found, key=_gravity, default=None)

    def _of_actions(self, actions: frozenset[int]) -> Iterator[Therapy]:
        for action in (self._actions[n] for n in actions):
            yield Therapy(f"d3:{action.id}", "duplicate.same_action", action.severity, action.source)

    def _of_levels(self, levels: frozenset[str], as_needed: bool) -> Iterator[Therapy]:
        for level in levels:
            severity = self._severity(level, as_needed=as_needed)
            if severity is not Severity.none:
                yield Therapy(f"d2:{level}", "duplicate.same_class", severity, "Recepta drug-safety 7.1 D2")

    def _severity(self, level: str, *, as_needed: bool) -> Severity:
        """The row of the longest prefix decides; one about what is taken as needed, only of that."""
        fit = [
            row for row in self._levels if level.startswith(row.a) and (as_needed or row.when != "as_needed")
        ]
        if not fit:
            return _OF_A_LEVEL_4
        decided = max(fit, key=lambda row: (len(row.a[0]), row.when == "as_needed"))
        return Severity[decided.severity]


def _gravity(therapy: Therapy) -> tuple[int, str]:
    return (therapy.severity, therapy.rule_id)
