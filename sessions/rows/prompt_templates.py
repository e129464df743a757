"""The SQL of prompt templates."""

from dataclasses import dataclass

from sessions.model import PermissionMode
from storage import Database, Row, Statement

_FIELDS = "id, owner_id, name, text, project, model, mode"


@dataclass(frozen=True, slots=True)
class StoredTemplate:
    """A template; `owner_id` is empty for one that is for all."""

    id: str
    owner_id: str
    name: str
    text: str
    project: str
    model: str
    mode: PermissionMode | None


def upsert_template(template: StoredTemplate, now_ms: int) -> Statement:
    """Store a template, or replace the owner's one of that name; returns its id as the only row."""
    return Statement(
        "INSERT INTO prompt_templates (id, owner_id, name, text, project, model, mode, made_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (owner_id, name) DO UPDATE SET text = excluded.text,"
        " project = excluded.project, model = excluded.model, mode = excluded.mode RETURNING id",
        (
            template.id,
            template.owner_id,
            template.name,
            template.text,
            template.project,
            template.model,
            template.mode,
            now_ms,
        ),
        fetch=True,
    )


def delete_template(template_id: str, owner_id: str) -> Statement:
    """Delete a template of the owner; `rowcount` is 0 if the owner has no such template."""
    return Statement("DELETE FROM prompt_templates WHERE id = ? AND owner_id = ?", (template_id, owner_id))


async def load_templates(db: Database, owner_id: str) -> list[StoredTemplate]:
    """Return the templates of a person by name, then those for all."""
    rows = await db.read(
        f"SELECT {_FIELDS} FROM prompt_templates WHERE owner_id IN (?, '')"  # noqa: S608
        " ORDER BY owner_id = '', name COLLATE NOCASE, id",
        (owner_id,),
    )
    return [_template(row) for row in rows]


def _template(row: Row) -> StoredTemplate:
    template_id, owner_id, name, text, project, model = (str(value) for value in row[:6])
    mode = PermissionMode(str(row[6])) if row[6] is not None else None
    return StoredTemplate(template_id, owner_id, name, text, project, model, mode)
