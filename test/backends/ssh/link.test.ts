import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startCutter } from '../../helpers/cutter.ts';
import { until } from '../../helpers/processes.ts';
import { ending, projectRoot } from '../../helpers/programs.ts';
import { labWithUser, leftIn } from '../../helpers/ssh-workshop.ts';
import { hasSshd } from '../../helpers/sshd.ts';

describe.skipIf(!hasSshd)('a link to a host', () => {
  it('may be slow', async () => {
    const shop = await labWithUser();
    const { lab, server, user, start, succeed, directory } = shop;
    const relay = start(process.execPath, [
      join(projectRoot, 'bench/slow-link.js'),
      ...[String(server.port), '20', '100'],
    ]);
    onTestFinished(() => void relay.kill());
    const [port] = await once(relay.stdout ?? relay, 'data');
    lab.configure('slow', { HostName: '127.0.0.1', Port: String(port).trim() });
    const tree = join(directory, 'tree');
    mkdirSync(tree);
    for (let i = 0; i < 100; i++) writeFileSync(join(tree, `file${i}`), `content ${i}\n`);
    const big = randomBytes(1 << 20);
    writeFileSync(join(tree, 'big'), big);
    const name = await succeed('create', `ssh:${user.name}@slow`);
    await succeed('push', '--dest', 'tree', name, tree);
    expect(await succeed('run', name, 'sh', '-c', 'ls tree | wc -l; sha256sum <tree/big')).toBe(
      `101\n${createHash('sha256').update(big).digest('hex')}  -`,
    );
    await succeed('get', name, 'tree/big', join(directory, 'back'));
    expect(readFileSync(join(directory, 'back')).equals(big)).toBe(true);
    await succeed('destroy', name);
    expect(leftIn(user)).toEqual([]);
  });

  it('gets one connection from a command, before its program is loaded', async () => {
    const { host, directory, gomote, succeed } = await labWithUser();
    const name = await succeed('create', host);
    const stored = join(directory, '.cache/gomote/ssh-buildlets', encodeURIComponent(name));
    const { forwarded } = JSON.parse(readFileSync(stored, 'utf8'));
    let connections = 0;
    const relay = createServer((near) => {
      connections++;
      const far = connect(`${forwarded}.far`);
      near.pipe(far).pipe(near);
      for (const socket of [near, far]) socket.on('error', () => undefined);
    });
    renameSync(forwarded, `${forwarded}.far`);
    await once(relay.listen(forwarded), 'listening');
    onTestFinished(() => void relay.close());
    expect(await succeed('run', name, 'echo', 'hello')).toBe('hello');
    expect(connections).toBe(1);
    // It is there even where the program does not come to use it.
    expect(await gomote('run', '--no-such-option', name, 'true')).toMatchObject({ code: 125 });
    expect(connections).toBe(2);
    await succeed('destroy', name);
    expect(connections).toBe(2);
  });

  it.each(['drop', 'stall'] as const)('may break (%s) while a run writes', async (kind) => {
    const shop = await labWithUser();
    const { lab, server, user, start, succeed } = shop;
    const cutter = await startCutter(`127.0.0.1:${server.port}`);
    lab.configure('far', { HostName: '127.0.0.1', Port: cutter.address.split(':')[1] ?? '' });
    const name = await succeed('create', `ssh:${user.name}@far`);
    const running = start('gomote', [
      ...['run', name, 'sh', '-c'],
      'echo begun; until [ -e go ]; do sleep 0.1; done; seq 1 20000; exit 3',
    ]);
    const output: Buffer[] = [];
    running.stdout?.on('data', (chunk: Buffer) => output.push(chunk));
    const over = ending(running);
    await until(() => Buffer.concat(output).toString() === 'begun\n');
    if (kind === 'drop') cutter.drop();
    else cutter.stall();
    // Another way to the same account, and so to the same buildlet.
    const other = name.replace('@far', '@box');
    await succeed('put', other, '/dev/null', 'go');
    expect((await over).code).toBe(3);
    const numbers = Array.from({ length: 20_000 }, (_, i) => `${i + 1}\n`).join('');
    expect(Buffer.concat(output).toString()).toBe(`begun\n${numbers}`);
    await succeed('destroy', name);
    expect(leftIn(user)).toEqual([]);
  });
});
