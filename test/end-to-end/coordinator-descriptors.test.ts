// A coordinator that has run out of descriptors: its machines are as well as before, and so is it afterwards.
import { connect, type Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { Collector } from '../helpers/collect.ts';
import { CoordinatorProcess } from '../helpers/coordinator-process.ts';
import { until } from '../helpers/processes.ts';

const descriptors = 120;

const toml = `
probe-interval = "200ms"
[hosts.host-here]
[builders.here]
host = "host-here"
[pools.here]
kind = "local"
isolation = "none"
host = "host-here"
maximum = 4
`;

it('a coordinator without descriptors ends nobody’s buildlet', async () => {
  const coordinator = new CoordinatorProcess({
    toml,
    launcher: ['sh', '-c', `ulimit -n ${descriptors}; exec "$@"`, 'sh'],
  });
  await coordinator.start();
  const client = coordinator.client();
  const { name } = await client.requestBuildlet('here');
  const sockets: Socket[] = [];
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  const hold = () => {
    const socket = connect(coordinator.socketPath).on('error', () => undefined);
    socket.once('close', () => sockets.splice(sockets.indexOf(socket), 1));
    // Half a request, which may take a while to come.
    socket.write('GET /healthz HTTP/1.1\r\n');
    sockets.push(socket);
  };
  // More looks than a machine is given up after, unless the coordinator has a connection left over for them.
  let rounds = 0;
  await until(() => {
    while (sockets.length < 2 * descriptors) hold();
    return coordinator.count('"event":"trouble"') >= 6 || ++rounds === 50;
  });
  for (const socket of [...sockets]) socket.destroy();
  const buildlet = client.namedBuildlet(name);
  onTestFinished(() => buildlet.disconnect());
  await until(
    async () =>
      await buildlet.status().then(
        () => true,
        () => false,
      ),
  );
  expect((await client.remoteBuildlets({ health: true })).map((one) => one.name)).toEqual([name]);
  const output = new Collector();
  await buildlet.exec('echo', { args: ['well'], systemLevel: true, output });
  expect(output.text).toBe('well\n');
  expect(coordinator.count('"event":"died"')).toBe(0);
  await buildlet.halt();
});
