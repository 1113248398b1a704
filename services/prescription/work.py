"""What time brings to prescriptions: the end of a claim, of a validity, or of a request."""

from typing import Any, Final
from uuid import UUID

from services.prescription import store
from services.prescription.commands import carry_out_by_clock, refuse_issue
from services.prescription.domain import clock as clockwork
from services.prescription.domain import issuing
from services.prescription.store.writing import CLOCK
from shared import clock
from shared.database import Connection
from shared.outbox import Outbox
from shared.work import Finish, Job, Works

AT_ONCE_MAX: Final = 20

works = Works("prescription")


@works.on(CLOCK, concurrency=AT_ONCE_MAX)
async def strike(job: Job, resources: Any) -> Finish:
    """Bring a prescription what is due to it, and wind its clock for what comes next."""
    assert job.prescription_id is not None
    prescription_id: UUID = job.prescription_id

    async def finish(conn: Connection, outbox: Outbox) -> None:
        await store.hold(conn, [], [(job.tenant_id, prescription_id)])
        before = store.find(conn, job.tenant_id, prescription_id)
        if before is None:
            return  # An issue that was refused in the meantime.
        after = before
        if not before.hidden:
            after = clockwork.as_of(before, clock.now())
            carry_out_by_clock(conn, outbox, before, after)
        due_at = clockwork.next_due(after)
        if before.hidden and due_at is not None and due_at <= clock.now():
            refuse_issue(conn, outbox, before, issuing.gave_up())
        elif due_at is not None:
            job.again(at=due_at)
        await store.settle(conn)

    return finish
