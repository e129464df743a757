# The host: runs one program between two append-only logs, and outlives whoever started it.
#
#   sh host.sh run  MARK DIRECTORY BOOT PS MV TAIL TAIL_OPTIONS PROGRAM [ARGUMENT…]
#   sh host.sh feed MARK DIRECTORY BOOT PS MV TAIL TAIL_OPTIONS FIRST_BYTE
#
# `run` is the shell of a host, `feed` a new follower for one whose follower died (its stdout is the FIFO).
# Both are started detached. stderr is the starter's pipe: `ready` on it means that the file `pid` is written;
# anything else is why it failed. All paths and the program come as arguments; nothing is ever evaluated.
# MARK is there to be seen in a list of processes. PS tells when a process started; empty means that /proc does.
# The whole script is parsed before it runs, so that replacing this file cannot disturb a running host.

# Sets `start` to when process $1 started, to `gone` if there is no such process any more.
start_of() {
    start=gone
    if [ -n "$ps" ]; then
        # As `machine/macos.py` spells it.
        until lines=$(LC_ALL=C TZ=UTC0 "$ps" -o lstart= -p "$1") && [ -n "$lines" ]; do
            kill -0 "$1" 2>/dev/null || return 0
        done
        # shellcheck disable=SC2086
        set -- $lines
        start=$1_$2_$3_$4_$5
        return 0
    fi
    # A read can also fail because a child ended meanwhile: that is no answer.
    until read -r stat 2>/dev/null <"/proc/$1/stat"; do
        [ -e "/proc/$1" ] || return 0
    done
    stat=${stat##*) }
    # shellcheck disable=SC2086
    set -- $stat
    start=${20}
}

# Sets `sandbox` to the pid of a sandbox's process 1, which bwrap tells as JSON; empty if bwrap made none.
# Reads to the end: bwrap must not write to a pipe without a reader.
sandbox_of() {
    sandbox=
    while read -r line; do
        case $line in
        *'"child-pid":'*) sandbox=${line##*: }; sandbox=${sandbox%,} ;;
        esac
    done <"$1"
}

# The starter may be dead already: then a SIGPIPE ends the subshell only.
say_ready() {
    (echo ready >&4)
    exec 4>&-
}

run() {
    directory=$1 boot=$2 ps=$3 mv=$4 tail=$5 tail_options=$6
    shift 6
    trap '' HUP
    exec 4>&2 2>>"$directory/stderr.log"
    # Open for reading and writing: the program never sees the end of its input, whoever comes and goes.
    exec 3<>"$directory/in"
    # The FIFO is opened while descriptor 3 still holds its other end: opening it cannot block.
    # shellcheck disable=SC2086
    "$tail" $tail_options -c +1 -f "$directory/input.ndjson" >"$directory/in" 2>/dev/null 3>&- 4>&- &
    follower=$!
    sandbox=
    if [ -p "$directory/sandbox" ]; then
        "$@" <&3 >>"$directory/output.ndjson" 3>&- 4>&- 5>"$directory/sandbox" &
        program=$!
        sandbox_of "$directory/sandbox"
    else
        "$@" <&3 >>"$directory/output.ndjson" 3>&- 4>&- &
        program=$!
    fi
    exec 3>&-
    [ -z "$sandbox" ] || { start_of "$sandbox"; sandbox_start=$start; }
    start_of "$program"; program_start=$start
    start_of "$follower"; follower_start=$start
    start_of $$
    # Only now: the program keeps the user's own umask.
    umask 077
    {
        echo "boot $boot"
        echo "shell $$ $start"
        echo "program $program $program_start"
        echo "follower $follower $follower_start"
        [ -z "$sandbox" ] || echo "sandbox $sandbox $sandbox_start"
    } >"$directory/pid.tmp" && "$mv" "$directory/pid.tmp" "$directory/pid" || exit 1
    say_ready
    # What follows would only add the shell's own remarks ("Terminated") to what the program said.
    exec 2>/dev/null
    wait "$program"
    code=$?
    echo "$code" >"$directory/exit.tmp" && "$mv" "$directory/exit.tmp" "$directory/exit"
    # The follower may have been replaced: the file knows, `$follower` does not.
    while read -r role pid then; do
        [ "$role" = follower ] || continue
        start_of "$pid"
        [ "$start" = gone ] || [ "$start" != "$then" ] || kill "$pid"
    done <"$directory/pid"
    # Takes its exit status: not every system has a process 1 that does.
    wait "$follower"
}

feed() {
    directory=$1 boot=$2 ps=$3 mv=$4 tail=$5 tail_options=$6 first_byte=$7
    trap '' HUP
    exec 4>&2 2>/dev/null
    umask 077
    start_of $$
    # Recorded before it feeds, and `exec` keeps the pid: no follower feeds that the file does not know.
    {
        while read -r role rest; do
            [ "$role" = follower ] || echo "$role $rest"
        done <"$directory/pid"
        echo "follower $$ $start"
    } >"$directory/pid.feed.tmp" && "$mv" "$directory/pid.feed.tmp" "$directory/pid" || exit 1
    say_ready
    # shellcheck disable=SC2086
    exec "$tail" $tail_options -c "+$first_byte" -f "$directory/input.ndjson"
}

main() {
    mode=$1
    shift 2
    "$mode" "$@"
    exit
}

main "$@"
