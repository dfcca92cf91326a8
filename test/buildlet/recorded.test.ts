// Our buildlet answers every request recorded with a Go buildlet as that did.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { list, type ReadEntry } from 'tar';
import { describe, expect, it, onTestFinished } from 'vitest';
import { software } from '../../src/buildlet/handlers/about.ts';
import { buildletVersion } from '../../src/protocol/endpoints.ts';
import { buildletFeatures } from '../../src/protocol/features.ts';
import { formatStatus } from '../../src/protocol/status.ts';
import { startBuildlet } from '../helpers/buildlet.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import {
  type Exchange,
  loadExchanges,
  type ParsedResponse,
  parseResponse,
} from '../helpers/wire.ts';

/** Where we differ on purpose; docs/protocol.md says why. */
const differences: Record<string, (recorded: ParsedResponse) => ParsedResponse> = {
  'writetgz-symlink': () => text(200, 'OK', 'OK', false),
  'tgz-missing': () =>
    text(500, 'Internal Server Error', 'lstat /workdir/absent: no such file or directory\n', true),
  'exec-http10': (recorded) => ({
    ...recorded,
    headers: with_(recorded.headers, 'connection', 'close'),
  }),
  status: (recorded) => withFeatures(recorded),
  'status-any-user': (recorded) => withFeatures(recorded),
  'exec-debug': (recorded) => withoutPassword(recorded),
  'exec-env': (recorded) => withoutPassword(recorded),
  'exec-path-empty': (recorded) => withoutPassword(recorded),
};

/** The recorded status announces nothing; what ours announces is an extension. */
const withFeatures = (recorded: ParsedResponse): ParsedResponse => ({
  ...recorded,
  body: Buffer.from(
    formatStatus({
      version: buildletVersion,
      features: buildletFeatures,
      confinement: { isolation: 'none', network: 'host', limits: [] },
      software: software(),
    }),
  ),
});

const withoutPassword = (recorded: ParsedResponse): ParsedResponse => ({
  ...recorded,
  body: Buffer.from(
    recorded.body.toString().replace(/"META_password=s3cret" |META_password=s3cret\n/, ''),
  ),
});

const with_ = (headers: Map<string, string>, name: string, value: string) =>
  new Map([...headers, [name, value]]);

function text(status: number, reason: string, body: string, isError: boolean): ParsedResponse {
  const headers = new Map([
    ['content-type', 'text/plain; charset=utf-8'],
    ['content-length', ''],
    ['connection', 'close'],
    ...(isError ? [['x-content-type-options', 'nosniff'] as const] : []),
  ]);
  return { status, reason, headers, body: Buffer.from(body), trailers: new Map(), complete: true };
}

/** The tree the recordings were made with. */
function makeTree(workDir: string): void {
  const time = new Date('2020-01-02T03:04:05Z');
  const d = join(workDir, 'd');
  const file = (name: string, content: string, mode: number) => {
    writeFileSync(join(d, name), content);
    chmodSync(join(d, name), mode);
    utimesSync(join(d, name), time, time);
  };
  for (const directory of ['.hidden', 'd/sticky', 'd/sub']) {
    mkdirSync(join(workDir, directory), { recursive: true });
    chmodSync(join(workDir, directory), 0o755);
  }
  chmodSync(d, 0o755);
  chmodSync(join(d, 'sticky'), 0o1777);
  file('a.txt', 'hello\n', 0o644);
  file('empty', '', 0o644);
  execFileSync('mkfifo', ['-m', '644', join(d, 'fifo')]);
  symlinkSync('a.txt', join(d, 'link'));
  file('setuid', 's', 0o4755);
  file('sub/tool', '#!/bin/sh\necho ran in $PWD with $*\n', 0o755);
  file('with space', 'x', 0o600);
  file('ünï', 'u', 0o644);
  for (const name of ['sticky', 'sub', 'fifo']) utimesSync(join(d, name), time, time);
}

/** `d/a.txt` as the only entry of an archive. */
const singleFile: Entry = {
  path: 'a.txt',
  type: 'File',
  mode: 0o644,
  size: 6,
  linkpath: undefined,
  time: new Date('2020-01-02T03:04:05Z'),
  content: 'hello\n',
};

