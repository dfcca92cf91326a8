// The completion script of each shell. Candidates are never evaluated.

export const scripts: Readonly<Record<string, string>> = {
  bash: String.raw`# bash completion for gomote: source <(gomote completion bash)
_gomote() {
  local line local_files=
  COMPREPLY=()
  {
    IFS= read -r local_files
    while IFS= read -r line; do COMPREPLY+=("$line"); done
  } < <(command gomote __complete bash "$COMP_WORDBREAKS" "\${COMP_LINE:0:COMP_POINT}" 2>/dev/null </dev/null)
  # Where nothing else fits, bash completes files itself. Versions before 4 have no compopt.
  case $local_files in
    files) compopt +o nospace -o default 2>/dev/null ;;
    directories) compopt +o nospace -o dirnames 2>/dev/null ;;
  esac
}
complete -o nospace -F _gomote gomote
`.replaceAll('\\$', '$'),
  zsh: String.raw`#compdef gomote
# zsh completion for gomote: source <(gomote completion zsh), or put it in $fpath as _gomote
_gomote() {
  local -a lines final open final_shown open_shown
  local line value about
  lines=("\${(@f)$(command gomote __complete zsh "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null </dev/null)}")
  for line in "\${(@)lines[2,-1]}"; do
    value=\${line%%$'\t'*}
    about=\${line#*$'\t'}
    [[ -n $value ]] || continue
    [[ -n $about ]] && about="$value  -- $about" || about=$value
    if [[ $value == *[/:=,] ]]; then
      open+=("$value") open_shown+=("$about")
    else
      final+=("$value") final_shown+=("$about")
    fi
  done
  (( $#final )) && compadd -l -d final_shown -a -- final
  (( $#open )) && compadd -S '' -l -d open_shown -a -- open
  case $lines[1] in
    files) _files ;;
    directories) _files -/ ;;
  esac
}
if [[ $funcstack[1] == _gomote ]]; then _gomote "$@"; else compdef _gomote gomote; fi
`.replaceAll('\\$', '$'),
  fish: String.raw`# fish completion for gomote: gomote completion fish | source
function __gomote_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l lines (command gomote __complete fish $words[2..-1] "$current" 2>/dev/null </dev/null)
    printf '%s\n' $lines[2..-1]
    switch "$lines[1]"
        case files
            __fish_complete_path "$current"
        case directories
            __fish_complete_directories "$current" ''
    end
end
complete -c gomote -f -a '(__gomote_complete)'
`,
  powershell: String.raw`# PowerShell completion for gomote: gomote completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName gomote -ScriptBlock {
    param($word, $ast, $cursor)
    $before = @($ast.CommandElements | Select-Object -Skip 1 |
        Where-Object { $_.Extent.EndOffset -lt $cursor } |
        ForEach-Object { if ($_ -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $_.Value } else { $_.Extent.Text } })
    $lines = @(& (Get-Command gomote -CommandType Application, ExternalScript | Select-Object -First 1) __complete powershell @before "$word" 2>$null)
    $lines | Select-Object -Skip 1 | ForEach-Object {
        $value, $about = $_ -split "\t", 2
        if (-not $about) { $about = $value }
        $text = $value
        if ($value -notmatch '^[\w./:,+@%=-]+$') {
            $text = "'" + [System.Management.Automation.Language.CodeGeneration]::EscapeSingleQuotedStringContent($value) + "'"
        }
        [System.Management.Automation.CompletionResult]::new($text, $value, 'ParameterValue', $about)
    }
}
`,
};
