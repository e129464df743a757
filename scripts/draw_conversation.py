"""Draw channels as people see them, from snapshots of the tests; without names, draw README.md's picture.

The names are those of the files in `tests/bot/snapshots/`.
"""

import argparse
import re
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

PROJECT = Path(__file__).parents[1]
SNAPSHOTS = PROJECT / "tests" / "bot" / "snapshots"
PICTURE = PROJECT / "docs" / "conversation.svg"
DRAWN = ("a_prompt_and_its_answer", "somebody_else_goes_on")

WIDTH, LINE, PAD, COLUMNS = 500, 21, 16, 58
SANS = "'gg sans','Noto Sans','DejaVu Sans',Helvetica,Arial,sans-serif"
MONO = "'DejaVu Sans Mono',Menlo,Consolas,monospace"
BACK, CARD, EDGE, CODE, BUTTON = "#313338", "#2b2d31", "#5865f2", "#1e1f22", "#4e5058"
TEXT, DIM, BRIGHT = "#dbdee1", "#949ba4", "#f2f3f5"
# Characters that snapshots contain and Discord does not show: zero-width characters, escapes.
UNSEEN = re.compile("[\u200b\u2060]|\\\\(?=[_*`~|>#-])")


@dataclass(slots=True)
class Canvas:
    """One column: shapes, and how far down it is filled."""

    left: int
    y: int = PAD
    shapes: list[str] = field(default_factory=list)

    def text(self, words: str, *, x: int = 0, size: int = 14, fill: str = TEXT, extra: str = "") -> None:
        place = f'x="{self.left + PAD + x}" y="{self.y + 15}"'
        self.shapes.append(f'<text {place} font-size="{size}" fill="{fill}" {extra}>{_spans(words)}</text>')

    def box(self, x: int, width: int, height: int, fill: str, radius: int = 4) -> None:
        place = f'x="{self.left + PAD + x}" y="{self.y}" width="{width}" height="{height}" rx="{radius}"'
        self.shapes.append(f'<rect {place} fill="{fill}"/>')


def picture(snapshots: Sequence[str]) -> str:
    """Return these channels side by side as SVG."""
    columns = [Canvas(number * WIDTH) for number in range(len(snapshots))]
    for canvas, snapshot in zip(columns, snapshots, strict=True):
        _draw(snapshot.splitlines(), canvas)
    width, height = WIDTH * len(columns), max(canvas.y for canvas in columns) + PAD
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    back = f'<rect width="{width}" height="{height}" rx="8" fill="{BACK}"/>'
    shapes = "\n".join(shape for canvas in columns for shape in canvas.shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{SANS}" role="img" '
        f'aria-label="Two threads in Discord, in which people talk with Claude">\n{back}\n{shapes}\n</svg>\n'
    )


def _draw(lines: Sequence[str], canvas: Canvas) -> None:
    canvas.text(lines[0].replace(" (thread)", ""), size=15, fill=BRIGHT, extra='font-weight="bold"')
    canvas.y += LINE + 8
    body: list[str] = []
    for line in [*lines[1:], "end:"]:
        if line.startswith("  notifies: "):
            continue  # a notification is not visible in the channel
        if line.startswith("  ") or not line:
            body.append(line[2:])
        else:
            _draw_body(body, canvas)
            body = []
            if line != "end:":
                canvas.text(line.partition(" [")[0].removesuffix(":"), fill=BRIGHT, extra='font-weight="bold"')
                canvas.y += LINE + 2


def _draw_body(body: Sequence[str], canvas: Canvas) -> None:
    """Draw one post: text, and cards between two lines `+--`."""
    inside, text = False, list[str]()
    for line in [*body, ""]:
        if line != "+--":
            text.append(line.removeprefix("| ") if inside else line)
            continue
        _draw_card(text, canvas) if inside else _draw_text(text, canvas, 0)
        inside, text = not inside, []
    _draw_text(text[:-1], canvas, 0)
    canvas.y += 10


