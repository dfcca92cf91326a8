// The table of names in docs/library.md.
import { readFileSync } from 'node:fs';

const page = readFileSync(new URL('../../docs/library.md', import.meta.url), 'utf8');

interface Row {
  /** The type whose members they are, where the row names one. */
  readonly type: string | undefined;
  /** What the package has for Go's names. */
  readonly names: readonly string[];
}

/** Its rows, without what Node has and the codes of errors. */
export function rowsOfNames(): Row[] {
  const table = page.slice(page.indexOf('| Go | here |'));
  const rows = [...table.matchAll(/^\| (.*) \| (.*) \|$/gm)].slice(1);
  return rows.map(([, , here = '']) => {
    const [, type, members] = /`((?!ERR_)[A-Z]\w+)`: (.*)/.exec(here) ?? [];
    const found = [...(members ?? here).matchAll(/`(\w+)(?:\(\))?`/g)].flatMap(([, name]) => name);
    const names = found.filter((name) => name !== undefined);
    return { type, names: names.filter((name) => !['code', 'parseArgs'].includes(name)) };
  });
}
