import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { push } from '../../src/sync/push/push.ts';
import { clientOf, startBuildlet } from '../helpers/buildlet.ts';
import { startCutter } from '../helpers/cutter.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { file, plant, snapshot } from '../tar/tree.ts';
import { allKinds, type Kind, pushBench } from './push-helper.ts';

const { signal } = new AbortController();

/** Names and contents. */
const withoutModes = (lines: string[]) => lines.map((line) => line.replace(/" \d+ \d+ /, '" '));

describe('a push to several buildlets', () => {
  it('reaches buildlets of either kind, and the others when one fails', async () => {
    const top = temporaryDirectory();
    plant(top, [
      ['a', file(randomBytes(3 << 20))],
      ['b', file('b')],
    ]);
    const kinds: readonly Kind[] = [...allKinds, ...allKinds].map(([, options]) => options);
    const buildlets = await Promise.all(kinds.map((options) => startBuildlet(options)));
    const gone = await startBuildlet();
    const clients = [...buildlets, gone].map((buildlet, i) =>
      clientOf(buildlet, '', { sharedDirectory: kinds[i]?.sharesFiles ? tmpdir() : undefined }),
    );
    await gone.close();
    const results = await push(clients, top, { dir: 't', signal });
    expect(results.map(({ status }) => status)).toEqual([
      ...buildlets.map(() => 'fulfilled'),
      'rejected',
    ]);
    for (const { workDir } of buildlets) {
      expect(readFileSync(join(workDir, 't/a')).equals(readFileSync(join(top, 'a')))).toBe(true);
    }
    writeFileSync(join(top, 'b'), 'changed');
    const again = await push(clients.slice(0, -1), top, { dir: 't', signal });
    expect(again).toMatchObject(buildlets.map(() => ({ value: { files: 1, bytes: 7 } })));
  });

  it.each([{}, { sharesFiles: true }])(
    'starts again when another push came between: %o',
    async (kind) => {
      const { top, buildlet, there, push: pushOnce } = await pushBench(kind);
      plant(top, [['a', file('a')]]);
      await pushOnce();
      const other = temporaryDirectory();
      plant(other, [['b', file('b')]]);
      let isFirst = true;
      plant(top, [['c', file('c')]]);
      await pushOnce({
        adjust: async (changes) => {
          if (isFirst) await push([clientOf(buildlet)], other, { dir: 'tree', signal });
          isFirst = false;
          return changes;
        },
      });
      const names = (root: string) => snapshot(root).map((line) => line.split(' ')[0]);
      expect(names(there)).toEqual(names(top));
    },
  );

  it.each([undefined, tmpdir()])(
    'waits for others into the same directory, with a shared directory %s',
    async (sharedDirectory) => {
      const buildlet = await startBuildlet();
      const trees = Array.from({ length: 6 }, (_, index) => {
        const top = temporaryDirectory();
        plant(top, [
          ['big', file(randomBytes((index % 2) * (8 << 20) + 1000))],
          ['same', file(`${index}`)],
          [`own${index}`, file('own')],
        ]);
        return top;
      });
      const results = await Promise.all(
        trees.map((top) => {
          const client = clientOf(buildlet, '', { sharedDirectory });
          return push([client], top, { dir: 't', signal });
        }),
      );
      const reasons = results.flat().map((result) => result.status === 'rejected' && result.reason);
      expect(reasons).toEqual(trees.map(() => false));
      const there = join(buildlet.workDir, 't');
      const last = trees[Number(readFileSync(join(there, 'same'), 'utf8'))] ?? '';
      expect(withoutModes(snapshot(there))).toEqual(withoutModes(snapshot(last)));
    },
  );

  it('takes one round trip when nothing has changed, and two for a change', async () => {
    const { top, buildlet, push: pushOnce } = await pushBench({});
    plant(top, [['a', file('a')]]);
    await pushOnce();
    const requests: string[] = [];
    const client = clientOf(buildlet, '', { onRequest: (line) => requests.push(line) });
    const again = async (cacheDirectory: string | undefined) => {
      requests.length = 0;
      await push([client], top, { dir: 'tree', signal, cacheDirectory });
      return requests.map((line) => line.split(/[ ?]/)[1]);
    };
    const cache = temporaryDirectory();
    await again(cache);
    expect(await again(cache)).toEqual(['/sync/state']);
    writeFileSync(join(top, 'a'), 'b');
    expect(await again(cache)).toEqual(['/sync/state', '/sync/apply']);
    // What another pusher has sent is not known here.
    await push([client], temporaryDirectory(), { dir: 'tree', signal });
    plant(top, [['b', file('b')]]);
    expect(await again(cache)).toEqual(['/sync/state', '/sync/apply']);
    const other = temporaryDirectory();
    plant(other, [['b', file('other')]]);
    await push([client], other, { dir: 'tree', signal });
    expect(await again(cache)).toEqual(['/sync/state', '/sync/manifest', '/sync/apply']);
  });

  it('sends about the new bytes of a large file, also when bytes were inserted', async () => {
    const {
      top,
      buildlet,
      there,
      push: pushOnce,
    } = await pushBench({
      address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    });
    const cutter = await startCutter(buildlet.address);
    const client = clientOf({ ...buildlet, address: cutter.address });
    const old = randomBytes(24 << 20);
    mkdirSync(join(top, 'd'));
    writeFileSync(join(top, 'd/big'), old);
    await pushOnce();
    const middle = 11 << 20;
    const parts = [
      old.subarray(0, 5000),
      Buffer.from('put in'),
      old.subarray(5000, middle),
      randomBytes(1 << 20),
      old.subarray(middle + (1 << 20)),
    ];
    writeFileSync(join(top, 'd/big'), Buffer.concat(parts));
    const [result] = await push([client], top, { dir: 'tree', signal });
    expect(result?.status).toBe('fulfilled');
    expect(readFileSync(join(there, 'd/big')).equals(readFileSync(join(top, 'd/big')))).toBe(true);
    expect(cutter.upBytes + cutter.downBytes).toBeLessThan(2 << 20);
  });
});
