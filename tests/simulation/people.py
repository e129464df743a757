"""People: they write, edit and delete messages and click what they see. What they mean is up to the bot."""

from typing import TYPE_CHECKING, Any

from api import Clear, Park
from api.access import Actor, Role
from sessions.errors import SessionError
from storage import StorageError
from tests.simulation.chat import GENERAL, PEOPLE, Post, Room
from tests.simulation.plan import Action

if TYPE_CHECKING:
    from tests.simulation.world import World


class People:
    """Carries out the actions of a plan."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def do(self, action: Action) -> None:
        """One action, if there is something that it can be done to."""
        self._world.note(action.kind, f"{action.person} {action.text}")
        chat, author = self._world.chat, PEOPLE[action.person]
        if action.kind == "mention":
            post = chat.write(chat.rooms[GENERAL], author, f"<@2> {action.text}", mentions_bot=True)
            self._world.expected.add(post.id)
            return
        threads = chat.threads
        if not threads:
            return
        room = threads[action.number % len(threads)]
        match action.kind:
            case "prompt":
                post = chat.write(room, author, action.text)
                self._world.expected.add(post.id)
            case "edit" | "delete":
                self._change(room, action)
            case "answer":
                self._click(room, ("allow", "deny")[action.number // 16 % 2], author)
            case "clear" | "park":
                self._command(room, action)
            case "archive":
                room.archived = True
            case verb:
                self._click(room, verb, author)

    def answer_everything(self) -> None:
        """Allow whatever is asked anywhere."""
        for room in self._world.chat.threads:
            self._click(room, "allow", PEOPLE[0])

    def _change(self, room: Room, action: Action) -> None:
        mine = [post for post in room.posts.values() if post.author_id == PEOPLE[action.person]]
        if not mine:
            return
        post = mine[-1]
        chat = self._world.chat
        if action.kind == "delete":
            del room.posts[post.id]
            self._world.expected.discard(post.id)
            self._world.deleted.add(post.id)
            payload: Any = _Payload(guild_id=1, channel_id=room.id, message_id=post.id)
            self._world.gateway(lambda bot: bot.client.on_raw_message_delete(payload))
            return
        chat.edit(post, content=action.text, edited_ms=chat.now_ms())

        def tell(bot: Any) -> Any:
            return bot.client.on_raw_message_edit(_Payload(message=bot.client.message(post)))

        self._world.gateway(tell)

    def tell(self, post: Post) -> None:
        """The gateway says that there is a message, whoever wrote it."""
        self._world.gateway(lambda bot: bot.client.on_message(bot.client.message(post)))

    def _click(self, room: Room, verb: str, person: int) -> None:
        """Use the newest control of this kind; with nobody there it fails at once."""
        found = [(post, each) for post in room.from_bot() for each in post.buttons(verb)[:1]]
        if found:
            post, custom_id = found[-1]
            self._world.gateway(
                lambda bot: bot.client.on_interaction(bot.client.click(post, custom_id, person))
            )

    def _command(self, room: Room, action: Action) -> None:
        """Give a slash command: it has no control, and the library hands it over in another way."""
        actor = Actor(f"discord:{PEOPLE[action.person]}", "discord", Role.ADMIN)
        rows = self._world.database.execute("SELECT session_id FROM places WHERE channel_id = ?", (room.id,))
        found = rows.fetchone()
        if found is None:
            return
        command: Any = (Clear if action.kind == "clear" else Park)(session_id=found[0])

        async def perform(bot: Any) -> None:
            try:
                await bot.service.perform(actor, command)
            except (SessionError, StorageError):
                return

        self._world.gateway(perform)


class _Payload:
    """A raw event of the gateway."""

    def __init__(self, **facts: Any) -> None:
        self.__dict__.update(facts)
