// Machines that are ready only when the setup of their host type has run on them.
import { runSetup } from '../../backends/setup.ts';
import { readSetupsOf } from '../../backends/setup-files.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import type { PoolConfig } from '../pool-config.ts';
import type { AcquireCall, Pool } from './pool.ts';

/** How long a setup may take, in ms: one that hangs must not keep its machine for ever. */
const setupLimitMs = 3_600_000;

/**
 * Makes `acquire` of the pool run the setup, also when another is configured later. A machine on which it fails is taken back
 * at once, and the failure is that of `acquire`.
 */
export function prepared(pool: Pool, config: PoolConfig): Pool {
  let { host } = config;
  const acquire = pool.acquire.bind(pool);
  const reconfigure = pool.reconfigure?.bind(pool);
  pool.acquire = async (call) => {
    const id = await acquire(call);
    try {
      if (host.setup !== undefined) await setUp(pool, id, host, call);
      return id;
    } catch (error) {
      await pool.release(id, { signal: timeoutSignal(setupLimitMs) });
      throw error;
    }
  };
  if (reconfigure !== undefined) {
    pool.reconfigure = (next) => {
      ({ host } = next);
      reconfigure(next);
    };
  }
  return pool;
}

async function setUp(
  pool: Pool,
  id: string,
  host: PoolConfig['host'],
  { signal: given, onProgress }: AcquireCall,
): Promise<void> {
  const signal = anySignal(given, timeoutSignal(setupLimitMs));
  const client = await pool.connect(id);
  try {
    onProgress('setup');
    for (const setup of readSetupsOf(host)) await runSetup(client, id, setup, { signal });
  } finally {
    await client.disconnect();
  }
}
