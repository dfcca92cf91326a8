import { expect, it } from 'vitest';
import { makeKeys, readKey } from '../../src/ssh/keys.ts';

it('every key pair that is made can be read', () => {
  // The package that makes them gets one pair in 256 wrong.
  for (let i = 0; i < 2_000; i++) {
    const { privateKey, publicKey } = makeKeys('gomote');
    const key = readKey(privateKey)?.getPublicSSH();
    expect(key?.length).toBe(51);
    expect(readKey(publicKey)?.getPublicSSH()).toEqual(key);
  }
});
