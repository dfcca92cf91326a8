import { execFileSync } from 'node:child_process';
import { expect, it, onTestFinished } from 'vitest';
import { docker, images, isPodman, newLab } from './lab.ts';

// Podman cannot commit a container with changes.
it.skipIf(isPodman)(
  "the environment of an image reaches commands, and not the buildlet's own Node and loader",
  async () => {
    const image = `gomote-test/odd-${process.pid}:1`;
    const variables = {
      NODE_OPTIONS: '--require /nothing.js',
      LD_PRELOAD: '/nothing.so',
      LD_LIBRARY_PATH: '/nowhere',
      OPENSSL_CONF: '/nothing.cnf',
    };
    const changes = Object.entries(variables).flatMap(([name, value]) => [
      '--change',
      `ENV ${name}="${value}"`,
    ]);
    const container = docker('create', images.shell, 'none');
    onTestFinished(() => {
      docker('rm', container);
      docker('rmi', '-f', image);
    });
    docker('commit', ...changes, container, image);
    const { gomote, create } = newLab();
    const name = await create(`docker:${image}`);
    const { stdout } = await gomote(['run', name, '/bin/bash', '-c', 'export -p']);
    for (const [variable, value] of Object.entries(variables)) {
      expect(stdout).toContain(`declare -x ${variable}="${value}"`);
    }
    expect(stdout).not.toContain('GOMOTE_FOR_COMMANDS');
    expect(execFileSync('docker', ['inspect', name], { encoding: 'utf8' })).not.toMatch(
      /password/i,
    );
  },
);
