// Gives a new local buildlet its name, directory, password and record.
import { createHash, randomBytes } from 'node:crypto';
import { lstat, mkdir, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { BuilderType } from '../builders.ts';
import { errnoOf, GomoteError } from '../errors.ts';
import { socketPathLimitBytes } from '../http/listen.ts';
import type { CreateCall } from './backend.ts';
import { type LocalRecord, passwordPath, writeRecord } from './local-record.ts';

/** Reserves a name below `root` and writes what its buildlet starts from. */
export async function reserve(
  root: string,
  builder: BuilderType,
  call: CreateCall,
): Promise<{ directory: string; record: LocalRecord }> {
  await ensurePrivateDirectory(root);
  const name = await reserveName(root, `${call.user}-${builder.name}`, call.signal);
  const directory = join(root, name);
  const socket = socketPath(directory);
  const record: LocalRecord = {
    name,
    builderType: builder.name,
    hostType: builder.hostType,
    created: new Date().toISOString(),
    socket,
    workDir: join(await realpath(tmpdir()), `gomote-${name}-${randomBytes(4).toString('hex')}`),
  };
  try {
    const password = randomBytes(24).toString('hex');
    await writeFile(passwordPath(directory), `${password}\n`, { mode: 0o600 });
    if (dirname(socket) !== directory) await mkdir(dirname(socket), { mode: 0o700 });
    writeRecord(directory, record);
    return { directory, record };
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

/** Making the directory is what reserves the name: only one of many at once can. */
async function reserveName(root: string, stem: string, signal: AbortSignal): Promise<string> {
  for (let n = 0; ; n++) {
    signal.throwIfAborted();
    const name = `${stem}-${n}`;
    try {
      await mkdir(join(root, name), { mode: 0o700 });
      return name;
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
  }
}

/** Makes a directory that only its owner can enter, or checks that one is. */
async function ensurePrivateDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const stats = await lstat(path);
  const own = process.getuid === undefined || stats.uid === process.getuid();
  if (!stats.isDirectory() || !own || (stats.mode & 0o077) !== 0) {
    throw new GomoteError('ERR_CONFIG', `${path} is not a directory of yours alone`, {
      hint: `chmod 700 ${path}, or remove it`,
    });
  }
}

/** The socket of the buildlet in `directory`: there, or, when that path is too long for one, in a short place. */
function socketPath(directory: string): string {
  const path = join(directory, 'socket');
  if (Buffer.byteLength(path) <= socketPathLimitBytes) return path;
  const digest = createHash('sha256').update(directory).digest('hex').slice(0, 24);
  const short = [tmpdir(), '/tmp'].map((temporary) =>
    join(temporary, `gomote-${digest}`, 'socket'),
  );
  return short.find((candidate) => Buffer.byteLength(candidate) <= socketPathLimitBytes) ?? path;
}
