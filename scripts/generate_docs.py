"""Writes what is generated: pages of the documentation, and the types of the blocking API.

`python -m scripts.generate_docs --check` only compares them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gater.config.reference import settings_page
from scripts.blocking_stub import STUB, blocking_stub
from scripts.doc_pages.api_page import api_page
from scripts.doc_pages.commands_page import commands_page
from scripts.doc_pages.errors_page import errors_page
from scripts.doc_pages.http_page import http_page
from scripts.doc_pages.limits_page import limits_page
from scripts.doc_pages.messages_page import messages_page
from scripts.doc_pages.operations_table import operations_table

REFERENCE: Final = Path(__file__).parents[1] / "docs" / "reference"

PAGES: Final[dict[str, Callable[[], str]]] = {
    "api.md": api_page,
    "errors.md": errors_page,
    "limits.md": limits_page,
    "settings.md": settings_page,
    "commands.md": commands_page,
    "http.md": http_page,
    "system-messages.md": messages_page,
}
"""The pages that are generated whole."""

SECTIONS: Final[dict[str, dict[str, Callable[[], str]]]] = {
    "operations/rpc-protocol.md": {"operations": operations_table},
}
"""Pages with generated parts, each between `<!-- generated: NAME -->` and `<!-- end -->`."""


def generated() -> dict[Path, str]:
    """Every file that is generated, whole or in part, as it should be."""
    stub = {STUB: blocking_stub()}
    whole = {REFERENCE / name: page().rstrip() + "\n" for name, page in PAGES.items()}
    return stub | whole | {REFERENCE / name: _with_sections(REFERENCE / name) for name in SECTIONS}


def _with_sections(path: Path) -> str:
    text = path.read_text()
    for name, section in SECTIONS[path.relative_to(REFERENCE).as_posix()].items():
        before, begin, rest = text.partition(f"<!-- generated: {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        if not (begin and end):
            raise ValueError(f"{path} has no section {name}")
        text = before + begin + section() + end + after
    return text


def main() -> int:
    """Write the pages; with --check, only say which are not current."""
    stale = {path: text for path, text in generated().items() if not path.exists() or path.read_text() != text}
    if "--check" in sys.argv[1:]:
        sys.stdout.writelines(f"not current: {path}\n" for path in stale)
        return 1 if stale else 0
    for path, text in stale.items():
        path.write_text(text)
        sys.stdout.write(f"wrote {path.relative_to(REFERENCE.parents[1])}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
