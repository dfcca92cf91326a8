import { describe, expect, it } from 'vitest';
import type { StartSession } from '../../src/client/sessions.ts';
import { clientOf, startBuildlet, type TestBuildlet } from '../helpers/buildlet.ts';
import { Collector } from '../helpers/collect.ts';

async function run(buildlet: TestBuildlet, script: string, request: Partial<StartSession> = {}) {
  const [stdout, stderr] = [new Collector(), new Collector()];
  const session = await clientOf(buildlet).sessions.start({
    cmd: '/bin/sh',
    args: ['-c', script],
    systemLevel: true,
    ...request,
  });
  const result = await session!.read({ stdout, stderr });
  return { ...result, stdout: stdout.text, stderr: stderr.text };
}

describe('a session', () => {
  it('keeps stdout and stderr apart, and proves that both are whole', async () => {
    const buildlet = await startBuildlet();
    const result = await run(buildlet, 'echo out; echo err >&2; exit 3');
    expect(result).toMatchObject({
      stdout: 'out\n',
      stderr: 'err\n',
      isWhole: true,
      end: { code: 3, signal: null, why: 'exit' },
    });
  });
});
