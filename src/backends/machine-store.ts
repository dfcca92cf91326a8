// The content store of a user on a machine on which that user's buildlets are created, one after another.
import * as v from 'valibot';
import { memorySchema } from '../config/values.ts';
import { defaultStoreBytes, minStoreBytes } from '../store/store-size.ts';
import type { CreateCall } from './backend.ts';

export interface StoreConfig {
  /** How much each machine keeps of what is pushed to its buildlets, in bytes; 0: nothing. */
  readonly storeBytes?: number | undefined;
}

export const storeEntries = {
  'store-size': v.optional(v.union([v.literal(0), memorySchema])),
} as const;
export const storeNames = { 'store-size': 'storeBytes' } as const;

/** The size limit; 0: no store. */
export const storeBytesOf = (
  { storeBytes = defaultStoreBytes }: StoreConfig,
  { hasNoStore = false }: Pick<CreateCall, 'hasNoStore'>,
): number => (hasNoStore || storeBytes < minStoreBytes ? 0 : storeBytes);

export interface MachineStore {
  readonly directory: string;
  readonly limitBytes: number;
}

/** The options of a buildlet with this store. */
export const storeArguments = ({ directory, limitBytes }: MachineStore): string[] => [
  ...['--store', directory, '--store-size', `${Math.floor(limitBytes / 2 ** 20)}M`],
];
