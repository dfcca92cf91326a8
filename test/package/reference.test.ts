// The API reference builds from what is in the package: TypeDoc has no warning, and every export has a page.
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { API, type Symbol as ApiSymbol } from 'typescript/unstable/sync';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** The names that a module exports, its types too. */
function exportsOf(doors: readonly string[]): string[][] {
  const api = new API({ cwd: root });
  const [project] = api
    .updateSnapshot({ openProjects: [join(root, 'tsconfig.types.json')] })
    .getProjects();
  const { checker, program } = project as NonNullable<typeof project>;
  const names = doors.map((door) => {
    const file = program.getSourceFile(join(root, door));
    const front = file && checker.getSymbolAtLocation(file);
    const symbols: readonly ApiSymbol[] = front ? checker.getExportsOfModule(front) : [];
    return symbols.map(({ name }) => name).sort();
  });
  api.close();
  return names;
}

const pagesOf = (directory: string): string[] =>
  ['classes', 'functions', 'interfaces', 'type-aliases', 'variables'].flatMap((kind) => {
    try {
      return readdirSync(join(root, 'docs/api', directory, kind)).map((page) =>
        page.replace(/\.md$/, ''),
      );
    } catch {
      return [];
    }
  });

it('TypeDoc builds the reference without a warning, with a page for every export', {
  timeout: 300_000,
}, () => {
  execFileSync('npm', ['run', 'docs:api'], { cwd: root, encoding: 'utf8' });
  const [library = [], testing = []] = exportsOf(['src/index.ts', 'src/testing.ts']);
  expect(library.length).toBeGreaterThan(100);
  expect(pagesOf('gomote').sort()).toEqual(library);
  expect(pagesOf('gomote/testing').sort()).toEqual(testing);
});
