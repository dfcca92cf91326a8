// GO_DISABLE_OUTBOUND_NETWORK on a machine that the buildlet has for itself: the rules of Go's buildlet. The machine is a
// network namespace here, so that nothing of the real one changes.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, it, onTestFinished } from 'vitest';
import { BuildletClient } from '../../src/client/buildlet-client.ts';
import { Collector } from '../helpers/collect.ts';
import { projectRoot } from '../helpers/programs.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { missing } from '../helpers/tools.ts';

const canTry =
  spawnSync('unshare', ['--net', 'iptables', '-S']).status === 0 ||
  missing('iptables in a network namespace, which needs root,');

it.skipIf(!canTry)(
  'the firewall sets the rules of Go’s buildlet once, for the life of the machine',
  async () => {
    const directory = temporaryDirectory();
    const program = join(projectRoot, 'bin/buildlet.js');
    const address = `unix:${join(directory, 'socket')}`;
    const options = [
      '--listen',
      address,
      '--workdir',
      join(directory, 'work'),
      '--firewall',
      'machine',
    ];
    const machine = spawn('unshare', ['--net', process.execPath, program, ...options], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(async () => {
      const ended = once(machine, 'exit');
      machine.kill('SIGTERM');
      await ended;
    });
    await once(createInterface({ input: machine.stdout }), 'line');
    const client = new BuildletClient(address);
    onTestFinished(() => client.disconnect());
    const rules = async (wish: string) => {
      const output = new Collector();
      await client.exec('iptables', {
        systemLevel: true,
        args: ['-S', 'OUTPUT'],
        extraEnv: [`GO_DISABLE_OUTBOUND_NETWORK=${wish}`],
        output,
      });
      return output.text.trim().split('\n');
    };
    expect(await rules('false')).toEqual(['-P OUTPUT ACCEPT']);
    const set = await rules('true');
    expect(set[1]).toMatch(/-d 10\.0\.0\.0\/8 -p tcp -m state --state NEW -j ACCEPT/);
    expect(
      set
        .slice(2)
        .map(
          (rule) => /--dport (\d+) -j REJECT --reject-with icmp-host-prohibited$/.exec(rule)?.[1],
        ),
    ).toEqual(['443', '80', '22']);
    expect(await rules('1')).toEqual(set);
    expect(await rules('0')).toEqual(set);
  },
);
