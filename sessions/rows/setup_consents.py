"""Rows of `setup_consents`: the commands for setting a branch up, to which a person agreed."""

from storage import Database, Statement


def insert_consent(project: str, digest: str, commands: str, by_user: str, now_ms: int) -> Statement:
    """Store that `by_user` agreed to commands, named by the digest of them and of their files."""
    return Statement(
        "INSERT INTO setup_consents (project, digest, commands, by_user, agreed_ms) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (project, digest, commands, by_user, now_ms),
    )


async def has_consent(db: Database, project: str, digest: str) -> bool:
    """Whether somebody agreed to exactly these commands and files in this project."""
    found = await db.read_one(
        "SELECT 1 FROM setup_consents WHERE project = ? AND digest = ?", (project, digest)
    )
    return found is not None
