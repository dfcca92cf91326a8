// The program that a client runs on a host: creates, lists and destroys the buildlets of its user there.
//
// They are processes like local ones, in their own directories below the state directory. The request is a line on
// standard input; it is cancelled when standard input ends.
import { once } from 'node:events';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream/promises';
import { errnoOf, type GomoteError, isGomoteError, messageOf } from '../../../errors.ts';
import { UsedNames } from '../../../files/used-names.ts';
import { homeDirectory } from '../../../files/user-directories.ts';
import { openSocket } from '../../../http/client/open-socket.ts';
import { errnoText } from '../../../protocol/process-state.ts';
import type { Instance } from '../../backend.ts';
import { LocalBackend } from '../../local/backend.ts';
import { startLocalBuildlet } from '../../local/process.ts';
import type { MachineStore } from '../../machine-store.ts';
import { type HostReply, type HostRequest, keptLine, parseRequest } from '../messages.ts';
import { removeOldPrograms, touchPrograms } from './old-programs.ts';

type Request<Op extends HostRequest['op']> = Extract<HostRequest, { op: Op }>;

export async function run(): Promise<number> {
  const ended = new AbortController();
  const { stdin, stdout } = process;
  stdout.on('error', () => ended.abort());
  stdin.on('error', () => ended.abort());
  try {
    const request = parseRequest(await firstLine());
    if (request.op === 'dial') {
      await dial(request);
      return 0;
    }
    const lines = createInterface({ input: stdin });
    lines.once('close', () => ended.abort());
    const answer = new Host(ended.signal, lines);
    reply({ ok: await answer.to(request) });
    lines.close();
    return 0;
  } catch (error) {
    reply({ error: errorReplyOf(error) });
    return 1;
  } finally {
    stdin.destroy();
  }
}

/** Reads no further, because the rest may belong to another program. */
async function firstLine(): Promise<string> {
  const { stdin } = process;
  const parts: Buffer[] = [];
  for (;;) {
    const chunk: Buffer | null = stdin.read();
    if (chunk === null) {
      if (stdin.readableEnded) throw new Error('there is no request');
      await Promise.race([once(stdin, 'readable'), once(stdin, 'end')]);
      continue;
    }
    const end = chunk.indexOf('\n');
    parts.push(end < 0 ? chunk : chunk.subarray(0, end));
    if (end < 0) continue;
    if (end + 1 < chunk.length) stdin.unshift(chunk.subarray(end + 1));
    return Buffer.concat(parts).toString();
  }
}

const reply = (line: object): boolean => process.stdout.write(`${JSON.stringify(line)}\n`);

function errorReplyOf(error: unknown): Pick<GomoteError, 'code' | 'message' | 'hint'> {
  if (isGomoteError(error)) {
    const { code, message, hint } = error;
    return { code, message, hint };
  }
  const errno = errnoOf(error);
  const isFull = errno === 'ENOSPC' || errno === 'EDQUOT';
  return {
    code: 'ERR_MACHINE',
    message: errno === undefined ? messageOf(error) : `${errnoText(errno)} (${messageOf(error)})`,
    hint: isFull ? 'free some space below its home directory' : undefined,
  };
}

const stateDirectory = (): string =>
  join(homeDirectory(process.env), '.local', 'state', 'gomote', 'ssh');

const openLocal = (user?: string, store?: MachineStore): LocalBackend =>
  new LocalBackend(
    {
      ...{ kind: 'local', name: 'ssh', user, environment: process.env },
      sharedRoot: stateDirectory(),
      start: async (directory, record, start, signal) =>
        await startLocalBuildlet(directory, record, { ...start, store }, signal),
    },
    undefined,
  );

/** The user's own store, beside the programs. */
function storeOf(user: string, limitBytes: number): MachineStore | undefined {
  if (limitBytes === 0) return undefined;
  const directory = join(homeDirectory(process.env), '.cache', 'gomote', 'store', user);
  return { directory, limitBytes };
}

/** Answers one request. */
class Host {
  readonly #signal: AbortSignal;
  readonly #lines: AsyncIterable<string>;

  constructor(signal: AbortSignal, lines: AsyncIterable<string>) {
    this.#signal = signal;
    this.#lines = lines;
  }

  async to(request: Exclude<HostRequest, { op: 'dial' }>): Promise<unknown> {
    const call = { signal: this.#signal };
    switch (request.op) {
      case 'create':
        return await this.#create(request);
      case 'list':
        return (await openLocal(request.user).list(call)).map(plain);
      case 'find':
        return await this.#find(request);
      case 'destroy':
        await openLocal(request.user).destroy(request.name, call);
        return null;
      case 'reap':
        return [...(await openLocal().reap()), ...(await removeOldPrograms())];
      case 'caches':
        return await openLocal(request.user).caches();
      case 'purge-cache':
        return await openLocal(request.user).purgeCache(request.name);
      case 'survey':
        return await this.#survey(request);
      case 'number':
        return numberOf(usedNames().take(request.stem, undefined, request.least));
    }
  }

  /** Destroys the new buildlet unless the client confirms it. */
  async #create({ storeBytes, builder, host, user, number, ...request }: Request<'create'>) {
    const { cacheOwner, holdMs, labels } = request;
    await touchPrograms();
    const backend = openLocal(undefined, storeOf(user, storeBytes));
    const call = { user, cacheOwner, host, holdMs, labels, signal: this.#signal };
    const instance = await backend.create(builder, call, number);
    reply({ ok: { ...backend.reach(instance.name), instance: plain(instance) } });
    for await (const line of this.#lines) {
      if (line === keptLine) return null;
    }
    await backend.destroy(instance.name, { signal: new AbortController().signal });
    throw new Error('the client has gone');
  }

  async #find({ name, user }: Request<'find'>): Promise<unknown> {
    const backend = openLocal(user);
    const reach = backend.reach(name);
    const instance = await backend.look(name, { signal: this.#signal });
    return { ...reach, instance: plain(instance) };
  }

  async #survey({ stem }: Request<'survey'>): Promise<HostReply<'survey'>> {
    const instances = await openLocal().list({ signal: this.#signal });
    const living = instances.filter(({ dead }) => dead === undefined).length;
    const [load = 0] = loadavg();
    return { busy: load + living, cpus: availableParallelism(), next: usedNames().next(stem) };
  }
}

const usedNames = (): UsedNames => new UsedNames(join(stateDirectory(), 'work', 'names'));

const numberOf = (name: string): number => Number(name.slice(name.lastIndexOf('-') + 1));

const plain = ({
  name,
  builderType,
  hostType,
  owner,
  labels,
  created,
  expires,
  dead,
}: Instance) => ({
  ...{ name, builderType, hostType, owner, labels, created, expires, dead },
});

async function dial({ name }: Request<'dial'>): Promise<void> {
  const { socket: path } = openLocal().reach(name);
  const socket = await openSocket({ kind: 'unix', path });
  reply({ ok: null });
  await Promise.all([pipeline(process.stdin, socket), pipeline(socket, process.stdout)]);
}
