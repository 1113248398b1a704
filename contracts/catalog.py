"""Every topic of Recepta: who writes it, who reads it, what is on it, how long it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from contracts import consultation_events as consultations
from contracts import dispense_events as dispense
from contracts import dispense_report_outcomes as report_outcomes
from contracts import dispense_reports as reports
from contracts import drafting_commands as drafting
from contracts import drug_catalog as drugs
from contracts import (
    notification_commands,
    notification_events,
    rebuilding,
    safety_check_events,
    signing_events,
)
from contracts import prescription_commands as commands
from contracts import prescription_events as events
from contracts import record_commands as records
from contracts.command_outcomes import (
    CommandRefused,
    CommandSucceeded,
    RecordCommandRefused,
    RecordCommandSucceeded,
)
from contracts.directory_events import DoctorStandingChanged, PatientFactsChanged
from contracts.message import Message

PARTITIONS: Final = 12
INTERNAL_KEPT: Final = timedelta(days=7)
INTERNAL_BYTES_MAX: Final = 8 * 1024 * 1024
PUBLIC_BYTES_MAX: Final = 1024 * 1024
DEAD_BYTES_MAX: Final = 9 * 1024 * 1024
SERVICES: Final = ("gateway", "prescription", "safety-check", "signing", "notification")
PHARMACIES: Final = "pharmacy systems"
UPSTREAM: Final = "upstream systems"


@dataclass(frozen=True)
class Topic:
    """One topic. `public`: a contract with systems that we do not run; `inbound`: they write it."""

    name: str
    producers: frozenset[str]
    consumers: frozenset[str]
    messages: tuple[type[Message], ...]
    purpose: str
    kept: timedelta | None = INTERNAL_KEPT
    compacted: bool = False
    public: bool = False
    inbound: bool = False
    bytes_max: int = INTERNAL_BYTES_MAX
    partitions: int = PARTITIONS

    @property
    def dead(self) -> str:
        """Where records go that cannot be handled."""
        return f"{self.name}-dead"


def _topic(
    name: str, producers: set[str], consumers: set[str], *messages: type[Message], purpose: str
) -> Topic:
    return Topic(name, frozenset(producers), frozenset(consumers), messages, purpose)


def _public(
    name: str,
    producers: set[str],
    consumers: set[str],
    *messages: type[Message],
    purpose: str,
    days: int,
    inbound: bool = False,
) -> Topic:
    return Topic(
        name,
        frozenset(producers),
        frozenset(consumers),
        messages,
        purpose,
        kept=timedelta(days=days),
        public=True,
        inbound=inbound,
        bytes_max=PUBLIC_BYTES_MAX,
    )


_ALL: Final = (
    _topic(
        "prescription-commands-v1",
        {"gateway"},
        {"prescription"},
        commands.IssuePrescription,
        commands.VoidPrescription,
        commands.ResendPrescription,
        commands.NoteAccess,
        commands.StartDispensation,
        commands.UpdateDispensation,
        commands.CompleteDispensation,
        commands.CancelDispensation,
        drafting.CreateFromTemplate,
        drafting.CreateFromConsultation,
        drafting.SaveAsTemplate,
        records.PutConsultation,
        records.DeleteTemplate,
        drafting.CreatePrescription,
        drafting.ChangeMetadata,
        drafting.AddItem,
        drafting.ChangeItem,
        drafting.RemoveItem,
        drafting.CheckSafety,
        drafting.AcknowledgeFindings,
        drafting.ChangeStatus,
        rebuilding.AnnounceAgain,
        purpose="What a client asks for.",
    ),
    _topic(
        "notification-commands-v1",
        {"gateway"},
        {"notification"},
        notification_commands.MakeDocument,
        notification_commands.SendOneTimePassword,
        purpose="Documents to make, and one-time passwords to mail.",
    ),
    _topic(
        "command-outcomes-v1",
        {"prescription", "notification"},
        {"gateway"},
        CommandSucceeded,
        CommandRefused,
        RecordCommandSucceeded,
        RecordCommandRefused,
        purpose="The one answer to each command.",
    ),
    _topic(
        "directory-events-v1",
        {"gateway"},
        {"prescription"},
        PatientFactsChanged,
        DoctorStandingChanged,
        purpose="What changed about a patient or a doctor.",
    ),
    _topic(
        "prescription-events-v1",
        {"prescription"},
        {"safety-check", "signing", "notification", "gateway"},
        events.SafetyCheckRequested,
        events.SealRequested,
        events.PrescriptionChanged,
        events.DeliveryRequested,
        events.ConsultationChanged,
        events.TemplateChanged,
        rebuilding.StateAnnounced,
        rebuilding.AnnouncementEnded,
        purpose="What became true of a prescription.",
    ),
    _topic(
        "safety-check-events-v1",
        {"safety-check"},
        {"prescription"},
        safety_check_events.SafetyCheckCompleted,
        safety_check_events.KnowledgeBaseUpdated,
        purpose="Verdicts.",
    ),
    _topic(
        "signing-events-v1",
        {"signing"},
        {"prescription", "gateway"},
        signing_events.PrescriptionSealed,
        signing_events.SealingRefused,
        signing_events.SealKeyPublished,
        purpose="Seals, and the keys that verify them.",
    ),
    _topic(
        "notification-events-v1",
        {"notification"},
        {"prescription", "gateway"},
        notification_events.DeliverySucceeded,
        notification_events.DeliveryFailed,
        notification_events.DocumentFinished,
        purpose="Deliveries, and finished documents.",
    ),
    _public(
        "dispense-events-v1",
        {"prescription"},
        {PHARMACIES},
        dispense.DispenseReleased,
        dispense.DispenseStarted,
        dispense.DispenseChanged,
        dispense.DispenseCompleted,
        dispense.DispenseStopped,
        dispense.DispenseEnded,
        purpose="What happened to which opaque prescription id.",
        days=30,
    ),
    _public(
        "dispense-reports-v1",
        {PHARMACIES},
        {"gateway"},
        reports.StartReport,
        reports.UpdateReport,
        reports.CompleteReport,
        reports.CancelReport,
        purpose="Dispensing without HTTP.",
        days=7,
        inbound=True,
    ),
    _public(
        "dispense-report-outcomes-v1",
        {"gateway"},
        {PHARMACIES},
        report_outcomes.DispenseReportOutcome,
        purpose="The one answer to each report.",
        days=30,
    ),
    _public(
        "consultation-events-v1",
        {UPSTREAM},
        {"gateway"},
        consultations.ConsultationCompleted,
        purpose="Completed consultations with what was said of medication.",
        days=7,
        inbound=True,
    ),
    Topic(
        "drug-catalog-v1",
        frozenset({"safety-check"}),
        frozenset({"gateway", "prescription"}),
        (drugs.CatalogueProduct, drugs.CatalogueName, drugs.CatalogueReleased),
        "Products, ingredients and names with their keys.",
        kept=None,
        compacted=True,
    ),
)

TOPICS: Final[Mapping[str, Topic]] = {topic.name: topic for topic in _ALL}
