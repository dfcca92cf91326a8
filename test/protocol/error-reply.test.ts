// Which code of an error crosses the wire, beside its status and text.
import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { GomoteError } from '../../src/errors.ts';
import { errorReply, parseErrorCode } from '../../src/protocol/error-reply.ts';
import { clientOf, startBuildlet } from '../helpers/buildlet.ts';

const errno = (code: string): Error => Object.assign(new Error(code), { code });

describe('the code of an error', () => {
  it.each([
    [new GomoteError('ERR_PATH', 'x'), 'ERR_PATH'],
    [new GomoteError('ERR_UNKNOWN_BUILDLET', 'x'), 'ERR_UNKNOWN_BUILDLET'],
    [new GomoteError('ERR_UNKNOWN_TYPE', 'x'), 'ERR_UNKNOWN_TYPE'],
    [new GomoteError('ERR_QUOTA', 'x'), 'ERR_QUOTA'],
    [new GomoteError('ERR_LOST', 'x'), 'ERR_LOST'],
    [new GomoteError('ERR_LOCAL_FILE', 'x', { cause: errno('ENOENT') }), 'ERR_NO_SUCH_FILE'],
    [new GomoteError('ERR_LOCAL_FILE', 'x', { cause: errno('ENOTDIR') }), 'ERR_NO_SUCH_FILE'],
    [new GomoteError('ERR_LOCAL_FILE', 'lstat x: no such file or directory'), 'ERR_NO_SUCH_FILE'],
    [errno('ENOENT'), 'ERR_NO_SUCH_FILE'],
    // What would say something else at the client than it does at the server is not told.
    [new GomoteError('ERR_LOCAL_FILE', 'x', { cause: errno('EACCES') }), undefined],
    [new GomoteError('ERR_CONFIG', 'x', { cause: errno('ENOENT') }), undefined],
    [new GomoteError('ERR_ABORTED', 'x'), undefined],
    [new GomoteError('ERR_USAGE', 'x'), undefined],
    [errno('EMFILE'), undefined],
    ['text', undefined],
    [undefined, undefined],
  ])('of %s is %s', (error, code) => {
    expect(errorReply(error).code).toBe(code);
    if (code !== undefined) expect(parseErrorCode(code)).toBe(code);
  });

  it.each(['', 'ERR_NONSENSE', 'ERR_ABORTED', 'constructor', 7, undefined, ['ERR_PATH']])(
    'is not %s',
    (value) => expect(parseErrorCode(value)).toBeUndefined(),
  );
});

/** The code that the buildlet answers with. */
async function codeOf(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body = '',
): Promise<unknown> {
  const buildlet = await startBuildlet();
  await clientOf(buildlet).status();
  const socketPath = buildlet.address.slice('unix:'.length);
  return await new Promise((resolve, reject) => {
    request({ socketPath, method, path, headers, agent: false }, (reply) => {
      reply.resume();
      resolve(reply.headers['x-gomote-error-code']);
    })
      .once('error', reject)
      .end(body);
  });
}

describe('a buildlet', () => {
  it.each([
    ['GET', '/file?path=absent', 'ERR_NO_SUCH_FILE'],
    ['GET', '/ls?dir=absent', 'ERR_NO_SUCH_FILE'],
    ['GET', '/tgz?dir=absent', 'ERR_NO_SUCH_FILE'],
    ['GET', '/file?path=../x', 'ERR_PATH'],
    ['GET', '/tgz?dir=..', 'ERR_PATH'],
    ['PUT', '/write?path=../x&mode=420', 'ERR_PATH'],
    ['GET', '/session?id=absent', 'ERR_UNKNOWN_SESSION'],
    ['GET', '/session?id=../x', 'ERR_REQUEST'],
  ])('answers %s %s with the code %s', async (method, path, code) => {
    expect(await codeOf(method, path)).toBe(code);
  });

  const totals = `files=1, bytes=4, wire=4, sha256=${'0'.repeat(64)}`;
  it('answers a PUT with a damaged body with the code ERR_LOST', async () => {
    const headers = { 'Gomote-Totals': totals };
    expect(await codeOf('PUT', '/write?path=f&mode=420', headers, 'damaged')).toBe('ERR_LOST');
  });
});
