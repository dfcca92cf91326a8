// What bench/coordinator.js works with: a coordinator and buildlets in processes of their own, and plain requests.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { request as httpsRequest, Agent as TlsAgent } from 'node:https';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const root = new URL('../', import.meta.url).pathname;
export const place = '/dev/shm/gomote-bench-coordinator';

/** Ends all that was started, and removes its files. */
export const cleanUps = [];
export async function cleanUp() {
  for (const work of cleanUps.splice(0).reverse()) await work();
  rmSync(place, { recursive: true, force: true });
}

/** Starts a program that prints a line when it is ready: the first, or the first that has the text. */
async function startProgram(args, cwd, text = '') {
  const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
  cleanUps.push(async () => {
    child.kill('SIGTERM');
    if (child.exitCode === null) await once(child, 'exit');
  });
  let said = '';
  await new Promise((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      said += chunk;
      if (lineIn(said, text) !== undefined) resolve();
    });
    child.once('exit', () => reject(new Error(`${args.join(' ')} ended: ${said}`)));
  });
  child.stdout.removeAllListeners('data').resume();
  return { child, line: lineIn(said, text) };
}

const lineIn = (said, text) =>
  said
    .split('\n')
    .slice(0, -1)
    .find((line) => line.includes(text));

/** One buildlet on a port of its own, with more arguments. */
export async function startBuildlet(...more) {
  const workDir = join(place, `work-${cleanUps.length}`);
  mkdirSync(workDir, { recursive: true });
  const program = join(root, 'bin/buildlet.js');
  const { line } = await startProgram([
    program,
    '--listen',
    '127.0.0.1:0',
    '--insecure-no-password',
    '--workdir',
    workDir,
    ...more,
  ]);
  return line;
}

/** `count` buildlets in a few processes; their addresses. */
export async function startManyBuildlets(count, processes = 4) {
  const addresses = [];
  const share = Math.ceil(count / processes);
  for (let from = 0; from < count; from += share) {
    const program = join(root, 'bench/many-buildlets.js');
    const many = String(Math.min(share, count - from));
    const { line } = await startProgram([program, join(place, `many-${from}`), many]);
    addresses.push(...JSON.parse(line));
  }
  return addresses;
}

const token = 'a token of the bench';

/** A coordinator with the pool's lines, for the users; `prepare` is called with its directory before it starts. */
export async function startCoordinator({ pool, tls = 'off', users = ['ann'], prepare }) {
  const directory = join(place, `coordinator-${cleanUps.length}`);
  mkdirSync(join(directory, 'state'), { recursive: true, mode: 0o700 });
  const toml = [
    'listen = "127.0.0.1:0"',
    `tls = "${tls}"`,
    'state-directory = "state"',
    'limits = { per-user = 100000 }',
    'drain-timeout = "1s"',
    '[hosts.host-bench]',
    '[builders.bench]',
    'host = "host-bench"',
    '[pools.bench]',
    'host = "host-bench"',
    ...pool,
  ];
  writeFileSync(join(directory, 'c.toml'), toml.join('\n'));
  const tokenHash = createHash('sha256').update(token).digest('hex');
  const record = { role: 'user', tokenHash, created: '' };
  const records = Object.fromEntries(users.map((name) => [name, record]));
  writeFileSync(join(directory, 'state/users.json'), JSON.stringify({ users: records }), {
    mode: 0o600,
  });
  prepare?.(directory);
  const program = join(root, 'bin/coordinator.js');
  const { child, line } = await startProgram(
    [program, 'serve', '--config', 'c.toml'],
    directory,
    '"listening"',
  );
  const { url } = JSON.parse(line);
  return { url, pid: child.pid, directory };
}

/** Resident memory of a process, in MB. */
export function memoryOf(pid) {
  const kilobytes = /^VmRSS:\s+([0-9]+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) / 1_024;
}

/** A way to send requests to one server, by connections that are kept. */
export function peer(url, { name, user = 'ann', maxSockets = Infinity } = {}) {
  const isTls = url.startsWith('https:');
  const agent = isTls
    ? new TlsAgent({ keepAlive: true, rejectUnauthorized: false, maxSockets })
    : new Agent({ keepAlive: true, maxSockets });
  const send = isTls ? httpsRequest : httpRequest;
  const pair = Buffer.from(`user-${user}:${token}`).toString('base64');
  const headers = { Authorization: `Basic ${pair}`, ...(name && { 'X-Buildlet-Proxy': name }) };
  const call = async (method, path, body, onChunk) => {
    const form = typeof body === 'string' && {
      'Content-Type': 'application/x-www-form-urlencoded',
    };
    const outgoing = send(url + path, { method, agent, headers: { ...headers, ...form } });
    const replied = once(outgoing, 'response');
    if (body === undefined || typeof body === 'string') outgoing.end(body);
    else await pipeline(body, outgoing);
    const [reply] = await replied;
    let text = '';
    for await (const chunk of reply) {
      if (onChunk === undefined) text += chunk;
      else onChunk(chunk);
    }
    if (reply.statusCode !== 200) throw new Error(`${method} ${path}: ${reply.statusCode} ${text}`);
    return { text, trailers: reply.trailers };
  };
  return { call, close: () => agent.destroy() };
}

/** The form of a command; its output goes to `onChunk`, and it has to end well. */
export async function exec({ call }, argv, onChunk) {
  const form = new URLSearchParams({ cmd: argv[0], mode: 'sys' });
  for (const word of argv.slice(1)) form.append('cmdArg', word);
  const { trailers } = await call('POST', '/exec', form.toString(), onChunk);
  const state = trailers['process-state'];
  if (state !== 'ok') throw new Error(`${argv[0]}: ${state ?? 'no trailer'}`);
}

export const create = async ({ call }) =>
  JSON.parse((await call('POST', '/buildlet/create', 'version=20160922&builderType=bench')).text)
    .Name;

/** `sizeBytes` of a piece repeated. */
export function* repeated(piece, sizeBytes) {
  for (let left = sizeBytes; left > 0; left -= piece.length) {
    yield left < piece.length ? piece.subarray(0, left) : piece;
  }
}

export const body = (piece, sizeBytes) => Readable.from(repeated(piece, sizeBytes));

export function digestOf(chunks) {
  const hash = createHash('sha256');
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
}

export const percentile = (values, share) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];

/** Does the work for each item, some at once. */
export async function each(items, atOnce, work) {
  const left = [...items];
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (left.length > 0) await work(left.shift());
    }),
  );
}
