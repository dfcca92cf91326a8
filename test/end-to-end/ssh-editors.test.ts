// Editors and other tools that start ssh, by what they do with it.
import { describe, expect, it } from 'vitest';
import { hasSsh, sshWorkshop } from '../helpers/ssh.ts';
import { useAsCode, useAsJetBrains, useAsMutagen } from '../helpers/ssh-editors.ts';

describe.skipIf(!hasSsh)('ssh to a buildlet', () => {
  it.each([
    ['VS Code', useAsCode],
    ['Mutagen', useAsMutagen],
    ['JetBrains', useAsJetBrains],
  ])('does what %s needs', async (_name, use) => {
    await use(await sshWorkshop());
  });

  it('starts a program of the home directory there when only that directory has it', async () => {
    const { ssh, name, directory } = await sshWorkshop();
    expect(
      await ssh(name, 'mkdir -p ~/bin bin; ln -s /bin/pwd ~/bin/far; ln -s /bin/pwd bin/near'),
    );
    const workDir = (await ssh(name, 'pwd')).stdout.toString();
    const where = async (line: string) => (await ssh(name, line)).stdout.toString();
    expect(await where('bin/far -P')).toBe(`${directory}\n`);
    expect(await where('bin/near')).toBe(workDir);
    expect(await where('cat bin/far; pwd')).toBe(workDir);
    expect((await ssh(name, 'bin/nowhere')).code).toBe(127);
  });
});
