// Replies about files and trees that are not what they must be.
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BuildletClient } from '../../../src/client/buildlet-client.ts';
import { treeLimits } from '../../../src/protocol/tree-limits.ts';
import { serveHttp } from '../../helpers/http-server.ts';

async function clientOfServer(...answer: Parameters<typeof serveHttp>): Promise<BuildletClient> {
  const client = new BuildletClient(await serveHttp(...answer));
  onTestFinished(() => client.disconnect());
  return client;
}

const bad = { code: 'ERR_REPLY' };

describe('a reply about a tree', () => {
  it('may not be longer than its limit, however small it came', async () => {
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
