// The Helm chart of the documentation, and what it makes of values.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadYaml } from '@kubernetes/client-node';
import { projectRoot } from '../helpers/programs.ts';

export const chart = join(projectRoot, 'docs/kubernetes/chart');

/** The chart's own values, and what has to be given. */
export function given(): Record<string, unknown> {
  const values = loadYaml<{ image: object }>(readFileSync(join(chart, 'values.yaml'), 'utf8'));
  return {
    ...values,
    image: { ...values.image, coordinator: 'reg.example/c:1', buildlet: 'reg.example/b:1' },
    ...{ usersSecret: 'users', tlsSecret: 'certificate' },
  };
}

interface Rendered {
  readonly kind: string;
  readonly metadata: object;
  readonly rules?: readonly object[];
  readonly data?: Readonly<Record<string, string>>;
}

/** The objects of a text of several; nothing between two lines is none. */
export const objectsIn = (text: string): Rendered[] =>
  text
    .split(/^---$/m)
    .filter((one) => /^kind:/m.test(one))
    .map((one) => loadYaml<Rendered>(one));

/** What `helm template` would print. */
export function render(values: object): string {
  const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'));
  const input = JSON.stringify({
    ...{ Values: values, Chart: { AppVersion: version } },
    Release: { Name: 'gm', Namespace: 'gomote', Service: 'Helm' },
  });
  const program = join(import.meta.dirname, 'render.go');
  return execFileSync('go', ['run', program, chart], { encoding: 'utf8', input });
}
