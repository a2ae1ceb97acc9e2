"""What tests need to know of a Markdown page: its code blocks, its links, its headings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

RUNNABLE: Final = ("python", "sh")

_PART: Final = re.compile(
    r"^<!--(?P<comment>.*?)-->$|^```(?P<language>\w*)\n(?P<text>.*?)^```$|^(?P<prose>\S)", re.DOTALL | re.MULTILINE
)


@dataclass(slots=True)
class Block:
    """A fenced block, the comment right before it, and the `text` block right after it."""

    language: str
    text: str
    line: int
    mark: str = ""
    """What the comment says: `not run: …`, `until printed`, `fails: N`, `file: NAME`; or code, for a block `setup`."""
    output: str | None = None
    """What it is said to print; `…` stands for anything."""

    @property
    def runs(self) -> bool:
        """Whether it is to be run."""
        return self.language in (*RUNNABLE, "setup") and not self.mark.startswith("not run")


def blocks_of(page: str) -> list[Block]:
    """The blocks of a page in order; a `<!-- setup … -->` comment is a block of that language."""
    blocks: list[Block] = []
    mark = ""
    directly_behind: Block | None = None
    for part in _PART.finditer(page):
        comment, language = part["comment"], part["language"]
        if comment is not None:
            kind, _, code = comment.strip().partition("\n")
            if kind == "setup":
                blocks.append(Block("setup", code + "\n", _line(page, part.start())))
            else:
                mark = comment.strip()
            continue
        if language is not None:
            if language == "text" and directly_behind is not None:
                directly_behind.output = part["text"]
                directly_behind = None
            else:
                directly_behind = Block(language, part["text"], _line(page, part.start()), mark)
                blocks.append(directly_behind)
        else:
            directly_behind = None
        mark = ""
    return blocks


def links_of(page: str) -> list[str]:
    """The targets of the relative links of a page, those of images included."""
    prose = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page, flags=re.DOTALL | re.MULTILINE)
    found = re.findall(r"\]\(([^)\s]+)\)", prose)
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def anchors_of(page: str) -> set[str]:
    """What a link may name behind `#`: the headings as GitHub spells them."""
    prose = re.sub(r"^```.*?^```$", "", page, flags=re.DOTALL | re.MULTILINE)
    anchors: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", prose, re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        repeated = sum(1 for anchor in anchors if re.fullmatch(rf"{re.escape(plain)}(-\d+)?", anchor))
        anchors.add(f"{plain}-{repeated}" if repeated else plain)
    return anchors


def shows(expected: str, printed: str) -> bool:
    """Whether a text is what a page shows of it: line by line, with `…` for anything, also for several lines."""
    pattern = re.escape(expected.strip()).replace("…", ".*")
    lines = [re.sub(r"\s+$", "", line) for line in printed.strip().splitlines()]
    return re.fullmatch(pattern, "\n".join(lines), re.DOTALL) is not None


def _line(page: str, start: int) -> int:
    return page.count("\n", 0, start) + 1
