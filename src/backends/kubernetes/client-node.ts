// The used part of @kubernetes/client-node. It is large: the programs keep it in a separate file (scripts/build.js),
// which is loaded with the first request to a cluster.
export {
  CoreV1Api,
  CustomObjectsApi,
  createConfiguration,
  KubeConfig,
  Observable,
  PortForward,
  ServerConfiguration,
  Watch,
} from '@kubernetes/client-node';
