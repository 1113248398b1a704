"""What the safety check found, which findings block, and whose word lets a doctor go on."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Self
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


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A doctor has seen the finding with this key and answers for going on. It is never withdrawn.

    `severity` is how grave the finding was then; unknown until a finding is met.
    """

    key: str
    doctor_id: UUID
    at: datetime
    reason: str | None = None
    severity: Severity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a rule has to say about an item, or about two."""

    id: UUID
    key: str = ""
    interaction_type: str
    severity: Severity
    source: str
    rule_id: str
    evidence: str | None = None
    reference: str | None = None
    drug_a: str
    drug_b: str | None = None
    ingredients: tuple[str, ...] = ()
    item_ids: tuple[UUID, ...] = ()
    other_prescription_id: UUID | None = None
    assumed: bool = False
    assumptions: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
    text: Mapping[str, Text] = field(default_factory=dict)
    detected_at: datetime
    acknowledgement: Acknowledgement | None = None

    @property
    def blocking(self) -> bool:
        return self.severity in BLOCKING

    @property
    def known_severity(self) -> Severity:
        """How grave it was when somebody answered for it, else as it is: what is no graver continues it."""
        answered = self.acknowledgement
        return answered.severity or self.severity if answered else self.severity

    def seen_again_as(self, found: Self) -> Self:
        """What a later check says of the same: the id, the time and who answered for it stay."""
        return replace(found, id=self.id, detected_at=self.detected_at, acknowledgement=self.acknowledgement)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedWith:
    """What a check was asked about; its verdict counts for nothing else."""

    content_version: int
    facts_version: int
    in_force_version: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of one kind of check could be evaluated; `recorded` counts the allergies on file."""

    evaluated: int
    not_evaluated: int
    recorded: int | None = None


@dataclass(frozen=True, slots=True)
class NotEvaluated:
    """Something that a check could not answer, and why."""

    check: str
    item_ids: tuple[UUID, ...]
    reason: str
    suggestions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What all rules together said, and what they could not say."""

    asked_with: AskedWith
    findings: tuple[Finding, ...]
    knowledge_base_version: str | None = None
    checked_at: datetime
    coverage: Mapping[str, Coverage] = field(default_factory=dict)
    not_evaluated: tuple[NotEvaluated, ...] = ()


def at_or_above(severity: Severity) -> tuple[Severity, ...]:
    """The severities whose acknowledgement covers this one: itself and every graver one."""
    return WORST_FIRST[: WORST_FIRST.index(severity) + 1]


@dataclass(frozen=True, slots=True)
class KeyMaker:
    """Makes the keys of a patient's findings. Without the secret nobody can name one that they never saw."""

    secret: bytes
    tenant_id: UUID
    patient_id: UUID

    def key(self, finding: Finding, severity: Severity | None = None) -> str:
        """The same for the same kind of finding, ingredients and severity (the finding's own by default)."""
        severity = severity or finding.severity
        # What nobody could resolve has no ingredient; its name keeps two unknown drugs apart.
        named = sorted(finding.ingredients) or [finding.drug_a]
        about = [str(self.tenant_id), str(self.patient_id), finding.interaction_type, named, severity.value]
        mac = hmac.new(self.secret, json.dumps(about).encode(), hashlib.sha256)
        return f"k1:{severity}:{mac.hexdigest()[:32]}"

    def covering(self, finding: Finding) -> Mapping[str, Severity]:
        """Every key whose acknowledgement covers the finding, and the severity that it speaks of."""
        return {self.key(finding, severity): severity for severity in at_or_above(finding.severity)}

    def keyed(self, findings: Sequence[Finding]) -> tuple[Finding, ...]:
        """The findings with the key by which a doctor may answer for each."""
        return tuple(replace(finding, key=self.key(finding)) for finding in findings)


def worst_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """In the order in which a doctor should read them."""
    return tuple(
        sorted(
            findings,
            key=lambda one: (WORST_FIRST.index(one.severity), one.drug_a, one.drug_b or "", str(one.id)),
        )
    )


def answered_for(
    findings: Sequence[Finding], acknowledgements: Sequence[Acknowledgement], keys: KeyMaker
) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """The findings with who answers for them, and the keys that met none: harmless, and only listed."""
    if not acknowledgements:
        return tuple(findings), ()
    by_key = {one.key: one for one in reversed(acknowledgements)}
    met: set[str] = set()
    answered = []
    for finding in findings:
        covering = {key: severity for key, severity in keys.covering(finding).items() if key in by_key}
        met |= covering.keys()
        answers = (replace(by_key[key], severity=severity) for key, severity in covering.items())
        first = min(answers, key=lambda one: one.at, default=None)
        answered.append(replace(finding, acknowledgement=finding.acknowledgement or first))
    unmatched = tuple(dict.fromkeys(one.key for one in acknowledgements if one.key not in met))
    return tuple(answered), unmatched


def still_blocking(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings that forbid going on, because nobody answers for them."""
    return tuple(one for one in findings if one.blocking and one.acknowledgement is None)
