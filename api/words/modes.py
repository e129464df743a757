"""The permission modes in words that every face shows."""

from collections.abc import Mapping

from sessions.model import PermissionMode

MODES: Mapping[PermissionMode, str] = {
    PermissionMode.DEFAULT: "asks before it changes things",
    PermissionMode.ACCEPT_EDITS: "edits files without asking",
    PermissionMode.PLAN: "plans only",
    PermissionMode.DONT_ASK: "does only what is allowed already",
    PermissionMode.AUTO: "decides by itself what needs asking",
    PermissionMode.BYPASS: "asks nothing at all",
}
