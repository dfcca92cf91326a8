// A user at a real terminal, and a shell on a buildlet.
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startBuildlet } from '../helpers/buildlet.ts';
import { startCutter } from '../helpers/cutter.ts';
import { until } from '../helpers/processes.ts';
import { projectRoot, workshop } from '../helpers/programs.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { hasTmux, openScreen, type Screen } from '../helpers/tmux.ts';
import { hasTool } from '../helpers/tools.ts';

/** What `stty -a` says of the terminal, through a file so that no width folds it. */
async function settings(screen: Screen, directory: string, name: string): Promise<string> {
  screen.enter(`stty -a >${name}; stty -g >>${name}; echo noted ${name}`);
  await screen.shows(new RegExp(`^(# |\\$ )?noted ${name}$`, 'm'));
  return readFileSync(join(directory, name), 'utf8');
}

/** What the screen shows after each of the keys, given how a program draws it, else once it stays the same. */
async function pictures(
  screen: Screen,
  program: string,
  keys: readonly string[][],
  quit: readonly string[],
  expected?: readonly string[],
): Promise<string[]> {
  const seen: string[] = [];
  const look = async () => {
    const wanted = expected?.[seen.length];
    const show = () => screen.text().replaceAll(/(\d+ seconds? ago|\d\d:\d\d:\d\d) */g, '');
    let last = seen.at(-1) ?? show();
    let repeats = 0;
    const isDrawn = () => {
      const now = show();
      repeats = now === last && now !== seen.at(-1) ? repeats + 1 : 0;
      last = now;
      return now === wanted || (wanted === undefined && repeats === 15);
    };
    await until(isDrawn).catch(() => undefined);
    seen.push(last);
  };
  screen.enter(`clear; ${program}; echo left=$?`);
  await screen.shows(/\n~?$|text/);
  await look();
  for (const pressed of keys) {
    screen.press(...pressed);
    await look();
  }
  screen.press(...quit);
  await screen.shows(/^left=0$/m);
  return seen;
}

/** The prompt of the remote shell, at its beginning. */
const prompt = /^remote>$/m;

const remoteShell = '-e SHELL=/bin/bash -e HOME=$HOME';

/** What a remote login shell reads first. */
const writeProfile = (directory: string) =>
  writeFileSync(join(directory, '.bash_profile'), "PS1='remote> '\n");

async function atLocalShell() {
  const shop = workshop();
  const name = await shop.create();
  const screen = openScreen(shop);
  const before = await settings(screen, shop.directory, 'before');
  return { ...shop, name, screen, before, after: () => settings(screen, shop.directory, 'after') };
}

/** A screen with `gomote shell` in it. */
async function atRemoteShell(environment = '') {
  const shop = workshop();
  const name = await shop.create();
  const screen = openScreen(shop);
  writeProfile(shop.directory);
  const before = await settings(screen, shop.directory, 'before');
  screen.enter(
    `clear; sh -c 'echo $$ >pid; ${environment} exec gomote shell ${remoteShell} ${name}'; echo status=$?`,
  );
  await screen.shows(prompt);
  const after = () => settings(screen, shop.directory, 'after');
  const signal = (what: NodeJS.Signals) =>
    process.kill(Number(readFileSync(join(shop.directory, 'pid'), 'utf8')), what);
  return { ...shop, name, screen, before, after, signal };
}

const untilResized = (size: string) =>
  `echo not yet; until [ "$(stty size)" = "${size}" ]; do sleep 0.02; done; echo resized`;

