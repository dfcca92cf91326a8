// The whole work directory of a buildlet as an archive in the current directory.
import { join } from 'node:path';
import { currentDirectory } from '../../files/named-fs.ts';
import { writeWhole } from '../../gomote/local-files.ts';
import { fileOfName } from '../file-of-name.ts';
import type { Passed } from '../terminal/progress.ts';
import { reported, watched } from '../transfer/transfer-report.ts';
import type { Run } from './run.ts';

/** Writes NAME.tar.gz, which gets its name only when it is complete. Throws when the archive is incomplete. */
export async function collectTree({ buildlet, command, context }: Run): Promise<void> {
  const { client } = buildlet;
  const { signal } = context;
  const file = `${fileOfName(command.name)}.tar.gz`;
  const what = `work dir tarball for "${command.name}" to "${file}"`;
  context.messages.say(`# Downloading ${what}...`);
  const passed: Passed = { bytes: 0 };
  await reported(context, { json: false, passed: () => passed }, async () => {
    const download = await client.download('', { compress: 'gzip', isPartial: true, signal });
    await writeWhole(join(currentDirectory(), file), watched(download.body, passed));
    return download.summary();
  });
}
