// The files of the examples for container images: what is copied exists, and is enough to start.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { projectRoot } from '../helpers/programs.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

/** What a source of COPY names, from the project's root; a `*` stands in the last part alone. */
function filesOf(source: string): string[] {
  if (!source.includes('*')) return existsSync(join(projectRoot, source)) ? [source] : [];
  const [before = '', after = ''] = basename(source).split('*');
  return readdirSync(join(projectRoot, dirname(source)))
    .filter((name) => name.startsWith(before) && name.endsWith(after))
    .map((name) => join(dirname(source), name));
}

it.each(['coordinator', 'buildlet'])(
  'the image of a %s has every file that it starts with',
  (program) => {
    const path = join(projectRoot, `docs/kubernetes/${program}.Dockerfile`);
    const text = readFileSync(path, 'utf8');
    const root = temporaryDirectory();
    for (const [, line = ''] of text.matchAll(/^COPY (.*)$/gm)) {
      const [to = '', ...sources] = line.split(' ').reverse();
      for (const source of sources) {
        const directory = join(root, to);
        mkdirSync(directory, { recursive: true });
        expect(source, 'it exists').toSatisfy((one: string) => filesOf(one).length > 0);
        for (const file of filesOf(source)) {
          const name = to.endsWith('/') ? basename(file) : '';
          cpSync(join(projectRoot, file), join(directory, name), { recursive: true });
        }
      }
    }
    const [, list = '[]'] = /^ENTRYPOINT (.*)$/m.exec(text) ?? [];
    const [command = '', script = ''] = JSON.parse(list);
    expect(command).toBe('node');
    const started = spawnSync(process.execPath, [join(root, script), '--version'], {
      encoding: 'utf8',
      cwd: root,
    });
    // The status page, without which a coordinator does not serve.
    const page = join(root, 'opt/gomote/dist/web/login.html');
    expect(existsSync(page)).toBe(program === 'coordinator');
    expect(started).toMatchObject({ status: 0, stderr: '' });
  },
);
