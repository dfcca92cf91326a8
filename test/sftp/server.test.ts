// The sftp server by its messages: what no client of the system sends, too.
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { handleLimit } from '../../src/sftp/handles.ts';
import { BadMessage, messageLimit, openFlags, requests } from '../../src/sftp/packets.ts';
import { SftpServer } from '../../src/sftp/server.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const uint32 = (number: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes;
};

const string = (text: string | Buffer): Buffer => {
  const bytes = Buffer.from(text as string);
  return Buffer.concat([uint32(bytes.length), bytes]);
};

const uint64 = (number: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(number);
  return bytes;
};

const message = (type: number, ...parts: Buffer[]): Buffer =>
  string(Buffer.concat([Buffer.from([type]), ...parts]));

const id = 7;
const noAttributes = uint32(0);

/** A server, and a way to ask it: the answer's type, and what follows the id. */
function client(home = '/') {
  const server = new SftpServer(home);
  const send = (bytes: Buffer): Buffer[] => [...server.answer(bytes)];
  const ask = (type: number, ...parts: Buffer[]) => {
    const [answer = Buffer.alloc(0)] = send(message(type, uint32(id), ...parts));
    expect(answer.readUInt32BE(5)).toBe(id);
    return { type: answer.readUInt8(4), rest: answer.subarray(9) };
  };
  const status = (type: number, ...parts: Buffer[]) => {
    const answer = ask(type, ...parts);
    expect(answer.type).toBe(101);
    return answer.rest.readUInt32BE();
  };
  const open = (path: string | Buffer, flags: number) =>
    ask(requests.open, string(path), uint32(flags), noAttributes).rest.subarray(0);
  return { send, ask, status, open };
}

it('an sftp server reports its version and extensions, however the message is cut', () => {
  const { send } = client();
  const bytes = message(requests.init, uint32(6));
  const answers = [...bytes].flatMap((byte) => send(Buffer.from([byte])));
  expect(answers).toHaveLength(1);
  expect(answers[0]?.subarray(4, 9)).toEqual(Buffer.from([2, 0, 0, 0, 3]));
  expect(answers[0]?.toString('latin1')).toContain('posix-rename@openssh.com');
});

it.each([
  ['no bytes', uint32(0)],
  ['more than the limit', uint32(messageLimit + 1)],
  ['four GiB', uint32(0xffff_ffff)],
  ['a request without its id', message(requests.stat)],
])('an sftp server ends at a message of %s', (_name, bytes) => {
  expect(() => client().send(bytes)).toThrow(BadMessage);
});

it('an sftp server refuses malformed requests, and continues', () => {
  const { status, ask } = client();
  const [ok, noSuchFile, failure, bad, unsupported] = [0, 2, 4, 5, 8];
  expect(status(requests.stat, uint32(1_000))).toBe(bad);
  expect(status(requests.open, string('x'))).toBe(bad);
  expect(status(requests.read, string('abcd'), uint64(0n), uint32(1))).toBe(failure);
  expect(status(requests.close, string(''))).toBe(failure);
  expect(status(requests.close, string(uint32(0)))).toBe(failure);
  expect(status(requests.stat, string('a\0b'))).not.toBe(ok);
  expect(status(requests.stat, string(''))).toBe(noSuchFile);
  expect(status(99)).toBe(unsupported);
  expect(status(requests.extended, string('format-disk@example.com'))).toBe(unsupported);
  expect(status(requests.mkdir, string('/x'), uint32(0x8000_0000), uint32(0xffff_ffff))).toBe(bad);
  expect(ask(requests.realpath, string('/')).type).toBe(104);
});

it('an sftp server limits open files, and opens one more when one is closed', () => {
  const { ask, status } = client();
  const open = () => ask(requests.open, string('/dev/null'), uint32(openFlags.read), noAttributes);
  const handles = Array.from({ length: handleLimit }, () => open().rest);
  expect(open().type).toBe(101);
  expect(status(requests.close, handles[0] ?? Buffer.alloc(0))).toBe(0);
  expect(open().type).toBe(102);
  for (const handle of handles.slice(1)) status(requests.close, handle);
});

