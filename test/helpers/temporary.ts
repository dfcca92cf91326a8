// Temporary directories that are gone when the test is over.
import { mkdtempSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { removeTreeSync } from '../../src/files/remove-tree.ts';

export function temporaryDirectory(): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'gomote-test-')));
  onTestFinished(() => removeTreeSync(directory));
  return directory;
}
