// The life of a buildlet in a pod.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import type { V1Secret } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { newKeyPair } from '../../src/client/key-pair.ts';
import type { Cli } from '../helpers/cli.ts';
import { withoutProgress } from '../helpers/progress.ts';
import {
  builder,
  clusterCli,
  core,
  host,
  makeNamespace,
  never,
  nothingLeft,
  openBackend,
  pods,
} from './cluster.ts';

const namespace = await makeNamespace();
const create = { host, signal: never };

async function secretOf(name: string): Promise<V1Secret> {
  const { items } = await core.listNamespacedSecret({ namespace, labelSelector: `name=${name}` });
  expect(items).toHaveLength(1);
  return items[0]!;
}

describe('a buildlet in a pod', () => {
  it('gives its commands no account of the cluster and few rights over the kernel', async () => {
    const cli = clusterCli(namespace);
    const name = (await cli(['create', 'linux'])).stdout.trim();
    const script =
      'while read -r key value; do echo "$key $value"; done < /proc/self/status; echo /var/run/secrets/*';
    const { stdout } = await cli(['run', name, 'sh', '-c', script]);
    // CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID and SETUID.
    expect(stdout).toMatch(/^CapBnd: 00000000000000fb$/m);
    expect(stdout).toMatch(/^NoNewPrivs: 1$/m);
    expect(stdout).toMatch(/^Seccomp: 2$/m);
    expect(stdout).toContain('/var/run/secrets/*');
    const { spec } = await core.readNamespacedPod({ name, namespace });
    expect(spec?.containers[0]?.resources?.limits).toHaveProperty('ephemeral-storage');
    expect((await cli(['destroy', name])).code).toBe(0);
  });

  it('is made, runs commands, gives its files and is gone', async () => {
    const cli = clusterCli(namespace);
    const made = await cli(['create', 'linux']);
    expect(withoutProgress(made.stderr)).toBe('');
    expect(made.code).toBe(0);
    const name = made.stdout.trim();
    expect(name).toMatch(/^me-linux-[a-z0-9]{5}$/);
    expect((await cli(['list'])).stdout).toMatch(
      new RegExp(`^${name}\\tlinux\\texpires in (30m0s|29m\\d+s)\\n$`),
    );
    const script = 'seq 3; seq 4 >numbers; exit 7';
    expect(await cli(['run', name, 'sh', '-c', script])).toMatchObject({
      code: 7,
      stdout: '1\n2\n3\n',
    });
    expect((await cli(['put', name, '-', 'there'], { stdin: ['text'] })).code).toBe(0);
    const archive = join(cli.directory, 'all.tar.gz');
    expect((await cli(['gettar', '-o', archive, name])).code).toBe(0);
    expect(gunzipSync(readFileSync(archive)).toString('latin1')).toMatch(/numbers.*there/s);
    expect(await cli(['destroy', name])).toEqual({ code: 0, stdout: '', stderr: '' });
    expect((await cli(['list'])).stdout).toBe('');
    await nothingLeft(namespace, 'me');
    const late = await cli(['run', name, 'true']);
    expect(late).toMatchObject({ code: 125, stderr: expect.stringContaining('no buildlet') });
  });

  it('has ports that are forwarded in both directions', async () => {
    const backend = openBackend(namespace);
    const { name } = await backend.create(builder, { user: 'me', ...create });
    const client = await backend.connect(name);
    const at = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;
    const listener = await client.ports.listen(at, (stream) => void stream.pipe(stream));
    const stream = await client.ports.connect(listener.at);
    stream.end('there and back');
    expect(await text(stream)).toBe('there and back');
    listener.close();
    await client.disconnect();
    await backend.destroy(name, { signal: never });
  });

  it('shows its properties in its pod, and neither password nor key', async () => {
    const backend = openBackend(namespace);
    const { name } = await backend.create(builder, { user: 'me', ...create });
    const pod = (await pods(namespace)).find(({ metadata }) => metadata?.name === name);
    const secret = await secretOf(name);
    expect(pod?.metadata?.labels).toMatchObject({
      ...{ name, type: 'host-pod', role: 'buildlet', 'gomote/owner': 'me' },
    });
    const { annotations } = pod?.metadata ?? {};
    expect(annotations).toMatchObject({ 'gomote/owner': 'me', 'gomote/builder-type': 'linux' });
    const inAnHour = Date.now() / 1_000 + 3_600;
    expect(Math.abs(Number(annotations?.['delete-at']) - inAnHour)).toBeLessThan(60);
    expect(pod?.spec).toMatchObject({
      ...{ restartPolicy: 'Never', activeDeadlineSeconds: 3_600 },
      automountServiceAccountToken: false,
    });
    expect(secret.metadata?.ownerReferences).toMatchObject([
      { kind: 'Pod', uid: pod?.metadata?.uid },
    ]);
    for (const value of Object.values(secret.data ?? {})) {
      const secretText = Buffer.from(value, 'base64').toString().trim();
      expect(JSON.stringify(pod)).not.toContain(secretText);
    }
    await backend.destroy(name, { signal: never });
  });

  it('keeps its password from the commands it runs', async () => {
    const cli = clusterCli(namespace);
    const name = (await cli(['create', 'linux'])).stdout.trim();
    const { stdout } = await cli(['run', name, 'sh', '-c', 'cat /proc/self/environ']);
    expect(stdout).toContain('GOMOTE_COMMAND');
    expect(stdout).not.toContain('IN_KUBERNETES');
    expect(stdout).not.toMatch(/META_(PASSWORD|TLS_KEY)/i);
  });

  it('is reached only with its own certificate', async () => {
    const cli = clusterCli(namespace);
    const name = (await cli(['create', 'linux'])).stdout.trim();
    // Another certificate in the Secret: a client that does not know the right one is given that.
    const { certPem } = await newKeyPair();
    const { data, metadata } = await secretOf(name);
    const { name: secretName = '', labels, ownerReferences } = metadata ?? {};
    const body = {
      metadata: { name: secretName, labels: labels!, ownerReferences: ownerReferences! },
      data: { ...data, 'tls-cert': Buffer.from(certPem).toString('base64') },
    };
    await core.deleteNamespacedSecret({ name: secretName, namespace });
    await core.createNamespacedSecret({ namespace, body });
    const stranger = clusterCli(namespace);
    const result = await stranger(['run', name, 'true']);
    expect(result).toMatchObject({ code: 125, stderr: expect.stringContaining('certificate') });
    expect((await cli(['run', name, 'true'])).code).toBe(0);
  });

  it('is the same from every computer, and is gone for each when one has destroyed it', async () => {
    const as = (cli: Cli) => (argv: string[]) => cli(['--user', 'nomad', ...argv]);
    const [one, two] = [as(clusterCli(namespace)), as(clusterCli(namespace))];
    const name = (await one(['create', 'linux'])).stdout.trim();
    expect((await two(['run', name, 'sh', '-c', 'seq 1 > mark'])).code).toBe(0);
    expect((await one(['run', name, 'cat', 'mark'])).stdout).toBe('1\n');
    await two(['destroy', name]);
    await nothingLeft(namespace, 'nomad');
    const next = (await two(['create', 'linux'])).stdout.trim();
    expect(next).not.toBe(name);
    expect((await one(['run', name, 'true'])).stderr).toContain(`no buildlet "${name}"`);
    await two(['destroy', next]);
  });

  it('keeps its notes to the user alone', async () => {
    const backendHome = clusterCli(namespace);
    const name = (await backendHome(['create', 'linux'])).stdout.trim();
    const directory = join(backendHome.directory, '.cache', 'gomote', 'kubernetes');
    const files = readdirSync(directory);
    expect(files).toEqual([expect.stringMatching(new RegExp(`^[0-9a-f]{16}-${name}.json$`))]);
    const modes = [directory, join(directory, files[0]!)].map(
      (path) => statSync(path).mode & 0o777,
    );
    expect(modes).toEqual([0o700, 0o600]);
  });

  it('is reached through a port-forward, in both directions and without losing a byte', async () => {
    const cli = clusterCli(namespace, 'reach = "forward"');
    const name = (await cli(['create', 'linux'])).stdout.trim();
    const bytes = Buffer.alloc(8 << 20, 'some bytes of no meaning\n');
    const digest = createHash('sha1').update(bytes).digest('hex');
    const file = join(cli.directory, 'file');
    writeFileSync(file, bytes);
    expect(await cli(['put', name, file, 'file'])).toMatchObject({ code: 0, stderr: '' });
    const sums = await cli(['run', name, 'sh', '-c', 'cat file file']);
    expect(sums.stdout).toHaveLength(2 * bytes.length);
    expect((await cli(['ls', '-d', name])).stdout).toContain(digest);
  });

  it('shows a later expiry when it is used, written once a minute', async () => {
    const cli = clusterCli(namespace);
    const name = (await cli(['create', 'linux'])).stdout.trim();
    const expires = async () => {
      const pod = await core.readNamespacedPod({ name, namespace });
      return String(pod.metadata?.annotations?.['gomote/expires']);
    };
    const first = await expires();
    await cli(['run', name, 'true']);
    expect(await expires()).toBe(first);
    // Another computer does not know of that use: it writes its own, once.
    const other = clusterCli(namespace);
    await other(['run', name, 'true']);
    const second = await expires();
    expect(Date.parse(second)).toBeGreaterThan(Date.parse(first));
    await other(['run', name, 'true']);
    expect(await expires()).toBe(second);
  });
});

it('the tests of this file leave nothing', async () => {
  await nothingLeft(namespace);
});