async function exchange(socket: string, { request }: Exchange, substitute: (t: string) => string) {
  const body =
    request.body.length > 0 && request.headers.some((h) => h.includes('form'))
      ? Buffer.from(substitute(request.body.toString()))
      : request.body;
  const head = [
    `${request.method} ${request.path} ${request.proto}`,
    'Host: buildlet',
    'Connection: close',
    `Content-Length: ${body.length}`,
    ...request.headers,
  ];
  const connection = connect(socket);
  connection.write(`${head.join('\r\n')}\r\n\r\n`);
  connection.write(body);
  const chunks: Buffer[] = [];
  for await (const chunk of connection) chunks.push(chunk as Buffer);
  return parseResponse(Buffer.concat(chunks));
}

interface Entry {
  path: string;
  type: string;
  mode: number | undefined;
  size: number;
  linkpath: string | undefined;
  time: Date | undefined;
  content: string;
}

function entriesOf(body: Buffer): Entry[] {
  const entries: Entry[] = [];
  const parser = list({
    sync: true,
    strict: true,
    onReadEntry: (entry: ReadEntry) => {
      const chunks: Buffer[] = [];
      const { type, mode, size, linkpath, mtime } = entry;
      // Only files' times were set alike on both machines.
      const time = type === 'File' ? mtime : undefined;
      const row = { path: entry.path, type, mode, size, linkpath, time, content: '' };
      entries.push(row);
      entry.on('data', (chunk: Buffer) => chunks.push(chunk));
      entry.on('end', () => {
        row.content = Buffer.concat(chunks).toString();
      });
    },
  });
  parser.end(gunzipSync(body));
  return entries;
}

describe('a buildlet', () => {
  const exchanges = loadExchanges('buildlet');

  it('answers the recorded requests with the recorded status, headers, body and trailer', async () => {
    const notFound = createServer((_, response) => response.writeHead(404).end());
    await new Promise<void>((resolve) => notFound.listen(0, resolve));
    onTestFinished(() => void notFound.close());
    const port = (notFound.address() as AddressInfo).port;
    const workDir = temporaryDirectory();
    makeTree(workDir);
    const buildlet = await startBuildlet({
      workDir,
      password: 's3cret',
      environment: {
        PATH: '/usr/bin:/bin',
        HOME: '/home/gopher',
        USER: 'gopher',
        META_password: 's3cret',
      },
    });
    const socket = buildlet.address.slice('unix:'.length);
    // What depends on the machine: the work dir, the port of the server that has nothing, this platform.
    const substitute = (recorded: string) =>
      recorded
        .replaceAll('/workdir', workDir)
        .replaceAll('5936', String(port))
        .replace('linux-amd64', () => `linux-${process.arch === 'x64' ? 'amd64' : process.arch}`);
    for (const recorded of exchanges) {
      const { name } = recorded;
      const actual = await exchange(socket, recorded, substitute);
      const parsed = parseResponse(recorded.response);
      const expected = differences[name]?.(parsed) ?? parsed;
      const isArchive = expected.headers.get('content-type') === 'application/x-gzip';
      const expectedBody = isArchive
        ? expected.body
        : Buffer.from(substitute(expected.body.toString()));
      const headers = (response: ParsedResponse, body: Buffer) => {
        const all = new Map(response.headers);
        // An extension; Go's clients ignore it.
        all.delete('x-gomote-error-code');
        // An archive's bytes come as its compressor gives them: in how many chunks is its own affair.
        const dropped = isArchive ? ['date', 'content-length', 'transfer-encoding'] : ['date'];
        const kept = new Map([...all].filter(([key]) => !dropped.includes(key)));
        if (kept.has('content-length')) kept.set('content-length', String(body.length));
        return Object.fromEntries([...kept].sort());
      };
      expect({
        name,
        status: actual.status,
        reason: actual.reason,
        complete: actual.complete,
      }).toEqual({
        name,
        status: expected.status,
        reason: expected.reason,
        complete: true,
      });
      if (isArchive) {
        // A single file has its own name here; the recorded entry has none, which no program extracts.
        const wanted = name === 'tgz-file' ? [singleFile] : entriesOf(expectedBody);
        expect({ name, entries: entriesOf(actual.body) }).toEqual({ name, entries: wanted });
      } else {
        // A command's environment names the command; that of Go's does not.
        const body = actual.body.toString().replace(/^GOMOTE_COMMAND=.*\n/m, '');
        expect({ name, body }).toEqual({ name, body: expectedBody.toString() });
      }
      expect({ name, ...headers(actual, actual.body) }).toEqual({
        name,
        ...headers(expected, expectedBody),
      });
      expect([name, ...actual.trailers]).toEqual([
        name,
        ...[...expected.trailers].map(([key, value]) => [key, substitute(value)]),
      ]);
    }
  });
});
