import { startBuildlet } from './buildlet.ts';
import { type Cli, testCli } from './cli.ts';

/** A command line, and a buildlet in this process, known to it by its address. */
export async function cliWithBuildlet(): Promise<{ cli: Cli; name: string; workDir: string }> {
  const { address, workDir } = await startBuildlet();
  return { cli: testCli(), name: `x@${address}`, workDir };
}
