#!/bin/sh
# A `claude` that costs nothing: answers control requests, takes prompts and begins an answer that it never
# ends. What it says further is written into its output log by `producer.py`.
case $1 in --version) echo '2.1.329 (Claude Code)'; exit ;; esac
while IFS= read -r line; do
    case $line in
    *'"control_request"'*)
        id=${line#*'"request_id":"'} id=${id%%'"'*}
        printf '{"type":"control_response","response":{"subtype":"success","request_id":"%s","response":{"session_state":"idle","totalTokens":1,"maxTokens":9}}}\n' "$id"
        case $line in *'"end_session"'*) exit 0 ;; esac
        ;;
    *'"type":"user"'*)
        id=${line#*'"uuid":"'} id=${id%%'"'*}
        printf '{"type":"system","subtype":"session_state_changed","state":"running"}\n'
        printf '{"type":"command_lifecycle","command_uuid":"%s","state":"started"}\n' "$id"
        printf '{"type":"stream_event","event":{"type":"message_start","message":{"id":"msg_1","role":"assistant","content":[]}},"parent_tool_use_id":null}\n'
        printf '{"type":"stream_event","event":{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}},"parent_tool_use_id":null}\n'
        ;;
    esac
done
