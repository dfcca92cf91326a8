// What a pod has because its work directory is on a volume of its own.
import type { V1Pod, V1PodSecurityContext, V1Volume, V1VolumeMount } from '@kubernetes/client-node';

const volumeName = 'work';
const mountPath = '/var/lib/gomote-volume';

/**
 * Of pods with volumes, which belong to a group that every user of the pod is in. A volume that begins with a snapshot belongs
 * to it already, so that the modes of its files stay as they are.
 */
export const volumeSecurity: V1PodSecurityContext = {
  fsGroup: 1_000,
  fsGroupChangePolicy: 'OnRootMismatch',
};

/** The parts of a pod's manifest. */
export interface PodVolume {
  readonly volume: V1Volume;
  readonly mount: V1VolumeMount;
  /** Of the buildlet, which makes its work directory there. */
  readonly args: readonly string[];
}

export const podVolume = (claimName: string): PodVolume => ({
  volume: { name: volumeName, persistentVolumeClaim: { claimName } },
  mount: { name: volumeName, mountPath },
  args: ['--volume', mountPath],
});

/** The claim of the pod; undefined: its work directory is on no volume. */
export const claimNameOf = ({ spec }: V1Pod): string | undefined =>
  spec?.volumes?.find(({ name }) => name === volumeName)?.persistentVolumeClaim?.claimName;
