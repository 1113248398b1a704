"""The bodies of dispensing (osigu-dialect 6.2), read alike from HTTP and from Kafka reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from contracts import prescription_codes as codes
from contracts.values import DispensationLine, Product, Receipt
from services.gateway.checks import verification
from services.gateway.checks.fields import Checks, Form
from services.gateway.checks.prescription import QUANTITY_MAX
from services.gateway.checks.verification import Shown

LINES_MAX: Final = 30
CODE_TEXT_MAX: Final = 64
CURRENCY: Final = r"[A-Z]{3}"
SUBSTITUTION_REASONS: Final = ("OUT_OF_STOCK", "EMERGENCY", "ACTIVE_INGREDIENT", "OTHER")
VOID_REASONS: Final = (
    "DISPENSING_ERROR",
    "WRONG_PRODUCT_IDENTIFICATION",
    "WRONG_CONTAINERS_QUANTITY",
    "WRONG_PATIENT_IDENTIFICATION",
    "SUBSTITUTION_VOID",
    "PRESCRIBER_INDICATION",
    "REFUND",
)
_AUTHORIZATION: Final = "AUTH-"

Substitutes = Mapping[str, Product]


@dataclass(frozen=True)
class LineRead:
    """A line as sent; its substitute is a code that is still to be looked up."""

    path: str
    line: DispensationLine
    substitute_code: str | None


@dataclass(frozen=True)
class StartRead:
    """A start as sent, with its code in canonical form."""

    code: str
    beneficiary_id: UUID | None
    branch_id: UUID | None
    currency_code: str | None
    lines: tuple[LineRead, ...] | None
    shown: tuple[Shown, ...] = ()


@dataclass(frozen=True)
class CompleteRead:
    """A complete as sent: the receipt, and what verifies the beneficiary."""

    receipt: Receipt
    shown: tuple[Shown, ...]


@dataclass(frozen=True)
class UpdateRead:
    """A `PUT` as sent."""

    currency_code: str | None
    lines: tuple[LineRead, ...]


@dataclass(frozen=True)
class CancelRead:
    """A cancel as sent."""

    void_reason: str | None
    void_description: str | None


def canonical_code(text: str) -> str | None:
    """The canonical code; None for what cannot be the code of a prescription."""
    return None if text.strip().upper().startswith(_AUTHORIZATION) else codes.canonical(text)


def code(form: Form, name: str = "code") -> str:
    """The code of a body, canonical; a slip of the finger is noted, what is no code is not found later."""
    text = form.text(name, limit=CODE_TEXT_MAX, required=True)
    if text is None:
        return ""
    found = canonical_code(text)
    if found is not None and not codes.is_valid(found):
        form.fail(name, "code_check_failed", "The check digit does not fit: compare the code with the paper.")
    return found or text


def path_code(text: str) -> str:
    """The code of a path; blank for what is no code, which is not found later. Raises `code_check_failed`."""
    found = canonical_code(text)
    if found is None:
        return ""
    checks = Checks()
    if not codes.is_valid(found):
        checks.fail(
            "path.code", "code_check_failed", "The check digit does not fit: compare the code with the paper."
        )
    checks.settle()
    return found


def start(form: Form, *, default_branch: UUID | None) -> StartRead:
    """Notes every failing check of the content; the caller settles after looking up substitutes."""
    found_code = code(form)
    beneficiary_id = form.id("beneficiary_id", "bnf", unknown="beneficiary_mismatch")
    branch_id = form.id("branch_id", "branch")
    form.text("pin", limit=16)
    currency_code = form.text("currency_code", limit=3, pattern=CURRENCY)
    lines = _lines(form) if form.has("products") else None
    if lines is None:
        form.raw("products")
    shown = verification.shown(form)
    form.done()
    return StartRead(found_code, beneficiary_id, branch_id or default_branch, currency_code, lines, shown)


def update(form: Form) -> UpdateRead:
    lines = _lines(form)
    currency_code = form.text("currency_code", limit=3, pattern=CURRENCY)
    currency = form.form("currency")
    if currency is not None:
        inner = currency.text("currency_code", limit=3, pattern=CURRENCY)
        for ignored in ("default_fraction_digits", "numeric_code", "symbol", "display_name"):
            currency.raw(ignored)
        currency.done()
        if None not in (inner, currency_code) and inner != currency_code:
            currency.fail("currency_code", "conflicting_fields", "Must equal currency_code.")
        currency_code = currency_code or inner
    form.done()
    return UpdateRead(currency_code, lines)


def complete(form: Form, *, provider_slug: str) -> CompleteRead | None:
    """What `complete` says; None when something in it fails, which is noted."""
    amount = form.money("amount", required=True)
    number = form.text("document_number", limit=64, required=True)
    date = form.moment("document_date", required=True)
    serial = form.text("document_serial", limit=64)
    signature = form.text("document_digital_signature", limit=4096)
    transaction = form.text("provider_transaction_id", limit=128)
    slug = form.text("provider_slug", limit=64)
    if slug is not None and slug != provider_slug:
        form.fail("provider_slug", "provider_mismatch", "Must be the client's own provider.")
    token = form.text(verification.TOKEN, limit=verification.TOKEN_MAX)
    shown = verification.shown(form)
    form.done()
    if amount is None or number is None or date is None:
        return None
    receipt = Receipt(
        amount=amount,
        document_number=number,
        document_date=date,
        document_serial=serial,
        document_digital_signature=signature,
        provider_transaction_id=transaction,
    )
    return CompleteRead(receipt, ((Shown(verification.TOKEN, token),) if token else ()) + shown)


def cancel(form: Form) -> CancelRead:
    reason = form.word("void_reason", VOID_REASONS)
    description = form.text("void_description", limit=500)
    form.done()
    return CancelRead(reason, description)


def _lines(form: Form) -> tuple[LineRead, ...]:
    seen: set[UUID] = set()
    found = []
    for line in form.forms("products", 1, LINES_MAX, required=True):
        read = _line(line, seen)
        if read is not None:
            found.append(read)
    return tuple(found)


def _line(form: Form, seen: set[UUID]) -> LineRead | None:
    item_id = form.id("id", "rxi", unknown="line_unknown", required=True)
    if item_id in seen:
        form.fail("id", "duplicate", "Must be named once.")
    if item_id is not None:
        seen.add(item_id)
    product_code = form.text("product_code", limit=64)
    price = form.money("price", required=True)
    taxes = form.money("taxes", required=True)
    quantity = form.integer("quantity", 1, QUANTITY_MAX, required=True)
    substitute = form.text("substitute_product_code", limit=64)
    substitute_quantity = form.integer("substitute_quantity", 1, QUANTITY_MAX)
    reason = form.word("substitution_reason_enum", SUBSTITUTION_REASONS)
    text = form.text("substitution_reason", limit=256)
    other = form.text("substitution_other_description", limit=500)
    form.done()
    if item_id is None:
        return None
    line = DispensationLine(
        item_id=item_id,
        product_code=product_code,
        quantity=quantity,
        price=price,
        taxes=taxes,
        substitute_quantity=substitute_quantity,
        substitution_reason_enum=reason or ("OTHER" if text is not None else None),
        substitution_reason=text,
        substitution_other_description=other,
    )
    return LineRead(form.at("substitute_product_code"), line, substitute)


def wanted_substitutes(lines: tuple[LineRead, ...] | None) -> list[str]:
    return sorted({line.substitute_code for line in lines or () if line.substitute_code is not None})


def with_substitutes(
    lines: tuple[LineRead, ...], substitutes: Substitutes, checks: Checks
) -> tuple[DispensationLine, ...]:
    """The lines with the products that replace; one that the catalogue does not know is noted."""
    complete = []
    for read in lines:
        substitute = substitutes.get(read.substitute_code) if read.substitute_code else None
        if read.substitute_code and substitute is None:
            checks.fail(read.path, "product_unknown", "Not in the catalogue.")
        complete.append(read.line.model_copy(update={"substitute": substitute}))
    return tuple(complete)
