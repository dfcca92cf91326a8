// Liveness, version and the path of the work directory.
import { release } from 'node:os';
import { sendText } from '../../http/server/reply.ts';
import type { Handler } from '../../http/server/server.ts';
import { readVersion } from '../../package-root.ts';
import {
  buildletVersion,
  contentTypes,
  expiresHeader,
  goPlatform,
  livenessText,
} from '../../protocol/endpoints.ts';
import {
  type ConfinementStatus,
  formatStatus,
  type SoftwareStatus,
} from '../../protocol/status.ts';
import type { Lease } from '../lease.ts';

export function liveness(lease: Lease): Handler {
  const { os, arch } = goPlatform(process.platform, process.arch);
  return ({ response }) => {
    const { expiresAt } = lease;
    if (expiresAt !== undefined) response.setHeader(expiresHeader, expiresAt.toISOString());
    sendText(response, livenessText(os, arch));
  };
}

export function status(features: readonly string[], confinement: ConfinementStatus): Handler {
  let text: string | undefined;
  return ({ response }) => {
    text ??= formatStatus({
      version: buildletVersion,
      features,
      confinement,
      software: software(),
    });
    sendText(response, text, contentTypes.json);
  };
}

export const software = (): SoftwareStatus => ({
  ...{ gomote: readVersion(), node: process.version },
  system: `${process.platform} ${release()} ${process.arch}`,
});

export function workDirPath(workDir: string): Handler {
  return ({ response }) => sendText(response, workDir);
}
