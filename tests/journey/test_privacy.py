"""After a whole journey neither the gateway's database nor any log says who the patient is."""

from __future__ import annotations

from tests.infrastructure import until
from tests.service.conftest import open_pool_at

WORDS = ("Evangelina", "Quispehuanca", "77008800991", "evangelina.q@", "867-5309", "Fulgencio")


async def test_a_patient_is_named_in_no_table_of_the_gateway_and_in_no_log(platform, clinic, pharmacy):
    patient = await clinic.patient(
        first_name=WORDS[0],
        last_name=WORDS[1],
        document_number=WORDS[2],
        email_address="evangelina.q@patients.example",
        phone_number="555-867-5309",
        guardian={
            "first_name": WORDS[5],
            "last_name": "M",
            "document_type": "CC",
            "document_number": "66009",
        },
    )
    order = clinic.order(patient, patient_data_consent=True)
    issued = (await clinic.post("/ehr/v1.1/prescriptions", order)).json()
    started = (await pharmacy.start(issued["prescription_code"])).json()
    await pharmacy.complete(started["dispensation_id"])
    path = f"/ehr/v1/prescriptions/{issued['prescription_id']}/pdf"
    assert (await clinic.get(path, accept="application/pdf")).status_code == 200
    assert (await clinic.read(issued["prescription_id"]))["patient"]["first_name"] == WORDS[0]

    owner = await open_pool_at(platform.database_urls["gateway"], role="gateway_owner")
    try:

        async def all_said() -> bool:
            return await owner.fetchval("SELECT count(*) FROM outbox") == 0

        await until(all_said, seconds=20)
        names = await owner.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        places = {
            row["tablename"]: "\n".join(
                one["text"]
                for one in await owner.fetch(f'SELECT one::text AS text FROM "{row["tablename"]}" AS one')
            )
            for row in names
        }
    finally:
        await owner.close()
    assert places["consent"]
    assert places["document"]
    logs = [one for one in (platform.home / "logs").rglob("*") if one.is_file()]
    assert logs
    places |= {str(one): one.read_text(encoding="utf-8", errors="replace") for one in logs}
    for word in WORDS:
        for form in (word, word.encode().hex()):
            assert [place for place, text in places.items() if form in text] == []
