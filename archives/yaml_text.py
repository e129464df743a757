"""Writes YAML that every parser reads back the same: each text is quoted, so none of it looks like a number."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Value: TypeAlias = "str | int | float | bool | Sequence[Value] | Mapping[str, Value] | None"


def to_yaml(values: Mapping[str, Value]) -> str:
    """Return `values` as a YAML document with keys in their order. Keys are plain words."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Quotes texts. YAML 1.1 and 1.2 disagree on unquoted ones such as `1e3`, `0o7` and `no`."""

        # Otherwise a value that comes twice is written as an anchor and an alias (`&id001`, `*id001`).
        def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 (the parser's name)
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"')

    def mapping(dumper: yaml.SafeDumper, value: Mapping[str, Value]) -> yaml.MappingNode:
        plain = yaml.SafeDumper.represent_str
        pairs = [(plain(dumper, key), dumper.represent_data(each)) for key, each in value.items()]
        return yaml.MappingNode("tag:yaml.org,2002:map", pairs, flow_style=False)

    Dumper.add_representer(str, text)
    Dumper.add_representer(dict, mapping)
    return yaml.dump(_plain(values), Dumper=Dumper, allow_unicode=True, width=1_000_000, sort_keys=False)


def _plain(value: Value) -> object:
    """Return `value` as dictionaries and lists. Lone surrogates, which UTF-8 cannot hold, become U+FFFD."""
    match value:
        case str():
            return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        case bool() | int() | float() | None:
            return value
        case Mapping():
            return {key: _plain(each) for key, each in value.items()}
        case _:
            return [_plain(each) for each in value]
