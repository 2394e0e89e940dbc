#!/bin/bash
# tools/run.sh BUILD PORT TLS_PORT, called by `make run`: a mail server to play with. Its configuration and mail
# are in BUILD/run/ and stay there between runs.
set -euo pipefail
umask 077
cd "$(dirname "$0")/.."

build=$1
port=$2
tls_port=$3
home=$PWD/$build/run
tls=
servers=()

fail() {
    echo "make run: $*" >&2
    exit 1
}

# write FILE: writes standard input to it, unless the file exists.
write() { [ -e "$home/$1" ] || cat >"$home/$1"; }

# A key and a self-signed certificate.
certify() {
    [ ! -e "$home/tls.crt" ] || [ ! -e "$home/tls.key" ] || return 0
    certtool --generate-privkey --key-type ecdsa --curve secp256r1 --outfile "$home/tls.key" &&
        certtool --generate-self-signed --load-privkey "$home/tls.key" --template /dev/stdin \
            --outfile "$home/tls.new" <<END && mv "$home/tls.new" "$home/tls.crt"
cn = mx.example.org
dns_name = mx.example.org
dns_name = localhost
ip_address = 127.0.0.1
tls_www_server
signing_key
expiration_days = 3650
END
}

configure() {
    mkdir -p "$home/mail"
    write mailslot.conf <<END
# Edit this as you like: \`make run\` does not overwrite it. After a change: $build/mailslot-build -C $build/run
hostname  = mx.example.org
domains   = example.org
mail-root = $home/mail
tls-certificate = tls.crt
tls-key         = tls.key
END
    write users <<END
# address:credentials:options. bob has no password and only receives.
alice@example.org::
bob@example.org::
END
    write aliases <<END
postmaster@example.org: alice@example.org
info@example.org: alice@example.org, bob@example.org
@example.org: bob@example.org
END
    local said
    said=$(certify 2>&1) || fail "certtool could not make a certificate: $said"
    if grep -q '^ *tls-certificate' "$home/mailslot.conf"; then
        tls=yes
    else
        echo "$build/run/mailslot.conf sets no tls-certificate, so this run has no TLS and no AUTH."
        echo "For both, add: tls-certificate = tls.crt"
        echo "               tls-key = tls.key"
    fi
    "$build/mailslot-build" -C "$home"
}

# The password goes through a pipe, never into a file, an argument or the environment.
give_alice_a_password() {
    if grep -q '^alice@example.org::' "$home/users"; then
        unset password # in case it was exported
        password=$(head -c 12 /dev/urandom | base64)
        echo "$password" | "$build/mailslot-user" -C "$home" passwd alice >/dev/null
        echo "alice's password (shown only once): $password"
    else
        echo "alice has the password that an earlier run showed."
    fi
    echo "To set another: $build/mailslot-user -C $build/run passwd alice"
}

open_session() { exec 3<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null

# serve PORT VARIABLE OPTION...: starts a server in its own process group, so that one signal reaches the listener
# and all its sessions.
serve() {
    if (open_session "$1"); then
        fail "port $1 is in use; try: make run $2=$(($1 + 1))"
    fi
    set -m
    "$build/mailslot-smtpd" -d "$home/mailslot.cdb" -u "$(id -un)" -l "127.0.0.1:$1" "${@:3}" &
    servers+=($!)
    set +m
}

start() {
    trap stop EXIT
    trap 'exit 0' INT TERM HUP
    [ -z "$tls" ] || serve "$tls_port" TLS_PORT -r submissions
    serve "$port" PORT
    for _ in {1..100}; do
        open_session "$port" && return
        kill -0 $! 2>/dev/null || break
        sleep 0.05
    done
    fail "the server on port $port has not started"
}

stop() {
    set +e
    for server in "${servers[@]}"; do
        kill -- "-$server" 2>/dev/null
    done
    wait
}

# expect CODE: reads and shows one reply, which must have this code.
expect() {
    local line
    while IFS= read -r -t 10 line <&3 || fail "no reply"; do
        printf '    S: %s\n' "${line%$'\r'}"
        [ "${line:3:1}" = - ] || break
    done
    [ "${line:0:3}" = "$1" ] || fail "expected a reply $1"
}

# say LINE...: sends and shows lines.
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

show_commands() {
    cat <<END
Try (apt install swaks netbase curl netcat-openbsd):
    swaks --server 127.0.0.1:$port --to info@example.org
    printf 'Subject: hi\\n\\nhi\\n' | curl --crlf -T - --mail-from me@example.net --mail-rcpt bob@example.org smtp://127.0.0.1:$port
    nc -C 127.0.0.1 $port
    $build/mailslot-show -C $build/run postmaster@example.org
    echo 'open sesame' | $build/mailslot-user -C $build/run add carol@example.org
    cat $build/run/mail/example.org/bob
This server sends nothing to other domains; with a smarthost it would: man smtpd/mailslot-relaying.7
END
    [ -n "$tls" ] || return 0
    cat <<END

With TLS (by STARTTLS on port $port, from the first byte on port $tls_port); these ask for alice's password
(apt install swaks netbase libnet-ssleay-perl curl openssl):
    swaks --server 127.0.0.1:$port --tls --auth-user alice@example.org --from alice@example.org --to bob@example.org
    swaks --server 127.0.0.1:$tls_port --tlsc --auth-user alice@example.org --from alice@example.org --to bob@example.org
    printf 'Subject: hi\\n\\nhi\\n' | curl --crlf -T - --cacert $build/run/tls.crt --user alice@example.org \\
        --mail-from alice@example.org --mail-rcpt bob@example.org smtps://localhost:$tls_port
    openssl s_client -quiet -crlf -starttls smtp -CAfile $build/run/tls.crt -connect 127.0.0.1:$port
    openssl s_client -quiet -crlf -CAfile $build/run/tls.crt -connect 127.0.0.1:$tls_port
When the certificate has expired: rm $build/run/tls.crt; the next \`make run\` makes a new one.
END
}

configure
start
echo "A session with mailslot on 127.0.0.1:$port:"
send_a_message
echo
echo "The last message in $build/run/mail/example.org/alice:"
last "$home/mail/example.org/alice"
show_commands
echo
[ -z "$tls" ] || give_alice_a_password
echo "Serving until Ctrl-C. The log:"
wait -n || fail "a server has stopped (exit $?)"
