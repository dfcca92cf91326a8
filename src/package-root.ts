// This package: where it is, and its version.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The package's directory. Both src/ and the built dist/ lie directly in it. */
export const packageRoot = join(import.meta.dirname, '..');

export function readVersion(): string {
  const text = readFileSync(join(packageRoot, 'package.json'), 'utf8');
  const parsed: { version?: unknown } = JSON.parse(text);
  return String(parsed.version);
}
