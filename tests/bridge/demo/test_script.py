"""The directive language, word by word."""

import pytest

from bridge.demo.script import (
    GUIDE,
    Big,
    Break,
    Call,
    Digest,
    Exhibit,
    Gate,
    Lines,
    Pace,
    Refuse,
    Say,
    Step,
    Think,
    Together,
    Unknown,
    parse_script,
)


@pytest.mark.parametrize(
    ("prompt", "steps"),
    [
        ("no directive at all", []),
        ("not-demo:text x", []),
        ("please demo:text one two", [Say("one two")]),
        ("demo:text one\nignored\ndemo:text two", [Say("one"), Say("two")]),
        ("demo:text a demo:text b", [Say("a"), Say("b")]),
        ("demo:table demo:code demo:unicode", [Exhibit("table"), Exhibit("code"), Exhibit("unicode")]),
        ("demo:text {a\nb demo:text c}", [Say("a\nb demo:text c")]),
        ("demo:text unbalanced { brace demo:digest", [Say("unbalanced { brace"), Digest()]),
        (
            "demo:bash awk '{print}' f demo:and demo:bash ls",
            [Call("bash", ("awk '{print}' f",)), Together(), Call("bash", ("ls",))],
        ),
        ("demo:bash echo ${X} | cat", [Call("bash", ("echo ${X} | cat",))]),
        ("demo:write a.txt {x\ny}", [Call("write", ("a.txt", "x\ny"))]),
        ("demo:edit a.txt {x y} {z}", [Call("read", ("a.txt",)), Call("edit", ("a.txt", "x y", "z"))]),
        ("demo:edit a.txt x z", [Call("read", ("a.txt",)), Call("edit", ("a.txt", "x", "z"))]),
        ('demo:tool Glob {"pattern": "*"}', [Call("tool", ("Glob", '{"pattern": "*"}'))]),
        ("demo:subagent {demo:bash ls demo:text x}", [Call("subagent", ("demo:bash ls demo:text x",))]),
        ("demo:long demo:long 3 demo:big 2", [Lines(100), Lines(3), Big(2)]),
        (f"demo:long {'9' * 5_000} demo:big 20000 demo:slow 0", [Lines(1_000_000), Big(10_000), Pace(0)]),
        (f"demo:error 500 after={'9' * 5_000} times=2", [Refuse(500, 86_400, 2)]),
        ("demo:slow demo:slow 0 demo:gate g demo:thinking hm", [Pace(50), Pace(0), Gate("g"), Think("hm")]),
        ("demo:error 429 after=2 times=3", [Refuse(429, 2, 3)]),
        (
            "demo:error 529 demo:error drop times=1 demo:error sse-error",
            [Refuse(529, None, 0), Break("drop", 1), Break("sse-error", 0)],
        ),
        ("demo:error 200 demo:error", [Unknown("error 200"), Unknown("error")]),
        ("demo:fly", [Unknown("fly")]),
    ],
)
def test_prompt_is_read_as_steps(prompt: str, steps: list[Step]) -> None:
    assert list(parse_script(prompt)) == steps


def test_plan_enters_plan_mode_writes_the_plan_and_asks() -> None:
    verbs = [step.verb for step in parse_script("demo:plan go") if isinstance(step, Call)]
    assert verbs == ["enter-plan", "plan-file", "exit-plan"]


def test_every_word_of_the_guide_is_a_directive() -> None:
    words = [line.split()[0] for line in GUIDE.splitlines() if line.startswith("demo:")]
    assert len(words) > 15
    for word in [*words, "demo:code"]:
        if word != "demo:error":
            assert not any(isinstance(step, Unknown) for step in parse_script(word)), word
