"""What the safety check found, which findings block, and whose word lets a doctor go on."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID


class Severity(StrEnum):
    CONTRAINDICATED = "contraindicated"
    CRITICAL = "critical"
    MAJOR = "major"
    MODERATE = "moderate"
    MINOR = "minor"


class SafetyPolicy(StrEnum):
    BLOCK = "block"
    ADVISE = "advise"


WORST_FIRST: Final = tuple(Severity)
BLOCKING: Final = frozenset({Severity.CONTRAINDICATED, Severity.CRITICAL})


@dataclass(frozen=True, slots=True)
class Text:
    """What a finding says in one language."""

    description: str
    recommendation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a rule has to say about an item, or about two."""

    id: UUID
    key: str
    interaction_type: str
    severity: Severity
    source: str
    rule_id: str
    drug_a: str
    drug_b: str | None = None
    ingredients: tuple[str, ...] = ()
    item_ids: tuple[UUID, ...] = ()
    other_prescription_id: UUID | None = None
    assumed: bool = False
    assumptions: tuple[str, ...] = ()
    texts: Mapping[str, Text] = field(default_factory=dict)
    detected_at: datetime

    @property
    def blocking(self) -> bool:
        return self.severity in BLOCKING


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A doctor has seen the finding with this key and answers for going on. It is never withdrawn."""

    key: str
    reason: str | None
    doctor_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedWith:
    """What a check was asked about; its verdict counts for nothing else."""

    content_version: int
    facts_version: int
    in_force_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What all rules together said, and what they could not say."""

    asked_with: AskedWith
    findings: tuple[Finding, ...]
    knowledge_base_version: str
    checked_at: datetime
    coverage: Mapping[str, object] = field(default_factory=dict)
    not_evaluated: tuple[Mapping[str, object], ...] = ()


def at_or_above(severity: Severity) -> tuple[Severity, ...]:
    """The severities whose acknowledgement covers this one: itself and every graver one."""
    return WORST_FIRST[: WORST_FIRST.index(severity) + 1]


@dataclass(frozen=True, slots=True)
class KeyMaker:
    """Makes the keys of one patient's findings. Without the secret nobody can name a finding he was not shown."""

    secret: bytes
    tenant_id: UUID
    patient_id: UUID

    def key(self, interaction_type: str, ingredients: Sequence[str], severity: Severity) -> str:
        """The same for the same kind of finding, ingredients and severity, in this patient only."""
        about = [str(self.tenant_id), str(self.patient_id), interaction_type, sorted(ingredients), severity.value]
        mac = hmac.new(self.secret, json.dumps(about).encode(), hashlib.sha256)
        return f"k1:{severity}:{mac.hexdigest()[:32]}"

    def covering(self, finding: Finding) -> frozenset[str]:
        """Every key whose acknowledgement covers the finding."""
        return frozenset(
            self.key(finding.interaction_type, finding.ingredients or (finding.drug_a,), severity)
            for severity in at_or_above(finding.severity)
        )


def worst_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """In the order in which a doctor should read them."""
    return tuple(
        sorted(
            findings,
            key=lambda one: (WORST_FIRST.index(one.severity), one.drug_a, one.drug_b or "", str(one.id)),
        )
    )


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Which findings somebody has answered for, by the id of the finding."""

    by_finding: Mapping[UUID, Acknowledgement]
    unmatched_keys: tuple[str, ...]

    def blocking(self, findings: Sequence[Finding]) -> tuple[Finding, ...]:
        """The findings that still forbid going on."""
        return tuple(one for one in findings if one.blocking and one.id not in self.by_finding)


def match(
    findings: Sequence[Finding], acknowledgements: Sequence[Acknowledgement], keys: KeyMaker
) -> Acknowledged:
    """A key covers its finding, and the same one at a lower severity; a key that meets nothing is only listed."""
    if not acknowledgements:
        return Acknowledged({}, ())
    by_key = {one.key: one for one in reversed(acknowledgements)}
    by_finding: dict[UUID, Acknowledgement] = {}
    met: set[str] = set()
    for finding in findings:
        covering = keys.covering(finding) & by_key.keys()
        met |= covering
        if covering:
            by_finding[finding.id] = min((by_key[key] for key in covering), key=lambda one: one.at)
    unmatched = tuple(dict.fromkeys(one.key for one in acknowledgements if one.key not in met))
    return Acknowledged(by_finding, unmatched)
