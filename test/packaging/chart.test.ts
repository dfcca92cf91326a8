// The Helm chart, rendered by Go's templates: its values against its schema, and what it makes of them.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadYaml } from '@kubernetes/client-node';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { loadCoordinatorConfig } from '../../src/coordinator/config.ts';
import { projectRoot } from '../helpers/programs.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { hasTool } from '../helpers/tools.ts';
import { chart, given, objectsIn, render } from './chart.ts';

const read = (file: string): string => readFileSync(join(chart, file), 'utf8');
const schema = JSON.parse(read('values.schema.json'));
const isValid = (values: object): boolean => new Ajv({ strict: false }).validate(schema, values);

it('the values of the chart match its schema, and required values must be given', () => {
  const values = loadYaml<Record<string, object>>(read('values.yaml'));
  expect(Object.keys(schema.properties)).toEqual(expect.arrayContaining(Object.keys(values)));
  expect(isValid(values)).toBe(false);
  expect(isValid(given())).toBe(true);
  for (const bad of [
    { replicas: 0 },
    { replica: 2 },
    { pool: { type: 'a"b' } },
    { image: { coordinator: 'a', buildlet: 'b"\nkind = "local' } },
    { service: { type: 'ExternalName' } },
  ]) {
    expect(isValid({ ...given(), ...bad }), JSON.stringify(bad)).toBe(false);
  }
});

describe.runIf(hasTool('go', 'version'))('the chart', () => {
  it('makes everything that a coordinator needs, with a configuration that it accepts', () => {
    const settings = 'open-metrics = true';
    const sections = '[limits]\nper-user = 3';
    const all = objectsIn(render({ ...given(), settings, sections }));
    expect(all.map(({ kind }) => kind).sort()).toEqual([
      'ConfigMap',
      'Deployment',
      'NetworkPolicy',
      'PodDisruptionBudget',
      'ResourceQuota',
      'Role',
      'RoleBinding',
      'Service',
      'ServiceAccount',
    ]);
    const map = all.find(({ kind }) => kind === 'ConfigMap');
    const path = join(temporaryDirectory(), 'coordinator.toml');
    writeFileSync(path, map?.data?.['coordinator.toml'] ?? '');
    const config = loadCoordinatorConfig(path);
    expect(config).toMatchObject({ openMetrics: true, limits: { perUser: 3 } });
    expect(config.pools).toMatchObject([{ name: 'linux', kind: 'backend', maximum: 50 }]);
  });

  it('leaves out what is disabled', () => {
    const all = objectsIn(render({ ...given(), replicas: 1, networkPolicy: false, quota: {} }));
    expect(all.map(({ kind }) => kind)).not.toContain('PodDisruptionBudget');
    expect(all.map(({ kind }) => kind)).not.toContain('NetworkPolicy');
    expect(all.map(({ kind }) => kind)).not.toContain('ResourceQuota');
  });

  it('has the version of the package, and the requirements of the manifests', () => {
    const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'));
    expect(loadYaml(read('Chart.yaml'))).toMatchObject({ version, appVersion: version });
    const rulesOf = (text: string): string[] => {
      const role = objectsIn(text).find(({ kind }) => kind === 'Role');
      return (role?.rules ?? []).map((rule) => JSON.stringify(rule));
    };
    const manifests = readFileSync(join(projectRoot, 'docs/kubernetes/buildlets.yaml'), 'utf8');
    expect(rulesOf(manifests)).toEqual(expect.arrayContaining(rulesOf(render(given()))));
  });

  it.runIf(spawnSync('helm', ['version']).status === 0)('renders the same with Helm itself', () => {
    const path = join(temporaryDirectory(), 'values.json');
    writeFileSync(path, JSON.stringify(given()));
    const lint = spawnSync('helm', ['lint', '--strict', '-f', path, chart], { encoding: 'utf8' });
    expect(lint).toMatchObject({ status: 0 });
    const args = ['template', 'gm', chart, '-n', 'gomote', '-f', path];
    const { stdout } = spawnSync('helm', args, { encoding: 'utf8' });
    expect(objectsIn(stdout)).toEqual(expect.arrayContaining(objectsIn(render(given()))));
  });
});
