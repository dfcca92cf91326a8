// Creations that are given up at any moment, in this process and as a program, leave nothing.

import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { isGomoteError } from '../../src/errors.ts';
import { ending, gomoteProgram } from '../helpers/programs.ts';
import { random } from '../helpers/random.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import {
  builder,
  host,
  makeNamespace,
  never,
  nothingLeft,
  openBackend,
  reach,
  testImage,
} from './cluster.ts';

const namespace = await makeNamespace();
const count = Number(process.env.GOMOTE_TEST_CANCELS ?? 10);

it(`${count} creations cancelled at random moments leave no pod and no Secret`, async () => {
  const backend = openBackend(namespace);
  const outcomes = await Promise.all(
    Array.from({ length: count }, async (_, n) => {
      const cancel = new AbortController();
      const creation = backend.create(builder, { user: 'me', host, signal: cancel.signal });
      const afterMs = ((n + random(1_000) / 1_000) / count) * 3_000;
      const timer = sleep(afterMs).then(() => cancel.abort(new Error('cancelled')));
      try {
        const { name } = await creation;
        await backend.destroy(name, { signal: never });
        return 'made';
      } catch (error) {
        const isCancel = error === cancel.signal.reason || isGomoteError(error, 'ERR_ABORTED');
        return isCancel ? 'cancelled' : String(error);
      } finally {
        await timer;
      }
    }),
  );
  expect(outcomes.filter((outcome) => outcome !== 'made' && outcome !== 'cancelled')).toEqual([]);
  expect(outcomes).toContain('cancelled');
  await nothingLeft(namespace);
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  it(`a gomote create that gets ${signal} leaves nothing`, async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, 'gomote'));
    writeFileSync(
      join(directory, 'gomote', 'config.toml'),
      `
default = "k8s"
[backends.k8s]
kind = "kubernetes"
namespace = "${namespace}"
reach = "${reach}"
[hosts.host-pod.kubernetes]
image = "${testImage}"
# It never answers: the creation is under way for as long as it takes.
command = ["sleep", "60"]
cpu = "10m"
memory = "64Mi"
[builders.linux]
host = "host-pod"
`,
    );
    const { KUBECONFIG, PATH } = process.env;
    const env = { KUBECONFIG, PATH, HOME: directory, USER: 'me', XDG_CONFIG_HOME: directory };
    const child = spawn(process.execPath, [gomoteProgram, 'create', 'linux'], { env });
    const backend = openBackend(namespace);
    while ((await backend.list({ signal: never })).length === 0) await sleep(20);
    child.kill(signal);
    expect(await ending(child)).toMatchObject({
      code: signal === 'SIGINT' ? 130 : 143,
      stdout: Buffer.alloc(0),
    });
    expect(await backend.list({ signal: never })).toEqual([]);
    await nothingLeft(namespace);
  });
}
