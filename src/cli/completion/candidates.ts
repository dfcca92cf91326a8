// Candidates at the cursor: the current names, types, runs and files.
import type { AnyBackend } from '../../backends/backend.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import type { Context } from '../context.ts';
import type { ValueKind } from './kinds.ts';

/** A completion. One that ends with `/`, `:`, `=` or `,` is not yet complete. */
export interface Candidate {
  readonly value: string;
  readonly description?: string | undefined;
}

/** The time limit for a backend or a buildlet, in ms: the user waits at the keyboard. */
const patienceMs = 1_500;
const fileLimit = 2_000;

const plain = (values: Iterable<string>): Candidate[] => [...values].map((value) => ({ value }));

/** The candidates of a kind other than local files. `buildlet` is the one named earlier on the line. */
export async function candidatesOf(
  kind: ValueKind,
  word: string,
  { buildlet, operands }: { buildlet: string | undefined; operands: readonly string[] },
  context: Context,
): Promise<Candidate[]> {
  switch (kind) {
    case 'backend':
      return plain((await context.backends.config()).backends.keys());
    case 'buildlet':
      return (await buildlets(word, context)).filter(({ value }) => !operands.includes(value));
    case 'buildlets': {
      const before = word.slice(0, word.lastIndexOf(',') + 1);
      const named = before.split(',');
      const found = await buildlets(word.slice(before.length), context);
      return found
        .filter(({ value }) => !named.includes(value))
        .map((one) => ({ ...one, value: `${before}${one.value}` }));
    }
    case 'run':
      return buildlet === undefined ? [] : await runs(buildlet, operands, context);
    case 'type':
      return await types(context);
    case 'signal': {
      const { signals } = await import('../../protocol/signals.ts');
      return plain(signals.map(({ name }) => name.slice('SIG'.length)));
    }
    case 'remote':
    case 'remote-directory': {
      if (buildlet === undefined) return [];
      return await files(buildlet, word, kind === 'remote-directory', context);
    }
    case 'copy': {
      const [, name, path] = /^([^:]{2,}):(.*)$/s.exec(word) ?? [];
      if (name === undefined || path === undefined) {
        return (await buildlets(word, context)).map((one) => ({ ...one, value: `${one.value}:` }));
      }
      const found = await files(name, path, false, context);
      return found.map(({ value }) => ({ value: `${name}:${value}` }));
    }
    case 'job': {
      const { findProject } = await import('../project/find-project.ts');
      const jobs = (await findProject())?.jobs ?? [];
      return [...jobs].map(([value, { description }]) => ({ value, description }));
    }
    case 'snapshot':
      return plain(
        (await context.gomote.snapshots({ onFailure: () => undefined })).map(({ tag }) => tag),
      );
    case 'cache':
      return plain(
        (await context.gomote.caches({ onFailure: () => undefined })).map(({ name }) => name),
      );
    case 'group': {
      const { Groups } = await import('../which/groups.ts');
      return plain(new Groups(context.backends.configDir).all().map(({ name }) => name));
    }
    default:
      return [];
  }
}

/** The buildlets of the backend that the word names, or of all backends that answer in time. */
async function buildlets(word: string, context: Context): Promise<Candidate[]> {
  const { backends } = await context.backends.config();
  const chosen = await context.backends.defaultName();
  const named = [...backends.keys()].filter((name) => word.startsWith(`${name}/`));
  const names = context.backends.isGiven
    ? [chosen]
    : named.length > 0
      ? named
      : [...new Set([chosen, ...backends.keys()])];
  const signal = patience(context);
  const lists = await Promise.allSettled(
    names.map(async (backend) => {
      const found = await namesIn(await context.backends.open(backend), signal);
      return await Promise.all(
        found.map(async ({ name, about }) => ({
          value: await context.backends.fullName(backend, name),
          description: about,
        })),
      );
    }),
  );
  return lists.flatMap((list) => (list.status === 'fulfilled' ? list.value : []));
}

async function namesIn(backend: AnyBackend, signal: AbortSignal) {
  if (backend.knownNames !== undefined) return backend.knownNames();
  const instances = await backend.list({ signal, onFailure: () => undefined });
  return instances.map(({ name, builderType }) => ({ name, about: builderType }));
}

async function runs(
  buildlet: string,
  operands: readonly string[],
  context: Context,
): Promise<Candidate[]> {
  const signal = patience(context);
  const all = await context.withBuildlet(buildlet, ({ client }) =>
    client.sessions.list({ signal }),
  );
  const { shellLine } = await import('../run/shell-words.ts');
  return all
    .filter(({ id }) => !operands.includes(id))
    .map(({ id, command, end }) => ({
      value: id,
      description: `${end === undefined ? 'running' : 'over'}: ${shellLine(command)}`,
    }));
}

async function types(context: Context): Promise<Candidate[]> {
  const { backends } = context;
  const catalogue = await backends.catalogueOf(await backends.open(), patience(context));
  return catalogue.builders.map(({ name, hostType }) => ({ value: name, description: hostType }));
}

async function files(
  buildlet: string,
  word: string,
  onlyDirectories: boolean,
  context: Context,
): Promise<Candidate[]> {
  const directory = word.slice(0, word.lastIndexOf('/') + 1);
  const signal = patience(context);
  const isHiddenWanted = word.slice(directory.length).startsWith('.');
  return await context.withBuildlet(buildlet, async ({ client }) => {
    const found: Candidate[] = [];
    const onUnreadable = () => undefined;
    for await (const entry of client.listDir(directory, { signal, onUnreadable })) {
      const { name, isDirectory } = entry;
      if (onlyDirectories && !isDirectory) continue;
      if (name.startsWith('.') && !isHiddenWanted) continue;
      const path = `${directory}${name}${isDirectory ? '/' : ''}`;
      // A name that begins with a dash would be parsed as an option.
      if (path.startsWith(word)) found.push({ value: path.startsWith('-') ? `./${path}` : path });
      if (found.length === fileLimit) break;
    }
    return found;
  });
}

const patience = ({ signal }: Context): AbortSignal => anySignal(signal, timeoutSignal(patienceMs));
