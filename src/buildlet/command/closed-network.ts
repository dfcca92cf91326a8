// Blocks a command's network access: by a network namespace with only a loopback interface; or, on a machine that
// belongs to the buildlet alone, by the firewall rules of Go's buildlet.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { GomoteError, messageOf } from '../../errors.ts';
import { printable } from '../../printable.ts';
import type { ClosedBy } from '../../protocol/session.ts';
import { findOwnProgram } from './command-file.ts';

/** How the network is closed for a command, and the words to put before the command for that. */
export interface NetworkClosing {
  readonly by: ClosedBy;
  readonly words: readonly string[];
}

/** Closes the network for one command. Throws ERR_CONFIG where that cannot be done. */
export type CloseNetwork = () => Promise<NetworkClosing>;

/** For commands that have no network anyway. */
export const alreadyClosed: CloseNetwork = async () => ({ by: 'none', words: [] });

/** Returns the function that closes the network by a firewall on the whole machine, once and for its life. */
export function firewallOnce(): CloseNetwork {
  let rules: Promise<void> | undefined;
  return async () => {
    rules ??= setRules();
    await rules;
    return { by: 'firewall', words: [] };
  };
}

/** Allows new connections into 10.0.0.0/8, and refuses others to the ports of HTTP, HTTPS and ssh. */
const newTcp = ['-p', 'tcp', '-m', 'state', '--state', 'NEW'];
const ruleSets: readonly (readonly string[])[] = [
  ['-d', '10.0.0.0/8', ...newTcp, '-j', 'ACCEPT'],
  ...['443', '80', '22'].map((port) => [
    ...newTcp,
    '--dport',
    port,
    '-j',
    'REJECT',
    '--reject-with',
    'icmp-host-prohibited',
  ]),
];

async function setRules(): Promise<void> {
  for (const [at, rule] of ruleSets.entries()) {
    await promisify(execFile)('iptables', ['-w', '-I', 'OUTPUT', String(at + 1), ...rule]).catch(
      (error) => {
        throw refusal(error);
      },
    );
  }
}

/** Returns a function that closes the network by a namespace shared by all commands that ask for it, created for the first. */
export function namespaceOnce(): CloseNetwork {
  let holder: Promise<Holder> | undefined;
  return async () => {
    holder ??= hold();
    let held = await holder;
    if (held.child.exitCode !== null || held.child.signalCode !== null) {
      holder = hold();
      held = await holder;
    }
    return { by: 'none', words: held.words };
  };
}

interface Holder {
  readonly child: ChildProcess;
  readonly words: readonly string[];
}

/** An idle process that keeps the namespace. It ends with this one. */
async function hold(): Promise<Holder> {
  const nsenter = findOwnProgram('nsenter');
  if (nsenter === undefined) throw refusal('nsenter is not installed');
  const users = mayMakeNamespaces() ? [] : ['--unshare-user'];
  const view = ['--dev-bind', '/', '/', '--unshare-net', '--die-with-parent'];
  const child = spawn('bwrap', [...users, ...view, '--', '/bin/sh', '-c', 'echo $$; exec cat'], {
    cwd: '/',
    env: { PATH: process.env.PATH },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(0, 1_000);
  });
  const ended = new AbortController();
  child.once('error', (error) => ended.abort(error)).once('exit', () => ended.abort());
  try {
    const [pid] = await once(createInterface({ input: child.stdout }), 'line', {
      signal: ended.signal,
    });
    for (const held of [child, child.stdin, child.stdout, child.stderr] as Socket[]) held.unref();
    const namespaces = [...(users.length === 0 ? [] : ['-U', '--preserve-credentials']), '-n'];
    return { child, words: [nsenter, '-t', String(pid), ...namespaces, '--'] };
  } catch (error) {
    throw refusal(said.trim() || ended.signal.reason || error);
  }
}

/** Whether this process may create namespaces without a user namespace, which would take privileges from root. */
function mayMakeNamespaces(): boolean {
  const [, effective = '0'] =
    /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1')) ?? [];
  return (BigInt(`0x${effective}`) & (1n << 21n)) !== 0n;
}

const refusal = (why: unknown): GomoteError =>
  new GomoteError(
    'ERR_CONFIG',
    `the network cannot be closed for the command: ${printable(messageOf(why))}`,
    {
      hint: 'it needs bubblewrap and namespaces; GO_DISABLE_OUTBOUND_NETWORK=0 leaves the network open',
    },
  );
