// A user at a real terminal who logs in: the question about the certificate, and the token that nobody may see.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startCoordinator, tokenOf } from '../helpers/coordinator.ts';
import { workshop } from '../helpers/programs.ts';
import { hasTmux, openScreen } from '../helpers/tmux.ts';

async function scene() {
  const coordinator = await startCoordinator();
  const shop = workshop();
  const screen = openScreen(shop);
  /** What stty says, read from a file so that no width folds it; what is typed early comes before the shell's prompt. */
  const settings = async (name: string) => {
    screen.enter(`stty -a >${name}; echo noted ${name}`);
    await screen.shows(new RegExp(`^(# |\\$ )?noted ${name}$`, 'm'));
    return readFileSync(join(shop.directory, name), 'utf8');
  };
  const before = await settings('before');
  screen.enter(`clear; sh -c 'echo $$ >pid; exec gomote login ${coordinator.url}'; echo status=$?`);
  const pid = () => Number(readFileSync(join(shop.directory, 'pid'), 'utf8'));
  return { ...shop, screen, before, after: () => settings('after'), pid };
}

describe.runIf(hasTmux)('login on a terminal', { timeout: 120_000 }, () => {
  it('asks for the certificate, then for the token, which is not shown', async () => {
    const { screen, before, after, gomote } = await scene();
    await screen.shows('Is that the one its owner told you? [y/N]');
    screen.enter('y');
    await screen.shows(/token of me on https:[^\n]*:/);
    screen.type(`${tokenOf('me')}xy`);
    screen.press('BSpace', 'BSpace', 'Enter');
    await screen.shows(/^status=0$/m);
    expect(screen.text()).toContain('logged in to https://');
    expect(screen.text()).not.toMatch(/token-me|\*/);
    expect(await after()).toBe(before);
    expect((await gomote('whoami')).stdout.toString()).toContain('team\tme');
  });

  it('accepts no as an answer', async () => {
    const { screen, before, after } = await scene();
    await screen.shows('[y/N]');
    screen.press('Enter');
    await screen.shows(/^status=1$/m);
    expect(screen.text()).toContain('no trusted authority');
    expect(await after()).toBe(before);
  });

  it.each([
    ['question', false],
    ['prompt', true],
  ])('ends by Ctrl-C at the %s, resets the terminal and keeps nothing', async (_, isAnswered) => {
    const { screen, before, after, directory } = await scene();
    await screen.shows('[y/N]');
    if (isAnswered) {
      screen.enter('y');
      await screen.shows(/token of me/);
    }
    screen.type('tok');
    screen.press('C-c');
    await screen.shows(/status=130$/m);
    expect(await after()).toBe(before);
    expect(existsSync(join(directory, '.config/gomote/logins.toml'))).toBe(false);
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('resets the terminal when it gets %s', async (signal, status) => {
    const { screen, before, after, pid } = await scene();
    await screen.shows('[y/N]');
    screen.enter('y');
    await screen.shows(/token of me/);
    process.kill(pid(), signal);
    await screen.shows(new RegExp(`^status=${status}$`, 'm'));
    expect(await after()).toBe(before);
  });
});
