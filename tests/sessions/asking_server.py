"""An MCP server on stdin and stdout whose one tool asks the person for input, and tells what came back.

The tool's input is what it asks for: the parameters of `elicitation/create`.

Format: Model Context Protocol, stdio transport, `elicitation/create`.
"""

import json
import sys
from typing import Any

Message = dict[str, Any]


def main() -> None:
    waiting: Any = None
    for line in sys.stdin:
        message = json.loads(line)
        method, ident = message.get("method"), message.get("id")
        if method == "initialize":
            facts = {"capabilities": {"tools": {}}, "serverInfo": {"name": "asking", "version": "1"}}
            reply(ident, {"protocolVersion": message["params"]["protocolVersion"], **facts})
        elif method == "tools/list":
            reply(ident, {"tools": [{"name": "ask", "inputSchema": {"type": "object"}}]})
        elif method == "tools/call":
            waiting = ident
            params = message["params"].get("arguments") or {}
            send({"jsonrpc": "2.0", "id": "asked", "method": "elicitation/create", "params": params})
        elif ident == "asked":
            answer = json.dumps(message.get("result") or message.get("error"))
            reply(waiting, {"content": [{"type": "text", "text": f"the person said {answer}"}]})
        elif ident is not None:
            reply(ident, {})


def reply(ident: Any, result: Message) -> None:
    send({"jsonrpc": "2.0", "id": ident, "result": result})


def send(message: Message) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
