"""The profile es-rx-hash/1: the groups of a Spanish private prescription in normal form, as data."""

from typing import Final

from services.signing.domain import national_code
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
    printable,
    record,
    upper,
    uuid,
    without_separators,
)

_T32: Final = printable(32)
_T64: Final = printable(64)
_T128: Final = printable(128)
_T200: Final = printable(200)
_T500: Final = printable(500)
_AMOUNT: Final = decimal(9, 6)
_POSITIVE: Final = decimal(9, 6, above_zero=True)
_OPAQUE: Final = pattern("[A-Za-z0-9._:/-]{1,64}")
_E164: Final = without_separators(pattern(r"\+[1-9][0-9]{6,14}"))

_NAMES: Final[Fields] = {"given_names": _T128, "first_surname": _T64, "second_surname": _T64}
_NUMBER: Final = compact(pattern("[A-Z0-9]{3,20}"))
_ID: Final[Fields] = {"id_type": one_of("DNI", "NIE", "PASSPORT"), "id_number": _NUMBER}

_DOCUMENT: Final[Fields] = {
    "prescription_id": uuid,
    "prescription_code": upper(pattern("[A-Z0-9][A-Z0-9-]{4,30}[A-Z0-9]")),
    "version": integer(1, 999),
    "supersedes": pattern("[A-Za-z0-9_-]{43}"),
    "regime": one_of("private"),
    "prescribing_system_id": _OPAQUE,
    "national_repository_id": _OPAQUE,
    "issued_at": instant,
    "prescription_date": day,
    "valid_until": instant,
    "item_count": integer(1, 30),
    "patient_data_consent": boolean,
}
_PATIENT: Final[Fields] = {**_NAMES, "birth_date": day, **_ID, "guardian": record({**_NAMES, **_ID})}
_PRESCRIBER: Final[Fields] = {
    **_NAMES,
    "id_type": one_of("DNI", "NIE"),
    "id_number": _NUMBER,
    "profession": one_of("PHYSICIAN", "DENTIST", "PODIATRIST"),
    "qualification": _T128,
    "license_number": without_separators(pattern("[0-9]{9}")),
    "licensing_body": _T128,
    "specialty": _T128,
    "email": pattern(r"[^\s@]{1,64}@[^\s@]{1,189}"),
    "phone": _E164,
    "fax": _E164,
    "facility_name": _T128,
    "address_line": _T200,
    "postal_code": pattern("[0-9]{5}"),
    "town": printable(100),
    "country": one_of("ES"),
}
_FORMULA: Final[Fields] = {
    "ingredients": many(record({"name": _T128, "amount": _AMOUNT, "unit": _T32}), 30),
    "vehicle": _T128,
    "total_amount": _AMOUNT,
    "total_unit": _T32,
    "preparation": _T500,
}
_ITEM: Final[Fields] = {
    "item_id": uuid,
    "item_no": integer(1, 30),
    "kind": one_of("product", "medical_device", "master_formula"),
    "description": _T200,
    "active_ingredients": many(_T128, 10),
    "national_code": national_code.normal,
    "brand_name": _T128,
    "brand_reason": one_of("BIOLOGICAL", "CLINICAL"),
    "brand_justification": _T200,
    "strength": _T64,
    "form": _T64,
    "audience": one_of("INFANT", "CHILD", "ADULT"),
    "route": _T64,
    "pack_format": _T64,
    "packs": integer(1, 99),
    "units": _POSITIVE,
    "unit": _T32,
    "posology": _T500,
    "dose_amount": _POSITIVE,
    "dose_unit": _T32,
    "frequency": _T128,
    "treatment_days": integer(1, 366),
    "as_needed": boolean,
    "substitution_allowed": boolean,
    "instructions": _T500,
    "formula": record(_FORMULA),
    "controlled_list": one_of("N1", "N2", "N3", "P2", "P3", "P4"),
    "dispensing_order": integer(1, 99),
    "planned_dispensing_date": day,
    "first_dispense_until": day,
}
_ENTRY: Final[Fields] = {
    "system": one_of("ICD-10", "ICD-10-ES"),
    "code": upper(pattern("[A-Z0-9.]{1,18}")),
    "text": _T200,
}

ES_RX_HASH_1: Final = Profile(
    name="es-rx-hash/1",
    cty="es-rx-hash+json",
    algorithms=frozenset({"ES256", "ES384", "PS256"}),
    groups=Groups(
        document=_DOCUMENT,
        patient=_PATIENT,
        prescriber=_PRESCRIBER,
        item=_ITEM,
        diagnosis={"entries": many(record(_ENTRY), 20)},
    ),
    copied=(
        "prescription_id",
        "prescription_code",
        "version",
        "national_repository_id",
        "issued_at",
        "item_count",
    ),
    items_max=30,
    limits=Limits(bundle=768 * KIB, groups=128 * KIB, group=32 * KIB),
)
