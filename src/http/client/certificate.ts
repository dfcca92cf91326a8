import type { TLSSocket } from 'node:tls';
import { openTcp } from './open-socket.ts';

/** The certificate that a server presents, and whether Node would accept it without a pin. */
export async function certificateOf(
  origin: string,
  proxy: string | undefined,
): Promise<{ fingerprint: string; isTrusted: boolean }> {
  const socket = (await openTcp({ origin, proxy, isUnchecked: true })) as TLSSocket;
  const { authorized } = socket;
  const certificate = socket.getPeerX509Certificate?.();
  socket.destroy();
  if (certificate === undefined) throw new Error('it shows no certificate');
  const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
  return { fingerprint, isTrusted: authorized };
}
