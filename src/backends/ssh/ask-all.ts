// Asks several hosts at once: one that is down does not stop the others.
import { type GomoteError, isGomoteError } from '../../errors.ts';
import type { PartsCall } from '../backend.ts';
import type { SshHost } from './ssh-host.ts';

interface Answers<T> {
  /** In the order of the hosts. */
  readonly answers: readonly T[];
  readonly failures: readonly GomoteError[];
}

/** Throws errors that are not failures of a host. */
export async function askEach<T>(
  hosts: readonly SshHost[],
  signal: AbortSignal,
  ask: (host: SshHost) => Promise<T>,
): Promise<Answers<T>> {
  const results = await Promise.allSettled(hosts.map(ask));
  signal.throwIfAborted();
  const failures: GomoteError[] = [];
  for (const result of results) {
    if (result.status === 'fulfilled') continue;
    if (!isGomoteError(result.reason)) throw result.reason;
    failures.push(result.reason);
  }
  const answers = results.flatMap((result) =>
    result.status === 'fulfilled' ? [result.value] : [],
  );
  return { answers, failures };
}

/** The answers. `onFailure` is called for each host that fails; without it, the first failure is thrown. */
export async function askAll<T>(
  hosts: readonly SshHost[],
  { signal, onFailure }: PartsCall,
  ask: (host: SshHost) => Promise<T>,
): Promise<readonly T[]> {
  const { answers, failures } = await askEach(hosts, signal, ask);
  const [first] = failures;
  if (first !== undefined && onFailure === undefined) throw first;
  for (const failure of failures) onFailure?.(failure);
  return answers;
}
