import { describe, expect, it, onTestFinished } from 'vitest';
import { docker, images, isPodman, type Lab, newLab } from './lab.ts';

const types = `
[hosts.box]
image = "${images.shell}"
[builders.box]
host = "box"
`;

describe('a command that the kernel ends for lack of memory', () => {
  it('is reported with that reason, and the buildlet continues', async () => {
    const { gomote, create } = newLab(types);
    const name = await create('box', '--memory', '200m');
    const run = await gomote(['run', name, 'tail', '/dev/zero']);
    expect(run.code).toBe(137);
    expect(run.stderr).toContain('no memory left');
    expect((await gomote(['ps', name])).stdout).toContain('SIGKILL (memory)');
    expect((await gomote(['run', name, 'sh', '-c', 'true'])).code).toBe(0);
  });
});

describe('a buildlet whose container ends', () => {
  /** A run that has begun. */
  async function running({ gomote, create }: Lab) {
    const name = await create('box');
    const run = gomote(['run', name, 'sleep', '1000']);
    await expect.poll(async () => (await gomote(['ps', name])).stdout).toContain('sleep');
    return { name, run };
  }

  it.each([
    ['kill', '--signal', 'KILL'],
    ['rm', '--force'],
  ])('by docker %s is unknown to those who use it', async (...words) => {
    const lab = newLab(types);
    const { name, run } = await running(lab);
    docker(...words, name);
    const unknown = {
      code: 125,
      stderr: expect.stringContaining(`no buildlet "${name}" on the engine`),
    };
    expect(await run).toMatchObject(unknown);
    expect(await lab.gomote(['run', name, 'true'])).toMatchObject(unknown);
    expect((await lab.gomote(['list'])).stdout).toBe('');
  });

  // Podman has forgotten a container that it removes before it can be asked about it.
  it.skipIf(isPodman)('because all its processes were killed has died', async () => {
    const lab = newLab(types);
    const { name, run } = await running(lab);
    docker('exec', name, '/bin/bash', '-c', 'kill -KILL -1');
    const died = {
      code: 125,
      stderr: expect.stringContaining(`the buildlet "${name}" has died: SIGKILL, status 137`),
    };
    expect(await run).toMatchObject(died);
    expect(await lab.gomote(['run', name, 'true'])).toMatchObject(died);
  });

  it('by a destroy is unknown afterwards', async () => {
    const { gomote, create } = newLab(types);
    const name = await create('box');
    expect((await gomote(['destroy', name])).code).toBe(0);
    expect((await gomote(['destroy', name])).stderr).toContain(`no buildlet "${name}"`);
    expect((await gomote(['destroy', '--ignore-missing', name])).code).toBe(0);
  });

  it('by a stop of the engine ends in order', async () => {
    const { gomote, create, containers } = newLab(types);
    const name = await create('box');
    docker('stop', name);
    await expect.poll(() => containers()).toEqual([]);
    expect((await gomote(['run', name, 'true'])).stderr).toMatch(/no buildlet|has died/);
  });
});

it('the programs of no container are removed by reap, also from a volume without labels', async () => {
  const { gomote } = newLab(types);
  const [bare, others, labelled] = [
    'gomote-00000000000000aa',
    'gomote-aa',
    'gomote-00000000000000bb',
  ];
  docker('volume', 'create', bare);
  docker('volume', 'create', others);
  docker('volume', 'create', '--label', 'team=x', labelled);
  onTestFinished(() => void docker('volume', 'rm', '--force', bare, others, labelled));
  expect(await gomote(['reap'])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(`volume ${bare}: no container uses it`),
  });
  const left = docker('volume', 'ls', '-q').split('\n');
  expect(left).not.toContain(bare);
  expect(left).toEqual(expect.arrayContaining([others, labelled]));
});

describe('a paused container', () => {
  it('is listed with its problem, and not removed', async () => {
    const { gomote, create } = newLab(types);
    const name = await create('box');
    docker('pause', name);
    expect((await gomote(['list'])).stdout).toContain('paused');
    expect((await gomote(['reap'])).code).toBe(0);
    docker('unpause', name);
    expect((await gomote(['run', name, 'sh', '-c', 'true'])).code).toBe(0);
  });
});
