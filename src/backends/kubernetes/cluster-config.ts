/**
 * What is used of a `KubeConfig` of @kubernetes/client-node: the cluster and who asks. The shape is written here, so
 * that a program that uses the library needs that package only if it makes one.
 */
export interface ClusterConfig {
  /** The current cluster; null: none is selected. */
  getCurrentCluster(): {
    /** The URL of its API server. */
    readonly server: string;
  } | null;
  /** The name of the context in use. */
  getCurrentContext(): string;
  /** The context of that name, whose namespace is the default one. */
  getContextObject(name: string): {
    /** Absent: `default`. */
    readonly namespace?: string;
  } | null;
  /** Adds credentials to the options of `fetch`. */
  applyToFetchOptions(options: object): Promise<object>;
  /** Adds credentials to the options of `https.request`. */
  applyToHTTPSOptions(options: object): Promise<void>;
  /** Adds credentials to a request of the generated client. */
  applySecurityAuthentication(context: object): Promise<void>;
}
