// Our coordinator answers every request recorded with a Go coordinator as that did.
import { connect } from 'node:tls';
import { expect, it } from 'vitest';
import { startCoordinator } from '../helpers/coordinator.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import {
  type Exchange,
  loadExchanges,
  type ParsedResponse,
  parseResponse,
} from '../helpers/wire.ts';

async function exchange(port: number, { request }: Exchange): Promise<ParsedResponse> {
  const { method, path, proto, headers, body } = request;
  const head = [
    `${method} ${path} ${proto}`,
    'Host: localhost',
    'Connection: close',
    ...(method === 'POST' ? [`Content-Length: ${body.length}`] : []),
    ...headers,
  ];
  const connection = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  connection.write(`${head.join('\r\n')}\r\n\r\n`);
  connection.write(body);
  const chunks: Buffer[] = [];
  for await (const chunk of connection) chunks.push(chunk as Buffer);
  return parseResponse(Buffer.concat(chunks));
}

/** What depends on the machine and the time: times, the work dir, and lengths that follow from them. */
function comparable(response: ParsedResponse, workDir: string) {
  const body = response.body
    .toString()
    .replaceAll(/"(Created|Expires)": "2[-0-9]{9}T[0-9:.]+Z"/g, '"$1": "TIME"')
    // An extension; Go's clients ignore it.
    .replace(/,"Confinement":\{.*?\}(?=\})/, '')
    .replaceAll(workDir, '/workdir');
  const headers = new Map(response.headers);
  headers.delete('date');
  // An extension; Go's clients ignore it.
  headers.delete('x-gomote-error-code');
  if (headers.has('content-length')) headers.set('content-length', String(body.length));
  return {
    status: response.status,
    reason: response.reason,
    complete: response.complete,
    headers: Object.fromEntries([...headers].sort()),
    trailers: [...response.trailers],
    body,
  };
}

it('the coordinator answers the recorded requests with the recorded status, headers, body and trailer', async () => {
  const workDir = temporaryDirectory();
  const { url } = await startCoordinator({
    users: {
      gopher: { token: '875a7345b291621360b36e62a0fc6a14' },
      other: { token: '5eb4da13015077a9e54e75a1f15ec2d3' },
    },
    hostType: 'host-linux-arm-scaleway',
    builderType: 'linux-arm',
    machines: 1,
    buildlet: { workDir, features: [] },
  });
  for (const recorded of loadExchanges('coordinator')) {
    const actual = await exchange(Number(new URL(url).port), recorded);
    const { name } = recorded;
    expect({ name, ...comparable(actual, workDir) }).toEqual({
      name,
      ...comparable(parseResponse(recorded.response), workDir),
    });
  }
});
