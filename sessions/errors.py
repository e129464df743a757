"""The errors of a session, one class per decision that a caller can take.

Messages are sentences for people: the cause and the next step. They name no path and no secret.
"""


class SessionError(Exception):
    """The root of all errors that `sessions` raises on purpose."""


class SessionNotFound(SessionError):
    """The session does not exist, or the actor may not know of it."""

    def __init__(self, session_id: str) -> None:
        super().__init__("There is no such session; it may have been cleared.")
        self.session_id = session_id


class SessionUnreadable(SessionError):
    """The stored session is damaged, and its events cannot repair it."""

    def __init__(self, session_id: str) -> None:
        super().__init__("The stored data of this session is damaged; an admin has to repair it.")
        self.session_id = session_id


class TurnNotFound(SessionError):
    """The session has no turn of this id or origin. `turn_id` is empty if any turn would have done."""

    def __init__(self, turn_id: str) -> None:
        super().__init__(
            "There is no such turn in this session." if turn_id else "This session has no turn to use yet."
        )
        self.turn_id = turn_id


class ConversationGone(SessionError):
    """Claude's record of a turn is gone, and our copy of it too."""

    def __init__(self) -> None:
        super().__init__(
            "Claude's record of this turn is gone, so nothing can go on from it. "
            "Branch from a later turn, or start a new session."
        )


class SiteUnknown(SessionError):
    """No sandbox of the project wanted this host."""


class RuleNotFound(SessionError):
    """The session's project has no such permission rule."""

    def __init__(self, rule_id: int) -> None:
        super().__init__("There is no such permission of this project; it may have been taken back.")
        self.rule_id = rule_id


class OfferChanged(SessionError):
    """The project's offer differs from the list that the person has seen."""

    def __init__(self) -> None:
        super().__init__("The project has changed since this list was made. Look at the new one, then decide.")


class IllegalMove(SessionError):
    """The state does not allow this; nothing was changed."""

    def __init__(self, what: str, state: str) -> None:
        super().__init__(f"{what} is not possible while the session is {state}.")
        self.what = what
        self.state = state


class EndedAlready(SessionError):
    """The session has ended, and cannot end a second time."""

    def __init__(self) -> None:
        super().__init__("The session has ended already.")


class PlaceTaken(SessionError):
    """Another session that has not ended holds the key."""

    def __init__(self) -> None:
        super().__init__("There is another session at this place. End it first, or use another place.")


class NotAllowed(SessionError):
    """The actor may not do this. The sentence does not tell whether the session exists."""

    def __init__(self, action: str) -> None:
        whom = "the session's owner or an admin" if "this_session" in action else "an admin"
        super().__init__(f"You may not {action.replace('_', ' ')} here. Ask {whom}.")
        self.action = action


class SessionHidden(NotAllowed):
    """The actor may not even know that the session exists."""


UNSEEN = (SessionNotFound, SessionHidden)
"""The errors to catch where a missing id and somebody else's id must get the same answer."""


class AlreadyDecided(SessionError):
    """Somebody else answered the ask first, or it was withdrawn. `by` is empty if it was withdrawn."""

    def __init__(self, ask_id: str, by: str) -> None:
        super().__init__("This has been decided already." if by else "Claude no longer waits for this answer.")
        self.ask_id = ask_id
        self.by = by


# A kind of `AlreadyDecided`: after a click on an old card, people read the same sentence.
class AskNotFound(AlreadyDecided):
    """The session has no ask of this id."""

    def __init__(self, ask_id: str) -> None:
        super().__init__(ask_id, "")


class WrongAnswer(SessionError):
    """The decision does not fit the kind of ask."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"This answer does not fit a {kind} ask.")
        self.kind = kind


class FormRefused(SessionError):
    """A form cannot be sent as it is filled in. `reason` goes on with the sentence that begins with `field`."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"“{field}” {reason}.")
        self.field = field
        self.reason = reason


class LimitReached(SessionError):
    """A quota or limit is used up. `opens_ms` is the time when it opens again, or None if unknown."""

    def __init__(self, sentence: str, *, opens_ms: int | None = None) -> None:
        super().__init__(sentence)
        self.opens_ms = opens_ms


class WorkDirectoryRefused(SessionError):
    """The work directory does not exist (`is_gone`) or lies outside the workspace."""

    def __init__(self, name: str, reason: str, *, is_gone: bool = False) -> None:
        super().__init__(f"The project “{name}” cannot be used: {reason}.")
        self.name = name
        self.reason = reason
        self.is_gone = is_gone


