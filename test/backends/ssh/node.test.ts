import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { giveFile, leftIn, sshWorkshop } from '../../helpers/ssh-workshop.ts';
import { hasSshd, isRoot, sshLab, sshUser } from '../../helpers/sshd.ts';
import { missing } from '../../helpers/tools.ts';

const mayHide = isRoot || missing('only root hides programs from a server');

/** A server that does not see the programs, with a user of its own. */
async function hostWithout(programs: readonly string[]) {
  const lab = sshLab();
  const replaced = Object.fromEntries(programs.map((path) => [path, '/dev/null']));
  await lab.sshd({ replaced });
  const user = sshUser();
  return { user, host: `ssh:${user.name}@box`, ...sshWorkshop(lab) };
}

/** Every Node that the host's search would find on this machine. */
const nodes = [...new Set([process.execPath, '/usr/bin/node', '/usr/local/bin/node'])].filter(
  (path) => existsSync(path),
);

const cacheOf = (home: string): string => join(home, '.cache/gomote');

describe.skipIf(!hasSshd || !mayHide)('a host without Node.js on its PATH', () => {
  it('gets Node.js from this machine, once', async () => {
    const { user, host, gomote, succeed } = await hostWithout(nodes);
    const first = await gomote('create', '--verbose', host);
    expect(first.stderr).toContain(`copying Node.js to ${user.name}@box`);
    const name = first.stdout.toString().trim();
    expect(await succeed('run', name, 'echo', 'hello')).toBe('hello');
    const second = await gomote('create', '--verbose', host);
    expect(second).toMatchObject({ code: 0, stderr: expect.not.stringContaining('copying') });
    const kept = readdirSync(cacheOf(user.home)).filter((one) => /node|partial/.test(one));
    expect(kept).toEqual([expect.stringMatching(/^node-v/)]);
    await succeed('destroy', '--all', '--backend', host);
    expect(leftIn(user)).toEqual([]);
  });

  it('gets it also where there is no gzip', async () => {
    const { host, succeed } = await hostWithout([...nodes, '/bin/gzip', '/usr/bin/gzip']);
    const name = await succeed('create', host);
    expect(await succeed('run', name, 'echo', 'hello')).toBe('hello');
    await succeed('destroy', name);
  });

  it('does not keep a create that is interrupted while Node.js is being copied', async () => {
    const lab = sshLab();
    const stuck = join(lab.directory, 'stuck');
    writeFileSync(stuck, '#!/bin/sh\nexec sleep 600\n', { mode: 0o755 });
    const hidden = Object.fromEntries(nodes.map((path) => [path, '/dev/null']));
    await lab.sshd({ replaced: { ...hidden, '/usr/bin/gzip': stuck } });
    const { start } = sshWorkshop(lab);
    const create = start('gomote', ['create', '--verbose', `ssh:${sshUser().name}@box`]);
    const ended = once(create, 'exit');
    let said = '';
    create.stderr?.on('data', (text) => {
      said += text;
    });
    await expect.poll(() => said, { timeout: 10_000 }).toContain('copying Node.js');
    // By then it waits for the host, which takes no more.
    await sleep(1_000);
    create.kill('SIGINT');
    expect(await ended).toEqual([130, null]);
  });

  it('uses a Node.js of nvm, but none that is too old', async () => {
    const { user, host, gomote, succeed } = await hostWithout(['/usr/bin/node']);
    const old = '#!/bin/sh\nexit 1\n';
    giveFile(user, 'bin/node', old);
    giveFile(user, '.nvm/versions/node/v18.0.0/bin/node', old);
    // Not hidden: it has another name.
    const real = join(user.home, 'real-node');
    const programs = `'${user.home}'/bin/node '${user.home}'/.nvm/versions/node/*/bin/node`;
    const script = `cp '${process.execPath}' '${real}' && chmod 755 '${real}' ${programs}`;
    expect(spawnSync('sh', ['-c', script]).status).toBe(0);
    const place = join(user.home, '.nvm/versions/node/v20.99.0/bin');
    mkdirSync(place, { recursive: true });
    symlinkSync(real, join(place, 'node'));
    const created = await gomote('create', '--verbose', host);
    expect(created).toMatchObject({ code: 0, stderr: expect.not.stringContaining('Node.js') });
    const [version = ''] = readdirSync(cacheOf(user.home)).filter((one) =>
      /^[0-9a-f]{16}$/.test(one),
    );
    expect(readlinkSync(join(cacheOf(user.home), version, 'node'))).toBe(join(place, 'node'));
    await succeed('destroy', created.stdout.toString().trim());
  });

  it('of another system gets an error that names what to install', async () => {
    const lab = sshLab();
    const uname = join(lab.directory, 'uname');
    const script = '#!/bin/sh\ncase $1 in -s) echo Plan9;; -m) echo mips;; esac\n';
    writeFileSync(uname, script, { mode: 0o755 });
    const hidden = Object.fromEntries(nodes.map((path) => [path, '/dev/null']));
    await lab.sshd({ replaced: { ...hidden, '/usr/bin/uname': uname } });
    const user = sshUser();
    const { gomote } = sshWorkshop(lab);
    const { code, stderr } = await gomote('create', `ssh:${user.name}@box`);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      new RegExp(
        `^gomote: ${user.name}@box: it has no Node.js, and this machine's is for Linux .*, and it is Plan9 mips; install Node.js 20.18.1 or later there\n$`,
      ),
    );
  });
});
