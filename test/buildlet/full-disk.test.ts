// A full disk is told by its file system, and nothing half-done is left on it.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { expect, it, onTestFinished } from 'vitest';
import { clientOf, startBuildlet } from '../helpers/buildlet.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { missing } from '../helpers/tools.ts';
import { rawTarGz } from '../tar/raw-archive.ts';

const canMount = tryMount() || missing('this user may not mount a tmpfs');
if (!canMount) console.warn('SKIPPED: no small file system can be mounted here');

function mounted(): string {
  const path = temporaryDirectory();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=700', 'gomote-test', path], {
    stdio: 'ignore',
  });
  return path;
}

function tryMount(): boolean {
  try {
    const path = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim();
    execFileSync('mount', ['-t', 'tmpfs', 'gomote-test', path], { stdio: 'ignore' });
    execFileSync('umount', [path]);
    execFileSync('rmdir', [path]);
    return true;
  } catch {
    return false;
  }
}

it.skipIf(!canMount).each(['put', 'putTar'] as const)(
  '%s says which disk is full',
  async (call) => {
    const workDir = mounted();
    onTestFinished(() => void execFileSync('umount', ['-l', workDir]));
    const client = clientOf(await startBuildlet({ workDir }));
    const content = randomBytes(3 << 20);
    const sent =
      call === 'put'
        ? client.put(content, 'f', 0o644)
        : client.putTar(rawTarGz({ name: 'f', content }), 'd');
    await expect(sent).rejects.toThrow(
      `no space left on device (on the file system at ${workDir}; remove something there)`,
    );
    expect(readdirSync(workDir)).toEqual([]);
  },
);
