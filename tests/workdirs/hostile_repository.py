"""A repository whose configuration names a program wherever git lets it. Each leaves a mark when it runs."""

import os
from pathlib import Path

from tests.workdirs.desk import Desk

_HOOKS = (
    *("pre-commit", "post-commit", "post-checkout", "post-merge", "post-index-change", "pre-merge-commit"),
    *("reference-transaction", "post-rewrite", "prepare-commit-msg", "commit-msg", "pre-auto-gc"),
)


def make_hostile(desk: Desk, root: Path) -> Path:
    """Add the configuration to the repository at `root`. Return the file that every program would write to."""
    marks = desk.home / "ran"
    program = desk.home / "program.sh"
    program.write_text(f'#!/bin/sh\necho "$0 $*" >>{marks}\ncat\n')
    program.chmod(0o755)
    for name in _HOOKS:
        hook = root / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\necho {name} >>{marks}\n")
        hook.chmod(0o755)
    for key, value in {
        "core.fsmonitor": os.fspath(program),
        "core.hooksPath": os.fspath(root / ".git" / "hooks"),
        "core.editor": os.fspath(program),
        "core.pager": os.fspath(program),
        "core.sshCommand": os.fspath(program),
        "core.askPass": os.fspath(program),
        "filter.evil.clean": f"{program} clean",
        "filter.evil.smudge": f"{program} smudge",
        "filter.served.process": f"{program} process",
        "filter.served.required": "false",
        "diff.evil.textconv": os.fspath(program),
        "diff.evil.command": os.fspath(program),
        "diff.external": os.fspath(program),
        "merge.evil.driver": f"{program} driver %O %A %B",
        "merge.default": "evil",
        "gpg.program": os.fspath(program),
        "commit.gpgSign": "true",
        "log.showSignature": "true",
        "credential.helper": f"!{program}",
        "alias.status": f"!{program}",
        "alias.ls-files": f"!{program}",
        "core.gitProxy": os.fspath(program),
        "core.attributesFile": os.fspath(root / ".gitattributes"),
        "sequence.editor": os.fspath(program),
        "interactive.diffFilter": os.fspath(program),
        "init.templateDir": os.fspath(root / ".git"),  # with its hooks
        "uploadpack.packObjectsHook": os.fspath(program),
        "remote.origin.url": f"ext::{program}",
        "remote.origin.uploadpack": os.fspath(program),
        "remote.origin.promisor": "true",
        "protocol.allow": "always",
        "submodule.lib.update": f"!{program}",
        "submodule.recurse": "true",
        "include.path": "included",
        "includeIf.gitdir:**.path": "included",
    }.items():
        desk.git("config", key, value, cwd=root)
    (root / ".git" / "included").write_text(f'[core]\n\tfsmonitor = "{program}"\n')
    (root / ".gitmodules").write_text(f'[submodule "lib"]\n\tpath = lib\n\turl = x\n\tupdate = !{program}\n')
    (root / ".gitattributes").write_text(
        "*.f filter=evil diff=evil merge=evil\n*.p filter=served\n*.m merge=evil\n* merge=evil\n"
    )
    return marks
