// Installs on a host what buildlets need, and starts the program there that manages them.
import { createHash, hash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { arch, machine, type as systemName } from 'node:os';
import { join } from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createGzip, gzip } from 'node:zlib';
import { GomoteError, isGomoteError } from '../../errors.ts';
import { nodePath } from '../../node-command.ts';
import { packageRoot } from '../../package-root.ts';
import { SharedCall } from '../../shared-call.ts';
import { bundleFiles, loaderOf, type PayloadFile, terminalFiles } from '../payload.ts';
import type { SshLink } from './link.ts';
import { RemoteSession } from './remote-session.ts';
import { enterScript, filesScript, nodeScript, oldestNode } from './scripts.ts';

export interface EnterCall {
  readonly signal: AbortSignal;
  readonly onProgress?: ((step: string) => void) | undefined;
}

/** The time limit for a copy after everything was sent, in ms. */
const settleMs = 120_000;

/** How long to wait for a free session, and the delay between attempts, in ms. */
const patienceMs = 60_000;
const pauseMs = 100;

/** The programs to run there, in addition to the buildlet's own. */
const ownNames = [...['bin/ssh-host.js', 'dist/ssh-host.cjs'], 'dist/sandbox-host.cjs'];

interface Programs {
  readonly files: readonly { readonly name: string; readonly bytes: Buffer }[];
  /** Identifies their version. */
  readonly version: string;
}

let programs: Promise<Programs> | undefined;

/** Once for each process. */
const readPrograms = (): Promise<Programs> => {
  programs ??= readFiles();
  return programs;
};

/** Starts the program on the host, after copying what is missing. The caller ends the session. */
export async function enter(link: SshLink, call: EnterCall): Promise<RemoteSession> {
  const { version } = await readPrograms();
  const loader = ownLoader();
  // Copy each missing part once.
  const copied = new Set<string>();
  for (;;) {
    const script = (mark: string) => enterScript(mark, version, loader);
    const { session, answer } = await startPatiently(link, script, call.signal);
    const [word = '', ...words] = answer;
    if (word === 'ready') return session;
    session.kill();
    if (copied.has(word)) throw problem(link, 'what was copied there has gone');
    copied.add(word);
    await copyOnce(link, word, call, async (shared) => {
      if (word === 'files') await putFiles(link, await readPrograms(), shared);
      else if (word === 'node') await putNode(link, words, shared);
      else throw problem(link, `an answer that nobody gives: ${word}`);
    });
  }
}

const copies = new WeakMap<SshLink, Map<string, SharedCall<void>>>();

/** Shares one copy among concurrent callers. */
async function copyOnce(
  link: SshLink,
  what: string,
  { signal, onProgress }: EnterCall,
  copy: (call: EnterCall) => Promise<void>,
): Promise<void> {
  const ofLink = copies.get(link) ?? new Map<string, SharedCall<void>>();
  copies.set(link, ofLink);
  const shared = ofLink.get(what) ?? new SharedCall((signal) => copy({ signal, onProgress }));
  ofLink.set(what, shared);
  await shared.join(signal);
}

interface Started {
  readonly session: RemoteSession;
  /** The words of its first answer. */
  readonly answer: readonly string[];
}

