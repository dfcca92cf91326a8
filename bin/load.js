// Loads a program together with what V8 made of it the last time. Node does that by itself from version 22 on.
const { fstatSync, openSync, closeSync, readFileSync, statSync } = require('node:fs');
const { createRequire, enableCompileCache, wrap } = require('node:module');
const { dirname, join } = require('node:path');
const { setFlagsFromString } = require('node:v8');
const { constants, Script } = require('node:vm');

/**
 * Gives what the program exports, and `keep`, to be called when it has done its work: it keeps the compiled code for the
 * next time. `use` is what it is used for: code that is not needed for that is not kept.
 */
module.exports = function load(program, use) {
  const path = join(__dirname, '..', 'dist', `${program}.cjs`);
  if (enableCompileCache !== undefined) {
    enableCompileCache();
    return { exports: require(path), keep: () => undefined };
  }
  // undici's HTTP parser is WebAssembly: compiled by the optimizer of these versions' V8, it costs as much as a start of
  // Node. Compiled code is of use only under the same flags, so they are set before anything is compiled.
  setFlagsFromString('--liftoff-only');
  const cache = cachePath(path, program, use);
  const kept = cache === undefined ? undefined : readOwn(cache);
  const script = new Script(wrap(readFileSync(path, 'latin1')), {
    filename: path,
    cachedData: kept,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  const module = { exports: {} };
  const scope = [module.exports, createRequire(path), module, path, dirname(path)];
  script.runInThisContext().apply(module.exports, scope);
  const isKept = kept !== undefined && script.cachedDataRejected === false;
  return {
    exports: module.exports,
    keep: () => {
      if (cache !== undefined && !isKept) keepCode(cache, script);
    },
  };
};

/** What src/cli/short-life.ts changes, as it was when the code was compiled. */
const usualFlags = ['--semi-space-growth-factor=2', '--turbofan', '--incremental-marking'];

/** Where the compiled code is kept; undefined where it cannot be told whose that is. */
function cachePath(path, program, use) {
  const { HOME, XDG_CACHE_HOME } = process.env;
  if (!HOME || process.getuid === undefined) return undefined;
  const { size, mtimeMs } = statSync(path);
  // V8 compares the length of the source, no more.
  const source = [require('../package.json').version, size, Math.round(mtimeMs)].join('-');
  const name = [program, source, process.version, process.arch, use].join('_');
  return join(XDG_CACHE_HOME || join(HOME, '.cache'), 'gomote', 'code', name);
}

/** The code in the file if it is ours and undamaged; V8 compares no more than its length. */
function readOwn(path) {
  try {
    const fd = openSync(path, 'r');
    try {
      if (fstatSync(fd).uid !== process.getuid()) return undefined;
      const bytes = readFileSync(fd);
      const code = bytes.subarray(0, -4);
      return bytes.readInt32LE(code.length) === checkOf(code) ? code : undefined;
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
}

/** A sum over a part of each block of a disk: all of it would take as long as it spares. */
function checkOf({ buffer, byteOffset, length }) {
  const words = new Int32Array(buffer, byteOffset, length >> 2);
  let sum = length;
  for (let i = 0; i < words.length; i += 32) sum = (Math.imul(sum, 31) + words[i]) | 0;
  return sum;
}

function keepCode(path, script) {
  try {
    const { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } = require('node:fs');
    for (const flag of usualFlags) setFlagsFromString(flag);
    const code = script.createCachedData();
    const check = Buffer.alloc(4);
    check.writeInt32LE(checkOf(code));
    const directory = dirname(path);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeFileSync(`${path}.${process.pid}`, Buffer.concat([code, check]), { mode: 0o600 });
    renameSync(`${path}.${process.pid}`, path);
    const current = path.slice(0, path.lastIndexOf('_') + 1);
    for (const name of readdirSync(directory)) {
      const other = join(directory, name);
      if (!other.startsWith(current)) rmSync(other, { force: true });
    }
  } catch {
    // Then it is compiled again.
  }
}
