"""The house rules that the source itself can be asked about."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from contracts.catalog import SERVICES, TOPICS

ROOT = Path(__file__).parents[2]
MESSAGES = {message.__name__: message for topic in TOPICS.values() for message in topic.messages}
SERVICE_NAMES = [service.replace("-", "_") for service in SERVICES]
WRITES = re.compile(r"INSERT INTO|DELETE FROM|UPDATE [\w ]+\s+SET\b")
REFUSERS = ("domain", "checks")
# A read sees what this batch has saved so far: it is written before, and means nothing new.
WRITES_WHAT_WAS_SAVED = "services.prescription.store.writing.settle"
# What is kept in hand and written with the batch, besides what says so in SQL.
WRITERS_BY_NAME = {
    "outbox.announce",
    *(
        f"services.prescription.store.hand.{verb}"
        for verb in ("add", "save", "drop", "save_patient", "strike_at", "keep_of_catalogue")
    ),
    *(f"services.prescription.store.records.{verb}" for verb in ("save_consultation", "save_template")),
}


@dataclass(frozen=True)
class Module:
    """A module's source as a tree, and what its names stand for."""

    name: str
    text: str
    tree: ast.Module

    @cached_property
    def names(self) -> dict[str, str]:
        """Each imported or defined name, and the full one that it stands for."""
        found = {one.name: f"{self.name}.{one.name}" for one in self.functions()}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                found |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
        return found

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node

    def called(self, node: ast.AST) -> Iterator[str]:
        """The full names of what a piece of source calls, as far as they are imported or defined here."""
        names = self.names
        for call in ast.walk(node):
            match call:
                case ast.Call(func=ast.Name(id=name)) if name in names:
                    yield _whole(names[name])
                case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=name)) if module in names:
                    yield _whole(f"{names[module]}.{name}")
                case ast.Call(func=ast.Attribute(value=ast.Name(id="outbox"), attr="announce")):
                    yield "outbox.announce"
                case ast.ClassDef(bases=[ast.Name(id=name)]) if name in names:
                    yield _whole(names[name])


def _whole(name: str) -> str:
    """A name that a package only hands on, as the module that it comes from calls it."""
    package, _, short = name.rpartition(".")
    known = ALL.get(package)
    handed_on = known.names.get(short, name) if known else name
    return name if handed_on == name else _whole(handed_on)


def _all_modules() -> Iterator[Module]:
    for path in sorted(
        path for folder in ("contracts", "shared", "services") for path in (ROOT / folder).rglob("*.py")
    ):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text(encoding="utf-8")
        yield Module(name, text, ast.parse(text))


ALL = {one.name: one for one in _all_modules()}


def modules(package: str) -> list[Module]:
    return [one for name, one in ALL.items() if f"{name}.".startswith(f"{package}.")]


def of_role(*roles: str) -> list[Module]:
    """The modules of all services with one of these roles: the file of that name, or those in its folder."""
    return [one for one in ALL.values() if one.name.split(".")[2:3] and one.name.split(".")[2] in roles]


def name_of(module: Module) -> str:
    return module.name


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_listens_to_what_the_catalog_says_it_consumes(service):
    handlers = importlib.import_module(f"services.{service.replace('-', '_')}.handlers").handlers

    assert handlers.service == service
    assert handlers.topics == {topic.name for topic in TOPICS.values() if service in topic.consumers}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_handles_only_what_is_in_the_catalog(service):
    handlers = importlib.import_module(f"services.{service.replace('-', '_')}.handlers").handlers

    for message in handlers.messages:
        assert message in TOPICS[message.topic].messages
        assert service in TOPICS[message.topic].consumers


def test_every_message_to_a_service_is_handled_by_one():
    handled: set[str] = set()
    for service in SERVICE_NAMES:
        handlers = importlib.import_module(f"services.{service}.handlers").handlers
        handled |= {one.ce_type for one in MESSAGES.values() if handlers.find(one.topic, one.ce_type)}
    meant_for_us = {one for one in MESSAGES.values() if TOPICS[one.topic].consumers & set(SERVICES)}

    assert {one.ce_type for one in meant_for_us} <= handled


def made_by(service: str) -> set[str]:
    """The messages that a service makes: wherever its source calls the class."""
    return {
        called.rpartition(".")[2]
        for one in modules(f"services.{service}")
        for called in one.called(one.tree)
        if called.startswith("contracts.") and called.rpartition(".")[2] in MESSAGES
    }


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_says_only_what_the_catalog_lets_it_say(service):
    for name in made_by(service.replace("-", "_")):
        assert service in TOPICS[MESSAGES[name].topic].producers, f"{service} makes {name}"


@pytest.mark.parametrize("message", [one for one in MESSAGES.values() if not TOPICS[one.topic].inbound])
def test_a_message_of_ours_is_known_to_a_service_that_writes_it(message):
    writers = {name.replace("-", "_") for name in TOPICS[message.topic].producers}
    sources = [one.text for name in writers for one in modules(f"services.{name}")]

    assert any(message.__name__ in text for text in sources)


@pytest.mark.parametrize("module", of_role("domain"), ids=name_of)
def test_a_domain_imports_the_standard_library_and_itself(module):
    own = ".".join(module.name.split(".")[:3])
    for node in ast.walk(module.tree):
        for name in _imported(node):
            assert (
                name.split(".")[0] in sys.stdlib_module_names
                or name
                in (
                    "contracts.drug_names",
                    "contracts.prescription_codes",
                )
                or name == own
                or name.startswith(f"{own}.")
            ), name


