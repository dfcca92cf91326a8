/**
 * What is used of a `KubeConfig` of @kubernetes/client-node: the cluster and who asks. The shape is written here, so
 * that a program that uses the library needs that package only if it makes one.
 */
export interface ClusterConfig {
  getCurrentCluster(): { readonly server: string } | null;
  getCurrentContext(): string;
  getContextObject(name: string): { readonly namespace?: string } | null;
  applyToFetchOptions(options: object): Promise<object>;
  applyToHTTPSOptions(options: object): Promise<void>;
  applySecurityAuthentication(context: object): Promise<void>;
}
