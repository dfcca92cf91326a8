// Finds a command's file and directory, by the rules of `/exec`, and checks whether it can run. The calls are
// synchronous, as the start of the command is, which reads the same files.
import { closeSync, constants, readSync } from 'node:fs';
import { endianness } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { errnoOf } from '../../errors.ts';
import { accessSync, existsSync, openSync, statSync } from '../../files/named-fs.ts';
import type { ExecRequest } from '../../protocol/exec.ts';
import { errnoText, notStarted } from '../../protocol/process-state.ts';
import { defaultPath } from './environment.ts';

interface CommandFile {
  /** Absolute. */
  readonly file: string;
  /** The command's argv[0]. */
  readonly name: string;
  /** Absolute. */
  readonly directory: string;
}

/** Finds the file, or returns the Process-State text of a command that cannot start. */
export function findCommandFile(
  request: ExecRequest,
  workDir: string,
  searchPaths: ReadonlyArray<string | undefined>,
): CommandFile | { notStarted: string } {
  const directory = commandDirectory(request, workDir);
  let file = resolve(request.systemLevel ? directory : workDir, request.cmd);
  if (request.systemLevel && !request.cmd.includes('/')) {
    const found = lookUp(request.cmd, searchPaths, directory);
    if (found === undefined) return { notStarted: notStarted.notOnPath(request.cmd) };
    file = found;
  }
  const noDirectory = whyNoDirectory(directory);
  if (noDirectory !== undefined) return { notStarted: notStarted.chdir(directory, noDirectory) };
  const noExec = whyNotExecutable(file);
  if (noExec !== undefined) return { notStarted: notStarted.exec(file, noExec) };
  return { file, name: request.systemLevel ? request.cmd : file, directory };
}

/**
 * The absolute path of a program that the buildlet puts before commands; undefined where it is missing. The PATH of a
 * command may lack it, or have another one of that name.
 */
export const findOwnProgram = (name: string, searchPath = ownSearchPath()): string | undefined =>
  lookUp(name, [searchPath], '/');

const ownSearchPath = (): string => `${defaultPath}:${process.env.PATH ?? ''}`;

function commandDirectory(request: ExecRequest, workDir: string): string {
  if (request.dir !== '') return resolve(workDir, request.dir);
  return request.systemLevel ? workDir : dirname(join(workDir, request.cmd));
}

/** The first executable of that name on the search paths; relative elements are resolved in the directory. */
function lookUp(
  name: string,
  searchPaths: ReadonlyArray<string | undefined>,
  directory: string,
): string | undefined {
  for (const element of searchPaths.flatMap((path) => path?.split(':') ?? [])) {
    const file = resolve(isAbsolute(element) ? element : resolve(directory, element), name);
    if (whyNotExecutable(file) === undefined) return file;
  }
  return undefined;
}

function whyNoDirectory(directory: string): string | undefined {
  try {
    if (!statSync(directory).isDirectory()) return errnoText('ENOTDIR');
    accessSync(directory, constants.X_OK);
    return undefined;
  } catch (error) {
    return errnoText(errnoOf(error) ?? 'EIO');
  }
}

function whyNotExecutable(file: string): string | undefined {
  try {
    // A pipe or device is not a program either, and reading it might block.
    if (!statSync(file).isFile()) return errnoText('EACCES');
    accessSync(file, constants.X_OK);
  } catch (error) {
    return errnoText(errnoOf(error) ?? 'EIO');
  }
  return isForeignFormat(file) ? errnoText('ENOEXEC') : undefined;
}

/** ELF machine numbers of Node's architectures. */
const elfMachines: Record<string, readonly number[]> = {
  x64: [62, 3],
  ia32: [3],
  arm64: [183, 40],
  arm: [40],
  riscv64: [243],
  ppc64: [21],
  s390x: [22],
  loong64: [258],
};

/**
 * Whether the kernel would refuse the file's format. The C library would then run it as a shell script, so that a
 * program for another architecture would seem to have run and failed.
 */
function isForeignFormat(file: string): boolean {
  const machines = elfMachines[process.arch];
  if (process.platform !== 'linux' || machines === undefined) return false;
  const head = readHead(file);
  // An unreadable file can still be executed; an empty file is left to the kernel.
  if (head === undefined || head.toString('latin1', 0, 2) === '#!') return false;
  const isElf = head.toString('latin1', 0, 4) === '\x7fELF' && head.length >= 20;
  if (isElf) {
    const machine = endianness() === 'LE' ? head.readUInt16LE(18) : head.readUInt16BE(18);
    if (machines.includes(machine)) return false;
  }
  return !hasForeignInterpreters();
}

function readHead(file: string): Buffer | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(file, 'r');
    const head = Buffer.alloc(20);
    return head.subarray(0, readSync(fd, head, 0, head.length, 0));
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Whether the kernel knows other formats, for example by qemu-user. */
const hasForeignInterpreters = (): boolean => existsSync('/proc/sys/fs/binfmt_misc/status');
