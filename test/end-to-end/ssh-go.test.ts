// A buildlet with the base protocol alone, as Go's, for ssh.
import { expect, it } from 'vitest';
import { startBuildlet } from '../helpers/buildlet.ts';
import { ending, workshop } from '../helpers/programs.ts';
import { hasSsh } from '../helpers/ssh.ts';

it.skipIf(!hasSsh)(
  'ssh to a buildlet of Go runs commands, and reports what is missing',
  async () => {
    const { address } = await startBuildlet({ features: [] });
    const { gomote, run, start, directory } = workshop();
    const config = `${directory}/config`;
    const written = await gomote('ssh-config', '--write', '--ssh-config', config, `x@${address}`);
    const [, host = ''] = written.stdout.toString().trim().split(' ');
    const ssh = (...args: string[]) => run('ssh', '-F', config, ...args);
    expect(await ssh('-n', host, 'echo out; exit 3')).toMatchObject({
      code: 3,
      stdout: Buffer.from('out\n'),
      stderr: '',
    });
    const piped = start('ssh', ['-F', config, host, 'sleep 0.3; echo done'], { stdio: 'pipe' });
    piped.stdin?.end('typed');
    expect(await ending(piped)).toMatchObject({
      code: 0,
      stdout: Buffer.from('done\n'),
      stderr: expect.stringContaining('its commands get no input'),
    });
    expect(await ssh('-n', host, 'no-such-command')).toMatchObject({ code: 127 });
    expect(await ssh(host)).toMatchObject({
      code: 255,
      stderr: expect.stringContaining('give a command'),
    });
    expect(await ssh('-n', '-tt', host, 'echo out')).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('it has no terminals'),
    });
    expect(await ssh('-W', 'localhost:1', host)).toMatchObject({
      code: 255,
      stderr: expect.stringContaining('cannot forward ports'),
    });
    expect(await run('sftp', '-F', config, host)).toMatchObject({
      code: 255,
      stderr: expect.stringContaining('has no subsystem "sftp": it is of an older version'),
    });
  },
);
