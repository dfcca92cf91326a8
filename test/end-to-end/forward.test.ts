// gomote forward and gomote proxy, as a user starts them.
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { testCli } from '../helpers/cli.ts';
import { startCoordinator, tokenOf } from '../helpers/coordinator.ts';
import { echoServer, lines, portOf, sent } from '../helpers/ports.ts';
import { workshop } from '../helpers/programs.ts';

it('gomote forward forwards ports and sockets in both directions until it is interrupted', async () => {
  const { start, create, directory } = workshop();
  const name = await create();
  const port = await echoServer();
  const path = join(directory, 'here');
  const program = start('gomote', [
    ...['forward', name, `0:${port}`, `unix:${path}:127.0.0.1:${port}`],
    ...['-R', `0:${port}`],
  ]);
  const [[first, second, third], ended] = await lines(program, 3);
  expect(first).toMatch(new RegExp(`^127\\.0\\.0\\.1:[0-9]+ -> ${name}:localhost:${port}$`));
  expect(second).toBe(`unix:${path} -> ${name}:127.0.0.1:${port}`);
  expect(third).toMatch(new RegExp(`^${name}:127\\.0\\.0\\.1:[0-9]+ -> localhost:${port}$`));
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(await sent(portOf(first), 'one')).toBe('one');
  expect(await sent(path, 'two')).toBe('two');
  expect(await sent(portOf(third), 'three')).toBe('three');
  program.kill('SIGINT');
  expect(await ended).toMatchObject({ code: 130 });
});

it('gomote forward reports at once what is refused there, and continues', async () => {
  const { start, create } = workshop();
  const name = await create();
  const port = await echoServer();
  const refusing = createServer();
  refusing.listen(0, '127.0.0.1');
  await once(refusing, 'listening');
  const { port: closed } = refusing.address() as AddressInfo;
  refusing.close();
  const program = start('gomote', ['forward', name, `0:127.0.0.1:${closed}`, `0:${port}`]);
  const [[first, second], ended] = await lines(program, 2);
  expect(await sent(portOf(first), 'lost')).toBe('');
  expect(await sent(portOf(second), 'kept')).toBe('kept');
  program.kill('SIGTERM');
  expect(await ended).toMatchObject({
    code: 143,
    stderr: expect.stringContaining(
      `gomote: 127.0.0.1:${closed} on ${name}: connect ECONNREFUSED 127.0.0.1:${closed}\n`,
    ),
  });
});

it('gomote forward ends with status 1 when the buildlet has ended', async () => {
  const { start, create, gomote } = workshop();
  const name = await create();
  const [, ended] = await lines(start('gomote', ['forward', name, '0:9']), 1);
  await gomote('destroy', name);
  const { code, stderr } = await ended;
  expect(code).toBe(1);
  expect(stderr).toContain(name);
});

it.each([
  { args: [], words: 'nothing to forward' },
  { args: ['x:y'], words: '"x:y" does not say what to forward' },
  { args: ['70000'], words: '"70000" does not say what to forward' },
  { args: ['8080:0'], words: '"8080:0" does not say what to forward' },
])('gomote forward $args is wrong usage', async ({ args, words }) => {
  const { code, stderr } = await testCli()(['forward', 'NAME', ...args]);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(words) });
});

it('gomote forward does not use a port that is in use', async () => {
  const { create, gomote } = workshop();
  const port = await echoServer();
  const { code, stderr, stdout } = await gomote('forward', await create(), `${port}:80`);
  expect({ code, stdout: stdout.toString() }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain(`cannot listen at 127.0.0.1:${port}`);
  expect(stderr).toContain('give another port, or 0 for any that is free');
});

it('gomote proxy connects its input and output to a port', async () => {
  const { create, run, gomote } = workshop();
  const name = await create();
  const port = await echoServer();
  const { code, stdout } = await run('sh', '-c', `printf hello | gomote proxy ${name} ${port}`);
  expect({ code, stdout: stdout.toString() }).toEqual({ code: 0, stdout: 'hello' });
  const refused = await gomote('proxy', name, '127.0.0.1:1');
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('ECONNREFUSED') });
});

it('a coordinator that forwards no ports is the reason that forward and proxy give', async () => {
  const { url, fingerprint } = await startCoordinator({ toml: 'forward = false' });
  const cli = testCli();
  await cli(['login', url, '--fingerprint', fingerprint], { stdin: [tokenOf('me')] });
  const name = (await cli(['create', 'linux'])).stdout.toString().trim();
  for (const words of [
    ['forward', name, '0:3000'],
    ['forward', name, '-R', '0:3000'],
    ['proxy', name, '3000'],
  ]) {
    const { code, stdout, stderr } = await cli(words);
    expect({ code, stdout: stdout.toString(), stderr }).toEqual({
      code: 1,
      stdout: '',
      stderr: `gomote: ${name}: this coordinator forwards no ports\n`,
    });
  }
});
