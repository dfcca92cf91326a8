// The scripts that a host's shell runs. Any login shell is possible, and it may print any text first.

/** The oldest Node that the programs run on. */
export const oldestNode = '20.18.1';

/** The directory of programs there, below the home directory. */
const cache = '$HOME/.cache/gomote';

/**
 * A command that all login shells parse alike: one word in single quotes without quotes, backslashes, `!` or line
 * breaks. The script follows on standard input.
 */
export const readScript = (script: string): string =>
  `exec /bin/sh -c 'S=$(dd bs=1 count=${Buffer.byteLength(script)} 2>/dev/null) && eval "$S"'`;

/** Exits with status 0 in a Node that is recent enough. */
const isFit = (() => {
  const [major, minor, patch] = oldestNode.split('.');
  return `var v=process.versions.node.split(".");process.exitCode=(+v[0]>${major}||(+v[0]==${major}&&(+v[1]>${minor}||(+v[1]==${minor}&&+v[2]>=${patch})))?0:1)`;
})();

/** `say` writes an answer, which the reader recognizes by the mark. */
const prelude = (mark: string): string => `
say() { printf '\\n%s %s\\n' ${mark} "$*"; }
d="${cache}"
if [ ! -d "$HOME" ]; then say failed "the home directory $HOME does not exist"; exit; fi
fit() { [ -x "$1" ] && "$1" -e '${isFit}' </dev/null >/dev/null 2>&1; }
find_node() {
  for n in "$(command -v node)" "$d"/node-v* /usr/local/bin/node /usr/bin/node /opt/homebrew/bin/node \\
    "$HOME"/.nvm/versions/node/*/bin/node "$HOME"/.volta/bin/node "$HOME"/.local/bin/node "$HOME"/bin/node \\
    "$HOME"/.asdf/shims/node "$HOME"/.local/share/mise/shims/node "$HOME"/.local/share/fnm/aliases/default/bin/node \\
    "$HOME"/node*/bin/node /usr/local/lib/nodejs/*/bin/node /opt/node*/bin/node /snap/bin/node
  do fit "$n" && return; done
  n=$("$SHELL" -l -c 'command -v node' </dev/null 2>/dev/null | tail -n 1)
  fit "$n"
}
`;

/** Answers `ready` and runs the program, or reports what is missing. */
export const enterScript = (mark: string, version: string, loader: string): string => `
${prelude(mark)}
p=$d/${version}
if [ -x "$p/node" ] && [ -O "$p" ]; then say ready; exec "$p/node" "$p/bin/ssh-host.js"; fi
if find_node; then
  if [ -d "$p" ]; then
    if [ -O "$p" ] && ln -sf "$n" "$p/node"; then say ready; exec "$p/node" "$p/bin/ssh-host.js"; fi
    say failed "$p belongs to somebody else"; exit
  fi
  say files; exit
fi
l=no; [ -e '${loader}' ] && l=yes
g=no; command -v gzip >/dev/null && g=yes
say node $l $g "$(uname -s)" "$(uname -m)"
`;

/** Installs the programs from the rest of standard input. */
export const filesScript = (mark: string, version: string, digest: string): string => `
${prelude(mark)}
umask 077
e=$(LC_ALL=C mkdir -p "$d" 2>&1) || { say failed "$e"; exit; }
find_node || { say failed "Node.js has gone"; exit; }
exec "$n" -e '${unpack}' ${mark} "$d" ${version} ${digest} "$n"
`;

/** Extracts its input into a new directory, which gets its final name when it is complete. Another process may be faster. */
const unpack = `
const fs = require("fs"), zlib = require("zlib"), crypto = require("crypto"), path = require("path");
const [mark, cache, version, digest, node] = process.argv.slice(1);
const say = (text) => process.stdout.write("\\n" + mark + " " + text + "\\n");
const place = path.join(cache, version), partial = place + "." + process.pid + ".partial";
const parts = [];
process.stdin.on("data", (part) => parts.push(part)).on("end", () => {
  try {
    const packed = Buffer.concat(parts);
    const is = crypto.createHash("sha256").update(packed).digest("hex");
    if (is !== digest) throw new Error("it came incomplete");
    const all = zlib.gunzipSync(packed);
    fs.mkdirSync(partial, 448);
    for (let at = 0; at < all.length; ) {
      const end = all.indexOf(10, at);
      const { name, size } = JSON.parse(all.subarray(at, end));
      const file = path.join(partial, name);
      fs.mkdirSync(path.dirname(file), { recursive: true });
      fs.writeFileSync(file, all.subarray(end + 1, (at = end + 1 + size)));
    }
    fs.symlinkSync(node, path.join(partial, "node"));
    try {
      fs.renameSync(partial, place);
    } catch (error) {
      if (!fs.existsSync(place)) throw error;
    }
    say("done");
  } catch (error) {
    say("failed " + error.message);
  } finally {
    fs.rmSync(partial, { recursive: true, force: true });
  }
});
`;

interface NodeCopy {
  /** The file's name, which identifies the build of Node. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly isPacked: boolean;
}

/** Installs Node from the rest of standard input. */
export const nodeScript = (mark: string, { name, sizeBytes, isPacked }: NodeCopy): string => `
${prelude(mark)}
umask 077
e=$(LC_ALL=C mkdir -p "$d" 2>&1) || { say failed "$e"; exit; }
t="$d/partial-$$-${name}"
trap 'rm -f "$t"' EXIT
trap 'exit 1' HUP INT TERM
e=$( { LC_ALL=C ${isPacked ? 'gzip -dc' : 'cat'} >"$t"; } 2>&1 ) || { say failed "$e"; exit; }
[ "$(wc -c <"$t")" -eq ${sizeBytes} ] || { say failed "it came incomplete"; exit; }
chmod 700 "$t"
e=$("$t" -e '${isFit}' </dev/null 2>&1) || { say unfit "$e"; exit; }
mv -f "$t" "$d/${name}" && say done
`;
