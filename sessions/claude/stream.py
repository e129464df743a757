"""The `stream` driver: stream-json and the control protocol over the host's two logs."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import assert_never

import msgspec

from sessions.claude import answers, control, launch
from sessions.claude.control_lines import RpcId, ToolServerLine
from sessions.claude.lines import CliLine
from sessions.claude.locate import Cli, locate
from sessions.claude.parse import parse_batch
from sessions.claude.sandbox_access import Asked, SandboxOptions, environment_inside, prepare
from sessions.driver import CommandPlace, ConversationStart, ImageFile, Program
from sessions.errors import WrongAnswer
from sessions.forms import filled
from sessions.model import (
    Allow,
    AllowAlways,
    AllowSession,
    Answer,
    ApprovePlan,
    Ask,
    Decision,
    Deny,
    FillForm,
    FollowLink,
    FormBody,
    LinkBody,
    PermissionBody,
    PermissionMode,
    PlanBody,
    Postpone,
    QuestionBody,
    RevisePlan,
    Rule,
    RuleKind,
    TurnKind,
)
from sessions.tools import Toolbox, ToolReply


class StreamOptions(msgspec.Struct, frozen=True):
    """The facts of this installation that the driver needs.

    `environment` is the bridge's own; only `child_names` pass to the child. `overrides` are added unchanged,
    such as the demo model's address. `private` are directories that Claude's tools may not touch. `sandbox` is
    None where processes run without one.
    """

    configured_command: str
    environment: Mapping[str, str]
    child_names: Sequence[str] = launch.DEFAULT_CHILD_ENV
    overrides: Mapping[str, str] = msgspec.field(default_factory=dict)
    private: Sequence[Path] = ()
    sandbox: SandboxOptions | None = None


class StreamDriver:
    """Implements `sessions.driver.Driver`. Locates the CLI once, and again after a failure or if it is gone."""

    def __init__(self, options: StreamOptions) -> None:
        self._options = options
        self._cli: Cli | None = None

    async def program(self, start: ConversationStart) -> Program:
        begins = _begin(start)
        options = self._options
        allowed = launch.child_environment(options.environment, options.child_names, start=begins)
        environment = {**allowed, **options.overrides}
        if self._cli is None or not Path(self._cli.command[0]).exists():
            self._cli = await locate(options.configured_command, environment)
        line = launch.LaunchLine(
            command=self._cli.command,
            start=begins,
            private=(*options.private, *start.keeps_out_of),
            model=start.model,
            permission_mode=start.mode,
            brought=start.brought,
            user_servers=start.user_servers,
            sandboxed=options.sandbox is not None,
            uploads=start.uploads,
            allow=launch.tool_rules(start.tools),
        )
        if options.sandbox is None:
            return Program(launch.argv(line), environment)
        asked = Asked(
            command=self._cli.command,
            environment=environment,
            start=begins,
            work_directory=start.work_directory,
            brought=start.brought,
            user_servers=start.user_servers,
            readable=start.readable,
            writable=start.writable,
        )
        return await _in_sandbox(options.sandbox, asked, launch.argv(line))

    async def command(self, place: CommandPlace, argv: Sequence[str]) -> Program:
        options = self._options
        allowed = launch.child_environment(options.environment, options.child_names)
        environment = {**allowed, **options.overrides}
        if options.sandbox is None:
            return Program(tuple(argv), environment)
        asked = Asked(
            command=argv,
            environment=environment,
            start=None,
            work_directory=place.work_directory,
            readable=place.readable,
            writable=place.writable,
        )
        return await _in_sandbox(options.sandbox, asked, tuple(argv))

    def parse(self, lines: Sequence[bytes]) -> Sequence[tuple[CliLine, int]]:
        return parse_batch(lines)

    def prompt(
        self, prompt_uuid: str, text: str, kind: TurnKind, images: Sequence[ImageFile], note: str = ""
    ) -> bytes:
        if kind is TurnKind.COMMAND:
            name, _, arguments = text.removeprefix("/").partition(" ")
            return control.command_message(prompt_uuid, name, arguments)
        pictures = [control.Image(each.media_type, each.data) for each in images]
        return control.user_message(prompt_uuid, text, pictures, note)

    def initialize(self, request_id: str, toolbox: Toolbox | None) -> bytes:
        return control.initialize(request_id, toolbox)

    def answer_server(self, line: ToolServerLine, toolbox: Toolbox | None) -> bytes:
        from sessions.claude.tool_server import answer_message

        return control.encoded(answer_message(line, toolbox))

    def answer_tool(self, request_id: str, rpc_id: RpcId, reply: ToolReply) -> bytes:
        from sessions.claude.tool_server import answer_call

        return control.encoded(answer_call(request_id, rpc_id, reply))

    def interrupt(self, request_id: str) -> bytes:
        return control.interrupt(request_id)

    def set_model(self, request_id: str, model: str) -> bytes:
        return control.set_model(request_id, model)

    def set_permission_mode(self, request_id: str, mode: PermissionMode) -> bytes:
        return control.set_permission_mode(request_id, mode)

    def permission_rules(self, request_id: str, rules: Sequence[Rule]) -> bytes:
        allow, directories = (values_of(rules, kind) for kind in (RuleKind.ALLOW, RuleKind.DIRECTORY))
        return control.apply_permissions(request_id, allow=allow, directories=directories)

    def ask_for_servers(self, request_id: str) -> bytes:
        return control.mcp_status(request_id)

    def measure_context(self, request_id: str) -> bytes:
        return control.get_context_usage(request_id)

    def generate_title(self, request_id: str, description: str) -> bytes:
        return control.generate_title(request_id, description)

    def ask_beside(self, request_id: str, question: str) -> bytes:
        return control.side_question(request_id, question)

    def rewind_conversation(self, request_id: str, prompt_uuid: str, newest_uuid: str) -> bytes:
        return control.rewind_conversation(request_id, target_uuid=prompt_uuid, last_user_uuid=newest_uuid)

    def rewind_files(self, request_id: str, prompt_uuid: str, *, dry_run: bool) -> bytes:
        return control.rewind_files(request_id, prompt_uuid=prompt_uuid, dry_run=dry_run)

    def cancel_prompt(self, request_id: str, prompt_uuid: str) -> bytes:
        return control.cancel_async_message(request_id, prompt_uuid)

    def end_session(self, request_id: str) -> bytes:
        return control.end_session(request_id)

    def answer(self, ask: Ask, decision: Decision) -> bytes:
        match ask.body:
            case PermissionBody():
                return _answer_permission(ask.request_id, ask.body, decision)
            case QuestionBody():
                return _answer_question(ask.request_id, ask.body, decision)
            case PlanBody():
                return _answer_plan(ask.request_id, ask.body, decision)
            case FormBody() | LinkBody():
                return _answer_server(ask.request_id, ask.body, decision)
            case _:
                assert_never(ask.body)

    def decline_elicitation(self, request_id: str) -> bytes:
        return answers.decline(request_id)

    def refuse_request(self, request_id: str, reason: str) -> bytes:
        response = {"subtype": "error", "request_id": request_id, "error": reason}
        return control.encoded({"type": "control_response", "response": response})


async def _in_sandbox(options: SandboxOptions, asked: Asked, argv: tuple[str, ...]) -> Program:
    # In a thread: it may wait for another start of the same project.
    access = await asyncio.to_thread(prepare, options, asked)
    if options.open_network is not None:
        # Before the start: the launcher inside asks for its network at once.
        await options.open_network(asked.work_directory)
    return Program(argv, environment_inside(options, asked.environment), access)


def _begin(start: ConversationStart) -> launch.Start:
    if start.fork is not None and not start.resume:
        return launch.Fork(start.fork.conversation_id, start.conversation_id, start.fork.last_uuid or None)
    if start.resume:
        return launch.Resume(start.conversation_id, continue_turn=start.continues)
    return launch.Fresh(start.conversation_id)


def _answer_permission(request_id: str, body: PermissionBody, decision: Decision) -> bytes:
    match decision:
        case Allow() | AllowSession():
            # The rule for a session goes in a line of its own, `permission_rules`, to this process and to each
            # later one.
            return answers.allow(request_id, body.input)
        case AllowAlways(number) if 0 <= number < len(body.suggestions):
            suggestion = body.suggestions[number].body
            # Rules are our own rows and are sent in a line of their own, so only a mode goes with the answer.
            kept = [suggestion] if suggestion.get("type") == "setMode" else []
            return answers.allow(request_id, body.input, kept)
        case Deny(note):
            return answers.deny(request_id, note)
        case _:
            raise WrongAnswer("permission")


def _answer_question(request_id: str, body: QuestionBody, decision: Decision) -> bytes:
    match decision:
        case Answer(said):
            return answers.answer_question(request_id, body.input, said)
        case Deny(note):
            return answers.deny(request_id, note)
        case _:
            raise WrongAnswer("question")


def _answer_plan(request_id: str, body: PlanBody, decision: Decision) -> bytes:
    match decision:
        case ApprovePlan(accept_edits):
            return answers.approve_plan(request_id, body.input, accept_edits=accept_edits)
        case RevisePlan(note) | Deny(note):
            return answers.revise_plan(request_id, note)
        case _:
            raise WrongAnswer("plan")


def _answer_server(request_id: str, body: FormBody | LinkBody, decision: Decision) -> bytes:
    match decision:
        case FillForm(values) if isinstance(body, FormBody):
            return answers.accept(request_id, filled(body, values))
        case FollowLink() if isinstance(body, LinkBody):
            return answers.accept(request_id)
        case Deny():
            return answers.decline(request_id)
        case Postpone():
            return answers.postpone(request_id)
        case _:
            raise WrongAnswer("form" if isinstance(body, FormBody) else "link")


def values_of(rules: Iterable[Rule], kind: RuleKind) -> list[str]:
    """Return the values of the rules of one kind, each once, in their order."""
    return list(dict.fromkeys(rule.value for rule in rules if rule.kind is kind))
