// Checks each backend: that it answers, the user's name there, its clock, and leftovers of machines that have ended.
import type { AnyBackend } from '../../backends/backend.ts';
import { whyNoLocal } from '../../backends/local/places.ts';
import { formatDuration } from '../../duration.ts';
import { GomoteError } from '../../errors.ts';
import type { Config } from '../../gomote/config/config-file.ts';
import { plural } from '../../plural.ts';
import type { Context } from '../context.ts';
import { type Finding, ok, problem, warning, within } from './finding.ts';

const backendMs = 10_000;
/** A clock that is off by more than this makes certificates and tokens fail, in ms. */
const skewMs = 60_000;
const namedLimit = 5;

export async function checkBackends(
  config: Config | undefined,
  context: Context,
  platform: NodeJS.Platform = process.platform,
): Promise<Finding[]> {
  const names = [...(config?.backends.keys() ?? ['local'])];
  const chosen = context.backends.isGiven ? [await context.backends.defaultName()] : names;
  const findings = await Promise.all(
    chosen.map((name) => {
      const isLocal = config === undefined || config.backends.get(name)?.kind === 'local';
      const reason = isLocal ? whyNoLocal(platform) : undefined;
      if (reason === undefined) return checkBackend(name, context);
      return [warning(`backend ${name}`, reason.message, reason.hint ?? '')];
    }),
  );
  return findings.flat();
}

async function checkBackend(name: string, context: Context): Promise<Finding[]> {
  const check = `backend ${name}`;
  const cure = `see [backends.${name}] in config.toml, and gomote --verbose list --backend ${name}`;
  const late = () => [
    problem(
      check,
      new GomoteError('ERR_TIMEOUT', `no answer within ${formatDuration(backendMs)}`),
      cure,
    ),
  ];
  const work = async (signal: AbortSignal) => {
    const backend = await context.backends.open(name);
    // A wrong clock may be the cause of other refusals.
    const [found, clock] = await Promise.all([
      lookAt(name, backend, signal, context).catch((error: unknown) => [
        problem(check, error, cure),
      ]),
      clockOf(name, backend, signal).catch(() => []),
    ]);
    return [...found, ...clock];
  };
  try {
    return await within(backendMs, work, late);
  } catch (error) {
    context.signal.throwIfAborted();
    return [problem(check, error, cure)];
  }
}

async function lookAt(
  name: string,
  backend: AnyBackend,
  signal: AbortSignal,
  context: Context,
): Promise<Finding[]> {
  const check = `backend ${name}`;
  const silent: GomoteError[] = [];
  const [instances, identity] = await Promise.all([
    backend.list({ signal, onFailure: (error) => silent.push(error) }),
    backend.whoAmI?.({ signal }),
  ]);
  const user = identity?.name ?? (await context.backends.user());
  const role = identity?.isAdmin ? ' (admin)' : '';
  const findings = [
    ok(check, `answers; you are ${user}${role}; ${plural(instances.length, 'buildlet')}`),
    ...silent.map((error) => problem(check, error, 'see whether that host is up')),
  ];
  const dead = instances.filter((one) => one.dead !== undefined);
  if (dead.length === 0) return findings;
  const named = await Promise.all(
    dead.slice(0, namedLimit).map((one) => context.backends.fullName(name, one.name)),
  );
  const more = dead.length > named.length ? ` and ${dead.length - named.length} more` : '';
  const remedy =
    backend.reap === undefined
      ? `gomote destroy ${named.join(' ')}`
      : `gomote reap --backend ${name}`;
  return [
    ...findings,
    warning(check, `left over of machines that have ended: ${named.join(', ')}${more}`, remedy),
  ];
}

async function clockOf(name: string, backend: AnyBackend, signal: AbortSignal): Promise<Finding[]> {
  const askedAtMs = Date.now();
  const theirs = await backend.clock?.({ signal });
  if (theirs === undefined) return [];
  const check = `clock of ${name}`;
  // The remote time is in whole seconds and was read at an unknown moment in between.
  const offMs = theirs.getTime() - (askedAtMs + Date.now()) / 2;
  const off = `${formatDuration(Math.abs(offMs))} ${offMs < 0 ? 'behind' : 'ahead of'} this machine's`;
  if (Math.abs(offMs) <= skewMs) return [ok(check, 'the same as here')];
  return [
    warning(check, off, 'set both by NTP: with a wrong clock, certificates and tokens are refused'),
  ];
}
