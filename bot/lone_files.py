"""Messages of files alone: a pasted text is the prompt, other files wait for the words of their author.

Phones send pictures first, and a forward apart from its comment; a long paste becomes `message.txt`.
"""

import asyncio

import msgspec

from bot.attachments import FileRefused, IncomingFile, fetch_data
from bot.face import Face
from bot.inbox import NotYet
from bot.inbox_rows import InboxRow, describe_inbox_row, later_fate_of, next_of_author
from bot.messages import MessageBody

MOST_INLINE_BYTES = 64_000
IN_FILE = "My message is in the attached file. Read it first."
_PASTE = "message.txt"
_TEXT_TYPES = frozenset({"application/json", "application/xml", "application/yaml", "application/x-yaml"})
_TEXT_NAMES = (".txt", ".md", ".log", ".json", ".yaml", ".yml", ".toml", ".csv", ".diff", ".patch")
_STALE_MS = 60_000


class LoneFiles:
    """Joins files with the words that their author writes just after."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self._since: dict[str, float] = {}

    async def join(self, row: InboxRow, body: MessageBody) -> bool:
        """Give files without words to their author's next message. Return whether they went there.

        So do files whose message was deleted meanwhile: nothing is left to do. Raises `NotYet` while words may
        still come.
        """
        if body.content or body.points_at_message or is_paste(body) or not (body.files or body.forwarded):
            return False
        fate = await later_fate_of(self._face.db, body.message_id)
        if fate is not None and fate.kind == "delete":
            return True
        if fate is not None and fate.body["content"]:  # the words came by an edit
            await self._face.db.write([describe_inbox_row(row.external, "message", fate.body)])
            raise NotYet(0)
        patience_ms = round(self._face.options.words_patience_s * 1000)
        later = await next_of_author(self._face.db, row, patience_ms)
        if later is not None:
            words = msgspec.convert(later.body, MessageBody)
            if words.calls_other or words.reply_to_other:
                return False
            # After a kill the files may have been given already, and this row is still open.
            if body.message_id not in words.joined:
                joined = msgspec.to_builtins(_joined(body, words))
                # One write moves the files into the later row: a kill leaves both rows, or the joined one.
                await self._face.db.write([describe_inbox_row(later.external, "message", joined)])
            self._since.pop(row.external, None)
            return True
        now = asyncio.get_running_loop().time()
        # By the time since the first look: the clocks of Discord and this machine may differ.
        left = self._since.setdefault(row.external, now) + self._face.options.words_patience_s - now
        if left > 0 and self._face.now_ms() - row.received_ms < _STALE_MS:
            raise NotYet(left)
        self._since.pop(row.external, None)
        return False

    async def pasted(self, body: MessageBody) -> str:
        """Return the text of a message that is a single text file; empty for every other message.

        The text of a file that is too long to go inline is a sentence that refers to it.
        """
        if body.content or body.forwarded or len(body.files) != 1 or not is_text(body.files[0]):
            return ""
        if body.files[0].size > MOST_INLINE_BYTES:
            return IN_FILE
        try:
            data = await fetch_data(body.files[0], self._face.options)
        except FileRefused:
            return ""
        return decoded(data)


def _joined(files: MessageBody, words: MessageBody) -> MessageBody:
    """Return the message `words` with the files and forwarded words of an earlier one."""
    mentions_bot = files.mentions_bot or words.mentions_bot
    joined = (*words.joined, files.message_id, *files.joined)
    if words.reply_to == files.message_id:  # a reply takes them along anyway
        return msgspec.structs.replace(words, mentions_bot=mentions_bot, joined=joined)
    return msgspec.structs.replace(
        words,
        files=files.files + words.files,
        forwarded="\n\n".join(each for each in (files.forwarded, words.forwarded) if each),
        mentions_bot=mentions_bot,
        joined=joined,
    )


def is_paste(body: MessageBody) -> bool:
    """Whether the message is a text that was too long for Discord: it is words, and waits for none."""
    return not body.content and not body.forwarded and [each.name for each in body.files] == [_PASTE]


def is_text(file: IncomingFile) -> bool:
    """Whether Discord or the name says that the file is text."""
    kind = file.media_type.partition(";")[0].strip().lower()
    return kind.startswith("text/") or kind in _TEXT_TYPES or file.name.lower().endswith(_TEXT_NAMES)


def decoded(data: bytes) -> str:
    """Return the text in `data`; empty if `data` is not text."""
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return ""
    return "" if "\0" in text else text.strip()
