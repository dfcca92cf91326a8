// gomote puttar: extracts an archive, or a directory packed on the fly, on the buildlet.
import { stat } from 'node:fs/promises';
import type { Command } from 'commander';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError, StatusError } from '../../errors.ts';
import { compressionFor } from '../../gomote/compression.ts';
import { openSource } from '../../gomote/local-files.ts';
import { onPath } from '../../gomote/remote-path.ts';
import { checkInside } from '../../gomote/work-dir-path.ts';
import { zstdFeature } from '../../protocol/features.ts';
import type { Compression } from '../../protocol/transfer.ts';
import type { Context } from '../context.ts';
import type { Passed } from '../terminal/progress.ts';
import { archiveToSend } from '../transfer/archive-source.ts';
import { reported, watched } from '../transfer/transfer-report.ts';
import { parseCompress } from '../values.ts';

interface Options {
  dir?: string;
  url?: string;
  gorev?: string;
  compress?: Compression | 'auto';
  json?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .argument(
      '[file]',
      'tar archive, also compressed (gzip, xz, bzip2, zstd); - for one from standard input; or a directory to send the content of',
    )
    .option(
      '--dir <dir>',
      'directory, relative to the work directory, made if absent (default: the work directory)',
    )
    .option('--url <url>', 'let the buildlet fetch the .tar.gz from this URL')
    .option('--gorev <rev>', "a revision of Go's own repository, fetched by the buildlet")
    .option(
      '--compress <how>',
      'of a directory: auto, gzip, zstd or none (default: auto)',
      parseCompress,
    )
    .option('--json', 'print a summary as JSON')
    .action(async (name: string, file: string | undefined, options: Options) => {
      checkSources(file, options);
      checkInside('--dir', options.dir ?? '');
      if (file === undefined) await fetchThere(name, options, context);
      else if (await isDirectory(file)) await sendDirectory(name, file, options, context);
      else await sendFile(name, file, options, context);
    });
}

function checkSources(file: string | undefined, { url, gorev, json }: Options): void {
  const given = [file, url, gorev].filter((source) => source !== undefined);
  if (given.length !== 1) {
    const message =
      given.length === 0
        ? 'puttar needs a source'
        : `puttar takes one source, not ${given.length}: ${given.join(', ')}`;
    const hint = 'give FILE, DIR, -, --url URL or --gorev REV';
    throw new GomoteError('ERR_USAGE', message, { hint });
  }
  if (file !== undefined && isUrl(file)) {
    throw new GomoteError('ERR_USAGE', `"${file}" is a URL, not a file`, {
      hint: `give --url ${file}`,
    });
  }
  if (json && file === undefined) {
    throw new GomoteError('ERR_USAGE', '--json counts what passes here, and nothing does', {
      hint: 'leave it out with --url and --gorev',
    });
  }
}

const isDirectory = async (file: string): Promise<boolean> =>
  file !== '-' && (await stat(file).catch(() => undefined))?.isDirectory() === true;

async function sendFile(
  name: string,
  file: string,
  { dir = '', compress, json }: Options,
  context: Context,
): Promise<void> {
  if (compress !== undefined) {
    throw new GomoteError('ERR_USAGE', `--compress is for a directory, and "${file}" is not one`, {
      hint: 'leave it out',
    });
  }
  const { signal } = context;
  const source = await openSource(file, context.terminal, 'give its name without a / at the end');
  const passed: Passed = { bytes: 0, totalBytes: source.sizeBytes };
  await source.use((bytes) =>
    context.withBuildlet(name, ({ client }) =>
      reported(context, { json, passed }, () => {
        const archive = archiveToSend(watched(bytes, passed), {
          file,
          takesZstd: () => client.has(zstdFeature, { signal }),
          compression: () => compressionFor(client, 'auto', signal),
          signal,
        });
        return onPath(name, dir, () => client.putTar(archive, dir, { signal }));
      }),
    ),
  );
}

async function sendDirectory(
  name: string,
  directory: string,
  { dir = '', compress: wished = 'auto', json }: Options,
  context: Context,
): Promise<void> {
  const { signal } = context;
  const { packTar } = await import('../../tar/pack.ts');
  const { SkippedList } = await import('../../tar/skipped-list.ts');
  const totals = { files: 0, bytes: 0 };
  const send = async (client: BuildletClient) => {
    const compress = await compressionFor(client, wished, signal);
    const skipped = new SkippedList();
    const packed = packTar(directory, '.', { compress, totals, signal, onSkipped: skipped.add });
    const sent = await onPath(name, dir, () => client.putTar(packed, dir, { compress, signal }));
    return { ...sent, ...totals, skipped };
  };
  await context.withBuildlet(name, ({ client }) =>
    reported(context, { json, passed: totals }, () => send(client)),
  );
}

async function fetchThere(
  name: string,
  { url, gorev, dir = '' }: Options,
  context: Context,
): Promise<void> {
  const { signal } = context;
  await context.withBuildlet(name, async ({ client }) => {
    const address = checkUrl(url ?? goArchiveUrl(gorev ?? ''));
    await client.putTarFromURL(address, dir, { signal }).catch((error: unknown) => {
      throw refusedFormat(error, address, name);
    });
    // Without this file, Go's build asks git for its version.
    const versionFile = `${dir === '' ? '' : `${dir}/`}VERSION`;
    if (gorev !== undefined) await client.put(`devel ${gorev}`, versionFile, 0o644, { signal });
  });
}

/** A buildlet that fetches an archive itself accepts only .tar.gz. */
function refusedFormat(error: unknown, url: string, name: string): unknown {
  const isFormat = error instanceof StatusError && error.text.includes('requires gzip-compressed');
  if (!isFormat) return error;
  return new GomoteError('ERR_ARCHIVE', `what ${url} gives is not a .tar.gz`, {
    hint: `fetch it here: curl -fL ${url} | gomote puttar ${name} -`,
    cause: error,
  });
}

const goArchiveUrl = (revision: string): string =>
  `https://go.googlesource.com/go/+archive/${encodeURIComponent(revision)}.tar.gz`;

const isUrl = (text: string): boolean => /^https?:/i.test(text) && URL.canParse(text);

function checkUrl(text: string): string {
  if (isUrl(text)) return text;
  throw new GomoteError('ERR_USAGE', `bad --url "${text}"`, { hint: 'give http://… or https://…' });
}
