"""The knowledge base compiled once: names to ingredients, ingredients to rules' sides, sides to rules."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from contracts.drug_names import Name, Names, Resolution, resolve_item
from services.safety_check.domain import groups, routes, texts
from services.safety_check.domain.allergens import Allergens
from services.safety_check.domain.tables import (
    Combination,
    Ingredient,
    KnowledgeRefused,
    RuleRow,
    Tables,
)
from services.safety_check.domain.texts import Texts
from services.safety_check.domain.therapies import NO_KINDS, Kinds, Therapies
from services.safety_check.domain.values import Item, Severity

SUBJECTS_REMEMBERED_MAX: Final = 50_000
_PREFIX_LENGTHS: Final = (1, 3, 4, 5, 7)
# Products that a catalogue knows by the code of their combination alone (drug-safety.md 6.5).
_KNOWN_BY_CODE: Final = ("C09B", "C09D", "A02AD", "B03AD", "G03AA")


@dataclass(frozen=True, slots=True)
class Rule:
    """One interaction, ready to be cited; of two that match the lower rank counts."""

    id: str
    rank: int
    severity: Severity
    mechanism: str
    text: Texts = field(hash=False, compare=False)
    reference: str = ""
    evidence: str = ""

    @property
    def tier(self) -> str:
        return "tier1_matrix" if self.rank <= 1 else "tier2_class_rules"

    @property
    def standing(self) -> tuple[int, int, str]:
        """Lowest rank first, then the most severe, then the smallest id (drug-safety.md 6.2)."""
        return (self.rank, -self.severity, self.id)


@dataclass(frozen=True, slots=True)
class Subject:
    """What rules compare: an ingredient as one item gives it, or a combination that the item holds whole."""

    ingredients: tuple[str, ...]
    sides: tuple[int, ...]
    local: bool = False
    assumed: bool = False
    combined: bool = False
    kinds: Kinds = NO_KINDS


class Knowledge:
    """One release of the knowledge base; nothing in it changes after it is made."""

    def __init__(self, tables: Tables) -> None:
        self.version: Final = tables.release
        self.ingredients: Final[Mapping[str, Ingredient]] = {i.id: i for i in tables.ingredients}
        self.names: Final = Names.of(_names(tables), tables.lookalikes)
        self._lookalikes: Final = _by_member(tables.lookalikes)
        self._tables: Final = tables
        self._combinations: Final = _combinations(tables.combinations)
        self._owners: Final = {code: i for i in tables.ingredients for code in i.atc}
        self._by_code: Final = {c.code: c for c in tables.combinations}
        rows = (*tables.facts, *tables.rules)
        self._sides: Final = {side: n for n, side in enumerate(sorted({s for r in rows for s in (r.a, r.b)}))}
        every = tuple(groups.flat(tables.groups))
        self._groups: Final = tuple(group for group in every if group.name in self._sides)
        self.allergens: Final = Allergens(tables, every)
        self.therapies: Final = Therapies(tables, every)
        self._rules: Final = self._compiled(tables)
        self._subjects: Final[dict[tuple[str, str], Subject]] = {}
        for ingredient in self.ingredients:
            self.subject(ingredient, routes.UNKNOWN)  # Most are asked about; none shall wait for it.

    def resolve(self, item: Item, country: str) -> Resolution:
        """The item's ingredients, by its link, else by what is written; ids of no table resolve nothing."""
        linked = tuple(one for one in item.linked if one in self.ingredients)
        if len(linked) < len(item.linked):
            linked = ()
        return resolve_item(
            linked=linked or self._known_by_code(item),
            active_ingredient=item.active_ingredient,
            medication_name=item.medication_name,
            country=country,
            names=self.names,
        )

    def subject(self, ingredient: str, route: str) -> Subject:
        """An ingredient as it is given by a route."""
        known = self._subjects.get((ingredient, route))
        if known is None:
            codes = self.ingredients[ingredient].atc
            fit = routes.fitting(codes, route)
            local = bool(fit) and all(map(routes.is_local, fit))
            sides = self._sides_of(fit, None if local else ingredient)
            known = Subject((ingredient,), sides, local, kinds=self.therapies.kinds(ingredient, fit))
            if len(self._subjects) < SUBJECTS_REMEMBERED_MAX:
                self._subjects[ingredient, route] = known
        return known

    def combinations_in(self, ingredients: Iterable[str]) -> Iterator[Subject]:
        """The combinations that one item holds whole."""
        held = frozenset(ingredients)
        for combination in {c.code: c for one in held for c in self._combinations.get(one, ())}.values():
            if all(held.intersection(part) for part in combination.parts):
                members = tuple(sorted(held.intersection(one for part in combination.parts for one in part)))
                yield Subject(members, self._sides_of((combination.code,), None), combined=True)

    def winners(self, one: Subject, other: Subject) -> list[Rule]:
        """For each mechanism apart, the rule that counts for two subjects in either order."""
        best: dict[str, Rule] = {}
        for side in one.sides:
            facing = self._rules.get(side)
            if facing is None:
                continue
            for other_side in other.sides:
                for rule in facing.get(other_side, ()):
                    held = best.get(rule.mechanism)
                    if held is None or rule.standing < held.standing:
                        best[rule.mechanism] = rule
        return list(best.values())

    def reviewed(self, ingredient: str) -> bool:
        """Whether rules were written with this ingredient in mind; where none were, silence means nothing."""
        return self.ingredients[ingredient].interaction_review != "none"

    def shown(self, ingredient: str) -> str:
        return self.ingredients[ingredient].shown

    def lookalikes(self, ingredient: str) -> tuple[str, ...]:
        """What it must not be guessed for, nor be guessed instead of."""
        return self._lookalikes.get(ingredient, ())

    def text(self, name: str) -> Texts:
        return texts.named(name, self._tables)

    def _known_by_code(self, item: Item) -> tuple[str, ...]:
        for code in item.atc_codes:
            if code.startswith(_KNOWN_BY_CODE) and (combination := self._by_code.get(code)):
                return tuple(part[0] for part in combination.parts)
        return ()

    def _sides_of(self, codes: tuple[str, ...], ingredient: str | None) -> tuple[int, ...]:
        named = {code[:length] for code in codes for length in _PREFIX_LENGTHS}
        if ingredient:
            named.add(ingredient)
        named |= {group.name for group in self._groups if groups.holds(group, codes, ingredient)}
        return tuple(sorted(self._sides[side] for side in named if side in self._sides))

    def _compiled(self, tables: Tables) -> dict[int, dict[int, tuple[Rule, ...]]]:
        rules: defaultdict[int, dict[int, tuple[Rule, ...]]] = defaultdict(dict)
        ids: set[str] = set()
        for row in (*tables.facts, *tables.rules):
            rule = self._rule(row, tables)
            if rule.id in ids:
                raise KnowledgeRefused(f"rule {rule.id}: two rows")
            ids.add(rule.id)
            a, b = self._sides[row.a], self._sides[row.b]
            rules[a][b] = (*rules[a].get(b, ()), rule)
            if a != b:
                rules[b][a] = (*rules[b].get(a, ()), rule)
        return dict(rules)

    def _rule(self, row: RuleRow, tables: Tables) -> Rule:
        return Rule(
            row.id or f"f:{':'.join(self._named_sides(row))}",
            0 if row.decided else 1 + sum(not self._is_substance(side) for side in (row.a, row.b)),
            Severity[row.severity],
            row.mechanism,
            texts.of_rule(row, tables),
            row.source,
            row.evidence,
        )

    def _is_substance(self, side: str) -> bool:
        return (len(side) == 7 and side[:1].isupper()) or side in self.ingredients

    def _named_sides(self, row: RuleRow) -> tuple[str, ...]:
        if not (self._is_substance(row.a) and self._is_substance(row.b)):
            return (row.a, row.b)
        return tuple(sorted((self._slug(row.a), self._slug(row.b))))

    def _slug(self, code: str) -> str:
        """The owner of a code; a code that is not its first is named too, since both may stand in facts."""
        combination = self._by_code.get(code)
        if combination:
            return "+".join(part[0] for part in combination.parts)
        owner = self._owners[code]
        return owner.id if owner.atc[0] == code else f"{owner.id}@{code}"


def _names(tables: Tables) -> Iterator[Name]:
    for row in tables.names:
        yield Name(row.name, (row.ingredient,), row.kind, row.country, row.language)
    for combination in tables.combinations:
        # With alternatives in it a name does not say which of them is meant.
        if all(len(part) == 1 for part in combination.parts):
            for name in combination.names:
                yield Name(name, tuple(part[0] for part in combination.parts), "combination")


def _by_member(pairs: Iterable[frozenset[str]]) -> Mapping[str, tuple[str, ...]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for pair in pairs:
        for one in pair:
            found[one] |= pair - {one}
    return {one: tuple(sorted(others)) for one, others in found.items()}


def _combinations(combinations: Iterable[Combination]) -> Mapping[str, tuple[Combination, ...]]:
    """By their first part: whoever holds a combination whole holds one of these."""
    found: defaultdict[str, tuple[Combination, ...]] = defaultdict(tuple)
    for combination in combinations:
        for ingredient in combination.parts[0]:
            found[ingredient] += (combination,)
    return dict(found)
