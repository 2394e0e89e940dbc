# Completion in bash for all programs of mailslot. Options and commands are read from --help, so that none is
# missing here, and addresses from `mailslot-user list`, if the user may read the file `users`.

_mailslot_help() { # PROGRAM options|commands
    if [[ $2 = options ]]; then
        "$1" --help 2>/dev/null | sed -n 's/^  *\(-[^ ,]*\(, -[^ ,]*\)*\).*/\1/p' | tr -s ', ' '\n' | sed 's/=.*//'
    else
        "$1" --help 2>/dev/null | sed -n 's/.*mailslot-user \[-C FOLDER\] \([a-z|]*\).*/\1/p' | tr '|' '\n'
    fi
}

_mailslot_addresses() { # CURRENT MAILSLOT-USER OPTION...
    local cur=$1 before= address
    shift
    [[ $COMP_WORDBREAKS != *@* || $cur != *@* ]] || before=${cur%@*} # bash completes only what follows this
    while read -r address; do
        [[ $address != "$cur"* ]] || COMPREPLY+=("$(printf %q "${address#"$before"}")")
    done < <("$@" list 2>/dev/null | sed '1d; s/  .*//; / /d')
}

_mailslot() {
    local program=$1 name=${1##*/} line=${COMP_LINE:0:COMP_POINT} command= given=0 folder=() words cur prev i
    read -ra words <<<"$line"
    [[ $line != *[[:space:]] ]] || words+=("")
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        case ${words[i]} in
        -C | --folder) folder=(-C "${words[++i]}") ;;
        -C*) folder=(-C "${words[i]#-C}") ;;
        --folder=*) folder=(-C "${words[i]#*=}") ;;
        -d | --database | -o | --output | -r | -u | -l | -w | --wait) ((++i)) ;;
        -*) ;;
        *)
            [[ -z $command ]] || ((++given))
            command=${command:-${words[i]}}
            ;;
        esac
    done
    cur=${words[-1]} prev=${words[-2]} COMPREPLY=()
    [[ $cur != --*=* ]] || prev=${cur%%=*} cur=${cur#*=}
    case $prev in
    -C | --folder)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
        return
        ;;
    -d | --database | -o | --output)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    -r)
        mapfile -t COMPREPLY < <(compgen -W "smtp mx submission submissions lmtp local" -- "$cur")
        return
        ;;
    -u)
        mapfile -t COMPREPLY < <(compgen -u -- "$cur")
        return
        ;;
    -l | -w | --wait) return ;;
    esac
    case "$cur/$name $command" in
    -*) mapfile -t COMPREPLY < <(compgen -W "$(_mailslot_help "$program" options)" -- "$cur") ;;
    *"/mailslot-user ") mapfile -t COMPREPLY < <(compgen -W "$(_mailslot_help "$program" commands)" -- "$cur") ;;
    *"/mailslot-user add" | *"/mailslot-user set")
        if ((given > 0)); then
            compopt -o nospace 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -W "quota= send-as= disabled mailbox=" -- "$cur")
        elif [[ $command = set ]]; then
            _mailslot_addresses "$cur" "${program%"$name"}mailslot-user" "${folder[@]}"
        elif [[ $line = *" --system "* ]]; then
            mapfile -t COMPREPLY < <(compgen -u -- "$cur")
        fi
        ;;
    *"/mailslot-user import" | */mailslot-rotate*)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        ;;
    *"/mailslot-user export") ;;
    */mailslot-user* | */mailslot-show*)
        _mailslot_addresses "$cur" "${program%"$name"}mailslot-user" "${folder[@]}"
        ;;
    esac
}

# The program that bash-completion found this file by, and those in the PATH.
complete -F _mailslot "${BASH_SOURCE##*/}" $(compgen -c mailslot-)
