"""The sandbox of a session's process, in words that every face shows."""

from collections.abc import Mapping

_NETWORKS: Mapping[str, str] = {
    "open": "network open",
    "listed": "network listed",
    "model": "no network but the model",
}


def sandbox_words(sandbox: str, network: str) -> str:
    """Return `sandboxed · network open`, for instance; empty without a process. Unknown words are left out."""
    match sandbox:
        case "bwrap" | "landlock":
            kind = "sandboxed" if sandbox == "bwrap" else "sandboxed, files only"
            return " · ".join(word for word in (kind, _NETWORKS.get(network, "")) if word)
        case "none":
            return "no sandbox"
        case _:
            return ""
