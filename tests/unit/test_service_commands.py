"""Every service says at `--help` what an operator can do with it, and serves only when told nothing else."""

from __future__ import annotations

import runpy
import sys

import pytest

from contracts.catalog import SERVICES


@pytest.fixture
def ended(monkeypatch, capsys):
    """Runs `python -m services.<name> WORD…` without settings; its exit code and all that it said."""

    def run(service: str, *words: str) -> tuple[int, str]:
        module = f"services.{service.replace('-', '_')}"
        monkeypatch.setattr(sys, "argv", [module, *words])
        with pytest.raises(SystemExit) as stopped:
            runpy.run_module(module, run_name="__main__")
        said = capsys.readouterr()
        return int(stopped.value.code or 0), said.out + said.err

    return run


@pytest.mark.parametrize("service", SERVICES)
def test_help_tells_of_the_dead_letters_too(service, ended):
    code, said = ended(service, "--help")

    assert code == 0
    assert "dead-letters" in said


@pytest.mark.parametrize("service", SERVICES)
def test_a_word_that_no_command_has_does_not_start_the_service(service, ended):
    code, said = ended(service, "sreve")

    assert code in (2, 3)  # The verifier of seals keeps 1 and 2 for what it finds.
    assert "usage" in said
