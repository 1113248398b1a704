"""Everything the prescription service says to Postgres."""

from services.prescription.store.hand import (
    add,
    drop,
    find,
    hold,
    holds,
    may_sign,
    patient,
    save,
    save_patient,
    seen,
    strike_at,
)
from services.prescription.store.reading import finding_secret, history, in_force, still_in_force, suspended
from services.prescription.store.verifications import use_verification, used_verifications
from services.prescription.store.writing import save_standing, settle

__all__ = [
    "add",
    "drop",
    "find",
    "finding_secret",
    "history",
    "hold",
    "holds",
    "in_force",
    "may_sign",
    "patient",
    "save",
    "save_patient",
    "save_standing",
    "seen",
    "settle",
    "still_in_force",
    "strike_at",
    "suspended",
    "use_verification",
    "used_verifications",
]
