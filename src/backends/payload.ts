// What a buildlet needs on a bare machine: its programs, and a Node with the libraries that it loads.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { GomoteError, messageOf } from '../errors.ts';
import { nodePath } from '../node-command.ts';
import { packageRoot, readVersion } from '../package-root.ts';

export interface PayloadFile {
  /** Relative to the payload's directory. */
  readonly name: string;
  readonly mode: number;
  readonly content: { readonly path: string } | { readonly bytes: Buffer };
}

/** The paths of the parts in a payload. */
export const payloadPaths = {
  /** The loader that starts `node` with `libraries`, independent of the machine's own. */
  loader: 'bin/loader',
  node: 'bin/node',
  libraries: 'lib',
  program: 'bin/buildlet.js',
};

/** The words that start the buildlet of a payload in `directory`, before the buildlet's own options. */
export const startArguments = (directory: string): string[] => [
  `${directory}/${payloadPaths.loader}`,
  ...['--library-path', `${directory}/${payloadPaths.libraries}`],
  `${directory}/${payloadPaths.node}`,
  `${directory}/${payloadPaths.program}`,
];

/** The buildlet's programs, without the parts that only a buildlet behind NAT loads. */
const bundleNames = [
  ...[
    'package.json',
    'bin/package.json',
    'bin/buildlet.js',
    'bin/start.js',
    'bin/load.js',
    'dist/buildlet.cjs',
    'dist/tar.cjs',
  ],
  ...['dist/terminal-host.cjs', 'dist/archive-worker.cjs', 'dist/tree-worker.cjs'],
  'dist/listing-worker.cjs',
  'dist/sftp-server.cjs',
  'dist/undici.cjs',
  'dist/re2.cjs',
];

export function bundleFiles(): PayloadFile[] {
  return bundleNames.map((name) => ({
    name,
    mode: 0o644,
    content: { path: join(packageRoot, name) },
  }));
}

/** The buildlet's compiled code, of the Node that is copied with it; none where that cannot be had: the buildlet only loads faster with it. */
export async function compiledFiles(): Promise<PayloadFile[]> {
  const load = JSON.stringify(join(packageRoot, 'bin/load.js'));
  const program = `process.stdout.write(require(${load}).compile('buildlet'))`;
  const options = { encoding: 'buffer', maxBuffer: 64 << 20, env: {} } as const;
  try {
    const { stdout } = await promisify(execFile)(nodePath(), ['--eval', program], options);
    return [{ name: 'dist/buildlet.cjs.code', mode: 0o644, content: { bytes: stdout } }];
  } catch {
    return [];
  }
}

/** Identifies this version of the programs with this Node. */
export function payloadKey(nodePath: string, system: string): string {
  const hash = createHash('sha256').update(JSON.stringify([readVersion(), system]));
  hash.update(`${statSync(nodePath).size} ${process.version}`);
  for (const { content } of bundleFiles()) {
    if ('path' in content) hash.update(readFileSync(content.path));
  }
  return hash.digest('hex').slice(0, 16);
}

/** This machine's Node, the libraries that it loads, and their loader; and the terminal library, if present. */
export async function nodeFiles(): Promise<PayloadFile[]> {
  const node = nodePath();
  const loader = loaderOf(node);
  const terminals = terminalFiles();
  const programs = [
    node,
    ...terminals.flatMap(({ path }) => (path.endsWith('.node') ? [path] : [])),
  ];
  const libraries = new Map([[basename(loader), loader]]);
  for (const program of programs) {
    for (const path of await librariesOf(loader, program)) libraries.set(basename(path), path);
  }
  return [
    { name: payloadPaths.loader, mode: 0o755, content: { path: realpathSync(loader) } },
    { name: payloadPaths.node, mode: 0o755, content: { path: node } },
    ...[...libraries].map(([name, path]) => ({
      ...{ name: `${payloadPaths.libraries}/${name}`, mode: 0o755 },
      content: { path: realpathSync(path) },
    })),
    ...terminals.map(({ name, path }) => ({ name, mode: 0o644, content: { path } })),
  ];
}

const elfMagic = Buffer.from('\x7fELF\x02\x01', 'latin1');
const programHeaderInterpreter = 3;