class FileRefused(SessionError):
    """One file cannot be accepted or sent. `reason` is the rest of the sentence that begins with its name."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"“{name}” {reason}")
        self.name = name
        self.reason = reason


class FileTooLarge(FileRefused):
    """The file is larger than the limit here. `size` is 0 if its exact size is unknown."""

    def __init__(self, name: str, max_bytes: int, size: int = 0) -> None:
        super().__init__(name, f"is too large; {max_bytes:,} bytes are possible here.")
        self.max_bytes = max_bytes
        self.size = size


class ModelRefused(SessionError):
    """The given text is not the name of a model."""

    def __init__(self, model: str) -> None:
        super().__init__("This is not the name of a model. Try one of those that are offered.")
        self.model = model


class BranchRefused(SessionError):
    """Something with a branch's own files is not possible; the sentence says why. Nothing was changed."""

    def __init__(self, reason: str) -> None:
        super().__init__(_sentence(reason))


class BranchUnmerged(BranchRefused):
    """The branch has work that is merged nowhere: its removal has to be asked for again, knowing that."""


class SetUpNotAgreed(SessionError):
    """Nobody agreed to these commands with these files, or they changed since somebody looked at them."""

    def __init__(self) -> None:
        super().__init__(
            "Nobody agreed to this command with its files as they are now. Look at it again, then run it."
        )


class MergeOutdated(SessionError):
    """The branch or its target changed since the preview of a merge. Nothing was merged."""

    def __init__(self) -> None:
        super().__init__(
            "The branch or its target changed since this preview. Look at the new one, then merge."
        )


class PromptRefused(SessionError):
    """The prompt is empty, too long, or carries something that cannot be sent."""


class CheckpointRefused(SessionError):
    """A checkpoint or a restore is not possible; the sentence says why. Nothing was changed."""

    def __init__(self, reason: str) -> None:
        super().__init__(_sentence(reason))


class CheckpointNotFound(CheckpointRefused):
    """The session has no such checkpoint, or its files were removed by age."""

    def __init__(self, _reason: str = "") -> None:
        super().__init__("this session has no such checkpoint; it may have been removed by age")


class CommentNotFound(SessionError):
    """No review comment of this id waits in the session."""

    def __init__(self) -> None:
        super().__init__("There is no such comment. It was removed, or sent with a review.")


class FolderRefused(SessionError):
    """An act on a session's folder or its end is not possible; the sentence says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(_sentence(reason))


class BackupRefused(SessionError):
    """A backup cannot be made, used or restored; the sentence says why. Nothing was changed."""

    def __init__(self, reason: str) -> None:
        super().__init__(_sentence(reason))


class PreviewOutdated(SessionError):
    """Files changed since the preview of a restore. Nothing was restored."""

    def __init__(self) -> None:
        super().__init__("Files changed since this preview, so nothing was restored. Look at a new preview.")


class ClaudeUnavailable(SessionError):
    """Claude cannot do this now: the CLI did not answer in time, refused, or ended."""


class CommandRefused(SessionError):
    """A shell command beside a session could not be started; nothing of it runs."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The command was not started: {reason}.")
        self.reason = reason


class ImportRefused(SessionError):
    """The file is damaged, hostile or of an unknown version; nothing was changed."""


class CoreLost(SessionError):
    """The connection to the core ended: its process stopped, was killed, or is of another version.

    The sessions lose nothing. The last command may have been carried out or not.
    """


class WebOff(SessionError):
    """The bridge has no web face."""

    def __init__(self) -> None:
        super().__init__("The web face is off. Set WEB_PORT in .env and start the bridge again.")


class NothingToShare(SessionError):
    """A page was asked for of a session without turns."""

    def __init__(self) -> None:
        super().__init__("There is nothing to share yet: the conversation has no turn.")


class SharedPageNotFound(SessionError):
    """No page has this id or address: it is unknown, revoked, expired, or a published draft."""

    def __init__(self) -> None:
        super().__init__("There is no such page. It was taken back, or its time is over.")


class NotRemoved(SessionError):
    """A session cannot be deleted now: a process of it still runs, or it is in use again."""

    def __init__(self) -> None:
        super().__init__("The session cannot be deleted yet: a process of it still runs. Try again soon.")


class TemplateNotFound(SessionError):
    """No prompt template of the actor, or for all, has this id."""

    def __init__(self) -> None:
        super().__init__("There is no such template, or it is not yours.")


class CleanupRuleNotFound(SessionError):
    """No clean-up rule of the actor has this id."""

    def __init__(self) -> None:
        super().__init__("There is no such rule, or it is not yours.")


class CleanupRuleRefused(SessionError):
    """A clean-up rule cannot be stored; the sentence says why."""


class PromptTemplateRefused(SessionError):
    """A prompt template cannot be stored; the sentence says why."""


class PdfRefused(SessionError):
    """A PDF cannot be made; the sentence says why and what to take instead."""


class PlaceEmpty(SessionError):
    """A place of a prompt template has no value."""

    def __init__(self, place: str) -> None:
        super().__init__(f"Fill in “{place}”.")
        self.place = place


def _sentence(reason: str) -> str:
    """Return `reason` as a sentence. Its first word gets a capital unless it is a name, such as a file's."""
    first = reason.partition(" ")[0]
    is_word = first.replace("'", "").replace("’", "").isalpha()
    return f"{reason[:1].upper()}{reason[1:]}." if is_word else f"{reason}."
