package completion

// The completion scripts of bash and zsh. Both ask kist itself for candidates, by its
// hidden verb __complete, and need nothing beyond the shell. What is typed is passed
// on verbatim: no part of it is ever evaluated.

// Bash needs no bash-completion package, and works from bash 3.2 on. Bash
// also breaks words at = : and @, so the pieces are joined again, and only the part of
// each candidate after the last break is returned.
const Bash = `# bash completion for kist
__start_kist() {
    local IFS=$' \t\n'
    local rest=${COMP_LINE:0:COMP_POINT} piece i n=-1
    local -a words
    for ((i = 0; i <= COMP_CWORD; i++)); do
        piece=${COMP_WORDS[i]}
        if [[ $n -lt 0 || $rest == [[:space:]]* || -z $rest ]]; then
            rest=${rest#"${rest%%[![:space:]]*}"}
            n=$((n + 1))
            words[n]=
        fi
        ((i < COMP_CWORD)) || piece=${rest:0:${#piece}}
        words[n]+=$piece
        rest=${rest#"$piece"}
    done

    # What of the word the shell keeps: all before the last @, all up to the last = or :
    local current=${words[n]} keep=
    if [[ $current == *[=:@]* && $COMP_WORDBREAKS == *[=:@]* ]]; then
        keep=${current%"${current##*[=:@]}"}
        keep=${keep%@}
    fi

    local line directive=0
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ $line == :[0-9]* ]]; then
            directive=${line#:}
        elif [[ -n $line ]]; then
            line=${line%%$'\t'*}
            COMPREPLY+=("${line#"$keep"}")
        fi
    done < <("${words[0]/#\~\//$HOME/}" __completeNoDesc "${words[@]:1}" 2>/dev/null)

    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]]; then
        compopt -o nospace 2>/dev/null
    fi
    if ((directive & 4)); then
        compopt +o default 2>/dev/null
    fi
}
complete -o default -F __start_kist kist
`

// Zsh may be loaded before compinit: then it registers itself at the first
// prompt after that, and until then says once that compinit is missing.
const Zsh = `#compdef kist
# zsh completion for kist
_kist() {
    local line directive=0
    local -a plain open
    local kist=${(Q)words[1]}
    local typed=("${(@Q)words[2,CURRENT]}")
    [[ $PREFIX == -*=* ]] && compset -P '*='
    for line in "${(@f)$("${kist/#\~\//$HOME/}" __complete "${typed[@]}" 2>/dev/null)}"; do
        case ${line%%$'\t'*} in
        :[0-9]*) directive=${line#:} ;;
        */) open+=("${line//:/\\:}") ;;
        ?*) line=${line//:/\\:}; plain+=("${line/$'\t'/:}") ;;
        esac
    done
    if (( $#plain + $#open == 0 )); then
        (( directive & 4 )) || _files
        return
    fi
    (( $#plain )) && _describe -V kist plain
    (( $#open )) && _describe -V channels open -S ''
}
__kist_register() {
    if (( $+functions[compdef] )); then
        add-zsh-hook -d precmd __kist_register
        compdef _kist kist
    elif (( ! $+__kist_told )); then
        typeset -g __kist_told=1
        print -u2 "kist: completion needs zsh's compinit; put this into ~/.zshrc: autoload -Uz compinit && compinit"
    fi
}
if [[ $funcstack[1] == _kist ]]; then
    _kist "$@" # loaded by compinit from a directory of fpath
elif (( $+functions[compdef] )); then
    compdef _kist kist
elif [[ -o interactive ]]; then
    autoload -Uz add-zsh-hook
    add-zsh-hook precmd __kist_register
else
    autoload -Uz add-zsh-hook
    __kist_register
fi
`
