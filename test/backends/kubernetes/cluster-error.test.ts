import { ApiException } from '@kubernetes/client-node';
import { expect, it } from 'vitest';
import {
  clusterError,
  isTransient,
  refusalOf,
} from '../../../src/backends/kubernetes/cluster-error.ts';

const refused = (status: number, reason: string, message: string, headers = {}) =>
  new ApiException(status, 'Unknown', JSON.stringify({ reason, message }), headers);
const broken = (code: string) => Object.assign(new Error(`connect ${code}`), { code });

const rows: [unknown, string, boolean][] = [
  [refused(403, 'Forbidden', 'pods "x" is forbidden: exceeded quota: two'), 'ERR_QUOTA', false],
  [refused(403, 'Forbidden', 'pods is forbidden: User "x" cannot list'), 'ERR_UNAUTHORIZED', false],
  [new ApiException(401, 'Unknown', undefined, {}), 'ERR_UNAUTHORIZED', false],
  [refused(409, 'AlreadyExists', 'pods "x" already exists'), 'ERR_NAME_TAKEN', false],
  [refused(422, 'Invalid', 'spec.x: bad'), 'ERR_CONFIG', false],
  [refused(404, 'NotFound', 'namespaces "x" not found'), 'ERR_CONFIG', false],
  [refused(429, 'TooManyRequests', 'slow down'), 'ERR_UNAVAILABLE', true],
  [refused(500, 'InternalError', 'etcd is away'), 'ERR_UNAVAILABLE', true],
  [new ApiException(503, 'Unknown', 'no endpoints\n', {}), 'ERR_UNAVAILABLE', true],
  [broken('ECONNREFUSED'), 'ERR_CONNECT', true],
  [broken('ECONNRESET'), 'ERR_CONNECT', true],
  [new Error('Premature close'), 'ERR_CONNECT', true],
  [broken('CERT_HAS_EXPIRED'), 'ERR_CONNECT', false],
];

for (const [error, code, transient] of rows) {
  it(`the error code is right for ${(error as Error).message.replaceAll('\n', ' ')}`, () => {
    const told = clusterError('create pod x', error);
    expect(told).toMatchObject({ code, message: expect.stringMatching(/^cannot create pod x: ./) });
    expect(told.message).not.toContain('\n');
    expect(isTransient(error)).toBe(transient);
  });
}

it('a retry waits as long as the server requests, within limits', () => {
  const asked = (seconds: string) =>
    refusalOf(refused(429, '', '', { 'retry-after': seconds }))?.retryAfterMs;
  expect([asked('2'), asked('9999'), asked('x')]).toEqual([2_000, 30_000, undefined]);
});
