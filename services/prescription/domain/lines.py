"""Whether what a pharmacy wants to hand over fits what was prescribed, line by line."""

from collections.abc import Iterator, Sequence

from services.prescription.domain.dispensation import Dispensation, Line, SubstitutionPolicy
from services.prescription.domain.items import Item
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.refusal import Failing


def everything_left(prescription: Prescription) -> tuple[Line, ...]:
    """A line for each item of which something can still be dispensed, with all that is left."""
    return tuple(
        Line(
            item_id=item.id,
            product_code=item.product_code,
            quantity=prescription.remaining_quantity(item),
        )
        for item in prescription.outstanding
    )


def same(lines: Sequence[Line], others: Sequence[Line]) -> bool:
    """Whether both name the same lines, in any order: id, quantity and substitute (rulings 2.11)."""
    return sorted(map(repr, (line.outline for line in lines))) == sorted(
        map(repr, (line.outline for line in others))
    )


def check(prescription: Prescription, lines: Sequence[Line], policy: SubstitutionPolicy) -> list[Failing]:
    """What is wrong with the lines, in document order."""
    if not lines:
        return [Failing("products", "required", "At least one line.")]
    failing: list[Failing] = []
    for place, line in enumerate(lines):
        path = f"products[{place}]"
        item = prescription.item(line.item_id)
        if item is None:
            failing.append(Failing(f"{path}.id", "line_unknown", "No such line in this prescription."))
        elif any(line.item_id == earlier.item_id for earlier in lines[:place]):
            failing.append(Failing(f"{path}.id", "duplicate", "This line was named before."))
        else:
            failing += _fits(prescription, item, line, path)
            failing += _substitution(item, line, path, policy)
    return failing


def _fits(prescription: Prescription, item: Item, line: Line, path: str) -> Iterator[Failing]:
    if line.product_code is not None and line.product_code != item.product_code:
        yield Failing(f"{path}.product_code", "product_mismatch", "Not the prescribed product.")
    remaining = prescription.remaining_quantity(item)
    if line.quantity is not None and line.quantity < 1:
        yield Failing(f"{path}.quantity", "out_of_range", "Must be at least 1.")
    elif line.quantity is None and item.quantity is not None:
        yield Failing(f"{path}.quantity", "required", "Is required.")
    elif remaining is not None and (line.quantity is None or line.quantity > remaining):
        yield Failing(
            f"{path}.quantity", "over_quantity", "More than is left.", {"remaining_quantity": remaining}
        )


def _substitution(item: Item, line: Line, path: str, policy: SubstitutionPolicy) -> Iterator[Failing]:
    if line.substitute is not None and not _may_replace(item, line, policy):
        yield Failing(
            f"{path}.substitute_product_code", "substitution_not_allowed", "It must not be substituted so."
        )
    if field := _missing_of_substitution(line):
        yield Failing(f"{path}.{field}", "substitution_incomplete", "A substitution needs this as well.")


def _may_replace(item: Item, line: Line, policy: SubstitutionPolicy) -> bool:
    if not item.substitution_allowed or policy is SubstitutionPolicy.NONE:
        return False
    if policy is SubstitutionPolicy.ANY_WITH_REASON:
        return True
    prescribed = item.product.ingredients if item.product else frozenset(item.ingredients)
    # Two products of which nothing is known are not the same.
    return line.substitute is not None and bool(prescribed) and line.substitute.ingredients == prescribed


def _missing_of_substitution(line: Line) -> str | None:
    """The field without which a substitution, or its reason, is not whole."""
    reasons = (line.substitution_reason_enum, line.substitution_reason)
    if not line.substituted:
        return "substitute_product_code" if any(reasons) else None
    if line.substitute is None:
        return "substitute_product_code"
    if line.substitute_quantity is None:
        return "substitute_quantity"
    if not any(reasons):
        return "substitution_reason_enum"
    if line.substitution_reason_enum == "OTHER" and not (
        line.substitution_reason or line.substitution_other_description
    ):
        return "substitution_other_description"
    return None


def without_quantity(dispensation: Dispensation) -> list[Failing]:
    """The lines that do not say how much changes hands, which a hand-over must."""
    return [
        Failing(f"products[{place}].quantity", "quantity_required", "Say how much is handed over.")
        for place, line in enumerate(dispensation.lines)
        if line.quantity is None
    ]
