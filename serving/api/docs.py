"""The documentation page, drawn here: nothing is fetched from outside the bank."""

import json
import re
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from fastapi import FastAPI

__all__ = ["describe_examples", "docs_page", "examples", "guide"]

_STYLE = (
    "body{font:16px/1.5 system-ui;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1b1b1f}"
    "pre{overflow:auto;background:#f4f4f7;padding:.7rem;border-radius:.4rem;font-size:.85rem}"
    "code,a{overflow-wrap:anywhere}code{font-size:.9em}"
    "h2{margin-top:2.2rem;border-top:1px solid #ddd;padding-top:1rem}"
    "table{border-collapse:collapse;display:block;overflow:auto}td,th{text-align:left;vertical-align:top;"
    "padding:.2rem .6rem .2rem 0;border-bottom:1px solid #eee;font-size:.92rem}nav a{margin-right:1rem}"
    "@media(prefers-color-scheme:dark){body{background:#17171a;color:#e6e6ea}pre{background:#222227}"
    "a{color:#8ab4f8}td,th,h2{border-color:#333}}"
)
_LIMITS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "above {}",
    "default": "{} if not said",
}
_FIRST = ("/v1/profile", "/v1/offers", "/v1/outcomes", "/v1/events", "/v1/scores", "/v1/models")

Schema = dict[str, Any]


@cache
def examples() -> dict[str, dict[str, Any]]:
    """By path a question to a simulated bank, where it takes one, and the answer that it got."""
    found: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("examples.json").read_text())
    return found


@cache
def guide() -> list[tuple[str, list[str]]]:
    """Headings with their paragraphs: all that who connects a CRM has to know."""
    _, *parts = Path(__file__).with_name("guide.md").read_text().split("\n## ")
    split = ((head, text.strip()) for head, _, text in (part.partition("\n") for part in parts))
    return [(head, text.split("\n\n")) for head, text in split]


def describe_examples(app: FastAPI) -> None:
    """Add the examples to the service's description."""
    plain = app.openapi

    def exemplified() -> dict[str, Any]:
        openapi = plain()
        for path, example in examples().items():
            for operation in openapi["paths"].get(path, {}).values():
                told = operation["responses"]["200"]["content"]["application/json"]
                told["example"] = example["response"]
                if "request" in example:
                    operation["requestBody"]["content"]["application/json"]["example"] = example["request"]
        return openapi

    app.openapi = exemplified  # type: ignore[method-assign]  # FastAPI's own way to extend it


def docs_page(openapi: dict[str, Any]) -> str:
    """An OpenAPI document, with `describe_examples`, as one HTML page."""
    paths: dict[str, Any] = openapi["paths"]
    order = sorted(paths, key=lambda path: _FIRST.index(path) if path in _FIRST else len(_FIRST))
    title = f"{escape(openapi['info']['title'])} {escape(openapi['info']['version'])}"
    links = "".join(f"<a href='#{escape(path)}'>{escape(path)}</a>" for path in order)
    told = "".join(f"<h2>{_words(head)}</h2>{''.join(map(_text, texts))}" for head, texts in guide())
    routes = "".join(
        _operation(path, method, about) for path in order for method, about in paths[path].items()
    )
    types = "".join(_type(name, schema) for name, schema in openapi["components"]["schemas"].items())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>"
        "<p>Scores, offers and outcomes for a CRM, in JSON over HTTP. Machine-readable: "
        f"<a href='/openapi.json'>/openapi.json</a>. Examples are from a simulated bank.</p>"
        f"<nav>{links}</nav>"
        f"{told}{routes}<h2>Types</h2>{types}</body></html>"
    )


def _operation(path: str, method: str, about: Schema) -> str:
    described = [f"<h2 id='{escape(path)}'><code>{method.upper()} {escape(path)}</code></h2>"]
    described += [_text(part) for part in about.get("description", "").split("\n\n")]
    body = about.get("requestBody", {}).get("content", {}).get("application/json", {})
    answer = about["responses"]["200"].get("content", {}).get("application/json", {})
    for word, told in (("Takes", body), ("Answers", answer)):
        if "$ref" in told.get("schema", {}):
            described.append(f"<p>{word} {_kind(told['schema'])}.</p>")
    if path in examples():
        described.append(f"<pre>{escape(_curl(path, method, body.get('example')))}</pre>")
        described.append(
            f"<pre>{escape(json.dumps(answer['example'], indent=1, ensure_ascii=False))}</pre>"
        )
    statuses = ", ".join(f"<code>{status}</code>" for status in sorted(about["responses"]))
    return "".join([*described, f"<p>Statuses: {statuses}</p>"])


def _curl(path: str, method: str, body: Any) -> str:
    asked = f'curl -s http://127.0.0.1:3000{path} -H "Authorization: Bearer $TENURE_KEY"'
    if method == "get":
        return asked
    return f"{asked} \\\n  -H 'Content-Type: application/json' -d '{json.dumps(body)}'"


def _type(name: str, schema: Schema) -> str:
    needed = schema.get("required", ())
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code></td><td>{_kind(about)}</td>"
        f"<td>{'' if field in needed else 'may be left out'}</td>"
        f"<td>{_words(_limits(about))} {_words(about.get('description', ''))}</td></tr>"
        for field, about in schema.get("properties", {}).items()
    )
    text = "".join(map(_text, schema.get("description", "").split("\n\n")))
    return f"<h3 id='{escape(name)}'>{escape(name)}</h3>{text}<table>{rows}</table>"


def _kind(schema: Schema) -> str:
    """The type of a value in words, with links to other types."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f"<a href='#{name}'>{name}</a>"
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(_kind(each) for each in schema[several]))
    if words := schema.get("enum", [schema["const"]] if "const" in schema else []):
        return " or ".join(f"<code>{escape(json.dumps(word))}</code>" for word in words)
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    of = schema.get("additionalProperties")
    if isinstance(of, dict):
        return f"object, name to {_kind(of)}"
    return escape(str(schema.get("format", schema.get("type", "anything"))))


def _limits(schema: Schema) -> str:
    found = [*schema.get("anyOf", ()), schema]
    said = [words.format(each[name]) for each in found for name, words in _LIMITS.items() if name in each]
    return f"{', '.join(said)}." if said else ""


def _text(paragraph: str) -> str:
    return f"<p>{_words(paragraph)}</p>" if paragraph else ""


def _words(text: str) -> str:
    """Text with what stands between backticks as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))
