// The reply to a push that names contents: a digest for each file, then what came of it all.
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { readNamedReply } from '../../../src/client/files/apply-reply.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const digests = [sha256('a'), sha256('b')];
const lines = digests.map((digest) => `${digest}\n`).join('');
const applied = { digest: sha256('tree'), files: 2, bytes: 5, lines: sha256(lines) };

async function* pieces(text: string, sizeBytes: number) {
  for (let at = 0; at < text.length; at += sizeBytes) {
    yield Buffer.from(text.slice(at, at + sizeBytes));
    yield Buffer.alloc(0);
  }
}

async function read(text: string, sizeBytes = text.length) {
  const told: string[] = [];
  const reply = await readNamedReply(pieces(text, sizeBytes), 'b', (digest) => told.push(digest));
  return { told, reply };
}

describe('the reply to a push that names contents', () => {
  it.each(['', '\n'])('is read in pieces of any size, ended by %j', async (end) => {
    const text = `${lines}${JSON.stringify(applied)}${end}`;
    for (let sizeBytes = 1; sizeBytes <= text.length; sizeBytes++) {
      expect(await read(text, sizeBytes)).toMatchObject({
        told: digests,
        reply: { digest: applied.digest, files: 2, bytes: 5 },
      });
    }
  });

  it.each([
    ['nothing', ''],
    ['digests alone', lines],
    ['a file too few', `${digests[0]}\n${JSON.stringify(applied)}\n`],
    ['a file twice', `${lines}${digests[0]}\n${JSON.stringify(applied)}\n`],
    ['files in another order', `${digests.toReversed().join('\n')}\n${JSON.stringify(applied)}\n`],
    ['no proof', `${lines}${JSON.stringify({ ...applied, lines: undefined })}\n`],
    ['a part of the end', `${lines}${JSON.stringify(applied).slice(0, -5)}`],
    ['a line without end', 'x'.repeat(1 << 20)],
  ])('is lost with %s', async (_what, text) => {
    await expect(read(text, 1000)).rejects.toMatchObject({ code: 'ERR_LOST' });
  });

  it('fails with the error of the buildlet', async () => {
    const failure = { error: 'no room', status: 507, lost: false };
    await expect(read(`${lines}${JSON.stringify(failure)}\n`, 7)).rejects.toMatchObject({
      code: 'ERR_STATUS',
      status: 507,
      message: 'b: no room',
    });
    const lost = { ...failure, lost: true };
    await expect(read(`${lines}${JSON.stringify(lost)}\n`)).rejects.toMatchObject({
      code: 'ERR_LOST',
    });
  });
});
