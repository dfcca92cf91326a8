// The post step of the action, which runs however the job ends: ends the machine.
import { gomote, report } from './gomote.js';

const { STATE_name: name } = process.env;

try {
  if (name) await gomote(['destroy', name]);
} catch (error) {
  report(error);
}
