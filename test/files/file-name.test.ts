import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitsInPath, whyNoName } from '../../src/files/file-name.ts';
import * as files from '../../src/files/named-fs.ts';
import { decodeForm, encodeForm } from '../../src/protocol/form.ts';
import { bytesOfName, nameFromBytes } from '../../src/protocol/name-bytes.ts';
import { compareBytes } from '../../src/protocol/relative-path.ts';
import { comparePaths } from '../../src/protocol/tree-entry.ts';
import { at, makeFile } from '../helpers/odd-names.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

/** Mostly such as are, or nearly are, UTF-8. */
const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 12 }),
  fc
    .tuple(fc.string({ unit: 'grapheme', maxLength: 6 }), fc.nat(), fc.nat(255))
    .map(([text, at_, byte]) => {
      const bytes = Buffer.from(text);
      if (bytes.length > 0) bytes[at_ % bytes.length] = byte;
      return new Uint8Array(bytes);
    }),
);

describe('a file name as text', () => {
  it('gives its bytes back, and is unchanged if they are UTF-8', () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        expect(bytesOfName(nameFromBytes(bytes))).toEqual(Buffer.from(bytes));
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(nameFromBytes(Buffer.from(text))).toBe(text);
      }),
    );
  });

  it('is ordered by its bytes', () => {
    fc.assert(
      fc.property(anyBytes, anyBytes, (a, b) => {
        const [x, y] = [nameFromBytes(a), nameFromBytes(b)];
        expect(Math.sign(compareBytes(x, y))).toBe(Math.sign(Buffer.compare(a, b)));
        expect(Math.sign(comparePaths(`d/${x}`, `d/${y}`)) === 0).toBe(Buffer.compare(a, b) === 0);
      }),
    );
  });

  it('passes unchanged through a form', () => {
    fc.assert(
      fc.property(fc.array(anyBytes, { maxLength: 4 }), (all) => {
        const path = all.map(nameFromBytes);
        expect(decodeForm(encodeForm({ path, a: 'b' })).getAll('path')).toEqual(path);
      }),
    );
  });
});

describe('the calls for names of any bytes', () => {
  it('find, list, link and remove files with such names', async () => {
    const top = temporaryDirectory();
    makeFile(top, 'd\xff/f\xe9');
    makeFile(top, 'd\xff/\xef\xbf\xbd');
    const directory = join(top, 'd\udcff');
    expect(files.readdirSync(top)).toEqual(['d\udcff']);
    expect((await files.readdir(directory)).sort()).toEqual(['f\udce9', '\ufffd'].sort());
    expect(files.readEntriesSync(directory).every((entry) => entry.isFile())).toBe(true);
    files.symlinkSync('f\udce9', `${directory}/l\udce8`);
    expect(files.readlinkSync(`${directory}/l\udce8`)).toBe('f\udce9');
    expect(await files.readlink(`${directory}/l\udce8`)).toBe('f\udce9');
    expect(files.realpathSync(`${directory}/l\udce8`)).toBe(
      `${files.realpathSync(top)}/d\udcff/f\udce9`,
    );
    expect(await files.realpath(directory)).toBe(`${files.realpathSync(top)}/d\udcff`);
    expect(files.lstatSync(`${directory}/absent`, { throwIfNoEntry: false })).toBeUndefined();
    files.rmSync(directory, { recursive: true });
    expect(execFileSync('ls', ['-A', top]).toString()).toBe('');
    expect(files.existsSync(at(top, 'd\xff').toString())).toBe(false);
  });
});

describe('a name that no file can have', () => {
  it.each([
    ['', 'linux'],
    ['.', 'linux'],
    ['..', 'linux'],
    ['a/b', 'linux'],
    ['a\0b', 'linux'],
    ['a\\b', 'win32'],
    ['a:b', 'win32'],
    ['a\nb', 'win32'],
    ['caf\udce9', 'win32'],
    ['dot.', 'win32'],
    ['CON', 'win32'],
    ['nul.txt', 'win32'],
    ['com1', 'win32'],
  ] as const)('is refused: %j on %s', (name, platform) => {
    expect(whyNoName(name, platform)).toEqual(expect.any(String));
  });

  it.each([
    ['a\\b', 'linux'],
    ['new\nline', 'linux'],
    ['caf\udce9', 'linux'],
    ['con', 'linux'],
    ['...', 'linux'],
    ['console', 'win32'],
    ['.git', 'win32'],
    ['caf\u00e9', 'win32'],
  ] as const)('does not include %j on %s', (name, platform) => {
    expect(whyNoName(name, platform)).toBeUndefined();
  });
});

it.each([
  ['linux', 4095],
  ['darwin', 1023],
  ['win32', 32_758],
] as const)('a path on %s has at most %i characters', (platform, most) => {
  expect(fitsInPath('n'.repeat(most), platform)).toBe(true);
  expect(fitsInPath('n'.repeat(most + 1), platform)).toBe(false);
});
