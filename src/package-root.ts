// This package: where it is, and its version.
import { readFileSync } from 'node:fs';

/** The package's directory. Both src/ and the built dist/ lie directly in it. */
export const packageRoot = new URL('../', import.meta.url);

export function readVersion(): string {
  const text = readFileSync(new URL('package.json', packageRoot), 'utf8');
  const parsed: { version?: unknown } = JSON.parse(text);
  return String(parsed.version);
}
