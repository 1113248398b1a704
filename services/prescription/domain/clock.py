"""What time alone does to a prescription. Every command is decided on the prescription as of its moment."""

from dataclasses import replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from services.prescription.domain import dispensing, signing
from services.prescription.domain.history import Occasion
from services.prescription.domain.prescription import Prescription, Said, Say
from services.prescription.domain.state_table import Column, Move


def as_of(prescription: Prescription, now: datetime) -> Prescription:
    """The prescription with every time-out and expiry that is due, each told in its history."""
    occasion = Occasion(at=now)
    return expire(dispensing.time_out(signing.give_up(prescription, now), occasion), occasion)


def expire(prescription: Prescription, occasion: Occasion) -> Prescription:
    """End it once `valid_until` is past. A live dispensation is waited for; elsewhere nothing happens."""
    cell = prescription.cell(Move.VALIDITY_PASSES)
    moves = cell.target is not None and cell.target is not prescription.column
    if not moves or not prescription.past_validity(occasion.at):
        return prescription
    target = prescription.admit(Move.VALIDITY_PASSES)
    changed = replace(prescription, status=target.status, expired_at=prescription.valid_until)
    return prescription.becomes(changed, occasion, say=[Say(Said.ENDED)])


def next_due(prescription: Prescription) -> datetime | None:
    """When time will next do something to it; None when it never will."""
    hours = [one.deadline for one in prescription.waiting]
    if live := prescription.live_dispensation:
        hours.append(live.expires_at)
    elif prescription.issue is not None:
        hours += [prescription.issue.deadline] if prescription.issue.deadline else []
    elif prescription.sign_request is not None:
        hours += [prescription.sign_request.deadline] if prescription.sign_request.deadline else []
    elif prescription.column is Column.SUBMITTED and prescription.valid_until is not None:
        hours.append(prescription.valid_until)
    return min(hours, default=None)


def end_of_day(now: datetime, *, days: int, time_zone: str) -> datetime:
    """The last second of the day that many days ahead, where the provider is."""
    zone = ZoneInfo(time_zone)
    day = now.astimezone(zone).date() + timedelta(days=days)
    return datetime.combine(day, time(23, 59, 59), zone)
