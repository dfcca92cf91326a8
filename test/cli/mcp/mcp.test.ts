// gomote mcp with a real agent and real local machines.
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startAgent } from '../../helpers/agent.ts';
import { processesWith, until } from '../../helpers/processes.ts';
import { workshop } from '../../helpers/programs.ts';

/** A project with one script, in a directory of its own. */
function project() {
  const shop = workshop();
  const root = join(shop.directory, 'project');
  mkdirSync(root);
  writeFileSync(join(root, 'build.sh'), 'mkdir -p out; echo built > out/result; echo built\n');
  return { shop, root, options: ['--type', 'local', '--root', root] };
}

describe('the tools of gomote mcp', () => {
  it('describe what they take and do', async () => {
    const { client } = await startAgent();
    const { tools } = await client.listTools();
    const names = tools.map(({ name }) => name).sort();
    expect(names).toEqual(
      [
        ...['create', 'destroy', 'forward', 'list', 'list_files', 'logs', 'pull', 'push'],
        ...['read_file', 'run', 'stop', 'write_file'],
      ].sort(),
    );
    for (const { description, inputSchema } of tools) {
      expect(description).toMatch(/^[A-Z].*\.$/);
      expect(inputSchema).toMatchObject({ type: 'object', additionalProperties: false });
    }
    expect(client.getInstructions()).toContain('data');
  });

  it('make a machine, push, run, fetch and end it', async () => {
    const { shop, root, options } = project();
    const { call } = await startAgent(options, shop);
    const { data } = await call('create');
    expect(data).toMatchObject({ type: 'local', endsAt: expect.stringMatching(/^20/) });
    expect((await call('push')).text).toMatch(/^sent 1 file /);
    const ran = await call('run', { command: 'sh build.sh' });
    expect(ran.data).toMatchObject({ status: 'exited', exitCode: 0, outputBytes: 6 });
    expect(ran.text).toMatch(/^exit status 0 after .*\nbuilt$/);
    await call('pull', { from: 'project', to: '.' });
    expect(readFileSync(join(root, 'out/result'), 'utf8')).toBe('built\n');
    expect((await call('list')).data).toMatchObject({ machines: [{ machine: data.machine }] });
    await call('destroy', { machine: data.machine });
    expect((await call('list')).data).toMatchObject({ machines: [] });
    expect((await shop.gomote('list')).stdout.toString()).toBe('');
    expect((await call('run', { command: 'true' })).text).toContain('call create first');
  });

  it('read, write and list files there', async () => {
    const { call } = await startAgent();
    await call('create');
    const content = 'a\tb\n\u001b[31mred\u001b[0m \u202e\n';
    await call('write_file', { path: 'dir/file', content });
    expect((await call('read_file', { path: 'dir/file' })).text).toBe('a\tb\nred \\u202e\n');
    const exact = await call('read_file', { path: 'dir/file', base64: true });
    expect(Buffer.from(exact.text, 'base64').toString()).toBe(content);
    const part = await call('read_file', { path: 'dir/file', offset: 2, limit: 1 });
    expect(part.text).toMatch(/^b\n\[\d+ bytes left: offset 3\]$/);
    const base64 = Buffer.from([0, 255, 1]).toString('base64');
    await call('write_file', { path: 'binary', content: base64, base64: true, executable: true });
    expect((await call('read_file', { path: 'binary' })).text).toContain('not text: 3 bytes');
    expect((await call('list_files', { recursive: true, limit: 2 })).text).toBe(
      '-rwxr-xr-x 3 binary\ndrwxr-xr-x - dir/\n[1 entries left: offset 2]',
    );
    expect(await call('write_file', { path: 'x', content: '?', base64: true })).toMatchObject({
      isError: true,
    });
  });

  it('forward a port to this machine', async () => {
    const { call } = await startAgent();
    await call('create');
    const script =
      "const s = require('net').createServer((c) => c.end('hello')); s.listen(0, '127.0.0.1', () => console.log(s.address().port))";
    const { text } = await call('run', {
      ...{ command: process.execPath, args: ['-e', script], wait_seconds: 1 },
    });
    const port = Number(text.split('\n')[1]);
    const { data } = await call('forward', { port });
    const [host, here] = String(data.address).split(':');
    const socket = connect(Number(here), host);
    let got = '';
    for await (const chunk of socket) got += chunk;
    expect(got).toBe('hello');
  });
});

/** Calls with a path that leads out. */
const outside: ReadonlyArray<[string, Record<string, unknown>]> = [
  ['push', { dir: '..' }],
  ['push', { dir: '/etc' }],
  ['push', { dir: 'out-link' }],
  ['push', { dir: 'a\0b' }],
  ['push', { dest: '../x' }],
  ['pull', { from: '.', to: '../x' }],
  ['pull', { from: '.', to: 'out-link/x' }],
  ['pull', { from: '../..' }],
  ['read_file', { path: '/etc/passwd' }],
  ['read_file', { path: '../../x' }],
  ['write_file', { path: '../x', content: '' }],
  ['list_files', { path: '..' }],
  ['run', { command: 'true', dir: '../..' }],
];

