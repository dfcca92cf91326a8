// Machines that are ready only when the setup of their host type has run on them.
import { runSetup } from '../../backends/setup.ts';
import { readSetupsOf } from '../../backends/setup-files.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import type { PoolConfig } from '../pool-config.ts';
import type { KeptSetups } from './kept-setups.ts';
import type { AcquireCall, Pool } from './pool.ts';

/** How long a setup may take, in ms: one that hangs must not keep its machine for ever. */
const setupLimitMs = 3_600_000;

/**
 * Makes `acquire` of the pool run the setup, also when another is configured later. A machine on which it fails is taken back
 * at once, and the failure is that of `acquire`.
 */
export function prepared(pool: Pool, given: PoolConfig, kept: KeptSetups): Pool {
  let config = given;
  const acquire = pool.acquire.bind(pool);
  const reconfigure = pool.reconfigure?.bind(pool);
  pool.acquire = async (call) => {
    const id = await acquire(call);
    try {
      // An image has what the setup did. It may be hostile: a result of it must never be kept for others.
      const needsSetup = config.host.setup !== undefined && call.image === undefined;
      if (needsSetup) await setUp(pool, id, { ...call, config, kept });
      return id;
    } catch (error) {
      await pool.release(id, { signal: timeoutSignal(setupLimitMs) });
      throw error;
    }
  };
  if (reconfigure !== undefined) {
    pool.reconfigure = (next) => {
      config = next;
      reconfigure(next);
    };
  }
  return pool;
}

interface SetupCall extends AcquireCall {
  readonly config: PoolConfig;
  readonly kept: KeptSetups;
}

async function setUp(
  pool: Pool,
  id: string,
  { signal: given, onProgress, config, kept }: SetupCall,
): Promise<void> {
  const signal = anySignal(given, timeoutSignal(setupLimitMs));
  const client = await pool.connect(id);
  try {
    onProgress('setup');
    const setups = readSetupsOf(config.host);
    const tag = kept.nameFor(config, setups);
    if (tag !== undefined && (await kept.restore(tag, client, signal))) return;
    for (const setup of setups) await runSetup(client, id, setup, { signal });
    if (tag !== undefined) await kept.keep(tag, config, client, signal);
  } finally {
    await client.disconnect();
  }
}
