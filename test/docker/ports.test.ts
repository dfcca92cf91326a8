// Ports of a container without a network, by way of the engine.
import { expect, it } from 'vitest';
import { echoServer, lines, portOf } from '../helpers/ports.ts';
import { ending, workshop } from '../helpers/programs.ts';
import { images, newLab } from './lab.ts';

it('ports of a container are forwarded in both directions', async () => {
  const { user } = newLab();
  const { environment, start } = workshop();
  const { DOCKER_HOST } = process.env;
  const env = { ...environment, DOCKER_HOST, GOMOTE_USER: user };
  const gomote = (...args: string[]) => start('gomote', args, { env, stdio: 'pipe' });
  const created = await ending(gomote('create', `docker:${images.shell}`, '--network', 'none'));
  const name = created.stdout.toString().trim();
  expect(created).toMatchObject({ code: 0 });
  const forward = gomote('forward', name, '-R', `0:${await echoServer()}`);
  const [[line], ended] = await lines(forward, 1);
  expect(line).toContain(name);
  const proxy = gomote('proxy', name, `localhost:${portOf(line)}`);
  const answered = ending(proxy);
  proxy.stdin?.end('there and back');
  expect(await answered).toMatchObject({ code: 0, stdout: Buffer.from('there and back') });
  forward.kill('SIGTERM');
  expect(await ended).toMatchObject({ code: 143 });
});
