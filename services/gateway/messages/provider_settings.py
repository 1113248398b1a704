"""A provider's settings (osigu-dialect 1.9, delphos-dialect 2.5, 3): names, defaults, and what follows."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Any, Final
from uuid import UUID

import orjson

from contracts.values import Policy, Provider, Status
from services.gateway.messages import languages

VERSIONS: Final = frozenset({"v1", "v1.1", "v2"})
REFUSABLE: Final = ("validated", "signed", "submitted")
"""The statuses that a tenant may let nobody ask for."""
CALLS_MAX: Final = 100_000_000
DOWNLOAD_URL_TTL_H: Final = 24
REMEMBERED_MAX: Final = 2_048


@dataclass(frozen=True)
class ProviderSettings:
    """All settings of one provider, defaults filled in."""

    country: str
    language: str
    time_zone: str
    currency: str
    safety_policy: str
    doctor_registration_check: str
    prescription_validity_days: int
    diagnosis_required: bool
    allowed_versions: frozenset[str]
    national_repository_id: str | None
    electronic_controlled: frozenset[str]
    otp_policy: str
    substitution_policy: str
    dispensation_timeout_min: int
    dispensation_void_window_h: int
    deliver_on_issue: str
    download_url_ttl_h: int
    max_medications: int
    event_retention_days: int
    signer_policy: str
    refused_statuses: frozenset[str]
    requests_per_minute: int
    requests_per_hour: int
    requests_per_day: int

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.time_zone)

    def today(self, now: datetime) -> date:
        """The day it is where the provider is."""
        return now.astimezone(self.zone).date()

    def end_of_day(self, now: datetime, *, days: int) -> datetime:
        """The last second of the day that is so many days away, where the provider is; in UTC."""
        last = datetime.combine(self.today(now) + timedelta(days=days), time(23, 59, 59), self.zone)
        return last.astimezone(UTC)

    def allows_electronically(self, *, electronic_allowed: bool, controlled_schedule: str | None) -> bool:
        """Whether a product may be prescribed here without paper."""
        return electronic_allowed or controlled_schedule in self.electronic_controlled

    @property
    def policy(self) -> Policy:
        return Policy(
            safety_policy=self.safety_policy,
            otp_policy=self.otp_policy,
            substitution_policy=self.substitution_policy,
            dispensation_timeout_min=self.dispensation_timeout_min,
            dispensation_void_window_h=self.dispensation_void_window_h,
            deliver_on_issue=self.deliver_on_issue,
            max_medications=self.max_medications,
            signer_policy=self.signer_policy,
            refused_statuses=tuple(Status(word) for word in REFUSABLE if word in self.refused_statuses),
        )

    @property
    def call_limits(self) -> Mapping[str, int]:
        """How often all API keys together may be used (delphos-dialect 2.5)."""
        return {
            "minute": self.requests_per_minute,
            "hour": self.requests_per_hour,
            "day": self.requests_per_day,
        }

    def provider(self, tenant_id: UUID, slug: str, name: str) -> Provider:
        return Provider(
            provider_id=tenant_id,
            provider_slug=slug,
            name=name,
            country=self.country,
            language=self.language,
            time_zone=self.time_zone,
            currency=self.currency,
        )


class WrongSetting(ValueError):
    """No such setting, or not a value of it."""


def _word(*words: str) -> Callable[[str], Any]:
    def read(text: str) -> str:
        if text not in words:
            raise WrongSetting(f"must be one of {', '.join(words)}")
        return text

    return read


def _number(low: int, high: int) -> Callable[[str], Any]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text[:9]) <= high:
            raise WrongSetting(f"must be a number from {low} to {high}")
        return int(text)

    return read


def _letters(count: int) -> Callable[[str], Any]:
    def read(text: str) -> str:
        if len(text) != count or not text.isascii() or not text.isalpha() or not text.isupper():
            raise WrongSetting(f"must be {count} capital letters")
        return text

    return read


def _boolean(text: str) -> bool:
    return bool(_word("true", "false")(text) == "true")


@cache
def time_zones() -> frozenset[str]:
    # It walks through the files of the database.
    return frozenset(zoneinfo.available_timezones())


def _zone(text: str) -> str:
    if text not in time_zones():
        raise WrongSetting("must be a time zone of the IANA database")
    return text


def _versions(text: str) -> frozenset[str]:
    found = _set(text)
    if not found or not found <= VERSIONS:
        raise WrongSetting(f"must list some of {', '.join(sorted(VERSIONS))}")
    return found


def _refused(text: str) -> frozenset[str]:
    found = _set(text)
    if not found <= frozenset(REFUSABLE):
        raise WrongSetting(f"must list some of {', '.join(REFUSABLE)}, or nothing")
    return found


def _set(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.split(",") if word.strip())


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "country": _letters(2),
    "language": _word(*languages.ALL),
    "time_zone": _zone,
    "currency": _letters(3),
    "safety_policy": _word("block", "advise"),
    "doctor_registration_check": _word("declared", "registry"),
    "prescription_validity_days": _number(1, 366),
    "diagnosis_required": _boolean,
    "allowed_versions": _versions,
    "national_repository_id": lambda text: text or None,
    "electronic_controlled": _set,
    "otp_policy": _word("never", "controlled", "always"),
    "substitution_policy": _word("same_ingredient", "any_with_reason", "none"),
    "dispensation_timeout_min": _number(1, 1_440),
    "dispensation_void_window_h": _number(0, 720),
    "deliver_on_issue": _word("NONE", "EMAIL"),
    "download_url_ttl_h": _number(1, 720),
    "max_medications": _number(1, 30),
    "event_retention_days": _number(30, 3_650),
    "signer_policy": _word("prescriber", "any_active_doctor"),
    "refused_statuses": _refused,
    "requests_per_minute": _number(1, CALLS_MAX),
    "requests_per_hour": _number(1, CALLS_MAX),
    "requests_per_day": _number(1, CALLS_MAX),
}

_DEFAULTS: Final[Mapping[str, str]] = {
    "country": "GT",
    "language": "es",
    "time_zone": "America/Guatemala",
    "currency": "GTQ",
    "safety_policy": "block",
    "doctor_registration_check": "declared",
    "prescription_validity_days": "30",
    "diagnosis_required": "true",
    "allowed_versions": "v1,v1.1,v2",
    "national_repository_id": "",
    "electronic_controlled": "",
    "otp_policy": "never",
    "substitution_policy": "same_ingredient",
    "dispensation_timeout_min": "30",
    "dispensation_void_window_h": "24",
    "deliver_on_issue": "NONE",
    "download_url_ttl_h": str(DOWNLOAD_URL_TTL_H),
    "max_medications": "30",
    "event_retention_days": "90",
    "signer_policy": "prescriber",
    "refused_statuses": "",
    "requests_per_minute": "60",
    "requests_per_hour": "1000",
    "requests_per_day": "10000",
}

# Which schedules may be written without a paper form. Spain: narcotics and psychotropics (Royal Decree
# 1718/2010, changed by 1675/2012). Portugal: the tables of Decree-Law 15/93 (Portaria 224/2015). Brazil: C1
# and C5 of Portaria 344/98; its A and B want a numbered form. Elsewhere none, until an operator says so.
_DEFAULTS_BY_COUNTRY: Final[Mapping[str, Mapping[str, str]]] = {
    "ES": {
        "time_zone": "Europe/Madrid",
        "currency": "EUR",
        "doctor_registration_check": "registry",
        "allowed_versions": "v2",
        "electronic_controlled": "N1,N2,N3,P2,P3,P4",
    },
    "BR": {
        "time_zone": "America/Sao_Paulo",
        "currency": "BRL",
        "language": "pt",
        "electronic_controlled": "C1,C5",
    },
    "PT": {
        "time_zone": "Europe/Lisbon",
        "currency": "EUR",
        "language": "pt",
        "electronic_controlled": "I-A,I-B,I-C,II-A,II-B,II-C,III,IV",
    },
    "CO": {"time_zone": "America/Bogota", "currency": "COP"},
    "MX": {"time_zone": "America/Mexico_City", "currency": "MXN"},
}

NAMES: Final = tuple(_READERS)


def check(name: str, text: str) -> None:
    """Raises WrongSetting with a sentence for the operator."""
    if name not in _READERS:
        raise WrongSetting(f"there is no setting {name}: there are {', '.join(NAMES)}")
    _READERS[name](text)


# The same few texts come with every request; reading them costs more than looking them up.
@lru_cache(REMEMBERED_MAX)
def of_text(stored: str | None) -> ProviderSettings:
    """The same from JSON; None where nothing is stored."""
    return read(orjson.loads(stored or "{}"))


def read(stored: Mapping[str, str]) -> ProviderSettings:
    """A provider's settings from those that are stored; the country brings its own defaults."""
    country = stored.get("country", _DEFAULTS["country"])
    texts = {**_DEFAULTS, **_DEFAULTS_BY_COUNTRY.get(country, {}), **stored}
    return ProviderSettings(**{name: reader(texts[name]) for name, reader in _READERS.items()})
