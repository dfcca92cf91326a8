// Writes dist/LICENSES.txt: the licenses of packages whose code is in the bundles. They ask to be passed on with the code.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @param root The package's directory.
 * @param modules The paths of bundled modules, relative to it or absolute.
 */
export function buildLicenses(root, modules) {
  const directories = new Set();
  for (const module of modules) {
    const [directory] =
      /node_modules\/(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+/.exec(module) ?? [];
    if (directory !== undefined) directories.add(directory);
  }
  const packagesOf = new Map();
  for (const directory of [...directories].sort()) {
    const path = join(root, directory);
    const { name, version, license } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
    const files = readdirSync(path).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
    const texts = files.map((file) => readFileSync(join(path, file), 'utf8').trim());
    const text = texts.join('\n\n') || `License: ${license}`;
    packagesOf.set(text, [...(packagesOf.get(text) ?? []), `${name} ${version}`]);
  }
  const line = '-'.repeat(80);
  const parts = [...packagesOf].map(([text, names]) => `${names.join('\n')}\n\n${text}\n`);
  writeFileSync(join(root, 'dist/LICENSES.txt'), parts.join(`\n${line}\n\n`));
}
