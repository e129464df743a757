"""Draw a snapshot of a channel as a page of HTML that looks like Discord on a phone.

Answers for the look of messages, cards, buttons and Discord's Markdown at 390 pixels. Needs no browser;
`shots.py` makes pictures of the page. Colours of buttons are left out, since snapshots do not have them.
Format of snapshots: `tests/fakes/discord_server/snapshot.py`.
"""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

WIDTH = 390

_HEAD = re.compile(r"(?P<name>[^\s\[].*?)(?: \[(?P<marks>[^\]]+)\])?:\Z")
_BUTTON = re.compile(r"\[(?P<label>(?:[^\[\]]|\[[^\]]*\])+?)\](?P<off> \(off\))?(?=  |\Z)")
_SELECT = re.compile(r"<(?P<shown>[^:<>]+): .*>\Z")
_ROW = re.compile(rf"(?:{_BUTTON.pattern.replace('?P<label>', '?:').replace('?P<off>', '?:')}(?:  )?)+\Z")
_PICTURE = re.compile(r"file: (.+\.(?:png|jpg|gif|webp)) ")
_BESIDE = re.compile(r"(?P<text>.*?) {4}(?P<button>\[[^\]]+\])\Z")


@dataclass
class Shown:
    """One message: its author, its marks (bot, silent, only you …) and its lines."""

    author: str
    marks: Sequence[str] = ()
    lines: list[str] = field(default_factory=list)


def read_snapshot(text: str) -> tuple[str, list[Shown]]:
    """Return the channel's name and its messages. A system line is a message without an author."""
    lines = text.rstrip("\n").split("\n")
    name, messages = "channel", list[Shown]()
    for line in lines:
        if line.startswith("# ") and not messages:
            name = re.sub(r" \((?:thread|archived|locked|, )+\)\Z", "", line[2:])
        elif line.startswith("* "):
            messages.append(Shown("", (), [line[2:]]))
        elif (found := _HEAD.match(line)) is not None and not line.startswith("  "):
            messages.append(Shown(found["name"], tuple((found["marks"] or "").split(", "))))
        elif messages and (line.startswith("  ") or not line):
            messages[-1].lines.append(line[2:])
        elif line == "(only to them)":  # a reply that only one person sees, recorded without its author
            messages.append(Shown("Bridge", ("bot", "only you")))
        elif messages:
            messages[-1].lines.append(line)
    return name, messages


def page(text: str) -> str:
    """Return the HTML page that shows the snapshot `text`."""
    name, messages = read_snapshot(text)
    body = "\n".join(_message(each, before) for before, each in zip([None, *messages], messages, strict=False))
    title = html.escape(name)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f'<body><header><span class="back">‹</span> {title}</header>\n<main>{body}</main></body></html>\n'
    )


def _message(message: Shown, before: Shown | None) -> str:
    if not message.author:
        return f'<p class="system">{_inline(message.lines[0])}</p>'
    parts = "\n".join(_parts(message.lines))
    only_you = '<p class="note">Only you can see this</p>' if "only you" in message.marks else ""
    if before is not None and before.author == message.author and not only_you:
        return f'<article class="goes-on">{parts}</article>'
    badge = '<b class="app">APP</b>' if "bot" in message.marks else ""
    face = html.escape(message.author[:1].upper())
    hue = sum(map(ord, message.author)) * 47 % 360
    return (
        f'<article><i class="face" style="background:hsl({hue} 45% 45%)">{face}</i>'
        f'<p class="who">{html.escape(message.author)} {badge}</p>{parts}{only_you}</article>'
    )


def _parts(lines: Sequence[str]) -> Iterator[str]:
    """Yield the parts of a message: Markdown, cards, rows of controls, files."""
    text: list[str] = []
    card: list[str] | None = None
    fenced = False
    for line in lines:
        if line == "+--":
            if card is None:
                yield from _markdown(text)
                text, card = [], []
            else:
                yield f'<div class="card">{"".join(_parts(card))}</div>'
                card = None
            continue
        if card is not None:
            card.append(line[2:])
            continue
        fenced ^= line.startswith("```")
        special = "" if fenced else _special(line)
        if special:
            yield from _markdown(text)
            text = []
            yield special
        elif not line.startswith("notifies: "):
            text.append(line)
    yield from _markdown(text)


