// What a pull does differently on disks without modes, and on disks that ignore case; with the platform injected.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { KnownStates } from '../../../src/sync/local/known-states.ts';
import { LocalCache } from '../../../src/sync/local/local-cache.ts';
import { otherNameIn, whyOtherName } from '../../../src/sync/pull/other-name.ts';
import { PullPlanner } from '../../../src/sync/pull/pull-plan.ts';
import { look } from '../../../src/tree/tree-walk.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

/** Plans the pull of a file and a directory whose modes are others here; they were pulled before. */
function planOn(platform: NodeJS.Platform) {
  const top = temporaryDirectory();
  writeFileSync(join(top, 'a'), 'content', { mode: 0o666 });
  mkdirSync(join(top, 'dir'), { mode: 0o777 });
  const cacheDirectory = temporaryDirectory();
  const cache = new LocalCache(cacheDirectory, top, 'pull');
  const known = new KnownStates(cacheDirectory, { top, identity: 'x', dir: '.' });
  const found = ['a', 'dir'].flatMap((path) => {
    const here = look(top, path);
    return typeof here === 'object' ? here : [];
  });
  const entries = found.map((here) => ({
    ...here,
    digest: here.kind === 'file' ? (cache.digest(here, 'sha256') ?? '') : '',
  }));
  known.savePulled(entries, true);
  const planner = new PullPlanner({
    ...{ top, umask: 0o022, algorithm: 'sha256', cache, known, platform },
    ...{ isNew: false, force: false, keepBoth: false, replacesUnknown: false },
    rules: { leavesOut: () => false, unread: new Map() },
  });
  for (const entry of entries) planner.add({ ...entry, mode: 0o750 });
  return planner.plan;
}

describe('a pull', () => {
  it('fetches nothing again for its mode on Windows', () => {
    expect(planOn('linux').wanted.map(({ path }) => path)).toEqual(['a', 'dir']);
    const { wanted, same } = planOn('win32');
    expect([wanted, same.map(({ path }) => path)]).toEqual([[], ['a', 'dir']]);
  });
});

describe('the name of a file on a disk that ignores case', () => {
  it.each([
    ['case', 'Case'],
    ['CASE', 'Case'],
    ['caf\u00e9', 'cafe\u0301'],
    ['STRASSE', 'straße'],
    ['Case', undefined],
    ['cas', undefined],
  ])('of %s is %s', (name, other) => {
    expect(otherNameIn(['Case', 'cafe\u0301', 'straße'], name)).toBe(other);
  });

  it('is the reason why another is kept', () => {
    const top = temporaryDirectory();
    mkdirSync(join(top, 'sub'));
    writeFileSync(join(top, 'sub/Case'), '');
    // As a disk that ignores case answers.
    const exists = (path: string) => /case$/i.test(path);
    const other = whyOtherName(top, 'sub/case', 'win32', exists);
    expect(other).toBe('the same file on this disk as "Case"');
    expect(whyOtherName(top, 'sub/case', 'win32')).toBeUndefined();
    for (const [path, platform] of [
      ['sub/Case', 'win32'],
      ['none/case', 'win32'],
      ['sub/case', 'linux'],
    ] as const) {
      expect(whyOtherName(top, path, platform, exists)).toBeUndefined();
    }
  });
});
