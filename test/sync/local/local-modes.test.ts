// Modes of a tree on Windows, whose file systems have none, with the platform injected.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, openSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { whyNoLocal } from '../../../src/backends/local/places.ts';
import { sentMode } from '../../../src/files/file-modes.ts';
import { nameHere } from '../../../src/gomote/transfer.ts';
import { readLocalTree } from '../../../src/sync/local/local-tree.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

/** As Node tells of files on Windows: all can be read and written, none can be run. */
function treeOfWindows(): string {
  const top = join(temporaryDirectory(), 'tree');
  mkdirSync(join(top, 'dir'), { recursive: true });
  const files = { script: '#!/bin/sh\n', text: 'text', short: '#', 'dir/tracked': 'x', empty: '' };
  for (const [path, content] of Object.entries(files)) {
    writeFileSync(join(top, path), content);
    chmodSync(join(top, path), 0o666);
  }
  symlinkSync('text', join(top, 'link'));
  return top;
}

async function modes(top: string, platform: NodeJS.Platform): Promise<Record<string, string>> {
  const { entries } = await readLocalTree(top, { platform });
  return Object.fromEntries(entries.map(({ path, mode }) => [path, mode.toString(8)]));
}

describe('the modes of a tree', () => {
  it('are those of its content on Windows', async () => {
    const top = treeOfWindows();
    expect(await modes(top, 'win32')).toEqual({
      ...{ dir: '755', 'dir/tracked': '644', empty: '644', link: '0' },
      ...{ script: '755', short: '644', text: '644' },
    });
    expect(await modes(top, 'linux')).toMatchObject({ script: '666', text: '666' });
  });

  it('are those of git for files that git tracks', async () => {
    const top = treeOfWindows();
    const git = (...args: string[]) => {
      expect(spawnSync('git', ['-C', top, ...args], { stdio: 'ignore' }).status).toBe(0);
    };
    git('init', '-q');
    git('add', 'dir/tracked', 'script');
    git('update-index', '--chmod=+x', 'dir/tracked');
    expect(await modes(top, 'win32')).toMatchObject({ 'dir/tracked': '755', script: '644' });
    // A part of a work tree has the same.
    expect(await modes(join(top, 'dir'), 'win32')).toEqual({ tracked: '755' });
  });
});

describe('the mode of one file that is sent', () => {
  it('is its own, except on Windows', () => {
    const top = treeOfWindows();
    const file = { mode: 0o100666 };
    expect(sentMode(file, join(top, 'script'), 'linux')).toBe(0o666);
    expect(sentMode({ mode: 0o104755 }, join(top, 'script'), 'darwin')).toBe(0o4755);
    expect(sentMode(file, join(top, 'script'), 'win32')).toBe(0o755);
    expect(sentMode(file, openSync(join(top, 'script'), 'r'), 'win32')).toBe(0o755);
    expect(sentMode({ mode: 0o100444 }, join(top, 'text'), 'win32')).toBe(0o644);
    expect(sentMode(file, join(top, 'gone'), 'win32')).toBe(0o644);
    expect(sentMode({ mode: 0o040666 }, top, 'win32')).toBe(0o755);
  });
});

it('a local buildlet is refused on Windows with what to do instead', () => {
  expect(whyNoLocal('win32')).toMatchObject({
    code: 'ERR_UNSUPPORTED',
    hint: expect.stringContaining('WSL'),
  });
  for (const platform of ['linux', 'darwin'] as const) expect(whyNoLocal(platform)).toBe(undefined);
});

it.each(['con', 'aux.txt', 'a:b', 'dir/dot.', 'a<b', 'back\\slash'])(
  'a file %s is not fetched on Windows under its own name',
  (path) => {
    const refused = expect.objectContaining({ code: 'ERR_PATH', hint: expect.any(String) });
    expect(() => nameHere(path, 'win32')).toThrow(refused);
    expect(nameHere(path, 'linux')).toBe(path.replace('dir/', ''));
    expect(nameHere('dir/fine', 'win32')).toBe('fine');
  },
);
