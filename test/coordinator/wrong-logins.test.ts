// Guessing of tokens over HTTP, many at once: each is refused and told in the log, and nobody else is held up.
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { startCoordinator, tokenOf } from '../helpers/coordinator.ts';
import { times } from '../helpers/counts.ts';

const count = times(80, 10_000);

/** More than may be made to wait at once: those beyond are refused at once. */
const atOnce = 1_200;

it(`${count} wrong logins are refused, logged, and delay nobody who has a token`, {
  timeout: 60_000 + count * 30,
}, async () => {
  const coordinator = await startCoordinator({ machines: 1 });
  const { name } = await coordinator.client('me').requestBuildlet('linux');
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce, rejectUnauthorized: false });
  const ownAgent = new Agent({ keepAlive: true, rejectUnauthorized: false });
  onTestFinished(() => {
    agent.destroy();
    ownAgent.destroy();
  });
  const ask = async (pair: string, more: { agent: Agent; headers?: Record<string, string> }) => {
    const { agent: by, headers = {} } = more;
    const authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
    const asked = request(`${coordinator.url}/buildlet/list`, {
      agent: by,
      headers: { ...headers, Authorization: authorization },
    });
    asked.end();
    const reply = await new Promise<IncomingMessage>((resolve, reject) => {
      asked.once('response', resolve).once('error', reject);
    });
    return { status: reply.statusCode, text: await text(reply) };
  };
  const guesses = Array.from({ length: count }, (_, i) => {
    const user = ['user-me', 'user-nobody', 'me', 'user-__proto__', `user-${i}`][i % 5] ?? '';
    // Half of them try to get at another's buildlet.
    const headers = i % 2 === 0 ? {} : { 'X-Buildlet-Proxy': name };
    return ask(`${user}:guess-${i}`, { agent, headers });
  });
  let isOver = false;
  const guessed = Promise.all(guesses).finally(() => {
    isOver = true;
  });
  let served = 0;
  do {
    const { status } = await ask(`user-me:${tokenOf('me')}`, { agent: ownAgent });
    expect(status).toBe(200);
    served++;
  } while (!isOver);
  expect(served).toBeGreaterThan(1);
  const refused = { status: 401, text: 'bad username or password\n' };
  for (const reply of await guessed) expect(reply).toEqual(refused);
  const told = coordinator.log.filter(({ event }) => event === 'wrong-token');
  expect(told.length).toBe(count);
  expect(JSON.stringify(coordinator.log)).not.toMatch(/guess-|token-me/);
  const left = await coordinator.coordinator.list({ name: 'me', isAdmin: false });
  expect(left.map((session) => session.name)).toEqual([name]);
});
