/** The resources of pods whose host type names none. The properties may be changed. */
export const podDefaults = {
  /** CPUs that the scheduler reserves. */
  buildletCPU: '2',
  /** The most CPUs a pod may use. */
  buildletCPULimit: '8',
  /** Memory: reserved, and the most it may use. */
  buildletMemory: '4000000Ki',
  /** Disk that the scheduler reserves: little, because most builds use little. */
  buildletDisk: '64Mi',
  /** The most disk a pod may use, for its files and for the output of its runs. */
  buildletDiskLimit: '20Gi',
};
