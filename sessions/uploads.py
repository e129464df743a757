"""Files that came with prompts. They lie with the session's run-time state, never in the project.

`DATA_DIR/run/<session>/uploads/<folder>/<name>`, readable for this user only. Each process of the session may
read the directory, and it goes with the session. An `Attachment` of an earlier version lies in the project.
"""

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from sessions.model import Attachment, SessionId

DIRECTORY = "uploads"
IN_PROJECT = ".attachments"
"""Where earlier versions put uploads, and where a process from then still looks for them."""
MOST_EXPORTED_BYTES = 96 * 2**20
"""An export keeps below the size that an import takes, in Base64 too."""


def uploads_of(run_directory: Path, session_id: SessionId) -> Path:
    """Return the directory of a session's uploads, whether or not it exists."""
    return run_directory / session_id / DIRECTORY


def make_uploads(uploads: Path) -> None:
    """Make the directory, for this user alone. Raises `OSError`."""
    uploads.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    uploads.mkdir(mode=0o700, exist_ok=True)


def remove_if_empty(uploads: Path) -> None:
    """Remove the directory, and the session's with it, if nothing is there."""
    with suppress(OSError):
        # No look beforehand: `rmdir` refuses a directory that has anything in it.
        uploads.rmdir()
        uploads.parent.rmdir()


def path_of(file: Attachment, uploads: Path, work_directory: Path) -> Path | None:
    """Return where the file lies; None if no upload can have its path: programs name attachments, too."""
    first, _, rest = file.path.partition("/")
    if first not in (DIRECTORY, IN_PROJECT) or not is_upload_name(rest):
        return None
    return uploads / rest if first == DIRECTORY else work_directory / file.path


def copy_uploads(source: Path, target: Path) -> None:
    """Give a new session the uploads of another one. A file that both have takes no room. Raises `OSError`."""
    if source.is_dir():
        make_uploads(target)
        shutil.copytree(source, target, copy_function=_linked, dirs_exist_ok=True)


def _linked(source: str, target: str) -> str:
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        pass  # a branch that is begun once more
    except OSError:  # a file system without links
        shutil.copy2(source, target, follow_symlinks=False)
    return target


def read_uploads(uploads: Path) -> dict[str, bytes]:
    """Return the files below `uploads` by their names there, in order, at most `MOST_EXPORTED_BYTES` in all.

    Raises `OSError`.
    """
    found: dict[str, bytes] = {}
    left = MOST_EXPORTED_BYTES
    for folder in sorted(uploads.iterdir()) if uploads.is_dir() else ():
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            name = f"{folder.name}/{path.name}"
            if is_upload_name(name) and path.is_file() and not path.is_symlink():
                data = path.read_bytes()
                if len(data) <= left:
                    found[name] = data
                    left -= len(data)
    return found


def write_uploads(uploads: Path, files: Mapping[str, bytes]) -> None:
    """Write files by their names below `uploads`. Raises `OSError`."""
    for name, data in files.items():
        make_uploads(uploads)
        path = uploads / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)


def is_upload_name(name: str) -> bool:
    """Whether `name` is that of an upload below its directory: a folder and a file, plain and not hidden."""
    parts = name.split("/")
    plain = all(part and not part.startswith(".") and "\0" not in part and len(part) <= 255 for part in parts)
    return plain and len(parts) == 2


def note_of_uploads(uploads: Path) -> str:
    """Return the note that tells Claude where the files of its prompts lie; empty without files.

    It goes with each prompt: a branch or an imported session has the files at another place than its history
    says.
    """
    if not uploads.is_dir() or not any(uploads.iterdir()):
        return ""
    return f"Attached files of this conversation, named {DIRECTORY}/… in prompts, are in {uploads} now."
