// The coordinator ends, by a kill or as it is told to, in the middle of transfers, and is started again.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startBuildlet, type TestBuildlet } from '../helpers/buildlet.ts';
import { testCli } from '../helpers/cli.ts';
import { tokenOf } from '../helpers/coordinator.ts';
import { CoordinatorProcess } from '../helpers/coordinator-process.ts';
import { type Cutter, startCutter } from '../helpers/cutter.ts';
import { until } from '../helpers/processes.ts';

/** A failure's end, not a measure of anything. */
const patienceMs = 60_000;

/** How much of a transfer has passed when the coordinator ends: well in the middle. */
const passedBytes = 2_000_000;
const content = randomBytes(6_000_000);

const toml = (machine: string): string => `
drain-timeout = "200ms"
[hosts.host-linux]
[builders.linux]
host = "host-linux"
[pools.machines]
kind = "static"
host = "host-linux"
machines = [{ address = "${machine}" }]
`;

interface Scene {
  readonly cli: ReturnType<typeof testCli>;
  readonly coordinator: CoordinatorProcess;
  /** Between the client and the coordinator. */
  readonly cutter: Cutter;
  readonly buildlet: TestBuildlet;
  readonly here: (path: string) => string;
  readonly there: (path: string) => string;
}

const name = 'user-me-linux-0';

async function scene(): Promise<Scene> {
  const buildlet = await startBuildlet();
  const coordinator = new CoordinatorProcess({ toml: toml(buildlet.address) });
  await coordinator.start();
  const cutter = await startCutter(`unix:${coordinator.socketPath}`);
  const cli = testCli();
  const url = `http://${cutter.address}`;
  expect(await cli(['login', url], { stdin: [tokenOf('me')] })).toMatchObject({ code: 0 });
  expect(await cli(['create', 'linux'])).toMatchObject({ code: 0 });
  const here = (path: string) => join(cli.directory, path);
  const there = (path: string) => join(buildlet.workDir, path);
  for (const root of [here, there]) {
    mkdirSync(root('tree'));
    writeFileSync(root('tree/small'), 'small');
    writeFileSync(root('tree/large'), content);
  }
  return { cli, coordinator, cutter, buildlet, here, there };
}

/** What is of the large file, under its own name or one of those that partial files have. */
const unfinished = (directory: string): string[] =>
  existsSync(directory)
    ? readdirSync(directory).filter((file) => file === 'large' || file.startsWith('.gomote-'))
    : [];

/** Runs the command until enough has passed, ends the coordinator, and starts it again. */
async function throughEnd(
  { cli, coordinator, cutter }: Scene,
  argv: string[],
  direction: 'up' | 'down',
  signal: NodeJS.Signals,
) {
  const before = cutter.upBytes + cutter.downBytes;
  let stalls = 0;
  // The connection that carries the transfer stops in the middle of it.
  cutter.plan = () => {
    stalls++;
    return { kind: 'stall', direction, afterBytes: passedBytes };
  };
  const running = cli(argv);
  await until(() => cutter.upBytes + cutter.downBytes - before >= passedBytes, patienceMs);
  expect(stalls).toBeGreaterThan(0);
  cutter.plan = () => undefined;
  await coordinator.kill(signal);
  // The kernel closes a dead process's connections; one that is stalled does not pass that on.
  cutter.drop();
  await coordinator.start();
  return await running;
}

const signals = ['SIGKILL', 'SIGTERM'] as const;

describe.each(signals)('a coordinator that gets %s', { timeout: 2 * patienceMs }, (signal) => {
  it.each([
    ['put', (at: Scene) => ['put', name, at.here('tree/large'), 'sent/large']],
    ['puttar', (at: Scene) => ['puttar', '--dir', 'sent', name, at.here('tree')]],
    ['push', (at: Scene) => ['push', '--dest', 'sent', name, at.here('tree')]],
  ])(
    'fails %s with one line and a hint, leaves nothing half done, and takes it again',
    async (_, argvOf) => {
      const at = await scene();
      const argv = argvOf(at);
      const { code, stderr } = await throughEnd(at, argv, 'up', signal);
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: expect.stringMatching(/^gomote: [^\n]*; [^\n]*try again[^\n]*\n$/),
      });
      await until(() => unfinished(at.there('sent')).length === 0, patienceMs);
      expect(await at.cli(argv)).toMatchObject({ code: 0 });
      expect(readFileSync(at.there('sent/large')).equals(content)).toBe(true);
      expect(unfinished(at.there('sent'))).toEqual(['large']);
    },
  );

  it('only interrupts get, which resumes after the restart', async () => {
    const at = await scene();
    const argv = ['get', name, 'tree/large', at.here('got')];
    expect(await throughEnd(at, argv, 'down', signal)).toMatchObject({ code: 0, stderr: '' });
    expect(readFileSync(at.here('got')).equals(content)).toBe(true);
  });

  it('fails pull with one line and a hint, leaves no partial file, and serves it again', async () => {
    const at = await scene();
    const argv = ['pull', name, 'tree', at.here('pulled')];
    const { code, stderr } = await throughEnd(at, argv, 'down', signal);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^gomote: [^\n]*; [^\n]*try again[^\n]*\n$/),
    });
    expect(existsSync(at.here('pulled/large'))).toBe(false);
    expect(await at.cli(argv)).toMatchObject({ code: 0 });
    expect(readFileSync(at.here('pulled/large')).equals(content)).toBe(true);
    expect(readdirSync(at.here('pulled')).sort()).toEqual(['large', 'small']);
  });
});
