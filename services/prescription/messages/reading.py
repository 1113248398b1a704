"""Contract to domain: commands, verdicts and facts as the values that the rules know."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from contracts import drug_names, values
from contracts.directory_events import PatientFactsChanged
from contracts.drafting_commands import ChangeStatus
from contracts.drug_catalog import CatalogueProduct
from contracts.message import Command
from contracts.prescription_commands import (
    CancelDispensation,
    CompleteDispensation,
    IssuePrescription,
    StartDispensation,
    Unresolved,
    UpdateDispensation,
)
from contracts.safety_check_events import SafetyCheckCompleted
from services.prescription.domain import issuing, steps
from services.prescription.domain.dispensation import (
    DispensingTerms,
    Line,
    OtpPolicy,
    Pharmacy,
    Receipt,
    SubstitutionPolicy,
    Verification,
)
from services.prescription.domain.history import Actor, ActorType, Occasion
from services.prescription.domain.items import ActiveIngredient, Item, Product
from services.prescription.domain.patient import Allergy, Facts, Patient
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.requests import Issue, over
from services.prescription.domain.safety import (
    Acknowledgement,
    AskedWith,
    Coverage,
    Finding,
    NotEvaluated,
    SafetyPolicy,
    Severity,
    Text,
    Verdict,
)
from services.prescription.domain.signature import Seal
from services.prescription.domain.state_table import Status
from services.prescription.domain.steps import Conditions, SignerPolicy
from services.prescription.messages import particulars

DispensingCommand: TypeAlias = UpdateDispensation | CompleteDispensation | CancelDispensation


def occasion(command: Command, now: datetime) -> Occasion:
    """Who asks for it, through what, and when it is decided."""
    caller = command.caller
    return Occasion(
        at=now,
        actor=Actor(
            type=ActorType.API_KEY if caller.tenant_id == command.tenant_id else ActorType.PHARMACY,
            client_id=caller.client,
            doctor_id=caller.doctor_id,
            provider_slug=caller.provider_slug,
            branch_id=caller.branch_id,
        ),
        request_id=command.request_id,
        dialect=caller.channel,
    )


def in_time(command: Command, now: datetime) -> Occasion:
    """The same. Raises Refused after the deadline."""
    if over(command.deadline, now):
        raise issuing.gave_up()
    return occasion(command, now)


def going_on(prescription: Prescription, now: datetime) -> Occasion:
    """A later step of a request that is under way; without one, the platform acts by itself."""
    waiting = prescription.waiting[0] if prescription.waiting else None
    request = prescription.issue or prescription.sign_request or waiting
    return replace(request.occasion, at=now) if request else Occasion(at=now)


def order(command: IssuePrescription, code: str, now: datetime) -> Prescription:
    """What is asked for, with the code that it will have once it is issued."""
    controlled = any(one.product and one.product.controlled_schedule for one in command.items)
    return Prescription(
        tenant_id=command.tenant_id,
        id=command.prescription_id,
        patient_id=command.patient.patient_id,
        doctor_id=command.doctor.doctor_id,
        api_version=command.api_version,
        prescription_type="controlled" if controlled else "standard",
        created_at=now,
        updated_at=now,
        items=tuple(item(one, place) for place, one in enumerate(command.items, start=1)),
        particulars=particulars.ordered_with(command),
        notes=command.notes,
        valid_until=command.valid_until,
        code=code,
        acknowledgements=tuple(
            Acknowledgement(one.finding_key, command.doctor.doctor_id, now, one.reason)
            for one in command.acknowledged
        ),
        issue=Issue(
            occasion=occasion(command, now),
            deadline=command.deadline,
            policy=SafetyPolicy(command.policy.safety_policy),
        ),
    )


def patient(tenant_id: UUID, told: values.Patient) -> Patient:
    """The patient as a command's snapshot has them; what is known here already may be newer."""
    return Patient(tenant_id=tenant_id, id=told.patient_id, facts=_facts(told.facts))


def facts(told: values.Patient) -> Facts:
    """What checks must know of a patient, as a command's snapshot has it."""
    return _facts(told.facts)


def conditions(command: ChangeStatus, prescription: Prescription, suspended: Collection[UUID]) -> Conditions:
    """What settings and directory say of a step; `suspended` are doctors of whom we were told ourselves."""
    people = {"signed_by": command.signed_by, "doctor_id": prescription.doctor_id}
    return Conditions(
        refused_statuses=frozenset(Status(one.value) for one in command.policy.refused_statuses),
        signer_policy=SignerPolicy(command.policy.signer_policy),
        references=steps.unnamable(references(command.unresolved), people, suspended),
    )


def references(told: Sequence[Unresolved]) -> dict[str, str]:
    """The references that the directory cannot honour, by their places in the request."""
    return {one.path: one.code for one in told}


def patient_told(event: PatientFactsChanged) -> Patient:
    return Patient(tenant_id=event.tenant_id, id=event.facts.patient_id, facts=_facts(event.facts))


def verdict(event: SafetyCheckCompleted, new_id: Callable[[], UUID]) -> Verdict:
    said = event.verdict
    return Verdict(
        asked_with=AskedWith(
            content_version=event.content_version,
            facts_version=event.facts_version,
            in_force_version=event.in_force_version,
        ),
        findings=tuple(_finding(one, new_id(), said.checked_at) for one in said.findings),
        knowledge_base_version=said.knowledge_base_version,
        checked_at=said.checked_at,
        coverage={
            check: Coverage(one.evaluated, one.not_evaluated, one.recorded)
            for check, one in said.coverage.items()
        },
        not_evaluated=tuple(
            NotEvaluated(one.check, one.item_ids, one.reason, one.suggestions) for one in said.not_evaluated
        ),
    )


