# What a tmux pane of a host runs: `cat` while nobody looks, the watch command while somebody does.
#
#   sh pane.sh DIRECTORY [WATCH [ARGUMENT…]]
#
# tmux runs it again at each change (`respawn-pane`), with CLAUDE_BRIDGE_LOOK=1 while a client is attached.
# No key pressed here reaches the host: the pane is a place to look.

main() {
    directory=$1
    shift
    # The window's name, as an escape sequence: in an argument, all users of the machine could read it.
    if read -r title 2>/dev/null <"$directory/title"; then
        printf '\033k%s\033\\' "$title"
    fi
    if [ "${CLAUDE_BRIDGE_LOOK-}" = 1 ] && [ $# -gt 0 ]; then
        # Ctrl-C ends the watch command, not the pane.
        trap : INT
        "$@" "$directory"
    fi
    trap '' INT QUIT TSTP
    exec cat >/dev/null
}

main "$@"
