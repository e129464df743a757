"""Bundles: whole paths and modes come back; every hostile one is refused with its entry named, unwritten."""

import hashlib
import io
import json
import stat
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archives.bundle import Source, sha256_of, write_bundle
from archives.bundle_reading import BundleLimits, check_bundle, read_entry, write_entry
from archives.errors import BundleRefused
from archives.manifest import NAME, Manifest, to_json

HEAD = Manifest(kind="session", name="2026-01-31-session-001-x", made_ms=1, entries=())


def test_files_of_one_name_come_back_with_paths_and_modes(tmp_path: Path) -> None:
    for path, mode in (("a/x.py", 0o644), ("b/x.py", 0o755), ("b/secret", 0o600)):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(path)
        (tmp_path / path).chmod(mode)
    (tmp_path / "link").symlink_to("/etc/passwd")
    names = ["a/x.py", "b/x.py", "b/secret", "link", "gone"]
    sources = [*(Source(each, tmp_path / each) for each in names), Source("made", b"x" * 9)]
    bundle = tmp_path / "deep" / "x.zip"
    write_bundle(bundle, sources, HEAD)
    found = {each.path: each for each in check_bundle(bundle).entries}
    assert {each.path: oct(each.mode) for each in found.values()} == {
        "a/x.py": "0o644", "b/x.py": "0o755", "b/secret": "0o600", "made": "0o600"
    }  # fmt: skip
    assert read_entry(bundle, found["b/x.py"]) == b"b/x.py"
    write_entry(bundle, found["a/x.py"], tmp_path / "out")
    assert (tmp_path / "out").read_text() == "a/x.py"
    assert stat.S_IMODE(bundle.stat().st_mode) == 0o600
    assert [each.name for each in bundle.parent.iterdir()] == ["x.zip"]
    assert zipfile.ZipFile(bundle).testzip() is None


Change = Callable[[list[tuple[Any, bytes]], dict[str, Any]], None]


def named(name: str, **attributes: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    for key, value in attributes.items():
        setattr(info, key, value)
    return info


def adds(name: str, content: bytes = b"x", *, listed: bool = True, **attributes: int) -> Change:
    def change(files: list[tuple[Any, bytes]], manifest: dict[str, Any]) -> None:
        files.append((named(name, **attributes), content))
        if listed:
            entry = {"path": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            manifest["entries"].append({**entry, "mode": 0o600})

    return change


def sets(place: str, **values: Any) -> Change:
    def change(_: list[tuple[Any, bytes]], manifest: dict[str, Any]) -> None:
        (manifest if place == "manifest" else manifest["entries"][0]).update(values)

    return change


def drops(index: int) -> Change:
    def change(files: list[tuple[Any, bytes]], _: dict[str, Any]) -> None:
        del files[index]

    return change


LINK = (stat.S_IFLNK | 0o777) << 16
HOSTILE: dict[str, tuple[Change, str, str]] = {
    "leads out": (adds("../x"), "../x", "leads out"),
    "leads out inside": (adds("a/../../x"), "a/../../x", "leads out"),
    "absolute": (adds("/etc/x"), "/etc/x", "absolute"),
    "a drive": (adds("C:/x"), "C:/x", "absolute"),
    "backslash": (adds("a\\..\\x"), "a\\..\\x", "not one that"),
    "dot": (adds("./x"), "./x", "not one that"),
    "empty part": (adds("a//x"), "a//x", "not one that"),
    "directory": (adds("a/"), "a/", "not one that"),
    "link": (adds("l", b"/etc/passwd", external_attr=LINK), "l", "link"),
    "device": (adds("d", external_attr=(stat.S_IFCHR | 0o600) << 16), "d", "no file"),
    "twice": (adds("a/x.py"), "a/x.py", "twice"),
    "file as directory": (adds("a/x.py/y"), "a/x.py/y", "directory should be"),
    "wrong hash": (sets("entry", sha256="0" * 64), "a/x.py", "content"),
    "wrong size": (sets("entry", size=7), "a/x.py", "size"),
    "missing": (drops(0), "a/x.py", "missing"),
    "not listed": (adds("extra", listed=False), "extra", "does not name"),
    "bomb": (adds("bomb", bytes(40 << 20)), "bomb", "grows"),
    "newer schema": (sets("manifest", schema=2), NAME, "update the bridge"),
    "other format": (sets("manifest", format="x"), NAME, "not a backup"),
    "no entries": (sets("manifest", entries=5), NAME, "form of a manifest"),
    "no manifest": (drops(-1), NAME, "missing"),
}


@pytest.mark.parametrize(("change", "entry", "why"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_bundle_is_refused_with_its_entry_named(
    tmp_path: Path, change: Change, entry: str, why: str
) -> None:
    content = b"hello"
    files: list[tuple[Any, bytes]] = [(named("a/x.py"), content)]
    manifest = json.loads(to_json(HEAD))
    sha256 = hashlib.sha256(content).hexdigest()
    manifest["entries"] = [{"path": "a/x.py", "size": 5, "sha256": sha256, "mode": 0o600}]
    files.append((named(NAME), b""))
    change(files, manifest)
    made = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(made, "w") as bundle:
        warnings.simplefilter("ignore")
        for info, data in files:
            bundle.writestr(info, json.dumps(manifest) if info.filename == NAME else data)
    (tmp_path / "x.zip").write_bytes(made.getvalue())
    with pytest.raises(BundleRefused, match=why) as refused:
        check_bundle(tmp_path / "x.zip")
    assert refused.value.entry == entry
    assert [each.name for each in tmp_path.iterdir()] == ["x.zip"]


def test_a_bundle_of_too_many_files_or_cut_anywhere_is_refused(tmp_path: Path) -> None:
    bundle = tmp_path / "x.zip"
    write_bundle(bundle, [Source(f"{n}", b"x") for n in range(20)], HEAD)
    with pytest.raises(BundleRefused, match="more than 10 files"):
        check_bundle(bundle, BundleLimits(max_entries=10))
    whole = bundle.read_bytes()
    for end in range(0, len(whole), 97):
        bundle.write_bytes(whole[:end])
        with pytest.raises(BundleRefused):
            check_bundle(bundle)


def test_every_changed_byte_of_a_bundle_shows_in_its_hash(tmp_path: Path) -> None:
    bundle = tmp_path / "x.zip"
    write_bundle(bundle, [Source("a", b"hello" * 9)], HEAD)
    whole, digest = bundle.read_bytes(), sha256_of(bundle)
    for place in range(0, len(whole), 11):
        changed = bytearray(whole)
        changed[place] ^= 1
        bundle.write_bytes(changed)
        assert sha256_of(bundle) != digest
