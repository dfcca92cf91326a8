// POST /exec: runs a command, its output in the body, how it ended in the trailer.
import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { oldVersionText } from '../../http/client/proxy-reply.ts';
import type { LateTrailers } from '../../http/server/late-trailers.ts';
import { drained, readFormBody, sendError } from '../../http/server/reply.ts';
import type { Handler } from '../../http/server/server.ts';
import { processStateTrailer, replyIdHeader } from '../../protocol/endpoints.ts';
import { decodeExecForm } from '../../protocol/exec.ts';
import { formatProcessState } from '../../protocol/process-state.ts';
import type { Commands } from '../command/commands.ts';
import { headerOf } from './request.ts';

/** The time between TERM and KILL for a command whose client has disconnected. */
const leaveGraceMs = 5_000;

export function exec(commands: Commands, late: LateTrailers): Handler {
  return async ({ request, response, signal }) => {
    const isNamed = headerOf(request, replyIdHeader) !== undefined;
    if (request.httpVersion === '1.0' && !isNamed) {
      return sendError(response, 400, oldVersionText, 'ERR_REQUEST');
    }
    const sendState = late.announce(response, processStateTrailer);
    const finish = (state: string) => {
      sendState(toHeaderValue(state));
      response.end();
    };
    const form = decodeExecForm(await readFormBody(request));
    if ('refused' in form) return sendError(response, 400, form.refused, 'ERR_REQUEST');
    // Send the header at once: the client gives up without it, even if the command is silent.
    response.writeHead(200);
    response.flushHeaders();
    const command = await commands.start(form, { merge: true, stdin: false }, signal);
    if ('notStarted' in command) return finish(command.notStarted);
    const end = () => void command.end(leaveGraceMs);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
    if (form.debug) response.write(command.debugLine);
    await copyOutput(command.stdout, response);
    const { code, signal: endedBy } = await command.exited;
    finish(formatProcessState(code, endedBy));
  };
}

/** Sends each chunk as it arrives. A slow reader slows the command. */
async function copyOutput(output: Readable, response: ServerResponse): Promise<void> {
  output.on('data', (piece: Buffer) => {
    if (response.write(Buffer.from(piece)) || response.destroyed) return;
    output.pause();
    void drained(response).then(() => output.resume());
  });
  // A command without output may have ended before anybody listened.
  await finished(output, { writable: false });
}

/** Header values are bytes: UTF-8 as Go sends it, without the characters a header cannot hold. */
const toHeaderValue = (text: string): string =>
  Buffer.from(text.replaceAll(/\p{Cc}/gu, ' ')).toString('latin1');
