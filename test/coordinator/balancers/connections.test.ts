// What keeps a connection through balancers for long: terminals, and machines that dial in by `Upgrade`.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hasNginx, startNginx } from '../../helpers/balancer.ts';
import { testCli } from '../../helpers/cli.ts';
import { startCoordinator, tokenOf } from '../../helpers/coordinator.ts';
import { until } from '../../helpers/processes.ts';
import { workshop } from '../../helpers/programs.ts';
import { dialling, reversePool } from '../../helpers/reverse.ts';
import { hasTmux, openScreen } from '../../helpers/tmux.ts';
import { behindPlain, fingerprintBehind, kinds, login, nginxServer, upstreamOf } from './kinds.ts';

/** The least that a balancer does for a terminal: no live replies, and short silences. */
const hardest = kinds.filter(({ title, isImpatient }) => isImpatient || title.includes('defaults'));

describe.runIf(hasTmux).each(hardest)('through $title', ({ toml, start }) => {
  it('a shell shows what is typed, and gives its status', async () => {
    const coordinator = await startCoordinator({ toml, machines: 1 });
    const url = await start(coordinator);
    const place = workshop();
    writeFileSync(join(place.directory, 'token'), `${tokenOf('me')}\n`, { mode: 0o600 });
    const pin = url.startsWith('https:') ? ['--fingerprint', fingerprintBehind(coordinator)] : [];
    const loggedIn = await place.gomote('login', url, '--token-file', 'token', ...pin);
    expect(loggedIn).toMatchObject({ code: 0 });
    const name = (await place.gomote('create', 'linux')).stdout.toString().trim();
    const screen = openScreen(place);
    screen.enter(`gomote shell ${name} /bin/sh; echo status=$?`);
    screen.enter('echo $((6 * 7)) answers');
    await screen.shows(/^42 answers$/m);
    screen.enter('exit 5');
    await screen.shows(/^status=5$/m);
  });
});

const writeKeys = (directory: string) =>
  writeFileSync(join(directory, 'keys'), 'the-key\n', { mode: 0o600 });

describe.each(kinds.filter(({ title }) => title.includes('documented')))(
  'through $title',
  ({ toml, start }) => {
    it('machines dial in', async () => {
      const options = { toml, sections: reversePool, prepare: writeKeys };
      const coordinator = await startCoordinator(options);
      const url = await start(coordinator);
      const fingerprint = fingerprintBehind(coordinator).replace('sha256:', '');
      await dialling(url, { machine: 'mac1', key: 'the-key', trust: { fingerprint } });
      const cli = testCli();
      await login(cli, url, coordinator);
      expect(await cli(['create', 'mac'])).toMatchObject({ stdout: 'user-me-mac-0\n' });
      expect(await cli(['run', 'user-me-mac-0', '/bin/true'])).toMatchObject({ code: 0 });
    });
  },
);

describe.runIf(hasNginx)('a proxy that drops Upgrade', () => {
  it('is reported to the machine that dials', async () => {
    const options = { toml: behindPlain, sections: reversePool, prepare: writeKeys };
    const coordinator = await startCoordinator(options);
    const { port } = await startNginx({ config: nginxServer(upstreamOf(coordinator)) });
    const url = `http://127.0.0.1:${port}`;
    const machine = await dialling(url, { machine: 'mac1', key: 'the-key', trust: {} });
    await until(() => machine.talk.some((line) => line.includes('a proxy on the way must pass')));
  });
});
