// A buildlet's socket in the directory of its volume, which the container can write.
import { once } from 'node:events';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openNear } from '../../../src/backends/docker/near-socket.ts';
import { volumeDirectory } from '../../../src/backends/docker/paths.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

/** A server that says its name to whoever connects. */
async function serve(path: string): Promise<void> {
  const server = createServer((client) => client.end(path));
  server.listen(path);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
}

const socketOf = (name: string): string => `${volumeDirectory}/${name}`;

describe.runIf(process.platform === 'linux')("the socket in a container's volume", () => {
  it.each(['socket', 'open/socket'])('is reached at %s', async (name) => {
    const volume = temporaryDirectory();
    mkdirSync(join(volume, 'open'));
    await serve(join(volume, name));
    const stream = await openNear(volume, socketOf(name));
    const [said] = await once(stream?.setEncoding('utf8') ?? expect.fail('no stream'), 'data');
    expect(said).toBe(join(volume, name));
  });

  it.each<[string, string, (volume: string, other: string) => void]>([
    [
      'that is a link to another',
      'socket',
      (volume, other) => symlinkSync(join(other, 'socket'), join(volume, 'socket')),
    ],
    [
      'in a directory that is a link',
      'open/socket',
      (volume, other) => symlinkSync(other, join(volume, 'open')),
    ],
    ['above the volume', '../other/socket', () => undefined],
    ['that is a file', 'socket', (volume) => writeFileSync(join(volume, 'socket'), '')],
    ['that is a directory', 'socket', (volume) => mkdirSync(join(volume, 'socket'))],
    ['that is missing', 'socket', () => undefined],
  ])('%s is not reached', async (_title, name, plant) => {
    const directory = temporaryDirectory();
    const [volume, other] = [join(directory, 'volume'), join(directory, 'other')];
    for (const one of [volume, other]) mkdirSync(one);
    await serve(join(other, 'socket'));
    plant(volume, other);
    expect(await openNear(volume, socketOf(name))).toBeUndefined();
  });

  it('is not looked for outside the directory that is mounted', async () => {
    const volume = temporaryDirectory();
    await serve(join(volume, 'socket'));
    expect(await openNear(volume, '/run/socket')).toBeUndefined();
    expect(await openNear(join(volume, 'gone'), socketOf('socket'))).toBeUndefined();
    expect(await openNear('', socketOf('socket'))).toBeUndefined();
  });
});
