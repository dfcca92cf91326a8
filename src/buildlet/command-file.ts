// Which file and directory a command runs, by the rules of `/exec`, and whether it can be run at all.
import { access, constants, open, stat } from 'node:fs/promises';
import { endianness } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { errnoOf } from '../errors.ts';
import type { ExecRequest } from '../protocol/exec.ts';
import { errnoText, notStarted } from '../protocol/process-state.ts';

export interface CommandFile {
  /** Absolute. */
  readonly file: string;
  /** The name the command is given as its own, argv[0]. */
  readonly name: string;
  /** Absolute. */
  readonly directory: string;
}

/** Finds the file, or gives the Process-State text of a command that cannot start. */
export async function findCommandFile(
  request: ExecRequest,
  workDir: string,
  searchPaths: ReadonlyArray<string | undefined>,
): Promise<CommandFile | { notStarted: string }> {
  const directory = commandDirectory(request, workDir);
  let file = resolve(request.systemLevel ? directory : workDir, request.cmd);
  if (request.systemLevel && !request.cmd.includes('/')) {
    const found = await lookUp(request.cmd, searchPaths, directory);
    if (found === undefined) return { notStarted: notStarted.notOnPath(request.cmd) };
    file = found;
  }
  const noDirectory = await whyNoDirectory(directory);
  if (noDirectory !== undefined) return { notStarted: notStarted.chdir(directory, noDirectory) };
  const noExec = await whyNotExecutable(file);
  if (noExec !== undefined) return { notStarted: notStarted.exec(file, noExec) };
  return { file, name: request.systemLevel ? request.cmd : file, directory };
}

function commandDirectory(request: ExecRequest, workDir: string): string {
  if (request.dir !== '') return resolve(workDir, request.dir);
  return request.systemLevel ? workDir : dirname(join(workDir, request.cmd));
}

/** The first executable of that name on the search paths; a relative element counts from the directory. */
async function lookUp(
  name: string,
  searchPaths: ReadonlyArray<string | undefined>,
  directory: string,
): Promise<string | undefined> {
  for (const element of searchPaths.flatMap((path) => path?.split(':') ?? [])) {
    const file = resolve(isAbsolute(element) ? element : resolve(directory, element), name);
    if ((await whyNotExecutable(file)) === undefined) return file;
  }
  return undefined;
}

async function whyNoDirectory(directory: string): Promise<string | undefined> {
  try {
    if (!(await stat(directory)).isDirectory()) return errnoText('ENOTDIR');
    await access(directory, constants.X_OK);
    return undefined;
  } catch (error) {
    return errnoText(errnoOf(error) ?? 'EIO');
  }
}

async function whyNotExecutable(file: string): Promise<string | undefined> {
  try {
    if ((await stat(file)).isDirectory()) return errnoText('EACCES');
    await access(file, constants.X_OK);
  } catch (error) {
    return errnoText(errnoOf(error) ?? 'EIO');
  }
  return (await isForeignFormat(file)) ? errnoText('ENOEXEC') : undefined;
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
 * Whether the kernel would refuse the file's format. The C library then runs it as a shell script, so a
 * program built for another machine would seem to have run and failed.
 */
async function isForeignFormat(file: string): Promise<boolean> {
  const machines = elfMachines[process.arch];
  if (process.platform !== 'linux' || machines === undefined) return false;
  const head = await readHead(file);
  // What cannot be read can still be executed; an empty file is for the kernel to judge.
  if (head === undefined || head.toString('latin1', 0, 2) === '#!') return false;
  const isElf = head.toString('latin1', 0, 4) === '\x7fELF' && head.length >= 20;
  if (isElf) {
    const machine = endianness() === 'LE' ? head.readUInt16LE(18) : head.readUInt16BE(18);
    if (machines.includes(machine)) return false;
  }
  return !(await hasForeignInterpreters());
}

async function readHead(file: string): Promise<Buffer | undefined> {
  const handle = await open(file, 'r').catch(() => undefined);
  if (handle === undefined) return undefined;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(20), 0, 20, 0);
    return buffer.subarray(0, bytesRead);
  } catch {
    return undefined;
  } finally {
    await handle.close();
  }
}

/** Whether the kernel has been taught other formats, as by qemu-user. */
async function hasForeignInterpreters(): Promise<boolean> {
  const status = await open('/proc/sys/fs/binfmt_misc/status', 'r').catch(() => undefined);
  await status?.close();
  return status !== undefined;
}
