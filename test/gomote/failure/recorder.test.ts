import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { outputText } from '../../../src/gomote/failure/output-text.ts';
import { OutputRecorder } from '../../../src/gomote/failure/recorder.ts';

const text = (recorder: OutputRecorder): string =>
  Buffer.concat([...outputText(recorder.kept())]).toString();

describe('a recorder of output', () => {
  it('gives each line its time and its stream', () => {
    const recorder = new OutputRecorder();
    recorder.take(Buffer.from('a\nb'), 'stdout', 0);
    recorder.take(Buffer.from('c\n'), 'stdout', 1_000);
    recorder.take(Buffer.from('pro'), 'stdout', 2_000);
    recorder.take(Buffer.from('oops\n'), 'stderr', 3_000);
    recorder.take(Buffer.from('mpt'), 'stdout', 4_000);
    expect(text(recorder)).toBe(
      [
        '1970-01-01T00:00:00.000Z stdout| a',
        '1970-01-01T00:00:00.000Z stdout| bc',
        '1970-01-01T00:00:02.000Z stdout| pro',
        '1970-01-01T00:00:03.000Z stderr| oops',
        '1970-01-01T00:00:04.000Z stdout| mpt',
        '',
      ].join('\n'),
    );
  });

  it('keeps the beginning and the end, and counts everything', () => {
    const recorder = new OutputRecorder({ headBytes: 10, tailBytes: 20 });
    const hash = createHash('sha256');
    for (let i = 0; i < 1_000; i++) {
      const line = Buffer.from(`${String(i).padStart(4, '0')}\n`);
      hash.update(line);
      recorder.take(line, 'stdout', 0);
    }
    const { head, dropped, tail } = recorder.kept();
    expect(head.map(({ bytes }) => String(bytes))).toEqual(['0000\n', '0001\n']);
    expect(tail.map(({ bytes }) => String(bytes))).toEqual([
      '0996\n',
      '0997\n',
      '0998\n',
      '0999\n',
    ]);
    expect(dropped).toBe(5_000 - 30);
    expect(recorder.sums().stdout).toEqual({ bytes: 5_000, sha256: hash.digest('hex') });
    expect(text(recorder)).toContain('0001\n... 4970 bytes are left out ...\n1970');
    recorder.restart();
    expect(recorder.kept()).toEqual({ head: [], dropped: 0, tail: [] });
  });

  it('keeps few very small pieces, and makes no endless text from empty lines', () => {
    const recorder = new OutputRecorder();
    for (let i = 0; i < 200_000; i++) recorder.take(Buffer.from('\n'), 'stderr', 0);
    recorder.take(Buffer.alloc(16 << 20, '\n'), 'stdout', 0);
    const { head, tail } = recorder.kept();
    expect(head.length + tail.length).toBeLessThanOrEqual(200_001);
    let bytes = 0;
    for (const piece of outputText(recorder.kept())) bytes += piece.length;
    expect(bytes).toBeLessThan(64 << 20);
  });
});
