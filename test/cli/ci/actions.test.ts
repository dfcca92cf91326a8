// The GitHub action and the Buildkite plugin, run as their systems do: files and variables of the contract, a process for each part.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { until } from '../../helpers/processes.ts';
import { ending, projectRoot, type Workshop, workshop } from '../../helpers/programs.ts';

function checkout(): Workshop & { tree: string } {
  const shop = workshop();
  const tree = join(shop.directory, 'tree');
  mkdirSync(tree);
  writeFileSync(join(tree, 'build.sh'), 'echo built; exit "$1"\n');
  return { ...shop, tree };
}

const listed = async ({ gomote }: Workshop) => (await gomote('list')).stdout.toString();

describe('the GitHub action', () => {
  const action = readFileSync(join(projectRoot, 'action.yml'), 'utf8');
  const fileOf = (key: string) =>
    join(projectRoot, new RegExp(`^  ${key}: (.*)$`, 'm').exec(action)?.[1] ?? '');

  function job(inputs: Record<string, string>) {
    const shop = checkout();
    const file = (name: string) => join(shop.directory, name);
    const files = { GITHUB_STATE: file('s'), GITHUB_OUTPUT: file('o'), GITHUB_ENV: file('e') };
    for (const path of Object.values(files)) writeFileSync(path, '');
    const given = Object.entries(inputs).map(([key, text]) => [`INPUT_${key.toUpperCase()}`, text]);
    const start = (key: string) => {
      const state = readFileSync(files.GITHUB_STATE, 'utf8').matchAll(/^(\w+)=(.*)$/gm);
      const states = [...state].map(([, name, text]) => [`STATE_${name}`, text]);
      const env = { ...shop.environment, ...files, ...Object.fromEntries([...given, ...states]) };
      return shop.start(process.execPath, [fileOf(key)], { cwd: shop.tree, env });
    };
    return { ...shop, files, start };
  }

  it('ends with a post step that always runs', () => {
    expect(action).toMatch(/^ {2}post-if: always\(\)$/m);
  });

  it.each([0, 3])('pushes, runs a line that ends with %i, and ends its machine', async (status) => {
    const one = job({ type: 'local', push: 'true', run: `sh build.sh ${status}` });
    const main = await ending(one.start('main'));
    expect(main).toMatchObject({ code: status });
    expect(main.stdout.toString()).toContain('built\n');
    const name = (await listed(one)).split('\t')[0];
    expect(readFileSync(one.files.GITHUB_OUTPUT, 'utf8')).toBe(`name=${name}\n`);
    expect(readFileSync(one.files.GITHUB_ENV, 'utf8')).toBe(`GOMOTE_BUILDLET=${name}\n`);
    expect((await ending(one.start('post'))).code).toBe(0);
    expect(await listed(one)).toBe('');
  });

  it('ends its machine when the job is cancelled, and has nothing to end when none was made', async () => {
    const one = job({ type: 'local', push: 'true', run: 'sleep 600' });
    const main = one.start('main');
    const over = ending(main);
    await until(() => readFileSync(one.files.GITHUB_ENV, 'utf8') !== '');
    main.kill('SIGINT');
    expect((await over).code).not.toBe(0);
    expect((await ending(one.start('post'))).code).toBe(0);
    expect(await listed(one)).toBe('');
    const other = job({ type: 'nosuch' });
    expect((await ending(other.start('main'))).code).toBe(1);
    expect((await ending(other.start('post'))).code).toBe(0);
  });
});

describe('the Buildkite plugin', () => {
  /** A step. As the agent does: hooks are sourced, so that what they export is there for the next; pre-exit runs always. */
  function step(shop: ReturnType<typeof checkout>, command: string) {
    const hooks = join(projectRoot, 'ci/buildkite/hooks');
    const script = [
      `trap 'bash -c "$(declare -p GOMOTE_STEP_MACHINE); export GOMOTE_STEP_MACHINE; . ${hooks}/pre-exit"' EXIT`,
      `. ${hooks}/pre-command`,
      `set +e; bash ${hooks}/command; exit $?`,
    ].join('\n');
    const variables = { BUILDKITE_PLUGIN_GOMOTE_TYPE: 'local', BUILDKITE_COMMAND: command };
    const env = { ...shop.environment, ...variables };
    return shop.start('bash', ['-c', script], { cwd: shop.tree, env, detached: true });
  }

  it.each([0, 3])(
    'runs a command that ends with %i on a machine that ends with the step',
    async (status) => {
      const shop = checkout();
      const ended = await ending(step(shop, `sh build.sh ${status}`));
      expect({ code: ended.code, stderr: ended.stderr }).toMatchObject({ code: status });
      expect(ended.stdout.toString()).toContain('built\n');
      expect(await listed(shop)).toBe('');
    },
  );

  it('ends its machine when the step is cancelled', async () => {
    const shop = checkout();
    const file = join(shop.directory, 'started');
    const child = step(shop, `touch '${file}'; sleep 600`);
    const over = ending(child);
    await until(() => existsSync(file));
    process.kill(-Number(child.pid), 'SIGTERM');
    expect((await over).code).not.toBe(0);
    expect(await listed(shop)).toBe('');
  });
});
