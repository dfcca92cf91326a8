// A command that swaps a directory and a link all the time leads no request out of the work directory.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { BuildletClient } from '../../src/client/buildlet-client.ts';
import type { TreeChange } from '../../src/protocol/tree-change.ts';
import { TreeSender } from '../../src/tree/tree-sender.ts';
import { clientOf, startBuildlet } from '../helpers/buildlet.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { hasTool } from '../helpers/tools.ts';
import { rawTarGz } from '../tar/raw-archive.ts';

/** As many requests of each kind; GOMOTE_SWAPS in the environment asks for more, and for word of how far they are. */
const requests = Number(process.env.GOMOTE_SWAPS ?? '60');
const isLong = process.env.GOMOTE_SWAPS !== undefined;

/** Of a long run so many are under way at once: the buildlet has work while a client reads its reply. */
const together = isLong ? 4 : 1;

/** A long run may take as long as it takes. */
const timeoutMs = isLong ? 24 * 3_600_000 : 120_000;

/** Makes the requests; gives how many were answered with a success. */
async function repeat(what: string, request: () => Promise<string>): Promise<number> {
  let begun = 0;
  let answered = 0;
  const tell = () =>
    process.stderr.write(`${new Date().toISOString()} ${what}: ${begun}, ${answered} answered\n`);
  const lane = async () => {
    while (begun < requests) {
      if (++begun % 5_000 === 0 && isLong) tell();
      const told = await request().catch(() => undefined);
      if (told !== undefined) answered++;
      expect(told ?? '').not.toMatch(/secret|e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4/);
    }
  };
  await Promise.all(Array.from({ length: together }, lane));
  if (isLong) tell();
  return answered;
}

