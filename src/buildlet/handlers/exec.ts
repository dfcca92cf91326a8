// POST /exec: runs a command, its output in the body, how it ended in the trailer.
import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { drained, readFormBody, sendError } from '../../http/server/reply.ts';
import type { Handler } from '../../http/server/server.ts';
import { processStateTrailer } from '../../protocol/endpoints.ts';
import { decodeExecForm } from '../../protocol/exec.ts';
import { formatProcessState } from '../../protocol/process-state.ts';
import type { Commands } from '../command/commands.ts';

/** How long a command whose client has left has between TERM and KILL. */
const leaveGraceMs = 5_000;

export function exec(commands: Commands): Handler {
  return async ({ request, response, signal }) => {
    if (request.httpVersion !== '1.1') {
      return sendError(response, 400, 'HTTP/1.1 or higher required', 'ERR_REQUEST');
    }
    response.setHeader('Trailer', processStateTrailer);
    const form = decodeExecForm(await readFormBody(request));
    if ('refused' in form) return sendError(response, 400, form.refused, 'ERR_REQUEST');
    // The client gives up if no header comes soon, however long the command is silent.
    response.writeHead(200);
    response.flushHeaders();
    const command = await commands.start(form, { merge: true, stdin: false }, signal);
    if ('notStarted' in command) return finish(response, command.notStarted);
    const end = () => void command.end(leaveGraceMs);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
    if (form.debug) response.write(command.debugLine);
    await copyOutput(command.stdout, response);
    const { code, signal: endedBy } = await command.exited;
    finish(response, formatProcessState(code, endedBy));
  };
}

/** Sends each piece as it comes; a slow reader of the response slows the command. */
async function copyOutput(output: Readable, response: ServerResponse): Promise<void> {
  output.on('data', (piece: Buffer) => {
    if (response.write(Buffer.from(piece)) || response.destroyed) return;
    output.pause();
    void drained(response).then(() => output.resume());
  });
  // A command without output may have ended before anyone listened.
  await finished(output, { writable: false });
}

function finish(response: ServerResponse, state: string): void {
  response.addTrailers({ [processStateTrailer]: toHeaderValue(state) });
  response.end();
}

/** Header values are bytes: UTF-8 as Go sends it, without the characters a header cannot hold. */
const toHeaderValue = (text: string): string =>
  Buffer.from(text.replaceAll(/\p{Cc}/gu, ' ')).toString('latin1');
