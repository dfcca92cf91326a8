// `coordinator reload`: asks the coordinator that runs to read its configuration again, and tells what came of it.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { GomoteError } from '../errors.ts';
import { lockHolder } from '../files/file-lock.ts';
import { writeWhole } from '../files/write-whole.ts';
import type { CoordinatorConfig } from './config.ts';
import { readStateFile } from './state/state-directory.ts';

/** What came of the last reload; it has an error when there was one. */
interface Outcome {
  readonly error?: string | undefined;
  readonly hint?: string | undefined;
}

const outcomePath = (stateDirectory: string): string => join(stateDirectory, 'reload.json');

/** How long a coordinator may take to open new pools, in ms. */
const patienceMs = 60_000;
const pauseMs = 50;

/** For the coordinator: leaves word for whoever asked. */
export async function writeOutcome(stateDirectory: string, outcome: Outcome): Promise<void> {
  await writeWhole(outcomePath(stateDirectory), `${JSON.stringify(outcome)}\n`);
}

/** Resolves when the coordinator has taken its configuration over; throws ERR_CONFIG with the reason when it has not. */
export async function askToReload({ stateDirectory }: CoordinatorConfig): Promise<void> {
  const holder = await lockHolder(join(stateDirectory, 'lock'));
  if (holder?.pid === undefined) {
    const where = holder?.host === undefined ? '' : ` on this machine, but on ${holder.host}`;
    throw new GomoteError('ERR_CONFIG', `no coordinator serves from ${stateDirectory}${where}`, {
      hint: 'start it with coordinator serve, or send SIGHUP where it runs',
    });
  }
  const path = outcomePath(stateDirectory);
  await rm(path, { force: true });
  process.kill(holder.pid, 'SIGHUP');
  for (const endsAtMs = performance.now() + patienceMs; performance.now() < endsAtMs; ) {
    const outcome = await readStateFile(path, (value: Outcome) => value);
    if (outcome?.error !== undefined) {
      const { error, hint } = outcome;
      throw new GomoteError('ERR_CONFIG', `the coordinator keeps its configuration: ${error}`, {
        hint,
      });
    }
    if (outcome !== undefined) return;
    await sleep(pauseMs);
  }
  throw new GomoteError(
    'ERR_TIMEOUT',
    `process ${holder.pid} did not report whether it has reloaded`,
  );
}
