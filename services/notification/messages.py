"""From contracts to what is printed and delivered, and back to what is announced."""

import base64
import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar, Final

from pydantic import TypeAdapter

from contracts import values
from contracts.command_outcomes import CommandRefused
from contracts.notification_commands import MakeDocument, NotificationCommand, SendOneTimePassword
from contracts.notification_events import DeliveryFailed, DeliverySucceeded, DocumentFinished
from contracts.prescription_events import DeliveryRequested
from services.notification.domain.delivery import Delivery, Refusal
from services.notification.domain.one_time_password import OneTimePassword
from services.notification.domain.printed import (
    Item,
    Language,
    Patient,
    Prescriber,
    PrintedPrescription,
    Refused,
    Status,
    WantedDocument,
)
from shared import errors

_printed = TypeAdapter(PrintedPrescription)
_wanted = TypeAdapter(WantedDocument)
_password = TypeAdapter(OneTimePassword)

NOT_SAID: Final = "—"
_ENDED: Final = {
    values.Status.CANCELLED: Status.VOIDED,
    values.Status.EXPIRED: Status.EXPIRED,
    values.Status.DISPENSED: Status.DISPENSED,
}


class NoDocument(CommandRefused):
    """The refusal of a command, as this service says it."""

    source: ClassVar[str] = "/notification"


def printed(prescription: values.Prescription, language: str) -> PrintedPrescription:
    """What stands on the document of this state; notes, findings and clinical notes are never among it."""
    sealed = prescription.seal is not None
    spoken = Language.nearest(language)
    return PrintedPrescription(
        language=spoken,
        time_zone=prescription.provider.time_zone,
        status=_status(prescription),
        patient=_patient(prescription.patient),
        prescriber=_prescriber(prescription.doctor),
        provider_name=prescription.provider.name,
        items=tuple(_item(number, one, spoken) for number, one in enumerate(prescription.items, start=1)),
        drawn_up_at=prescription.created_at,
        code=prescription.prescription_code if sealed else None,
        # The day of the signature: the copy made at signing and one made at release are the same file.
        issued_at=(prescription.signed_at or prescription.issued_at) if sealed else None,
        valid_until=prescription.valid_until,
        seal_digest=prescription.seal.document_sha256 if prescription.seal else None,
        diagnoses=tuple(
            _joined((one.diagnosis_code, one.description), " · ") for one in prescription.diagnoses
        ),
        confidential=prescription.confidential,
        ended_at=prescription.ended_at,
    )


def to_text(printed: PrintedPrescription) -> str:
    """As a store or a work row keeps it until it is needed."""
    return _printed.dump_json(printed).decode()


def from_text(text: str) -> PrintedPrescription:
    """What `to_text` wrote, by this release or an earlier one."""
    return _printed.validate_json(text)


def digest(printed: PrintedPrescription) -> bytes:
    """What tells one document from another."""
    return hashlib.sha256(_printed.dump_json(printed)).digest()


def delivery(event: DeliveryRequested, *, requested_at: datetime, correlation: str | None) -> Delivery:
    """A delivery that nobody has attempted yet."""
    return Delivery(
        tenant_id=event.tenant_id,
        id=event.delivery_id,
        prescription_id=event.prescription_id,
        email_address=event.email_address,
        printed=printed(event.prescription, event.language),
        requested_at=requested_at,
        correlation=correlation,
    )


def delivered(delivery: Delivery, at: datetime) -> DeliverySucceeded:
    """The receiving server took it."""
    return DeliverySucceeded(
        tenant_id=delivery.tenant_id,
        prescription_id=delivery.prescription_id,
        delivery_id=delivery.id,
        message_id=delivery.message_id,
        delivered_at=at,
    )


def failed(delivery: Delivery, refusal: Refusal, at: datetime) -> DeliveryFailed:
    """It will not be tried again."""
    return DeliveryFailed(
        tenant_id=delivery.tenant_id,
        prescription_id=delivery.prescription_id,
        delivery_id=delivery.id,
        message_id=delivery.message_id,
        reason=str(refusal),
        failed_at=at,
    )


def wanted(command: MakeDocument, *, correlation: str | None) -> WantedDocument:
    """What a command asks for, without what will not be printed."""
    return WantedDocument(
        tenant_id=command.tenant_id,
        prescription_id=command.prescription_id,
        request_id=command.request_id,
        document_id=command.document_id,
        revision=command.prescription.revision,
        language=command.language,
        printed=printed(command.prescription, command.language),
        correlation=correlation,
    )


