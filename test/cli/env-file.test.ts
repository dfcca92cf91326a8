// The files of --env-file: each line is a variable as it stands, or an error that says where.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readEnvironmentFile } from '../../src/cli/run/run-environment.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

function read(content: string | Buffer): string[] {
  const file = join(temporaryDirectory(), 'env');
  writeFileSync(file, content);
  return readEnvironmentFile(file, { HERE: 'there' });
}

describe('a file of variables', () => {
  it.each([
    ['A=1', ['A=1']],
    ['A=1\nB=2\n', ['A=1', 'B=2']],
    ['A=1\r\nB=2\r\n', ['A=1', 'B=2']],
    ['\uFEFFA=1\n', ['A=1']],
    ['\uFEFF# note\nA=1\n', ['A=1']],
    ['export A=1\nexport\tB=2', ['A=1', 'B=2']],
    ['  export A=1', ['A=1']],
    ['export HERE', ['HERE=there']],
    ['HERE\nNOWHERE', ['HERE=there']],
    ['# A=1\n  # B=2\n\n \t\nC=3', ['C=3']],
    ['A="b c"', ['A="b c"']],
    ["A='b'", ["A='b'"]],
    ['A= b ', ['A= b ']],
    ['A=b # c', ['A=b # c']],
    ['A=$HERE', ['A=$HERE']],
    ['A=', ['A=']],
    ['A=b=c', ['A=b=c']],
    ['A=é', ['A=é']],
    ['a.b-c=1', ['a.b-c=1']],
  ])('%j gives %j', (content, variables) => {
    expect(read(content)).toEqual(variables);
  });

  it.each([
    ['A = 1', 1],
    ['A =1', 1],
    [' A=1', 1],
    ['export A = 1', 1],
    ['A=1\n\nB C=2', 3],
    ['=1', 1],
    ['some words', 1],
    ['"A"=1', 1],
    ['A=a\0b', 1],
    ['A=1\r\nB = 2\r\n', 2],
  ])('%j is an error in line %i', (content, line) => {
    expect(() => read(content)).toThrow(
      expect.objectContaining({
        code: 'ERR_USAGE',
        message: expect.stringMatching(new RegExp(`^--env-file /\\S+, line ${line}: `)),
      }),
    );
  });
});
