// A command's output, copied to a writer that lives on.
import { PassThrough, Readable, Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { copyOutput } from '../../../src/client/runs/copy-output.ts';
import { Collector } from '../../helpers/collect.ts';

const events = ['drain', 'error', 'close', 'finish'];
const listeners = (output: Writable) => events.map((name) => output.listenerCount(name));

const failing = () =>
  new Writable({ write: (_chunk, _encoding, done) => done(new Error('the disk is full')) });

const throwing = () =>
  Object.assign(new Collector(), {
    write: () => {
      throw new Error('the disk is full');
    },
  });

describe('a copy of output', () => {
  it('is complete when it ends, and leaves its writer unchanged', async () => {
    const output = new Collector();
    const before = listeners(output);
    await copyOutput(Readable.from(['a', 'b']), output);
    expect(output.text).toBe('ab');
    expect(output.writableEnded).toBe(false);
    expect(listeners(output)).toEqual(before);
  });

  it.each([
    ['fails', failing, 'the disk is full'],
    ['throws', throwing, 'the disk is full'],
    ['is closed', () => new Collector().destroy(), /closed/],
    [
      'has failed',
      () =>
        failing()
          .on('error', () => undefined)
          .destroy(new Error('gone')),
      'gone',
    ],
  ] as const)(
    'to a writer that %s fails with that, and ends its source',
    async (_how, open, why) => {
      const body = new PassThrough();
      body.write('output');
      const output = open();
      const copied = copyOutput(body, output);
      output.on('error', () => undefined);
      await expect(copied).rejects.toThrow(why);
      expect(body.destroyed).toBe(true);
      // What the source says later ends nobody.
      body.emit('error', new Error('late'));
    },
  );

  it('whose source fails reports that in the caller’s words', async () => {
    const body = new PassThrough();
    const copied = copyOutput(body, new Collector(), (error) => new Error(`run: ${error.message}`));
    body.destroy(new Error('reset'));
    await expect(copied).rejects.toThrow('run: reset');
  });
});
