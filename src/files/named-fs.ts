// The calls of node:fs for names with arbitrary bytes: they take and return text that stands for such names
// (file-name.ts). Node supports such names only as buffers, and corrupts them as text.
import * as fs from 'node:fs';
import type * as promises from 'node:fs/promises';
import { nameFromBytes } from '../protocol/name-bytes.ts';
import { compareBytes } from '../protocol/relative-path.ts';
import { fsPath } from './file-name.ts';

/** Node decodes a byte that is not UTF-8 as this character. No file would be found under such a name. */
const replacement = '\uFFFD';

const exact = (path: unknown): unknown => (typeof path === 'string' ? fsPath(path) : path);

/** The call, its first argument being a path. */
const onePath = <Call extends (path: never, ...rest: never[]) => unknown>(call: Call): Call =>
  ((path: never, ...rest: never[]) => call(exact(path) as never, ...rest)) as Call;

/** The call, its first two arguments being paths. */
const twoPaths = <Call extends (from: never, to: never, ...rest: never[]) => unknown>(
  call: Call,
): Call =>
  ((from: never, to: never, ...rest: never[]) =>
    call(exact(from) as never, exact(to) as never, ...rest)) as Call;

export const accessSync = onePath(fs.accessSync);
export const chmodSync = onePath(fs.chmodSync);
export const existsSync = onePath(fs.existsSync);
export const lstatSync = onePath(fs.lstatSync);
export const lutimesSync = onePath(fs.lutimesSync);
export const mkdirSync = onePath(fs.mkdirSync);
export const openSync = onePath(fs.openSync);
export const readFileSync = onePath(fs.readFileSync);
export const rmdirSync = onePath(fs.rmdirSync);
export const rmSync = onePath(fs.rmSync);
export const statSync = onePath(fs.statSync);
export const unlinkSync = onePath(fs.unlinkSync);
export const utimesSync = onePath(fs.utimesSync);
export const watch = onePath(fs.watch);
export const copyFileSync = twoPaths(fs.copyFileSync);
export const cpSync = twoPaths(fs.cpSync);
export const linkSync = twoPaths(fs.linkSync);
export const renameSync = twoPaths(fs.renameSync);
export const symlinkSync = twoPaths(fs.symlinkSync);
export const createReadStream = onePath(fs.createReadStream);
export const createWriteStream = onePath(fs.createWriteStream);

/** Loaded on demand: it loads much of Node, and most commands do not need it. */
const later = (): typeof promises => process.getBuiltinModule('node:fs/promises');

export const chmod: typeof promises.chmod = (...args) => onePath(later().chmod)(...args);
export const lstat = ((...args: Parameters<typeof promises.lstat>) =>
  onePath(later().lstat)(...args)) as typeof promises.lstat;
export const mkdir = ((...args: Parameters<typeof promises.mkdir>) =>
  onePath(later().mkdir)(...args)) as typeof promises.mkdir;
export const open: typeof promises.open = (...args) => onePath(later().open)(...args);
export const rm: typeof promises.rm = (...args) => onePath(later().rm)(...args);
export const stat = ((...args: Parameters<typeof promises.stat>) =>
  onePath(later().stat)(...args)) as typeof promises.stat;
export const utimes: typeof promises.utimes = (...args) => onePath(later().utimes)(...args);
export const rename: typeof promises.rename = (...args) => twoPaths(later().rename)(...args);

/** Names in a directory, in no order. */
export function readdirSync(directory: string): string[] {
  const names = fs.readdirSync(fsPath(directory));
  if (!names.some(isDoubtful)) return names;
  return fs.readdirSync(fsPath(directory), { encoding: 'buffer' }).map(nameFromBytes);
}

/** A name in a directory, and the type of the entry. */
export type NamedEntry = Omit<fs.Dirent, 'path' | 'parentPath'>;

/** What is in a directory, in no order. */
export function readEntriesSync(directory: string): NamedEntry[] {
  const entries = fs.readdirSync(fsPath(directory), { withFileTypes: true });
  if (!entries.some(({ name }) => isDoubtful(name))) return entries;
  const exactly = fs.readdirSync(fsPath(directory), { encoding: 'buffer', withFileTypes: true });
  return exactly.map(
    (entry) => Object.assign(entry, { name: nameFromBytes(entry.name) }) as unknown as NamedEntry,
  );
}

/** The entries sorted by name as bytes. Throws what readdir throws. */
export function sortedEntries(directory: string): NamedEntry[] {
  const entries = readEntriesSync(directory);
  // Without such characters, the default string order is the same, and much faster.
  return entries.some(({ name }) => /[\ud800-\uffff]/.test(name))
    ? entries.sort((a, b) => compareBytes(a.name, b.name))
    : entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Where a symbolic link leads. */
export function readlinkSync(path: string): string {
  const target = fs.readlinkSync(fsPath(path));
  if (!isDoubtful(target)) return target;
  return nameFromBytes(fs.readlinkSync(fsPath(path), { encoding: 'buffer' }));
}

/** The path without symbolic links. Relative ones are resolved by the system: Node corrupts the name of the current directory. */
export const realpathSync = (path: string): string =>
  nameFromBytes(fs.realpathSync.native(fsPath(path), { encoding: 'buffer' }));

/** The current directory of this process. */
export function currentDirectory(): string {
  const directory = process.cwd();
  return isDoubtful(directory) ? realpathSync('.') : directory;
}

/** Asynchronous {@link readdirSync}. */
export async function readdir(directory: string): Promise<string[]> {
  const names = await later().readdir(fsPath(directory));
  if (!names.some(isDoubtful)) return names;
  return (await later().readdir(fsPath(directory), { encoding: 'buffer' })).map(nameFromBytes);
}

/** Asynchronous {@link readlinkSync}. */
export async function readlink(path: string): Promise<string> {
  const target = await later().readlink(fsPath(path));
  if (!isDoubtful(target)) return target;
  return nameFromBytes(await later().readlink(fsPath(path), { encoding: 'buffer' }));
}

/** Asynchronous {@link realpathSync}. */
export async function realpath(path: string): Promise<string> {
  return nameFromBytes(await later().realpath(fsPath(path), { encoding: 'buffer' }));
}

const isDoubtful = (name: string): boolean => name.includes(replacement);
