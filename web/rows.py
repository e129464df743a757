"""SQL of the web face: codes of login links, logins and tokens. Only hashes of secrets reach these rows."""

from storage import Database, Row, Statement
from web.principals import Login, Scope, Token

_LOGIN_FIELDS = "id, user_id, browser, made_ms, used_ms"
_KEY_FIELDS = "id, user_id, name, scope, made_ms, expires_ms, used_ms"


def insert_code(code_hash: str, user_id: str, expires_ms: int) -> Statement:
    """Store a code of a login link."""
    return Statement("INSERT INTO web_codes VALUES (?, ?, ?)", (code_hash, user_id, expires_ms))


def spend_code(code_hash: str, now_ms: int) -> Statement:
    """Delete a code that has not expired and return its user id as the only row; no row without such a code."""
    # One statement looks and deletes: of two browsers with one code, one gets the row.
    sql = "DELETE FROM web_codes WHERE code_hash = ? AND expires_ms > ? RETURNING user_id"
    return Statement(sql, (code_hash, now_ms), fetch=True)


async def find_code(db: Database, code_hash: str, now_ms: int) -> str:
    """Return the user id of a code that has not expired, or an empty string."""
    row = await db.read_one(
        "SELECT user_id FROM web_codes WHERE code_hash = ? AND expires_ms > ?", (code_hash, now_ms)
    )
    return str(row[0]) if row is not None else ""


def forget_expired(now_ms: int, idle_before_ms: int, made_before_ms: int) -> list[Statement]:
    """Delete expired codes and tokens, and logins that were unused or open for too long."""
    return [
        Statement("DELETE FROM web_codes WHERE expires_ms <= ?", (now_ms,)),
        Statement("DELETE FROM web_tokens WHERE expires_ms <= ?", (now_ms,)),
        Statement("DELETE FROM web_logins WHERE used_ms < ? OR made_ms < ?", (idle_before_ms, made_before_ms)),
    ]


def insert_login(login: Login, cookie_hash: str) -> Statement:
    """Store a login."""
    return Statement(
        "INSERT INTO web_logins VALUES (?, ?, ?, ?, ?, ?)",
        (login.id, cookie_hash, login.user_id, login.browser, login.made_ms, login.used_ms),
    )


async def find_login(db: Database, cookie_hash: str) -> Login | None:
    """Return the login of a cookie, however old."""
    # The caller judges its age, also after `load_login`; `forget_expired` removes the row later.
    row = await db.read_one(f"SELECT {_LOGIN_FIELDS} FROM web_logins WHERE cookie_hash = ?", (cookie_hash,))  # noqa: S608
    return _login(row) if row is not None else None


async def load_login(db: Database, login_id: str) -> Login | None:
    """Return the login with this id, however old."""
    row = await db.read_one(f"SELECT {_LOGIN_FIELDS} FROM web_logins WHERE id = ?", (login_id,))  # noqa: S608
    return _login(row) if row is not None else None


async def logins_of(db: Database, user_id: str) -> list[Login]:
    """Return a person's logins, last used first."""
    rows = await db.read(
        f"SELECT {_LOGIN_FIELDS} FROM web_logins WHERE user_id = ? ORDER BY used_ms DESC",  # noqa: S608
        (user_id,),
    )
    return [_login(row) for row in rows]


def note_login_used(login_id: str, now_ms: int) -> Statement:
    """Store when a login was used."""
    return Statement("UPDATE web_logins SET used_ms = ? WHERE id = ?", (now_ms, login_id))


def delete_login(login_id: str, user_id: str) -> Statement:
    """Delete a person's login; `rowcount` is 0 if they have no such login."""
    # With the person: the id comes from a path, and anybody can write one.
    return Statement("DELETE FROM web_logins WHERE id = ? AND user_id = ?", (login_id, user_id))


async def has_token(db: Database, token_id: str, now_ms: int) -> bool:
    """Whether the token exists and has not expired."""
    sql = "SELECT 1 FROM web_tokens WHERE id = ? AND expires_ms > ?"
    return await db.read_one(sql, (token_id, now_ms)) is not None


def insert_token(token: Token, token_hash: str) -> Statement:
    """Store a token."""
    return Statement(
        "INSERT INTO web_tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            token.id,
            token_hash,
            token.user_id,
            token.name,
            token.scope.value,
            token.made_ms,
            token.expires_ms,
            token.used_ms,
        ),
    )


async def find_token(db: Database, token_hash: str, now_ms: int) -> Token | None:
    """Return the token with this hash, if it has not expired."""
    row = await db.read_one(
        f"SELECT {_KEY_FIELDS} FROM web_tokens WHERE token_hash = ? AND expires_ms > ?",  # noqa: S608
        (token_hash, now_ms),
    )
    return _token(row) if row is not None else None


async def tokens_of(db: Database, user_id: str) -> list[Token]:
    """Return a person's tokens, newest first."""
    rows = await db.read(
        f"SELECT {_KEY_FIELDS} FROM web_tokens WHERE user_id = ? ORDER BY made_ms DESC",  # noqa: S608
        (user_id,),
    )
    return [_token(row) for row in rows]


def note_token_used(token_id: str, now_ms: int) -> Statement:
    """Store when a token was used."""
    return Statement("UPDATE web_tokens SET used_ms = ? WHERE id = ?", (now_ms, token_id))


def delete_token(token_id: str, user_id: str) -> Statement:
    """Delete a person's token; `rowcount` is 0 if they have no such token."""
    # With the person, as above.
    return Statement("DELETE FROM web_tokens WHERE id = ? AND user_id = ?", (token_id, user_id))


def _login(row: Row) -> Login:
    return Login(str(row[0]), str(row[1]), str(row[2]), int(str(row[3])), int(str(row[4])))


def _token(row: Row) -> Token:
    used = row[6]
    return Token(
        id=str(row[0]),
        user_id=str(row[1]),
        name=str(row[2]),
        scope=Scope(str(row[3])),
        made_ms=int(str(row[4])),
        expires_ms=int(str(row[5])),
        used_ms=int(str(used)) if used is not None else None,
    )
