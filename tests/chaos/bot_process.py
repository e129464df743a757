"""The bridge's process as the harness runs it: the real one, but that it keeps a second name of every log.

    python -m tests.chaos.bot_process KEEP

with the settings in the environment. `KEEP/<session>/<host>/` gets a hard link of each log before the host is
started, so that what the bridge removes once it is applied can still be judged.
"""

import os
import sys
import tempfile
from functools import partial
from pathlib import Path

from backends.base import LaunchSpec
from backends.directory import HostDirectory
from bridge import cli_run, core_parts
from bridge.cli_core import finish
from bridge.cli_run import Face, run_with
from bridge.settings import Settings
from sessions.machine_reserve import MachineReserve
from sessions.supervision import Vigilance

IMPORTED_LATE = ("bridge.wiring", "bridge.discord_face", "bot.cogs", "tests.chaos.haste")
"""For the nursery: what the program imports only once it runs."""
URL_VARIABLE = "FAKE_DISCORD_URL"
"""Where the fake Discord is, if the bot is to have one; the same name as in `tests/fakes/discord_server`."""


def keep_logs(keep: Path) -> None:
    """Link the logs of every host that this process makes below `keep`."""
    make = HostDirectory.make

    def make_and_link(self: HostDirectory, spec: LaunchSpec, backend: str) -> None:
        make(self, spec, backend)
        # This process may be killed here too: the links appear together or not at all.
        place = keep / self.session_id / str(self.number)
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=keep.parent, prefix="links-"))
        for log in (self.input_log, self.output_log):
            os.link(log, draft / log.name)
        draft.rename(place)

    HostDirectory.make = make_and_link  # type: ignore[method-assign]  # the one seam that sees every launch


def hasten(look_s: float, ask_again_s: float) -> None:
    """Have sessions look for room on the disk this often, and ask a silent Claude for its state so soon."""
    reserve = partial(MachineReserve, look_again_s=look_s)
    vigilance = partial(Vigilance, round_s=ask_again_s / 4, ask_again_s=ask_again_s)
    for kind, hasty in ((MachineReserve, reserve), (Vigilance, vigilance)):
        # A name that has moved to another module would leave the test with the times of the product.
        assert vars(core_parts)[kind.__name__] is kind
        vars(core_parts)[kind.__name__] = hasty


def run(keep: str) -> int:
    """Be the bridge until a signal comes; return its exit code."""
    keep_logs(Path(keep))
    if "CHAOS_LOOK_S" in os.environ:
        hasten(float(os.environ["CHAOS_LOOK_S"]), float(os.environ["CHAOS_ASK_AGAIN_S"]))
    faces: list[Face] = []
    if URL_VARIABLE in os.environ:
        from tests.chaos.haste import make_haste
        from tests.fakes.discord_redirect import point_discord_py_at

        point_discord_py_at(os.environ[URL_VARIABLE])
        haste = float(os.environ.get("CHAOS_HASTE", "1"))
        make_haste(haste, quiet_s=float(os.environ.get("CHAOS_QUIET_S", "60")))
        faces.append(cli_run._discord)

    async def work(settings: Settings) -> int:
        return await run_with(settings, faces)

    return finish(work)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1]))
