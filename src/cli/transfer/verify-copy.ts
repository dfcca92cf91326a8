// Checks whether a file is a complete copy of a run's output.
import { createHash } from 'node:crypto';
import { Writable } from 'node:stream';
import type { Session } from '../../client/runs/session.ts';
import { GomoteError } from '../../errors.ts';
import { localError } from '../../files/local-error.ts';
import { createReadStream } from '../../files/named-fs.ts';
import type { SessionEnd, StreamSum } from '../../protocol/session.ts';

/**
 * Returns which output of the run the file is: stdout, stderr, or both interleaved. Throws ERR_LOST when it is none of them,
 * and says what differs.
 */
export async function verifyCopy(
  name: string,
  session: Session,
  end: SessionEnd,
  file: string,
  signal: AbortSignal,
): Promise<'output' | 'stdout' | 'stderr'> {
  const copy = await sumOfFile(file);
  const { stdout, stderr } = end;
  if (isSame(copy, stdout)) return stderr.bytes === 0 ? 'output' : 'stdout';
  if (isSame(copy, stderr)) return stdout.bytes === 0 ? 'output' : 'stderr';
  const bytes = stdout.bytes + stderr.bytes;
  if (copy.bytes === bytes) {
    const both = createHash('sha256');
    const output = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        both.update(chunk);
        done();
      },
    });
    await session.read({ stdout: output, stderr: output, observe: true, signal });
    if (copy.sha256 === both.digest('hex')) return 'output';
  }
  const sizes = [stdout.bytes, stderr.bytes, bytes];
  const what = sizes.includes(copy.bytes)
    ? `has as many bytes as the run's output (${copy.bytes}), but not the same`
    : `has ${copy.bytes} bytes; the run wrote ${stdout.bytes} to stdout and ${stderr.bytes} to stderr`;
  throw new GomoteError('ERR_LOST', `"${file}" is not a complete copy: it ${what}`, {
    hint: `fetch it again: gomote logs ${name} ${session.id} > ${file}`,
  });
}

const isSame = (a: StreamSum, b: StreamSum): boolean =>
  a.bytes === b.bytes && a.sha256 === b.sha256;

async function sumOfFile(file: string): Promise<StreamSum> {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  } catch (error) {
    throw localError('read', file, error);
  }
  return { bytes, sha256: hash.digest('hex') };
}
