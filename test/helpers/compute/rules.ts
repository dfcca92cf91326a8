// What the Compute API refuses of a request for a machine, as far as it is documented.
import type { compute_v1 } from 'googleapis/build/src/apis/compute/v1.js';

/** The body of an error reply. */
export interface ApiError {
  readonly error: {
    readonly code: number;
    readonly message: string;
    readonly errors: readonly { readonly domain: string; reason: string; message: string }[];
  };
}

export const refusal = (code: number, reason: string, message: string): ApiError => ({
  error: { code, message, errors: [{ domain: 'global', reason, message }] },
});

export const isRefusal = (answer: object): answer is ApiError =>
  'error' in answer && typeof (answer.error as { code?: unknown } | null)?.code === 'number';

/** The field that is wrong; anything false: none is. */
type Check = (
  instance: compute_v1.Schema$Instance,
  at: { project: string; zone: string },
) => string | undefined | false | null;

const invalidName = (name: string | null | undefined) =>
  !/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name ?? '');

const checks: readonly Check[] = [
  ({ name }) => invalidName(name) && `'name': '${name}'`,
  ({ machineType }, { project, zone }) =>
    !machineType?.endsWith(
      `projects/${project}/zones/${zone}/machineTypes/${machineType.split('/').at(-1)}`,
    ) && `'machineType': '${machineType}'`,
  ({ disks = [] }) => disks.filter(({ boot }) => boot).length !== 1 && `'disks': one boot disk`,
  ({ disks = [] }, { zone }) =>
    disks.some(
      ({ initializeParams: { diskType } = {} }) =>
        diskType && !diskType.includes(`/zones/${zone}/`),
    ) && `'disks[].initializeParams.diskType'`,
  ({ networkInterfaces = [] }) => networkInterfaces.length === 0 && `'networkInterfaces'`,
  ({ labels }) =>
    Object.entries(labels ?? {}).some(
      ([key, value]) => !/^[a-z][a-z0-9_-]{0,62}$/.test(key) || !/^[a-z0-9_-]{0,63}$/.test(value),
    ) && `'labels': '${JSON.stringify(labels)}'`,
  ({ metadata }) => {
    const keys = (metadata?.items ?? []).map(({ key = '' }) => key);
    const bad = keys.find((key) => !/^[a-zA-Z0-9-_]{1,128}$/.test(key));
    const twice = keys.find((key, i) => keys.indexOf(key) !== i);
    return (bad ?? twice) !== undefined && `'metadata.items': '${bad ?? twice}'`;
  },
  ({ scheduling = {} }) => {
    const seconds = scheduling.maxRunDuration?.seconds;
    if (seconds === undefined || seconds === null) return undefined;
    const isInRange = Number(seconds) >= 30 && Number(seconds) <= 120 * 24 * 3_600;
    return (
      (!isInRange || !scheduling.instanceTerminationAction) &&
      `'scheduling.maxRunDuration': '${seconds}'`
    );
  },
  ({ scheduling = {} }) =>
    scheduling.instanceTerminationAction &&
    !scheduling.maxRunDuration &&
    scheduling.provisioningModel !== 'SPOT' &&
    `'scheduling.instanceTerminationAction'`,
  ({ scheduling = {} }) =>
    (scheduling.preemptible || scheduling.provisioningModel === 'SPOT') &&
    (scheduling.automaticRestart !== false || scheduling.onHostMaintenance !== 'TERMINATE') &&
    `'scheduling': preemptible machines are not restarted or moved`,
];

/** Why the machine is refused; undefined: it is not. */
export function checkInstance(
  project: string,
  zone: string,
  instance: compute_v1.Schema$Instance,
): ApiError | undefined {
  for (const check of checks) {
    const problem = check(instance, { project, zone });
    if (problem) return refusal(400, 'invalid', `Invalid value for field ${problem}`);
  }
  const images = (instance.disks ?? []).map((disk) => disk.initializeParams?.sourceImage ?? '');
  const missing = images.find((image) => image.includes('missing'));
  return missing === undefined
    ? undefined
    : refusal(404, 'notFound', `The resource '${missing}' was not found`);
}
