"""Everything the prescription service says to Postgres."""

from services.prescription.store.announcing import (
    ANNOUNCE,
    Reached,
    announce_again,
    announce_on,
    consultations_after,
    prescriptions_after,
    templates_after,
)
from services.prescription.store.catalogue import display_names, fill_in, resolve_items
from services.prescription.store.hand import (
    add,
    drop,
    find,
    hold,
    holds,
    keep_of_catalogue,
    knowledge_base,
    may_sign,
    patient,
    save,
    save_patient,
    seen,
    strike_at,
)
from services.prescription.store.reading import finding_secret, in_force, still_in_force, suspended
from services.prescription.store.record_rows import Wanted
from services.prescription.store.record_rows import lock as lock_records
from services.prescription.store.records import (
    consultation,
    consultations_to_name,
    made_from,
    name_taken,
    places_made_from,
    save_consultation,
    save_template,
    template,
)
from services.prescription.store.releases import has_catalogue
from services.prescription.store.unsigned import (
    check_again,
    check_all_again,
    patients_with_unsigned,
    resolve_all_again,
    save_knowledge_base,
    unsigned_after,
    unsigned_of,
)
from services.prescription.store.verifications import use_verification, used_verifications
from services.prescription.store.writing import save_standing, settle

__all__ = [
    "ANNOUNCE",
    "Reached",
    "Wanted",
    "add",
    "announce_again",
    "announce_on",
    "check_again",
    "check_all_again",
    "consultation",
    "consultations_after",
    "consultations_to_name",
    "display_names",
    "drop",
    "fill_in",
    "find",
    "finding_secret",
    "has_catalogue",
    "hold",
    "holds",
    "in_force",
    "keep_of_catalogue",
    "knowledge_base",
    "lock_records",
    "made_from",
    "may_sign",
    "name_taken",
    "patient",
    "patients_with_unsigned",
    "places_made_from",
    "prescriptions_after",
    "resolve_all_again",
    "resolve_items",
    "save",
    "save_consultation",
    "save_knowledge_base",
    "save_patient",
    "save_standing",
    "save_template",
    "seen",
    "settle",
    "still_in_force",
    "strike_at",
    "suspended",
    "template",
    "templates_after",
    "unsigned_after",
    "unsigned_of",
    "use_verification",
    "used_verifications",
]
