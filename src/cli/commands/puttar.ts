// gomote puttar: a .tar.gz, extracted on the buildlet.
import type { Command } from 'commander';
import { GomoteError } from '../../errors.ts';
import type { Context } from '../context.ts';
import { openSource } from '../local-files.ts';

interface Options {
  dir?: string;
  url?: string;
  gorev?: string;
}

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .argument('[file]', '.tar.gz, or - for standard input')
    .option(
      '--dir <dir>',
      'directory, relative to the work dir, made if absent (default: the work dir)',
    )
    .option('--url <url>', 'let the buildlet fetch the .tar.gz from this URL')
    .option('--gorev <rev>', "a revision of Go's own repository, fetched by the buildlet")
    .action(async (name: string, file: string | undefined, options: Options) => {
      const { url, gorev, dir = '' } = options;
      const given = [file, url, gorev].filter((source) => source !== undefined);
      if (given.length !== 1) {
        const message =
          given.length === 0
            ? 'puttar needs a source'
            : `puttar takes one source, not ${given.length}`;
        throw new GomoteError(
          'ERR_USAGE',
          `${message}${given.length > 1 ? `: ${given.join(', ')}` : ''}`,
          {
            hint: 'give FILE, -, --url URL or --gorev REV',
          },
        );
      }
      const { signal } = context;
      if (file !== undefined) {
        const source = await openSource(
          file,
          context.terminal,
          'make a .tar.gz of it: tar czf - DIR | gomote puttar NAME -',
        );
        await source.use((bytes) =>
          context.withBuildlet(name, ({ client }) => client.putTar(bytes, dir, { signal })),
        );
        return;
      }
      await context.withBuildlet(name, async ({ client }) => {
        await client.putTarFromURL(checkUrl(url ?? goArchiveUrl(gorev ?? '')), dir, { signal });
        // Go's build asks git for its version unless there is this file.
        const versionFile = `${dir === '' ? '' : `${dir}/`}VERSION`;
        if (gorev !== undefined) await client.put(`devel ${gorev}`, versionFile, 0o644, { signal });
      });
    });
}

const goArchiveUrl = (revision: string): string =>
  `https://go.googlesource.com/go/+archive/${encodeURIComponent(revision)}.tar.gz`;

function checkUrl(text: string): string {
  if (URL.canParse(text) && /^https?:/i.test(text)) return text;
  throw new GomoteError('ERR_USAGE', `bad --url "${text}"`, { hint: 'give http://… or https://…' });
}
