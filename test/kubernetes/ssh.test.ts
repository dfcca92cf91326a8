// A pod as tools that speak ssh see it, and its ports.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeOddTree } from '../helpers/odd-names.ts';
import { lines, portOf, sent } from '../helpers/ports.ts';
import { hasSsh, type SshWorkshop, useBySsh, withSsh } from '../helpers/ssh.ts';
import { useAsCode, useAsJetBrains, useAsMutagen } from '../helpers/ssh-editors.ts';
import { hasTool } from '../helpers/tools.ts';
import { clusterWorkshop, makeNamespace } from './cluster.ts';

const namespace = await makeNamespace();

async function podWithSsh(more?: string): Promise<SshWorkshop> {
  const shop = clusterWorkshop(namespace, more);
  const made = await shop.gomote('create', 'linux');
  expect(made).toMatchObject({ code: 0 });
  return await withSsh(shop, made.stdout.toString().trim());
}

it.skipIf(!hasSsh).each([
  ['the way that is configured', ''],
  ['the API server', 'reach = "forward"'],
])('ssh and scp to a pod work through %s', async (_way, more) => {
  await useBySsh(await podWithSsh(more));
});

it.skipIf(!hasSsh)('a pod supports editors and tools that speak ssh', async () => {
  const shop = await podWithSsh();
  await useAsCode(shop);
  await useAsMutagen(shop);
  await useAsJetBrains(shop);
});

it.skipIf(!hasSsh)('files of a pod are written and read by sftp and rsync', async ({ skip }) => {
  const shop = await podWithSsh();
  const { directory, name, config, run, ssh } = shop;
  writeFileSync(join(directory, 'here'), 'of here\n');
  writeFileSync(join(directory, 'batch'), 'put here there\nrename there then\nget then back\n');
  const sftp = await run('sftp', '-F', config, '-b', 'batch', name);
  expect(sftp).toMatchObject({ code: 0 });
  expect(existsSync(join(directory, 'back'))).toBe(true);
  const hasRsync = hasTool('rsync') && (await ssh(name, 'command -v rsync')).code === 0;
  if (!hasRsync) skip('rsync is not installed here and in the image');
  const tree = join(directory, 'tree');
  mkdirSync(tree);
  makeOddTree(tree);
  // rsync leaves the time of a directory or a link alone when it is of the same second.
  execFileSync('find', [tree, '-exec', 'touch', '-h', '-d', '@1000000000.5', '{}', '+']);
  const rsync = (...args: string[]) => run('rsync', '-aH', '-e', `ssh -F ${config}`, ...args);
  expect(await rsync('tree/', `${name}:tree/`)).toMatchObject({ code: 0, stderr: '' });
  expect(await rsync(`${name}:tree/`, 'again/')).toMatchObject({ code: 0, stderr: '' });
  const differences = await run('rsync', '-aHnci', '--delete', 'tree/', 'again/');
  expect(differences).toMatchObject({ code: 0, stdout: Buffer.alloc(0) });
});

it.skipIf(!hasSsh)('a port of a pod is reached by forward and proxy', async () => {
  const { start, name } = await podWithSsh();
  const server =
    "require('node:net').createServer((s) => s.pipe(s)).listen(0, '127.0.0.1', " +
    'function () { console.log(this.address().port) })';
  const serving = start('gomote', ['run', name, 'node', '-e', server]);
  const [[port]] = await lines(serving, 1);
  const forwarding = start('gomote', ['forward', name, `0:${port}`]);
  const [[line]] = await lines(forwarding, 1);
  expect(await sent(portOf(line), 'by forward')).toBe('by forward');
  const proxied = start('gomote', ['proxy', name, String(port)], { stdio: 'pipe' });
  proxied.stdin?.write('by proxy\n');
  expect((await lines(proxied, 1))[0]).toEqual(['by proxy']);
  for (const program of [proxied, forwarding, serving]) program.kill();
});
