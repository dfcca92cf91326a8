// The step of the action: makes a machine, pushes the checkout, and runs a line there.
import { appendFileSync } from 'node:fs';
import { gomote, report } from './gomote.js';

const { INPUT_TYPE: type, INPUT_PUSH: push, INPUT_RUN: line } = process.env;
const { GITHUB_STATE, GITHUB_OUTPUT, GITHUB_ENV } = process.env;

try {
  const name = await gomote(['create', type], { isShown: false });
  // At first where the post step looks, which ends the machine.
  appendFileSync(GITHUB_STATE, `name=${name}\n`);
  appendFileSync(GITHUB_OUTPUT, `name=${name}\n`);
  appendFileSync(GITHUB_ENV, `GOMOTE_BUILDLET=${name}\n`);
  if (push !== 'false') await gomote(['push', name]);
  if (line) await gomote(['run', '--sh', line, name]);
} catch (error) {
  report(error);
}
