"""Take over a conversation with Claude that was begun outside of the bridge, in a terminal for instance."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from api import AdoptConversation, FoundConversation, ListConversations
from bridge.cli_core import finish
from bridge.control_socket import local_actor
from bridge.script_core import script_core, script_parser, working
from bridge.settings import Settings
from machine.own_command import typed_bridge
from sessions.errors import SessionNotFound, WorkDirectoryRefused

OK, BAD_USAGE = 0, 2

DETAILS = """\
Without CONVERSATION it lists the conversations that belong to no session, last written first. With one, it
makes a session that continues it. The conversation's directory must be in WORKSPACE_ROOT, or --project names a
project to continue in. First close the conversation in the terminal: two programs would write the same
transcript. Afterwards: claude-bridge chat --session ID
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with the command line `arguments`; return the exit code."""
    parser = script_parser("adopt", __doc__ or "", DETAILS)
    parser.add_argument("conversation", metavar="CONVERSATION", nargs="?", help="its id, or how it begins")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="list at most N (50)")
    parser.add_argument("--project", default="", metavar="NAME", help="go on in this project instead")
    options = parser.parse_args(arguments)
    return finish(partial(_run, options=options))


async def _run(settings: Settings, *, options: Namespace) -> int:
    demo, wanted = options.demo, options.conversation
    async with script_core(settings, demo=demo) as core:
        with working("Looking"):
            found = (await core.perform(local_actor(), ListConversations(limit=options.limit))).conversations
        if wanted is None:
            print("\n".join(map(_line, found)) or "There is no conversation that no session has.")
            return OK
        matching = [each.conversation_id for each in found if each.conversation_id.startswith(wanted)]
        conversation = matching[0] if len(matching) == 1 else wanted
        adopt = AdoptConversation(
            channel_id="terminal:chat", conversation_id=conversation, project=options.project
        )
        try:
            session = await core.perform(local_actor(), adopt)
        except SessionNotFound:
            why = (
                "More than one conversation begins with" if matching else "No conversation without a session is"
            )
            print(f"{why} “{wanted}”. Without an argument, they are listed.", file=sys.stderr)
            return BAD_USAGE
        except WorkDirectoryRefused as error:
            print(f"{error} With --project NAME it goes on in another project.", file=sys.stderr)
            return BAD_USAGE
    back = f"{typed_bridge()} chat{' --demo' * demo} --session {session.id}"
    print(f"Adopted as session {session.id}. Go on with: {back}")
    return OK


def _line(each: FoundConversation) -> str:
    written = datetime.fromtimestamp(each.updated_ms / 1000, UTC)
    words = (each.title or each.first_prompt or "no title").replace("\n", " ")[:60]
    where = f"{each.directory_name} (gone)" if each.directory_is_gone else each.directory_name
    return f"{each.conversation_id}  {written:%Y-%m-%d %H:%M}  {where}  {words}"


if __name__ == "__main__":
    sys.exit(main())
