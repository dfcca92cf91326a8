// Debian's sshd on loopback, with keys and a configuration of its own, and users that it lets in.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { freePort } from './free-port.ts';
import { until } from './processes.ts';
import { hasTool, missing } from './tools.ts';

const server = '/usr/sbin/sshd';

export const isRoot = process.getuid?.() === 0;

/** Whether there is a server and a client. */
export const hasSshd =
  hasTool('ssh', '-V') &&
  (spawnSync(server, ['-?'], { encoding: 'utf8' }).stderr.includes('OpenSSH') ||
    missing('openssh-server is not installed'));

/** The home of those who log in where the tests cannot make users: not the real one. */
const ownHome = isRoot ? '' : realpathSync(mkdtempSync(join(tmpdir(), 'gomote-home-')));

export interface SshdOptions {
  /** Lines of sshd_config. */
  readonly settings?: readonly string[];
  /** The name of the host in the client's configuration. Default `box`. */
  readonly alias?: string;
  /** Programs that are other files for whoever logs in, `/dev/null` if they are to be missing. Only for root. */
  readonly replaced?: Readonly<Record<string, string>>;
}

export interface Sshd {
  readonly port: number;
  /** Ends the server and every connection to it. */
  kill(): Promise<void>;
  /** Starts it again on the same port. */
  start(): Promise<void>;
}

/** A place with keys, a configuration of the client, and servers. All of it ends with the test. */
export interface SshLab {
  readonly directory: string;
  /** The client's configuration. */
  readonly configFile: string;
  /** A directory for PATH, with an `ssh` that uses the configuration. */
  readonly bin: string;
  /** Adds a section to the client's configuration. */
  configure(host: string, settings: Readonly<Record<string, string | number>>): void;
  sshd(options?: SshdOptions): Promise<Sshd>;
}

function run(program: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${status}: ${stderr}`);
}

export function sshLab(): SshLab {
  // Users of the server read the keys in it.
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'gomote-ssh-')));
  chmodSync(directory, 0o755);
  const at = (name: string) => join(directory, name);
  for (const name of ['host', 'user']) {
    run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', at(name));
  }
  run('cp', at('user.pub'), at('authorized'));
  chmodSync(at('authorized'), 0o644);
  const configFile = at('client');
  const sections: string[] = [];
  const common = [
    `Host *`,
    `  IdentityFile ${at('user')}`,
    '  IdentitiesOnly yes',
    `  UserKnownHostsFile ${at('known')}`,
    '  StrictHostKeyChecking accept-new',
    '  GlobalKnownHostsFile /dev/null',
  ];
  const writeConfig = () =>
    writeFileSync(configFile, `${[...sections, ...common].join('\n')}\n`, { mode: 0o600 });
  writeConfig();
  mkdirSync(at('bin'));
  const found = spawnSync('sh', ['-c', 'command -v ssh'], { encoding: 'utf8' }).stdout.trim();
  writeFileSync(at('bin/ssh'), `#!/bin/sh\nexec ${found} -F ${configFile} "$@"\n`, { mode: 0o755 });
  const configure: SshLab['configure'] = (host, settings) => {
    const lines = Object.entries(settings).map(([name, value]) => `  ${name} ${value}`);
    sections.push(`Host ${host}`, ...lines);
    writeConfig();
  };
  const servers: Server[] = [];
  onTestFinished(async () => {
    for (const one of servers) await one.kill();
    rmSync(directory, { recursive: true, force: true });
  });
  return {
    ...{ directory, configFile, configure },
    bin: at('bin'),
    sshd: async ({ settings = [], alias = 'box', replaced = {} } = {}) => {
      const port = await freePort();
      const lines = [
        ...settings,
        `Port ${port}`,
        'ListenAddress 127.0.0.1',
        `HostKey ${at('host')}`,
        `AuthorizedKeysFile ${at('authorized')}`,
        'PidFile none',
        'StrictModes no',
        'UsePAM no',
        'MaxStartups 100',
        ...(isRoot ? [] : [`SetEnv HOME=${ownHome}`]),
      ];
      writeFileSync(at(`sshd-${port}`), `${lines.join('\n')}\n`);
      if (isRoot) mkdirSync('/run/sshd', { recursive: true });
      const one = new Server(port, at(`sshd-${port}`), replaced);
      servers.push(one);
      await one.start();
      configure(alias, { HostName: '127.0.0.1', Port: port });
      return one;
    },
  };
}

class Server implements Sshd {
  readonly port: number;
  readonly #config: string;
  readonly #replaced: Readonly<Record<string, string>>;
  #child: ChildProcess | undefined;

  constructor(port: number, config: string, replaced: Readonly<Record<string, string>>) {
    this.port = port;
    this.#config = config;
    this.#replaced = replaced;
  }

  async start(): Promise<void> {
    const hiding = Object.entries(this.#replaced)
      .map(([path, file]) => `mount --bind '${file}' '${path}' && `)
      .join('');
    const command = `${hiding} exec ${server} -D -e -f '${this.#config}'`;
    const [program, ...before] = hiding === '' ? ['sh'] : ['unshare', '-m', 'sh'];
    const child = spawn(program ?? 'sh', [...before, '-c', command], {
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    });
    this.#child = child;
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    await until(() => said.includes('Server listening') || child.exitCode !== null);
    if (child.exitCode !== null) throw new Error(`sshd: ${said}`);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child?.pid === undefined || child.exitCode !== null) return;
    // Its connections are processes of their own, in sessions of their own.
    for (const pid of [...descendants(child.pid), child.pid]) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {}
    }
    await once(child, 'exit');
  }
}

/** The server's processes for connections; not what runs in these. */
function descendants(pid: number): number[] {
  const { stdout } = spawnSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' });
  const all = stdout
    .split('\n')
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line))
    .filter((found) => found !== null)
    .map(([, one, parent, args]) => ({ pid: Number(one), parent: Number(parent), args }));
  const below = (parent: number): number[] =>
    all
      .filter((one) => one.parent === parent && one.args?.startsWith('sshd: '))
      .flatMap((one) => [...below(one.pid), one.pid]);
  return below(pid);
}

export interface SshUser {
  readonly name: string;
  readonly home: string;
}

/**
 * A user of the system with a home of its own, removed with its processes when the test is over. Only root makes one; for
 * others it is themselves.
 */
export function sshUser(shell = '/bin/sh', home?: string): SshUser {
  if (!isRoot) {
    return { name: userInfo().username, home: ownHome };
  }
  const name = `gt${randomBytes(5).toString('hex')}`;
  const place = home ?? join(realpathSync(mkdtempSync(join(tmpdir(), 'gomote-home-'))), 'h');
  const args = ['-m', '-d', place, '-s', shell, '-p', '*', '-K', 'UMASK=022', name];
  // Other tests make users at the same time; /etc/passwd is locked for each.
  for (let tries = 0; spawnSync('useradd', args).status !== 0; tries++) {
    if (tries === 50) run('useradd', ...args);
    spawnSync('sleep', ['0.1']);
  }
  if (home === undefined) chmodSync(join(place, '..'), 0o755);
  onTestFinished(() => {
    spawnSync('pkill', ['-KILL', '-U', name]);
    for (let tries = 0; spawnSync('userdel', ['-f', name]).status === 1 && tries < 50; tries++) {
      spawnSync('sleep', ['0.1']);
    }
    rmSync(home ?? join(place, '..'), { recursive: true, force: true });
  });
  return { name, home: place };
}
