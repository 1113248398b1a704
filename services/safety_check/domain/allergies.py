"""Items that a recorded allergy speaks against, and allergies of which nothing could be said."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from contracts.drug_names import key
from services.safety_check.domain.allergens import Allergen, Crossing
from services.safety_check.domain.knowledge import Knowledge, Subject
from services.safety_check.domain.resolved import ResolvedItem
from services.safety_check.domain.values import Allergy, Finding, Order, Severity


@dataclass(frozen=True, slots=True)
class Recorded:
    """An allergy and what it stands for; nothing, where its words mean nothing to us."""

    allergy: Allergy
    allergens: tuple[Allergen, ...]

    @property
    def silence(self) -> str | None:
        """Why nothing certain can be said of it; None when something can."""
        if not self.allergens:
            return "allergen_unresolved"
        return "name_assumed" if any(one.assumed for one in self.allergens) else None


def recorded(order: Order, knowledge: Knowledge) -> tuple[Recorded, ...]:
    return tuple(
        Recorded(one, knowledge.allergens.of(one, order.country, knowledge.names)) for one in order.allergies
    )


def findings(one: ResolvedItem, on_file: Sequence[Recorded], knowledge: Knowledge) -> Iterator[Finding]:
    """One finding for each ingredient of the item and each allergy that speaks against it."""
    for known in on_file:
        if not known.allergens and named_alike(one, known):
            yield _unresolved(one, known, knowledge)
        for subject in one.ingredients:
            crossings = [
                (crossing, allergen)
                for allergen in known.allergens
                if (crossing := knowledge.allergens.crossing(known.allergy, allergen, subject.ingredients[0]))
            ]
            if crossings:
                yield _finding(one, subject, known, *max(crossings, key=_gravity), knowledge)


def named_alike(one: ResolvedItem, known: Recorded) -> bool:
    """Whether the words of an allergy that means nothing to us stand in a name of the item."""
    words = set(key(known.allergy.text).split())
    names = (one.item.medication_name, one.item.active_ingredient)
    return bool(words) and any(words <= set(key(name).split()) for name in names if name)


def _finding(
    one: ResolvedItem,
    subject: Subject,
    known: Recorded,
    crossing: Crossing,
    allergen: Allergen,
    knowledge: Knowledge,
) -> Finding:
    (ingredient,) = subject.ingredients
    assumed = subject.assumed or allergen.assumed
    to = knowledge.shown(allergen.ingredient) if allergen.ingredient else known.allergy.text.upper()
    return Finding(
        interaction_type="allergy",
        severity=crossing.severity,
        rule_id=crossing.rule_id,
        source="allergy_registry",
        ingredients=tuple(sorted({ingredient, allergen.ingredient or ingredient})),
        drugs=(knowledge.shown(ingredient), to),
        item_ids=(one.item.id,),
        text=knowledge.text(crossing.text),
        reference=crossing.source,
        assumed=assumed,
        assumptions=("name_assumed",) if assumed else (),
    )


def _unresolved(one: ResolvedItem, known: Recorded, knowledge: Knowledge) -> Finding:
    name = one.item.medication_name or one.item.active_ingredient or ""
    severity = knowledge.allergens.base(known.allergy)
    return Finding(
        interaction_type="allergy",
        severity=severity,
        rule_id="allergy:name",
        source="allergy_registry",
        ingredients=tuple(sorted(one.resolution.ingredients)),
        drugs=(name, known.allergy.text.upper()),
        item_ids=(one.item.id,),
        text=knowledge.text("allergy.same"),
        reference="Recepta drug-safety 7.2",
    )


def _gravity(found: tuple[Crossing, Allergen]) -> tuple[Severity, str]:
    return (found[0].severity, found[0].rule_id)
