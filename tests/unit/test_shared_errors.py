"""What each error means, for a message and for a request."""

import inspect

import pytest

from shared import errors, http, messaging

CLASSES = [
    found for _, found in inspect.getmembers(errors, inspect.isclass) if found.__module__ == errors.__name__
]


class OutOfInk(errors.Conflict):
    """An error of some service."""


@pytest.mark.parametrize("error", CLASSES)
def test_every_class_says_what_becomes_of_a_message(error: type[Exception]) -> None:
    assert error in messaging.ON_ERROR


@pytest.mark.parametrize("error", CLASSES)
def test_every_class_says_what_becomes_of_a_request(error: type[Exception]) -> None:
    assert error in http.STATUS


@pytest.mark.parametrize("error", CLASSES)
def test_the_tree_is_in_the_docstring(error: type[Exception]) -> None:
    assert errors.__doc__ is not None
    assert error.__name__ in errors.__doc__


@pytest.mark.parametrize(
    ("error", "status"),
    [(OutOfInk(), 409), (errors.Rejected(), 422), (errors.Unavailable(), 503), (KeyError(), 500)],
)
def test_an_error_has_the_status_of_the_nearest_class_above_it(error: Exception, status: int) -> None:
    assert http.status(error) == status


def test_a_code_is_the_refusals_own_and_a_bug_has_its_class() -> None:
    assert errors.code(errors.NotFound()) == "not_found"
    assert errors.code(errors.Rejected(code="wrong_status")) == "wrong_status"
    assert errors.code(ZeroDivisionError("of Maria")) == "ZeroDivisionError"
