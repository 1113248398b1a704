"""The whole platform on this machine: PostgreSQL, Kafka, mail, topics, five services, seed."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from dev import kafka, postgres, secrets, services
from dev.kafka import Kafka
from dev.logs import LogBook
from dev.parts import POLL_SECONDS, READY_SECONDS_MAX, Died, Part
from dev.places import free_port, port_is_free
from dev.postgres import Postgres, Role
from dev.services import SERVICES, Instance, Surroundings
from dev.supervisor import Supervisor


class Platform:
    """Everything under one folder: `data` survives a stop, the logs are files too, the mail is kept.

    Tests use it as `make run` does. Its parts: `postgres`, `kafka`, `mail`, `prescription-0`, `signing-0` …
    """

    def __init__(
        self,
        home: Path,
        *,
        chosen: Sequence[str] = SERVICES,
        instances: Mapping[str, int] | None = None,
        environment: Mapping[str, str] | None = None,
        stream: TextIO | None = None,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        self.home = home.resolve()
        self.outside = dict(os.environ) | dict(environment or {})
        self.logs = LogBook(self.home / "logs", stream)
        self.supervisor = Supervisor(self.logs, failed)
        self.kafka = Kafka.on(self._port("RECEPTA_KAFKA_PORT"))
        self.postgres = Postgres("127.0.0.1", self._port("RECEPTA_POSTGRES_PORT"), self._password("postgres"))
        self.smtp_port = self._port("RECEPTA_SMTP_PORT")
        self.mail = self.home / "mail"
        self.database_urls: dict[str, str] = {}
        self.credentials: dict[str, str] = {}
        counts = instances or {}
        self.instances = [
            Instance(service, number, self._service_port(service, number))
            for service in chosen
            for number in range(counts.get(service, 1))
        ]

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def url(self) -> str:
        """Where clients find the first gateway."""
        return next((one.url() for one in self.instances if one.service == "gateway"), "")

    @property
    def env(self) -> dict[str, str]:
        """What people's own scripts need: the lines of `.run/env`."""
        addresses = {
            "RECEPTA_URL": self.url,
            "RECEPTA_KAFKA": self.kafka.bootstrap,
            "RECEPTA_MAIL_DIR": str(self.mail),
        }
        return addresses | self.credentials

    @property
    def operator_env(self) -> dict[str, str]:
        """What the operators' commands need, of every service: the lines of `.run/operator.env`."""
        around = self._surroundings()
        told = {k: v for one in self.instances for k, v in services.settings(one.service, around).items()}
        return {name: self.outside.get(name, value) for name, value in told.items()}

    def start(self) -> None:
        """Start all parts; return when all is ready. Raises Died with its cause; `stop` is due even then."""
        self._start_infrastructure()
        if self.instances:
            self._run("topics", "shared.topics", "create", "--bootstrap", self.kafka.bootstrap)
            around = self._surroundings()
            self.supervisor.start(services.part(one, around, self.outside) for one in self.instances)
            self._seed()
            self._until_all_ready()
        self.supervisor.keep_alive()

    def stop(self) -> None:
        self.supervisor.stop()

    def kill(self, name: str) -> None:
        """kill -9; the part is started again at once."""
        self.supervisor.kill(name)

    def hold_down(self, name: str) -> None:
        """kill -9, and it stays down until `restart`."""
        self.supervisor.hold_down(name)

    def restart(self, name: str) -> None:
        """An orderly stop where it runs, a start, and wait until it answers."""
        self.supervisor.restart(name)

    def until_ready(self, name: str, seconds: float = READY_SECONDS_MAX) -> None:
        self.supervisor.until_ready(name, seconds)

    def log(self, name: str) -> str:
        """What a part has said."""
        path = self.logs.path(name)
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def environment(self, service: str) -> dict[str, str]:
        """What an operator's command of a service runs with."""
        first = next(one for one in self.instances if one.service == service)
        return self.outside | services.environment(first, self._surroundings(), self.outside)

    def _start_infrastructure(self) -> None:
        mail = Part(
            name="mail",
            command=(sys.executable, "-m", "dev.mail", str(self.smtp_port), str(self.mail)),
            environment={"PYTHONUNBUFFERED": "1"},
            ready=lambda: not port_is_free(self.smtp_port),
        )
        store = postgres.part(self.data / "postgres", self.postgres)
        broker = kafka.part(self.data / "kafka", self.kafka)
        started = self.supervisor.launch((store, broker, mail))
        # While the broker is still on its way.
        started[0].until_ready()
        for service in SERVICES:
            role = Role.of(service, self._password(service))
            self.database_urls[service] = self.postgres.make_database(role)
        for one in started:
            one.until_ready()

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            database_urls=self.database_urls,
            kafka_bootstrap=self.kafka.bootstrap,
            smtp_port=self.smtp_port,
            public_url=self.outside.get("GATEWAY_BASE_URL", self.url),
            secret_key=secrets.keep(self._secrets, "gateway-secret-key"),
            data_key=secrets.keep(self._secrets, "gateway-data-key"),
            signing_key_dir=self.data / "signing-keys",
            signing_key_password=secrets.keep_password(self._secrets, "signing-key-password"),
        )

    def _seed(self) -> None:
        """Give it medicines, then tenants, people and credentials, by the commands that operators use."""
        output = self.data / "seed.env"
        jobs = (
            ("catalogue", "safety_check", services.LOAD_CATALOGUE),
            ("seed", "gateway", ("seed", "--output", str(output))),
        )
        for name, service, arguments in jobs:
            if any(one.service == service for one in self.instances):
                self._run(name, f"services.{service}", *arguments, environment=self.environment(service))
        if output.is_file():
            self.credentials = _read_lines(output)

    def _run(
        self, name: str, module: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> None:
        command = (sys.executable, "-m", module, *arguments)
        self.supervisor.run(Part(name, command, self.outside | dict(environment or {})))

    def _until_all_ready(self) -> None:
        give_up = time.monotonic() + READY_SECONDS_MAX
        waiting = list(self.instances)
        while waiting := [one for one in waiting if not one.is_well("ready")]:
            self.supervisor.check()
            if time.monotonic() > give_up:
                raise Died(
                    f"not ready after {READY_SECONDS_MAX:.0f} s: {', '.join(one.name for one in waiting)}"
                )
            time.sleep(POLL_SECONDS)

    @property
    def _secrets(self) -> Path:
        return self.data / "secrets"

    def _password(self, name: str) -> str:
        return secrets.keep_password(self._secrets, f"database-{name}")

    def _port(self, variable: str) -> int:
        given = self.outside.get(variable)
        return int(given) if given else free_port()

    def _service_port(self, service: str, number: int) -> int:
        if number > 0:
            return free_port()
        return self._port("GATEWAY_PORT" if service == "gateway" else f"{service.upper()}_HEALTH_PORT")


def forget(home: Path) -> None:
    """Remove what a platform that is not running has kept."""
    data = home.resolve() / "data"
    kafka.forget(data / "kafka")
    postgres.forget(data / "postgres")
    for folder in (data, home / "mail", home / "logs"):
        shutil.rmtree(folder, ignore_errors=True)


def _read_lines(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)
