// The main job on real input: a tree up, a build there, the result back.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectRoot, workshop } from '../helpers/programs.ts';

const makefile = `
SHELL := /bin/sh
all: result.txt
name:
\tgomote create local > name
source.tgz: src/in.txt
\ttar czf source.tgz src
result.txt: name source.tgz
\tgomote puttar $$(cat name) source.tgz
\tgomote run -dir src $$(cat name) sh -c 'tr a-z A-Z < in.txt > out.txt'
\tgomote gettar -dir src $$(cat name) > back.tgz
\ttar xzOf back.tgz out.txt > result.txt
\tgomote destroy $$(cat name)
fails: name
\tgomote run $$(cat name) sh -c 'exit 3'
`;

const script = `
set -eu
name=$(gomote create local)
trap 'gomote destroy "$name"' EXIT
printf 'input' | gomote put "$name" - in.txt
gomote run "$name" sh -c 'rev < in.txt > out.txt'
test "$(gomote ls "$name" | wc -l)" = 2
gomote gettar "$name" | tar xzO out.txt
status=0; gomote run "$name" sh -c 'exit 42' || status=$?
test "$status" = 42
gomote rm "$name" in.txt out.txt
test -z "$(gomote ls "$name")"
gomote ping --quiet "$name"
`;

describe('the main job', () => {
  it('builds this very project, with node_modules, byte for byte as here', async () => {
    const { directory, run, gomote, create } = workshop();
    const name = await create();
    // A copy stands still while it is packed, and can be built in without touching what other tests use.
    const copy = `mkdir here && cd ${projectRoot} &&
      tar c --exclude-from=scripts/not-for-building.txt . | tar x -C ${directory}/here`;
    expect(await run('bash', '-o', 'pipefail', '-c', copy)).toMatchObject({ stderr: '' });
    const pack = `tar c -C here . | gzip -1 | gomote puttar -dir project ${name} -`;
    expect(await run('bash', '-o', 'pipefail', '-c', pack)).toMatchObject({ code: 0, stderr: '' });
    const build = ['node', 'scripts/build.js'];
    expect(await gomote('run', '-dir', 'project', name, ...build)).toMatchObject({ code: 0 });
    expect(await run('sh', '-c', `cd here && ${build.join(' ')}`)).toMatchObject({ code: 0 });
    expect(await gomote('gettar', '-dir', 'project', '-o', 'back.tgz', name)).toMatchObject({
      code: 0,
    });
    await run('sh', '-c', 'mkdir there && tar xzpf back.tgz -C there');
    // What was built and what went up: contents, links and modes.
    const list = "find . -mindepth 1 -printf '%P %y %m %l\\n' | sort";
    const compare = `diff -r --no-dereference here there && (cd here && ${list}) > a && (cd there && ${list}) > b && diff a b`;
    expect(await run('bash', '-c', compare)).toMatchObject({ code: 0, stderr: '' });
    expect(readdirSync(join(directory, 'there/dist'))).toContain('gomote.cjs');
    expect((await run('sh', '-c', 'find there -type l | wc -l')).stdout.toString().trim()).not.toBe(
      '0',
    );
  });

  it('is done by a Makefile, whose targets fail when the command fails', async () => {
    const { directory, run, gomote } = workshop();
    writeFileSync(join(directory, 'Makefile'), makefile);
    await run('sh', '-c', 'mkdir src && echo shout > src/in.txt');
    expect(await run('make')).toMatchObject({ code: 0 });
    expect(readFileSync(join(directory, 'result.txt'), 'utf8')).toBe('SHOUT\n');
    expect((await gomote('list')).stdout.toString()).toBe('');
    await run('rm', 'name');
    expect(await run('make', 'fails')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/Error 3/),
    });
  });

  it('is done by a shell script under set -e', async () => {
    const { run, gomote } = workshop();
    const { code, stdout, stderr } = await run('sh', '-c', script);
    expect({ code, stdout: stdout.toString(), stderr }).toEqual({
      code: 0,
      stdout: 'tupni',
      stderr: '',
    });
    expect((await gomote('list')).stdout.toString()).toBe('');
  });
});

describe('the output of a command', () => {
  it('of 60 MB arrives completely', async () => {
    const { run, gomote, create } = workshop();
    const name = await create();
    await gomote('run', name, 'sh', '-c', 'head -c 60000000 /dev/urandom > data');
    const there = await gomote('run', name, 'sha256sum', 'data');
    const here = await run(
      'bash',
      '-o',
      'pipefail',
      '-c',
      `gomote run ${name} cat data | sha256sum`,
    );
    expect(here.code).toBe(0);
    expect(here.stdout.toString().split(' ')[0]).toBe(there.stdout.toString().split(' ')[0]);
    const toFile = await run('sh', '-c', `gomote run ${name} cat data > copy && sha256sum < copy`);
    expect(toFile.stdout.toString().split(' ')[0]).toBe(there.stdout.toString().split(' ')[0]);
  });

  it('keeps every byte', async () => {
    const { gomote, create } = workshop();
    const name = await create();
    const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const octal = [...all].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
    const { stdout } = await gomote('run', name, 'printf', octal);
    expect(createHash('sha256').update(stdout).digest('hex')).toBe(
      createHash('sha256').update(all).digest('hex'),
    );
  });

  it('to a full disk is never a success', async () => {
    const { run, create } = workshop();
    const name = await create();
    const { code, stderr } = await run(
      'sh',
      '-c',
      `gomote run ${name} head -c 1000000 /dev/zero > /dev/full`,
    );
    expect([code, stderr]).toEqual([125, expect.stringContaining('no space left')]);
  });
});

describe('the exit status', () => {
  it('is that of the command', async () => {
    const { gomote, create } = workshop();
    const name = await create();
    for (const status of [0, 1, 7, 126, 127, 255]) {
      expect(await gomote('run', name, 'sh', '-c', `exit ${status}`)).toMatchObject({
        code: status,
        signal: null,
      });
    }
    expect(await gomote('run', name, 'sh', '-c', 'kill -KILL $$')).toMatchObject({ code: 137 });
    expect(await gomote('run', name, 'sh', '-c', 'ulimit -c 0; kill -SEGV $$')).toMatchObject({
      code: 139,
    });
  });
});
