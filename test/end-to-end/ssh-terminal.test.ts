import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { labWithUser, leftIn } from '../helpers/ssh-workshop.ts';
import { hasSshd, isRoot } from '../helpers/sshd.ts';
import { hasTmux, openScreen } from '../helpers/tmux.ts';
import { hasTool, missing } from '../helpers/tools.ts';

const mayGivePasswords =
  hasTool('openssl', 'version') && (isRoot || missing('only root gives users passwords'));

describe.skipIf(!hasSshd || !hasTmux || !mayGivePasswords)('a host that prompts', () => {
  it('prompts on the terminal, once, whatever is displayed there', async () => {
    const shop = await labWithUser('/bin/sh', {
      settings: ['PasswordAuthentication yes', 'PubkeyAuthentication no'],
    });
    const { host, user, lab, succeed } = shop;
    const secret = 'correct horse';
    const hash = spawnSync('openssl', ['passwd', '-6', secret], { encoding: 'utf8' });
    spawnSync('usermod', ['-p', hash.stdout.trim(), user.name]);
    lab.configure('box', { StrictHostKeyChecking: 'ask' });
    rmSync(join(lab.directory, 'known'), { force: true });
    const screen = openScreen(shop);
    screen.enter(`gomote create ${host}; echo status $?`);
    await screen.shows(/continue connecting/);
    screen.enter('yes');
    await screen.shows(/password:/);
    screen.enter(secret);
    await screen.shows(/^status 0$/m);
    expect(screen.text()).toContain('me-ssh-0');
    expect(screen.text()).not.toContain(secret);
    screen.enter(`clear; gomote run ${host}/me-ssh-0 id -un; echo again $?`);
    await screen.shows(/^again 0$/m);
    expect(screen.text()).toMatch(new RegExp(`^${user.name}$`, 'm'));
    expect(screen.text()).not.toContain('password');
    // The connection is there: what has no terminal needs none.
    expect(await succeed('run', `${host}/me-ssh-0`, 'echo', 'hello')).toBe('hello');
    screen.enter(`clear; gomote shell ${host}/me-ssh-0`);
    await screen.shows(/^[$] *$/m);
    screen.enter('tty; echo "columns $(stty size)"; exit');
    await screen.shows(/^columns 24 80/m);
    await succeed('destroy', `${host}/me-ssh-0`);
    expect(leftIn(user)).toEqual([]);
  });
});

describe.skipIf(!hasSshd || !mayGivePasswords)('a host that prompts without a terminal', () => {
  it('prompts nobody: the error names the cure', async () => {
    const { host, user, gomote } = await labWithUser('/bin/sh', {
      settings: ['PasswordAuthentication yes', 'PubkeyAuthentication no'],
    });
    expect(await gomote('create', host)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        new RegExp(
          `^gomote: ${user.name}@box: it does not let this user in .*; make "ssh ${user.name}@box" work`,
        ),
      ),
    });
  });
});
