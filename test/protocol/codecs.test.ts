import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRemoteBuildlets } from '../../src/protocol/coordinator-replies.ts';
import { decodeExecForm, encodeExecForm, expandPath } from '../../src/protocol/exec.ts';
import {
  fileTypeOf,
  formatFileMode,
  parseFileMode,
  parseWriteMode,
} from '../../src/protocol/file-mode.ts';
import { decodeForm, encodeForm, parseBool } from '../../src/protocol/form.ts';
import { canListName, formatListLine, parseListLine } from '../../src/protocol/listing.ts';
import { formatProcessState, parseProcessState } from '../../src/protocol/process-state.ts';
import {
  compareBytes,
  normalizeRelativePath,
  pathElements,
} from '../../src/protocol/relative-path.ts';
import { parseStatus } from '../../src/protocol/replies.ts';
import { endingSignal, signals } from '../../src/protocol/signals.ts';
import { formatStatus } from '../../src/protocol/status.ts';

const text = fc.string({ unit: 'binary' });
const argument = text.filter((value) => !value.includes('\0'));
const typeBits = fc.constantFrom(
  0o100000,
  0o040000,
  0o120000,
  0o010000,
  0o140000,
  0o060000,
  0o020000,
);

describe('forms', () => {
  it('round-trip, with lists in order', () => {
    fc.assert(
      fc.property(fc.dictionary(text, fc.array(text)), (values) => {
        const decoded = decodeForm(encodeForm(values));
        for (const [name, list] of Object.entries(values))
          expect(decoded.getAll(name)).toEqual(list);
      }),
    );
  });

  it('leave out absent values', () => {
    expect(encodeForm({ a: '1', b: undefined, c: [], d: ['x', 'y'] })).toBe('a=1&d=x&d=y');
  });

  it.each(['1', 't', 'T', 'TRUE', 'true', 'True'])('read %s as true, as Go does', (word) => {
    expect(parseBool(word)).toBe(true);
  });

  it.each([null, '', '0', 'false', 'yes', 'tRUE'])('read %s as false', (word) => {
    expect(parseBool(word)).toBe(false);
  });
});

describe('file modes', () => {
  it('round-trip through their text', () => {
    fc.assert(
      fc.property(typeBits, fc.integer({ min: 0, max: 0o7777 }), (type, permissions) => {
        expect(parseFileMode(formatFileMode(type | permissions))).toEqual({
          type: fileTypeOf(type),
          permissions,
        });
      }),
    );
  });

  it.each([
    [0o100644, '-rw-r--r--'],
    [0o104755, 'urwxr-xr-x'],
    [0o041777, 'dtrwxrwxrwx'],
    [0o120777, 'Lrwxrwxrwx'],
    [0o010644, 'prw-r--r--'],
    [0o020600, 'Dcrw-------'],
    [0o060600, 'Drw-------'],
    [0o140755, 'Srwxr-xr-x'],
    [0o042755, 'dgrwxr-xr-x'],
    [0o107000, 'ugt---------'],
  ])('%o prints as %s, as Go prints it', (mode, expected) => {
    expect(formatFileMode(mode)).toBe(expected);
  });

  it('refuse any other text', () => {
    fc.assert(
      fc.property(fc.string(), (garbage) => {
        const parsed = parseFileMode(garbage);
        if (parsed !== undefined)
          expect(garbage).toMatch(/^[-dLDpSugct?]+[-rwx]{9}$|^[dLDpSugct?]*[-rwx]{9}$/);
      }),
    );
  });

  it.each([
    ['420', 0o644],
    ['0', 0],
    ['511', 0o777],
  ])('the write mode %s is decimal', (given, expected) => {
    expect(parseWriteMode(given)).toBe(expected);
  });

  it.each(['', 'rw', '-1', '1.5', '0x1ff', '512', '2147484141', '1e2', '420 '])(
    'the write mode %j is refused',
    (given) => {
      expect(parseWriteMode(given)).toBeUndefined();
    },
  );
});

