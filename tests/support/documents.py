"""What the README and the pages of docs/ hold: their code blocks, their inline code and their links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from servers import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@dataclass(frozen=True)
class Block:
    """A fenced block of code; `line` is that of its first line of code, counted from 1."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks() -> list[Block]:
    return [
        Block(name_of(page), token.map[0] + 2, token.info.strip(), token.content)
        for page in PAGES
        for token in _tokens(page)
        if token.type == "fence" and token.map
    ]


def as_shell(block: Block) -> Block:
    """Return the commands of a session at a terminal, and other blocks as they are."""
    if block.language != "console":
        return block
    lines = [line.removeprefix("$ ") for line in block.text.splitlines() if line.startswith("$ ")]
    return Block(block.page, block.line, "sh", "\n".join(lines) + "\n")


def inline_code() -> Iterator[tuple[str, str]]:
    """Yield the page and the text of each piece of inline code."""
    for page in PAGES:
        for token in _tokens(page):
            for child in token.children or ():
                if child.type == "code_inline":
                    yield name_of(page), child.content


def links(page: Path) -> list[str]:
    """Return the targets of all links and pictures."""
    return [
        str(child.attrs.get("href") or child.attrs.get("src"))
        for token in _tokens(page)
        for child in token.children or ()
        if child.type in ("link_open", "image")
    ]


def anchors(page: Path) -> set[str]:
    """Return the anchors that a forge makes of a page's headings."""
    headings = re.findall(r"^#{1,4} (.+)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(text: str) -> list[str]:
    """Return the commands of a block of the shell, each with the lines that it goes on in."""
    found, so_far = [], ""
    for line in text.splitlines():
        so_far += line + "\n"
        if not line.endswith("\\") and _is_whole(so_far):
            if words(so_far):
                found.append(so_far.strip())
            so_far = ""
    assert not so_far, text
    return found


def words(command: str) -> list[str]:
    return shlex.split(command, comments=True)


def program_of(command: str) -> str:
    """Return what a command runs, without sudo and variables before it; "=" where it sets one."""
    if re.match(r"\w+=\$\(", command):
        return "="
    rest = [word for word in words(command) if not re.match(r"\w+=", word) and word != "sudo"]
    return rest[0].removeprefix("./")


def _is_whole(text: str) -> bool:
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return False
    return True


def _tokens(page: Path) -> list[Token]:
    return MarkdownIt().enable("table").parse(page.read_text())
