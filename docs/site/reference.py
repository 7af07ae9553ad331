"""Directives that write a reference from what the programs and the server tell of themselves.

``command-help`` shows the help of every program that the package installs, and ``http-api`` the OpenAPI
document of a server. Pages whose lists of links are the navigation get it here, too.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from gltf_render_server.http.openapi import openapi_document
from gltf_render_server.settings import ServerSettings

ROOT = Path(__file__).resolve().parents[2]

SECTIONS = {"index", "how-to", "reference", "explanation", "datasets", "development"}
"""The pages whose lists of links are the site's navigation."""


class ProgramsDirective(SphinxDirective):
    """Shows each program, and each of its commands, with its options, as ``--help`` does."""

    def run(self) -> list[nodes.Node]:
        """Return a section for each program."""
        text = "\n".join(line for name, command in programs().items() for line in _program(name, command))
        return self.parse_text_to_nodes(text, allow_section_headings=True)


class HttpApiDirective(SphinxDirective):
    """Shows the paths and the types of the OpenAPI document."""

    def run(self) -> list[nodes.Node]:
        """Return the reference of the API."""
        text = "\n".join(_http_api(openapi_document(has_token=False)))
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def programs() -> dict[str, click.Command]:
    """Return the command of each program that the package installs, by the program's name."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    return {name: _command_of(target.rpartition(".__main__:")[0]) for name, target in sorted(scripts.items())}


def _command_of(package: str) -> click.Command:
    if package == "gltf_render_server":
        return ServerSettings.command()
    return import_module(f"{package}.cli").program


def prepare(app: Sphinx, page: str, source: list[str]) -> None:
    """Give a page what only the site needs, so that pages stay plain Markdown.

    The pages that a section's list links become its children; those that no list names come last on the front
    page. Links to files that are no part of the site become their text.
    """
    folder = (Path(app.srcdir) / page).parent

    def without_link(found: re.Match[str]) -> str:
        is_page = (folder / found[2]).resolve().is_relative_to(app.srcdir)
        return found[0] if is_page else found[1]

    source[0] = re.sub(r"\[([^\]]+)\]\((\.\./[^)]+)\)", without_link, source[0])
    if page in SECTIONS:
        children = _children(source[0], page)
        if page == app.config.root_doc:
            children += sorted(app.project.docnames - _listed(app) - {page})
        source[0] += "\n```{toctree}\n:hidden:\n\n" + "\n".join(f"/{child}" for child in children) + "\n```\n"


def _listed(app: Sphinx) -> set[str]:
    texts = {page: (Path(app.srcdir) / f"{page}.md").read_text() for page in SECTIONS}
    return {child for page, text in texts.items() for child in _children(text, page)}


def _children(text: str, page: str) -> list[str]:
    folder = page.rpartition("/")[0]
    found = re.findall(r"^- \[.*?\]\(([\w/-]+)\.md\)", text, re.MULTILINE)
    return [f"{folder}/{name}".lstrip("/") for name in found]


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx of the directives."""
    app.connect("source-read", prepare)
    app.add_directive("command-help", ProgramsDirective)
    app.add_directive("http-api", HttpApiDirective)
    return {"parallel_read_safe": True}


def _program(name: str, command: click.Command) -> Iterator[str]:
    yield f"## {name}\n"
    yield from _command(click.Context(command, info_name=name))
    for each in getattr(command, "commands", {}).values():
        yield f"### {name} {each.name}\n"
        yield from _command(click.Context(each, info_name=f"{name} {each.name}"))


def _command(context: click.Context) -> Iterator[str]:
    command = context.command
    yield f"```text\n{command.get_usage(context)}\n```\n"
    yield from _prose(command.help)
    groups: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(context):
        if record := parameter.get_help_record(context):
            groups.setdefault(getattr(parameter, "group", "options"), []).append(record)
    for group, records in groups.items():
        yield f"| {group} | |\n|---|---|"
        yield from (f"| {_code(spelling)} | {_cell(text)} |" for spelling, text in records)
        yield ""
    yield from _prose(command.epilog)


def _prose(text: str | None) -> Iterator[str]:
    r"""Write paragraphs as they are; click's ``\b`` marks those whose lines must stay."""
    for paragraph in re.split(r"\n\s*\n", (text or "").strip()):
        plain = paragraph.replace("\b\n", "")
        yield f"```text\n{plain}\n```\n" if "  " in plain and "\b" in paragraph else f"{_escaped(plain)}\n"


def _http_api(document: dict[str, Any]) -> Iterator[str]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method == "parameters":
                continue
            yield f"## {method.upper()} {_escaped(path)}\n\n{_escaped(operation['summary'])}\n"
            if "requestBody" in operation:
                yield f"The body is {_contents(operation['requestBody']['content'])}.\n"
            yield "| status | answer |\n|---|---|"
            for status, answer in operation["responses"].items():
                told = f" ({_contents(answer['content'])})" if "content" in answer else ""
                yield f"| {status} | {_cell(answer['description'])}{told} |"
            yield ""
    for name, schema in document["components"]["schemas"].items():
        yield f"## {name}\n\n{_escaped(schema.get('description', ''))}\n"
        required = schema.get("required", [])
        rows = [_member(key, value, key in required) for key, value in schema.get("properties", {}).items()]
        yield "\n".join(["| member | type | |\n|---|---|---|", *rows, ""] if rows else [f"{_type(schema)}\n"])


def _contents(content: dict[str, Any]) -> str:
    return " or ".join(f"`{kind}`{_of(each.get('schema', {}))}" for kind, each in content.items())


def _of(schema: dict[str, Any]) -> str:
    known = "$ref" in schema or schema.get("type") == "array"
    return f", {_type(schema)}" if known else ""


def _member(name: str, schema: dict[str, Any], is_required: bool) -> str:
    told = " ".join(dict.fromkeys(_descriptions(schema)))
    default = schema.get("default")
    if is_required:
        told = f"Required. {told}"
    elif isinstance(default, bool | int | float | str):
        told += f" The default is `{default}`."
    return f"| `{name}` | {_type(schema)} | {_cell(told)} |"


def _descriptions(schema: dict[str, Any]) -> Iterator[str]:
    if "description" in schema:
        yield schema["description"]
    for each in schema.get("anyOf", ()):
        yield from _descriptions(each)


def _type(schema: dict[str, Any]) -> str:
    """Say in words what a schema takes, its bounds included."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(each) for each in schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    kind = schema.get("type", "anything")
    if kind == "array" and isinstance(schema.get("items"), dict):
        kind = f"array of {_type(schema['items'])}"
    bounds = [
        f"{words} {schema[key]:g}"
        for key, words in {
            "minimum": "from",
            "exclusiveMinimum": "above",
            "maximum": "to",
            "exclusiveMaximum": "below",
            "minItems": "at least",
            "maxItems": "at most",
        }.items()
        if key in schema
    ]
    return f"{kind} ({', '.join(bounds)})" if bounds else kind


def _code(text: str) -> str:
    return f"`{text.replace('|', chr(92) + '|')}`"


def _cell(text: str) -> str:
    return _escaped(" ".join(text.split()))


def _escaped(text: str) -> str:
    """Keep what would be Markdown from being read as such."""
    return re.sub(r"([|*_<>\[\]{}])", r"\\\1", text)
