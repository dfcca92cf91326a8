import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { ExecOptions } from '../../src/client/runs/exec.ts';
import { signals } from '../../src/protocol/signals.ts';
import { clientOf, startBuildlet, type TestBuildlet } from '../helpers/buildlet.ts';
import { Collector } from '../helpers/collect.ts';
import { times } from '../helpers/counts.ts';
import { processesWith, until } from '../helpers/processes.ts';
import { standstill } from '../helpers/standstill.ts';

async function shell(buildlet: TestBuildlet, script: string, options: ExecOptions = {}) {
  const output = new Collector();
  const client = clientOf(buildlet);
  const result = await client.exec('/bin/sh', {
    systemLevel: true,
    output,
    ...options,
    args: ['-c', script],
  });
  return { ...result, output: output.text };
}

/** A tree of processes that ignore TERM, one of them in a session of its own, each with `mark` as argument. */
const stubbornTree = (mark: string): string =>
  `trap '' TERM HUP INT
   sh -c 'trap "" TERM; while :; do sleep 1; done' ${mark} &
   setsid sh -c 'trap "" TERM; while :; do sleep 1; done' ${mark} </dev/null >/dev/null 2>&1 &
   (sh -c 'trap "" TERM; sh -c "trap : TERM; while :; do sleep 1; done" ${mark}; :' ${mark}) &
   echo ready
   wait; wait; wait`;

