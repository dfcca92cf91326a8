// The types of the library's API. Without Google's package, whose types users need not have.
import type { Catalogue } from '../../builders.ts';
import type { KeyPair } from '../../client/key-pair.ts';
import type { Gate } from '../../rate-limit.ts';

/**
 * Google credentials: what google-auth-library makes (a `GoogleAuth`, an `OAuth2Client`, a `JWT`), or an API key. The
 * shape is written here, so that a program that uses the library needs that package only if it makes one.
 */
export type GceAuth = string | GoogleCredentials;

/** The part of google-auth-library that is used. */
export interface GoogleCredentials {
  /** The headers that authorize a request to the URL. */
  getRequestHeaders(url?: string): Promise<object>;
  /** Sends a request with those headers. */
  request(options: object): Promise<object>;
}

/** Awaited; an error ends the creation of the machine. */
export type VmHook<T extends unknown[] = []> = ((...args: T) => void | Promise<void>) | undefined;

/** How to reach the API. */
export interface GceCallOptions {
  /** Cancels the call, which then fails with ERR_ABORTED. */
  signal?: AbortSignal | undefined;
  /** Where the Compute API is. Default: Google's own. */
  endpoint?: string | undefined;
  /** Awaited before every call of the API, after `gceGate.hook`. */
  gate?: Gate | undefined;
}

/** An existing machine of Compute Engine. */
export interface CreatedVm {
  /** Such as `us-central1-f`. */
  readonly zone: string;
  /** Its name in that zone. */
  readonly name: string;
}

/** What `startNewVM` takes. */
export interface StartVmOptions extends GceCallOptions {
  /** Such as `us-central1-f`. Required. */
  zone: string;
  /** Required. */
  projectId: string;
  /** More zones, tried in this order when the one before has no room. */
  moreZones?: readonly string[] | undefined;
  /** Where host types named by text are looked up. Default: the built-in catalogue. */
  catalogue?: Catalogue | undefined;
  /** The key pair of its TLS server. Default: plain HTTP without a password, for inside the network. */
  tls?: KeyPair | undefined;
  /** For people who look at the machine. */
  description?: string | undefined;
  /** More metadata. */
  meta?: Readonly<Record<string, string>> | undefined;
  /** Labels of the machine. Default: none. */
  labels?: Readonly<Record<string, string>> | undefined;
  /** How long it lives at most, in ms. Default, also 0: 30 minutes. Infinity: until someone deletes it. */
  deleteInMs?: number | undefined;
  /** Whether it has an address outside of its network, and is reached by it. Default: with TLS. */
  externalIp?: boolean | undefined;
  /** Where its buildlet listens. Default 443 with TLS, else 80. */
  port?: number | undefined;
  /**
   * How long the buildlet may take to answer once the machine runs, in ms, of any length. Default 5 minutes. 0 or Infinity:
   * no limit.
   */
  probeTimeoutMs?: number | undefined;
  /** The machine was asked for. */
  onInstanceRequested?: VmHook;
  /** The machine is there. */
  onInstanceCreated?: VmHook<[vm: CreatedVm]>;
  /** Its address is known. */
  onGotInstanceInfo?: VmHook;
  /** Before each try to reach its buildlet. */
  onBeginBuildletProbe?: VmHook<[url: string]>;
  /** After each try; undefined: it answered. */
  onEndBuildletProbe?: VmHook<[error: unknown]>;
  /**
   * Called when no zone has a spot or preemptible machine; returns the name for one at full price. Default: none is
   * tried, and the call fails with ERR_NO_CAPACITY.
   */
  fallbackToFullPrice?: (() => string | Promise<string>) | undefined;
  /** Called with a short description of what is being waited for. */
  onProgress?: ((step: string) => void) | undefined;
}

/** A machine with a buildlet on it. */
export interface Vm {
  /** Its name in the zone. */
  readonly name: string;
  /** `HOST:PORT` of its buildlet; undefined while it has no address. */
  readonly ipPort: string | undefined;
  /** The zero pair: plain HTTP. */
  readonly tls: KeyPair;
  /** Its host type. */
  readonly type: string;
}
