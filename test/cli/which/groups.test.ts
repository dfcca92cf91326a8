// Groups, in the files of Go's gomote.
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { testCli } from '../../helpers/cli.ts';

const done = (stdout = '') => ({ code: 0, stdout, stderr: '' });

function withGroups() {
  const cli = testCli();
  const groups = join(cli.directory, 'config/gomote/groups');
  return { cli, groups, members: (name: string) => readdirSync(join(groups, `${name}.instances`)) };
}

describe('gomote group', () => {
  it('keeps groups in the files of Go’s gomote, and prints them in its form', async () => {
    const { cli, groups, members } = withGroups();
    expect(await cli(['group', 'list'])).toEqual(done('Name\tInstances\t\n(none)\n'));
    expect(await cli(['group', 'create', 'one'])).toEqual(done());
    expect(await cli(['group', 'create', 'two'])).toEqual(done());
    expect(statSync(join(groups, 'one.instances')).isDirectory()).toBe(true);
    await cli(['create', '--count', '2', 'local']);
    expect(await cli(['-group', 'one', 'group', 'add', 'me-local-1', 'me-local-0'])).toEqual(
      done(),
    );
    expect(await cli(['--group=two', 'group', 'add', 'me-local-0'])).toEqual(done());
    expect(members('one')).toEqual(['me-local-0', 'me-local-1']);
    expect(readFileSync(join(groups, 'one.instances/me-local-0'), 'utf8')).toBe('');
    const table = 'Name\tInstances\t\none\tme-local-0\t\n\tme-local-1\t\ntwo\tme-local-0\t\n';
    expect(await cli(['group', 'list'])).toEqual(done(table));
    const { stdout } = await cli(['list']);
    expect(stdout).toMatch(
      /^me-local-0 \(one, two\)\tlocal\texpires in .*\nme-local-1 \(one\)\tlocal\t/m,
    );
    expect(JSON.parse((await cli(['list', '--json'])).stdout)[0].groups).toEqual(['one', 'two']);
    expect(await cli(['--group', 'one', 'group', 'remove', 'me-local-0'])).toEqual(done());
    expect(members('one')).toEqual(['me-local-1']);
    expect(
      await cli(['group', 'destroy', 'one'], { environment: { GOMOTE_GROUP: 'one' } }),
    ).toEqual({
      ...done(),
      stderr: 'You may wish to now clear GOMOTE_GROUP.\n',
    });
    expect(readdirSync(groups)).toEqual(['two.instances']);
    expect(await cli(['ping', 'me-local-1'])).toMatchObject({ code: 0 });
  });

  const refusals: Record<string, { argv: readonly string[]; says: string; code?: number }> = {
    'a group that is there': {
      argv: ['group', 'create', 'g'],
      says: 'group "g" already exists',
      code: 1,
    },
    'a name with a slash': {
      argv: ['group', 'create', '../x'],
      says: '"../x" cannot be the name of a group',
    },
    'a hidden name': {
      argv: ['group', 'create', '.x'],
      says: '".x" cannot be the name of a group',
    },
    'no name': { argv: ['group', 'create', ''], says: '"" cannot be the name of a group' },
    'the end of a group that is not there': {
      argv: ['group', 'destroy', 'x'],
      says: 'group "x" does not exist',
    },
    'members without a group': {
      argv: ['group', 'add', 'me-local-0'],
      says: 'No active group found',
    },
    'members of a group that is not there': {
      argv: ['--group', 'x', 'group', 'add', 'me-local-0'],
      says: 'group "x" does not exist',
    },
    'a member that is not there': {
      argv: ['--group', 'g', 'group', 'add', 'me-local-5'],
      says: 'there is no buildlet "me-local-5"',
      code: 1,
    },
    'another verb': { argv: ['group', 'constructor'], says: 'unknown sub-command "constructor"' },
    'a new group that is there': {
      argv: ['create', '--new-group', 'g', 'local'],
      says: 'group "g" already exists',
      code: 1,
    },
    'an unknown group': { argv: ['--group', 'x', 'ping'], says: 'group "x" does not exist' },
    'an empty group': {
      argv: ['--group', 'g', 'ping'],
      says: 'no buildlet of the group "g" is there',
    },
  };
  for (const [title, { argv, says, code = 2 }] of Object.entries(refusals)) {
    it(`refuses ${title}`, async () => {
      const { cli, members } = withGroups();
      await cli(['group', 'create', 'g']);
      expect(await cli(argv)).toMatchObject({
        code,
        stdout: '',
        stderr: expect.stringContaining(says),
      });
      expect(members('g')).toEqual([]);
    });
  }
});