/** Starts the script and sends its input. Where a host limits sessions, waits until others have ended. */
async function startPatiently(
  link: SshLink,
  script: (mark: string) => string,
  signal: AbortSignal,
  send?: (input: Writable) => Promise<void>,
): Promise<Started> {
  for (const startedAtMs = performance.now(); ; ) {
    const session = await RemoteSession.start(link, script, signal);
    const leave = () => session.kill();
    // What is sent may be long.
    signal.addEventListener('abort', leave, { once: true });
    try {
      // A script that ends early says why in its answer.
      await send?.(session.stdin).catch(() => signal.throwIfAborted());
      return { session, answer: await answerOf(session, link, signal, send && settleMs) };
    } catch (error) {
      session.kill();
      const isPatient = performance.now() - startedAtMs < patienceMs;
      if (!isPatient || !isGomoteError(error, 'ERR_QUOTA')) throw error;
      await sleep(pauseMs * (1 + Math.random()), undefined, { signal });
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }
}

/** The next answer; throws for `failed`. */
async function answerOf(
  session: RemoteSession,
  link: SshLink,
  signal: AbortSignal,
  limitMs?: number,
): Promise<string[]> {
  const [word = '', ...words] = (await session.answer(signal, limitMs)).split(' ');
  if (word !== 'failed') return [word, ...words];
  throw problem(link, words.join(' '));
}

async function readFiles(): Promise<Programs> {
  const own = ownNames.map((name) => ({ name, path: join(packageRoot, name) }));
  const named = [...bundleFiles().map(toPath), ...own, ...terminalFiles()];
  const files = await Promise.all(
    named.map(async ({ name, path }) => ({ name, bytes: await readFile(path) })),
  );
  const hash = createHash('sha256');
  for (const { name, bytes } of files) hash.update(`${name}\0${bytes.length}\0`).update(bytes);
  return { files, version: hash.digest('hex').slice(0, 16) };
}

const toPath = ({ name, content }: PayloadFile) => ({
  name,
  path: 'path' in content ? content.path : '',
});

async function putFiles(link: SshLink, { files, version }: Programs, call: EnterCall) {
  call.onProgress?.(`copying the buildlet to ${link.destination.text}`);
  const parts = files.flatMap(({ name, bytes }) => [
    Buffer.from(`${JSON.stringify({ name, size: bytes.length })}\n`),
    bytes,
  ]);
  const packed = await promisify(gzip)(Buffer.concat(parts));
  const digest = hash('sha256', packed);
  const script = (mark: string) => filesScript(mark, version, digest);
  const send = (input: Writable) => pipeline(Readable.from([packed]), input);
  const { session } = await startPatiently(link, script, call.signal, send);
  await session.end();
}

/** Names of systems and machines in uname, where Node uses another. */
const sameMachine: Readonly<Record<string, readonly string[]>> = {
  x64: ['x86_64', 'amd64'],
  arm64: ['aarch64', 'arm64'],
};

async function putNode(link: SshLink, words: readonly string[], call: EnterCall): Promise<void> {
  const [loader, gzipThere, system = '', cpu = ''] = words;
  const isSame =
    system === systemName() && [machine(), ...(sameMachine[arch()] ?? [])].includes(cpu);
  if (!isSame)
    throw noNode(
      link,
      `this machine's is for ${systemName()} ${machine()}, and it is ${system} ${cpu}`,
    );
  if (loader !== 'yes') throw noNode(link, "this machine's does not run with the C library there");
  call.onProgress?.(`copying Node.js to ${link.destination.text}`);
  const path = nodePath();
  const isPacked = gzipThere === 'yes';
  const sizeBytes = statSync(path).size;
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  const name = `node-${process.version}-${arch()}-${hash.digest('hex').slice(0, 12)}`;
  const script = (mark: string) => nodeScript(mark, { name, sizeBytes, isPacked });
  const send = (input: Writable) =>
    isPacked
      ? pipeline(createReadStream(path), createGzip({ level: 1 }), input)
      : pipeline(createReadStream(path), input);
  const { session, answer } = await startPatiently(link, script, call.signal, send);
  await session.end();
  const [word, ...why] = answer;
  if (word === 'unfit') throw noNode(link, `this machine's does not run there: ${why.join(' ')}`);
}

function ownLoader(): string {
  try {
    return process.platform === 'linux' ? loaderOf(nodePath()) : '/bin/sh';
  } catch (error) {
    // It needs none.
    if (isGomoteError(error)) return '/bin/sh';
    throw error;
  }
}

const noNode = (link: SshLink, why: string): GomoteError =>
  new GomoteError('ERR_MACHINE', `${link.destination.text}: it has no Node.js, and ${why}`, {
    hint: `install Node.js ${oldestNode} or later there`,
  });

function problem(link: SshLink, what: string): GomoteError {
  const isFull = /no space left|quota exceeded|ENOSPC|EDQUOT/i.test(what);
  return new GomoteError('ERR_MACHINE', `${link.destination.text}: ${what}`, {
    hint: isFull
      ? 'free some space below its home directory'
      : 'see that its home directory can be written to',
  });
}
