import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { clientOf, startBuildlet, type TestBuildlet } from '../helpers/buildlet.ts';
import { all } from '../helpers/collect.ts';
import { until } from '../helpers/processes.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const socketOf = (buildlet: TestBuildlet): string => buildlet.address.slice('unix:'.length);

/** Sends raw bytes and gives all that comes back until the server ends the connection. */
async function sendRaw(buildlet: TestBuildlet, request: string): Promise<string> {
  const socket = connect(socketOf(buildlet));
  socket.write(request);
  return await text(socket);
}

describe('writing a file', () => {
  it('sets the content and the mode, whatever the umask, and makes directories', async () => {
    const { workDir, ...buildlet } = await startBuildlet();
    const client = clientOf({ workDir, ...buildlet });
    await client.put('#!/bin/sh\n', 'a/b/tool', 0o777);
    await client.put('', 'empty', 0o400);
    expect(statSync(join(workDir, 'a/b/tool')).mode & 0o7777).toBe(0o777);
    expect(statSync(join(workDir, 'empty')).mode & 0o7777).toBe(0o400);
    expect(readFileSync(join(workDir, 'a/b/tool'), 'utf8')).toBe('#!/bin/sh\n');
  });

  it('leaves no partial file when it is cut, and keeps the old content', async () => {
    const buildlet = await startBuildlet();
    writeFileSync(join(buildlet.workDir, 'x'), 'old');
    const socket = connect(socketOf(buildlet));
    socket.write(
      'PUT /write?path=x&mode=420 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\npartial',
    );
    await until(() => readdirSync(buildlet.workDir).length === 2);
    socket.destroy();
    await until(() => readdirSync(buildlet.workDir).length === 1);
    expect(readFileSync(join(buildlet.workDir, 'x'), 'utf8')).toBe('old');
  });

  it('is refused with a bad Content-Length', async () => {
    const buildlet = await startBuildlet();
    for (const length of ['-1', 'abc', '5, 6', '1e3']) {
      const reply = await sendRaw(
        buildlet,
        `PUT /write?path=x&mode=420 HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\nhello`,
      );
      expect(reply).toMatch(/^HTTP\/1\.1 400 /);
    }
    expect(readdirSync(buildlet.workDir)).toEqual([]);
  });
});

describe('a link that leads out of the work directory', () => {
  async function withLink() {
    const outside = temporaryDirectory();
    writeFileSync(join(outside, 'secret'), 'secret');
    const buildlet = await startBuildlet();
    symlinkSync(outside, join(buildlet.workDir, 'out'));
    mkdirSync(join(buildlet.workDir, 'real'));
    symlinkSync('../out', join(buildlet.workDir, 'real/chain'));
    return { outside, buildlet, client: clientOf(buildlet) };
  }

  it.each(['out', 'real/chain'])('is not followed by any endpoint (%s)', async (link) => {
    const { outside, client } = await withLink();
    const refused = { code: 'ERR_PATH', status: 400 };
    await expect(client.put('x', `${link}/new`, 0o644)).rejects.toMatchObject(refused);
    await expect(client.put('x', `${link}/secret`, 0o644)).rejects.toMatchObject(refused);
    await expect(client.removeAll([`${link}/secret`])).rejects.toMatchObject(refused);
    await expect(client.getTar(link)).rejects.toMatchObject(refused);
    await expect(all(client.listDir(link))).rejects.toMatchObject(refused);
    await expect(client.putTar(gzipSync(Buffer.alloc(1024)), link)).rejects.toMatchObject({
      status: 400,
    });
    expect(readdirSync(outside)).toEqual(['secret']);
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret');
  });

  it('is replaced by a file of its name, and removed as a link', async () => {
    const { outside, buildlet, client } = await withLink();
    symlinkSync(join(outside, 'secret'), join(buildlet.workDir, 'file'));
    await client.put('mine', 'file', 0o644);
    expect(lstatSync(join(buildlet.workDir, 'file')).isFile()).toBe(true);
    await client.removeAll(['out', '.']);
    expect(readdirSync(buildlet.workDir)).toEqual([]);
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret');
  });
});

