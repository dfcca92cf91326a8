// A container as the ssh of the system sees it.
import { expect, it } from 'vitest';
import { workshop } from '../helpers/programs.ts';
import { hasSsh, useBySsh, withSsh } from '../helpers/ssh.ts';
import { images, newLab } from './lab.ts';

it.skipIf(!hasSsh)('ssh to a container without a network passes through the engine', async () => {
  const { user } = newLab();
  const shop = workshop();
  Object.assign(shop.environment, { DOCKER_HOST: process.env.DOCKER_HOST, GOMOTE_USER: user });
  const made = await shop.gomote('create', `docker:${images.shell}`, '--network', 'none');
  expect(made).toMatchObject({ code: 0 });
  await useBySsh(await withSsh(shop, made.stdout.toString().trim()));
});
