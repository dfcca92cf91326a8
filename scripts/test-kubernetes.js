// Runs the tests that need a Kubernetes cluster, or says loudly that they were not run.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const missing = ['KUBECONFIG', 'GOMOTE_TEST_IMAGE'].filter((name) => !process.env[name]);

if (missing.length > 0) {
  const required = process.env.REQUIRE_K8S === '1';
  console.error(`
  ############################################################################
  #  NOT RUN: the tests on a real Kubernetes cluster
  #  ${missing.join(' and ')} not set.
  #  KUBECONFIG=…          a cluster in which namespaces may be made
  #  GOMOTE_TEST_IMAGE=…   an image whose entry point is this buildlet, with sh and seq
  #                        (docs/kubernetes/buildlet.Dockerfile makes one)
  ############################################################################
`);
  process.exitCode = required ? 1 : 0;
} else {
  const root = join(import.meta.dirname, '..');
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const config = ['run', '--config', 'vitest.kubernetes.config.ts'];
  const run = (...args) =>
    spawnSync(process.execPath, [vitest, ...config, ...args], { cwd: root, stdio: 'inherit' })
      .status;
  const given = process.argv.slice(2);
  // Nothing else can be tested while the API server is killed.
  const alone = 'test/kubernetes/api-server-killed.test.ts';
  process.exitCode = run('--exclude', alone, ...given) ?? 1;
  if (!process.env.GOMOTE_TEST_APISERVER_PID_FILE) {
    console.error(`NOT RUN: ${alone}: GOMOTE_TEST_APISERVER_PID_FILE is not set`);
  } else if (given.length === 0) {
    process.exitCode ||= run(alone) ?? 1;
  }
}