describe('listing lines', () => {
  const name = fc
    .array(
      fc
        .string({ unit: 'grapheme', minLength: 1 })
        .filter((n) => canListName(n) && !n.includes('/')),
      {
        minLength: 1,
        maxLength: 4,
      },
    )
    .map((parts) => parts.join('/'));

  it('round-trip', () => {
    fc.assert(
      fc.property(
        typeBits,
        fc.integer({ min: 0, max: 0o7777 }),
        name,
        fc.maxSafeNat(),
        fc.integer({ min: 0, max: 4_000_000_000 }),
        fc.option(fc.stringMatching(/^[0-9a-f]{40}$/), { nil: undefined }),
        (type, permissions, path, sizeBytes, seconds, sha1) => {
          const file = {
            mode: type | permissions,
            name: path,
            sizeBytes,
            mtimeMs: seconds * 1000,
            sha1,
          };
          const line = formatListLine(file);
          expect(line.endsWith('\n')).toBe(true);
          const entry = parseListLine(line.slice(0, -1));
          const isFile = type === 0o100000;
          expect(entry).toMatchObject({
            name: path,
            permissions,
            isDirectory: type === 0o040000,
            size: isFile ? sizeBytes : undefined,
            digest: isFile ? sha1 : undefined,
          });
          expect(entry?.mtime?.getTime()).toBe(isFile ? seconds * 1000 : undefined);
        },
      ),
    );
  });

  it.each([
    '',
    'garbage',
    '-rw-r--r--',
    '-rw-r--r--\ta\tnot-a-size',
    '-rw-r--r--\ta\t1\tnever',
    '-rw-r--r--\ta\t1\t2020-01-02T03:04:05Z\tx\ty',
  ])('refuse %j', (line) => {
    expect(parseListLine(line)).toBeUndefined();
  });

  it('cut off fractions of seconds, also before 1970', () => {
    const line = (mtimeMs: number) =>
      formatListLine({ mode: 0o100644, name: 'a', sizeBytes: 0, mtimeMs });
    expect(line(1577934245999)).toContain('2020-01-02T03:04:05Z');
    expect(line(-1)).toContain('1969-12-31T23:59:59Z');
  });
});

describe('relative paths', () => {
  const element = fc.oneof(fc.constantFrom('.', '..', '', 'a', 'b c', 'ü'), fc.string());

  it('never climb out, are never absolute, and normalising twice changes nothing', () => {
    fc.assert(
      fc.property(fc.array(element), (elements) => {
        const normal = normalizeRelativePath(elements.join('/'));
        if (normal === undefined) return;
        expect(normal.startsWith('/')).toBe(false);
        expect(pathElements(normal)).not.toContain('..');
        expect(pathElements(normal)).not.toContain('');
        expect(normalizeRelativePath(normal)).toBe(normal);
      }),
    );
  });

  it.each([
    ['', '.'],
    ['.', '.'],
    ['./', '.'],
    ['a/../b', 'b'],
    ['a//b/', 'a/b'],
    ['a/..', '.'],
    ['...', '...'],
  ])('normalise %j to %j', (given, expected) => {
    expect(normalizeRelativePath(given)).toBe(expected);
  });

  it.each(['/', '/etc', '..', '../x', 'a/../../b', 'a\0b'])('refuse %j', (given) => {
    expect(normalizeRelativePath(given)).toBeUndefined();
  });

  it('with a backslash are refused only on Windows, where it separates', () => {
    expect(normalizeRelativePath('a\\..\\..\\b', 'win32')).toBeUndefined();
    expect(normalizeRelativePath('a\\..\\..\\b', 'linux')).toBe('a\\..\\..\\b');
  });

  it('are ordered as their UTF-8 bytes', () => {
    const valid = fc.string({ unit: 'binary' });
    fc.assert(
      fc.property(valid, valid, (a, b) => {
        expect(Math.sign(compareBytes(a, b))).toBe(
          Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b))),
        );
      }),
    );
  });
});

describe('exec requests', () => {
  const pair = fc
    .tuple(fc.stringMatching(/^[A-Z_]+$/), argument)
    .map(([name, value]) => `${name}=${value}`);

  it('decode to what was encoded; an absent, an empty and a given path stay distinct', () => {
    fc.assert(
      fc.property(
        argument.filter((cmd) => cmd !== ''),
        fc.array(argument),
        fc.array(pair),
        fc.option(fc.array(argument.filter((part) => part !== '$EMPTY')), { nil: undefined }),
        fc.boolean(),
        (cmd, args, env, path, debug) => {
          const request = { cmd, systemLevel: true, dir: '', args, env, path, debug };
          expect(decodeExecForm(encodeExecForm(request))).toEqual(request);
        },
      ),
    );
  });

  it('join the paths as the protocol defines', () => {
    expect(expandPath(['$WORKDIR/bin', '$PATH', '/x'], '/usr/bin:/bin', '/w')).toBe(
      '/w/bin:/usr/bin:/bin:/x',
    );
    expect(expandPath([], '/usr/bin', '/w')).toBeUndefined();
    expect(expandPath(['a$PATH', '$WORKDIR$WORKDIR'], '/usr/bin', '$PATH')).toBe(
      'a$PATH:$PATH$PATH',
    );
    expect(expandPath(['$PATH'], undefined, '/w')).toBe('');
  });

  it('keep every element of a path without variables', () => {
    const plain = fc.array(
      fc.string().filter((part) => !part.includes('$')),
      { minLength: 1 },
    );
    fc.assert(
      fc.property(plain, (elements) => {
        expect(expandPath(elements, '/usr/bin', '/w')).toBe(elements.join(':'));
      }),
    );
  });
});

