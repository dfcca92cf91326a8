// What the command line keeps of pulls from a coordinator's machines.
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { testCli } from '../helpers/cli.ts';
import { startCoordinator, tokenOf } from '../helpers/coordinator.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

it('a pull takes from the store what another machine has sent before, where that is configured', async () => {
  const { url, fingerprint } = await startCoordinator({ users: { me: {} } });
  const cli = testCli();
  mkdirSync(join(cli.directory, 'config/gomote'), { recursive: true, mode: 0o700 });
  const config = '[pull]\nstore-size = "64m"\n';
  writeFileSync(join(cli.directory, 'config/gomote/config.toml'), config, { mode: 0o600 });
  const login = ['login', url, '--fingerprint', fingerprint, '--name', 'team', '--user', 'me'];
  expect(await cli(login, { stdin: [tokenOf('me')] })).toMatchObject({ code: 0 });
  const content = randomBytes(1 << 20);
  const source = join(temporaryDirectory(), 'file');
  writeFileSync(source, content);
  const pulled = async () => {
    const name = (await cli(['create', '--backend', 'team', 'linux'])).stdout.trim();
    await cli(['put', name, source, 'out/file']);
    const to = join(temporaryDirectory(), 'out');
    const { stdout } = await cli(['pull', '--json', name, 'out', to]);
    expect(readFileSync(join(to, 'file')).equals(content)).toBe(true);
    const { stderr } = await cli(['pull', name, 'out', join(to, 'again')]);
    return { ...JSON.parse(stdout), stderr };
  };
  expect(await pulled()).toMatchObject({ files: 1, storedBytes: 0 });
  const second = await pulled();
  expect(second).toMatchObject({ files: 1, bytes: 1 << 20, storedBytes: 1 << 20 });
  expect(second.wireBytes).toBeLessThan(10_000);
  expect(second.stderr).toMatch(
    /1 file pulled \(1\.05 MB\); \d+ B on the wire, 1\.05 MB from the store/,
  );
});