describe('a command', () => {
  it('keeps the order in which stdout and stderr were written', async () => {
    const buildlet = await startBuildlet();
    const script = 'i=0; while [ $i -lt 200 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done';
    const { output } = await shell(buildlet, script);
    expect(output).toBe(Array.from({ length: 200 }, (_, i) => `out ${i}\nerr ${i}\n`).join(''));
  });

  it('can open its output again by name, as a pipe can be', async () => {
    const buildlet = await startBuildlet();
    const { output, exitCode } = await shell(
      buildlet,
      'echo a > /dev/stderr; echo b > /dev/stdout; echo c | tee /dev/stderr',
    );
    expect({ output, exitCode }).toEqual({ output: 'a\nb\nc\nc\n', exitCode: 0 });
  });

  it('sends each write at once', async () => {
    const buildlet = await startBuildlet();
    const output = new Collector();
    const go = join(buildlet.workDir, 'go');
    const done = clientOf(buildlet).exec('/bin/sh', {
      systemLevel: true,
      args: ['-c', `printf first; while [ ! -e ${go} ]; do sleep 0.01; done; printf second`],
      output,
    });
    await once(output, 'chunk');
    expect(output.text).toBe('first');
    writeFileSync(go, '');
    await done;
    expect(output.text).toBe('firstsecond');
  });

  it('passes every byte', async () => {
    const buildlet = await startBuildlet();
    const bytes = randomBytes(3 << 20);
    writeFileSync(join(buildlet.workDir, 'data'), bytes);
    const output = new Collector();
    await clientOf(buildlet).exec('cat', { systemLevel: true, args: ['data'], output });
    expect(output.bytes.equals(bytes)).toBe(true);
  });

  it('is slowed by a slow reader, and its output is not kept in memory', async () => {
    const buildlet = await startBuildlet();
    const counter = join(buildlet.workDir, 'counter');
    let release: () => void = () => undefined;
    const stuck = new Writable({
      highWaterMark: 1,
      write: (_chunk, _encoding, done) => {
        release = done;
      },
    });
    const leave = new AbortController();
    const done = clientOf(buildlet).exec('/bin/sh', {
      systemLevel: true,
      args: [
        '-c',
        `i=0; while :; do head -c 65536 /dev/zero; i=$((i+1)); echo $i > ${counter}; done`,
      ],
      output: stuck,
      signal: leave.signal,
    });
    // It stops when every buffer on the way is full.
    expect((await standstill(counter, 1)) * 65536).toBeLessThan(8 << 20);
    leave.abort();
    release();
    await expect(done).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });

  it('without output ends, however quick it is', async () => {
    const buildlet = await startBuildlet();
    const client = clientOf(buildlet);
    for (let i = 0; i < times(20, 200); i++) {
      expect((await client.exec('/bin/true', { systemLevel: true })).ok).toBe(true);
    }
  });

  it('does not wait for other silent commands', async () => {
    const buildlet = await startBuildlet();
    const client = clientOf(buildlet);
    const leave = new AbortController();
    const silent = Array.from({ length: 20 }, () =>
      client.exec('/bin/sleep', { systemLevel: true, args: ['1000'], signal: leave.signal }),
    );
    expect((await shell(buildlet, 'echo through')).output).toBe('through\n');
    leave.abort();
    await Promise.allSettled(silent);
  });

  it('reports every exit status', async () => {
    const buildlet = await startBuildlet();
    for (const status of [0, 1, 2, 7, 124, 125, 126, 127, 128, 137, 255]) {
      expect(await shell(buildlet, `exit ${status}`)).toMatchObject({
        exitCode: status,
        ok: status === 0,
      });
    }
  });

  const harmless = [
    'SIGCHLD',
    'SIGCONT',
    'SIGSTOP',
    'SIGTSTP',
    'SIGTTIN',
    'SIGTTOU',
    'SIGURG',
    'SIGWINCH',
  ];
  it.each(
    signals
      .filter(({ name }) => !harmless.includes(name))
      .map(({ name, number }) => [name, number]),
  )('reports the signal that ended it: %s', async (name, number) => {
    const buildlet = await startBuildlet();
    const result = await shell(buildlet, `ulimit -c 0; kill -${number} $$; sleep 10`);
    expect(result).toMatchObject({
      signal: name,
      signalNumber: number,
      exitCode: undefined,
      ok: false,
    });
  });

  it('that cannot be started reports the reason', async () => {
    const buildlet = await startBuildlet();
    const { workDir } = buildlet;
    const client = clientOf(buildlet);
    const file = (name: string, content: string | Buffer, mode = 0o755) => {
      writeFileSync(join(workDir, name), content);
      chmodSync(join(workDir, name), mode);
    };
    mkdirSync(join(workDir, 'directory'));
    file('plain', 'text', 0o644);
    file('no-interpreter', '#!/no/such/interpreter\n');
    const foreign = Buffer.alloc(64);
    foreign.write('\x7fELF\x02\x01\x01', 'latin1');
    foreign.writeUInt16LE(0xfff0, 18);
    file('foreign', foreign);
    const cases: [string, ExecOptions, string, string][] = [
      ['plain', {}, `fork/exec ${workDir}/plain: permission denied`, 'not-executable'],
      ['directory', {}, `fork/exec ${workDir}/directory: permission denied`, 'not-executable'],
      ['absent', {}, `fork/exec ${workDir}/absent: no such file or directory`, 'not-found'],
      [
        'no-interpreter',
        {},
        `fork/exec ${workDir}/no-interpreter: no such file or directory`,
        'not-found',
      ],
      ['foreign', {}, `fork/exec ${workDir}/foreign: exec format error`, 'not-executable'],
      ['plain/x', {}, `chdir ${workDir}/plain: not a directory`, 'other'],
      [
        'true',
        { systemLevel: true, dir: 'absent' },
        `chdir ${workDir}/absent: no such file or directory`,
        'other',
      ],
      [
        'no-such',
        { systemLevel: true },
        'exec: "no-such": executable file not found in $PATH',
        'not-found',
      ],
      ['true', { systemLevel: true, args: ['x'.repeat(3 << 20)] }, 'fork/exec ', 'other'],
    ];
    for (const [cmd, options, state, reason] of cases) {
      const error: { state: string } = await client.exec(cmd, options).then(
        () => expect.unreachable(cmd),
        (thrown) => thrown,
      );
      expect(error).toMatchObject({ code: 'ERR_NOT_STARTED', reason });
      if (state === 'fork/exec ')
        expect(error.state).toMatch(/^fork\/exec \S+\/true: argument list too long$/);
      else expect(error.state).toBe(state);
    }
  });

  it('never sees the password, the key, or any other META_ variable', async () => {
    const buildlet = await startBuildlet({
      password: 's3cret',
      environment: {
        PATH: process.env.PATH,
        META_password: 's3cret',
        META_TLS_KEY: 'k3y',
        META_other: 'x',
        KEPT: '1',
      },
    });
    const output = new Collector();
    await clientOf(buildlet, 's3cret').exec('env', { systemLevel: true, debug: true, output });
    expect(output.text).toContain('KEPT=1');
    expect(output.text).not.toMatch(/META_|s3cret|k3y/);
  });

  it('is looked up on its own PATH before the buildlet’s', async () => {
    const buildlet = await startBuildlet();
    mkdirSync(join(buildlet.workDir, 'bin'));
    writeFileSync(join(buildlet.workDir, 'bin/true'), '#!/bin/sh\necho mine\n', { mode: 0o755 });
    const output = new Collector();
    await clientOf(buildlet).exec('true', {
      systemLevel: true,
      path: ['$WORKDIR/bin', '$PATH'],
      output,
    });
    expect(output.text).toBe('mine\n');
  });
});