/** The dynamic loader that a program for 64-bit Linux requests. */
export function loaderOf(program: string): string {
  const bytes = readStart(program);
  const isElf = bytes.subarray(0, elfMagic.length).equals(elfMagic);
  const [start, size, count] = isElf
    ? [Number(bytes.readBigUInt64LE(32)), bytes.readUInt16LE(54), bytes.readUInt16LE(56)]
    : [0, 0, 0];
  for (let i = 0; i < count; i++) {
    const at = start + i * size;
    if (bytes.readUInt32LE(at) !== programHeaderInterpreter) continue;
    const offset = Number(bytes.readBigUInt64LE(at + 8));
    return bytes.toString('utf8', offset, bytes.indexOf(0, offset));
  }
  throw new GomoteError('ERR_LOCAL_FILE', `${program} is not a program of Linux with a loader`, {
    hint: 'use a Node.js of nodejs.org or of the distribution',
  });
}

function readStart(path: string): Buffer {
  const fd = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(64 << 10);
    return bytes.subarray(0, readSync(fd, bytes));
  } finally {
    closeSync(fd);
  }
}

/** The loader itself lists what it would load. */
async function librariesOf(loader: string, program: string): Promise<string[]> {
  const environment = { PATH: process.env.PATH, LD_LIBRARY_PATH: process.env.LD_LIBRARY_PATH };
  try {
    const { stdout } = await promisify(execFile)(loader, ['--list', program], { env: environment });
    return [...stdout.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(0x/gm)].map(([, path = '']) => path);
  } catch (error) {
    throw new GomoteError(
      'ERR_LOCAL_FILE',
      `cannot list the libraries of ${program}: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
}

/** The files of the optional terminal package for this system. */
export function terminalFiles(): { name: string; path: string }[] {
  const load = createRequire(join(packageRoot, 'package.json'));
  const system = `@lydell/node-pty-${process.platform}-${process.arch}`;
  try {
    const library = load.resolve('@lydell/node-pty/requireBinary.js');
    const native = createRequire(library).resolve(`${system}/pty.node`);
    return [
      ...filesBeside(library, '@lydell/node-pty', ['package.json', 'requireBinary.js']),
      ...filesBeside(native, system, ['package.json', 'pty.node']),
    ];
  } catch {
    return [];
  }
}

const filesBeside = (file: string, name: string, names: readonly string[]) =>
  names.map((one) => ({ name: `node_modules/${name}/${one}`, path: join(dirname(file), one) }));

/**
 * The Node of another architecture from a directory with `bin/node`, `lib/` (the libraries that it loads, with their
 * loader) and, for terminals, `node_modules/`. Throws ERR_CONFIG.
 */
export function configuredNodeFiles(directory: string): PayloadFile[] {
  const { loader, node, libraries } = payloadPaths;
  const named = filesBelow(directory, libraries);
  const loaderFile = named.find((name) => /^lib\/ld-(linux|musl)[^/]*\.so\.[0-9]$/.test(name));
  if (!existsSync(join(directory, node)) || loaderFile === undefined) {
    const missing = loaderFile === undefined ? `${libraries}/ld-*.so.*` : node;
    throw new GomoteError('ERR_CONFIG', `the payload directory ${directory} has no ${missing}`, {
      hint: 'put bin/node into it, and into lib/ all that ldd shows of that node',
    });
  }
  const files = [node, ...named, ...filesBelow(directory, 'node_modules')];
  return [
    { name: loader, mode: 0o755, content: { path: realpathSync(join(directory, loaderFile)) } },
    ...files.map((name) => ({
      ...{ name, mode: 0o755, content: { path: realpathSync(join(directory, name)) } },
    })),
  ];
}

function filesBelow(directory: string, name: string): string[] {
  const path = join(directory, name);
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length).replace(/^\/+/, ''));
}

const pieceBytes = 1 << 20;

/** The file's bytes in pieces. */
export async function* contentOf({ content }: PayloadFile): AsyncGenerator<Buffer> {
  if ('bytes' in content) yield content.bytes;
  else yield* createReadStream(content.path, { highWaterMark: pieceBytes });
}
