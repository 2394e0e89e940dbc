#compdef -P mailslot-*
# Completion in zsh for all programs of mailslot. Options and commands are read from --help, so that none is
# missing here, and addresses from `mailslot-user list`, if the user may read the file `users`.

local program=$words[1] name=${words[1]:t} prev=$words[CURRENT-1] command i given=0
local -a folder
for ((i = 2; i < CURRENT; i++)); do
    case $words[i] in
    (-C | --folder) folder=(-C "${(Q)words[++i]}") ;;
    (-C*) folder=(-C "${(Q)words[i]#-C}") ;;
    (--folder=*) folder=(-C "${(Q)words[i]#*=}") ;;
    (-d | --database | -o | --output | -r | -u | -l | -w | --wait) ((++i)) ;;
    (-*) ;;
    (*)
        [[ -z $command ]] || ((++given))
        command=${command:-$words[i]}
        ;;
    esac
done
if [[ $PREFIX = --*=* ]]; then
    prev=${PREFIX%%=*}
    compset -P '*='
fi
case $prev in
(-C | --folder) _files -/ && return ;;
(-d | --database | -o | --output) _files && return ;;
(-r) compadd smtp mx submission submissions lmtp local && return ;;
(-u) _users && return ;;
(-l | -w | --wait) return 1 ;;
esac
case "$PREFIX/$name $command" in
(-*)
    compadd -- ${(f)"$($program --help 2>/dev/null |
        sed -n 's/^  *\(-[^ ,]*\(, -[^ ,]*\)*\).*/\1/p' | tr -s ', ' '\n' | sed 's/=.*//')"}
    ;;
(*"/mailslot-user ")
    compadd -- ${(f)"$($program --help 2>/dev/null |
        sed -n 's/.*mailslot-user \[-C FOLDER\] \([a-z|]*\).*/\1/p' | tr '|' '\n')"}
    ;;
(*"/mailslot-user add" | *"/mailslot-user set")
    if (( given )); then
        compadd -S '' -- quota= send-as= disabled mailbox=
    elif [[ $command = set ]]; then
        compadd -- ${(f)"$(${program%$name}mailslot-user $folder list 2>/dev/null | sed '1d; s/  .*//; / /d')"}
    elif (( ${words[(I)--system]} )); then
        _users
    fi
    ;;
(*"/mailslot-user import" | */mailslot-rotate*) _files ;;
(*"/mailslot-user export") ;;
(*/mailslot-user* | */mailslot-show*)
    compadd -- ${(f)"$(${program%$name}mailslot-user $folder list 2>/dev/null | sed '1d; s/  .*//; / /d')"}
    ;;
esac
