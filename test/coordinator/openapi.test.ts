// The OpenAPI document: it is one, and it has the paths, methods and replies that there are.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { loadCoordinatorConfig } from '../../src/coordinator/config.ts';
import { routesOf } from '../../src/coordinator/http/routes.ts';
import { createMetrics } from '../../src/coordinator/metrics.ts';
import { ReverseGate } from '../../src/coordinator/pools/reverse-gate.ts';
import { coordinatorPaths, endpoints } from '../../src/protocol/endpoints.ts';
import { ask, startCoordinator } from '../helpers/coordinator.ts';
import { projectRoot } from '../helpers/programs.ts';

const text = readFileSync(join(projectRoot, 'docs/openapi.json'), 'utf8');

interface Operation {
  tags: [string];
  security?: [];
  'x-gomote-feature'?: string;
}
const {
  paths,
  components,
}: {
  paths: Record<string, Record<string, Operation>>;
  components: object;
} = JSON.parse(text);

/** Each request as `METHOD PATH`, with what the document says of it. */
const documented = (tag: string) =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, operation]) =>
      operation.tags[0] === tag ? [{ request: `${method.toUpperCase()} ${path}`, operation }] : [],
    ),
  );

it('docs/openapi.json is an OpenAPI 3.1 document', async () => {
  const result = await new Validator().validate(JSON.parse(text));
  expect(result.errors ?? []).toEqual([]);
  expect(result.valid).toBe(true);
});

it('docs/openapi.json has every request of a buildlet, with its feature and its authentication', () => {
  const rows = Object.values(endpoints).flatMap((endpoint) =>
    endpoint.methods.map((method) => [
      `${method} ${endpoint.path}`,
      'feature' in endpoint ? endpoint.feature : undefined,
      'open' in endpoint,
    ]),
  );
  const found = documented('buildlet').map(({ request, operation }) => [
    request,
    operation['x-gomote-feature'],
    operation.security !== undefined,
  ]);
  expect(found.sort()).toEqual(rows.sort());
});

describe('docs/openapi.json of a coordinator', () => {
  it('has every request, and whether it is open', async () => {
    const { coordinator, directory } = await startCoordinator();
    const log = {
      write: () => undefined,
      close: async () => undefined,
      reopen: async () => undefined,
    };
    const readiness = async () => ({ failures: new Map(), warnings: new Map() });
    const routes = routesOf({
      ...{ coordinator, audit: log, readiness, gate: new ReverseGate(log) },
      metrics: await createMetrics(() => coordinator, readiness),
      config: loadCoordinatorConfig(join(directory, 'coordinator.toml')),
    });
    const rows = routes.map(({ path, method, access }) => [
      `${method} ${path}`,
      access === 'anyone',
    ]);
    // Only where a provider is configured.
    rows.push([`POST ${coordinatorPaths.device}`, true]);
    const found = documented('coordinator').map(({ request, operation }) => [
      request,
      operation.security !== undefined,
    ]);
    expect(found.sort()).toEqual(rows.sort());
  });

  it('matches its replies', async () => {
    const coordinator = await startCoordinator({ users: { boss: { role: 'admin' } } });
    const buildlet = await coordinator.client('boss').createBuildlet('linux');
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: 'gomote', components });
    const check = (schema: string, value: unknown) => {
      const isValid = ajv.validate({ $ref: `gomote#/components/schemas/${schema}` }, value);
      expect(isValid ? [] : ajv.errors).toEqual([]);
    };
    const snapshots = await coordinator.client('boss').snapshots();
    await snapshots?.create(buildlet.remoteName, 'warm');
    const json = async (path: string) =>
      JSON.parse((await ask(coordinator, path, { user: 'boss' })).text);
    check('Catalogue', await json(coordinatorPaths.types));
    for (const [path, schema] of [
      [`${coordinatorPaths.list}?health=1&all=1`, 'Buildlet'],
      [coordinatorPaths.machines, 'Machine'],
      [coordinatorPaths.snapshotList, 'Snapshot'],
    ] as const) {
      const rows: unknown[] = await json(path);
      expect(rows.length).toBeGreaterThan(0);
      for (const row of rows) check(schema, row);
    }
    check('Status', { Version: (await buildlet.status()).version });
    await buildlet.disconnect();
  });
});
