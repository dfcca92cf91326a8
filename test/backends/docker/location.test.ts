import { createHash } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findEngine } from '../../../src/backends/docker/location.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

interface Files {
  config?: unknown;
  contexts?: Record<string, { host: string; tls?: boolean; skip?: boolean }>;
  pem?: boolean;
}

/** Of a context, as docker names its directories. */
const idOf = (name: string): string => createHash('sha256').update(name).digest('hex');

/** A home directory with docker's own configuration. */
function home({ config, contexts = {}, pem }: Files): string {
  const directory = temporaryDirectory();
  const docker = join(directory, '.docker');
  mkdirSync(docker);
  if (config !== undefined) writeFileSync(join(docker, 'config.json'), JSON.stringify(config));
  for (const [name, { host, tls, skip }] of Object.entries(contexts)) {
    const id = idOf(name);
    mkdirSync(join(docker, 'contexts', 'meta', id), { recursive: true });
    const endpoint = { Host: host, SkipTLSVerify: skip === true };
    writeFileSync(
      join(docker, 'contexts', 'meta', id, 'meta.json'),
      JSON.stringify({ Name: name, Metadata: {}, Endpoints: { docker: endpoint } }),
    );
    if (tls) writePem(join(docker, 'contexts', 'tls', id, 'docker'));
  }
  if (pem) writePem(docker);
  return directory;
}

function writePem(directory: string): void {
  mkdirSync(directory, { recursive: true });
  for (const name of ['ca', 'cert', 'key']) writeFileSync(join(directory, `${name}.pem`), name);
}

const box = { contexts: { box: { host: 'tcp://box:1' }, other: { host: 'unix:///other' } } };

