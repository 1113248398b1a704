"""The profile rx-sign/1: the provider's seal outside Spain, which holds whatever the two dialects accept."""

from typing import Final

from services.signing.domain.profiles import KIB, Groups, Limits, Profile
from services.signing.domain.values import (
    Fields,
    boolean,
    compact,
    day,
    decimal,
    instant,
    integer,
    many,
    one_of,
    pattern,
    record,
    sealable,
    unbroken,
    upper,
    uuid,
)

ITEMS_MAX: Final = 30
INGREDIENTS_MAX: Final = 100
DIAGNOSES_MAX: Final = 20
TREATMENT_DAYS_MAX: Final = 36_500

# Nothing that a dialect has accepted may fail here: its longest name, and its longest instructions joined
# with dosage, route, frequency and duration.
_LINE: Final = sealable(1000)
_POSOLOGY: Final = sealable(5000)
_AMOUNT: Final = decimal(30, 30)
_COUNTRY: Final = upper(pattern("[A-Z]{2}"))
_TELEPHONE: Final = pattern(r"\+?[0-9]{1,40}")
_OPAQUE: Final = pattern("[A-Za-z0-9._:/-]{1,64}")
_HASH: Final = pattern("[A-Za-z0-9_-]{43}")
_IDENTITY: Final = unbroken(compact(sealable(1000)))

_NAMES: Final[Fields] = {"given_names": _LINE, "first_surname": _LINE, "second_surname": _LINE}
_DOCUMENT_OF_IDENTITY: Final[Fields] = {"id_type": _LINE, "id_number": _IDENTITY}

_DOCUMENT: Final[Fields] = {
    "prescription_id": uuid,
    "prescription_code": upper(pattern("[A-Z0-9][A-Z0-9-]{4,30}[A-Z0-9]")),
    "version": integer(1, 999),
    "supersedes": _HASH,
    "regime": one_of("private"),
    "prescribing_system_id": _OPAQUE,
    "national_repository_id": _OPAQUE,
    "issued_at": instant,
    "prescription_date": day,
    "valid_until": instant,
    "item_count": integer(1, ITEMS_MAX),
    "patient_data_consent": boolean,
}
_PATIENT: Final[Fields] = {
    **_NAMES,
    "birth_date": day,
    **_DOCUMENT_OF_IDENTITY,
    "guardian": record({**_NAMES, **_DOCUMENT_OF_IDENTITY}),
}
_PRESCRIBER: Final[Fields] = {
    **_NAMES,
    **_DOCUMENT_OF_IDENTITY,
    "profession": _LINE,
    "qualification": _LINE,
    "license_number": _LINE,
    "licensing_body": _LINE,
    "specialty": _LINE,
    "email": _LINE,
    "phone": _TELEPHONE,
    "fax": _TELEPHONE,
    "facility_name": _LINE,
    "address_line": _LINE,
    "postal_code": _LINE,
    "town": _LINE,
    "country": _COUNTRY,
}
_FORMULA: Final[Fields] = {
    "ingredients": many(record({"name": _LINE, "amount": _AMOUNT, "unit": _LINE}), 30),
    "vehicle": _LINE,
    "total_amount": _AMOUNT,
    "total_unit": _LINE,
    "preparation": _POSOLOGY,
}
_ITEM: Final[Fields] = {
    "item_id": uuid,
    "item_no": integer(1, ITEMS_MAX),
    "kind": one_of("product", "medical_device", "master_formula"),
    "description": _LINE,
    "active_ingredients": many(_LINE, INGREDIENTS_MAX),
    "national_code": _LINE,
    "brand_name": _LINE,
    "brand_reason": _LINE,
    "brand_justification": _LINE,
    "strength": _LINE,
    "form": _LINE,
    "audience": one_of("INFANT", "CHILD", "ADULT"),
    "route": _LINE,
    "pack_format": _LINE,
    "packs": integer(1, 99),
    "units": _AMOUNT,
    "unit": _LINE,
    "posology": _POSOLOGY,
    "dose_amount": _AMOUNT,
    "dose_unit": _LINE,
    "frequency": _LINE,
    "treatment_days": integer(1, TREATMENT_DAYS_MAX),
    "as_needed": boolean,
    "substitution_allowed": boolean,
    "instructions": _POSOLOGY,
    "formula": record(_FORMULA),
    "controlled_list": _LINE,
    "dispensing_order": integer(1, 99),
    "planned_dispensing_date": day,
    "first_dispense_until": day,
}
_DIAGNOSIS: Final[Fields] = {
    "entries": many(
        record({"system": one_of("ICD-10", "ICD-10-ES"), "code": _LINE, "text": _LINE}), DIAGNOSES_MAX
    )
}

RX_SIGN_1: Final = Profile(
    name="rx-sign/1",
    cty="rx-sign+json",
    algorithms=frozenset({"ES256", "ES384", "PS256"}),
    groups=Groups(
        document=_DOCUMENT, patient=_PATIENT, prescriber=_PRESCRIBER, item=_ITEM, diagnosis=_DIAGNOSIS
    ),
    copied=("prescription_id", "prescription_code", "version", "issued_at", "item_count"),
    items_max=ITEMS_MAX,
    # Room for the longest texts that the fields allow, in letters of four bytes: what was sealed can be read.
    limits=Limits(bundle=32 * KIB * KIB, groups=24 * KIB * KIB, group=KIB * KIB),
)
