import { describe, expect, it } from 'vitest';
import { Collector } from '../../helpers/collect.ts';
import { CoordinatorProcess } from '../../helpers/coordinator-process.ts';
import { until } from '../../helpers/processes.ts';
import { leftIn } from '../../helpers/ssh-workshop.ts';
import { hasSshd, sshLab, sshUser } from '../../helpers/sshd.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

describe.skipIf(!hasSshd)('a host as a pool of a coordinator', () => {
  it('lends its buildlets, which outlive the coordinator and the connection', async () => {
    const lab = sshLab();
    const server = await lab.sshd();
    const account = sshUser();
    const coordinator = new CoordinatorProcess({
      environment: { HOME: temporaryDirectory(), XDG_RUNTIME_DIR: '' },
      toml: [
        '[hosts.host-box]',
        '[builders.box]\nhost = "host-box"',
        `[backends.farm]\nkind = "ssh"\nhosts = ["${account.name}@box"]\nssh-config = "${lab.configFile}"`,
        '[pools.boxes]\nkind = "backend"\nhost = "host-box"\nbackend = "farm"\nmaximum = 2',
      ].join('\n'),
    });
    await coordinator.start();
    const client = coordinator.client();
    const buildlet = await client.createBuildlet('box');
    const whoIsThere = async () => {
      const output = new Collector();
      const result = await buildlet.exec('/usr/bin/id', {
        args: ['-un'],
        output,
        systemLevel: true,
      });
      return { ok: result.ok, text: output.text.trim() };
    };
    expect(await whoIsThere()).toEqual({ ok: true, text: account.name });
    await coordinator.kill();
    await coordinator.start();
    expect(await whoIsThere()).toEqual({ ok: true, text: account.name });
    await server.kill();
    await server.start();
    await until(async () => (await whoIsThere().catch(() => undefined))?.ok === true);
    await buildlet.close();
    await until(() => leftIn(account).length === 0);
  });
});
