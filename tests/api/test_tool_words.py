"""Tools in words: paths are shown relative to the session's directory."""

import pytest

from api.words.tools import relative


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/ann/projects/shop/src/a.ts", "src/a.ts"),
        ("cat /home/ann/projects/shop/a.ts > /tmp/x", "cat a.ts > /tmp/x"),
        ('{"file_path": "/home/ann/projects/shop/a.ts"}', '{"file_path": "a.ts"}'),
        ("/home/ann/projects/shop", "."),
        ("It is in /home/ann/projects/shop.", "It is in ./."),
        ("/home/ann/projects/shop.bak/a.ts", "/home/ann/projects/shop.bak/a.ts"),
        ("in /home/ann/projects/shop/a.ts.", "in a.ts."),
        ("/home/ann/projects/shop...", "./..."),
        ("ls /home/ann/projects/shop/ && pwd", "ls . && pwd"),
        ('cd "/home/ann/projects/shop" && ls', 'cd "." && ls'),
        ("/home/ann/projects/shop-2/a.ts", "/home/ann/projects/shop-2/a.ts"),
        ("/home/ann/projects/myshop/a.ts", "/home/ann/projects/myshop/a.ts"),
        ("src/shop/a.ts", "src/shop/a.ts"),
        ("https://example.org/shop/a", "https://example.org/shop/a"),
        ("cd ~/projects/shop/src && ls ~/projects/other", "cd src && ls ~/projects/other"),
        ("see file:///home/ann/projects/shop/a.html", "see a.html"),
        ("no path", "no path"),
    ],
)
def test_a_path_is_relative_to_the_work_directory(text: str, shown: str) -> None:
    assert relative(text, "shop") == shown
    assert relative(text, "") == text
