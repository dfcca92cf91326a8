// gomote list: your buildlets in every configured backend.
import type { Command } from 'commander';
import type { Instance, ListCall } from '../../backends/backend.ts';
import { isAdHocHost } from '../../backends/ssh/ad-hoc.ts';
import { formatDuration } from '../../duration.ts';
import { GomoteError, isGomoteError, messageOf } from '../../errors.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import type { Context } from '../context.ts';
import { throwSilent } from '../silent-parts.ts';
import { type Column, formatColumns } from '../terminal/table.ts';
import { listedJson, print, type Terminal } from '../terminal/terminal.ts';

interface Options {
  json?: boolean;
}

interface Row extends Instance {
  readonly backend: string;
  /** What other commands call it by. */
  readonly fullName: string;
}

/** How long one backend may take, in ms: the others are not to wait for it forever. */
const listTimeoutMs = 20_000;

export function define(command: Command, context: Context): void {
  command.option('--json', 'print a JSON array').action(async (options: Options) => {
    const chosen = await context.backendName();
    const names = context.isBackendGiven
      ? [chosen]
      : [chosen, ...(await context.config()).backends.keys(), ...(await adHocHosts(context))];
    const { rows, failures } = await collect([...new Set(names)], context);
    const hasDocker = context.isBackendGiven || names.includes('docker');
    if (!hasDocker) rows.push(...(await builtInDocker(context)));
    const { terminal } = context;
    await print(
      terminal,
      options.json ? toJson(rows, terminal) : formatColumns(rows, columns, terminal),
    );
    throwSilent(failures);
  });
}

/** Hosts that were named on the command line, of which this user has buildlets. */
async function adHocHosts({ terminal }: Context): Promise<string[]> {
  const { backendsWithConnections } = await import('../../backends/ssh/connections.ts');
  return backendsWithConnections(terminal.environment).filter(isAdHocHost);
}

/** How long an engine that nobody has configured may take, in ms. */
const builtInTimeoutMs = 3_000;

/** What `create docker:IMAGE` has made; nothing where there is no engine, for nobody has said that there is one. */
async function builtInDocker(context: Context): Promise<Row[]> {
  const signal = anySignal(context.signal, timeoutSignal(builtInTimeoutMs));
  try {
    return await rowsOf('docker', context, { signal });
  } catch {
    context.signal.throwIfAborted();
    return [];
  }
}

async function rowsOf(backend: string, context: Context, call: ListCall): Promise<Row[]> {
  const instances = await (await context.backend(backend)).list(call);
  return await Promise.all(
    instances.map(async (instance) => {
      const fullName = await context.fullName(backend, instance.name);
      return { ...instance, backend, fullName };
    }),
  );
}

async function collect(names: readonly string[], context: Context) {
  const rows: Row[] = [];
  const failures: GomoteError[] = [];
  const signal = anySignal(context.signal, timeoutSignal(listTimeoutMs));
  const results = await Promise.allSettled(
    names.map(async (given) => {
      const { name: backend } = await context.backend(given);
      const onFailure = (error: GomoteError) => failures.push(failureOf(backend, error));
      return await rowsOf(backend, context, { signal, onFailure });
    }),
  );
  context.signal.throwIfAborted();
  results.forEach((result, i) => {
    const backend = names[i] ?? '';
    if (result.status === 'fulfilled') {
      rows.push(...result.value);
    } else {
      failures.push(failureOf(backend, result.reason));
    }
  });
  return { rows, failures };
}

function failureOf(backend: string, cause: unknown): GomoteError {
  const reason = messageOf(cause);
  const message = reason.includes(`"${backend}"`) ? reason : `backend ${backend}: ${reason}`;
  const hint = isGomoteError(cause) ? cause.hint : undefined;
  return new GomoteError('ERR_CONNECT', message, { hint, cause });
}

const columns: Column<Row>[] = [
  { title: 'NAME', cell: ({ fullName }) => fullName },
  { title: 'TYPE', cell: ({ builderType }) => builderType },
  { title: 'AGE', cell: ({ created }) => ageSince(created), isForPeople: true },
  { title: 'STATE', cell: condition },
];

const ageSince = (created: Date | undefined): string =>
  created === undefined ? '' : formatDuration(Math.max(0, Date.now() - created.getTime()));

function condition(row: Row): string {
  if (row.dead !== undefined) return row.dead;
  const trouble = row.trouble === undefined ? '' : `, ${row.trouble}`;
  if (row.expires === undefined) return `does not expire${trouble}`;
  const leftMs = Math.max(0, row.expires.getTime() - Date.now());
  return `expires in ${formatDuration(leftMs)}${trouble}`;
}

/** For programs, which should not have to read sentences. */
function stateOf({ dead, trouble }: Pick<Row, 'dead' | 'trouble'>): 'running' | 'unwell' | 'dead' {
  if (dead !== undefined) return 'dead';
  return trouble === undefined ? 'running' : 'unwell';
}

const toJson = (rows: readonly Row[], terminal: Terminal): string =>
  listedJson(
    rows.map(({ backend, name, builderType, hostType, created, expires, dead, trouble }) => ({
      backend,
      name,
      builderType,
      hostType,
      created,
      expires,
      state: stateOf({ dead, trouble }),
      reason: dead ?? trouble,
    })),
    terminal,
    2,
  );
