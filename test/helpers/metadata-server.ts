// The part of Compute Engine's metadata server that buildlets and Google's libraries ask.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface MetadataServer {
  /** `HOST:PORT`, for GCE_METADATA_HOST. */
  readonly host: string;
  /** Paths that were asked for with the header `Metadata-Flavor: Google`. */
  readonly requests: string[];
  close(): void;
}

/** Serves a machine's attributes, and a token of its service account when there is one. */
export async function startMetadataServer(
  attributes: Readonly<Record<string, string>>,
  token?: string,
): Promise<MetadataServer> {
  const requests: string[] = [];
  const answers: Record<string, unknown> = {
    '/computeMetadata/v1/instance/attributes/?recursive=true': attributes,
    ...(token !== undefined && {
      '/computeMetadata/v1/instance': {},
      '/computeMetadata/v1/instance/service-accounts/default/token': {
        access_token: token,
        expires_in: 3_599,
        token_type: 'Bearer',
      },
    }),
  };
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '');
    if (request.headers['metadata-flavor'] !== 'Google') {
      return void response.writeHead(403).end('Missing required header "Metadata-Flavor"\n');
    }
    requests.push(path);
    const answer = answers[path] ?? answers[path.split('?')[0] ?? ''];
    response.writeHead(answer === undefined ? 404 : 200, {
      'Metadata-Flavor': 'Google',
      'Content-Type': 'application/json',
    });
    response.end(JSON.stringify(answer ?? ''));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => void server.close().closeAllConnections();
  return { host: `127.0.0.1:${port}`, requests, close };
}