describe.runIf(hasTmux)('gomote shell', () => {
  it('is a login shell in the work directory, on a terminal like this one, and gives its status', async () => {
    const { screen, before, after } = await atRemoteShell();
    screen.enter(
      'echo $(shopt login_shell) $TERM $(stty size) $(test $PWD = $WORKDIR && echo there)',
    );
    await screen.shows(/^login_shell on (screen|tmux)\S* 24 80 there$/m);
    screen.enter('exit 3');
    await screen.shows(/^status=3$/m);
    expect(await after()).toBe(before);
  });

  it('passes Ctrl-C and Ctrl-Z to the foreground program', async () => {
    const { screen } = await atRemoteShell();
    screen.enter('echo ready; sleep 1000');
    await screen.shows(/^ready$/m);
    screen.press('C-c');
    // Without a child: a shell that is stopped while it starts one may wait for that child forever.
    const goingOn = `bash -c 'trap "echo goes on" CONT; echo again; while :; do read -rt 0.05; done'`;
    screen.enter(`echo was $?; ${goingOn}`);
    await screen.shows(/^was 130\nagain$/m);
    screen.press('C-z');
    await screen.shows('Stopped');
    screen.enter('fg');
    await screen.shows(/^goes on$/m);
    screen.press('C-c');
    // The command reads the terminal until it has ended.
    await screen.shows(/\nremote>\s*$/);
    screen.enter('exit 0');
    await screen.shows(/^status=0$/m);
  });

  it('tells the remote terminal of a new size', async () => {
    const { screen } = await atRemoteShell();
    screen.enter(untilResized('30 100'));
    await screen.shows(/^not yet$/m);
    screen.resize(100, 30);
    await screen.shows(/^resized$/m);
  });

  it('is ended by ~. and leaves nothing running', async () => {
    const { screen, before, after } = await atRemoteShell();
    screen.enter('(trap "" HUP; sleep 1000; echo) & echo job $!');
    await screen.shows(/^job \d+$/m);
    const [, job] = /^job (\d+)$/m.exec(screen.text()) ?? [];
    screen.type('~.');
    await screen.shows(/^status=129$/m);
    expect(await after()).toBe(before);
    await until(() => !existsSync(`/proc/${job}`));
  });

  it('is detached by ~d, and the shell continues', async () => {
    const { screen, before, after, gomote, name } = await atRemoteShell();
    screen.press('Enter');
    screen.type('~d');
    await screen.shows(/^status=0$/m);
    expect(screen.text()).toContain(`gomote attach ${name} `);
    expect(await after()).toBe(before);
    expect((await gomote('ps', name)).stdout.toString()).toMatch(/^\w+\tdetached\t/);
  });

  it('is suspended by ~^Z, and continues', async () => {
    const { screen, before, after } = await atRemoteShell();
    screen.press('Enter');
    screen.type('~');
    screen.press('C-z');
    await screen.shows('Stopped');
    expect(await after()).toBe(before);
    screen.resize(90, 20);
    screen.enter('clear; fg');
    screen.enter(untilResized('20 90'));
    await screen.shows(/^resized$/m);
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('resets the terminal when it gets %s', async (name, status) => {
    const { screen, before, after, signal } = await atRemoteShell();
    screen.enter('printf "\\033[?1049h\\033[?25l\\033[Hanother screen"');
    await screen.shows(/^another screen/);
    signal(name);
    await screen.shows(new RegExp(`^status=${status}$`, 'm'));
    expect(screen.text()).toMatch(/^remote> printf/);
    expect(await after()).toBe(before);
  });

  it('resets the terminal when it fails itself', async () => {
    const fault = join(temporaryDirectory(), 'fault.cjs');
    writeFileSync(fault, 'process.on("SIGUSR2", () => { throw new Error("a fault") })');
    const { screen, before, after, signal } = await atRemoteShell(`NODE_OPTIONS="-r ${fault}"`);
    screen.enter('printf "\\033[?1049h\\033[?25l\\033[Hanother screen"');
    await screen.shows(/^another screen/);
    signal('SIGUSR2');
    await screen.shows(/^status=125$/m);
    expect(screen.text()).toMatch(/^remote> printf/);
    expect(await after()).toBe(before);
  });

  it('resets the terminal when the buildlet ends', async () => {
    const { name, screen, before, after, gomote } = await atRemoteShell();
    await gomote('destroy', name);
    await screen.shows(/^status=\d+$/m);
    expect(await after()).toBe(before);
  });

  it.runIf(hasTool('vim'))('draws vim as it is drawn here', async () => {
    const { name, screen, directory, before, after } = await atLocalShell();
    const lines = Array.from({ length: 100 }, (_, i) => `line ${i} ${'.'.repeat(i % 70)} Ä€`);
    writeFileSync(join(directory, 'text'), `${lines.join('\n')}\n`);
    const vim = "vim -u NONE -N +'set nu ruler cul hls' +/5 text";
    const keys = [['C-f'], ['5', 'd', 'd'], ['u'], [':vsplit', 'Enter'], ['G'], ['i', 'new']];
    const quit = ['Escape', ':qa!', 'Enter'];
    const here = await pictures(screen, vim, keys, quit);
    expect(here[0]).toContain('line 22 ');
    screen.enter('clear');
    const there = `gomote run -t --dir ${directory} -e LC_ALL ${name} /bin/sh -c "${vim}"`;
    expect(await pictures(screen, there, keys, quit, here)).toEqual(here);
    expect(await after()).toBe(before);
  });

  it.runIf(hasTool('less'))('draws less as it is drawn here', async () => {
    const { name, screen, directory } = await atLocalShell();
    writeFileSync(
      join(directory, 'text'),
      Array.from({ length: 200 }, (_, i) => `${i}\n`).join(''),
    );
    const keys = [['Space'], ['b'], ['G'], ['g'], ['/99', 'Enter']];
    const here = await pictures(screen, 'less text', keys, ['q']);
    expect(here[0]).toContain('\n22\n');
    const there = `gomote run -t --dir ${directory} ${name} less text`;
    expect(await pictures(screen, there, keys, ['q'], here)).toEqual(here);
  });

  it('continues over a connection that is reopened', async () => {
    const shop = workshop();
    const buildlet = await startBuildlet({ address: { kind: 'tcp', host: '127.0.0.1', port: 0 } });
    const cutter = await startCutter(buildlet.address);
    const screen = openScreen(shop);
    writeProfile(shop.directory);
    screen.enter(`gomote shell ${remoteShell} local@${cutter.address}; echo status=$?`);
    await screen.shows(prompt);
    screen.enter('X=kept');
    cutter.drop();
    await screen.shows('connecting again');
    screen.enter('echo $X $((40 + 2))');
    await screen.shows(/^kept 42$/m);
    screen.enter('exit 5');
    await screen.shows(/^status=5$/m);
  });
});

describe('run -t without a local terminal', () => {
  it('gives the command a terminal of the usual size', async () => {
    const { gomote, create } = workshop();
    const name = await create();
    const { code, stdout } = await gomote(
      'run',
      '-t',
      name,
      'sh',
      '-c',
      'stty size; test -t 0; exit 6',
    );
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 6, stdout: '24 80\r\n' });
  });
});

describe('a buildlet without node-pty', () => {
  it('reports that in one line when a terminal is requested, and runs everything else', async () => {
    const { directory, run } = workshop();
    // The bundled programs need no other package.
    for (const part of ['bin', 'dist', 'package.json']) {
      cpSync(join(projectRoot, part), join(directory, 'bare', part), { recursive: true });
    }
    const gomote = (...args: string[]) => run(process.execPath, 'bare/bin/gomote.js', ...args);
    const name = (await gomote('create', 'local')).stdout.toString().trim();
    expect(await gomote('run', '-t', name, 'echo', 'hi')).toMatchObject({
      code: 125,
      stderr:
        'gomote: the command did not start: no terminals there: the optional package @lydell/node-pty is missing\n',
    });
    expect(await gomote('run', name, 'echo', 'hi')).toMatchObject({ code: 0, stderr: '' });
  });
});
