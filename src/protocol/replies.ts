// Reads the JSON of `/status`; unknown fields are ignored.
import * as v from 'valibot';
import { enforcers, limitedResources } from './limits.ts';
import { count, goObject, listOf, parseBy, text } from './reply-fields.ts';
import type { BuildletStatus } from './status.ts';

export const limitsSchema = listOf(
  v.object({
    resource: v.picklist(limitedResources),
    limit: v.pipe(v.number(), v.finite(), v.minValue(0)),
    by: v.picklist(enforcers),
  }),
  100,
);

const confinement = v.object({
  isolation: v.picklist(['none', 'bubblewrap']),
  network: v.picklist(['host', 'none']),
  limits: limitsSchema,
});

export const softwareSchema = v.object({ gomote: text(100), node: text(100), system: text(400) });

const statusSchema = goObject({
  version: count,
  features: v.optional(listOf(text(100), 1_000), []),
  // Values of later versions that are not understood are ignored.
  confinement: v.fallback(v.optional(confinement), undefined),
  software: v.fallback(v.optional(softwareSchema), undefined),
});

/** Reads the body of `/status`; undefined when it is not one. */
export const parseStatus = (body: string): BuildletStatus | undefined =>
  parseBy(statusSchema, body);
