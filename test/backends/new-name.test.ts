import { expect, it } from 'vitest';
import { randomPartLength, withNewName } from '../../src/backends/new-name.ts';
import { GomoteError } from '../../src/errors.ts';

const taken = () => new GomoteError('ERR_NAME_TAKEN', 'somebody has it');

it('a new name ends in a random part, which begins with a letter and has no characters that look like others', async () => {
  const names = await Promise.all(
    Array.from({ length: 300 }, () => withNewName('me-linux', async (name) => name)),
  );
  expect(new Set(names).size).toBeGreaterThan(295);
  for (const name of names) {
    expect(name).toMatch(/^me-linux-[a-z][a-z2-9]{4}$/);
    expect(name.slice('me-linux'.length)).not.toMatch(/[ilouae013]/);
    expect(name).toHaveLength('me-linux'.length + randomPartLength);
  }
});

it('a name that is taken is followed by another, up to a limit', async () => {
  const tried: string[] = [];
  const made = await withNewName('a', async (name) => {
    tried.push(name);
    if (tried.length < 3) throw taken();
    return name;
  });
  expect(tried).toHaveLength(3);
  expect(made).toBe(tried[2]);
  expect(new Set(tried).size).toBe(3);
  await expect(withNewName('a', () => Promise.reject(taken()))).rejects.toThrow('somebody has it');
});

it('an error that is not about the name ends the attempts', async () => {
  let calls = 0;
  const failing = withNewName('a', async () => {
    calls++;
    throw new Error('down');
  });
  await expect(failing).rejects.toThrow('down');
  expect(calls).toBe(1);
});
