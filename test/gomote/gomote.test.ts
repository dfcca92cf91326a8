// open, create, get, list and destroy; trees pushed and pulled.
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { open } from '../../src/gomote/open.ts';
import { openTestGomote } from '../helpers/gomote.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const names = (listed: readonly { name: string }[]) => listed.map(({ name }) => name);

function makeTree(files: Record<string, string>): string {
  const top = join(temporaryDirectory(), 'tree');
  mkdirSync(top);
  for (const [path, content] of Object.entries(files)) writeFileSync(join(top, path), content);
  return top;
}

describe('a buildlet', () => {
  it('that was created ends with its scope, and one that was found does not', async () => {
    const { gomote } = await openTestGomote();
    {
      await using buildlet = await gomote.create('local');
      expect(names(await gomote.list())).toEqual([buildlet.name]);
      {
        await using found = await gomote.get(buildlet.name);
        expect((await found.run('echo', ['hi'])).stdout).toBe('hi\n');
      }
      expect(names(await gomote.list())).toEqual([buildlet.name]);
    }
    expect(await gomote.list()).toEqual([]);
  });

  it('that was released outlives its scope, and is destroyed by name', async () => {
    const { gomote } = await openTestGomote();
    const made = await (async () => {
      await using buildlet = await gomote.create('local');
      await buildlet.disconnect();
      return buildlet.name;
    })();
    expect(names(await gomote.list())).toEqual([made]);
    await gomote.destroy(made);
    await expect(gomote.destroy(made)).rejects.toMatchObject({ code: 'ERR_UNKNOWN_BUILDLET' });
  });

  it('has the name by which every command finds it', async () => {
    const config = 'default = "other"\n[backends.other]\nkind = "ssh"\nhosts = ["nowhere"]\n';
    const { gomote } = await openTestGomote({ config, backend: 'local' });
    const buildlet = await gomote.create('local');
    expect(buildlet.name).toBe('local/me-local-0');
    expect(names(await gomote.list())).toEqual(['local/me-local-0']);
    const [listed] = await gomote.list();
    expect(listed).toMatchObject({ backend: 'local', instance: 'me-local-0' });
  });

  it('is created with the given machine options, or not at all', async () => {
    const { gomote } = await openTestGomote();
    const isolation = 'none';
    await expect(gomote.create('local', { host: 'x' })).rejects.toMatchObject({
      code: 'ERR_USAGE',
    });
    const network = 'bridge';
    await expect(gomote.create('local', { network })).rejects.toMatchObject({ code: 'ERR_USAGE' });
    const steps: string[] = [];
    const onProgress = (step: string) => steps.push(step);
    await gomote.create('local', { isolation, inheritEnv: true, onProgress });
    await expect(gomote.create('no-such')).rejects.toMatchObject({ code: 'ERR_UNKNOWN_TYPE' });
    expect(await gomote.list()).toHaveLength(1);
  });

  it('is neither made, found nor destroyed after close', async () => {
    const { gomote } = await openTestGomote();
    const { name } = await gomote.create('local');
    await gomote.close();
    const closed = { code: 'ERR_CLOSED' };
    for (const call of [
      () => gomote.create('local'),
      () => gomote.get(name),
      () => gomote.get('x@localhost:1'),
      () => gomote.destroy(name),
    ]) {
      await expect(call()).rejects.toMatchObject(closed);
    }
  });

  it('that is being made or found at the close is neither', async () => {
    const { gomote, environment } = await openTestGomote();
    const { name } = await gomote.create('local');
    const calls = [gomote.create('local'), gomote.get(name), gomote.get('x@localhost:1')];
    const ended = Promise.allSettled(calls);
    await gomote.close();
    const closed = { status: 'rejected', reason: { code: 'ERR_CLOSED' } };
    expect(await ended).toMatchObject([closed, closed, closed]);
    await using other = await open({ environment });
    expect(names(await other.list())).toEqual([name]);
  });

  it('of a backend that could not be opened is found when it can be', async () => {
    const config = '[backends.team]\nkind = "coordinator"\nurl = "https://localhost:1"\n';
    const { gomote, directory } = await openTestGomote({ config });
    const open = () => gomote.backends.open('team');
    await expect(open()).rejects.toMatchObject({ code: 'ERR_CONFIG' });
    const token = join(directory, '.config/gomote/team-user-me.token');
    writeFileSync(token, 'secret\n', { mode: 0o600 });
    expect((await open()).name).toBe('team');
  });

  it('is not made when the call is cancelled', async () => {
    const { gomote } = await openTestGomote();
    const signal = AbortSignal.abort();
    await expect(gomote.create('local', { signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(await gomote.list()).toEqual([]);
  });

  it('with a mistyped name is answered with a suggestion', async () => {
    const { gomote } = await openTestGomote();
    await gomote.create('local');
    const meant = { code: 'ERR_UNKNOWN_BUILDLET', hint: 'did you mean "me-local-0"?' };
    await expect(gomote.get('me-lcal-0')).rejects.toMatchObject(meant);
    await expect(gomote.destroy('me-lcal-0')).rejects.toMatchObject(meant);
  });
});

describe('a tree', () => {
  it('is pushed, is where commands run, and is pulled', async () => {
    const { gomote } = await openTestGomote();
    await using buildlet = await gomote.create('local');
    const top = makeTree({ input: '1', script: 'cp input output; echo done' });
    expect(await buildlet.push(top)).toMatchObject({ files: 2 });
    expect((await buildlet.run('sh', ['script'])).stdout).toBe('done\n');
    const to = join(temporaryDirectory(), 'here');
    const pulled = await buildlet.pull('tree', { to, changedOnly: true });
    expect(pulled.paths.map((path) => path)).toHaveLength(1);
    expect(readFileSync(join(to, 'output'), 'utf8')).toBe('1');
    // Another program finds the directory as the command line does: by where it is.
    expect(await buildlet.push(top)).toMatchObject({ files: 0 });
    expect(await buildlet.push(top, { dest: 'a/b', dryRun: true })).toMatchObject({ files: 2 });
    await expect(buildlet.push(top, { dest: '../b' })).rejects.toMatchObject({ code: 'ERR_PATH' });
  });

  it('that is sent or fetched in part is an error that reports what was done', async () => {
    const { gomote } = await openTestGomote();
    await using buildlet = await gomote.create('local');
    const top = makeTree({ file: 'pushed' });
    symlinkSync('/etc/passwd', join(top, 'out'));
    await expect(buildlet.push(top)).rejects.toMatchObject({
      name: 'IncompleteError',
      code: 'ERR_PATH',
      message: expect.stringContaining('out'),
      summary: { files: 1 },
    });
    await buildlet.run('sh', ['-c', 'echo there > file'], { dir: 'tree' });
    writeFileSync(join(top, 'file'), 'here');
    await expect(buildlet.pull('tree', { to: top })).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      summary: { kept: ['file'] },
      hint: expect.stringContaining('keepBoth'),
    });
    expect(readFileSync(join(top, 'file'), 'utf8')).toBe('here');
    await buildlet.pull('tree', { to: top, force: true });
    expect(readFileSync(join(top, 'file'), 'utf8')).toBe('there\n');
  });
});

describe('open', () => {
  it('reads the configuration that is named, and only when it is needed', async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'config.toml'), 'user = "she"\n');
    const environment = { HOME: directory, USER: 'me', PATH: process.env.PATH };
    const gomote = await open({ config: directory, environment });
    expect(await gomote.backends.user()).toBe('she');
    const other = await open({ config: join(directory, 'none'), environment, user: 'he' });
    expect(await other.backends.user()).toBe('he');
    const wrong = await open({ backend: 'nowhere', environment });
    await expect(wrong.list()).rejects.toMatchObject({ message: /unknown backend "nowhere"/ });
  });

  it('uses the variables of the command line by default', async () => {
    const environment = { GOMOTE_BACKEND: 'a', GOMOTE_USER: 'u' };
    const { settings } = (await open({ environment })).backends;
    expect(settings).toMatchObject({ backend: 'a', user: 'u' });
    const given = (await open({ environment, backend: 'b', user: 'v' })).backends.settings;
    expect(given).toMatchObject({ backend: 'b', user: 'v' });
    const staging = (await open({ environment: { GOMOTE_STAGING: '1' } })).backends.settings;
    expect(staging.backend).toBe('staging');
  });

  it('ends all calls by its signal', async () => {
    const { gomote } = await openTestGomote({ signal: AbortSignal.abort() });
    await expect(gomote.create('local')).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});
