"""What a consultation says of the prescriptions that were made from it."""

from datetime import timedelta
from uuid import UUID

from services.prescription.domain.consultation import PRESCRIPTIONS_MAX, Consultation, ConsultationStatus
from tests.unit.prescriptions import NOON


def test_a_consultation_names_the_newest_of_very_many_prescriptions():
    consultation = Consultation(
        tenant_id=UUID(int=1),
        id=UUID(int=2),
        patient_id=UUID(int=3),
        doctor_id=UUID(int=4),
        status=ConsultationStatus.OPEN,
        prescription_ids=tuple(UUID(int=number) for number in range(PRESCRIPTIONS_MAX)),
        created_at=NOON,
        updated_at=NOON,
    )

    after = consultation.prescribed(UUID(int=PRESCRIPTIONS_MAX), NOON + timedelta(minutes=1))

    assert len(after.prescription_ids) == PRESCRIPTIONS_MAX
    assert (after.prescription_ids[0].int, after.prescription_ids[-1].int) == (1, PRESCRIPTIONS_MAX)
    assert after.version == consultation.version + 1