const swapper = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
int main(int argc, char **argv) {
  struct timespec shortest = { 0, 1 };
  for (;;) {
    renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE);
    // As long as it takes to look at a path and then to open it. Without it, the requests wait for the locks of both names.
    nanosleep(&shortest, NULL);
  }
}`;

const canCompile = process.platform === 'linux' && hasTool('cc');

/** A buildlet whose work directory has `swapped`, a directory at one moment and a link that leads out at the next. */
async function scene(swapped = 'work/d') {
  const outside = temporaryDirectory();
  mkdirSync(join(outside, 'sub'));
  writeFileSync(join(outside, 'sub/file'), 'secret');
  writeFileSync(join(outside, 'file'), 'secret');
  const buildlet = await startBuildlet();
  const { workDir } = buildlet;
  for (const path of ['work/d/sub', 'work/aside', swapped])
    mkdirSync(join(workDir, path), { recursive: true });
  for (const path of ['work/d/file', 'work/d/sub/file'])
    writeFileSync(join(workDir, path), 'inside');
  symlinkSync(outside, join(workDir, 'work/aside/link'));
  const program = join(temporaryDirectory(), 'swap');
  execFileSync('cc', ['-O1', '-w', '-x', 'c', '-o', program, '-'], { input: swapper });
  const child: ChildProcess = spawn(program, [
    join(workDir, swapped),
    join(workDir, 'work/aside/link'),
  ]);
  onTestFinished(() => void child.kill('SIGKILL'));
  return { buildlet, outside, workDir };
}

/** A tree stream that writes, changes and removes below `d`. */
function changes(): Buffer[] {
  const source = temporaryDirectory();
  mkdirSync(join(source, 'd/sub'), { recursive: true });
  writeFileSync(join(source, 'd/sub/made'), 'x');
  const entry = { mode: 0o644, size: 0, mtimeMs: 0, digest: '', target: '' };
  const list: TreeChange[] = [
    { op: 'write', entry: { ...entry, kind: 'file', path: 'd/sub/made', size: 1 } },
    { op: 'write', entry: { ...entry, kind: 'symlink', path: 'd/sub/l', target: 'file' } },
    { op: 'mode', path: 'd/sub/file', mode: 0o600 },
    { op: 'remove', path: 'd/file' },
  ];
  const sender = new TreeSender(source);
  return [...sender.part(list), ...sender.end()].map((piece) => Buffer.from(piece));
}

/** Requests that must never tell what is outside, nor change it. Each gives what it was told. */
const kinds: [what: string, request: (client: BuildletClient) => Promise<string>][] = [
  [
    'GET /ls',
    async (client) => {
      let told = '';
      for await (const { line } of client.listDir('work', { recursive: true, digest: true }))
        told += line;
      return told;
    },
  ],
  [
    'GET /tgz',
    async (client) => gunzipSync(await buffer(await client.getTar('work'))).toString('latin1'),
  ],
  [
    'GET /file',
    async (client) => {
      const { body } = await client.files.get('work/d/sub/file');
      return (await buffer(body)).toString();
    },
  ],
  [
    'PUT /write',
    async (client) => {
      await client.put('written', 'work/d/sub/made', 0o644);
      return '';
    },
  ],
  [
    'PUT /writetgz',
    async (client) => {
      const archive = rawTarGz(
        { name: 'd/sub/made', content: 'x' },
        { name: 'd/more/made', content: 'x' },
        { name: 'd/l', type: '2', link: 'file' },
      );
      await client.putTar(archive, 'work');
      return '';
    },
  ],
  [
    'PUT /writetgz into it',
    async (client) => {
      await client.putTar(rawTarGz({ name: 'made', content: 'x' }), 'work/d/sub');
      return '';
    },
  ],
  [
    'GET /sync/manifest',
    async (client) => {
      const trees = await client.trees();
      const { entries } = await trees.manifest('work', 'all');
      return JSON.stringify(entries);
    },
  ],
  [
    'POST /sync/read',
    async (client) => {
      const trees = await client.trees();
      const pieces: Uint8Array[] = [];
      for await (const piece of await trees.read('work', undefined)) pieces.push(piece);
      return Buffer.concat(pieces).toString('latin1');
    },
  ],
  [
    'PUT /sync/apply',
    async (client) => {
      const trees = await client.trees();
      const { generation } = await trees.state('work', 'pushed');
      await trees.apply('work', generation, changes());
      return '';
    },
  ],
  [
    'POST /removeall',
    async (client) => {
      await client.removeAll(['work/d/sub/file', 'work/d/more']);
      return '';
    },
  ],
];

describe.skipIf(!canCompile)('while a directory and a link are swapped', () => {
  it.each(kinds)('%s stays inside', { timeout: timeoutMs }, async (what, request) => {
    const { buildlet, outside } = await scene();
    const client = clientOf(buildlet);
    const answered = await repeat(what, () => request(client));
    expect(readdirSync(outside).sort()).toEqual(['file', 'sub']);
    expect(readdirSync(join(outside, 'sub'))).toEqual(['file']);
    expect(readFileSync(join(outside, 'sub/file'), 'utf8')).toBe('secret');
    expect(answered).toBeGreaterThan(0);
  });

  it('the records of pushes stay inside', { timeout: timeoutMs }, async () => {
    const { buildlet, outside } = await scene('.gomote');
    const client = clientOf(buildlet);
    const push = async () => {
      const trees = await client.trees();
      const { generation } = await trees.state('work', 'pushed');
      await trees.apply('work', generation, changes());
      return '';
    };
    expect(await repeat('records', push)).toBeGreaterThan(0);
    expect(readdirSync(outside).sort()).toEqual(['file', 'sub']);
  });
});

it('an identity that is a link, or a pipe without a writer, is neither followed nor waited for', async () => {
  const secret = 'f'.repeat(32);
  const outside = temporaryDirectory();
  writeFileSync(join(outside, 'id'), secret);
  const buildlet = await startBuildlet();
  const client = clientOf(buildlet);
  const records = join(buildlet.workDir, '.gomote/push');
  mkdirSync(records, { recursive: true });
  const identity = async () => {
    const trees = await client.trees();
    await trees.state('work', 'pushed');
    return trees.identity;
  };
  symlinkSync(join(outside, 'id'), join(records, 'id'));
  expect(await identity()).not.toBe(secret);
  rmSync(join(records, 'id'));
  execFileSync('mkfifo', [join(records, 'id')]);
  expect(await identity()).toMatch(/^[0-9a-f]{32}$/);
});
