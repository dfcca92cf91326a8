// The shapes that the library writes out for credentials and clusters are those of the packages that make them.
import type { KubeConfig } from '@kubernetes/client-node';
import type { compute_v1 } from 'googleapis/build/src/apis/compute/v1.js';
import { expectTypeOf, it } from 'vitest';
import type { ClusterConfig, GceAuth } from '../../src/index.ts';

it('the library takes a KubeConfig of @kubernetes/client-node', () => {
  expectTypeOf<KubeConfig>().toExtend<ClusterConfig>();
});

it('the library takes the credentials that Google’s packages make', () => {
  expectTypeOf<NonNullable<compute_v1.Options['auth']>>().toExtend<GceAuth>();
});
