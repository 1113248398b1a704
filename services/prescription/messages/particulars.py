"""What a prescription carries for those who print, seal and show it, as it was when it was ordered."""

from contracts.drafting_commands import ChangeStatus, DraftCommand
from contracts.message import Value
from contracts.prescription_commands import IssuePrescription
from contracts.values import Allergy, Diagnosis, Doctor, Patient, Policy, Provider
from services.prescription.domain.prescription import Prescription


class Particulars(Value):
    """People, diagnoses, notes and settings; no rule of the domain reads them."""

    provider: Provider
    policy: Policy
    patient: Patient
    doctor: Doctor
    signer: Doctor | None = None
    """The doctor who signs it, where that is not the one who prescribed it."""
    diagnoses: tuple[Diagnosis, ...] = ()
    allergies: tuple[Allergy, ...] = ()
    patient_data_consent: bool | None = None
    confidential: bool = False
    laboratory_notes: str | None = None
    diagnostic_test_notes: str | None = None


def ordered_with(command: IssuePrescription) -> Particulars:
    return Particulars.model_construct(
        provider=command.provider,
        policy=command.policy,
        patient=command.patient,
        doctor=command.doctor,
        diagnoses=command.diagnoses,
        allergies=command.allergies,
        patient_data_consent=command.patient_data_consent,
        confidential=command.confidential,
        laboratory_notes=command.laboratory_notes,
        diagnostic_test_notes=command.diagnostic_test_notes,
    )


def drafted_with(command: DraftCommand) -> Particulars:
    """The people of a draft. Call it where both are known."""
    assert command.patient is not None
    assert command.doctor is not None
    return Particulars(
        provider=command.provider, policy=command.policy, patient=command.patient, doctor=command.doctor
    )


def to_be_signed(prescription: Prescription, command: ChangeStatus) -> Particulars:
    """What it carries with the people and the clinic as they are now: these are signed."""
    carried = of(prescription)
    another = command.signer is not None and command.signer.doctor_id != prescription.doctor_id
    return carried.model_copy(
        update={
            "provider": command.provider,
            "policy": command.policy,
            "patient": command.patient or carried.patient,
            "doctor": command.doctor or carried.doctor,
            "signer": command.signer if another else None,
        }
    )


def of(prescription: Prescription) -> Particulars:
    """The particulars of a prescription; each one has them."""
    assert isinstance(prescription.particulars, Particulars)
    return prescription.particulars
