// Labels of sessions: kept across a restart, and refused where they would be lost.
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { testCli } from '../helpers/cli.ts';
import { startCoordinator, tokenOf } from '../helpers/coordinator.ts';

function cliOf(url: string, fingerprint?: string) {
  const cli = testCli();
  const directory = join(cli.directory, 'config', 'gomote');
  mkdirSync(directory, { recursive: true });
  const pin = fingerprint === undefined ? '' : `fingerprint = "${fingerprint}"\n`;
  writeFileSync(
    join(directory, 'config.toml'),
    `default = "team"\n[backends.team]\nurl = "${url}"\n${pin}`,
  );
  for (const file of ['user-me.token', 'team-user-me.token']) {
    writeFileSync(join(directory, file), `${tokenOf('me')}\n`, { mode: 0o600 });
  }
  return cli;
}

it('labels are stored, select buildlets, and serve as names', async () => {
  const coordinator = await startCoordinator();
  const cli = cliOf(coordinator.url, coordinator.fingerprint);
  const created = await cli(['create', '--name', 'web', '--label', 'os=linux', 'linux']);
  expect(created).toEqual({ code: 0, stdout: 'user-me-linux-0\n', stderr: '' });
  expect((await cli(['create', 'linux'])).code).toBe(0);
  expect((await cli(['list', '-q', '--label', 'os=linux'])).stdout).toBe('user-me-linux-0\n');
  await coordinator.restart();
  expect(JSON.parse((await cli(['list', '--json'])).stdout)[0].labels).toEqual({
    name: 'web',
    os: 'linux',
  });
  expect(await cli(['run', 'web', 'echo', 'hi'])).toMatchObject({ code: 0, stdout: 'hi\n' });
  expect(await cli(['create', '--name', 'web', 'linux'])).toMatchObject({ code: 1 });
  expect(await cli(['destroy', 'web'])).toMatchObject({ code: 0 });
  expect((await cli(['list', '-q'])).stdout).toBe('user-me-linux-1\n');
  const gone = await cli(['run', 'web', 'true']);
  expect(gone.code).toBe(125);
});

it('a coordinator refuses invalid labels', async () => {
  const coordinator = await startCoordinator();
  const client = coordinator.client('me');
  for (const labels of [{ 'a/b': 'c' }, { a: '\u001b[31m' }]) {
    await expect(client.requestBuildlet('linux', { labels })).rejects.toThrow(
      "bad 'labels' parameter",
    );
  }
});

it('a coordinator without the feature is not sent labels', async () => {
  const paths: string[] = [];
  const server = createServer(({ url = '', method }, response) => {
    paths.push(`${method} ${url}`);
    if (url === '/buildlet/types') {
      const builders = [{ Name: 'linux', HostType: 'host', Env: [] }];
      response.end(JSON.stringify({ Features: ['extend'], Hosts: [], Builders: builders }));
    } else response.writeHead(500).end('no');
  });
  server.listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const cli = cliOf(`http://127.0.0.1:${port}`);
  const { code, stderr } = await cli(['create', '--label', 'a=b', 'linux']);
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr:
      'gomote: the backend "team" keeps no labels; leave them out, or run a newer coordinator there\n',
  });
  expect(paths.filter((path) => path.startsWith('POST'))).toEqual([]);
});
