"""No sequence of commands, however mad, brings a prescription where it cannot be."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.prescription.domain import (
    cancelling,
    checking,
    clock,
    delivery,
    dispensing,
    editing,
    history,
    issuing,
    signing,
    waiting,
)
from services.prescription.domain.dispensation import DispensationStatus, Receipt
from services.prescription.domain.history import DispensationNote
from services.prescription.domain.refusal import Refused
from services.prescription.domain.safety import Severity
from services.prescription.domain.signature import SignatureStatus
from services.prescription.domain.state_table import Column, Status
from tests.unit import prescriptions as some
from tests.unit.prescriptions import DOCTOR, MOON, SUN, TERMS, VALID_UNTIL, at

LEGAL = {
    (Status.DRAFT, Status.PENDING_REVIEW),
    (Status.PENDING_REVIEW, Status.VALIDATED),
    (Status.VALIDATED, Status.SIGNED),
    (Status.SIGNED, Status.SUBMITTED),
    (Status.SUBMITTED, Status.DISPENSED),
    (Status.SUBMITTED, Status.EXPIRED),
    (Status.DISPENSED, Status.SUBMITTED),
    (Status.DISPENSED, Status.EXPIRED),
    *((s, Status.CANCELLED) for s in Status if s.value in ("draft", "pending_review", "validated", "signed")),
    (Status.SUBMITTED, Status.CANCELLED),
}
PHARMACIES = st.sampled_from([SUN, SUN, SUN, MOON, replace(SUN, branch_id=UUID(int=77))])
LINES = st.lists(
    st.builds(
        some.line,
        st.sampled_from([some.TABLETS, some.TABLETS, some.SYRUP, some.SECOND]),
        st.sampled_from([None, -1, 1, 10, 20, 30, 31]),
        price=st.sampled_from([None, None, Decimal("0.85")]),
    ),
    max_size=2,
)
# What ends a life is asked for seldom, so that lives are long.
SELDOM = st.integers(0, 9)
CLAIMS = st.integers(100, 103)


class AtThePharmacy(RuleBasedStateMachine):
    """Pharmacies ask everything in any order of what was issued; time passes meanwhile."""

    beginnings: ClassVar = (some.issued,)

    @initialize(which=st.integers(0, 99), syrup=st.sampled_from([None, 2, 2]))
    def begin(self, which: int, syrup: int | None) -> None:
        self.now = some.NOON
        self.made = 100
        self.asked = 0
        items = (some.item(), some.item(some.SYRUP, quantity=syrup, position=2))
        self.p = self.beginnings[which % len(self.beginnings)](*items)
        self.step_by_step = self.p.column is Column.DRAFT and not self.p.hidden

    def do(self, command) -> None:
        """As a handler would: decide on the prescription as of now; a refusal leaves everything as it was."""
        before = self.p
        try:
            after = waiting.overtaken(command(clock.as_of(before, self.now)))
        except Refused:
            return
        assert after.version >= before.version
        assert after.revision > before.revision or after == before
        versions = [one.version for one in after.unsaid]
        assert versions == sorted(set(versions))
        assert all(version <= after.version for version in versions)
        self.p = after

    @rule(minutes=st.sampled_from([1, 1, 1, 31, 60 * 23, 60 * 24 * 31]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule()
    def the_clock_strikes(self) -> None:
        self.do(lambda p: p)

    @rule(seldom=SELDOM)
    def void(self, seldom: int) -> None:
        if seldom:
            return
        self.do(
            lambda p: cancelling.void(
                p, reason="x", reason_code="ERROR", doctor_id=None, occasion=at(self.now)
            )
        )

    @rule(pharmacy=PHARMACIES, lines=st.one_of(st.none(), LINES))
    def start(self, pharmacy, lines) -> None:
        self.made += 1
        self.do(
            lambda p: dispensing.start(
                p,
                dispensation_id=UUID(int=self.made),
                pharmacy=pharmacy,
                terms=TERMS,
                lines=lines,
                occasion=at(self.now),
            )
        )

    def claim(self, number: int) -> UUID:
        claims = self.p.dispensations
        return claims[-1 - number % len(claims)].id if claims else UUID(int=1)

    @precondition(lambda self: self.p.dispensations)
    @rule(pharmacy=PHARMACIES, which=CLAIMS, lines=LINES)
    def change_lines(self, pharmacy, which, lines) -> None:
        self.do(
            lambda p: dispensing.change_lines(
                p,
                dispensation_id=self.claim(which),
                pharmacy=pharmacy,
                lines=lines,
                occasion=at(self.now),
            )
        )

    @precondition(lambda self: self.p.dispensations)
    @rule(pharmacy=PHARMACIES, which=CLAIMS, number=st.sampled_from("AB"))
    def complete(self, pharmacy, which, number) -> None:
        self.do(
            lambda p: dispensing.complete(
                p,
                dispensation_id=self.claim(which),
                pharmacy=pharmacy,
                receipt=Receipt(amount=Decimal(1), document_number=number, document_date=self.now),
                occasion=at(self.now),
            )
        )

    @precondition(lambda self: self.p.dispensations)
    @rule(pharmacy=PHARMACIES, which=CLAIMS, reason=st.sampled_from([None, "REFUND"]))
    def take_back(self, pharmacy, which, reason) -> None:
        self.do(
            lambda p: dispensing.cancel(
                p,
                dispensation_id=self.claim(which),
                pharmacy=pharmacy,
                void_reason=reason,
                occasion=at(self.now),
            )
        )

    @invariant()
    def at_most_one_dispensation_is_live(self) -> None:
        live = [one for one in self.p.dispensations if one.status is DispensationStatus.STARTED]
        assert len(live) <= (1 if self.p.status is Status.SUBMITTED else 0)

    @invariant()
    def nothing_is_dispensed_beyond_what_was_prescribed(self) -> None:
        for item in self.p.items:
            remaining = self.p.remaining_quantity(item)
            assert remaining is None or remaining >= 0
        if self.p.status is Status.DISPENSED:
            assert not self.p.outstanding
        if self.p.status is Status.SUBMITTED:
            assert self.p.outstanding

    @invariant()
    def status_and_signature_agree(self) -> None:
        signature = self.p.signature.status if self.p.signature else None
        if self.p.status in (Status.SIGNED, Status.SUBMITTED, Status.DISPENSED, Status.EXPIRED):
            assert signature is SignatureStatus.COMPLETED
        if self.p.status is Status.CANCELLED:
            assert signature in (None, SignatureStatus.VOID, SignatureStatus.FAILED)
        assert self.p.column in Column

    @invariant()
    def the_history_alone_leads_to_the_state(self) -> None:
        outline = history.replay(self.p.unsaved)
        live = self.p.live_dispensation
        assert (outline.status, outline.version) == (self.p.status, self.p.version)
        assert outline.live_dispensation_id == (live.id if live else None)
        assert outline.signing == self.p.signing
        assert outline.findings == self.p.findings
        for item in self.p.items:
            assert outline.dispensed(item.id) == self.p.dispensed_quantity(item)

    @invariant()
    def the_history_tells_every_word(self) -> None:
        outline = history.replay(self.p.unsaved)
        assert outline.items == self.p.items
        fields = outline.fields
        assert {name: fields.get(name) for name in ("notes", "prescription_type", "patient_id")} == {
            "notes": self.p.notes,
            "prescription_type": self.p.prescription_type,
            "patient_id": str(self.p.patient_id),
        }
        assert fields.get("prescription_code") == (self.p.code if self.p.signed else None)
        for name, moment in (("valid_until", self.p.valid_until), ("submitted_at", self.p.issued_at)):
            assert fields.get(name) == (some.spelled(moment) if moment else None)
        signature = self.p.signature.status.value if self.p.signature else None
        assert fields.get("signature.status") == signature
        cancelled = self.p.cancellation
        assert fields.get("cancel_reason") == (cancelled.reason if cancelled else None)

    @invariant()
    def the_history_tells_every_claim(self) -> None:
        told = {
            one.note.dispensation.id: one.note.dispensation for one in self.p.unsaved if one.note.dispensation
        }
        for claim in self.p.dispensations:
            assert told[claim.id] == DispensationNote.of(claim)

    @invariant()
    def every_step_of_the_history_is_a_legal_one(self) -> None:
        for entry in self.p.unsaved:
            if entry.to_status is not None:
                assert (entry.from_status, entry.to_status) in LEGAL


class Life(AtThePharmacy):
    """Everybody asks everything in any order, from the first draft on."""

    beginnings: ClassVar = (some.draft, some.order, some.issued)

    @rule(
        step=st.sampled_from(["review", "validate", "sign", "release", "dispensed", "cancel"]), seldom=SELDOM
    )
    def step(self, step: str, seldom: int) -> None:
        if step in ("dispensed", "cancel") and seldom:
            return
        when = at(self.now)
        self.made += 1
        self.do(
            {
                "review": lambda p: editing.submit_for_review(p, occasion=when),
                "validate": lambda p: editing.validate(p, valid_until=VALID_UNTIL, occasion=when),
                "sign": lambda p: signing.begin(p, signed_by=DOCTOR, occasion=when),
                "release": lambda p: signing.release(
                    signing.with_code(p, some.CODE), document_id=some.DOCUMENT, occasion=when
                ),
                "dispensed": lambda p: dispensing.dispensed_elsewhere(
                    p, dispensation_id=UUID(int=self.made), pharmacy=SUN, terms=TERMS, occasion=when
                ),
                "cancel": lambda p: cancelling.cancel(p, reason="Rash.", occasion=when),
            }[step]
        )

    @rule(severity=st.sampled_from(Severity), content=st.integers(1, 3))
    def verdict_comes(self, severity: Severity, content: int) -> None:
        asked = replace(some.ASKED, content_version=content)
        verdict = some.verdict(some.finding(severity), asked_with=asked)
        self.do(lambda p: checking.store_verdict(p, verdict, some.KEYS, at(self.now)))

    @precondition(lambda self: self.p.hidden)
    @rule()
    def issue_proceeds(self) -> None:
        def proceed(p):
            if p.issue is None or issuing.objection(p, at(self.now), doctor_active=True):
                return p
            return issuing.proceed(p, at(self.now))

        self.do(proceed)

    @precondition(lambda self: self.p.issued_at is None)
    @rule(number=st.integers(1, 3))
    def seal_comes(self, number: int) -> None:
        def sealed(p):
            if p.hidden:
                return issuing.after_seal(
                    p, some.SEAL, number=number, document_id=some.DOCUMENT, now=at(self.now)
                )
            return signing.after_seal(p, some.SEAL, number=number, occasion=at(self.now))

        self.do(sealed)

    @precondition(lambda self: self.p.issued_at is None)
    @rule(number=st.integers(1, 3))
    def sealing_fails(self, number: int) -> None:
        self.do(lambda p: signing.after_failure(p, "refused", number=number, occasion=at(self.now)))

    @precondition(lambda self: self.step_by_step and self.p.signature is None)
    @rule(
        which=st.sampled_from([some.TABLETS, some.SYRUP, some.SECOND]),
        step=st.sampled_from(["add", "change", "say", "remove"]),
        quantity=st.integers(1, 5),
    )
    def item_changes(self, which: UUID, step: str, quantity: int) -> None:
        when = at(self.now)
        self.made += 1
        new = some.item(UUID(int=self.made), quantity=quantity)
        before = self.p
        self.do(
            {
                "add": lambda p: editing.add_item(p, new, items_max=4, occasion=when),
                "change": lambda p: editing.change_item(
                    p, replace(editing.item_named(p, which), quantity=quantity), occasion=when
                ),
                "say": lambda p: editing.change_item(
                    p, replace(editing.item_named(p, which), instructions=str(quantity)), occasion=when
                ),
                "remove": lambda p: editing.remove_item(p, which, occasion=when),
            }[step]
        )
        positions = [one.position for one in self.p.items]
        assert positions == sorted(set(positions))
        assert (self.p.content_version == before.content_version) or step != "say"

    @precondition(lambda self: self.step_by_step and self.p.signature is None)
    @rule(
        notes=st.sampled_from([None, "Con comida."]),
        days=st.sampled_from([None, 1, 90]),
        prescription_type=st.sampled_from(["standard", "controlled"]),
    )
    def metadata_changes(self, notes: str | None, days: int | None, prescription_type: str) -> None:
        self.do(
            lambda p: editing.change_metadata(
                p,
                notes=notes,
                valid_until=self.now + timedelta(days=days) if days else None,
                prescription_type=prescription_type,
                occasion=at(self.now),
            )
        )

    @rule(reason=st.sampled_from([None, "Stent; INR weekly."]))
    def somebody_answers_for_all(self, reason: str | None) -> None:
        self.do(
            lambda p: checking.acknowledge(p, None, doctor_id=DOCTOR, reason=reason, occasion=at(self.now))
        )

    @precondition(lambda self: not self.p.hidden)
    @rule(minutes=st.sampled_from([1, 15]))
    def somebody_wants_it_checked(self, minutes: int) -> None:
        asked = replace(some.ASKED, content_version=self.p.content_version)
        before = self.p
        self.do(
            lambda p: checking.request(p, asked, at(self.now), deadline=self.now + timedelta(minutes=minutes))
        )
        self.asked += (self.p.waiting, self.p.answers) != (before.waiting, before.answers)

    @precondition(lambda self: self.p.waiting)
    @rule()
    def waiting_ends(self) -> None:
        self.do(lambda p: waiting.given_up(p, at(self.now)))

    @invariant()
    def whoever_waited_is_told_once(self) -> None:
        told = [one.waiting for one in self.p.answers]
        assert len(told) + len(self.p.waiting) == self.asked

    @rule()
    def resend(self) -> None:
        self.do(lambda p: delivery.resend(p, address="ana@example.org", occasion=at(self.now)))


AtThePharmacy.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
Life.TestCase.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
TestAtThePharmacy = AtThePharmacy.TestCase
TestLife = Life.TestCase