def _special(line: str) -> str:
    """Return a row of controls, a file or a text with a button beside it; empty for other lines."""
    if (beside := _BESIDE.match(line)) is not None:
        return f'<div class="beside"><div>{_block(beside["text"])}</div>{_buttons(beside["button"])}</div>'
    if _ROW.match(line):
        return f'<div class="row">{_buttons(line)}</div>'
    if (select := _SELECT.match(line)) is not None and not line.startswith("<time"):
        return f'<div class="select">{html.escape(select["shown"])}<span>⌄</span></div>'
    if (picture := _PICTURE.match(line)) is not None:
        return f'<div class="picture">🖼 {html.escape(picture[1])}</div>'
    if line.startswith(("file: ", "file shown: ")):
        return f'<div class="file">📄 {html.escape(line.partition(": ")[2])}</div>'
    if line.startswith("reaction: "):
        return f'<div class="reaction">{html.escape(line.split()[1])} 1</div>'
    if line.startswith("reply to"):
        return f'<p class="reply">↱ {_inline(line.removeprefix("reply to "))}</p>'
    if line.startswith("thread: "):
        return f'<div class="file">🧵 {html.escape(line.removeprefix("thread: "))}</div>'
    return ""


def _buttons(line: str) -> str:
    return "".join(
        f"<button{' disabled' if each['off'] else ''}>{html.escape(each['label'])}</button>"
        for each in _BUTTON.finditer(line)
    )


# --- Discord's Markdown -----------------------------------------------------------------------------------


def _markdown(lines: Sequence[str]) -> Iterator[str]:
    """Yield the blocks of `lines`: code, quotes, headings, lists, small lines, paragraphs."""
    code: list[str] | None = None
    for line in lines:
        if line.startswith("```"):
            if code is None:
                code = []
            else:
                yield f"<pre>{html.escape(chr(10).join(code))}</pre>"
                code = None
        elif code is not None:
            code.append(line)
        elif line:
            yield _block(line)
        else:
            yield '<p class="blank"></p>'


def _block(line: str) -> str:
    if line.startswith("-# "):
        return f'<p class="small">{_inline(line[3:])}</p>'
    if (heading := re.match(r"(#{1,3}) (.*)", line)) is not None:
        return f"<h{len(heading[1])}>{_inline(heading[2])}</h{len(heading[1])}>"
    if line.startswith("> "):
        return f"<blockquote>{_inline(line[2:])}</blockquote>"
    if (item := re.match(r"( *)(?:[-*]|(\d+)\.) (.*)", line)) is not None:
        sign = f"{item[2]}." if item[2] else "•"
        indent = 18 + 9 * len(item[1])
        return f'<p class="item" style="padding-left:{indent}px"><span>{sign}</span>{_inline(item[3])}</p>'
    return f"<p>{_inline(line)}</p>"


_TOKENS = re.compile(
    r"(?P<escaped>\\(?P<sign>[\\*_~|`#>\[\]().:<@-]))|(?P<code>`[^`]+`)|\*\*(?P<bold>.+?)\*\*"
    r"|(?<!\w)[*_](?P<italic>[^*_\s][^*_]*?)[*_](?!\w)|~~(?P<gone>.+?)~~|\[(?P<label>[^\]]+)\]\((?P<target>[^)]+)\)"
    r"|(?P<mention>(?<!\w)[@#][\w-]+)|<time (?P<time>\w)>|(?P<command></[a-z -]+>)"
)


def _inline(text: str) -> str:
    parts, at = list[str](), 0
    for found in _TOKENS.finditer(text):
        parts.append(html.escape(text[at : found.start()]))
        parts.append(_token(found))
        at = found.end()
    return "".join((*parts, html.escape(text[at:])))


