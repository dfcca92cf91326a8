// Runs the tests that need a Docker engine, or says loudly that they were not run.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

if (!process.env.DOCKER_HOST) {
  console.error(`
  ############################################################################
  #  NOT RUN: the tests on a real Docker engine
  #  DOCKER_HOST is not set. Any engine will do; the tests need the docker
  #  command, and remove what they make.
  #  test/docker/engine up DIR   brings one up from Debian's packages, as root
  ############################################################################
`);
  process.exitCode = process.env.REQUIRE_DOCKER === '1' ? 1 : 0;
} else {
  const root = join(import.meta.dirname, '..');
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const args = ['run', '--config', 'vitest.docker.config.ts', ...process.argv.slice(2)];
  const { status } = spawnSync(process.execPath, [vitest, ...args], {
    cwd: root,
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;
}