describe('the engine', () => {
  it.each([
    ['the usual socket', {}, {}, {}, 'unix:///var/run/docker.sock'],
    ['DOCKER_HOST', {}, { DOCKER_HOST: 'tcp://h:1' }, {}, 'tcp://h:1'],
    [
      'DOCKER_HOST before any context',
      box,
      { DOCKER_HOST: 'tcp://h:1', DOCKER_CONTEXT: 'box' },
      {},
      'tcp://h:1',
    ],
    [
      'DOCKER_CONTEXT before the current one',
      { ...box, config: { currentContext: 'other' } },
      { DOCKER_CONTEXT: 'box' },
      {},
      'tcp://box:1',
    ],
    [
      'the current context',
      { ...box, config: { currentContext: 'other' } },
      {},
      {},
      'unix:///other',
    ],
    [
      'the context called default',
      { config: { currentContext: 'default' } },
      {},
      {},
      'unix:///var/run/docker.sock',
    ],
    [
      'the configured host before all',
      box,
      { DOCKER_HOST: 'tcp://h:1' },
      { host: 'ssh://me@h' },
      'ssh://me@h',
    ],
    [
      'the configured context before DOCKER_HOST',
      box,
      { DOCKER_HOST: 'tcp://h:1' },
      { context: 'box' },
      'tcp://box:1',
    ],
    [
      'DOCKER_CONTEXT when DOCKER_HOST is empty',
      box,
      { DOCKER_HOST: '', DOCKER_CONTEXT: 'box' },
      {},
      'tcp://box:1',
    ],
  ])('is found by %s', (_title, files, variables, settings, url) => {
    const environment = { HOME: home(files), ...variables };
    expect(findEngine({ ...settings, environment }).url).toBe(url);
  });

  it('is configured in the directory that DOCKER_CONFIG names', () => {
    const environment = {
      HOME: '/nowhere',
      DOCKER_CONFIG: join(home({ ...box, config: { currentContext: 'box' } }), '.docker'),
    };
    expect(findEngine({ environment }).url).toBe('tcp://box:1');
  });

  it.each([
    ['tcp://h:2375', {}, { origin: 'http://h:2375' }],
    ['tcp://h', {}, { origin: 'http://h:2375' }],
    ['tcp://[::1]:9', {}, { origin: 'http://[::1]:9' }],
    [
      'tcp://h',
      { DOCKER_TLS_VERIFY: '1' },
      {
        origin: 'https://h:2376',
        trust: { caPem: 'ca', identity: { certPem: 'cert', keyPem: 'key' }, isUnchecked: false },
      },
    ],
    ['tcp://h:7', { DOCKER_TLS: '1' }, { origin: 'https://h:7', trust: { isUnchecked: true } }],
    ['https://h:7', {}, { origin: 'https://h:7' }],
    ['unix:///a/b.sock', {}, { kind: 'unix', path: '/a/b.sock' }],
  ])('given by %s as %j is %j', (DOCKER_HOST, variables, expected) => {
    const environment = { HOME: home({ pem: true }), DOCKER_HOST, ...variables };
    expect(findEngine({ environment })).toMatchObject(expected);
  });

  it('of a context with certificates is reached over TLS', () => {
    const contexts = {
      safe: { host: 'tcp://h:1', tls: true },
      lax: { host: 'tcp://h:1', tls: true, skip: true },
    };
    const environment = { HOME: home({ contexts }) };
    const trust = { caPem: 'ca', identity: { certPem: 'cert', keyPem: 'key' } };
    expect(findEngine({ context: 'safe', environment })).toMatchObject({
      origin: 'https://h:1',
      trust: { ...trust, isUnchecked: false },
    });
    expect(findEngine({ context: 'lax', environment })).toMatchObject({
      trust: { isUnchecked: true },
    });
  });

  it.each([
    ['ssh://h', ['--', 'h', 'docker', 'system', 'dial-stdio']],
    ['ssh://me@h:23', ['-l', 'me', '-p', '23', '--', 'h', 'docker', 'system', 'dial-stdio']],
    [
      'ssh://h/run/d.sock',
      ['--', 'h', 'docker', '--host', 'unix:///run/d.sock', 'system', 'dial-stdio'],
    ],
  ])('given by %s is reached by ssh %j', (DOCKER_HOST, words) => {
    const environment = { HOME: home({}), DOCKER_HOST };
    expect(findEngine({ environment })).toMatchObject({
      kind: 'ssh',
      args: ['-o', 'ConnectTimeout=30', '-T', ...words],
    });
  });

  it.each([
    ['npipe:////./pipe/docker_engine', 'DOCKER_HOST: "npipe:////./pipe/docker_engine"'],
    ['fd://3', 'DOCKER_HOST: "fd://3"'],
    ['nonsense', 'DOCKER_HOST: "nonsense"'],
    ['unix://relative', 'is not an absolute path'],
    ['tcp://', 'is not the address of an engine'],
    ['ssh://me:secret@h', 'has a password'],
    ['ssh://-oProxyCommand=x@h', 'is not the name'],
    ['ssh://-oProxyCommand=x', 'is not the name'],
  ])('cannot be %s', (DOCKER_HOST, message) => {
    const environment = { HOME: home({}), DOCKER_HOST };
    expect(() => findEngine({ environment })).toThrow(message);
  });

  it('cannot be given by a context that docker does not have, or by a damaged configuration', () => {
    expect(() => findEngine({ context: 'lost', environment: { HOME: home({}) } })).toThrow(
      'docker has no context "lost"',
    );
    expect(() => findEngine({ environment: { HOME: home({ config: [] }) } })).not.toThrow();
    expect(() =>
      findEngine({ environment: { HOME: home({ config: { currentContext: 3 } }) } }),
    ).toThrow('config.json');
  });

  it.each([
    ['config.json', {}],
    [join('contexts', 'meta', idOf('box'), 'meta.json'), { context: 'box' }],
    [join('contexts', 'tls', idOf('box'), 'docker', 'ca.pem'), { context: 'box' }],
  ])('cannot be given by a %s that others can change or have written', (file, settings) => {
    const HOME = home({ config: {}, contexts: { box: { host: 'tcp://box:1', tls: true } } });
    const path = join(HOME, '.docker', file);
    const find = () => findEngine({ ...settings, environment: { HOME } });
    expect(find).not.toThrow();
    chmodSync(path, 0o666);
    expect(find).toThrow(`${path} can be changed by others`);
    chmodSync(path, 0o644);
    if (process.getuid?.() !== 0) return;
    chownSync(path, 65_534, 65_534);
    expect(find).toThrow(`${path} belongs to another user`);
  });
});