def seal(told: values.Seal) -> Seal:
    return Seal(
        profile=told.profile,
        algorithm=told.algorithm,
        key_id=told.key_id,
        protected=told.protected,
        payload=told.payload,
        signature=told.signature,
        document_sha256=told.document_sha256,
        certificate_sha256=told.certificate_sha256,
        sealed_at=told.sealed_at,
    )


def pharmacy(told: values.Pharmacy) -> Pharmacy:
    return Pharmacy(
        tenant_id=told.tenant_id,
        provider_slug=told.provider_slug,
        name=told.name,
        branch_id=told.branch_id,
    )


def own_pharmacy(command: ChangeStatus) -> Pharmacy:
    """Whoever asks, as a pharmacy outside the dispensing flow."""
    caller, provider = command.caller, command.provider
    return Pharmacy(
        tenant_id=caller.tenant_id,
        provider_slug=caller.provider_slug or provider.provider_slug,
        name=provider.name if caller.tenant_id == command.tenant_id else None,
        branch_id=caller.branch_id,
    )


def terms(command: StartDispensation | ChangeStatus, prescription: Prescription) -> DispensingTerms:
    """The issuer's settings as they are now, and the currency that it reckons in."""
    policy = command.policy
    return DispensingTerms(
        timeout_min=policy.dispensation_timeout_min,
        void_window_h=policy.dispensation_void_window_h,
        substitution_policy=SubstitutionPolicy(policy.substitution_policy),
        currency_code=particulars.of(prescription).provider.currency,
        otp_policy=OtpPolicy(policy.otp_policy),
    )


def verifications(told: Sequence[values.Verification], used: Collection[UUID]) -> tuple[Verification, ...]:
    """What was shown; what has been used before holds no more."""
    return tuple(
        Verification(path=one.path)
        if one.verification_id in used
        else Verification(path=one.path, id=one.verification_id, verified_at=one.verified_at)
        for one in told
    )


def lines(told: tuple[values.DispensationLine, ...]) -> tuple[Line, ...]:
    return tuple(_line(one) for one in told)


def receipt(told: values.Receipt) -> Receipt:
    return Receipt(
        amount=told.amount,
        document_number=told.document_number,
        document_date=told.document_date,
        document_serial=told.document_serial,
        document_digital_signature=told.document_digital_signature,
        provider_transaction_id=told.provider_transaction_id,
    )


def bare_names(told: CatalogueProduct) -> list[str]:
    """The names by which an order may mean this product, without strength and form."""
    names = (told.product.product_name, *told.product.names.values(), *told.synonyms)
    return sorted({name for one in names if (name := drug_names.bare(one))})


def _line(told: values.DispensationLine) -> Line:
    return Line(
        item_id=told.item_id,
        product_code=told.product_code,
        quantity=told.quantity,
        price=told.price,
        taxes=told.taxes,
        substitute=product(told.substitute) if told.substitute else None,
        substitute_quantity=told.substitute_quantity,
        substitution_reason_enum=told.substitution_reason_enum,
        substitution_reason=told.substitution_reason,
        substitution_other_description=told.substitution_other_description,
    )


def item(order: values.ItemOrder, place: int) -> Item:
    linked = product(order.product) if order.product else None
    known = linked.linked_ingredients if linked else ()
    return Item(
        id=order.item_id,
        position=place,
        medication_name=order.medication_name,
        product=linked,
        cmed_medication_id=order.cmed_medication_id,
        active_ingredient=order.active_ingredient,
        ingredients=known,
        match_status="linked" if known else "unmatched",
        quantity=order.quantity,
        unit=order.unit,
        dosage=order.dosage,
        route=order.route,
        frequency=order.frequency,
        duration=order.duration,
        duration_days=order.duration_days,
        posology=order.posology,
        dose_amount=order.dose_amount,
        dose_unit=order.dose_unit,
        instructions=order.instructions,
        clinical_notes=order.clinical_notes,
        substitution_allowed=order.substitution_allowed,
    )


def product(told: values.Product) -> Product:
    return Product(
        product_code=told.product_code,
        product_name=told.product_name,
        names=told.names,
        product_type=told.product_type,
        active_ingredients=tuple(
            ActiveIngredient(name=one.name, ingredient=one.ingredient, atc_code=one.atc_code)
            for one in told.active_ingredients
        ),
        strength=told.strength,
        presentation=told.presentation,
        dosage_unit=told.dosage_unit,
        route=told.route,
        pack_format=told.pack_format,
        national_code=told.national_code,
        controlled_schedule=told.controlled_schedule,
    )


def _facts(told: values.PatientFacts) -> Facts:
    return Facts(
        version=told.version,
        date_of_birth=told.date_of_birth,
        sex=told.sex,
        allergies=tuple(Allergy(one.ingredient, one.severity, one.reaction) for one in told.allergies),
    )


def _finding(told: values.Finding, id: UUID, at: datetime) -> Finding:
    return Finding(
        id=id,
        interaction_type=told.interaction_type,
        severity=Severity(told.severity.value),
        source=told.source,
        rule_id=told.rule_id,
        evidence=told.evidence,
        reference=told.reference,
        drug_a=told.drug_a,
        drug_b=told.drug_b,
        ingredients=told.ingredients,
        item_ids=told.item_ids,
        other_prescription_id=told.other_prescription_id,
        assumed=told.assumed,
        assumptions=told.assumptions,
        suggestions=told.suggestions,
        text={language: Text(one.description, one.recommendation) for language, one in told.text.items()},
        detected_at=at,
    )