describe('the end of a command', () => {
  it('comes for its whole process tree when its client leaves, also for what ignores TERM or left the group', async () => {
    const buildlet = await startBuildlet();
    const mark = `gomote-test-${randomBytes(6).toString('hex')}`;
    const leave = new AbortController();
    const output = new Collector();
    const done = clientOf(buildlet).exec('/bin/sh', {
      systemLevel: true,
      args: ['-c', stubbornTree(mark)],
      output,
      signal: leave.signal,
    });
    await once(output, 'chunk');
    await until(() => processesWith(mark).length >= 4);
    leave.abort();
    await expect(done).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    await until(() => processesWith(mark).length === 0);
  });

  it('comes when its connection breaks', async () => {
    const buildlet = await startBuildlet();
    const mark = `gomote-test-${randomBytes(6).toString('hex')}`;
    const socket = connect(buildlet.address.slice('unix:'.length));
    const body = `mode=sys&cmd=/bin/sh&cmdArg=-c&cmdArg=${encodeURIComponent('echo ready; while :; do sleep 1; done')}&cmdArg=${mark}`;
    socket.write(
      `POST /exec HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await until(() => processesWith(mark).length > 0);
    socket.destroy();
    await until(() => processesWith(mark).length === 0);
  });

  it('comes with the end of the buildlet, for the whole process tree and for processes that earlier commands left', async () => {
    const buildlet = await startBuildlet();
    const mark = `gomote-test-${randomBytes(6).toString('hex')}`;
    await shell(
      buildlet,
      `setsid sh -c 'trap "" TERM; while :; do sleep 1; done' ${mark} </dev/null >/dev/null 2>&1 &`,
    );
    const output = new Collector();
    const running = clientOf(buildlet).exec('/bin/sh', {
      systemLevel: true,
      args: ['-c', stubbornTree(mark)],
      output,
    });
    const outcome = running.catch((error) => error);
    await once(output, 'chunk');
    await until(() => processesWith(mark).length >= 5);
    await buildlet.close();
    expect(processesWith(mark)).toEqual([]);
    await outcome;
  });

  it('leaves no zombie', async () => {
    const buildlet = await startBuildlet();
    await Promise.all(Array.from({ length: 10 }, (_, i) => shell(buildlet, `exit ${i}`)));
    const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8')
      .trim()
      .split(' ')
      .filter(Boolean);
    const zombies = children.filter((pid) =>
      /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')),
    );
    expect(zombies).toEqual([]);
  });
});