def _token(found: re.Match[str]) -> str:
    match found.lastgroup:
        case "sign" | "escaped":
            return html.escape(found["sign"])
        case "code":
            return f"<code>{html.escape(found['code'][1:-1])}</code>"
        case "bold":
            return f"<b>{_inline(found['bold'])}</b>"
        case "italic":
            return f"<em>{_inline(found['italic'])}</em>"
        case "gone":
            return f"<s>{_inline(found['gone'])}</s>"
        case "target" | "label":
            return f"<a>{_inline(found['label'])}</a>"
        case "mention":
            return f'<span class="mention">{html.escape(found["mention"])}</span>'
        case "time":
            is_past = " by " in found.string[: found.start()]
            near = "2 minutes ago" if is_past else "in 2 hours"
            return {"R": near, "t": "16:20"}.get(found["time"], "29 November 16:20")
        case _:
            return f'<span class="mention">{html.escape(found[0].strip("<>"))}</span>'


_STYLE = """
*{box-sizing:border-box;margin:0}
body{width:390px;background:#313338;color:#dbdee1;font:15px/1.35 'Noto Sans','Noto Color Emoji',sans-serif}
header{padding:10px 14px;border-bottom:1px solid #232428;font-weight:600;color:#f2f3f5;white-space:nowrap;
overflow:hidden;text-overflow:ellipsis}.back{color:#949ba4;padding-right:6px}
main{padding:10px 12px 14px}article{position:relative;padding:2px 0 0 50px;margin-top:12px;min-height:40px}
article.goes-on{margin-top:4px;min-height:0}
.face{position:absolute;left:0;top:4px;width:38px;height:38px;border-radius:50%;color:#fff;text-align:center;
font:600 17px/38px 'Noto Sans',sans-serif}
.who{font-weight:600;color:#f2f3f5}.app{background:#5865f2;color:#fff;border-radius:3px;font-size:10px;
padding:1px 4px;vertical-align:2px}
p,h1,h2,h3,blockquote{overflow-wrap:anywhere}h1{font-size:21px}h2{font-size:18px}h3{font-size:16px}
.blank{height:8px}.small{font-size:12.5px;color:#949ba4}.note{font-size:12px;color:#949ba4}
.system{font-size:13px;color:#949ba4;padding:8px 0 0 50px}.reply{font-size:13px;color:#b5bac1}
pre{background:#2b2d31;border:1px solid #1e1f22;border-radius:4px;padding:7px;margin:3px 0;overflow:hidden;
font:13px/1.35 'Noto Sans Mono',monospace}
code{background:#1e1f22;border-radius:3px;padding:0 3px;font:13px 'Noto Sans Mono',monospace}
blockquote{border-left:4px solid #4e5058;padding-left:10px}
.item{position:relative}.item span{position:absolute;margin-left:-15px}
.mention{background:#3c4270;color:#c9cdfb;border-radius:3px;padding:0 2px}a{color:#00a8fc}
.card{background:#2b2d31;border:1px solid #3f4147;border-radius:8px;padding:10px 12px;margin:3px 0}
.row{display:flex;flex-wrap:wrap;gap:8px;margin-top:7px}
button{background:#4e5058;color:#fff;border:0;border-radius:4px;padding:8px 13px;
font:500 14px 'Noto Sans','Noto Color Emoji',sans-serif;max-width:100%;overflow-wrap:anywhere}
button[disabled]{opacity:.5}.beside{display:flex;justify-content:space-between;align-items:center;gap:8px}
.select{background:#1e1f22;border-radius:4px;padding:9px 12px;margin-top:7px;color:#949ba4;display:flex;
justify-content:space-between}
.picture{height:80px;background:#4e5058;border-radius:8px;margin-top:5px;padding:8px 12px}
.file{background:#2b2d31;border:1px solid #3f4147;border-radius:8px;padding:9px 12px;margin-top:5px;
overflow-wrap:anywhere}
.reaction{display:inline-block;background:#2b2d31;border-radius:8px;padding:2px 8px;
margin-top:4px;font-size:14px}
"""