describe('gomote mcp refuses', () => {
  it('every path outside of the project, and of the work directory', async () => {
    const { shop, root, options } = project();
    symlinkSync('/etc', join(root, 'out-link'));
    const { call } = await startAgent(options, shop);
    await call('create');
    for (const [tool, given] of outside) {
      const { isError, data } = await call(tool, given);
      expect({ tool, given, isError, data }).toMatchObject({
        isError: true,
        data: { error: { code: 'ERR_PATH' } },
      });
    }
  });

  it('an argument that it does not know, or of another type', async () => {
    const { call } = await startAgent();
    await call('create');
    expect((await call('run', { command: 'true', shell: 'zsh' })).isError).toBe(true);
    expect((await call('run', { command: 3 })).isError).toBe(true);
    expect((await call('run', { command: 'true', env: ['=x'] })).isError).toBe(true);
    expect((await call('logs', { run: 'none' })).data).toMatchObject({
      error: { code: 'ERR_UNKNOWN_SESSION' },
    });
    expect((await call('stop', { run: 'none', signal: 'SIGNOPE' })).isError).toBe(true);
  });

  it('a machine above the limit, and one of another type', async () => {
    const { call } = await startAgent(['--type', 'local', '--machines', '2']);
    expect((await call('create', { type: 'ssh:localhost' })).data).toMatchObject({
      error: { code: 'ERR_USAGE', hint: 'allowed are: local' },
    });
    const made = await Promise.all([1, 2, 3].map(() => call('create')));
    expect(made.filter(({ isError }) => isError).map(({ data }) => data)).toMatchObject([
      { error: { code: 'ERR_QUOTA' } },
    ]);
    expect((await call('run', { command: 'true' })).text).toContain('there are several machines');
  });

  it('a machine that runs commands here, unless the user allows it', async () => {
    const { call } = await startAgent([]);
    for (const type of ['local', 'ssh:localhost', 'docker:debian']) {
      expect(await call('create', { type })).toMatchObject({
        isError: true,
        data: { error: { hint: expect.stringContaining(`--type ${type}`) } },
      });
    }
  });

  it('to destroy what it did not make', async () => {
    const shop = workshop();
    const name = await shop.create();
    const other = await shop.create();
    const { call } = await startAgent(['--type', 'local', '--on', name], shop);
    expect((await call('run', { command: 'echo there' })).text).toContain('there');
    expect((await call('destroy', { machine: name })).data).toMatchObject({
      error: { code: 'ERR_NOT_OWNER' },
    });
    for (const tool of ['destroy', 'list_files']) {
      expect((await call(tool, { machine: other })).data).toMatchObject({
        error: { code: 'ERR_UNKNOWN_BUILDLET' },
      });
    }
  });
});

describe('the limits of gomote mcp', () => {
  it('are taken from the configuration', async () => {
    const shop = workshop();
    const directory = join(shop.directory, '.config/gomote');
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const config = '[mcp]\nmachines = 1\nlifetime = "1h"\ntypes = ["local"]\n';
    writeFileSync(join(directory, 'config.toml'), config);
    const { call } = await startAgent([], shop);
    expect((await call('create')).isError).toBe(false);
    expect((await call('create')).data).toMatchObject({ error: { code: 'ERR_QUOTA' } });
  });

  it('end a machine whose time is over', async () => {
    const { call, shop } = await startAgent(['--type', 'local', '--lifetime', '1500ms']);
    const { machine } = (await call('create')).data;
    await until(async () => (await call('list')).text.includes('none'));
    await until(() => processesWith(shop.directory).length === 0);
    expect((await call('run', { machine, command: 'true' })).text).toContain('longest life');
  });
});

describe('the machines of gomote mcp', () => {
  const nothingStays = async (shop: ReturnType<typeof workshop>) => {
    await until(() => processesWith(shop.directory).length === 0);
    expect((await shop.gomote('list')).stdout.toString()).toBe('');
  };

  it('end when the agent leaves', async () => {
    const { call, client, shop } = await startAgent();
    await call('create');
    await client.close();
    await nothingStays(shop);
  });

  it.each(['SIGTERM', 'SIGINT', 'SIGKILL'] as const)('end when gomote gets %s', async (signal) => {
    const { call, pid, shop } = await startAgent();
    await call('create');
    await call('run', { command: 'sleep 600', wait_seconds: 0 });
    process.kill(pid, signal);
    await nothingStays(shop);
  });

  it('that are being made end, too', async () => {
    const { call, client, shop } = await startAgent();
    const making = call('create').catch(() => undefined);
    await until(() => processesWith(shop.directory).length > 0);
    await client.close();
    await making;
    await nothingStays(shop);
  });
});