describe('process states', () => {
  it('round-trip for every exit status and signal', () => {
    for (let exitCode = 0; exitCode <= 255; exitCode++) {
      expect(parseProcessState(formatProcessState(exitCode, null))).toEqual({
        kind: 'exited',
        exitCode,
      });
    }
    for (const { name, number } of signals) {
      const state = { kind: 'signaled', signal: name, signalNumber: number };
      expect(parseProcessState(formatProcessState(null, name))).toEqual(state);
    }
  });

  it.each([
    ['exit status 0xc0000005', { kind: 'exited', exitCode: 0xc0000005 }],
    [
      'signal: segmentation fault (core dumped)',
      { kind: 'signaled', signal: 'SIGSEGV', signalNumber: 11 },
    ],
    ['signal: signal 34', { kind: 'signaled', signal: 'SIG34', signalNumber: 34 }],
    ['fork/exec /x: no such file or directory', { kind: 'not-started', reason: 'not-found' }],
    ['exec: "x": executable file not found in $PATH', { kind: 'not-started', reason: 'not-found' }],
    [
      'exec: "x": executable file not found in %PATH%',
      { kind: 'not-started', reason: 'not-found' },
    ],
    ['fork/exec /x: permission denied', { kind: 'not-started', reason: 'not-executable' }],
    ['fork/exec /x: exec format error', { kind: 'not-started', reason: 'not-executable' }],
    ['chdir /w/absent: no such file or directory', { kind: 'not-started', reason: 'other' }],
    ['something new', { kind: 'not-started', reason: 'other' }],
  ])('read %s as %j', (state, expected) => {
    expect(parseProcessState(state)).toEqual(expected);
  });

  it.each([
    '',
    'exit status',
    'exit status ',
    'exit status -1',
    'exit status +0',
    'exit status 1e3',
    'exit status 0.5',
    'exit status NaN',
    'exit status 0 ',
    'exit status 4294967296',
    `exit status ${'9'.repeat(400)}`,
    'exit status 0x100000000',
    'signal:',
    'signal: ',
    'signal: nosuch',
    'signal: signal 0',
    'signal: signal 65',
    'signal: signal 128',
    'signal: signal 99999999999',
    'signal: signal -1',
  ])('do not include %j', (state) => {
    expect(parseProcessState(state)).toBeUndefined();
  });

  it('use the number of a signal without a name', () => {
    expect(endingSignal('SIG34')).toEqual({ name: 'SIG34', number: 34, text: 'signal 34' });
    expect(endingSignal('SIG9')?.name).toBe('SIGKILL');
    for (const name of ['SIG0', 'SIG65', 'SIG128', 'SIG1e1', 'SIG'])
      expect(endingSignal(name)).toBeUndefined();
  });
});

describe('JSON replies', () => {
  it('ignore unknown fields', () => {
    expect(parseStatus('{"Version":11,"Else":1}')).toEqual({ version: 11, features: [] });
    expect(formatStatus({ version: 11, features: [] })).toBe('{"Version":11}');
    const status = { version: 11, features: ['a', 'b'] };
    expect(parseStatus(formatStatus(status))).toEqual(status);
  });

  it.each(['', 'null', '[]', '{"Version":"11"}', '{"Version":1'])(
    'refuse %j as a status',
    (body) => {
      expect(parseStatus(body)).toBeUndefined();
    },
  );

  it('read times of nanoseconds, as Go writes them', () => {
    const [remote] =
      parseRemoteBuildlets(
        '[{"User":"user-g","Name":"n","HostType":"h","BuilderType":"b","Created":"2026-11-24T02:25:40.610250005Z","Expires":"2026-11-24T04:55:40+02:00"}]',
      ) ?? [];
    expect(remote?.created.toISOString()).toBe('2026-11-24T02:25:40.610Z');
    expect(remote?.expires.toISOString()).toBe('2026-11-24T02:55:40.000Z');
  });

  it('refuse a list of other values', () => {
    expect(parseRemoteBuildlets('{}')).toBeUndefined();
    expect(parseRemoteBuildlets('[{"Name":"n"}]')).toBeUndefined();
  });
});
