"""The description of a dialect as a page for people: no script, nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any, Final

HTML: Final = "text/html; charset=utf-8"


def page(document: Mapping[str, Any], links: Mapping[str, str]) -> str:
    """All operations, then the schemas that they refer to; `links` lead to what is for programs."""
    title = escape(document["info"]["title"])
    leading = "; ".join(f"<a href='{escape(where)}'>{escape(words)}</a>" for words, where in links.items())
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width'>",
        f"<title>{title}</title><style>{_STYLE}</style><main><h1>{title}</h1>",
        f"<p>{escape(document['info'].get('summary', ''))}</p><p>{leading}</p>",
    ]
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            parts.append(_section(path, method, described))
    parts.append(_headers(document.get("components", {}).get("headers", {})))
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        parts.append(_details(name, schema, anchor=f" id='{escape(name)}'"))
    return "".join([*parts, "</main></html>"])


def _section(path: str, method: str, described: Mapping[str, Any]) -> str:
    body = described.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    rows = "".join(
        f"<tr><td>{escape(status)}<td>{_coded(answer.get('description', ''))}{_of(answer)}"
        for status, answer in described.get("responses", {}).items()
    )
    parameters = "".join(_parameter(one) for one in described.get("parameters", ()))
    allowed = ", ".join(f"<code>{escape(one)}</code>" for one in _allowed(described))
    return "".join(
        (
            f"<section><h2><b>{escape(method.upper())}</b> {escape(path)}</h2>",
            f"<p><strong>{escape(described.get('summary', ''))}.</strong> ",
            f"{_coded(described.get('description', ''))}</p>",
            f"<p>Allowed by any one of: {allowed}</p>" if allowed else "",
            f"<table>{parameters}</table>" if parameters else "",
            _body(body),
            f"<details><summary>Answers</summary><table>{rows}</table></details></section>",
        )
    )


def _parameter(one: Mapping[str, Any]) -> str:
    needed = ", required" if one.get("required") and one["in"] != "path" else ""
    told = escape(_value(one.get("schema", {})) + needed)
    return f"<tr><td><code>{escape(one['name'])}</code><td>{escape(one['in'])}<td>{told}"


def _value(schema: Mapping[str, Any]) -> str:
    """What may be sent, in a few words."""
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_value(one) for one in schema["anyOf"]))
    known = schema.get("format") or schema.get("description") or schema.get("pattern") or schema.get("type")
    bounds = " to ".join(str(schema[one]) for one in ("minimum", "maximum") if one in schema)
    return ", ".join(str(one) for one in (known, bounds) if one)


def _headers(headers: Mapping[str, Any]) -> str:
    """What answers carry besides their bodies."""
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code><td>{_coded(one.get('description', ''))}"
        for name, one in headers.items()
    )
    return f"<h2>Headers of answers</h2><table>{rows}</table><h2>Schemas</h2>" if rows else ""


def _allowed(described: Mapping[str, Any]) -> list[str]:
    """Scopes, or the permission, that the caller must hold."""
    scopes = [scope for one in described.get("security", ()) for scope in one.get("oauth2", ()) if scope]
    return scopes or [one for one in (described.get("x-permission"),) if one]


def _body(schema: Mapping[str, Any] | None) -> str:
    if schema is None:
        return ""
    return f"<p>Body: {_link(schema)}</p>" if "$ref" in schema else _details("Body", schema)


def _of(answer: Mapping[str, Any]) -> str:
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    links = ", ".join(_link(one) for one in schema.get("anyOf", [schema]) if "$ref" in one)
    return f"<td>{links}" if links else ""


def _link(schema: Mapping[str, Any]) -> str:
    name = escape(schema["$ref"].rpartition("/")[2])
    return f"<a href='#{name}'>{name}</a>"


def _details(words: str, schema: Mapping[str, Any], *, anchor: str = "") -> str:
    told = escape(json.dumps(schema, indent=1, ensure_ascii=False))
    # The anchor is inside, so that a link to it opens what it leads to.
    return f"<details><summary>{escape(words)}</summary><pre{anchor}>{told}</pre></details>"


def _coded(text: str) -> str:
    """`word` as code."""
    return "".join(
        f"<code>{escape(part)}</code>" if index % 2 else escape(part)
        for index, part in enumerate(text.split("`"))
    )


_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1c2733}"
    "h2{font-size:1.05rem;font-family:ui-monospace,monospace;border-top:1px solid #cdd5dc;padding-top:1rem}"
    "h2 b{background:#12586b;color:#fff;border-radius:.3rem;padding:.1rem .5rem}"
    "code,pre{background:#eef2f4;border-radius:.2rem;padding:.1rem .3rem}pre{overflow:auto;padding:1rem}"
    "table{margin-bottom:1rem}td{padding:.15rem 1rem .15rem 0;vertical-align:top}"
)
