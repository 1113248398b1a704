"""Domain to contract: a prescription whole, as views keep it and consumers need it."""

from collections.abc import Iterable, Mapping

from contracts import values
from services.prescription.domain.dispensation import Dispensation, DispensationStatus, Line
from services.prescription.domain.items import Item, Product
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.safety import Coverage, Finding, NotEvaluated
from services.prescription.domain.signature import Seal, Signature
from services.prescription.domain.state_table import Status
from services.prescription.messages import particulars

# What the contract calls ended is a claim that was cancelled or ran out of time.
_ENDED = (DispensationStatus.CANCELLED, DispensationStatus.EXPIRED)


def whole(prescription: Prescription) -> values.Prescription:
    """The prescription as it stands."""
    carried = particulars.of(prescription)
    check = prescription.check
    signature = prescription.signature
    signed = signature if prescription.signed else None
    return values.Prescription(
        tenant_id=prescription.tenant_id,
        prescription_id=prescription.id,
        # Allocated before the seal, shown once the seal stands over it (rulings 1.10).
        prescription_code=prescription.code if signed else None,
        status=values.Status(prescription.status.value),
        version=prescription.version,
        revision=prescription.revision,
        content_version=prescription.content_version,
        api_version=prescription.api_version,
        dialect=prescription.dialect,
        origin=prescription.origin,
        consultation_id=prescription.consultation_id,
        template_id=prescription.template_id,
        prescription_type=prescription.prescription_type,
        provider=carried.provider,
        policy=carried.policy,
        patient=carried.patient,
        doctor=carried.doctor,
        diagnoses=carried.diagnoses,
        items=tuple(_item(prescription, one) for one in prescription.items),
        allergies=carried.allergies,
        patient_data_consent=carried.patient_data_consent,
        confidential=carried.confidential,
        notes=prescription.notes,
        laboratory_notes=carried.laboratory_notes,
        diagnostic_test_notes=carried.diagnostic_test_notes,
        valid_until=prescription.valid_until,
        safety_check_status=prescription.check_status.value,
        findings=tuple(keyed(one) for one in prescription.findings),
        unmatched_acknowledgements=prescription.unmatched_keys,
        knowledge_base_version=check.knowledge_base_version if check else None,
        checked_at=check.checked_at if check else None,
        coverage=coverage(check.coverage) if check else {},
        not_evaluated=not_evaluated(check.not_evaluated) if check else (),
        signature=_signature(signature) if signature else None,
        signed_by=signed.signed_by if signed else None,
        signed_at=signed.signed_at if signed else None,
        seal=_seal(signed.seal) if signed and signed.seal else None,
        signed_document_id=prescription.signed_document_id,
        dispensations=tuple(_dispensation(prescription, one) for one in prescription.dispensations),
        void=_void(prescription),
        created_at=prescription.created_at,
        updated_at=prescription.updated_at,
        issued_at=prescription.issued_at,
        dispensed_at=prescription.dispensed_at,
        expired_at=prescription.expired_at,
    )


def keyed(finding: Finding) -> values.KeyedFinding:
    """A finding with its key, and who answers for it."""
    answered = finding.acknowledgement
    return values.KeyedFinding(
        finding_id=finding.id,
        finding_key=finding.key,
        interaction_type=finding.interaction_type,
        severity=values.Severity(finding.severity.value),
        rule_id=finding.rule_id,
        source=finding.source,
        evidence=finding.evidence,
        reference=finding.reference,
        ingredients=finding.ingredients,
        drug_a=finding.drug_a,
        drug_b=finding.drug_b,
        item_ids=finding.item_ids,
        other_prescription_id=finding.other_prescription_id,
        assumed=finding.assumed,
        assumptions=finding.assumptions,
        suggestions=finding.suggestions,
        text={
            language: values.FindingText(description=one.description, recommendation=one.recommendation)
            for language, one in finding.text.items()
        },
        blocking=finding.blocking,
        acknowledged=answered is not None,
        acknowledged_by=answered.doctor_id if answered else None,
        acknowledged_at=answered.at if answered else None,
        acknowledgement_reason=answered.reason if answered else None,
        acknowledged_severity=values.Severity(finding.known_severity.value) if answered else None,
        detected_at=finding.detected_at,
    )


def coverage(said: Mapping[str, Coverage]) -> dict[str, values.Coverage]:
    return {
        check: values.Coverage(
            evaluated=one.evaluated, not_evaluated=one.not_evaluated, recorded=one.recorded
        )
        for check, one in said.items()
    }


def not_evaluated(said: Iterable[NotEvaluated]) -> tuple[values.NotEvaluated, ...]:
    return tuple(
        values.NotEvaluated(
            check=one.check, item_ids=one.item_ids, reason=one.reason, suggestions=one.suggestions
        )
        for one in said
    )


def order(item: Item) -> values.ItemOrder:
    """The item as it was prescribed."""
    return values.ItemOrder.model_validate(_ordered(item))


def to_be_sealed(item: Item, shown: Mapping[str, str]) -> values.ItemOrder:
    """The same for the seal, its ingredients by the names that people read."""
    ingredients = tuple(shown.get(row, row) for row in item.ingredients)
    return values.ItemOrder.model_validate({**_ordered(item), "ingredients": ingredients})


