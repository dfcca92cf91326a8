// Real balancers in front of a server: nginx, haproxy and Caddy, each a process of its own in a directory of its own.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { KeyPair } from '../../src/client/key-pair.ts';
import { freePort } from './free-port.ts';
import { until } from './processes.ts';
import { projectRoot } from './programs.ts';
import { temporaryDirectory } from './temporary.ts';
import { hasTool } from './tools.ts';

const sbin = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };

const find = (program: string): string =>
  spawnSync('sh', ['-c', `command -v ${program}`], { env: sbin, encoding: 'utf8' }).stdout.trim() ||
  program;

const nginxProgram = find('nginx');
const haproxyProgram = find('haproxy');
const caddyProgram = find('caddy');

export const hasNginx = hasTool(nginxProgram, '-v');
export const hasHaproxy = hasTool(haproxyProgram, '-v');
export const hasCaddy = hasTool(caddyProgram, 'version');

/** The example of that name in the documentation. */
export const documented = (name: string): string =>
  readFileSync(join(projectRoot, 'docs/balancers', name), 'utf8');

interface Balancer {
  /** Where clients reach it. */
  readonly port: number;
  /** Ends it. */
  stop(): Promise<void>;
}

/** Starts a program that listens on the port; it ends with the test. */
async function started(
  port: number,
  command: string,
  args: string[],
  environment: NodeJS.ProcessEnv = {},
): Promise<Balancer> {
  const env = { ...process.env, ...environment };
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += String(chunk);
    });
  }
  const stop = () => ended(child);
  onTestFinished(stop);
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`${command} ended: ${output}`);
    return await answers(port);
  });
  return { port, stop };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => socket.destroy());
    socket.once('error', () => resolve(false));
    socket.once('close', (hadError) => resolve(!hadError));
  });
}

interface NginxOptions {
  /** One or more sections `server`, or what else stands in `http`; `PORT` is where it listens. */
  readonly config: string;
  /** More lines of the section `http`. */
  readonly lines?: string;
}

/** Starts nginx with the rest of its configuration as Debian has it. */
export async function startNginx({ config, lines = '' }: NginxOptions): Promise<Balancer> {
  const directory = temporaryDirectory();
  // As root its workers are another user's.
  chmodSync(directory, 0o755);
  const port = await freePort();
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const text = `
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr;
events { worker_connections 768; }
http {
  ${kinds.map((kind) => `${kind}_temp_path ${directory}/${kind};`).join(' ')}
  sendfile on;
  tcp_nopush on;
  gzip on;
  default_type application/octet-stream;
  access_log off;
  ${lines}
  ${config.replaceAll('PORT', String(port))}
}
`;
  writeFileSync(join(directory, 'nginx.conf'), text);
  return await started(port, nginxProgram, ['-p', directory, '-c', 'nginx.conf', '-e', 'stderr']);
}

/** Starts haproxy with the defaults that Debian has; `PORT` is where it listens. */
export async function startHaproxy(config: string): Promise<Balancer> {
  const directory = temporaryDirectory();
  const port = await freePort();
  const path = join(directory, 'haproxy.cfg');
  const text = `
defaults
  mode http
  timeout connect 5000
  timeout client 50000
  timeout server 50000

${config.replaceAll('PORT', String(port))}
`;
  writeFileSync(path, text);
  return await started(port, haproxyProgram, ['-db', '-f', path]);
}

/** Starts Caddy, which keeps its files in its own directory; `PORT` is where it listens. */
export async function startCaddy(config: string): Promise<Balancer> {
  const directory = temporaryDirectory();
  const port = await freePort();
  const path = join(directory, 'Caddyfile');
  const global = '{\n\tadmin off\n\tauto_https off\n}\n';
  writeFileSync(path, global + config.replaceAll('PORT', String(port)));
  const environment = { HOME: directory, XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory };
  const args = ['run', '--config', path, '--adapter', 'caddyfile'];
  return await started(port, caddyProgram, args, environment);
}

/** Writes the certificate and its key where a balancer reads them. */
export function writeCertificate(pair: KeyPair): { cert: string; key: string; both: string } {
  const directory = temporaryDirectory();
  const write = (name: string, text: string) => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  return {
    cert: write('cert.pem', pair.certPem),
    key: write('key.pem', pair.keyPem),
    both: write('both.pem', pair.certPem + pair.keyPem),
  };
}
