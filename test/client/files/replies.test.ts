// Replies about files and trees that are not what they must be.
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BuildletClient } from '../../../src/client/buildlet-client.ts';
import { treeLimits } from '../../../src/protocol/tree-limits.ts';
import { serveHttp } from '../../helpers/http-server.ts';
import { block, rawTar } from '../../tar/raw-archive.ts';

async function clientOfServer(...answer: Parameters<typeof serveHttp>): Promise<BuildletClient> {
  const client = new BuildletClient(await serveHttp(...answer));
  onTestFinished(() => client.disconnect());
  return client;
}

const bad = { code: 'ERR_REPLY' };

describe('a reply about a tree', () => {
  it('may not be longer than its limit, however small it arrived', async () => {
    const packed = gzipSync(Buffer.alloc(treeLimits.replyBytes + 1, 'x'));
    const client = await clientOfServer((_request, response) => {
      response.setHeader('Gomote-Compress', 'gzip');
      response.end(packed);
    });
    const state = (await client.trees()).state('.', 'all', { compress: 'gzip' });
    await expect(state).rejects.toMatchObject({
      ...bad,
      message: expect.stringContaining(`more than ${treeLimits.replyBytes} bytes`),
    });
  });
});

describe('a reply with a file', () => {
  it.each([undefined, '', 'x', 'mode=x, size=1, mtime=1, version=x'])(
    'must say what the file is: %j',
    async (header) => {
      const client = await clientOfServer((_request, response) => {
        if (header !== undefined) response.setHeader('Gomote-File', header);
        response.end('content');
      });
      await expect(client.files.get('f')).rejects.toMatchObject(bad);
    },
  );
});

describe('a file of a buildlet that has only the base protocol', () => {
  const fromArchive = async (archive: Buffer) => {
    const client = await clientOfServer((_request, response, path) => {
      if (path === '/tgz') return void response.end(gzipSync(archive));
      response.statusCode = 404;
      response.end('404 page not found');
    });
    return buffer((await client.files.get('d/f')).body);
  };

  it.each(['', 'f'])('is the only entry of an archive, by the name %j', async (name) => {
    expect((await fromArchive(rawTar({ name, content: 'content' }))).toString()).toBe('content');
  });

  it.each([
    ['a symbolic link', '2'],
    ['a hard link', '1'],
    ['a device', '3'],
    ['a FIFO', '6'],
  ])('may not be %s', async (_what, type) => {
    await expect(fromArchive(rawTar({ name: 'f', type, link: 'x' }))).rejects.toMatchObject({
      code: 'ERR_LOCAL_FILE',
      message: expect.stringContaining('is not a regular file'),
    });
  });

  it('may not be a directory', async () => {
    for (const archive of [
      rawTar({ name: 'other' }),
      rawTar({ name: 'other', type: '5' }),
      rawTar({ name: 'f' }, { name: 'g' }),
      rawTar(),
    ]) {
      await expect(fromArchive(archive)).rejects.toThrow('is a directory on the buildlet');
    }
  });

  it('is an error when its archive ends early, wherever that is', async () => {
    const entry = block({ name: 'f', content: Buffer.alloc(600, 'x') });
    for (const length of [100, 512, 700, 1100, 1200]) {
      await expect(fromArchive(entry.subarray(0, length)), `${length}`).rejects.toMatchObject({
        code: expect.stringMatching(/^ERR_/),
      });
    }
  });
});
