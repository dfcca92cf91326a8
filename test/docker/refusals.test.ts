import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { docker, images, newLab } from './lab.ts';

describe('a refused create', () => {
  it.each([
    [
      'an image that is not there and not to be pulled',
      ['docker:nothing/such:1'],
      'pull = "never"',
      ['nothing/such:1', 'docker pull'],
    ],
    ['a name that is none', ['docker:UPPER/Case'], '', ['UPPER/Case', 'an image is such as']],
    [
      'a network that is not there',
      [`docker:${images.shell}`, '--network', 'lost'],
      '',
      [images.shell, 'docker network ls'],
    ],
    [
      'too little memory',
      [`docker:${images.shell}`, '--memory', '1m'],
      '',
      [images.shell, 'memory'],
    ],
    [
      'a runtime that is not there',
      [`docker:${images.shell}`],
      'runtime = "lost"',
      [images.shell, 'docker info'],
    ],
    [
      'a user that is not there',
      [`docker:${images.shell}`],
      'user = "lost"',
      [images.shell, 'UID:GID'],
    ],
    [
      'a registry that does not answer',
      ['docker:127.0.0.1:1/image:2'],
      '',
      ['127.0.0.1:1/image:2', 'registry'],
    ],
  ])('names the engine, the image and what to do for %s', async (_title, args, section, words) => {
    const { gomote, containers, user } = newLab(
      '',
      `default = "d"\n[backends.d]\nkind = "docker"\nnetwork = "none"\n${section}\n`,
    );
    const { code, stdout, stderr } = await gomote(['create', ...args]);
    expect([1, 2]).toContain(code);
    expect(stdout).toBe('');
    for (const word of [process.env.DOCKER_HOST ?? '', ...words]) expect(stderr).toContain(word);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(containers()).toEqual([]);
    expect(docker('ps', '-aq', '--filter', `name=${user}`)).toBe('');
    expect(docker('ps', '-aq', '--filter', 'label=gomote.role=filler')).toBe('');
  });

  it('says what is in the way of its programs in an image', async () => {
    const { gomote, cli, containers } = newLab();
    const image = `gomote-test/file-${process.pid}:1`;
    const files = join(cli.directory, 'opt');
    mkdirSync(files);
    writeFileSync(join(files, 'gomote'), '');
    const container = docker('create', images.shell, 'none');
    docker('cp', files, `${container}:/`);
    docker('commit', container, image);
    onTestFinished(() => {
      docker('rm', container);
      docker('rmi', '-f', image);
    });
    const { code, stderr } = await gomote(['create', `docker:${image}`]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/not a directory; .*the image has a file there/);
    expect(containers()).toEqual([]);
  });

  it('reports a missing engine, or that the user may not use it', async () => {
    const { gomote, cli } = newLab();
    const lost = `unix://${join(cli.directory, 'lost.sock')}`;
    const { code, stderr } = await gomote(['create', `docker:${images.shell}`], {
      environment: { DOCKER_HOST: lost },
    });
    expect(code).toBe(1);
    expect(stderr).toContain(lost);
    expect(stderr).toContain('start the engine');
  });

  it.each([
    [['docker:x', '--memory', 'much'], '--memory "much" is not a size'],
    [['docker:x', '--cpus', '0'], '--cpus "0" is not a number above 0'],
    [['docker:x', '--backend', 'local'], 'backend "local" makes no containers'],
    [['docker:'], 'docker:IMAGE'],
  ])('names the wrong value %j', async (args, message) => {
    const { gomote } = newLab('', '');
    const { code, stderr } = await gomote(['create', ...args]);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});

describe('other users', () => {
  it("neither see nor use a user's buildlets", async () => {
    const { gomote, create } = newLab();
    const name = await create(`docker:${images.shell}`);
    const asOther = (...args: string[]) => gomote(['--user', 'other', ...args]);
    expect((await asOther('list')).stdout).not.toContain(name);
    expect((await asOther('run', name, 'true')).stderr).toContain(`the buildlet "${name}" is`);
    expect((await asOther('destroy', name)).stderr).toContain(`the buildlet "${name}" is`);
    expect((await gomote(['list'])).stdout).toContain(name);
  });

  it('cannot affect containers that are not buildlets', async () => {
    const { gomote } = newLab();
    const id = docker('create', '--label', 'x=y', images.shell, 'none');
    try {
      expect((await gomote(['destroy', id])).stderr).toContain('no buildlet');
      expect((await gomote(['run', id, 'true'])).stderr).toContain('no buildlet');
      expect(docker('ps', '-aq', '--no-trunc')).toContain(id);
    } finally {
      docker('rm', id);
    }
  });
});
