// Removes files and directories of a buildlet.
import { readText } from '../../http/client/request.ts';
import { contentTypes, endpoints } from '../../protocol/endpoints.ts';
import { encodeForm } from '../../protocol/form.ts';
import { readWarnings, warningsHeader } from '../../protocol/transfer.ts';
import type { CallOptions } from '../client-options.ts';
import type { Connection } from '../connection.ts';

/** The result of `removeAll`. */
export interface Removal {
  /** The paths that did not exist; empty if the buildlet does not report them. */
  readonly warnings: readonly string[];
}

export async function removeAll(
  connection: Connection,
  paths: readonly string[],
  options: CallOptions,
): Promise<Removal> {
  if (paths.length === 0) return { warnings: [] };
  const signal = connection.signalWith(options.signal);
  const response = await connection.call({
    method: 'POST',
    path: endpoints.removeAll.path,
    headers: { 'Content-Type': contentTypes.form, [warningsHeader]: '1' },
    body: encodeForm({ path: paths }),
    signal,
  });
  await readText(response, signal);
  return { warnings: readWarnings(response.headers) };
}
