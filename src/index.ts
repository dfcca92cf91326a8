/**
 * What the command line does, for programs: `open` is its entry point.
 *
 * @module gomote
 */
export { gceGate } from './backends/gce/gate.ts';
export type {
  CreatedVm,
  GceAuth,
  GceCallOptions,
  GoogleCredentials,
  StartVmOptions,
  Vm,
  VmHook,
} from './backends/gce/options.ts';
export type { ClusterConfig } from './backends/kubernetes/cluster-config.ts';
export { podDefaults } from './backends/kubernetes/pod-defaults.ts';
export type { Setup, SetupFile } from './backends/setup.ts';
export { type StartPodOptions, startPod } from './backends/start-pod.ts';
export { destroyVM, listVMs, startNewVM } from './backends/virtual-machines.ts';
export {
  type BuilderType,
  builtInCatalogue,
  type Catalogue,
  type ContainerOptions,
  type DockerMachine,
  type GceMachine,
  type HostType,
  type KubernetesMachine,
  type LocalMachine,
  type SetupSource,
  type WorkVolume,
} from './builders.ts';
export {
  BuildletClient,
  type BuildletClientOptions,
  type CallOptions,
  type PasswordCredentials,
} from './client/buildlet-client.ts';
export { CoordinatorClient } from './client/coordinator-client.ts';
export type {
  CoordinatorClientOptions,
  ListOptions,
  TypesOptions,
  UserPass,
} from './client/coordinator-options.ts';
export type {
  CoordinatorSnapshots,
  RemoteSnapshotOptions,
} from './client/coordinator-snapshots.ts';
export type { Created, CreatedAll, CreateOptions } from './client/create-buildlet.ts';
export type { Applied } from './client/files/apply-reply.ts';
export type { Files, Removal } from './client/files/files.ts';
export type { ListDirOptions } from './client/files/streams.ts';
export type {
  Download,
  PutFileOptions,
  RemoteFile,
  TransferOptions,
  TransferSummary,
} from './client/files/transfers.ts';
export type { TreeManifest, TreeState } from './client/files/tree-state.ts';
export type { TreeCallOptions, TreeScope, Trees } from './client/files/trees.ts';
export type { BuildletHold, HoldOptions } from './client/hold.ts';
export { KeyPair, NoKeyPair, newKeyPair } from './client/key-pair.ts';
export type { Ports, RemoteListener } from './client/ports.ts';
export type { ExecOptions, ExecResult } from './client/runs/exec.ts';
export type { Session } from './client/runs/session.ts';
export type {
  SessionOptions,
  SessionReadOptions,
  SessionResult,
} from './client/runs/session-options.ts';
export type { Sessions, StartSession } from './client/runs/sessions.ts';
export {
  ERR_CLOSED,
  ERR_TIMEOUT,
  type ErrorCode,
  errorCodes,
  GomoteError,
  type GomoteErrorOptions,
  isGomoteError,
  NotStartedError,
  PlatformError,
  StatusError,
} from './errors.ts';
export type { Buildlet } from './gomote/buildlet.ts';
export type { CacheOptions, ListedCache } from './gomote/caches.ts';
export type { CreateOptions as CreateBuildletOptions, MachineOptions } from './gomote/create.ts';
export type { DiffOptions } from './gomote/diff.ts';
export type { BuildletFiles } from './gomote/files.ts';
export type { ForkOptions } from './gomote/fork.ts';
export type { Forward, ForwardOptions } from './gomote/forward.ts';
export {
  type CoordinatorFlags,
  defaultInstance,
  newCoordinatorClientFromFlags,
  registerFlags,
  stagingInstance,
} from './gomote/from-flags.ts';
export type { Gomote } from './gomote/gomote.ts';
export { IncompleteError } from './gomote/incomplete.ts';
export type { ListBuildletsOptions, ListedBuildlet } from './gomote/list.ts';
export { open } from './gomote/open.ts';
export type { OpenOptions } from './gomote/options.ts';
export type { PullTreeOptions } from './gomote/pull.ts';
export type { PushTreeOptions } from './gomote/push.ts';
export type {
  AttachOptions,
  OutputOptions,
  RunOptions,
  ShellOptions,
} from './gomote/run/options.ts';
export type { OutputName } from './gomote/run/outputs.ts';
export type { CommandOptions } from './gomote/run/request.ts';
export type { KillOptions, Run, RunResult } from './gomote/run/run.ts';
export type { PutOptions } from './gomote/send-file.ts';
export type { SetupOptions } from './gomote/setup.ts';
export type { ListSnapshotsOptions } from './gomote/snapshot-places.ts';
export type { Snapshot, SnapshotOptions } from './gomote/snapshots.ts';
export type { Source } from './gomote/sources.ts';
export type { FileChange } from './gomote/watch-files.ts';
export type { HttpRequest, HttpResponse, ReplyBody, RequestBody } from './http/client/request.ts';
export type { ServerAddress } from './http/client/server-address.ts';
export type { Cache } from './protocol/cache.ts';
export type { BuilderRecord, HostRecord, MachineRecord } from './protocol/coordinator.ts';
export type {
  DeviceLogin,
  RemoteBuildlet,
  RemoteTypes,
  RemoteUser,
  SignedIn,
} from './protocol/coordinator-replies.ts';
export type { Method } from './protocol/endpoints.ts';
export type { FileType } from './protocol/file-mode.ts';
export type { FormValue } from './protocol/form.ts';
export type { SocketTarget } from './protocol/forward.ts';
export type { Labels, WantedLabels } from './protocol/labels.ts';
export type { EnforcedLimit } from './protocol/limits.ts';
export type { DirEntry } from './protocol/listing.ts';
export type { Priority } from './protocol/priority.ts';
export type {
  ClosedBy,
  EndReason,
  RunUsage,
  SessionEnd,
  SessionInfo,
  SessionRequest,
  Standstill,
  StreamSum,
  TerminalRequest,
} from './protocol/session.ts';
export type { SnapshotRecord } from './protocol/snapshot.ts';
export type { BuildletStatus, ConfinementStatus, SoftwareStatus } from './protocol/status.ts';
export type { StoredAnswer } from './protocol/stored.ts';
export type { Compression, Skipped, TransferTotals } from './protocol/transfer.ts';
export type { Patch, PatchPart, TreeChange } from './protocol/tree-change.ts';
export type { TreeDifference } from './protocol/tree-difference.ts';
export type { TreeEntry } from './protocol/tree-entry.ts';
export type { RefusedEntry } from './protocol/tree-replies.ts';
export { type Gate, type TokenBucketOptions, tokenBucket } from './rate-limit.ts';
export type { PullSummary } from './sync/pull/pull-options.ts';
export type { PushSummary } from './sync/push/push-target.ts';
export type { Chunk } from './tree/chunks.ts';
