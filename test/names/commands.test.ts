import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cliWithBuildlet } from '../helpers/cli-buildlet.ts';
import { at, makeFile } from '../helpers/odd-names.ts';
import { ending, workshop } from '../helpers/programs.ts';

/** Prints its arguments and a variable as hex. */
const hex = 'printf "%s|" "$@" "$B" | od -An -v -tx1 | tr -d " \\n"';

describe('bytes that are not UTF-8', () => {
  it.each([['sessions'], ['tty']])(
    'reach a command in its arguments and variables, by %s',
    async (how) => {
      const { cli, name } = await cliWithBuildlet();
      const options = how === 'tty' ? ['-t'] : [];
      const given = ['-e', 'A=1', '-e', 'B=\udcff', '-e', 'C=\udc80x y', name];
      const result = await cli(['run', ...options, ...given, 'sh', '-c', hex, 'sh', 'a\udce9', '']);
      expect(result).toMatchObject({ code: 0, stdout: '61e97c7cff7c' });
      const plain = await cli(['run', ...given, 'printenv', 'A']);
      expect(plain.stdout).toBe('1\n');
    },
  );

  it('reach a command from the file of --env-file', async () => {
    const { cli, name, workDir } = await cliWithBuildlet();
    writeFileSync(join(workDir, 'env'), Buffer.from('B=\xff\xfe\n', 'latin1'));
    const result = await cli(['run', '--env-file', join(workDir, 'env'), name, 'sh', '-c', hex]);
    expect(result).toMatchObject({ code: 0, stdout: 'fffe7c' });
  });

  it('cannot be in a variable whose name no shell accepts, which is reported', async () => {
    const { cli, name } = await cliWithBuildlet();
    const result = await cli(['run', '-e', 'a.b=\udcff', name, 'true']);
    expect(result).toMatchObject({ code: 125, stderr: expect.stringContaining('as a.b') });
  });

  it('may be in the name of a command and in its directory', async () => {
    const { cli, name, workDir } = await cliWithBuildlet();
    mkdirSync(at(workDir, 'd\xe9'));
    writeFileSync(at(workDir, 'd\xe9/run\xff'), '#!/bin/sh\nbasename "$0"; basename "$(pwd)"\n', {
      mode: 0o755,
    });
    const result = await cli(['run', '--dir', 'd\udce9', name, './run\udcff']);
    expect(result.stderr).toBe('');
    expect(result.bytes.toString('latin1')).toBe('run\xff\nd\xe9\n');
  });

  it('are taken from the command line and the environment of gomote', async () => {
    const { start, create, directory } = workshop();
    const name = await create();
    const script = [
      'F=$(printf "caf\\351"); B=$(printf "\\377"); export B',
      `gomote run -e B ${name} sh -c '${hex}' sh "$F"`,
      `echo x > "$F"; gomote put ${name} "$F"; gomote run ${name} ls`,
      `gomote get ${name} "$F" - ; gomote rm ${name} "$F"; gomote run ${name} ls`,
    ];
    writeFileSync(join(directory, 'script'), script.join('\n'));
    const { stdout, code } = await ending(start('sh', ['script']));
    expect(stdout.toString('latin1')).toBe('636166e97cff7ccaf\xe9\nx\n');
    expect(code).toBe(0);
  });

  it('may be in the name of the directory that push and pull start in', async () => {
    const { start, create, directory } = workshop();
    const name = await create();
    const script = [
      'D=$(printf "d\\351"); mkdir "$D"; cd "$D"; echo x > f',
      `gomote push ${name} && gomote run ${name} sh -c 'echo *'`,
      `gomote run ${name} sh -c 'echo y > g; cat g'`,
      `gomote pull ${name} && cat f g`,
    ];
    writeFileSync(join(directory, 'script'), script.join('\n'));
    const { stdout, stderr, code } = await ending(start('sh', ['script']));
    expect(stderr.toString()).toContain('d\\xe9');
    expect(stdout.toString('latin1')).toBe('f\ny\nx\ny\n');
    expect(code).toBe(0);
  });

  it('in a name do not make rm remove another file', async () => {
    const { cli, name, workDir } = await cliWithBuildlet();
    makeFile(workDir, 'caf\xef\xbf\xbd');
    expect(await cli(['rm', name, 'caf\udce9'])).toMatchObject({ code: 0 });
    expect((await cli(['ls', name])).stdout).toContain('caf\ufffd');
  });
});
