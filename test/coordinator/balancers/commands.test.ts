// Every command through the balancers of a team, with their defaults and as the documentation has them.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { testCli } from '../../helpers/cli.ts';
import { startCoordinator } from '../../helpers/coordinator.ts';
import { kinds, login } from './kinds.ts';

describe.each(kinds)('through $title', ({ toml, start, isImpatient }) => {
  it('every command works as without a proxy', async () => {
    const coordinator = await startCoordinator({ toml, machines: 1 });
    const url = await start(coordinator);
    const cli = testCli();
    await login(cli, url, coordinator);
    expect(await cli(['create', 'linux'])).toMatchObject({ stdout: 'user-me-linux-0\n' });
    const name = 'user-me-linux-0';
    const good = async (...argv: string[]) => {
      const { code, stdout, stderr } = await cli(argv);
      expect(code, `gomote ${argv.join(' ')}: ${stderr}`).toBe(0);
      return stdout;
    };
    const at = (...parts: string[]) => join(cli.directory, ...parts);

    const tree = at('tree');
    mkdirSync(tree);
    const large = Buffer.alloc(5 << 20, 'something, but not the same thing; ');
    writeFileSync(join(tree, 'large'), large);
    writeFileSync(join(tree, 'small'), 'small\n');
    await good('push', name, tree);
    await good('push', name, tree);

    const sh = (script: string) => ['run', name, '/bin/sh', '-c', script];
    expect(await cli(sh('echo out; echo err >&2; exit 3'))).toMatchObject({
      code: 3,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    expect(await cli(['run', name, '/bin/cat'], { stdin: ['typed\n'] })).toMatchObject({
      code: 0,
      stdout: 'typed\n',
    });
    const silent = await cli(sh(`echo one; sleep ${isImpatient ? 5 : 0}; echo two; exit 4`));
    expect(silent).toMatchObject({ code: 4, stdout: 'one\ntwo\n' });

    await good('get', name, 'tree/large', at('got'));
    expect(readFileSync(at('got')).equals(large)).toBe(true);
    await good('gettar', '--output', at('tree.tgz'), name);
    await good('puttar', '--dir', 'again', name, at('tree.tgz'));
    await good('put', name, at('got'), 'put');
    const listed = await cli(['ls', name, 'again/tree']);
    expect(listed.stdout).toContain('large');
    await good(...sh('cd "$WORKDIR/tree" && echo changed > small'));
    await good('pull', name, 'tree', tree);
    expect(readFileSync(join(tree, 'small'), 'utf8')).toBe('changed\n');

    const detached = await cli(['run', '--detach', name, '/bin/sh', '-c', 'echo later; exit 5']);
    expect(detached.code).toBe(0);
    const attached = await cli(['attach', name, detached.stdout.trim()]);
    expect(attached).toMatchObject({ code: 5, stdout: 'later\n' });
    await good('destroy', name);
    expect(await cli(['list'])).toMatchObject({ code: 0, stdout: '' });
  });
});
