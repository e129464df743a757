"""Files in and out of a work directory: only by whom may prompt, whole or not at all, never beyond the cap."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

import api as c
from api.access import Actor, Role
from service import ServiceParts, SessionService
from sessions.errors import FileRefused, FileTooLarge, NotAllowed, SessionHidden
from sessions.model import Attachment, SessionId, ShareLevel
from sessions.uploads import uploads_of
from tests.sessions.kit import House

OWNER = Actor("discord:1", "discord", Role.USER)
READER = Actor("discord:2", "discord", Role.USER)
ADMIN = Actor("discord:5", "discord", Role.ADMIN)


@pytest.fixture
async def service(here: House) -> SessionService:
    return SessionService(ServiceParts(here.manager))


async def shared(service: SessionService) -> SessionId:
    info = await service.perform(OWNER, c.CreateSession(channel_id="c"))
    await service.perform(OWNER, c.Share(session_id=info.id, grantee=READER.user_id, level=ShareLevel.VIEW))
    return info.id


async def data(*pieces: bytes, then: Exception | None = None) -> AsyncGenerator[bytes, None]:
    for piece in pieces:
        yield piece
    if then is not None:
        raise then


async def root_of(here: House, session_id: str) -> Path:
    return Path((await here.manager.get_session(session_id)).snapshot.work_directory)


async def uploads_in(here: House, session_id: str) -> Path:
    session = await here.manager.get_session(session_id)
    return uploads_of(session.around.run_directory, session.id)


def kept(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file())


async def read(service: SessionService, actor: Actor, wish: c.GetFile) -> bytes:
    async with aclosing(service.get_file(actor, wish)) as pieces:
        return b"".join([piece async for piece in pieces])


async def test_a_file_comes_in_and_goes_out_again(here: House, service: SessionService) -> None:
    session_id = await shared(service)
    wish = c.PutFile(session_id=session_id, folder="7", name="a.txt", media_type="text/plain")
    stored = await service.put_file(OWNER, wish, data(b"12", b"345"))
    assert stored == Attachment("uploads/7/a.txt", "a.txt", "text/plain", 5)
    assert await read(service, OWNER, c.GetFile(session_id=session_id, path=stored.path)) == b"12345"
    await service.put_file(OWNER, wish, data(b"new"))
    assert await read(service, OWNER, c.GetFile(session_id=session_id, path=stored.path)) == b"new"
    await service.put_file(OWNER, c.PutFile(session_id=session_id, folder="7", name="empty"), data())
    assert kept(await uploads_in(here, session_id)) == ["a.txt", "empty"]


async def test_an_upload_is_read_by_its_absolute_path_in_its_own_session_only(
    here: House, service: SessionService
) -> None:
    mine, other = await shared(service), await shared(service)
    wish = c.PutFile(session_id=mine, folder="7", name="a.png")
    await service.put_file(OWNER, wish, data(b"picture"))
    path = str(await uploads_in(here, mine) / "7/a.png")
    assert await read(service, OWNER, c.GetFile(session_id=mine, path=path)) == b"picture"
    above = str(await uploads_in(here, mine) / "../../sessions.db")
    for session_id, refused in ((other, path), (mine, above), (mine, str(await uploads_in(here, mine)))):
        with pytest.raises(FileRefused):
            await read(service, OWNER, c.GetFile(session_id=session_id, path=refused))


@pytest.mark.parametrize(
    ("pieces", "then", "raised"),
    [
        ((b"123456", b"78901"), None, FileTooLarge),
        ((b"1234",), ConnectionError("it broke"), ConnectionError),
    ],
)
async def test_what_does_not_come_whole_leaves_the_old_file_and_nothing_else(
    here: House,
    service: SessionService,
    pieces: tuple[bytes, ...],
    then: Exception | None,
    raised: type[Exception],
) -> None:
    session_id = await shared(service)
    wish = c.PutFile(session_id=session_id, folder="7", name="a", max_bytes=10)
    await service.put_file(OWNER, wish, data(b"old"))
    with pytest.raises(raised):
        await service.put_file(OWNER, wish, data(*pieces, then=then))
    root = await uploads_in(here, session_id)
    assert kept(root) == ["a"]
    assert (root / "7/a").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("folder", "name"), [("..", "a"), ("7", "../a"), ("7/8", "a"), ("7", ".env"), ("", "a")]
)
async def test_a_name_that_is_a_path_is_refused(service: SessionService, folder: str, name: str) -> None:
    session_id = await shared(service)
    with pytest.raises(FileRefused):
        await service.put_file(OWNER, c.PutFile(session_id=session_id, folder=folder, name=name), data(b"x"))


async def test_a_file_that_is_larger_than_was_asked_for_is_not_begun(
    here: House, service: SessionService
) -> None:
    session_id = await shared(service)
    (await root_of(here, session_id) / "big").write_bytes(b"12345")
    with pytest.raises(FileTooLarge) as refused:
        await read(service, OWNER, c.GetFile(session_id=session_id, path="big", max_bytes=4))
    assert (refused.value.size, refused.value.max_bytes) == (5, 4)


async def test_who_may_only_read_along_gets_and_gives_no_file_and_it_is_written_down(
    service: SessionService,
) -> None:
    session_id = await shared(service)
    stranger = Actor("discord:9", "discord", Role.USER)
    for actor, refusal in ((READER, NotAllowed), (stranger, SessionHidden)):
        with pytest.raises(refusal):
            await service.put_file(actor, c.PutFile(session_id=session_id, folder="7", name="a"), data(b"x"))
        with pytest.raises(refusal):
            await read(service, actor, c.GetFile(session_id=session_id, path="a"))
    audit = (await service.perform(ADMIN, c.ReadAudit(session_id=session_id))).entries
    refused = [(each.actor, each.action) for each in audit if not each.allowed]
    assert sorted(refused) == [
        (who, what) for who in ("discord:2", "discord:9") for what in ("get_file", "put_file")
    ]
