// Reads the JSON of `/status`; unknown fields are ignored.
import * as v from 'valibot';
import { enforcers, limitedResources } from './limits.ts';
import { count, listOf, parseBy, text } from './reply-fields.ts';
import type { BuildletStatus } from './status.ts';

const confinement = v.object({
  isolation: v.picklist(['none', 'bubblewrap']),
  network: v.picklist(['host', 'none']),
  limits: listOf(
    v.object({
      resource: v.picklist(limitedResources),
      limit: v.pipe(v.number(), v.finite(), v.minValue(0)),
      by: v.picklist(enforcers),
    }),
    100,
  ),
});

const software = v.object({ gomote: text(100), node: text(100), system: text(400) });

const statusSchema = v.object({
  Version: count,
  Features: v.optional(listOf(text(100), 1_000), []),
  // Values of later versions that are not understood are ignored.
  Confinement: v.fallback(v.optional(confinement), undefined),
  Software: v.fallback(v.optional(software), undefined),
});

/** Reads the body of `/status`; undefined when it is not one. */
export function parseStatus(body: string): BuildletStatus | undefined {
  const status = parseBy(statusSchema, body);
  if (status === undefined) return undefined;
  const {
    Version: version,
    Features: features,
    Confinement: confined,
    Software: programs,
  } = status;
  return {
    ...{ version, features },
    ...(confined !== undefined && { confinement: confined }),
    ...(programs !== undefined && { software: programs }),
  };
}
