"""The expected state of a session, worked out without any of its code. Pure."""

from dataclasses import dataclass, field


@dataclass(eq=False)
class ModelTurn:
    """A prompt: what it says, how far it is, what must be read of it."""

    origin: str
    text: str
    status: str = "queued"
    said: list[str] = field(default_factory=list)


@dataclass
class ModelSession:
    """The expected state of one session at rest."""

    session_id: str
    turns: list[ModelTurn] = field(default_factory=list)
    queue: list[ModelTurn] = field(default_factory=list)
    current: ModelTurn | None = None
    conversation: list[ModelTurn] = field(default_factory=list)
    background: int | None = 0
    heard: int = 0
    live: bool | None = False
    ended: bool = False
    unsure: bool = False

    def settle(self, gates: set[str], crashed: set[str]) -> None:
        """Run on until Claude waits for something or has nothing to do."""
        while not self.ended and (self.current or self.queue):
            turn = self.current
            if turn is None:
                turn = self.current = self.queue.pop(0)
                self.conversation.append(turn)
            self.live = True
            turn.status = "running"
            word, _, name = turn.text.partition(" ")
            if word == "ask" or (word == "gate" and name not in gates):
                return
            if word == "crash" and name not in crashed:
                crashed.add(name)
                self.lose_process()
                self.live = True
            if word == "background" and self.background is not None:
                self.background += 1
            self.finish("done", [f"answer to {turn.text}"])

    def finish(self, status: str, said: list[str]) -> None:
        """End the current turn."""
        assert self.current is not None
        self.current.status = status
        self.current.said += said
        self.current = None

    def interrupt(self) -> None:
        if self.current is not None:
            self.finish("interrupted", [f"half an answer to {self.current.text}"])

    def lose_process(self) -> None:
        """The process is gone; what it worked on goes on in the next one."""
        self.live = False
        self.background = 0

    def end(self) -> None:
        self.interrupt()
        for turn in self.queue:
            turn.status = "withdrawn"
        self.queue = []
        self.lose_process()
        self.ended = True
