"""Everything the prescription service says to Postgres."""

from services.prescription.store.catalogue import fill_in, resolve_items
from services.prescription.store.hand import (
    add,
    drop,
    find,
    hold,
    holds,
    keep_of_catalogue,
    may_sign,
    patient,
    save,
    save_patient,
    seen,
    strike_at,
)
from services.prescription.store.reading import finding_secret, history, in_force, still_in_force
from services.prescription.store.releases import has_catalogue
from services.prescription.store.verifications import use_verification, used_verifications
from services.prescription.store.writing import save_standing, settle

__all__ = [
    "add",
    "drop",
    "fill_in",
    "find",
    "finding_secret",
    "has_catalogue",
    "history",
    "hold",
    "holds",
    "in_force",
    "keep_of_catalogue",
    "may_sign",
    "patient",
    "resolve_items",
    "save",
    "save_patient",
    "save_standing",
    "seen",
    "settle",
    "still_in_force",
    "strike_at",
    "use_verification",
    "used_verifications",
]
