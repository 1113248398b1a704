"""What the gateway shows as due is what prescription makes of it a moment later."""

from dataclasses import replace
from datetime import timedelta

import pytest

from contracts import values
from services.gateway.messages import by_the_clock
from services.prescription.domain import clock
from services.prescription.messages import state
from services.prescription.messages.particulars import Particulars
from tests.service.prescriptions import ANA, MARTA, PROVIDER
from tests.unit import prescriptions as some

PEOPLE = Particulars(provider=PROVIDER, policy=values.Policy(), patient=ANA, doctor=MARTA)
LIVES = {
    "released": some.issued(),
    "held by a pharmacy": some.started(),
    "held as its validity ends": replace(some.started(), valid_until=some.NOON + timedelta(minutes=10)),
}


@pytest.mark.parametrize("minutes", [5, 20, 31, 60 * 24 * 60])
@pytest.mark.parametrize("life", LIVES)
def test_what_is_due_is_read_under_the_version_that_its_event_will_have(life, minutes):
    owned = replace(LIVES[life], particulars=PEOPLE)
    now = some.NOON + timedelta(minutes=minutes)

    shown = by_the_clock.as_of(state.whole(owned), now)
    told = state.whole(clock.as_of(owned, now))

    assert (shown.version, shown.status, shown.expired_at) == (told.version, told.status, told.expired_at)
    assert [(one.status, one.cancelled_at, one.cancelled_by) for one in shown.dispensations] == [
        (one.status, one.cancelled_at, one.cancelled_by) for one in told.dispensations
    ]
