// Commands that an agent runs: how they end, what is shown, and what is left running.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { startAgent } from '../../helpers/agent.ts';
import { processesWith, until } from '../../helpers/processes.ts';

const later = "process.stdin.resume(); process.stdin.on('end', () => console.log('over'))";

describe('the tool run of gomote mcp', () => {
  it('reports how a command ended', async () => {
    const { call } = await startAgent();
    await call('create');
    const cases: ReadonlyArray<[Record<string, unknown>, Record<string, unknown>]> = [
      [{ command: 'exit 3' }, { status: 'exited', exitCode: 3 }],
      [{ command: 'kill -9 $$' }, { status: 'signal', signal: 'SIGKILL' }],
      [{ command: 'sleep 60', timeout_seconds: 1 }, { status: 'timeout' }],
      [
        { command: 'printf', args: ['%s', '$HOME'] },
        { exitCode: 0, outputBytes: 5 },
      ],
      [{ command: 'cat; echo $A >&2', stdin: 'in', env: ['A=b'] }, { outputBytes: 4 }],
      [{ command: 'nosuch', args: [] }, { error: { code: 'ERR_NOT_STARTED' } }],
    ];
    for (const [given, expected] of cases) {
      expect((await call('run', given)).data).toMatchObject(expected);
    }
  });

  it('shows of long output what matters, and logs has all of it', async () => {
    const { call } = await startAgent();
    await call('create');
    const command = 'seq 1 20000; echo "x.c:3: error: no" ; seq 20001 40000';
    const { text, data } = await call('run', { command, output_bytes: 2_000 });
    expect(text.length).toBeLessThan(3_000);
    expect(text).toContain('\n1\n2\n');
    expect(text).toContain('\n20000\nx.c:3: error: no\n20001\n');
    expect(text).toMatch(/\n40000$/);
    const { run, outputBytes } = data;
    const [, left, offset] = /\[(\d+) bytes left out: logs with offset (\d+)\]/.exec(text) ?? [];
    expect(Number(left)).toBeGreaterThan(100_000);
    let all = '';
    for (let at: unknown = 0; at !== undefined; ) {
      const part = await call('logs', { run, offset: at, limit: 200_000 });
      all += part.text.slice(part.text.indexOf('\n') + 1).replace(/\n\[more: [^\n]*\]$/, '');
      at = part.data.nextOffset;
      // The newline at the end of a part is not shown.
      if (at !== undefined && Number(at) > all.length) all += '\n';
    }
    expect(all.length).toBe(Number(outputBytes) - 1);
    const next = await call('logs', { run, offset: Number(offset), limit: 10 });
    expect(next.text.split('\n')[1]).toBe(all.slice(Number(offset)).split('\n')[0]);
    expect((await call('logs', { run, grep: '^x\\.c' })).text).toContain(': x.c:3: error: no');
    expect((await call('logs', { run, offset: -6 })).text).toMatch(/\n40000$/);
    expect((await call('logs', { run, grep: '(' })).data).toMatchObject({
      error: { code: 'ERR_USAGE' },
    });
  });

  it('leaves a command that takes long, which logs waits for and stop ends', async () => {
    const { call } = await startAgent();
    await call('create');
    const given = { command: 'echo begun; echo err >&2; sleep 2; echo over', wait_seconds: 0 };
    const { text, data } = await call('run', given);
    expect(text).toMatch(/^still running/);
    expect(data).toMatchObject({ status: 'running' });
    const ended = await call('logs', { run: data.run, wait_seconds: 60 });
    expect(ended.text).toMatch(/exit status 0.*\nbegun\nerr\nover$/);
    expect((await call('logs', { run: data.run, stream: 'stderr' })).text).toMatch(/\nerr$/);
    const endless = await call('run', { command: 'sleep 600', wait_seconds: 0 });
    await call('stop', { run: endless.data.run });
    const stopped = await call('logs', { run: endless.data.run, wait_seconds: 60 });
    expect(stopped.data).toMatchObject({ status: 'signal', signal: 'SIGTERM' });
    expect((await call('stop', { run: endless.data.run })).text).toContain('had ended');
  });

  it('ends a command that the agent cancels, and reports how far it is', async () => {
    const { call, shop } = await startAgent();
    const { machine } = (await call('create')).data;
    const cancel = new AbortController();
    const heard: string[] = [];
    const running = call(
      'run',
      { command: `echo begun; exec ${process.execPath} -e "${later}" 987123; true`, stdin: '' },
      { onprogress: ({ message = '' }) => heard.push(message) },
    );
    expect((await running).text).toContain('over');
    expect(heard).toContain('6 bytes of output');
    const endless = call(
      'run',
      { command: 'echo on; sleep 600.987124' },
      { signal: cancel.signal, onprogress: () => cancel.abort() },
    );
    await expect(endless).rejects.toThrow('aborted');
    await until(() => processesWith('sleep 600.987124').length === 0);
    expect((await call('run', { machine, command: 'echo still there' })).isError).toBe(false);
    expect(processesWith(shop.directory)).not.toEqual([]);
  });

  it('reports that a machine has died, and then another can be made', async () => {
    const { call, shop } = await startAgent(['--type', 'local', '--machines', '1']);
    await call('create');
    const ids = processesWith('buildlet.js').filter((pid) =>
      readFileSync(`/proc/${pid}/environ`, 'latin1').includes(shop.directory),
    );
    for (const pid of ids) process.kill(pid, 'SIGKILL');
    const { isError, data } = await call('run', { command: 'true' });
    expect({ isError, data }).toMatchObject({
      isError: true,
      data: { error: { hint: expect.any(String) } },
    });
    expect((await call('create')).isError).toBe(false);
  });
});
