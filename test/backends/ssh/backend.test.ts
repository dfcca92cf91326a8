import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { workshop } from '../../helpers/programs.ts';
import { hasSshd, sshLab, sshUser } from '../../helpers/sshd.ts';

/** A command line whose `ssh` knows the lab's hosts. */
function sshWorkshop(lab: ReturnType<typeof sshLab>) {
  const shop = workshop();
  shop.environment.PATH = `${lab.bin}:${shop.environment.PATH}`;
  return shop;
}

describe.skipIf(!hasSshd)('a host that is named on the command line', () => {
  it('makes a buildlet that other commands use, and keeps nothing of it', async () => {
    const lab = sshLab();
    await lab.sshd();
    const user = sshUser();
    const { gomote } = sshWorkshop(lab);
    const created = await gomote('create', `ssh:${user.name}@box`);
    expect(created.stderr).toBe('');
    const name = created.stdout.toString().trim();
    const ran = await gomote('run', name, 'sh', '-c', 'id -un; pwd');
    expect(ran).toMatchObject({ code: 0 });
    const listed = await gomote('list', '--backend', `ssh:${user.name}@box`);
    expect(listed.stdout.toString()).toContain(name);
    const destroyed = await gomote('destroy', name);
    expect(destroyed).toMatchObject({ code: 0, stderr: '' });
    expect(readdirSync(join(user.home, '.local/state/gomote/ssh')).sort()).toEqual(['work']);
    expect(existsSync(join(user.home, '.cache/gomote'))).toBe(true);
  });
});
