/**
 * The scripts of `carpool completion`. Each asks `carpool complete -- WORDS`, the last word being the one under the cursor, so
 * that it knows what the carpool that is called knows. An answer is a candidate a line, its description after a tab; or the
 * one line `:files`, where a path is wanted. Written for the oldest shells that are about (bash 3.2, without bash-completion).
 */

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

const BASH = `# bash completion for carpool
_carpool() {
  local line=\${COMP_LINE:0:COMP_POINT} word candidate rest start=""
  local -a words
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  word=\${words[\${#words[@]}-1]}
  # bash splits words at : and = too: what stands before the last of them is on the line already.
  rest=$word
  while [[ $rest == *[:=]* ]]; do
    candidate=\${rest%%[:=]*}
    case $COMP_WORDBREAKS in
      *"\${rest:\${#candidate}:1}"*) start=\${word:0:\${#word}-\${#rest}+\${#candidate}+1} ;;
    esac
    rest=\${rest:\${#candidate}+1}
  done
  COMPREPLY=()
  while IFS= read -r candidate; do
    candidate=\${candidate%%$'\\t'*}
    if [[ $candidate == :files ]]; then
      compopt -o filenames 2> /dev/null
      while IFS= read -r candidate; do COMPREPLY+=("$candidate"); done < <(compgen -f -- "\${word#"$start"}")
      return
    fi
    [[ $candidate == *= ]] && compopt -o nospace 2> /dev/null
    COMPREPLY+=("\${candidate#"$start"}")
  done < <(carpool complete -- "\${words[@]:1}" 2> /dev/null)
}
complete -F _carpool carpool
`;

const ZSH = `#compdef carpool
# zsh completion for carpool
_carpool() {
  local line
  local -a whole open
  for line in "\${(@f)$(carpool complete -- "\${(@Q)words[2,CURRENT]}" 2> /dev/null)}"; do
    if [[ $line == :files ]]; then
      compset -P '*='
      _files
      return
    fi
    [[ -z $line ]] && continue
    if [[ $line == *=$'\\t'* || $line == *= ]]; then
      open+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
    else
      whole+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
    fi
  done
  (( $#whole )) && _describe carpool whole
  (( $#open )) && _describe carpool open -S ''
}
if [[ \${funcstack[1]} == _carpool ]]; then
  _carpool "$@"
else
  compdef _carpool carpool
fi
`;

const FISH = `# fish completion for carpool
function __carpool_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    set -l found (carpool complete -- $words[2..-1] "$word" 2> /dev/null)
    if test "$found[1]" = :files
        set -l option (string match -r '^--[^=]*=' -- "$word")
        string replace -r -- '^' "$option" (__fish_complete_path (string replace -r '^--[^=]*=' '' -- "$word"))
    else
        printf '%s\\n' $found
    end
end
complete -c carpool -f -a '(__carpool_complete)'
`;

/** The script that a shell reads to complete `carpool …`. */
export function completionScript(shell: Shell): string {
  return { bash: BASH, zsh: ZSH, fish: FISH }[shell];
}