describe('a group', () => {
  it('that create names gets the new buildlets, also a GOMOTE_GROUP that does not exist yet', async () => {
    const { cli, members } = withGroups();
    expect(await cli(['create', '-count', '2', '-new-group=g', 'local'])).toEqual(
      done('me-local-0\nme-local-1\n'),
    );
    expect(members('g')).toEqual(['me-local-0', 'me-local-1']);
    const environment = { GOMOTE_GROUP: 'new' };
    expect(await cli(['create', 'local'], { environment })).toEqual(done('me-local-2\n'));
    expect(await cli(['create', 'local'], { environment })).toEqual({
      ...done('me-local-3\n'),
      stderr: '# Using group "new" from GOMOTE_GROUP\n',
    });
    expect(members('new')).toEqual(['me-local-2', 'me-local-3']);
    // What fails leaves no group behind.
    expect(await cli(['create', '-new-group', 'bad', 'nosuchtype'])).toMatchObject({ code: 1 });
    expect((await cli(['group', 'list'])).stdout).not.toContain('bad');
  });

  it('is used by a command whose first word is no buildlet', async () => {
    const { cli } = withGroups();
    await cli(['create', '-count', '2', '-new-group=g', 'local']);
    await cli(['create', 'local']);
    const environment = { GOMOTE_GROUP: 'g' };
    const both = await cli(['run', 'echo', 'hi'], { environment });
    expect(both.code).toBe(0);
    expect(both.stdout.split('\n').sort()).toEqual(['', 'me-local-0| hi', 'me-local-1| hi']);
    expect(both.stderr).toBe('# Using group "g" from GOMOTE_GROUP\n');
    expect(await cli(['run', 'me-local-2', 'echo', 'hi'], { environment })).toEqual(done('hi\n'));
    expect((await cli(['--group', 'g', 'run', 'echo', 'hi'])).stderr).toBe('');
    // A group of one is like that one.
    await cli(['--group', 'g', 'group', 'remove', 'me-local-1']);
    expect(await cli(['run', '-group', 'g', 'echo', 'hi'])).toEqual(done('hi\n'));
    expect(await cli(['run', '--group', 'g', 'me-local-7', 'echo'])).toMatchObject({ code: 125 });
  });

  it('works without members that have ended, and list removes those', async () => {
    const { cli, groups, members } = withGroups();
    await cli(['create', '-count', '2', '-new-group=g', 'local']);
    writeFileSync(join(groups, 'g.instances/me-local-77'), '');
    writeFileSync(join(groups, 'g.instances/.hidden'), '');
    const { code, stdout } = await cli(['--group', 'g', 'run', 'echo', 'hi']);
    expect({ code, lines: stdout.split('\n').length }).toEqual({ code: 0, lines: 3 });
    expect(members('g')).toContain('me-local-77');
    await cli(['list']);
    expect(members('g')).toEqual(['.hidden', 'me-local-0', 'me-local-1']);
    await cli(['destroy', 'me-local-0']);
    expect(members('g')).toEqual(['.hidden', 'me-local-1']);
  });

  it('encodes what no file name can contain', async () => {
    const { cli, members } = withGroups();
    mkdirSync(join(cli.directory, 'config/gomote'), { recursive: true });
    writeFileSync(
      join(cli.directory, 'config/gomote/config.toml'),
      '[backends.other]\nkind = "local"\n',
    );
    await cli(['create', 'local', '--backend', 'other', '--new-group', 'g']);
    expect(members('g')).toEqual(['other%2Fme-local-0']);
    expect(await cli(['--group', 'g', 'run', 'echo', 'hi'])).toEqual(done('hi\n'));
    expect((await cli(['group', 'list'])).stdout).toContain('other/me-local-0');
    expect(await cli(['--group', 'g', 'destroy', '--destroy-group'])).toEqual({
      ...done(),
      stderr: '# Destroying other/me-local-0\n',
    });
    expect((await cli(['group', 'list'])).stdout).toContain('(none)');
  });

  it('is destroyed with its members on request', async () => {
    const { cli } = withGroups();
    await cli(['create', '-count', '2', '-new-group=g', 'local']);
    await cli(['create', 'local']);
    const { code, stderr } = await cli(['destroy', '-destroy-group'], {
      environment: { GOMOTE_GROUP: 'g' },
    });
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr:
        '# Using group "g" from GOMOTE_GROUP\n# Destroying me-local-0\n# Destroying me-local-1\n',
    });
    expect((await cli(['list'])).stdout).toMatch(/^me-local-2\t/);
    expect((await cli(['group', 'list'])).stdout).toContain('(none)');
    expect(await cli(['destroy', '--destroy-group', 'me-local-2'])).toMatchObject({ code: 2 });
    await cli(['group', 'create', 'empty']);
    expect(await cli(['--group', 'empty', 'destroy', '--destroy-group'])).toEqual(done());
    expect(await cli(['destroy'])).toMatchObject({ code: 2 });
  });

  it('is in a directory that may be a link, and that no other user may change', async () => {
    const { cli, groups } = withGroups();
    const elsewhere = join(cli.directory, 'elsewhere');
    mkdirSync(elsewhere, { mode: 0o700 });
    mkdirSync(join(cli.directory, 'config/gomote'), { recursive: true });
    symlinkSync(elsewhere, groups);
    expect(await cli(['group', 'create', 'g'])).toEqual(done());
    expect(readdirSync(elsewhere)).toEqual(['g.instances']);
  });
});
