// A buildlet, as calls on it need it.
import type { BuilderType } from '../builders.ts';
import type { BuildletClient } from '../client/buildlet-client.ts';
import type { Backends } from './backends.ts';

export interface ConnectedBuildlet {
  /** The name as the caller wrote it. */
  readonly name: string;
  readonly client: BuildletClient;
  /** Its builder type, if that is known. */
  readonly builder: BuilderType | undefined;
  readonly backends: Backends;
}
