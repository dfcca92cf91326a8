// What is used of @kubernetes/client-node. It is large: in the programs it is a file of its own (scripts/build.js),
// loaded with the first question to a cluster, and holds no more than this.
export {
  CoreV1Api,
  createConfiguration,
  KubeConfig,
  Observable,
  PortForward,
  ServerConfiguration,
  Watch,
} from '@kubernetes/client-node';
