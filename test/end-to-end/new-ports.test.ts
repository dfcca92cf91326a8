// Ports that a command opens while gomote run and gomote shell look on.
import type { ChildProcess } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hasBubblewrap } from '../helpers/bubblewrap.ts';
import { testCli } from '../helpers/cli.ts';
import { startCoordinator, tokenOf } from '../helpers/coordinator.ts';
import { freePort } from '../helpers/free-port.ts';
import { portOf, sent } from '../helpers/ports.ts';
import { ending, workshop } from '../helpers/programs.ts';
import { hasTmux, openScreen } from '../helpers/tmux.ts';

/** Listens at a port of that address and echoes; the second and third words are its host and port. */
const echo = `
  require('node:net')
    .createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket))
    .listen(Number(process.argv[2] ?? 0), process.argv[1]);`;

/** The next line of standard error that matches. */
const said = (program: ChildProcess, pattern: RegExp): Promise<RegExpExecArray> =>
  new Promise((resolve, reject) => {
    let text = '';
    program.stderr?.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
      const found = pattern.exec(text);
      if (found !== null) resolve(found);
    });
    program.once('exit', () => reject(new Error(`it has ended, and said: ${text}`)));
  });

describe.skipIf(process.platform !== 'linux')('gomote run --forward', () => {
  // A local buildlet is on this machine: the command itself has taken the port.
  it.each(['127.0.0.1', '::1', '::'])(
    'forwards a port at %s, at another one when that is in use here, until the command ends',
    async (host) => {
      const { start, create } = workshop();
      const name = await create();
      const words = [name, process.execPath, '-e', echo, host];
      const program = start('gomote', ['run', '--forward', ...words]);
      const ended = ending(program);
      const [, from, to] = await said(program, /^# (127\.0\.0\.1:[0-9]+) -> (.*)$/m);
      expect(to).toMatch(new RegExp(`^${name}:localhost:[0-9]+$`));
      expect(portOf(from)).not.toBe(portOf(to));
      // Not every system knows localhost by its IPv6 address, too.
      const addresses = (await lookup('localhost', { all: true })).map(({ address }) => address);
      const isReached = host !== '::1' || addresses.includes(host);
      expect(await sent(portOf(from), 'hello')).toBe(isReached ? 'hello' : '');
      program.kill('SIGTERM');
      expect(await ended).toMatchObject({ code: 143 });
      expect(await sent(portOf(from), 'gone')).toBe('');
    },
  );

  it.skipIf(!hasBubblewrap)('forwards at the same port if that is free', async () => {
    const { start, gomote } = workshop();
    const options = ['--isolation', 'bubblewrap', '--network', 'none'];
    const name = (await gomote('create', ...options, 'local')).stdout.toString().trim();
    // Node where every sandbox has it.
    const words = [name, '/run/gomote/node', '-e', echo, '127.0.0.1'];
    const program = start('gomote', ['run', '--forward', ...words]);
    const ended = ending(program);
    const [, from, to] = await said(program, /^# (127\.0\.0\.1:[0-9]+) -> (.*)$/m);
    expect(portOf(from)).toBe(portOf(to));
    expect(await sent(portOf(from), 'hello')).toBe('hello');
    program.kill('SIGTERM');
    await ended;
  });

  it('ignores ports that were open before', async () => {
    const { start, create, gomote } = workshop();
    const name = await create();
    const port = await freePort();
    await gomote('run', '--detach', name, process.execPath, '-e', echo, '127.0.0.1', String(port));
    await expect.poll(async () => await sent(port, 'up'), { timeout: 20_000 }).toBe('up');
    const program = start('gomote', [
      'run',
      '--forward',
      name,
      process.execPath,
      '-e',
      echo,
      '127.0.0.1',
    ]);
    const ended = ending(program);
    await said(program, /^# 127/m);
    program.kill('SIGTERM');
    const { stderr } = await ended;
    expect(stderr.match(/^# .*$/gm)).toHaveLength(1);
    expect(stderr).not.toContain(`:${port}`);
  });

  it('contradicts --detach', async () => {
    const { code, stderr } = await testCli()(['run', '--forward', '--detach', 'NAME', 'true']);
    expect({ code, stderr }).toEqual({
      code: 125,
      stderr: expect.stringContaining('--forward and --detach contradict'),
    });
  });

  it('does not start the command where the coordinator forwards no ports', async () => {
    const { url, fingerprint } = await startCoordinator({ toml: 'forward = false' });
    const cli = testCli();
    await cli(['login', url, '--fingerprint', fingerprint], { stdin: [tokenOf('me')] });
    const name = (await cli(['create', 'linux'])).stdout.toString().trim();
    const { code, stdout, stderr } = await cli(['run', '--forward', name, 'echo', 'started']);
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 125, stdout: '' });
    expect(stderr).toContain('this coordinator forwards no ports');
  });
});

it.skipIf(!hasTmux || process.platform !== 'linux')(
  'gomote shell reports once that a port was opened in it, and how to forward it',
  async () => {
    const shop = workshop();
    const name = await shop.create();
    const screen = openScreen(shop);
    screen.resize(160, 24);
    writeFileSync(join(shop.directory, '.bash_profile'), "PS1='remote> '\n");
    screen.enter(`clear; gomote shell -e SHELL=/bin/bash -e HOME=$HOME ${name}; echo status=$?`);
    await screen.shows(/^remote>$/m);
    screen.enter(`${process.execPath} -e "require('net').createServer().listen(0,'127.0.0.1')" &`);
    const offer = new RegExp(`^# ${name} listens at ([0-9]+); gomote forward ${name} \\1$`, 'gm');
    await screen.shows(new RegExp(offer.source, 'm'));
    screen.enter('echo still $((40 + 2))');
    await screen.shows(/^still 42$/m);
    expect(screen.text().match(offer)).toHaveLength(1);
    screen.enter('kill $!; exit 0');
    await screen.shows(/^status=0$/m);
  },
);
