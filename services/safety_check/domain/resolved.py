"""The items of an order with their ingredients found: what every family of rules starts from."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

from contracts.drug_names import Resolution
from services.safety_check.domain import routes
from services.safety_check.domain.knowledge import Knowledge, Subject
from services.safety_check.domain.values import Item, Order

NOT_UNDERSTOOD: Final = ("name_assumed", "ingredient_unresolved")


@dataclass(frozen=True, slots=True)
class ResolvedItem:
    """An item and what it stands for; `prescription_id` is None for the prescription that is checked."""

    item: Item
    resolution: Resolution
    ingredients: tuple[Subject, ...]
    combinations: tuple[Subject, ...] = ()
    prescription_id: str | None = None
    silence: str | None = None
    """Why nothing can be said of its interactions; None when something can."""
    classed: bool = True
    """Whether it is known what else does the same."""

    @property
    def subjects(self) -> tuple[Subject, ...]:
        return (*self.ingredients, *self.combinations) if self.combinations else self.ingredients


@dataclass(frozen=True, slots=True)
class Pair:
    """Two items that are compared, that of lower number first; the second may be another prescription's."""

    first: ResolvedItem
    second: ResolvedItem

    @property
    def item_ids(self) -> tuple[str, ...]:
        """The items of the checked prescription; the other's are named by its prescription."""
        own = (one.item.id for one in (self.first, self.second) if one.prescription_id is None)
        return tuple(own)

    @property
    def other_prescription_id(self) -> str | None:
        return self.second.prescription_id


def resolved(order: Order, knowledge: Knowledge) -> tuple[tuple[ResolvedItem, ...], tuple[ResolvedItem, ...]]:
    """The order's own items, by number, and those of the patient's other prescriptions."""
    own = sorted(order.items, key=lambda item: (item.number, item.id))
    others = ((other.id, item) for other in order.others for item in other.items)
    return (
        tuple(_resolved(item, order.country, knowledge) for item in own),
        tuple(_resolved(item, order.country, knowledge, other) for other, item in others),
    )


def pairs(own: tuple[ResolvedItem, ...], others: tuple[ResolvedItem, ...]) -> Iterator[Pair]:
    """Own items with each other and with others'; never two others with each other."""
    yield from (Pair(a, b) for a, b in combinations(own, 2))
    yield from (Pair(a, b) for a in own for b in others)


def _resolved(item: Item, country: str, knowledge: Knowledge, other: str | None = None) -> ResolvedItem:
    resolution = knowledge.resolve(item, country)
    route = routes.route_of(item.route)
    found = resolution.ingredients
    subjects = tuple(knowledge.subject(ingredient, route) for ingredient in found)
    combined = tuple(knowledge.combinations_in(found)) if len(found) > 1 else ()
    if resolution.assumed:
        guess = knowledge.subject(resolution.assumed, route)
        subjects = (replace(guess, assumed=True),)
    silence = _silence(resolution, knowledge)
    classed = silence not in NOT_UNDERSTOOD and all(subject.kinds.levels for subject in subjects)
    return ResolvedItem(item, resolution, subjects, combined, other, silence, classed)


def _silence(resolution: Resolution, knowledge: Knowledge) -> str | None:
    if resolution.assumed:
        return "name_assumed"
    if resolution.unresolved or not resolution.ingredients:
        return "ingredient_unresolved"
    if not all(map(knowledge.reviewed, resolution.ingredients)):
        return "ingredient_not_reviewed"
    return None
