import { describe, expect, it } from 'vitest';
import { releaseAtEnd } from '../../src/tar/release.ts';

const large = 256 << 10;

describe('releaseAtEnd', () => {
  it('frees the memory of a buffer that is its end', () => {
    const whole = Buffer.allocUnsafeSlow(large);
    const { buffer } = whole;
    releaseAtEnd(whole.subarray(100));
    expect(buffer.byteLength).toBe(0);
    expect(whole.length).toBe(0);
  });

  it('keeps memory that goes on after the buffer', () => {
    const whole = Buffer.allocUnsafeSlow(large);
    releaseAtEnd(whole.subarray(0, large - 1));
    releaseAtEnd(whole.subarray(large));
    expect(whole.length).toBe(large);
  });

  it('keeps memory that may belong to a pool', () => {
    const small = Buffer.allocUnsafe(64);
    const end = Buffer.from(small.buffer, small.buffer.byteLength - 8);
    releaseAtEnd(end);
    expect(end.length).toBe(8);
  });
});
