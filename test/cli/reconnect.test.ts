// gomote run over a connection that is lost: it goes on by itself, or says how to.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type Cli, testCli } from '../helpers/cli.ts';
import { startCoordinator, tokenOf } from '../helpers/coordinator.ts';
import { type Cutter, startCutter } from '../helpers/cutter.ts';
import { until } from '../helpers/processes.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

interface Setting {
  readonly cli: Cli;
  /** Between the command line and its coordinator. */
  readonly cutter: Cutter;
  readonly name: string;
}

async function setUp(): Promise<Setting> {
  const coordinator = await startCoordinator();
  const cutter = await startCutter(new URL(coordinator.url).host);
  const cli = testCli();
  const directory = join(cli.directory, 'config', 'gomote');
  mkdirSync(directory, { recursive: true });
  const toml = `
    default = "team"
    [backends.team]
    url = "https://${cutter.address}"
    fingerprint = "${coordinator.fingerprint}"
  `;
  writeFileSync(join(directory, 'config.toml'), toml);
  writeFileSync(join(directory, 'user-me.token'), tokenOf('me'), { mode: 0o600 });
  const name = (await cli(['create', 'linux'])).stdout.trim();
  return { cli, cutter, name };
}

/** A command that counts, and stops at `half` until the file `go` is there. */
function halting() {
  const place = temporaryDirectory();
  const [half, go] = [join(place, 'half'), join(place, 'go')];
  const script = `seq 1 5000; >${half}; while [ ! -e ${go} ]; do sleep 0.02; done; seq 5001 10000; exit 9`;
  return {
    command: ['sh', '-c', script],
    isHalfway: () => until(() => isThere(half)),
    goOn: () => writeFileSync(go, ''),
  };
}

function isThere(path: string): boolean {
  try {
    return readFileSync(path).length >= 0;
  } catch {
    return false;
  }
}

const numbers = Array.from({ length: 10_000 }, (_, i) => `${i + 1}\n`).join('');

it('a run continues after its connection is cut, which is reported once', async () => {
  const { cli, cutter, name } = await setUp();
  const { command, isHalfway, goOn } = halting();
  const running = cli(['run', name, ...command]);
  await isHalfway();
  // Several attempts fail before one gets through.
  const before = cutter.connections;
  let refused = 0;
  cutter.plan = () => {
    refused++;
    return refused > 3 ? undefined : { kind: 'drop', direction: 'up', afterBytes: 0 };
  };
  cutter.drop();
  await until(() => cutter.connections > before + 3);
  goOn();
  const { code, stdout, stderr } = await running;
  expect(stdout === numbers).toBe(true);
  expect(code).toBe(9);
  expect(stderr).toMatch(/^gomote: .*; connecting again\n$/);
});

it('a run whose connection cannot be restored ends with 125 and the command that attaches to it', async () => {
  const { cli, cutter, name } = await setUp();
  const { command, isHalfway, goOn } = halting();
  const running = cli(['run', '--id', 'mine', '--reconnect', '1s', name, ...command]);
  await isHalfway();
  cutter.accepting = false;
  cutter.drop();
  const { code, stdout, stderr } = await running;
  expect(code).toBe(125);
  expect(numbers.startsWith(stdout)).toBe(true);
  const [said, last, ...others] = stderr.trimEnd().split('\n');
  expect([said, others]).toEqual([expect.stringContaining('connecting again'), []]);
  expect(last).toMatch(/^gomote: lost run mine: .*; if it still runs: gomote attach \S+ mine$/);
  const attach = /gomote (attach .*)$/.exec(last ?? '')?.[1]?.split(' ') ?? [];
  cutter.accepting = true;
  goOn();
  const again = await cli(attach);
  expect(again.stdout === numbers).toBe(true);
  expect(again).toMatchObject({ code: 9, stderr: '' });
});

it('a run with --reconnect 0 ends at once when its connection is cut', async () => {
  const { cli, cutter, name } = await setUp();
  const { command, isHalfway, goOn } = halting();
  const running = cli(['run', '--reconnect', '0s', name, ...command]);
  await isHalfway();
  cutter.drop();
  const { code, stderr } = await running;
  goOn();
  expect(code).toBe(125);
  expect(stderr).toMatch(/^gomote: lost run \w+: .*gomote attach .*\n$/);
});
