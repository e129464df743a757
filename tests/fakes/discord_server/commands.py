"""The application commands that the bot has registered: ids stay with a name, as Discord does it."""

from __future__ import annotations

from . import errors
from .command_limits import check_commands
from .model import Command, Json
from .world import World

CREATES_PER_DAY = 200


class Commands:
    """Registered commands, global ones under guild None."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._by_id: dict[int, Command] = {}
        self._created: dict[int | None, list[float]] = {}

    def of(self, guild_id: int | None) -> list[Command]:
        """Return the commands registered for a guild (None: globally), oldest first."""
        return [one for one in self._by_id.values() if one.guild_id == guild_id]

    def get(self, guild_id: int | None, command_id: int) -> Command:
        """Raises 10063 when there is no such command."""
        found = self._by_id.get(command_id)
        if found is None or found.guild_id != guild_id:
            raise errors.unknown_command()
        return found

    def overwrite(self, guild_id: int | None, specs: list[Json]) -> list[Command]:
        """Replace all commands of the guild; known names keep their ids. Raises 50035."""
        check_commands(specs)
        kept = [self._upserted(guild_id, spec) for spec in specs]
        ids = {one.id for one in kept}
        for old in self.of(guild_id):
            if old.id not in ids:
                del self._by_id[old.id]
        return kept

    def upsert(self, guild_id: int | None, spec: Json) -> Command:
        """Create the command, or replace the one of the same type and name. Raises 50035."""
        others = [
            one.spec for one in self.of(guild_id) if (one.type, one.name) != (spec.get("type", 1), spec["name"])
        ]
        check_commands([*others, spec])
        return self._upserted(guild_id, spec)

    def change(self, guild_id: int | None, command_id: int, spec: Json) -> Command:
        command = self.get(guild_id, command_id)
        merged = {**command.spec, **spec}
        check_commands([merged])
        command.spec, command.version = merged, self._world.next_id()
        return command

    def delete(self, guild_id: int | None, command_id: int) -> None:
        del self._by_id[self.get(guild_id, command_id).id]

    def find(self, guild_id: int | None, name: str, kind: int) -> Command | None:
        """The command that a person means by `name`: the guild's own before the global one."""
        for where in dict.fromkeys((guild_id, None)):
            for command in self.of(where):
                if command.name == name and command.type == kind:
                    return command
        return None

    def _count_creation(self, guild_id: int | None) -> None:
        now = self._world.clock.now()
        today = [at for at in self._created.get(guild_id, []) if at > now - 86_400]
        if len(today) >= CREATES_PER_DAY:
            text = f"Max number of daily application command creates has been reached ({CREATES_PER_DAY})"
            raise errors.ApiError(400, 30034, text)
        self._created[guild_id] = [*today, now]

    def _upserted(self, guild_id: int | None, spec: Json) -> Command:
        for known in self.of(guild_id):
            if (known.type, known.name) == (spec.get("type", 1), spec["name"]):
                if known.spec != spec:
                    known.spec, known.version = dict(spec), self._world.next_id()
                return known
        self._count_creation(guild_id)
        made = Command(self._world.next_id(), self._world.next_id(), guild_id, dict(spec))
        self._by_id[made.id] = made
        return made
