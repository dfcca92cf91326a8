#!/bin/sh
':' /*
# A shell script and a JavaScript module in one: the shell starts Node with this same file. Node looks for options of
# its own among all arguments, so each is given behind a colon, which bin/start.js takes away.
# Why: docs/decisions/019-no-arguments-for-node.md
command -v node >/dev/null || { echo 'gomote: Node.js is not installed, or not on PATH' >&2; exit 125; }
# Node runs what it compiled the last time, whoever put it there: the directory is for commands that inherit all.
case ${NODE_COMPILE_CACHE-} in
  ?*) export GOMOTE_FOR_COMMANDS_NODE_COMPILE_CACHE="$NODE_COMPILE_CACHE"; unset NODE_COMPILE_CACHE ;;
esac
case ${NODE_OPTIONS-}${NODE_ICU_DATA-}${OPENSSL_CONF-} in
  ?*) _said=$(node -- "$0" '?' 2>&1); case $_said in
    *ready) ;;
    *) printf '%s\n' "$_said" 'gomote: Node.js does not start; check NODE_OPTIONS' >&2; exit 125 ;;
  esac ;;
esac
_all=; _some=; _at=0
for _argument do
  _at=$((_at + 1)); _some="$_some \":\${$_at}\""
  # In pieces: a long string is copied each time something is added.
  case $_at in *00) _all=$_all$_some; _some= ;; esac
done
# What Node changes before it runs anything: it opens a closed output, and heeds signals that were ignored.
_output=open; { true 3>&1; } 2>/dev/null || _output=closed
_ignored=0
if [ -r /proc/self/status ]; then
  while read -r _name _value; do
    case $_name in SigIgn:) _ignored=$_value; break ;; esac
  done </proc/self/status
fi
eval "exec node -- \"\$0\" :$_output:$_ignored $_all $_some"
*/
const { writeSync } = require('node:fs');

require('./start.js')(async (args, state) => {
  const isVersion = args.length === 1 && /^--?version$/.test(args[0]) && !state.isOutputClosed;
  return isVersion ? await printVersion(state) : await runProgram(args, state);
});

/** Scripts ask for it to see that the program is there: nothing is loaded for that. */
async function printVersion(state) {
  try {
    writeSync(1, `${require('../package.json').version}\n`);
    return 0;
  } catch {
    // The program says what is wrong.
    return await runProgram(['version'], state);
  }
}

async function runProgram(args, state) {
  const [first = ''] = args;
  const [, command = ''] = /^(?:__)?([a-z]+)$/.exec(first) ?? [];
  // What runs in a container is made and reached by code that other buildlets do not need.
  const place = args.some((word) => /^docker[:/]/.test(word)) ? 'docker' : '';
  // A buildlet that ends waits for its connections.
  const early = command === 'destroy' ? undefined : require('./early.js')(args);
  const { exports: program, keep } = require('./load.js')('gomote', `${command}${place}`);
  const code = await program.run(args, { ...state, early });
  if (code === 0) keep();
  return code;
}
