// What work on a buildlet needs of it.
import type { BuilderType } from '../builders.ts';
import type { BuildletClient } from '../client/buildlet-client.ts';
import type { Backends } from './backends.ts';

export interface Place {
  /** As the caller writes it. */
  readonly name: string;
  readonly client: BuildletClient;
  /** Its builder type, if that is known. */
  readonly builder: BuilderType | undefined;
  readonly backends: Backends;
}
