"""Secrets are taken out by value and by shape; what only looks a bit like one stays."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from texts.redaction import MARK, Redactor

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijKLMNOP"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----"

SECRETS = {
    "Anthropic": "sk-ant-api03-abcdefghijklmnop_qrstu",
    "OpenAI": "sk-proj-abcdefghijklmnopqrstuvwxyz",
    "GitHub": "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "GitHub, fine": "github_pat_11ABCDEFG0abcdefghijkl_mnop",
    "GitLab": "glpat-abcdefghij0123456789",
    "Slack": "xoxb-1234567890-abcdefghij",
    "AWS": "AKIAIOSFODNN7EXAMPLE",
    "Google": "AIzaSyA-abcdefghijklmnopqrstuvwxyz01234",
    "Discord": "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcDE.abcdefghijklmnopqrstuvwxyz012345",
    "JSON Web Token": JWT,
    "Anthropic, short": "sk-ant-api03-ab",
    "Stripe": "sk_live_abcdefghijklmnop0123",
    "GitHub, app": "ghs_" + "a" * 36,
    "Slack, bot": "xoxo-123456789012-abc",
    "AWS, for a while": "ASIAABCDEFGHIJKLMNOP",
    "npm": "npm_" + "a1" * 18,
    "PyPI": "pypi-" + "AgEIcHlwaS5vcmc" * 4,
    "Hugging Face": "hf_" + "aB" * 17,
    "Discord, of a young account": "MTE0NDU2Nzg5MDEyMzQ1Njc4OTA.GaBcDeF." + "x" * 38,
    "Discord webhook": "https://discord.com/api/webhooks/123456789012345678/" + "a-b_" * 17,
    "JSON Web Token, encrypted": "eyJhbGciOiJI.c2VjcmV0a2V5.c2lnbmF0dXJl.x.y",
    "bearer": "Bearer abcdefghijklmnop1234",
    "bearer without a digit": "bearer abcdefghijklmnopqrst",
    "private key": PEM,
    "private key, cut": PEM[:50],
    "private key, in one line": PEM.replace("\n", "\\n"),
    "private key, of PGP": PEM.replace("RSA PRIVATE KEY", "PGP PRIVATE KEY BLOCK"),
    "private key, of SSH2": "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nP2/56wAAAa\n",
    "private key, in Base64": "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpNSUlFcEFJQkFBS0NBUUVB",
    "GitHub, app with a JSON Web Token": f"ghs_123456_{JWT}",
    "GitLab, routable": "glpat-" + "aB1" * 9 + ".01.1a2b3c4d5",
    "GitLab, runner": "glrt-" + "aB1-" * 5,
    "Slack, of a browser": "xoxc-1234567890-abcdef0123456789",
    "Slack, of a cookie": "xoxd-AbC%2FdefGHIjklMNOpqr",
    "Slack, rotating": "xoxe.xoxp-1-Mi0yLTEyMzQ1Njc4OTAtMTIz",
    "Stripe, webhook": "whsec_" + "aB1x" * 8,
    "Google, of an hour": "ya29.a0AfH6SMBabcdefghijklmnop",
    "Google, client": "GOCSPX-" + "aB1x" * 7,
    "Docker": "dckr_pat_" + "aB1" * 9,
    "Vault": "hvs." + "aB1x" * 20,
    "SendGrid": f"SG.{'aB' * 11}.{'aB1' * 14}",
    "Telegram": "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1",
    "age": "AGE-SECRET-KEY-1" + "QPZRY9X8GF2TVDW0S3JN54KHCE" * 2,
    "JSON Web Token behind a name": f"token_{JWT}",
}


@pytest.mark.parametrize("name", SECRETS)
def test_each_known_shape_is_marked_wherever_it_stands(name: str) -> None:
    for around in ("{}", "before {} after", "`{}`", '"{}"', "({})", "line\n{}\nline", "url?x={}&y=1"):
        shown = Redactor().redact(around.format(SECRETS[name]))
        assert SECRETS[name] not in shown
        assert MARK in shown


ASSIGNED = {
    "PASSWORD=hunter2hunter2": "hunter2hunter2",
    "export DB_PASSWORD='correct horse'": "correct horse",
    'api_key: "abcdef123456"': "abcdef123456",
    '{"client_secret": "abcdef123456"}': "abcdef123456",
    "{'access_token': 'abcdef123456'}": "abcdef123456",
    '"apiKey":"abcdef123456"': "abcdef123456",
    "MY_TOKEN = abcdef123456": "abcdef123456",
    "Authorization: Bearer abcdef1234567890": "abcdef1234567890",
    '"Authorization": "Basic dXNlcjpwYXNzd29yZA=="': "dXNlcjpwYXNzd29yZA",
    "postgres://ann:hunter2hunter2@db/x": "hunter2hunter2",
    "https://ann:pw@example.com/x": "ann:pw",
    "https://ann:p@ss/hunter22@example.com/x": "hunter22",
    "https://0123456789abcdef0123456789abcdef@example.com/": "0123456789abcdef",
    "x-api-key: hunter22xyz": "hunter22xyz",
    "secret-key: hunter22xyz": "hunter22xyz",
    "AccountKey=hunter22xyz;": "hunter22xyz",
    "Server=db;Uid=sa;Pwd=hunter22xyz;": "hunter22xyz",
    "PASSWORD=pa;hunter22xyz": "hunter22xyz",
    "passphrase: hunter22xyz": "hunter22xyz",
    'password := "hunter22xyz"': "hunter22xyz",
    "'password' => 'hunter22xyz'": "hunter22xyz",
    'const password: string = "hunter22xyz"': "hunter22xyz",
    'if password == "hunter22xyz":': "hunter22xyz",
    "os.environ['PASSWORD'] = 'hunter22xyz'": "hunter22xyz",
    '"password": "it\'s-hunter22xyz"': "hunter22xyz",
    r'"password": "ab\u0026-hunter22xyz"': "hunter22xyz",
    'password = "correct horse hunter22xyz': "hunter22xyz",
    '{"name": "DB_PASSWORD", "value": "hunter22xyz"}': "hunter22xyz",
    "- name: DB_PASSWORD\n  value: hunter22xyz": "hunter22xyz",
    r'"{\"a\": \"{\\\"password\\\": \\\"hunter22xyz\\\"}\"}"': "hunter22xyz",
    "<password>hunter22xyz</password>": "hunter22xyz",
    "tool --api-key hunter22xyz --verbose": "hunter22xyz",
    "curl -u ann:hunter22xyz https://h.example": "hunter22xyz",
    "machine h login ann password hunter22xyz": "hunter22xyz",
    "ENV API_TOKEN hunter22xyz": "hunter22xyz",
    "Authorization: token hunter22xyz1234": "hunter22xyz1234",
    r"{\"Authorization\": \"Basic dXNlcjpwYXNzd29yZA==\"}": "dXNlcjpwYXNzd29yZA",
    '"auth": "dXNlcjpwYXNzd29yZA=="': "dXNlcjpwYXNzd29yZA",
    "Set-Cookie: sid=hunter22xyz; HttpOnly": "hunter22xyz",
    "https://h.example/x?sig=abcdEFGH1234abcd%3D": "abcdEFGH1234abcd",
    "mysql -u root -phunter22xyz shop": "hunter22xyz",
    "mysqldump --single-transaction -p'hunter 22xyz' shop": "22xyz",
    '{"command": "mysql -p\\"hunter22xyz\\" -e \\"select 1\\""}': "hunter22xyz",
    "mariadb-admin -uroot -phunter22xyz ping": "hunter22xyz",
    '["mysql", "-u", "root", "-phunter22xyz"]': "hunter22xyz",
    "psql postgres://ann:hunter22xyz@db.example/shop": "hunter22xyz",
    'psql "host=db user=ann password=hunter22xyz"': "hunter22xyz",
    "curl -sSuann:hunter22xyz https://h.example": "hunter22xyz",
    "curl -u 'ann:hunter 22xyz' https://h.example": "22xyz",
    "curl -X POST --user ann:hunter22xyz https://h.example": "hunter22xyz",
    "sshpass -p hunter22xyz ssh ann@h.example": "hunter22xyz",
    "sshpass -v -p'hunter22xyz' ssh ann@h.example": "hunter22xyz",
    "redis-cli -h h.example -a hunter22xyz ping": "hunter22xyz",
    '["redis-cli", "-a", "hunter22xyz"]': "hunter22xyz",
    "mongosh -u ann -p hunter22xyz": "hunter22xyz",
    "docker login -u ann -p hunter22xyz h.example": "hunter22xyz",
    "ldapsearch -x -D cn=ann -w hunter22xyz": "hunter22xyz",
    "zip -P hunter22xyz a.zip a": "hunter22xyz",
    "openssl enc -aes-256-cbc -pass pass:hunter22xyz": "hunter22xyz",
    "tool --password 'correct horse hunter22xyz' --verbose": "hunter22xyz",
    "https://hooks.slack.com/services/T00000000/B00000000/abcdefghijkl": "abcdefghijkl",
}


@pytest.mark.parametrize("text", ASSIGNED)
def test_what_is_given_to_a_telling_name_is_marked(text: str) -> None:
    shown = Redactor().redact(text)
    assert ASSIGNED[text] not in shown
    assert MARK in shown


@pytest.mark.parametrize(
    "text",
    [
        "The password is kept in a file.", "token count: 1,234", "a task-list of sk- words", "secret santa",
        "https://h.example/a/b?page=2", "const tokens = 12",
        "git commit 0123456789abcdef0123456789abcdef01234567",
        "550e8400-e29b-41d4-a716-446655440000", "user@host: ~$ ls", "see http://ann@h.example/",
        "01a1fd12-2d3b-7d46-a919-63905afaeadc", "123456789012345678", "bridge.wiring", "http://127.0.0.1:8080/v1",
        "a:b@c", "the bearer of news", "http://127.0.0.1:3000/@me", "git commit --author ann",
        "docker run -u 1000:1000 x", "mysql -p shop", "mysql -P 3306 -h h.example", 'mysql -p"$PASS" shop',
        "docker run --name mysql -p3306:3306 x", "mysql --protocol=socket", "nmap h.example -p3306 # mysql",
        "use the --password option", '{"token": null, "secret": true}',
        "tokens: 12345678", "a cookie: yes please",
    ],
)  # fmt: skip
def test_what_is_no_secret_stays(text: str) -> None:
    assert Redactor().redact(text) == text


@pytest.mark.parametrize(
    "value",
    [
        {"password": 12345678, "next": [1]}, {"TOKEN=": 12345678}, {"say": 'curl "h?PASSWORD=abcdef"'},
        {"say": 'x-----BEGIN PRIVATE KEY-----abc"d'}, {"say": "token='", "next": "it's TOKENabc'"},
        {"the value": 123456789, "of": 'a token, value "'},
        json.dumps({"say": "api-key='", "next": "a secret's"}),
        {"say": "mysql -p", "next": "x 'y'"}, ["redis-cli", "-a", "hunter22xyz", "it's"],
        {"say": "use --password ", "next": [1, "abcdef"]}, {"say": "curl -u a:", "next": "abcdefgh"},
        {"say": "PASSWORD=abcdef\\"}, {"a": "Cookie: a=bcdefgh\"i", "b": "https://a:b\"c@d"},
    ],
)  # fmt: skip
def test_a_line_of_json_stays_json(value: object) -> None:
    json.loads(Redactor().redact(json.dumps(value)))


def test_a_known_value_is_marked_as_json_spells_it() -> None:
    assert Redactor(['with "quotes" ä']).redact(r'{"x": "with \"quotes\" \u00e4"}') == f'{{"x": "{MARK}"}}'


def test_known_values_are_marked_the_longest_first_and_as_text() -> None:
    redactor = Redactor(["abc.def+ghi", "abc.def+ghi-longer", "short"])
    assert redactor.redact("x abc.def+ghi-longer y abc.def+ghi z") == f"x {MARK} y {MARK} z"
    assert redactor.redact("abcXdefffghi short") == "abcXdefffghi short"


@given(st.text(), st.text(), st.sampled_from(sorted(SECRETS.values())))
def test_no_text_around_it_hides_a_known_value(before: str, after: str, secret: str) -> None:
    assert secret not in Redactor([secret]).redact(f"{before}{secret}{after}")


@given(st.text(max_size=2000))
def test_redacting_twice_is_redacting_once(text: str) -> None:
    once = Redactor().redact(text)
    assert Redactor().redact(once) == once


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "piece",
    [
        "A",
        "-eyJ",
        "a.",
        "TOKEN",
        "-----BEGIN ",
        'TOKEN="',
        "a://b:",
        "eyJaaaaaaaaaa.",
        "Bearer ",
        "sk-",
        "M.a",
        "password ",
        "=",
        "mysql ",
        "curl -u",
        "docker login ",
    ],
)
def test_megabytes_of_anything_are_read_in_time(piece: str) -> None:
    Redactor(["a-known-value"]).redact(piece * (1_000_000 // len(piece)))
