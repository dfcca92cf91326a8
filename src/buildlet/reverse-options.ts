// The options of a buildlet that offers itself to a coordinator.
import { hostname } from 'node:os';
import { fingerprintDigits, fingerprintPattern } from '../fingerprint.ts';
import { proxyOf } from '../http/client/env-proxy.ts';
import { isLoopback } from '../http/server/listen.ts';
import { areTooMany, type Labels, parseWantedLabels } from '../protocol/labels.ts';
import { machineNamePattern } from '../protocol/reverse.ts';
import { readSetting } from './meta.ts';
import { secretLine, usage, type ValuesOf } from './option-values.ts';
import type { ReverseOptions } from './reverse.ts';

export const reverseHelp = `  --coordinator URL             offer the machine to the coordinator at
                                https://HOST[:PORT]: dial out (through
                                HTTPS_PROXY, if set), and be called over that
                                connection alone; in place of --listen and a
                                password
  --host-type TYPE              with --coordinator: the kind of machine this is
  --key-file FILE               with --coordinator: its first line is the key
                                that lets machines in; others must not be able
                                to read it
  --machine NAME                with --coordinator: what the machine is called
                                there, the same at each start (default: its host
                                name)
  --label KEY=VALUE             with --coordinator: a label of the machine, if
                                its pool there believes it; can be repeated
  --fingerprint sha256:HEX      with --coordinator: accept exactly this
                                certificate
  --ca-file FILE                with --coordinator: accept certificates of these
                                authorities (PEM) in place of the system's
`;

export const reverseFlags = {
  coordinator: { type: 'string' },
  'host-type': { type: 'string' },
  'key-file': { type: 'string' },
  machine: { type: 'string' },
  label: { type: 'string', multiple: true },
  fingerprint: { type: 'string' },
  'ca-file': { type: 'string' },
} as const;

/** Undefined without --coordinator. */
export async function readReverseOptions(
  values: ValuesOf<typeof reverseFlags>,
  environment: NodeJS.ProcessEnv,
): Promise<ReverseOptions | undefined> {
  const { coordinator, 'host-type': hostType, 'key-file': keyFile, machine = ownName() } = values;
  if (coordinator === undefined) {
    const stray = Object.keys(reverseFlags).find((name) => name in values);
    if (stray === undefined) return undefined;
    throw usage(`--${stray} goes with --coordinator`, 'see buildlet --help');
  }
  if (hostType === undefined || keyFile === undefined) {
    throw usage('--coordinator needs --host-type and --key-file', 'see buildlet --help');
  }
  if (!machineNamePattern.test(machine)) {
    throw usage(
      `a machine cannot be called "${machine}"`,
      'give --machine NAME: letters, digits, ".", "_" and "-", at most 63',
    );
  }
  const key = secretLine('--key-file', keyFile).trim();
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw usage(`--key-file: ${keyFile} holds no key`, 'its first line is the key, without spaces');
  }
  const origin = checkOrigin(coordinator);
  return {
    coordinator: origin,
    proxy: proxyOf(origin, environment),
    trust: {
      fingerprint: values.fingerprint && parseFingerprint(values.fingerprint),
      caPem: values['ca-file'] && (await readSetting('--ca-file', values['ca-file'])),
    },
    key,
    hostType,
    machine,
    labels: labelsIn(values.label),
  };
}

function labelsIn(texts: readonly string[] = []): Labels | undefined {
  const labels: Record<string, string> = {};
  for (const text of texts) {
    const [[name, value] = ['', undefined]] = parseWantedLabels([text]) ?? [];
    if (value === undefined || Object.hasOwn(labels, name)) {
      throw usage(`--label "${text}" is not a label, or the second of its key`, 'give KEY=VALUE');
    }
    labels[name] = value;
  }
  if (areTooMany(labels)) throw usage('a machine has no more than 32 labels', 'give fewer');
  return texts.length === 0 ? undefined : labels;
}

/** The host name without its domain. */
const ownName = (): string => hostname().split('.', 1)[0] ?? '';

function checkOrigin(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isOrigin = url?.pathname === '/' && `${url.search}${url.hash}${url.username}` === '';
  if (url === undefined || !isOrigin || !['https:', 'http:'].includes(url.protocol)) {
    throw usage(
      `--coordinator "${text}" is not a URL of a coordinator`,
      'give https://HOST[:PORT]',
    );
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (url.protocol === 'http:' && !isLoopback({ kind: 'tcp', host, port: 0 })) {
    throw usage(`--coordinator ${text}: the key would cross the network unprotected`, 'use https');
  }
  return url.origin;
}

function parseFingerprint(text: string): string {
  const digits = fingerprintDigits(text);
  if (fingerprintPattern.test(digits)) return digits;
  throw usage(
    `--fingerprint "${text}" is not one`,
    'give sha256: and 64 hexadecimal digits, as the coordinator prints it',
  );
}
