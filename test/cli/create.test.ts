// What create prints is a name for every other command, and what it cannot finish it does not leave.
import { describe, expect, it } from 'vitest';
import type { Backend, Instance } from '../../src/backends/backend.ts';
import { GomoteError } from '../../src/errors.ts';
import { createAll } from '../../src/gomote/create-all.ts';
import { testCli } from '../helpers/cli.ts';
import { startCoordinator, tokenOf } from '../helpers/coordinator.ts';

/** A command line that is logged in at a coordinator, which makes buildlets of the type `linux`. */
async function loggedIn() {
  const cli = testCli();
  const { url, fingerprint } = await startCoordinator({ users: { me: {} } });
  const argv = ['login', url, '--fingerprint', fingerprint, '--name', 'team'];
  expect(await cli(argv, { stdin: [tokenOf('me')] })).toMatchObject({ code: 0 });
  return cli;
}

describe('create', () => {
  it.each([
    [['create', 'local'], {}],
    [['create', 'local', '--backend', 'local'], {}],
    [['create', 'linux'], {}],
    [['create', 'linux', '--backend', 'team'], {}],
    [['create', 'local'], { GOMOTE_BACKEND: 'local' }],
  ])('%j prints a name that every command takes', async (argv, environment) => {
    const cli = await loggedIn();
    const { code, stdout, stderr } = await cli(argv, { environment });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const name = stdout.trim();
    for (const words of [['ping'], ['ls'], ['ps']]) {
      expect(await cli([...words, name], { environment })).toMatchObject({ code: 0 });
    }
    const lists = [await cli(['list'], { environment }), await cli(['list', ...argv.slice(2)])];
    for (const list of lists) expect(list.stdout).toContain(name);
    expect(await cli(['destroy', name], { environment })).toMatchObject({ code: 0 });
  });

  it('gives a name that is suggested in full when its backend is left out', async () => {
    const cli = await loggedIn();
    const name = (await cli(['create', 'local'])).stdout.trim();
    expect(name).toMatch(/^local\//);
    const { code, stderr } = await cli(['ping', name.slice('local/'.length)]);
    expect([code, stderr]).toEqual([1, expect.stringContaining(`did you mean "${name}"?`)]);
  });

  it('gives a name that is suggested for a mistyped one', async () => {
    const cli = testCli();
    const name = (await cli(['create', 'local'])).stdout.trim();
    const mistyped = name.replace('local', 'locl');
    for (const argv of [
      ['run', mistyped, 'true'],
      ['destroy', mistyped],
      ['ls', mistyped],
    ]) {
      expect((await cli(argv)).stderr).toContain(`did you mean "${name}"?`);
    }
  });

  it.each([[['create', '']], [['create', '', '--count', '2']]])(
    'lists the types for %j',
    async (argv) => {
      const { code, stderr } = await testCli()(argv);
      expect([code, stderr]).toEqual([
        2,
        'gomote: create needs a builder type; types are: local\n',
      ]);
    },
  );
});

describe('several buildlets of which one fails', () => {
  /** Makes the first, and then no more; `destroy` fails if told so. */
  function backendOfOne(canDestroy: boolean) {
    const destroyed: string[] = [];
    let made = 0;
    const backend = {
      name: 'b',
      create: async () => {
        if (made++ > 0) throw new GomoteError('ERR_NO_CAPACITY', 'no room');
        return { name: 'n-0' } as Instance;
      },
      destroy: async (name: string) => {
        if (!canDestroy) throw new GomoteError('ERR_CONNECT', 'nobody answers');
        destroyed.push(name);
      },
    } as unknown as Backend;
    const { signal } = new AbortController();
    const type = { name: 't', hostType: 'h', env: [] };
    const creating = createAll(backend, type, 2, { user: 'me', host: { name: 'h' }, signal });
    return { destroyed, creating };
  }

  it('are all destroyed', async () => {
    const { creating, destroyed } = backendOfOne(true);
    await expect(creating).rejects.toMatchObject({ code: 'ERR_NO_CAPACITY', message: 'no room' });
    expect(destroyed).toEqual(['n-0']);
  });

  it('are named if they cannot be destroyed', async () => {
    await expect(backendOfOne(false).creating).rejects.toMatchObject({
      code: 'ERR_NO_CAPACITY',
      message: 'no room; not destroyed: n-0: nobody answers',
      hint: 'run gomote destroy b/n-0',
    });
  });
});
