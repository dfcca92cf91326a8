// Removes from dist/types what no program gets to see: declarations that neither door of the library leads to.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

const types = join(import.meta.dirname, '../dist/types');
const reached = new Set(['index.d.ts', 'testing.d.ts'].map((name) => join(types, name)));
for (const file of reached) {
  const text = readFileSync(file, 'utf8');
  for (const [, from] of text.matchAll(/(?:from|import) ?\(?["'](\.[^"']+)\.ts["']/g)) {
    reached.add(join(dirname(file), `${from}.d.ts`));
  }
}
for (const entry of readdirSync(types, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name);
  if (entry.isFile() && !reached.has(path)) rmSync(path);
}
