"""What an operator sets up, by the command line, and the development seed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from services.gateway.messages import provider_settings
from services.gateway.operator import seed
from services.gateway.operator.words import parser
from services.gateway.store import api_keys, catalogue, providers
from shared import database
from shared.errors import NotFound, Unavailable
from tests.gateway import CLINIC_CLIENT, NAMED, NORTE, PRODUCTS, Serving, product, released, serving
from tests.infrastructure import Database
from tests.service.conftest import kinds, said

MORE = tuple(
    product(f"MED-9{n:02}", f"Drug{n} tablets", f"Drug{n}", f"Drug{n}", f"drug{n}") for n in range(4)
)


@pytest.fixture
async def gateway(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Serving]:
    async with serving(await database("gateway")) as found:
        yield found


async def do(on: Serving, *words: str) -> None:
    """As `python -m services.gateway WORDS` would."""
    asked = parser().parse_args(words)
    await asked.act(asked, on.owner, on.settings)


async def test_a_clinic_is_set_up_by_commands_that_may_be_repeated(
    gateway: Serving, capsys: pytest.CaptureFixture[str]
) -> None:
    await gateway.deliver(*PRODUCTS, *NAMED, released())
    told = []
    for _ in range(2):
        await do(gateway, "create-tenant", "clinica-este", "--name", "Clínica Este", "--country", "CO")
        await do(
            gateway, "create-client", "clinica-este", "este", "--scope", "ehr:write", "--scope", "arc:write"
        )
        await do(gateway, "register-products", "clinica-este", "MED-042")
        told.append(capsys.readouterr().out.splitlines())

    assert told[0][0] == told[1][0]
    assert (told[1][1], told[1][2]) == ("este keeps its secret", "0 newly registered")
    gateway.secrets["este"] = told[0][1].partition(":")[2]
    listed = await gateway.get("este", "/arc/v1/providers/products")
    assert [one["product_code"] for one in listed.json()["data"]] == ["MED-042"]


async def test_a_client_bound_to_a_doctor_must_name_one_of_its_provider(gateway: Serving) -> None:
    doctor = (await gateway.get("norte-clinic", "/ehr/v1/doctors")).json()["data"][0]["doctor_id"]

    await do(gateway, "create-client", NORTE, "bound", "--scope", "ehr:read", "--doctor", doctor)

    with pytest.raises(NotFound):
        await do(gateway, "create-client", "clinica-sul", "x", "--scope", "ehr:read", "--doctor", doctor)
    with pytest.raises(NotFound):
        await do(gateway, "create-client", "nowhere", "x", "--scope", "ehr:read")


async def test_a_doctor_whose_standing_changes_is_announced_once(gateway: Serving) -> None:
    words = (
        *("save-doctor", NORTE, "--given-names", "Eva", "--first-surname", "Gil", "--document-type", "DPI"),
        *("--document", "1", "--email", "eva@clinica.example", "--country", "GT", "--license", "777"),
        *("--institution", "gt-colmedegua"),
    )
    before = len(await said(gateway.owner))

    await do(gateway, *words)
    await do(gateway, *words)
    await do(gateway, *words, "--status", "SUSPENDED")

    told = (await said(gateway.owner))[before:]
    assert kinds(told) == ["DoctorStandingChanged"] * 2
    assert [(one.message.version, one.message.active) for one in told] == [(1, True), (2, False)]  # type: ignore[union-attr]


async def test_a_doctor_is_confirmed_once_and_only_one_of_the_provider(
    gateway: Serving, capsys: pytest.CaptureFixture[str]
) -> None:
    (marta,) = (await gateway.get(CLINIC_CLIENT, "/ehr/v1/doctors")).json()["data"]
    await gateway.owner.execute("UPDATE doctor SET registration_status = 'PENDING_VERIFICATION'")

    for _ in range(2):
        await do(gateway, "confirm-doctor", NORTE, marta["doctor_id"])

    assert capsys.readouterr().out.splitlines()[-2:] == ["confirmed", "as it was"]
    for stranger in ("doc_0", "doc_" + "0" * 26):
        with pytest.raises(NotFound):
            await do(gateway, "confirm-doctor", NORTE, stranger)


async def test_settings_and_credentials_leave_an_audit_without_secrets(
    gateway: Serving, capsys: pytest.CaptureFixture[str]
) -> None:
    await do(gateway, "set-setting", NORTE, "safety_policy", "advise")
    await do(gateway, "set-setting", NORTE, "safety_policy", "advise")
    await do(gateway, "create-key", NORTE, "backup", "--permission", "prescriptions:read")
    key = capsys.readouterr().out.split()[-1]

    rows = await gateway.owner.fetch(
        "SELECT what, subject, value FROM audit WHERE tenant_id = $1 ORDER BY audit_id DESC LIMIT 2",
        gateway.tenants[NORTE],
    )

    assert [tuple(row) for row in rows] == [
        ("key_saved", "backup", "prescriptions:read"),
        ("setting_changed", "safety_policy", "advise"),
    ]
    assert key.startswith("rcp_stg_")
    digest = seed.keys.digest(key)
    assert await api_keys.find(gateway.owner, digest) is not None
    await do(gateway, "revoke-key", NORTE, "backup")
    assert await api_keys.find(gateway.owner, digest) is None


# For each setting of 1.9 and ruling 2.10: a value that is not its default, and one that it cannot have.
VALUES = {
    "country": ("CO", "Colombia"),
    "language": ("pt", "fr"),
    "time_zone": ("America/Bogota", "Bogota"),
    "currency": ("COP", "pesos"),
    "safety_policy": ("advise", "ignore"),
    "doctor_registration_check": ("registry", "none"),
    "prescription_validity_days": ("60", "0"),
    "diagnosis_required": ("false", "no"),
    "allowed_versions": ("v1.1", "v3"),
    "national_repository_id": ("ES-REPO-DEV-0001", None),
    "electronic_controlled": ("II,III", None),
    "otp_policy": ("always", "sometimes"),
    "substitution_policy": ("any_with_reason", "any"),
    "dispensation_timeout_min": ("1", "0"),
    "dispensation_void_window_h": ("48", "-1"),
    "deliver_on_issue": ("EMAIL", "SMS"),
    "download_url_ttl_h": ("12", "0"),
    "max_medications": ("20", "31"),
    "event_retention_days": ("30", "29"),
    "signer_policy": ("any_active_doctor", "anybody"),
    "refused_statuses": ("signed,submitted", "cancelled"),
    "requests_per_minute": ("600", "0"),
    "requests_per_hour": ("6000", "0"),
    "requests_per_day": ("60000", "0"),
}


def test_every_setting_has_its_example() -> None:
    assert set(VALUES) == set(provider_settings.NAMES)


async def test_each_setting_is_changed_by_command_with_one_audit_entry_and_a_wrong_value_with_none(
    gateway: Serving,
) -> None:
    tenant = gateway.tenants[NORTE]
    before = await gateway.owner.fetchval("SELECT max(audit_id) FROM audit")
    for name, (value, wrong) in VALUES.items():
        await do(gateway, "set-setting", NORTE, name, value)
        await do(gateway, "set-setting", NORTE, name, value)
        if wrong is not None:
            with pytest.raises(provider_settings.WrongSetting):
                await do(gateway, "set-setting", NORTE, name, wrong)

    rows = await gateway.owner.fetch(
        """
        SELECT tenant_id, actor, what, subject, value
          FROM audit
         WHERE audit_id > $1
         ORDER BY audit_id
        """,
        before,
    )
    assert [tuple(row) for row in rows] == [
        (tenant, "operator", "setting_changed", name, value) for name, (value, _) in VALUES.items()
    ]
    async with database.transaction(gateway.owner) as conn:
        kept = (await providers.provider(conn, tenant)).settings
    for name, (value, _) in VALUES.items():
        found = getattr(kept, name)
        expected = set(value.split(",")) if isinstance(found, frozenset) else value
        assert (set(found) if isinstance(found, frozenset) else str(found).lower()) == (
            expected if isinstance(expected, set) else expected.lower()
        ), name


async def test_the_seed_may_be_sown_again_and_its_credentials_stay_the_same(
    gateway: Serving, tmp_path: Path
) -> None:
    everything = (*PRODUCTS, *MORE)
    await gateway.deliver(*everything, *NAMED, released(products=len(everything)))
    output = tmp_path / "run" / "env"
    files = []
    for _ in range(2):
        await do(gateway, "seed", "--output", str(output))
        files.append(output.read_text())

    assert files[0] == files[1]
    assert output.stat().st_mode & 0o777 == 0o600
    lines = dict(line.split("=", 1) for line in files[0].splitlines())
    assert set(lines) == {
        *("RECEPTA_API_KEY", "RECEPTA_API_KEY_READ", "RECEPTA_API_KEY_OTHER", "RECEPTA_API_KEY_LIMITED"),
        *("RECEPTA_DOCTOR_CLIENT", "RECEPTA_CLINIC_CLIENT", "RECEPTA_OTHER_CLINIC_CLIENT"),
        *("RECEPTA_LIMITED_CLIENT", "RECEPTA_PHARMACY_CLIENT", "RECEPTA_OTHER_PHARMACY_CLIENT"),
        *("RECEPTA_ADVISE_CLIENT", "RECEPTA_OTP_CLIENT", "RECEPTA_GUESSER_CLIENT"),
        *("RECEPTA_SHORT_TIMEOUT_CLIENT", "RECEPTA_SHORT_TIMEOUT_PHARMACY"),
    }
    for name in ("RECEPTA_DOCTOR_CLIENT", "RECEPTA_OTHER_CLINIC_CLIENT", "RECEPTA_PHARMACY_CLIENT"):
        client, secret = lines[name].split(":")
        gateway.secrets[client] = secret
    registered = await gateway.get("clinica-norte-doctor", "/arc/v1/providers/products")
    assert [one["product_code"] for one in registered.json()["data"]] == [
        *("LAB-HEMO", "MED-042", "MED-107", "MED-900", "MED-901"),
    ]
    elsewhere = await gateway.get("clinica-lusa", "/arc/v1/providers/products")
    assert elsewhere.json()["total"] == len(everything)
    found = await gateway.get("clinica-norte-doctor", "/ehr/v1/patients", document_number="2000100010101")
    assert found.json()["total"] == 1
    free = await gateway.get("clinica-norte-doctor", "/ehr/v1/patients", document_number="1000000001")
    assert free.json()["total"] == 0
    assert (await gateway.get("farmacia-sol", "/medical-catalogs/v1/diagnoses", query="gripe")).json()[
        "total"
    ]


async def test_the_seed_has_a_provider_for_each_setting_that_wants_to_be_seen(
    gateway: Serving, tmp_path: Path
) -> None:
    everything = (*PRODUCTS, *MORE)
    await gateway.deliver(*everything, *NAMED, released(products=len(everything)))
    await do(gateway, "seed", "--output", str(tmp_path / "env"))

    async with database.transaction(gateway.owner) as conn:
        found = {
            slug: (await providers.provider(conn, await providers.find_tenant(conn, slug))).settings.policy
            for slug in ("consultorio-prudente", "consultorio-seguro", "consultorio-breve", "farmacia-breve")
        }
    lines = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    client, gateway.secrets[client] = lines["RECEPTA_OTP_CLIENT"].split(":")

    assert found["consultorio-prudente"].safety_policy == "advise"
    assert found["consultorio-seguro"].otp_policy == "always"
    assert found["consultorio-breve"].dispensation_timeout_min == 1
    assert found["farmacia-breve"].dispensation_timeout_min == 1
    assert (await gateway.get(client, "/arc/v1/providers/products")).json()["total"] == len(everything)
    assert (await gateway.get(client, "/ehr/v1/doctors")).json()["total"] == 1


async def test_the_seed_says_what_is_missing_when_no_catalogue_comes(
    gateway: Serving, tmp_path: Path
) -> None:
    output = tmp_path / "env"

    with pytest.raises(Unavailable, match="safety_check load"):
        await do(gateway, "seed", "--output", str(output), "--wait-seconds", "0")

    assert not output.exists()
    async with database.transaction(gateway.owner) as conn:
        assert not await catalogue.is_there(conn)
