#!/bin/sh
# Test of shell completion, which offers commands, options of the command at hand, the words that an option accepts,
# files and folders. bash and fish are asked directly if they are installed; of zsh only the syntax of its script is
# checked.
. "$(dirname "$0")/common.sh"
mkdir bin folder
ln -s "$dkvb" bin/dkvb
PATH=$PWD/bin:$PATH
export PATH
touch rows.npy
tried=

if command -v bash >/dev/null && bash -c 'type mapfile' >/dev/null 2>&1; then
    tried="$tried bash"
    dkvb help --completion bash >dkvb.bash
    check bash -n dkvb.bash
    # offered WORDS... LAST: completes the last word, and prints the offers in one line.
    cat >ask.bash <<'END'
source ./dkvb.bash
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_dkvb
echo "${COMPREPLY[@]}"
END
    offered() {
        wanted=$1
        shift
        found=$(bash ask.bash dkvb "$@")
        [ "$found" = "$wanted" ] || fail "bash: $* <tab>: '$found' instead of '$wanted'"
    }
    offered 'separation' sep
    offered '--strength' forget m.dkvb --str
    offered 'suppress exact' forget m.dkvb --strength ''
    offered 'exact' forget m.dkvb --strength e
    offered 'exact' forget m.dkvb --strength = e
    offered 'suppress exact' forget m.dkvb --strength =
    offered '' forget m.dkvb --class ''
    offered '' train --epochs ''
    offered 'rows.npy' train --features r
    offered 'rows.npy' predict r
    offered 'rows.npy' search m.dkvb -o r
    offered 'folder' export m.dkvb --dir f
    offered 'import intersection info' mask i
    offered 'intersection' mask inters
    offered 'exit-codes' help exi
    offered 'export exit-codes' help ex
    offered '--json' undo m.dkvb --js
    for command in $(dkvb help | sed -n 's/^  \([a-z]*\)  *.*/\1/p' | grep -vx help); do
        # Completion offers every option that help lists, in the same order.
        offered "$(dkvb help "$command" | sed -n 's/^  \(-[a-z], \)\{0,1\}\(--[a-z0-9-]*\).*/\2/p' | paste -sd ' ')" "$command" --
    done
fi

if command -v fish >/dev/null; then
    tried="$tried fish"
    dkvb help --completion fish >dkvb.fish
    check fish --no-execute dkvb.fish
    HOME=$PWD
    XDG_CONFIG_HOME=$PWD/config
    XDG_DATA_HOME=$PWD/data
    export HOME XDG_CONFIG_HOME XDG_DATA_HOME
    fished() {
        wanted=$1
        found=$(fish --no-config -c 'source dkvb.fish; complete -C $argv[1]' -- "$2" | cut -f 1 | paste -sd ' ')
        [ "$found" = "$wanted" ] || fail "fish: $2<tab>: '$found' instead of '$wanted'"
    }
    fished 'separation' 'dkvb sep'
    fished 'exact suppress' 'dkvb forget m.dkvb --strength '
    fished 'rows.npy' 'dkvb train --features r'
    fished 'rows.npy' 'dkvb predict r'
    fished '' 'dkvb forget m.dkvb --class '
    fished 'import info intersection' 'dkvb mask i'
    fished 'folder/' 'dkvb export m.dkvb --dir f'
    fished '--max-class-loss --max-retain-drop' 'dkvb forget --max'
    fished '' 'dkvb mask export --max'
fi

if command -v zsh >/dev/null; then
    tried="$tried zsh"
    dkvb help --completion zsh >_dkvb
    check zsh -n _dkvb
    # The zsh functions are called without a terminal: _arguments gets one line for each option, _describe one for each
    # command.
    cat >ask.zsh <<'END'
_arguments() { print -l -- $@ }
_describe() { print -l -- $commands }
compdef() { :; }
source ./_dkvb
words=("$@")
CURRENT=$#
_dkvb
END
    zsh -f ask.zsh dkvb sep >zsh.out
    grep -q '^separation:' zsh.out || fail "zsh: commands are not offered"
    for command in $(dkvb help | sed -n 's/^  \([a-z]*\)  *.*/\1/p' | grep -vx help); do
        zsh -f ask.zsh dkvb "$command" m.dkvb '' >zsh.out
        for option in $(dkvb help "$command" | sed -n 's/^  \(-[a-z], \)\{0,1\}\(--[a-z0-9-]*\).*/\2/p' | grep -vx -- --help); do
            grep -qE -- "^(\(-.\))?$option=?\[" zsh.out || fail "zsh: $command: $option is not offered"
        done
    done
    zsh -f ask.zsh dkvb forget m.dkvb '' >zsh.out
    grep -qF -- ':suppress|exact:(suppress exact)' zsh.out || fail "zsh: the words of --strength are not offered"
fi

if [ -z "$tried" ]; then
    echo "skipped: none of bash, fish and zsh is here"
    exit 77
fi
echo "asked:$tried"
