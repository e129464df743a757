"""Ids in Discord's notation become names, but not in code."""

import pytest

from bot.readable_names import Names, outside_code, readable, users_in, with_users

NAMES = Names({1: "Ann", 2: "Bo\n\u200bb"})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<@1> and <@!1>", "@Ann and @Ann"),
        ("<@2>", "@Bo b"),
        ("<@3> stays", "<@3> stays"),
        ("<@&9> in <#8>", "@unknown-role in #unknown"),
        ("<:party:123> <a:wave:4>", ":party: :wave:"),
        ("<t:0> <t:86400:R>", "1970-01-01 00:00 UTC 1970-01-02 00:00 UTC"),
        ("<t:999999999999999>", "<t:999999999999999>"),
        ("</session list:12>", "/session list"),
        ("`<@1>` <@1>", "`<@1>` @Ann"),
        ("```\n<@1>\n``` <@1>", "```\n<@1>\n``` @Ann"),
        ("``a ` <@1>`` <@1>", "``a ` <@1>`` @Ann"),
        ("```\n<@1> is not closed", "```\n@Ann is not closed"),
        ("a <b> List<@Ann> <@> <#x>", "a <b> List<@Ann> <@> <#x>"),
    ],
)
def test_names_stand_for_ids_outside_of_code(text: str, shown: str) -> None:
    assert readable(text, NAMES) == shown


def test_users_without_a_known_name_are_found_and_named() -> None:
    text = "<@5> <@6> `<@7>` <@5>"
    assert users_in(text) == (5, 6)
    assert with_users(text, {5: "Eve"}) == "@Eve @unknown-user `<@7>` @Eve"


def test_many_backticks_cost_no_more_than_they_are_long() -> None:
    text = "".join("`" * (number % 50) + "x" for number in range(20_000))
    assert outside_code(text, lambda piece: piece) == text
