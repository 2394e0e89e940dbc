#!/bin/bash
# tools/run.sh BUILD PORT, called by `make run`: a mail server to play with. All it has is in BUILD/run/
# and stays there from run to run.
set -euo pipefail
umask 077
cd "$(dirname "$0")/.."

build=$1
port=$2
home=$PWD/$build/run
server=

fail() {
    echo "make run: $*" >&2
    exit 1
}

# write FILE: the text on standard input, unless the file is there already.
write() { [ -e "$home/$1" ] || cat >"$home/$1"; }

configure() {
    mkdir -p "$home/mail"
    write mailslot.conf <<END
# Yours to change: \`make run\` does not overwrite it. Afterwards: $build/mailslot-build -C $build/run
hostname  = mx.example.org
domains   = example.org
mail-root = $home/mail
END
    write users <<END
# address:credentials:options. These two only receive.
alice@example.org::
bob@example.org::
END
    write aliases <<END
postmaster@example.org: alice@example.org
info@example.org: alice@example.org, bob@example.org
@example.org: bob@example.org
END
    "$build/mailslot-build" -C "$home"
}

open_session() { exec 3<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null

# The server gets a process group of its own: one signal reaches the listener and all sessions.
start() {
    if (open_session); then
        fail "port $port is busy. Another one: make run PORT=$((port + 1))"
    fi
    trap stop EXIT
    trap 'exit 0' INT TERM HUP
    set -m
    "$build/mailslot-smtpd" -d "$home/mailslot.cdb" -l "127.0.0.1:$port" &
    server=$!
    set +m
    for _ in {1..100}; do
        open_session && return
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    fail "no server on port $port"
}

stop() {
    set +e
    [ -z "$server" ] && return
    kill -- "-$server" 2>/dev/null
    wait "$server" 2>/dev/null
}

# expect CODE: reads one reply, shows it.
expect() {
    local line
    while IFS= read -r -t 10 line <&3 || fail "no reply"; do
        printf '    S: %s\n' "${line%$'\r'}"
        [ "${line:3:1}" = - ] || break
    done
    [ "${line:0:3}" = "$1" ] || fail "a reply $1 was due"
}

# say LINE...: sends lines, shows them.
say() {
    local line
    for line; do
        printf '    C: %s\n' "$line"
        printf '%s\r\n' "$line" >&3
    done
}

send_a_message() {
    expect 220
    say "EHLO client.example.net" && expect 250
    say "MAIL FROM:<you@example.net>" && expect 250
    say "RCPT TO:<alice@example.org>" && expect 250
    say "DATA" && expect 354
    say "From: you@example.net" "To: alice@example.org" "Subject: a letter through the slot" \
        "Date: $(LC_ALL=C date -R)" "" "Dry and safe." "." && expect 250
    say "QUIT" && expect 221
    exec 3>&-
}

# The last message of a mailbox.
last() { awk '/^From / { text = "" } { text = text "    " $0 "\n" } END { printf "%s", text }' "$1"; }

configure
start
echo "A session with mailslot on 127.0.0.1:$port:"
send_a_message
echo
echo "What is now at the end of $build/run/mail/example.org/alice:"
last "$home/mail/example.org/alice"
cat <<END
Try (apt install swaks curl netcat-openbsd):
    swaks --server 127.0.0.1:$port --to info@example.org
    printf 'Subject: hi\\n\\nhi\\n' | curl --crlf -T - --mail-from me@example.net --mail-rcpt bob@example.org smtp://127.0.0.1:$port
    nc -C 127.0.0.1 $port
    $build/mailslot-show -C $build/run postmaster@example.org
    echo 'open sesame' | $build/mailslot-user -C $build/run add carol@example.org
    cat $build/run/mail/example.org/bob

Serving until Ctrl-C; the log:
END
wait "$server" || fail "the server has stopped (exit $?)"
