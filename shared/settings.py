"""Settings: read once from the environment, frozen; what every service has, for each to add its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, NoReturn, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class BadSetting(SystemExit):
    """A setting is missing or wrong: the process ends with one sentence, which never holds the value."""


class Settings(BaseModel):
    """What every service has: `PRESCRIPTION_DATABASE_URL`, or a file named by that name and `_FILE`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    database_url: str
    database_role: str | None = None
    database_connections_max: Annotated[int, Field(ge=2, le=200)] = 10
    kafka_bootstrap: str
    instance: str
    """The slot of this process in its consumer group, kept by a restart; `auto`: the lowest free one."""
    health_host: str = "127.0.0.1"
    health_port: Annotated[int, Field(ge=0, le=65535)] = 0
    log_format: Literal["json", "console"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    batch_max: Annotated[int, Field(ge=1, le=1000)] = 100
    inbox_days: Annotated[int, Field(ge=1, le=400)] = 8
    start_seconds_max: Annotated[int, Field(ge=1, le=3600)] = 60
    otlp_endpoint: str | None = None
    """Where spans go, as OTLP over HTTP; none: nowhere."""

    @classmethod
    def from_environment(cls, prefix: str, environ: Mapping[str, str] | None = None) -> Self:
        """Read `<PREFIX>_<FIELD>`, or the file `<PREFIX>_<FIELD>_FILE`; a wrong one ends the process."""
        environ = os.environ if environ is None else environ
        found = {"instance": f"{prefix.lower().replace('_', '-')}-0"}
        for field in cls.model_fields:
            value = _read(environ, f"{prefix}_{field.upper()}")
            if value is not None:
                found[field] = value
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            _refuse(prefix, error)


def _read(environ: Mapping[str, str], name: str) -> str | None:
    if name in environ:
        return environ[name]
    file = environ.get(f"{name}_FILE")
    if file is None:
        return None
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BadSetting(f"{name}_FILE names a file that cannot be read ({type(error).__name__})") from None


def _refuse(prefix: str, error: ValidationError) -> NoReturn:
    first = error.errors(include_input=False, include_url=False)[0]
    name = f"{prefix}_{str(first['loc'][0]).upper()}" if first["loc"] else prefix
    if first["type"] == "missing":
        raise BadSetting(f"{name} is not set: set it, or {name}_FILE") from None
    raise BadSetting(f"{name} has a value that is not allowed ({first['type']})") from None
