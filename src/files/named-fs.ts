// The calls of node:fs for names that may be any bytes: they take and give text that stands for such names
// (file-name.ts). Node takes and gives those as buffers only, and spoils them as text.
import * as fs from 'node:fs';
import * as promises from 'node:fs/promises';
import { nameFromBytes } from '../protocol/name-bytes.ts';
import { fsPath } from './file-name.ts';

/** Node decodes a byte that is not UTF-8 as this: under such a name nothing would be found. */
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

export const chmod = onePath(promises.chmod);
export const lstat = onePath(promises.lstat);
export const mkdir = onePath(promises.mkdir);
export const open = onePath(promises.open);
export const rm = onePath(promises.rm);
export const stat = onePath(promises.stat);
export const utimes = onePath(promises.utimes);
export const rename = twoPaths(promises.rename);

/** Names in a directory, in no order. */
export function readdirSync(directory: string): string[] {
  const names = fs.readdirSync(fsPath(directory));
  if (!names.some(isDoubtful)) return names;
  return fs.readdirSync(fsPath(directory), { encoding: 'buffer' }).map(nameFromBytes);
}

/** A name in a directory, and what kind of thing has it. */
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

/** Where a symbolic link leads. */
export function readlinkSync(path: string): string {
  const target = fs.readlinkSync(fsPath(path));
  if (!isDoubtful(target)) return target;
  return nameFromBytes(fs.readlinkSync(fsPath(path), { encoding: 'buffer' }));
}

/** The path without symbolic links. Relative ones are the system's to resolve: Node spoils the name of the directory it is in. */
export const realpathSync = (path: string): string =>
  nameFromBytes(fs.realpathSync.native(fsPath(path), { encoding: 'buffer' }));

/** The directory that this process is in. */
export function currentDirectory(): string {
  const directory = process.cwd();
  return isDoubtful(directory) ? realpathSync('.') : directory;
}

/** {@link readdirSync}, not held up. */
export async function readdir(directory: string): Promise<string[]> {
  const names = await promises.readdir(fsPath(directory));
  if (!names.some(isDoubtful)) return names;
  return (await promises.readdir(fsPath(directory), { encoding: 'buffer' })).map(nameFromBytes);
}

/** {@link readlinkSync}, not held up. */
export async function readlink(path: string): Promise<string> {
  const target = await promises.readlink(fsPath(path));
  if (!isDoubtful(target)) return target;
  return nameFromBytes(await promises.readlink(fsPath(path), { encoding: 'buffer' }));
}

/** {@link realpathSync}, not held up. */
export async function realpath(path: string): Promise<string> {
  return nameFromBytes(await promises.realpath(fsPath(path), { encoding: 'buffer' }));
}

const isDoubtful = (name: string): boolean => name.includes(replacement);
