import { existsSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startBuildlet } from '../helpers/buildlet.ts';

/** The first half of a tar archive of one file. */
function halfArchive(): Buffer {
  const header = Buffer.alloc(512);
  header.write('big\0');
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write('00003641100\0', 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write('0ustar\u000000', 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const archive = gzipSync(Buffer.concat([header, Buffer.alloc(1_000_000, 'x')]), { level: 0 });
  return archive.subarray(0, archive.length / 2);
}

describe('an upload that stalls', () => {
  it.each([
    ['/writetgz?dir=d', halfArchive()],
    ['/write?path=d/f&mode=420', Buffer.from('half')],
  ])('to %s is abandoned, and leaves nothing', async (path, half) => {
    const buildlet = await startBuildlet({ uploadIdleMs: 100 });
    const socket = connect(buildlet.address.slice('unix:'.length));
    onTestFinished(() => void socket.destroy());
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => undefined).resume();
    const there = join(buildlet.workDir, 'd');
    socket.write(`PUT ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n`);
    socket.write(half);
    await closed;
    await expect
      .poll(() => (existsSync(there) ? readdirSync(there) : []), { timeout: 60_000 })
      .toEqual([]);
    await expect.poll(() => buildlet.log, { timeout: 60_000 }).toEqual([]);
  });
});
