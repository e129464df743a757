"""Run git's merge on a user's commits with our configuration: their objects, and no driver of theirs.

A trial reads their objects and writes into our store. Only landing writes into theirs.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec.structs import replace

from workdirs.git import Answer, run
from workdirs.model import ObjectId
from workdirs.repository import Repository
from workdirs.store import Store

NOBODY = ("Claude-Discord Bridge", "bridge@localhost")


class Signature(msgspec.Struct, frozen=True):
    """The author of a commit, with a time as seconds since the epoch."""

    name: str = NOBODY[0]
    email: str = NOBODY[1]
    at_s: int = 0

    @property
    def variables(self) -> dict[str, str]:
        """The environment of `git commit-tree`."""
        facts = {"NAME": _one_line(self.name, NOBODY[0]), "EMAIL": _one_line(self.email, NOBODY[1])}
        facts["DATE"] = f"@{self.at_s} +0000"
        return {
            f"GIT_{role}_{name}": value for role in ("AUTHOR", "COMMITTER") for name, value in facts.items()
        }


class MergeRoom(msgspec.Struct, frozen=True):
    """A store, and a repository whose commits are merged. With `lands`, new objects go into the repository."""

    store: Store
    repository: Repository
    lands: bool = False

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        codes: tuple[int, ...] = (0,),
        variables: Mapping[str, str] | None = None,
        index: Path | None = None,
    ) -> Answer:
        """Run git. Raises `GitFailed`."""
        theirs, ours = self.repository.common_dir / "objects", self.store.git_dir / "objects"
        # Not ours beside theirs: git does not write what it finds there, and their repository would lack it.
        objects, others = (theirs, ()) if self.lands else (ours, (theirs,))
        call = self.store.call(*arguments, stdin=stdin)
        shallow = self.repository.common_dir / "shallow"
        # Without it, git looks for the parents of commits at which a shallow clone ends.
        ends = {"GIT_SHALLOW_FILE": os.fspath(shallow)} if shallow.is_file() else {}
        given = ends | dict(variables or {})
        call = replace(call, objects=objects, alternates=others, variables=given, index=index)
        return run(call, codes=codes)

    def commit(self, tree: str, parents: tuple[str, ...], message: str, signature: Signature) -> ObjectId:
        """Write a commit and return its id. No hook runs, nothing is signed."""
        named = [part for parent in parents for part in ("-p", parent)]
        answer = self.run("commit-tree", *named, tree, stdin=message.encode(), variables=signature.variables)
        return ObjectId(answer.text)

    def tip(self, ref: str) -> ObjectId | None:
        """Return the commit that a ref of the repository names; None if it names none."""
        # Exit code 1: the ref names nothing.
        found = run(self.repository.call("rev-parse", "-q", "--verify", f"{ref}^{{commit}}"), codes=(0, 1)).text
        return ObjectId(found) if found else None

    def author_of(self, commit: str, at_s: int) -> Signature:
        """Return the author of a commit, for another commit made at `at_s`."""
        answer = self.run("log", "-1", "--no-show-signature", "--format=%an%x00%ae", commit)
        name, _, email = answer.text.partition("\0")
        return Signature(name, email, at_s)


def _one_line(text: str, otherwise: str) -> str:
    # A line end, `<` or `>` would end the name in the header of the commit.
    kept = "".join(each for each in text if each.isprintable() and each not in "<>").strip()
    return kept[:200] or otherwise