def _imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import():
            return [one.name for one in node.names]
        case ast.ImportFrom(level=0, module="contracts"):
            return [f"contracts.{one.name}" for one in node.names]
        case ast.ImportFrom(level=0, module=str(name)):
            return [name]
        case ast.ImportFrom():
            return ["a relative import"]
    return []


@pytest.mark.parametrize("module", of_role("handlers", "messages", "domain"), ids=name_of)
def test_no_handler_opens_or_commits_a_transaction(module):
    words = {node.attr for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)}
    words |= {name.rpartition(".")[2] for name in module.names.values() if name.startswith("shared.")}

    assert not words & {"transaction", "rollback", "acquire", "open_pool"}
    assert not any(call.startswith("asyncpg.") for call in module.called(module.tree))


@pytest.mark.parametrize("module", of_role("handlers"), ids=name_of)
def test_after_its_first_write_a_handler_refuses_nothing(module):
    """So a command that is refused has written nothing, and the batch around it goes on."""
    for function in module.functions():
        late = list(_refusals_after_a_write(module, function.body))
        assert late == [], f"{module.name}.{function.name} may refuse in line {late} after it has written"


def _refusals_after_a_write(module: Module, body: list[ast.stmt]) -> Iterator[int]:
    yield from _walk(module, body, False)[1]


def _walk(module: Module, body: list[ast.stmt], written: bool) -> tuple[bool, list[int]]:
    """Whether a block that is left at its end has written, and the lines where it refuses after a write."""
    late: list[int] = []
    for statement in body:
        inner = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
        inner += [handler.body for handler in getattr(statement, "handlers", [])]
        head = [
            node
            for node in ast.iter_child_nodes(statement)
            if not isinstance(node, ast.stmt | ast.excepthandler)
        ]
        calls = {call for node in head for call in module.called(node)}
        if written and (isinstance(statement, ast.Raise) or any(map(_refuses, calls))):
            late.append(statement.lineno)
        written |= bool(calls & WRITERS)
        ends = [_walk(module, block, written) for block in inner if block]
        late += [line for _, lines in ends for line in lines]
        stays = [
            after
            for block, (after, _) in zip((block for block in inner if block), ends, strict=True)
            if not isinstance(block[-1], ast.Return | ast.Raise | ast.Continue | ast.Break)
        ]
        written |= any(stays)
    return written, late


def _refuses(called: str) -> bool:
    return called.startswith("services.") and called.split(".")[2] in REFUSERS


def _writers() -> set[str]:
    """Every function that writes, or calls one that does."""
    calls: dict[str, set[str]] = {}
    found = set(WRITERS_BY_NAME)
    for module in ALL.values():
        for function in module.functions():
            name = f"{module.name}.{function.name}"
            calls[name] = set(module.called(function))
            if any(_is_writing_sql(node) for node in ast.walk(function)):
                found.add(name)
    found.discard(WRITES_WHAT_WAS_SAVED)
    while (
        more := {name for name, called in calls.items() if called & found} - found - {WRITES_WHAT_WAS_SAVED}
    ):
        found |= more
    return found


def _is_writing_sql(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(WRITES.search(node.value))


WRITERS = _writers()


def test_the_environment_is_read_by_the_settings_and_the_clock_alone():
    """The clock is moved by tests, for all modules of a process and before any settings are read."""
    readers = {one.name for one in ALL.values() if "os.environ" in one.text or "getenv" in one.text}

    assert readers == {"shared.settings", "shared.clock"}


@pytest.mark.parametrize("service", SERVICE_NAMES)
def test_sql_stands_in_the_store(service):
    for module in modules(f"services.{service}"):
        if module.name.split(".")[2:3] != ["store"]:
            for node in ast.walk(module.tree):
                assert not _is_writing_sql(node), f"{module.name}:{node.lineno}"


def test_a_module_says_in_its_first_sentence_what_it_is_for():
    said = {one.name: ast.get_docstring(one.tree) or "" for one in ALL.values() if one.tree.body}

    assert [name for name, text in said.items() if not text.split("\n\n")[0].endswith((".", ":", "`"))] == []


def test_what_a_module_defines_is_used_somewhere():
    """What is only tested counts for nothing; national numbers are there for a profile to come."""
    used = {name for one in ALL.values() for node in ast.walk(one.tree) for name in _names(node)}
    defined = {f"{one.name}.{node.name}": node for one in ALL.values() for node in one.functions()}

    unused = [name for name, node in defined.items() if not node.decorator_list and node.name not in used]
    assert unused == ["services.signing.checks.identity.identity_number"]


def _names(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
            yield name


def test_no_module_is_called_after_nothing():
    assert {name.rpartition(".")[2] for name in ALL}.isdisjoint(
        {"utils", "helpers", "common", "manager", "base"}
    )


@pytest.mark.parametrize("service", SERVICE_NAMES)
def test_a_service_tells_in_few_lines_what_it_owns(service):
    text = (ROOT / "services" / service / "README.md").read_text(encoding="utf-8").lower()

    assert text.count("\n") <= 50
    assert [word for word in ("own", "consume", "publish", "invariant") if word not in text] == []