def _ordered(item: Item) -> dict[str, object]:
    return {
        "item_id": item.id,
        "product": _product(item.product) if item.product else None,
        "cmed_medication_id": item.cmed_medication_id,
        "medication_name": item.medication_name,
        "active_ingredient": item.active_ingredient,
        "ingredients": item.ingredients,
        "quantity": item.quantity,
        "unit": item.unit,
        "posology": item.posology,
        "dosage": item.dosage,
        "route": item.route,
        "frequency": item.frequency,
        "duration": item.duration,
        "duration_days": item.duration_days,
        "dose_amount": item.dose_amount,
        "dose_unit": item.dose_unit,
        "instructions": item.instructions,
        "clinical_notes": item.clinical_notes,
        "substitution_allowed": item.substitution_allowed,
    }


def said(item: Item) -> dict[str, object]:
    """What a read shows of a line, but for what was dispensed of it."""
    return {
        **_ordered(item),
        "position": item.position,
        "match_status": item.match_status,
        "match_score": item.match_score,
        "suggestions": item.suggestions,
        "source_text": item.source_text,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
    }


def _item(prescription: Prescription, item: Item) -> values.Item:
    return values.Item.model_validate(
        {
            **said(item),
            "dispensed_quantity": prescription.dispensed_quantity(item),
            "remaining_quantity": prescription.remaining_quantity(item),
            "substituted": any(
                line.substituted
                for one in prescription.dispensations
                if one.counts
                for line in one.lines
                if line.item_id == item.id
            ),
        }
    )


def _product(product: Product) -> values.Product:
    return values.Product(
        product_code=product.product_code,
        product_name=product.product_name,
        names=dict(product.names),
        product_type=product.product_type,
        active_ingredients=tuple(
            values.ActiveIngredient(ingredient=one.ingredient, name=one.name, atc_code=one.atc_code)
            for one in product.active_ingredients
        ),
        strength=product.strength,
        presentation=product.presentation,
        dosage_unit=product.dosage_unit,
        route=product.route,
        pack_format=product.pack_format,
        national_code=product.national_code,
        controlled_schedule=product.controlled_schedule,
    )


def _signature(signature: Signature) -> values.Signature:
    return values.Signature(
        status=signature.status.value,
        signed_by=signature.signed_by,
        asked_at=signature.asked_at,
        failure=signature.failure,
        failed_at=signature.failed_at,
    )


def _seal(seal: Seal) -> values.Seal:
    return values.Seal(
        profile=seal.profile,
        algorithm=seal.algorithm,
        key_id=seal.key_id,
        protected=seal.protected,
        payload=seal.payload,
        signature=seal.signature,
        document_sha256=seal.document_sha256,
        certificate_sha256=seal.certificate_sha256,
        sealed_at=seal.sealed_at,
    )


def _dispensation(prescription: Prescription, one: Dispensation) -> values.Dispensation:
    ended = one.status in _ENDED
    return values.Dispensation(
        dispensation_id=one.id,
        status=values.DispensationStatus(one.status.value),
        source=one.source.value,
        pharmacy=values.Pharmacy(
            tenant_id=one.pharmacy.tenant_id,
            provider_slug=one.pharmacy.provider_slug,
            name=one.pharmacy.name,
            branch_id=one.pharmacy.branch_id,
        ),
        lines=tuple(_line(prescription, one, line) for line in one.lines),
        currency_code=one.currency_code,
        started_at=one.started_at,
        expires_at=one.expires_at,
        completed_at=one.completed_at,
        cancelled_at=one.ended_at if ended else None,
        cancelled_by=one.ended_by.value if one.ended_by else None,
        previous_status=(
            values.DispensationStatus(one.previous_status.value) if one.previous_status else None
        ),
        void_reason=one.void_reason,
        void_description=one.void_description,
        receipt=_receipt(one),
        verification_required="OTP" if one.verification_required else None,
        verified_at=one.verified_at,
    )


def _receipt(one: Dispensation) -> values.Receipt | None:
    receipt = one.receipt
    if receipt is None:
        return None
    return values.Receipt(
        amount=receipt.amount,
        document_number=receipt.document_number,
        document_date=receipt.document_date,
        document_serial=receipt.document_serial,
        document_digital_signature=receipt.document_digital_signature,
        provider_transaction_id=receipt.provider_transaction_id,
    )


def _line(prescription: Prescription, one: Dispensation, line: Line) -> values.DispensationLine:
    item = prescription.item(line.item_id)
    left = prescription.remaining_quantity(item) if item else None
    if left is not None and one.live:
        left = max(0, left - (line.quantity or 0))
    return values.DispensationLine(
        item_id=line.item_id,
        product_code=line.product_code,
        quantity=line.quantity,
        price=line.price,
        taxes=line.taxes,
        substitute=_product(line.substitute) if line.substitute else None,
        substitute_quantity=line.substitute_quantity,
        substitution_reason_enum=line.substitution_reason_enum,
        substitution_reason=line.substitution_reason,
        substitution_other_description=line.substitution_other_description,
        remaining_quantity=left,
    )


def _void(prescription: Prescription) -> values.Void | None:
    cancelled = prescription.cancellation
    if prescription.status is not Status.CANCELLED or cancelled is None:
        return None
    return values.Void(
        reason=cancelled.reason,
        reason_code=cancelled.reason_code,
        voided_at=cancelled.at,
        doctor_id=cancelled.doctor_id,
    )
