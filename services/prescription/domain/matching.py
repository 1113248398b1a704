"""What an item stands for, by the catalogue: its product, its ingredients, and how sure that is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from contracts.drug_names import (
    MatchStatus,
    Names,
    Resolution,
    bare,
    looked_up,
    resolve,
    resolve_item,
    strengths,
)
from services.prescription.domain import editing
from services.prescription.domain.history import Action, Note, Occasion
from services.prescription.domain.items import Item, Product
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.state_table import Move

_SURE: Final = (MatchStatus.LINKED, MatchStatus.EXACT, MatchStatus.SYNONYM)


def texts(item: Item) -> tuple[str, ...]:
    """The words of an item that may name its ingredients."""
    return tuple(text for text in (item.active_ingredient, item.medication_name) if text and text.strip())


def to_look_up(items: Iterable[Item]) -> frozenset[str]:
    """All that must be looked up to resolve these items, folded."""
    return frozenset(form for item in items for text in texts(item) for form in looked_up(text))


def not_understood(items: Iterable[Item], country: str, names: Names) -> frozenset[str]:
    """The words that these names leave unresolved: whatever resembles them may have been meant."""
    found = (resolve(text, country, names) for item in items for text in texts(item))
    return frozenset(" ".join(one.unresolved) for one in found if one.unresolved)


def matched(item: Item, products: Mapping[UUID, Product], country: str, names: Names) -> Item:
    """The item with what the catalogue makes of it; a link that it does not know leaves no product."""
    product = products.get(item.cmed_medication_id) if item.cmed_medication_id else None
    found = resolve_item(
        linked=product.linked_ingredients if product else (),
        active_ingredient=item.active_ingredient,
        medication_name=item.medication_name,
        country=country,
        names=names,
    )
    return replace(
        item,
        product=product,
        ingredients=_checked(found),
        match_status=found.status.value,
        match_score=found.score,
        suggestions=tuple(one.ingredient for one in found.suggestions),
    )


def resolved_again(prescription: Prescription, items: Iterable[Item], occasion: Occasion) -> Prescription:
    """What another catalogue makes of its lines, while they may change; the same where it says the same."""
    if not prescription.cell(Move.EDIT).accepted:
        return prescription
    known = {one.id: one for one in prescription.items}
    changed = {
        one.id: replace(one, updated_at=occasion.at, changed_in=prescription.content_version + 1)
        for one in items
        if not _says_the_same(known[one.id], one)
    }
    if not changed:
        return prescription
    notes = (Note(action=Action.ITEM_CHANGED, was=known[id], item=one) for id, one in changed.items())
    items = tuple(changed.get(one.id, one) for one in prescription.items)
    edited = editing.other_content(replace(prescription, items=items))
    return prescription.becomes(edited, occasion, *notes)


def _says_the_same(before: Item, after: Item) -> bool:
    """Whether two resolutions of one item are as good as each other: by an INN or by another name of it."""
    if (before.product, before.ingredients) != (after.product, after.ingredients):
        return False
    if sure(before) and sure(after):
        return True
    names = ("match_status", "match_score", "suggestions")
    return all(getattr(before, name) == getattr(after, name) for name in names)


def only_strength(text: str | None) -> str | None:
    """The one strength that a text names; None where it names none, or several apart."""
    named = strengths(text) if text else ()
    return named[0] if len(named) == 1 else None


def wanted(item: Item) -> tuple[str, str] | None:
    """The bare name and the strength by which a product can be found for an item; None without either."""
    words = item.active_ingredient or item.medication_name
    name, strength = bare(words), only_strength(item.dosage) or only_strength(words)
    return (name, strength) if name and strength else None


def linked(item: Item, fitting: Sequence[tuple[UUID, Product]]) -> Item:
    """The item with a link to the one product that fits it; without where there are several, or others."""
    same = [(id, one) for id, one in fitting if set(one.linked_ingredients) == set(item.ingredients)]
    if len(same) != 1:
        return item
    ((medication_id, product),) = same
    return replace(
        item, cmed_medication_id=medication_id, product=product, match_status=MatchStatus.LINKED.value
    )


def sure(item: Item) -> bool:
    """Whether the catalogue knows what the item says, word for word."""
    return item.match_status in _SURE


def _checked(found: Resolution) -> tuple[str, ...]:
    """What the safety check looks at: also what was only assumed."""
    return found.ingredients or ((found.assumed,) if found.assumed else ())
