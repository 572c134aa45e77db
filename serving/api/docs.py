"""The documentation page, drawn here: nothing is fetched from outside the bank."""

import json
from html import escape
from typing import Any

__all__ = ["docs_page"]

_STYLE = "body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}pre{overflow:auto}"


def docs_page(openapi: dict[str, Any]) -> str:
    """An OpenAPI document as one HTML page."""
    operations = "".join(
        f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
        f"<p>{escape(about.get('description', ''))}</p>"
        for path, methods in openapi["paths"].items()
        for method, about in methods.items()
    )
    schemas = "".join(
        f"<h3>{escape(name)}</h3><p>{escape(schema.get('description', ''))}</p>"
        f"<pre>{escape(json.dumps(schema.get('properties', {}), indent=1))}</pre>"
        + "".join(
            f"<p>Example</p><pre>{escape(json.dumps(e, indent=1))}</pre>"
            for e in schema.get("examples", ())
        )
        for name, schema in openapi["components"]["schemas"].items()
    )
    title = f"{escape(openapi['info']['title'])} {escape(openapi['info']['version'])}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>"
        f"<p>Machine-readable: <a href='/openapi.json'>/openapi.json</a></p>{operations}"
        f"<h2>Types</h2>{schemas}</body></html>"
    )