it('an sftp server reads and writes anywhere in a file, and at its end with append', () => {
  const path = join(temporaryDirectory(), 'file');
  const { open, status, ask } = client();
  const flags = openFlags.read | openFlags.write | openFlags.create;
  const handle = open(path, flags);
  expect(status(requests.write, handle, uint64(3n), string('later'))).toBe(0);
  expect(status(requests.write, handle, uint64(0n), string('one'))).toBe(0);
  expect(ask(requests.read, handle, uint64(1n), uint32(100)).rest).toEqual(string('nelater'));
  expect(status(requests.read, handle, uint64(8n), uint32(100))).toBe(1);
  expect(status(requests.read, handle, uint64(1n << 63n), uint32(100))).toBe(5);
  const appending = open(path, openFlags.write | openFlags.append);
  expect(status(requests.write, appending, uint64(0n), string('!'))).toBe(0);
  expect(readFileSync(path, 'latin1')).toBe('onelater!');
  expect(status(requests.fsetstat, handle, uint32(1), uint64(3n))).toBe(0);
  expect(readFileSync(path, 'latin1')).toBe('one');
  expect(open(path, flags | openFlags.exclusive).readUInt32BE()).toBe(4);
});

it('an sftp server lists names of any bytes, for programs and for people', () => {
  const directory = temporaryDirectory();
  const odd = Buffer.from('caf\xe9\n', 'latin1');
  writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), odd]), 'x', { mode: 0o640 });
  symlinkSync('nowhere', join(directory, 'link'));
  mkdirSync(join(directory, 'sub'));
  const { ask, status } = client();
  const { rest: handle } = ask(requests.opendir, string(directory));
  const { type, rest } = ask(requests.readdir, handle);
  expect([type, rest.readUInt32BE()]).toEqual([104, 3]);
  const text = rest.toString('latin1');
  expect(text).toContain(string(odd).toString('latin1'));
  expect(text).toMatch(/-rw-r----- +1 \d+ +\d+ +1 \w{3} +\d+ \d\d:\d\d caf\xe9\n/);
  expect(text).toMatch(/lrwxrwxrwx .* link/);
  expect(text).toMatch(/drwx[rwx-]{6} .* sub/);
  expect(status(requests.readdir, handle)).toBe(1);
  expect(status(requests.close, handle)).toBe(0);
});

it('an sftp server renames onto an existing file only by posix-rename', () => {
  const directory = temporaryDirectory();
  const [from, to] = ['from', 'to'].map((name) => join(directory, name)) as [string, string];
  writeFileSync(from, 'new');
  writeFileSync(to, 'old');
  const { status } = client();
  expect(status(requests.rename, string(from), string(to))).toBe(4);
  expect(readFileSync(to, 'latin1')).toBe('old');
  const posix = string('posix-rename@openssh.com');
  expect(status(requests.extended, posix, string(from), string(to))).toBe(0);
  expect(readFileSync(to, 'latin1')).toBe('new');
  expect(status(requests.rename, string(to), string(from))).toBe(0);
  expect(readdirSync(directory)).toEqual(['from']);
  const sub = join(directory, 'sub');
  mkdirSync(sub);
  expect(status(requests.rename, string(sub), string(from))).toBe(4);
  expect(status(requests.rename, string(sub), string(`${sub}2`))).toBe(0);
});

it('an sftp server gives the real path also of a file that does not exist yet, and of ~', () => {
  const directory = temporaryDirectory();
  symlinkSync(directory, join(directory, 'up'));
  const { ask, status } = client(directory);
  const real = (path: string, type: number, ...first: Buffer[]) =>
    ask(type, ...first, string(path))
      .rest.toString()
      .split('\0')
      .find((part) => part.includes('/'));
  expect(real(`${directory}/up/up/new`, requests.realpath)).toContain(`${directory}/new`);
  expect(status(requests.realpath, string(`${directory}/no/new`))).toBe(2);
  expect(status(requests.realpath, string(`${directory}/no/..`))).toBe(2);
  const expand = string('expand-path@openssh.com');
  expect(real('~/x', requests.extended, expand)).toContain(`${directory}/x`);
  expect(real('~', requests.extended, expand)).toContain(directory);
});