def _draw_card(lines: Sequence[str], canvas: Canvas) -> None:
    top, below = canvas.y, len(canvas.shapes)
    canvas.y += 6
    _draw_text(lines, canvas, 16)
    canvas.y, bottom = top, canvas.y + 4
    canvas.box(0, WIDTH - 2 * PAD, bottom - top, CARD)
    canvas.box(0, 4, bottom - top, EDGE)
    # Move both backgrounds below the text: SVG draws later shapes on top.
    canvas.shapes[below:] = canvas.shapes[-2:] + canvas.shapes[below:-2]
    canvas.y = bottom + 8


def _draw_text(lines: Sequence[str], canvas: Canvas, indent: int) -> None:
    fenced = False
    for line in lines:
        shown = UNSEEN.sub("", line)
        if shown.startswith("```"):
            fenced = not fenced
        elif fenced:
            canvas.box(indent, WIDTH - 2 * PAD - 2 * indent, LINE, CODE, 0)
            canvas.text(shown, x=indent + 8, size=13, extra=f'font-family="{MONO}" xml:space="preserve"')
            canvas.y += LINE
        elif beside := re.fullmatch(r"(.*) {4}\[([^\[\]]+)\]", shown):
            top = canvas.y
            _draw_buttons([beside[2]], canvas, WIDTH - 2 * PAD - indent - 7 * len(beside[2]) - 22)
            below, canvas.y = canvas.y, top + 8
            _draw_line(beside[1], canvas, indent)
            canvas.y = max(below, canvas.y)
        elif re.fullmatch(r"(\[[^\]]+\] *)+", shown):
            _draw_buttons(re.findall(r"\[([^\[\]]+)\]", shown), canvas, indent)
        else:
            _draw_line(shown, canvas, indent)


def _draw_line(line: str, canvas: Canvas, indent: int) -> None:
    small, header = line.startswith("-# "), line.startswith("### ")
    words = line.removeprefix("-# ").removeprefix("### ")
    size = 12 if small else 16 if header else 14
    extra = 'font-weight="bold"' if header else ""
    for part in textwrap.wrap(words, COLUMNS + 8 * small) or [""]:
        canvas.text(part, x=indent, size=size, fill=DIM if small else TEXT, extra=extra)
        canvas.y += LINE if part else LINE // 2


def _draw_buttons(labels: Sequence[str], canvas: Canvas, indent: int) -> None:
    x = indent
    canvas.y += 4
    for label in labels:
        width = 7 * len(label) + 22
        if x + width > WIDTH - 2 * PAD:
            x, canvas.y = indent, canvas.y + 34
        canvas.box(x, width, 28, BUTTON)
        canvas.y += 4
        canvas.text(label, x=x + 11, size=13, fill=BRIGHT)
        canvas.y -= 4
        x += width + 8
    canvas.y += 36


def _spans(words: str) -> str:
    """Return the text with bold and inline code as SVG spans."""
    return "".join(_span(part) for part in re.split(r"(\*\*.+?\*\*|`[^`]+`)", words))


def _span(part: str) -> str:
    if part.startswith("**"):
        return f'<tspan font-weight="bold" fill="{BRIGHT}">{escape(part[2:-2])}</tspan>'
    if part.startswith("`"):
        return f'<tspan font-family="{MONO}" font-size="12">{escape(part[1:-1])}</tspan>'
    return escape(part)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with the command line `arguments`; return the exit code."""
    parser = argparse.ArgumentParser(prog="draw_conversation", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="snapshots to draw side by side, with --out")
    parser.add_argument("--out", type=Path, help="the SVG file to write; a browser shows it")
    parser.add_argument(
        "--check", action="store_true", help="only say whether README.md's picture is up to date"
    )
    options = parser.parse_args(arguments)
    known = sorted(path.stem for path in SNAPSHOTS.glob("*.txt"))
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"no snapshot {', '.join(unknown)}; there are: {', '.join(known)}")
    if bool(options.names) != (options.out is not None):
        parser.error("names and --out go together")
    drawn = picture(
        [(SNAPSHOTS / f"{name}.txt").read_text(encoding="utf-8") for name in options.names or DRAWN]
    )
    if options.check:
        return 0 if PICTURE.read_text(encoding="utf-8") == drawn else 1
    (options.out or PICTURE).write_text(drawn, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
