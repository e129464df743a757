"""The OpenAPI 3.1 document, made from the table of routes and the types that they take and return.

Source: OpenAPI Specification 3.1.0. Its schemas are JSON Schema 2020-12, which msgspec generates.
"""

import inspect
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from web.problems import CONTENT_TYPE, Problem
from web.routing import KEY, Route

_REF = "#/components/schemas/{name}"
_KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "schema": {"type": "string", "pattern": f"^{KEY.pattern}$"},
    "description": "The sender's name for this act. The same act sent again is done once; another is refused.",
}


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the document for `routes`. Pure."""
    shown = [route for route in routes if route.in_document]
    kinds = [kind for route in shown for kind in (route.body, route.query, route.reply) if kind is not None]
    schemas, components = msgspec.json.schema_components([*kinds, Problem], ref_template=_REF)
    schemas, components = _renamed(schemas), _renamed(components)
    # Not strict: the last schema is that of `Problem`, which no route names.
    by_kind = {id(kind): schema for kind, schema in zip(kinds, schemas, strict=False)}
    paths: dict[str, Any] = {}
    for route in shown:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, by_kind, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Claude-Discord Bridge",
            "version": "1",
            "description": "Sessions of Claude Code that outlive the bridge. Errors: problem+json, RFC 9457.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "cookie": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "__Host-bridge",
                    "description": "The login of a browser. Without HTTPS the name is `bridge-` with the port.",
                },
            },
        },
    }


def _renamed(schemas: Any) -> Any:
    """Return schemas or components with names that are one word, made plain.

    msgspec names two types of one name by their modules: `web.handlers.asks.Approval` becomes `AsksApproval`.
    """
    if isinstance(schemas, dict) and any("." in name for name in schemas):
        schemas = {
            _word(name): {**schema, "title": _word(name)} if "." in name else schema
            for name, schema in schemas.items()
        }
    return _plain(schemas)


def _word(name: str) -> str:
    *modules, kind = name.split(".")
    return "".join(word.capitalize() for word in modules[-1].split("_")) + kind if modules else kind


def _plain(schema: Any) -> Any:
    """Return `schema` without `prefixItems` and the boolean `items` after it: few generators know them.

    An array of a fixed length says its length and which kinds of items it has.
    """
    if isinstance(schema, list | tuple):
        return [_plain(each) for each in schema]
    if isinstance(schema, str) and schema.startswith(_REF.format(name="")):
        return _REF.format(name=_word(schema.rpartition("/")[2]))
    if not isinstance(schema, dict):
        return schema
    plain = {name: _plain(value) for name, value in schema.items() if name != "prefixItems"}
    if "prefixItems" in schema:
        kinds = [_plain(each) for each in schema["prefixItems"]]
        # Not a set: schemas are dictionaries.
        different = [each for number, each in enumerate(kinds) if each not in kinds[:number]]
        plain["items"] = different[0] if len(different) == 1 else {"anyOf": different}
        plain |= {"minItems": len(kinds), "maxItems": len(kinds)}
    return plain


def _operation(route: Route, by_kind: dict[int, Any], components: dict[str, Any]) -> dict[str, Any]:
    said = inspect.getdoc(route.handler) or ""
    summary, _, more = said.partition("\n\n")
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": " ".join(summary.split()),
        "parameters": _parameters(route, by_kind, components),
        "responses": {
            str(route.status): _response(route, by_kind),
            "default": {
                "description": "The request was refused or failed.",
                "content": {CONTENT_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}},
            },
        },
    }
    if more:
        operation["description"] = " ".join(more.split())
    if route.body is not None:
        schema = by_kind[id(route.body)]
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if route.scope is not None:
        operation["security"] = [{"token": []}, {"cookie": []}]
        # OpenAPI knows no scopes of bearer tokens, so this is a word of our own.
        operation["x-scope"] = route.scope.value
    else:
        operation["security"] = []
    return operation


def _parameters(route: Route, by_kind: dict[int, Any], components: dict[str, Any]) -> Sequence[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in route.places
    ]
    if route.query is not None:
        name = by_kind[id(route.query)]["$ref"].rpartition("/")[2]
        schema = components[name]
        found += [
            {"name": each, "in": "query", "required": each in schema.get("required", ()), "schema": kind}
            for each, kind in schema["properties"].items()
        ]
    # The login has no key: a code can be spent only once.
    if route.method != "GET" and route.scope is not None:
        found.append(_KEY_HEADER)
    return found


def _response(route: Route, by_kind: dict[int, Any]) -> dict[str, Any]:
    if route.reply is None:
        schema: dict[str, Any] = {}
    else:
        schema = by_kind[id(route.reply)]
    return {"description": "Done.", "content": {kind: {"schema": schema} for kind in route.media_types}}