describe('removing', () => {
  it('removes read-only directories, too, such as those of Go’s module cache, for a user who is not root', async () => {
    const buildlet = await startBuildlet();
    mkdirSync(join(buildlet.workDir, 'mod/deep'), { recursive: true });
    writeFileSync(join(buildlet.workDir, 'mod/deep/file'), '');
    execFileSync('chmod', ['-R', 'a-w', join(buildlet.workDir, 'mod')]);
    await clientOf(buildlet).removeAll(['mod', 'absent']);
    expect(readdirSync(buildlet.workDir)).toEqual([]);
  });

  it('removes nothing if one path is bad', async () => {
    const buildlet = await startBuildlet();
    writeFileSync(join(buildlet.workDir, 'kept'), '');
    await expect(clientOf(buildlet).removeAll(['kept', '../x'])).rejects.toMatchObject({
      status: 400,
    });
    expect(readdirSync(buildlet.workDir)).toEqual(['kept']);
  });
});

describe('listing', () => {
  it('reports a name that its lines cannot carry and lists the rest, unless names are asked for escaped', async () => {
    const buildlet = await startBuildlet();
    writeFileSync(join(buildlet.workDir, 'a\tb\\c'), '');
    mkdirSync(join(buildlet.workDir, 'b\n-rw-r--r--\tforged\t1\t2020-01-01T00:00:00Z'));
    writeFileSync(join(buildlet.workDir, 'c'), '');
    const ask = (query: string) =>
      sendRaw(buildlet, `GET /ls${query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    const plain = await ask('?recursive=true');
    expect(plain).toMatch(
      /^HTTP\/1.1 200 .*"a\\tb.*\n"b\\n-rw-r--r--.*forged.*\n-rw-r--r--\tc\t0\t/s,
    );
    expect(plain).not.toMatch(/\n-rw-r--r--\tforged/);
    expect(await ask('?names=escaped')).toMatch(/Gomote-Names: escaped.*\ta\\tb\\\\c\t0\t/s);
  });

  it('reads a file again if only its content has changed, and otherwise remembers its digest', async () => {
    const buildlet = await startBuildlet();
    const client = clientOf(buildlet);
    const path = join(buildlet.workDir, 'f');
    const digest = async () => (await all(client.listDir('', { digest: true })))[0]?.digest;
    const write = (content: string) => {
      writeFileSync(path, content);
      utimesSync(path, 1e9, 1e9);
    };
    write('hello');
    await until(() => Date.now() - statSync(path).ctimeMs > 100);
    const first = await digest();
    const { atimeMs } = statSync(path);
    expect(await digest()).toBe(first);
    expect(statSync(path).atimeMs).toBe(atimeMs);
    write('HELLO');
    expect(await digest()).toBe(createHash('sha1').update('HELLO').digest('hex'));
  });

  it('of very many files arrives whole and in order', async () => {
    const buildlet = await startBuildlet();
    const names = Array.from(
      { length: 3000 },
      (_, i) => `file-${String(i).padStart(5, '0')}-with-a-long-name`,
    );
    for (const name of names) writeFileSync(join(buildlet.workDir, name), name);
    const entries = await all(clientOf(buildlet).listDir('', { digest: true }));
    expect(entries.map((entry) => entry.name)).toEqual(names);
    expect(new Set(entries.map((entry) => entry.digest)).size).toBe(3000);
  });
});

describe('archives', () => {
  it('pass in both directions with links, modes, times, empty directories and long names', async () => {
    const source = temporaryDirectory();
    const long = 'n'.repeat(120);
    const script = `mkdir -p empty ${long}/${long}/${long}; echo x > ${long}/${long}/${long}/file; ln -s ../up link; ln -s file ln2
      echo file > file; chmod 640 file; touch -d 2001-02-03T04:05:06Z file; mkdir ro; echo y > ro/y; chmod 555 ro; touch 'ünï cödé'; mkdir up`;
    execFileSync('sh', ['-c', script.replace('../up', 'up')], { cwd: source });
    const buildlet = await startBuildlet();
    const client = clientOf(buildlet);
    await client.putTar(execFileSync('tar', ['czf', '-', '-C', source, '.']), 'tree');
    const there = await buffer(await client.getTar('tree'));
    const back = temporaryDirectory();
    execFileSync('tar', ['xzpf', '-', '-C', back], { input: there });
    const describeTree = (directory: string) =>
      execFileSync('find', ['.', '-mindepth', '1', '-printf', '%p %y %m %l %Ts\\n'], {
        cwd: directory,
        encoding: 'utf8',
      })
        .split('\n')
        .sort()
        // The time of a link is not kept by every file system's tools.
        .map((line) => (/ l 777 /.test(line) ? line.replace(/ [0-9]+$/, '') : line));
    expect(describeTree(back)).toEqual(describeTree(source));
    execFileSync('chmod', ['-R', 'u+w', source, back]);
  });

  it('are fetched by the buildlet, redirects followed', async () => {
    const tree = temporaryDirectory();
    writeFileSync(join(tree, 'hello'), 'world');
    const archive = execFileSync('tar', ['czf', '-', '-C', tree, 'hello']);
    const server = createServer((request, response) => {
      if (request.url === '/moved') response.writeHead(302, { Location: '/x.tgz' }).end();
      else response.end(archive);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const buildlet = await startBuildlet();
    await clientOf(buildlet).putTarFromURL(`http://127.0.0.1:${port}/moved`, 'up');
    expect(readFileSync(join(buildlet.workDir, 'up/hello'), 'utf8')).toBe('world');
  });

  it('for go1.4 are fetched only once', async () => {
    const buildlet = await startBuildlet();
    mkdirSync(join(buildlet.workDir, 'go1.4'));
    // Port 9 answers nobody: the buildlet must not even try.
    await clientOf(buildlet).putTarFromURL('http://127.0.0.1:9/x.tgz', 'go1.4');
  });

  it('that are cut during an upload are an error and leave no partial file', async () => {
    const buildlet = await startBuildlet();
    const tree = temporaryDirectory();
    writeFileSync(join(tree, 'big'), Buffer.alloc(5 << 20, 'x'));
    const archive = execFileSync('tar', ['cf', '-', '-C', tree, 'big'], { maxBuffer: 16 << 20 });
    const body = gzipSync(archive, { level: 0 });
    const socket = connect(socketOf(buildlet));
    socket.write(
      `PUT /writetgz?dir=up HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    socket.write(body.subarray(0, 3 << 20));
    await until(
      () =>
        existsSync(join(buildlet.workDir, 'up')) &&
        readdirSync(join(buildlet.workDir, 'up')).length > 0,
    );
    socket.destroy();
    await until(() => !existsSync(join(buildlet.workDir, 'up')));
  });

  it('that fail during a download are cut, and the client reports it', async () => {
    const buildlet = await startBuildlet();
    writeFileSync(join(buildlet.workDir, 'a'), Buffer.alloc(4 << 20, 'x'));
    // A device cannot be packed: the failure comes after the file before it has gone out.
    try {
      execFileSync('mknod', [join(buildlet.workDir, 'b'), 'c', '1', '3'], { stdio: 'ignore' });
    } catch {
      // Only root makes devices; a name that is not UTF-8 fails as well, but anyone can make it.
      execFileSync('sh', ['-c', 'mkdir b && cd b && touch "$(printf "\\377")"'], {
        cwd: buildlet.workDir,
      });
    }
    await expect(clientOf(buildlet).getTar('').then(buffer)).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_(LOST|CONNECT|STATUS)$/),
    });
  });
});

describe('a request', () => {
  it('with a form that is too large is refused, and the buildlet lives on', async () => {
    const buildlet = await startBuildlet();
    const client = clientOf(buildlet);
    await expect(client.removeAll(['x'.repeat(11 << 20)])).rejects.toMatchObject({
      text: 'the form is larger than 10485760 bytes',
    });
    expect(await clientOf(buildlet).status()).toMatchObject({ version: 11 });
  });

  it('with a header that is too large is refused', async () => {
    const buildlet = await startBuildlet();
    const reply = await sendRaw(
      buildlet,
      `GET /status HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`,
    );
    expect(reply).toMatch(/^HTTP\/1\.1 431 /);
  });
});
