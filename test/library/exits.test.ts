// A program that uses the library ends by itself when its work is done, whatever it did not close.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { projectRoot, workshop } from '../helpers/programs.ts';

const library = pathToFileURL(join(projectRoot, 'dist/')).href;
const name = 'process.argv[2]';

/** The work of a program, which prints one line. It has a Gomote, and a buildlet of another process. */
const programs: Record<string, string> = {
  'opens and does nothing': `console.log('done')`,
  'creates a buildlet, runs and disposes': `
    const own = await gomote.create('local');
    console.log((await own.run('echo', ['done'])).stdout.trim());
    await own[Symbol.asyncDispose]()`,
  'runs and disposes nothing': `console.log((await buildlet.run('echo', ['done'])).stdout.trim())`,
  'reads the lines of a run': `for await (const line of buildlet.run('echo', ['done'])) console.log(line)`,
  'breaks out of the lines of a run and detaches from it': `
    const run = buildlet.run('sh', ['-c', 'echo done; exec sleep 1000']);
    for await (const line of run) { console.log(line); break; }
    await run.detach()`,
  'runs a command that fails': `
    const { exitCode } = await buildlet.run('sh', ['-c', 'exit 3']);
    console.log(exitCode === 3 && 'done')`,
  'aborts a run': `
    const stop = new AbortController();
    const run = buildlet.run('sh', ['-c', 'echo on; exec sleep 1000'], { signal: stop.signal, onOutput: () => stop.abort() });
    console.log(await run.catch(({ code }) => code === 'ERR_ABORTED' && 'done'))`,
  'kills a run': `
    const run = buildlet.run('sh', ['-c', 'echo on; exec sleep 1000'], { onOutput: () => void run.kill() });
    console.log((await run).signal === 'SIGTERM' && 'done')`,
  'lists buildlets': `console.log((await gomote.list()).length === 1 && 'done')`,
  'gets a buildlet': `console.log(buildlet.name === ${name} && 'done')`,
  'pushes and pulls a tree': `
    await buildlet.push('tree');
    await buildlet.pull('.', { to: 'back' });
    console.log('done')`,
  'reads and writes files': `
    await buildlet.files.write('made', 'done');
    console.log(await buildlet.files.readText('made'))`,
  'forwards a port and closes it': `
    const forward = await buildlet.forward('0:1');
    await forward.close();
    console.log('done')`,
  'asks for the ports that listen': `
    await buildlet.client.ports.list();
    await buildlet.client.ports.open();
    console.log('done')`,
  'aborts a watch': `
    const stop = new AbortController();
    try {
      for await (const _ of buildlet.watch('tree', { signal: stop.signal })) stop.abort();
    } catch ({ code }) { console.log(code === 'ERR_ABORTED' && 'done') }`,
  'breaks out of a watch': `
    for await (const _ of buildlet.watch('tree')) break;
    console.log('done')`,
  'has a shell whose input ends': `
    const { Readable } = await import('node:stream');
    const { stdout } = await buildlet.shell({ stdin: Readable.from(['echo do""ne\\nexit\\n']) });
    console.log(/^done\\b/m.test(stdout) && 'done')`,
  'detaches a run': `
    await buildlet.run('sleep', ['1000']).detach();
    console.log('done')`,
  'attaches to a run and detaches from it': `
    const id = await buildlet.run('sleep', ['1000']).detach();
    await buildlet.attach(id).detach();
    console.log('done')`,
  'aborts a watch of files': `
    const stop = new AbortController();
    const next = buildlet.files.watch('', { signal: stop.signal }).next();
    setTimeout(() => stop.abort());
    console.log(await next.catch(({ code }) => code === 'ERR_ABORTED' && 'done'))`,
  'aborts a create': `
    const stop = new AbortController();
    const created = gomote.create('local', { signal: stop.signal });
    setTimeout(() => stop.abort());
    console.log(await created.catch(({ code }) => code === 'ERR_ABORTED' && 'done'))`,
  'cannot connect': `
    const client = new BuildletClient('unix:' + process.cwd() + '/none');
    console.log(await client.status().catch(({ code }) => code === 'ERR_CONNECT' && 'done'))`,
  'asks for a buildlet that does not exist': `
    console.log(await gomote.get('none').catch(({ code }) => code === 'ERR_UNKNOWN_BUILDLET' && 'done'))`,
  'never closes a client': `
    const client = new BuildletClient(buildlet.client.url.replace('http+', '').replace('://', ':'), { password: '' });
    console.log((await client.probe()) && 'done')`,
  'closes what it opened': `
    await buildlet.disconnect();
    await gomote.close();
    console.log('done')`,
  'tests with gomote/testing': `
    const { openTest } = await import('${library}testing.js');
    const test = await openTest();
    const { stdout } = await (await test.create('local')).run('echo', ['done']);
    await test.close();
    console.log(stdout.trim())`,
};

it.each(Object.entries(programs))('a program that %s ends by itself', async (_, work) => {
  const { directory, create, run } = workshop();
  mkdirSync(join(directory, 'tree'));
  writeFileSync(join(directory, 'tree/file'), 'x');
  const program = join(directory, 'program.mjs');
  writeFileSync(
    program,
    `import { BuildletClient, open } from '${library}index.js';
    const gomote = await open({ backend: 'local' });
    const buildlet = await gomote.get(${name});
    ${work};`,
  );
  const { code, stdout, stderr } = await run(process.execPath, program, await create());
  expect({ code, stdout: String(stdout), stderr }).toEqual({
    code: 0,
    stdout: 'done\n',
    stderr: '',
  });
});

it('a program that does not catch an error ends with status 1', async () => {
  const { directory, run } = workshop();
  const program = join(directory, 'program.mjs');
  writeFileSync(
    program,
    `import { open } from '${library}index.js';
    await (await open({ backend: 'local' })).get('none');`,
  );
  expect(await run(process.execPath, program)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('ERR_UNKNOWN_BUILDLET'),
  });
});
