// Reads the list of ports that commands listen at. Commands could forge it, so it is checked by a schema at each step.
import * as v from 'valibot';
import { portLimit } from './forward.ts';
import { count, listOf, parseBy } from './reply-fields.ts';

/** TCP ports. */
export const portList = listOf(v.pipe(count, v.minValue(1), v.maxValue(65_535)), portLimit);

const reply = v.object({ ports: portList });

/** Reads the body of `GET /forward/ports`; undefined when it is not one. */
export const parsePorts = (json: string): readonly number[] | undefined =>
  parseBy(reply, json)?.ports;
