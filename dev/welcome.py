"""What `make run` prints once all is ready: addresses, and lines to paste."""

from dev.platform import Platform
from dev.services import SERVICES

TOKEN_FIELD = """sed -E 's/.*"access_token": ?"([^"]+)".*/\\1/'"""


def addresses(platform: Platform) -> str:
    """Where broker, databases and mail are."""
    databases = [f"  {service:<13} {platform.database_urls[service]}" for service in SERVICES]
    return "\n".join(
        (
            "",
            f"Kafka           {platform.kafka.bootstrap}",
            f"PostgreSQL      {platform.postgres.url()}",
            *databases,
            f"SMTP            127.0.0.1:{platform.smtp_port}, each mail a file in {platform.mail}",
            f"Logs            {platform.logs.folder}",
            "",
        )
    )


def welcome(platform: Platform) -> str:
    """Addresses, and lines for the first things that somebody tries."""
    url = platform.url
    health = [
        f"  {one.name:<15} {one.url('/health/ready')}  {one.url('/metrics')}" for one in platform.instances
    ]
    return "\n".join(
        (
            "",
            f"Recepta is ready: {url}  (described at {url}/docs and {url}/ehr/docs; Ctrl-C stops everything)",
            *health,
            f"  Kafka           {platform.kafka.bootstrap}",
            f"  mail            each one a file in {platform.mail}",
            f"  logs            {platform.logs.folder}",
            "",
            "Paste into another terminal, in this folder:",
            *(f"  {line}" for line in lines(platform)),
            "",
        )
    )


def lines(platform: Platform) -> tuple[str, ...]:
    url = platform.url
    return (
        "set -a; . .run/env; set +a",
        'TOKEN=$(curl -s -u "$RECEPTA_DOCTOR_CLIENT" -d grant_type=client_credentials '
        f"{url}/v1/oauth/token | {TOKEN_FIELD})",
        f'curl -s -H "Authorization: Bearer $TOKEN" "{url}/medical-catalogs/v1/diagnoses?query=cefalea"',
        f'curl -s -H "Authorization: Bearer $TOKEN" "{url}/arc/v1/providers/products?query=paracetamol"',
        f'curl -s -H "Authorization: Bearer $TOKEN" "{url}/ehr/v1/prescriptions"',
        f'curl -s -H "x-api-key: $RECEPTA_API_KEY" "{url}/v1/prescriptions?limit=3"',
        'curl -s -H "x-api-key: $RECEPTA_API_KEY" -H "Content-Type: application/json" '
        f"""-d '{{"query": "amoxicilina"}}' {url}/v1/medications/search""",
        ".venv/bin/python examples/ehr_step_by_step.py",
        ".venv/bin/python -m dev follow dispense-events-v1",
    )
