// Loads a program together with its compiled code of the last time. Node 22 and later can keep it, too, but keep less of it: a run
// then takes a fifth more processor time.
const { closeSync, constants: flags, fstatSync, lstatSync, openSync } = require('node:fs');
const { mkdirSync, readFileSync, statSync } = require('node:fs');
const { createRequire, wrap } = require('node:module');
const { basename, dirname, isAbsolute, join } = require('node:path');
const { constants, Script } = require('node:vm');

/**
 * Gives what the program exports, and `keep`, to be called when it has done its work: it keeps the compiled code for the
 * next time. `use` is what it is used for: code that is not needed for that is not kept.
 */
module.exports = function load(program, use) {
  const path = pathOf(program);
  const cache = cachePath(path, program, use);
  const kept = cache === undefined ? undefined : readOwn(cache);
  const script = scriptOf(path, kept);
  const exports = evaluate(script, path);
  const isKept = kept !== undefined && script.cachedDataRejected === false;
  return {
    exports,
    keep: () => {
      if (cache !== undefined && !isKept) keepCode(cache, script);
    },
  };
};

/** Gives what the program exports. Its compiled code is taken from beside it, where what copied the program to this machine put it. */
module.exports.loadCopied = (program) => {
  const path = pathOf(program);
  return evaluate(scriptOf(path, readIfThere(`${path}.code`)), path);
};

/** Compiles all of the program, for the same Node on another machine. */
module.exports.compile = (program) => {
  const { setFlagsFromString } = require('node:v8');
  setFlagsFromString('--no-lazy');
  const script = scriptOf(pathOf(program));
  // V8 takes only code that was made with the flags that it has.
  setFlagsFromString('--lazy');
  return script.createCachedData();
};

const pathOf = (program) => join(__dirname, '..', 'dist', `${program}.cjs`);

const scriptOf = (path, cachedData) =>
  new Script(wrap(readFileSync(path, 'latin1')), {
    ...{ filename: path, cachedData },
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });

function evaluate(script, path) {
  const module = { exports: {} };
  const scope = [module.exports, createRequire(path), module, path, dirname(path)];
  script.runInThisContext().apply(module.exports, scope);
  return module.exports;
}

function readIfThere(path) {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/** Where compiled code is kept; undefined where no place is safe from other users. */
function codeDirectory() {
  const { HOME, XDG_CACHE_HOME } = process.env;
  const cache = XDG_CACHE_HOME || (HOME && join(HOME, '.cache'));
  if (!cache || !isAbsolute(cache) || process.getuid === undefined) return undefined;
  const path = join(cache, 'gomote', 'code');
  try {
    // A home directory that is not there is not made.
    if (!XDG_CACHE_HOME) statSync(HOME);
    return isOwn(path) ? path : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether the directory is this user's, and nobody else can change it or put another in its place. It is made if it is
 * missing. What is in it is run: there may be no link on the way. src/files/private-directory.ts has the rule for all
 * other directories; it is in the program, which is not loaded yet.
 */
function isOwn(path) {
  const parent = dirname(path);
  if (parent !== path && !isOwn(parent)) return false;
  let found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) {
    mkdirSync(path, { mode: 0o700 });
    found = lstatSync(path);
  }
  const isOfRoot = found.uid === 0;
  if (!found.isDirectory() || !(isOfRoot || found.uid === process.getuid())) return false;
  // Others may make files in a directory such as /tmp, but not take the place of one of this user.
  const isSticky = (found.mode & 0o1000) !== 0 && basename(path) !== 'code';
  return (found.mode & 0o022) === 0 || isSticky;
}

/** The file of the compiled code; undefined where there is none. */
function cachePath(path, program, use) {
  const directory = codeDirectory();
  if (directory === undefined) return undefined;
  // V8 compares the length of the source, no more. Packages set the time of the last change, but not that of the inode's.
  const { size, ctimeMs } = statSync(path);
  const source = `${size}-${Math.round(ctimeMs)}`;
  return join(directory, [program, source, process.version, process.arch, use].join('_'));
}

/** The code in the file if it is ours and undamaged; V8 compares no more than its length. */
function readOwn(path) {
  try {
    const fd = openSync(path, flags.O_RDONLY | flags.O_NOFOLLOW | flags.O_NONBLOCK);
    try {
      const found = fstatSync(fd);
      const isSafe = found.isFile() && found.uid === process.getuid() && (found.mode & 0o022) === 0;
      if (!isSafe) return undefined;
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

/** Code of other versions is removed when it is this old, in ms: versions that are used side by side keep theirs. */
const oldMs = 14 * 24 * 3_600_000;
const codeName = /^[a-z]+_([^_]+-)?[0-9]+-[0-9]+_v[^_]+_[a-z0-9]+_[a-z]*(\.[0-9]+)?$/;

function keepCode(path, script) {
  const { readdirSync, renameSync, unlinkSync, writeFileSync } = require('node:fs');
  const partial = `${path}.${process.pid}`;
  try {
    const code = script.createCachedData();
    const check = Buffer.alloc(4);
    check.writeInt32LE(checkOf(code));
    writeFileSync(partial, Buffer.concat([code, check]), { mode: 0o600, flag: 'wx' });
    renameSync(partial, path);
    const directory = dirname(path);
    for (const name of readdirSync(directory)) {
      const other = join(directory, name);
      if (codeName.test(name) && Date.now() - lstatSync(other).mtimeMs > oldMs) unlinkSync(other);
    }
  } catch {
    // Then it is compiled again.
  }
}
