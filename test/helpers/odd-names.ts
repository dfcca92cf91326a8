// Trees whose names are any bytes.
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

/** Paths of files, one letter a byte, none of which is like an everyday name. */
export const oddPaths: readonly string[] = [
  'caf\xe9',
  'caf\xc3\xa9',
  'd\xff/in\xfe it',
  'd\xff/plain',
  '\x80',
  '\xed\xb2\x80',
  '\xef\xbf\xbd',
  'cut\xf0\x9f\x98',
  'new\nline',
  'tab\tin it',
  'back\\slash',
  'a\\..\\b',
  'esc\x1b[31m',
  'del\x7f',
  'quote"\'',
  ' blank ',
  '-dash',
  '*?[x]',
  '%41+&=',
  `${'l\xe9'.repeat(120)}/${'m\xe9'.repeat(120)}`,
];

/** Makes each file, with its own path as its content, and links whose names and targets are as odd. */
export function makeOddTree(top: string): void {
  for (const path of oddPaths) makeFile(top, path);
  symlinkSync(bytes('caf\xe9'), at(top, 'link\xe8'));
  symlinkSync(bytes('back\\slash'), at(top, 'link\\back'));
}

/** Makes a file with its own path as its content. */
export function makeFile(top: string, path: string): void {
  const slash = path.lastIndexOf('/');
  if (slash > 0) mkdirSync(at(top, path.slice(0, slash)), { recursive: true });
  writeFileSync(at(top, path), bytes(path));
}

/** The path below `top`, as Node takes it. */
export const at = (top: string, path: string): Buffer =>
  Buffer.concat([Buffer.from(`${top}/`), bytes(path)]);

/** Everything below `top` but our own state: by path, one letter a byte, what a file holds or where a link leads. */
export function readOddTree(top: string, prefix = ''): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(at(top, prefix), { encoding: 'buffer' })) {
    const path = prefix + name.toString('latin1');
    if (path === '.gomote' || path === '.git') continue;
    const stats = lstatSync(at(top, path));
    if (stats.isDirectory()) Object.assign(found, readOddTree(top, `${path}/`));
    else if (stats.isSymbolicLink()) {
      found[path] = `-> ${readlinkSync(at(top, path), { encoding: 'latin1' })}`;
    } else found[path] = readFileSync(at(top, path), 'latin1');
  }
  return found;
}
