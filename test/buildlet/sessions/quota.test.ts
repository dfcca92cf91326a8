// What goes first when the logs of all sessions reach their quota, and what readers see of it.
import { randomBytes } from 'node:crypto';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SessionLog } from '../../../src/buildlet/runs/log.ts';
import { clientOf, startBuildlet, type TestBuildlet } from '../../helpers/buildlet.ts';
import { until } from '../../helpers/processes.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

const quotaBytes = 1 << 20;

const start = () =>
  startBuildlet({
    sessions: { quotaBytes },
    address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
  });

const infoOf = async (buildlet: TestBuildlet, id: string) => {
  const found = (await clientOf(buildlet).sessions.list()).find((one) => one.id === id);
  if (found === undefined) throw new Error(`no session ${id}`);
  return found;
};

/** A command that nobody reads, and that writes as much as it is told. */
async function writer(buildlet: TestBuildlet, id: string) {
  const path = (name: string) => join(buildlet.workDir, `${id}.${name}`);
  writeFileSync(path('bytes'), randomBytes(100_000));
  const script = `n=0; while :; do
    while [ ! -e ${id}.$n ]; do [ -e ${id}.end ] && exit 0; sleep 0.02; done
    for i in $(cat ${id}.$n); do cat ${id}.bytes; done; n=$((n+1))
  done`;
  await clientOf(buildlet).sessions.start({
    ...{ id, cmd: 'sh', args: ['-c', script], systemLevel: true, detach: true },
  });
  let [orders, total] = [0, 0];
  return {
    /** Resolves when the log has it. */
    async write(hundredKilobytes: number): Promise<void> {
      total += hundredKilobytes * 100_000;
      writeFileSync(path('part'), Array.from({ length: hundredKilobytes }).fill('x').join(' '));
      renameSync(path('part'), path(String(orders++)));
      await until(async () => (await infoOf(buildlet, id)).logBytes >= total);
    },
    /** Resolves when the command has ended. */
    async end(): Promise<void> {
      writeFileSync(path('end'), '');
      await until(async () => !(await infoOf(buildlet, id)).running);
    },
  };
}

/** Says, as a reader, to have all that is in the log by now. */
async function acknowledge(buildlet: TestBuildlet, id: string): Promise<void> {
  const url = `http://${buildlet.address}/session`;
  const leave = new AbortController();
  const options = { signal: leave.signal };
  const reader = await fetch(`${url}?id=${id}&from=0&observe=1&reader=r`, options);
  const { logBytes } = await infoOf(buildlet, id);
  const ping = await fetch(`${url}/ping?id=${id}&reader=r&ack=${logBytes}`, {
    ...options,
    method: 'POST',
  });
  expect([reader.status, ping.status]).toEqual([200, 200]);
  leave.abort();
}

/** How much of what it has written by now is not there any more, to one that looks on. */
async function lost(buildlet: TestBuildlet, id: string): Promise<number> {
  const { logBytes } = await infoOf(buildlet, id);
  const session = clientOf(buildlet).sessions.get(id);
  return (await session.readUntil(logBytes, { observe: true })).lostBytes;
}

describe('when the quota is reached', () => {
  it('finished runs are dropped before output that readers of a running command have, however old', async () => {
    const buildlet = await start();
    const running = await writer(buildlet, 'running');
    await running.write(3);
    await acknowledge(buildlet, 'running');
    const finished = await writer(buildlet, 'finished');
    await finished.write(3);
    await finished.end();
    await running.write(6);
    await until(async () => (await lost(buildlet, 'finished')) > 0);
    expect(await lost(buildlet, 'running')).toBe(0);
  });

  it('output that a reader has is dropped before output that none has, however old', async () => {
    const buildlet = await start();
    const unread = await writer(buildlet, 'unread');
    await unread.write(4);
    const read = await writer(buildlet, 'read');
    await read.write(4);
    await acknowledge(buildlet, 'read');
    await unread.write(4);
    await until(async () => (await lost(buildlet, 'read')) > 0);
    expect(await lost(buildlet, 'unread')).toBe(0);
    // When nothing is left that anybody has, the oldest goes.
    await unread.write(6);
    await until(async () => (await lost(buildlet, 'unread')) > 0);
  });

  it('a reader that begins at an offset that is gone is told of a gap', async () => {
    const buildlet = await start();
    const one = await writer(buildlet, 'one');
    await one.write(2);
    const { logBytes } = await infoOf(buildlet, 'one');
    const other = await writer(buildlet, 'other');
    await one.write(2);
    await one.end();
    await other.write(10);
    await until(async () => (await lost(buildlet, 'one')) > 250_000);
    const url = `http://${buildlet.address}/session?id=one&observe=1&from=${logBytes - 50_000}`;
    expect(await (await fetch(url)).text()).toMatch(/^gap \d+ \d+\n.*end \d+ \d+\n{/s);
  });
});

describe('a file of a log that is dropped while somebody is about to read it', () => {
  async function written() {
    const path = join(temporaryDirectory(), 'log');
    const told = { onWritten: () => undefined, onFull: () => undefined };
    const onFailure = (error: Error) => expect(error).toBeUndefined();
    const limits = { segmentBytes: 1_000, fullWaitMs: 0, mayRunAhead: () => true };
    const log = new SessionLog({ path, ...limits, onFailure, ...told });
    for (let n = 0; n < 8; n++) {
      log.append('out', Buffer.alloc(900, n));
      await log.flushed();
    }
    log.close('{}');
    await log.flushed();
    expect(log.end - (log.oldest?.end ?? 0)).toBeGreaterThan(2_000);
    // As a drop leaves it that overtakes the reader.
    rmSync(`${path}.0`);
    return log;
  }

  it('is a gap to a reader', async () => {
    const log = await written();
    const reading = log.read(0);
    log.dropOldest();
    expect(String((await reading)?.bytes)).toMatch(/^gap /);
  });

  it('is a gap to a reader that looks for its beginning', async () => {
    const log = await written();
    const looking = log.startOfRecord(500);
    log.dropOldest();
    expect(await looking).toBe(500);
    expect(String((await log.read(500))?.bytes)).toMatch(/^gap /);
  });

  it('is an error if it is missing without having been dropped', async () => {
    const log = await written();
    await expect(log.read(0)).rejects.toThrow('ENOENT');
    await expect(log.startOfRecord(500)).rejects.toThrow('ENOENT');
  });
});