def to_payload(wanted: WantedDocument) -> dict[str, Any]:
    """As a work row keeps it."""
    payload: dict[str, Any] = _wanted.dump_python(wanted, mode="json")
    return payload


def from_payload(payload: dict[str, Any]) -> WantedDocument:
    """What `to_payload` made."""
    return _wanted.validate_python(payload)


def one_time_password(command: SendOneTimePassword, *, requested_at: datetime) -> dict[str, Any]:
    """What a work row keeps of a code until it has been mailed or has died."""
    password = OneTimePassword(
        id=command.otp_id,
        code=command.code,
        email_address=command.email_address,
        language=Language.nearest(command.language),
        time_zone=command.time_zone,
        asked_by=command.asked_by,
        requested_at=requested_at,
        expires_at=command.expires_at,
    )
    payload: dict[str, Any] = _password.dump_python(password, mode="json")
    return payload


def to_one_time_password(payload: dict[str, Any]) -> OneTimePassword:
    """What `one_time_password` made."""
    return _password.validate_python(payload)


def finished(wanted: WantedDocument, pdf: bytes) -> DocumentFinished:
    """The document itself, for whoever asked."""
    return DocumentFinished(
        tenant_id=wanted.tenant_id,
        prescription_id=wanted.prescription_id,
        request_id=wanted.request_id,
        document_id=wanted.document_id,
        revision=wanted.revision,
        language=wanted.language,
        sha256=hashlib.sha256(pdf).hexdigest(),
        content=base64.b64encode(pdf),
    )


def refused(command: NotificationCommand | WantedDocument, error: Exception) -> NoDocument:
    """Why there is no document, by its code; the client learns no more of a failure of ours."""
    code = errors.code(error) if isinstance(error, Refused | errors.Rejected) else errors.GaveUp.default_code
    return NoDocument(
        tenant_id=command.tenant_id,
        prescription_id=command.prescription_id,
        request_id=command.request_id,
        code=code,
        message=str(error) if isinstance(error, Refused) else "",
    )


def _status(prescription: values.Prescription) -> Status:
    if (ended := _ENDED.get(prescription.status)) is not None:
        return ended
    if prescription.seal is None:
        return Status.DRAFT
    return Status.PARTIALLY_DISPENSED if prescription.partly_dispensed else Status.ISSUED


def _patient(patient: values.Patient) -> Patient:
    guardian = patient.guardian
    return Patient(
        name=patient.full_name or "",
        document=_joined((patient.document_type, patient.document_number)) or None,
        born=patient.date_of_birth,
        guardian=_joined(
            (
                guardian.first_name,
                guardian.last_name,
                guardian.second_last_name,
                f"({guardian.document_type} {guardian.document_number})",
            )
        )
        if guardian
        else None,
    )


def _prescriber(doctor: values.Doctor) -> Prescriber:
    return Prescriber(
        name=_joined((doctor.salutation, doctor.full_name)),
        specialty=doctor.main_specialty_name,
        address=_joined((doctor.physical_address, doctor.postal_code, doctor.city_name), ", ") or None,
        licence=doctor.medical_license_number,
        registration=doctor.medical_board_registration,
    )


def _item(number: int, item: values.Item, language: Language) -> Item:
    product = item.product
    translated = product.names.get(language) if product else None
    on_file = product.active_ingredients if product else ()
    # Items of the other dialect have no posology of their own (osigu-dialect 5.8).
    told = item.posology or _joined((item.dosage, item.route, item.frequency, item.instructions), ", ")
    return Item(
        number=number,
        product_name=item.medication_name,
        posology=told or NOT_SAID,
        translated_name=translated if translated != item.medication_name else None,
        # `item.ingredients` are rows of the knowledge base, which say nothing to a reader.
        ingredients=tuple(one.name for one in on_file) or tuple(filter(None, (item.active_ingredient,))),
        quantity=item.quantity,
        unit=item.unit or (product.dosage_unit if product else None),
        duration_days=item.duration_days,
        duration=item.duration,
        substitution_allowed=item.substitution_allowed,
    )


def _joined(parts: Iterable[str | None], by: str = " ") -> str:
    return by.join(part for part in parts if part)
