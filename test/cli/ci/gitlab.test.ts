// gomote ci gitlab as GitLab Runner calls a custom executor: a process for each stage, with the variables of its contract.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { until } from '../../helpers/processes.ts';
import { ending, workshop } from '../../helpers/programs.ts';

/** A runner: what it does of a job is told by the exit status of each stage. */
function runner(prepareArgs: readonly string[] = ['--type', 'local']) {
  const shop = workshop();
  const exitCodeFile = join(shop.directory, 'exit-code');
  const contract = {
    BUILD_FAILURE_EXIT_CODE: '101',
    SYSTEM_FAILURE_EXIT_CODE: '102',
    BUILD_EXIT_CODE_FILE: exitCodeFile,
  };
  let jobEnv: Record<string, string> = {};
  const start = (name: string, args: string[] = [], env: NodeJS.ProcessEnv = {}) =>
    shop.start('gomote', ['ci', 'gitlab', name, ...args], {
      detached: true,
      env: { ...shop.environment, ...contract, ...jobEnv, ...env },
    });
  const stage = async (...call: Parameters<typeof start>) => {
    const ended = await ending(start(...call));
    return { code: ended.code, stdout: ended.stdout.toString(), stderr: ended.stderr };
  };
  const config = async () => {
    const { stdout } = await stage('config');
    const answer = JSON.parse(stdout);
    jobEnv = answer.job_env;
    return answer;
  };
  const prepare = (env: NodeJS.ProcessEnv = {}) => stage('prepare', [...prepareArgs], env);
  const written = (script: string, name = 'build_script') => {
    const path = join(shop.directory, 'script');
    writeFileSync(path, script);
    return [path, name];
  };
  const run = (script: string) => stage('run', written(script));
  const startRun = (script: string) => start('run', written(script));
  const cleanup = () => stage('cleanup');
  return { ...shop, exitCodeFile, config, prepare, run, startRun, cleanup };
}

describe('gomote ci gitlab', () => {
  it('runs the scripts of a job on one machine, which ends with it', async () => {
    const { config, prepare, run, cleanup, gomote } = runner();
    const { builds_dir, driver } = await config();
    expect(builds_dir).toMatch(/^\/tmp\/gomote-ci-[^/]+\/builds$/);
    expect(driver.name).toBe('gomote');
    expect(await prepare()).toMatchObject({ code: 0, stderr: expect.stringMatching('me-local-0') });
    expect((await run(`mkdir -p ${builds_dir}; echo 1 > ${builds_dir}/a`)).code).toBe(0);
    const read = await run(`cat ${builds_dir}/a; echo "\${BASH_VERSION:+bash}"; echo no >&2`);
    expect(read).toEqual({ code: 0, stdout: '1\nbash\n', stderr: 'no\n' });
    expect((await cleanup()).code).toBe(0);
    expect((await gomote('list')).stdout.toString()).toBe('');
    expect(() => readFileSync(`${builds_dir}/a`)).toThrow('ENOENT');
    expect((await cleanup()).code).toBe(0);
  });

  it('distinguishes failures of the build from those of the system', async () => {
    const { config, prepare, run, cleanup, gomote, exitCodeFile } = runner();
    await config();
    await prepare();
    for (const status of [3, 125]) {
      expect((await run(`exit ${status}`)).code).toBe(101);
      expect(readFileSync(exitCodeFile, 'utf8')).toBe(String(status));
    }
    expect((await run('kill -9 $$')).code).toBe(101);
    await gomote('destroy', '--all');
    expect(await run('true')).toMatchObject({ code: 102, stderr: expect.stringMatching(/./) });
    expect((await cleanup()).code).toBe(0);
  });

  // The runner signals the process group, and cleans up.
  it.each(['SIGTERM', 'SIGKILL'] as const)('ends a job that is cancelled by %s', async (signal) => {
    const { config, prepare, startRun, cleanup, gomote, directory } = runner();
    await config();
    await prepare();
    const file = join(directory, 'pid');
    const child = startRun(`echo $$ > '${file}.new'; mv '${file}.new' '${file}'; sleep 600`);
    const over = ending(child);
    await until(() => existsSync(file));
    process.kill(-Number(child.pid), signal);
    expect((await over).code).not.toBe(0);
    expect((await cleanup()).code).toBe(0);
    expect((await gomote('list')).stdout.toString()).toBe('');
    const pid = readFileSync(file, 'utf8').trim();
    await until(() => !existsSync(`/proc/${pid}`));
  });

  it('makes no machine that the runner does not allow', async () => {
    const { config, prepare, gomote } = runner(['--type', 'nosuch', '--allow', 'local']);
    expect(await prepare()).toMatchObject({ code: 102, stderr: expect.stringMatching('config') });
    await config();
    expect((await prepare()).code).toBe(102);
    const other = await prepare({ CUSTOM_ENV_GOMOTE_TYPE: 'ssh:localhost' });
    expect(other).toMatchObject({ code: 102, stderr: expect.stringMatching('--allow') });
    expect((await gomote('list')).stdout.toString()).toBe('');
    expect((await prepare({ CUSTOM_ENV_GOMOTE_TYPE: 'local' })).code).toBe(0);
    // The runner tries again.
    expect((await prepare({ CUSTOM_ENV_GOMOTE_TYPE: 'local' })).code).toBe(0);
    expect((await gomote('list')).stdout.toString().trim().split('\n')).toHaveLength(1);
  });
});
