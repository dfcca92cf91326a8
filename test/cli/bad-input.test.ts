// Every bad input gives one clear line, the right exit code, and does nothing.
import { once } from 'node:events';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { testCli } from '../helpers/cli.ts';

interface Row {
  argv: string[];
  code: number;
  /** What the one line must hold: what failed, the value given, what to do. */
  says: (string | RegExp)[];
  config?: string;
  environment?: NodeJS.ProcessEnv;
  files?: Record<string, [content: string, mode: number]>;
  isTerminal?: boolean;
}

const coordinator = 'default = "team"\n[backends.team]\nurl = "https://127.0.0.1:1"\n';

const rows: Record<string, Row> = {
  'an unknown command': {
    argv: ['frobnicate'],
    code: 2,
    says: ["unknown command 'frobnicate'", 'gomote -h'],
  },
  'a mistyped command': {
    argv: ['rnu'],
    code: 2,
    says: ["unknown command 'rnu'", 'Did you mean run?'],
  },
  ...Object.fromEntries(
    ['constructor', '__proto__', 'toString', 'hasOwnProperty'].map((name) => [
      `the command ${name}`,
      { argv: [name], code: 2, says: [`gomote: unknown command '${name}'; see gomote -h\n`] },
    ]),
  ),
  'an unknown option': {
    argv: ['list', '--bogus'],
    code: 2,
    says: ["'--bogus'", 'gomote list -h'],
  },
  ...Object.fromEntries(
    [
      ['--jsno', '--json'],
      ['-jsno', '-json'],
      ['-jsno=true', '-json'],
      ['-vebrose', '-verbose'],
      ['--quite', '--quiet'],
      ['--backnd=x', '--backend'],
    ].map(([typed = '', meant = '']) => [
      `the mistyped option ${typed}`,
      { argv: ['list', typed], code: 2, says: [`Did you mean ${meant}?`, 'gomote list -h'] },
    ]),
  ),
  'an unknown global option': { argv: ['--bogus', 'list'], code: 2, says: ["'--bogus'"] },
  'a missing argument': {
    argv: ['ls'],
    code: 2,
    says: ["missing required argument 'name'", 'gomote ls -h'],
  },
  'an argument too many': {
    argv: ['ping', 'a', 'b'],
    code: 2,
    says: ['too many arguments', 'gomote ping -h'],
  },
  'an option without its value': {
    argv: ['ls', 'x', '--skip'],
    code: 2,
    says: ['--skip', 'argument missing'],
  },
  'create without a type': {
    argv: ['create'],
    code: 2,
    says: ['create needs a builder type', 'types are: local'],
  },
  'create of an unknown type': {
    argv: ['create', 'amiga'],
    code: 1,
    says: ['unknown builder type "amiga"', 'types are: local'],
  },
  'create of an ambiguous type': {
    argv: ['create', 'l'],
    code: 1,
    says: ['ambiguous builder type "l"', 'local, linux'],
    config: '[builders.linux]\nhost = "host-local"\n',
  },
  'a bad count': {
    argv: ['create', '--count', '0', 'local'],
    code: 2,
    says: ['--count "0"', 'from 1 to 100'],
  },
  'an unknown instance': {
    argv: ['ls', 'me-local-9'],
    code: 1,
    says: ['no local buildlet "me-local-9"', 'gomote list'],
  },
  'an unknown instance for run': {
    argv: ['run', 'me-local-9', 'true'],
    code: 125,
    says: ['no local buildlet "me-local-9"'],
  },
  'an unknown instance to destroy': {
    argv: ['destroy', 'nope'],
    code: 1,
    says: ['no local buildlet "nope"'],
  },
  'destroy of nothing': { argv: ['destroy'], code: 2, says: ['destroy needs a name', '--all'] },
  'destroy of a name and all': { argv: ['destroy', '--all', 'x'], code: 2, says: ['not both'] },
  'an unknown backend': {
    argv: ['list', '--backend', 'mars'],
    code: 1,
    says: ['unknown backend "mars"', 'backends are: local'],
  },
  'an unknown backend in a name': {
    argv: ['ping', 'mars/x'],
    code: 1,
    says: ['unknown backend "mars"'],
  },
  'staging and another backend': {
    argv: ['list', '--staging', '--backend', 'local'],
    code: 2,
    says: ['--staging and --backend local'],
  },
  'staging without configuration': {
    argv: ['list', '--staging'],
    code: 1,
    says: ['unknown backend "staging"', '[backends.staging]'],
  },
  'a bad user': {
    argv: ['create', '--user', 'a/b', 'local'],
    code: 2,
    says: ['bad user name "a/b"', '--user'],
  },
  'put of a missing file': {
    argv: ['put', 'x', '/no/such/file'],
    code: 1,
    says: ['cannot read "/no/such/file"', 'no such file or directory'],
  },
  'put of a directory': {
    argv: ['put', 'x', '/'],
    code: 2,
    says: ['"/" is a directory', 'puttar'],
  },
  'put of stdin without a name': {
    argv: ['put', 'x', '-'],
    code: 2,
    says: ['needs a destination', 'gomote put NAME - DEST'],
  },
  'a bad mode': {
    argv: ['put', '-mode', '999', 'x', '/etc/hostname'],
    code: 2,
    says: ['--mode "999"', 'octal', '644'],
  },
  'puttar of nothing': {
    argv: ['puttar', 'x'],
    code: 2,
    says: ['puttar needs a source', '--url URL'],
  },
  'puttar of two sources': {
    argv: ['puttar', '-url', 'http://x/y', 'x', '-'],
    code: 2,
    says: ['takes one source, not 2', 'http://x/y'],
  },
  'puttar of a missing file': {
    argv: ['puttar', 'x', '/no/such.tgz'],
    code: 1,
    says: ['cannot read "/no/such.tgz"'],
  },
  'gettar to a terminal': {
    argv: ['gettar', 'x'],
    code: 2,
    says: ['not written to a terminal', '-o FILE'],
    isTerminal: true,
  },
  'rm of nothing': { argv: ['rm', 'x'], code: 2, says: ["missing required argument 'path'"] },
  'run of nothing': { argv: ['run', 'x'], code: 125, says: ['run needs a command'] },
  'a bad id of a run': { argv: ['run', '--id', 'a b', 'x', 'y'], code: 125, says: ['--id "a b"'] },
  'a bad --on-hangup': {
    argv: ['run', '--on-hangup', 'stay', 'x', 'y'],
    code: 125,
    says: ['--on-hangup "stay"', 'kill', 'detach'],
  },
  'a file of variables that is not there': {
    argv: ['run', '--env-file', '/no/such', 'x', 'y'],
    code: 125,
    says: ['/no/such', 'no such file'],
  },
  'run of an option': {
    argv: ['run', 'x', '-e', 'A=1', 'true'],
    code: 125,
    says: ['"-e" cannot be a command', 'options go before NAME'],
  },
  'a bad duration': {
    argv: ['run', '--timeout', 'soon', 'x', 'true'],
    code: 125,
    says: ['--timeout "soon"', '10m'],
  },
  'a duration without a unit': {
    argv: ['run', '-timeout=10', 'x', 'true'],
    code: 125,
    says: ['--timeout "10"', '90s'],
  },
  'a bad KEY=VALUE': {
    argv: ['run', '-e', '=VALUE', 'x', 'true'],
    code: 125,
    says: ['-e "=VALUE"', 'KEY=VALUE'],
  },
  'a switch with a value': {
    argv: ['run', '-system=perhaps', 'x', 'true'],
    code: 125,
    says: ['--system', 'perhaps'],
  },
  'a bad direct address': {
    argv: ['ping', 'linux@h:1/x'],
    code: 2,
    says: ['bad buildlet address "h:1/x"'],
  },
  'a buildlet that cannot be reached': {
    argv: ['ping', 'linux@127.0.0.1:1'],
    code: 1,
    says: [
      'cannot reach linux@127.0.0.1:1: ',
      'ECONNREFUSED',
      '; check the address and the network',
    ],
  },
  'a login at a coordinator that cannot be reached': {
    argv: ['login', 'https://127.0.0.1:1'],
    code: 1,
    says: ['cannot reach https://127.0.0.1:1: ', '; check the address and the network'],
  },
  ...Object.fromEntries(
    [
      ['help', 'frobnicate'],
      ['frobnicate', '--help'],
      ['frobnicate', '-h'],
      ['frobnicate', 'x', '-help'],
      ['--help', 'frobnicate'],
    ].map((argv) => [
      `help for an unknown command: ${argv.join(' ')}`,
      { argv, code: 2, says: ["unknown command 'frobnicate'; see gomote -h"] },
    ]),
  ),
  'a value that is not among the choices of an option': {
    argv: ['create', '--isolation', 'a "b"', 'local'],
    code: 2,
    says: ['gomote: --isolation "a "b"" is not one of none, bubblewrap; see gomote create -h'],
  },
  'a value that is not among the choices of an option with a short name': {
    argv: ['once', '--keep', 'maybe', '--', 'true'],
    code: 125,
    says: ['gomote: --keep "maybe" is not one of always, failure, never; see gomote once -h'],
  },
  'a value that is not among the choices of an argument': {
    argv: ['completion', 'tcsh'],
    code: 2,
    says: ['gomote: shell "tcsh" is not one of bash, zsh, fish, powershell; see gomote completion'],
  },
  'watch without a command': {
    argv: ['watch', 'x'],
    code: 125,
    says: ['watch needs a command', 'gomote watch [options] NAME CMD'],
  },
  'no group for a command on groups': {
    argv: ['group', 'add', 'x'],
    code: 2,
    says: ['No active group found. Use -group or GOMOTE_GROUP; gomote group create NAME'],
  },
  ...Object.fromEntries(
    [
      { argv: ['rm', 'x', ''], what: 'the path' },
      { argv: ['rm', 'x', 'a', ''], what: 'the path' },
      { argv: ['get', 'x', ''], what: 'the file' },
      { argv: ['put', 'x', '/etc/hosts', ''], what: 'the destination' },
    ].map(({ argv, what }) => [
      `an empty path of ${argv.join(' ')}`,
      {
        argv,
        code: 1,
        says: [`${what} "" has no name; give a path relative to the work directory`],
      },
    ]),
  ),
  'an output directory that cannot be made': {
    argv: ['run', '--output-dir', '/etc/passwd/out', 'x', 'true'],
    code: 125,
    says: ['cannot write "/etc/passwd/out": not a directory; give another directory'],
  },
  'an output directory without a name': {
    argv: ['run', '--output-dir', '', 'x', 'true'],
    code: 125,
    says: ['cannot write "": no such file or directory; give another directory'],
  },
  'a state directory that cannot be made': {
    argv: ['create', 'local'],
    code: 1,
    says: [': /proc/no cannot be used: no such file or directory; set XDG_STATE_HOME'],
    environment: { XDG_STATE_HOME: '/proc/no' },
  },
  'a key of another section': {
    argv: ['list'],
    code: 1,
    says: ['unknown key backends.x.lifetime; see ', 'configuration.md'],
    config: '[backends.x]\nkind = "local"\nlifetime = "5h"\n',
  },
  'a token file that is missing': {
    argv: ['ping', 'x'],
    code: 1,
    says: ['on backend "team": there is no file /no/token; put the token there, with mode 600'],
    config: `${coordinator}token-file = "/no/token"\n`,
  },
  'a missing password file': {
    argv: ['ping', '--password-file', '/no/pw', 'l@127.0.0.1:1'],
    code: 1,
    says: ['/no/pw is missing'],
  },
  'configuration that is not TOML': {
    argv: ['list'],
    code: 1,
    says: [/config\.toml:1:\d+/],
    config: 'default = = 1',
  },
  'configuration with an unknown key': {
    argv: ['list'],
    code: 1,
    says: ['unknown key defualt'],
    config: 'defualt = "x"',
  },
  'configuration with a wrong type': {
    argv: ['list'],
    code: 1,
    says: ['default: 7: it is text in quotes'],
    config: 'default = 7',
  },
  'configuration with text in the place of a list': {
    argv: ['list'],
    code: 1,
    says: ['backends.b.hosts: "box": it is a list'],
    config: '[backends.b]\nkind = "ssh"\nhosts = "box"',
  },
  'configuration with text in the place of a table': {
    argv: ['list'],
    code: 1,
    says: ['hosts.h.caches.0: "x": it is a table'],
    config: '[hosts.h]\ncaches = ["x"]',
  },
  'configuration with text in the place of true or false': {
    argv: ['list'],
    code: 1,
    says: ['hosts.h.keep-setup: "yes": it is true or false'],
    config: '[hosts.h]\nkeep-setup = "yes"',
  },
  'an unknown default backend': {
    argv: ['list'],
    code: 1,
    says: ['default: "mars"', 'local'],
    config: 'default = "mars"',
  },
  'a bad url': {
    argv: ['list'],
    code: 1,
    says: ['backends.b.url: "nope"', 'https://'],
    config: '[backends.b]\nurl = "nope"',
  },
  'an unprotected url': {
    argv: ['list'],
    code: 1,
    says: ['backends.b.url: "http://h"', 'insecure'],
    config: '[backends.b]\nurl = "http://h"',
  },
  'a bad fingerprint': {
    argv: ['list'],
    code: 1,
    says: ['backends.b.fingerprint', 'hexadecimal'],
    config: '[backends.b]\nurl = "https://h"\nfingerprint = "sha256:xyz"',
  },
  'an unknown kind of backend': {
    argv: ['list'],
    code: 1,
    says: ['backends.b.kind: "mars"', '"coordinator"', '"kubernetes"'],
    config: '[backends.b]\nkind = "mars"',
  },
  'a coordinator without its url': {
    argv: ['list'],
    code: 1,
    says: ['backends.b.url is missing'],
    config: '[backends.b]\nkind = "coordinator"',
  },
  "a key of another kind's": {
    argv: ['list'],
    code: 1,
    says: ['unknown key backends.b.url'],
    config: '[backends.b]\nkind = "kubernetes"\nurl = "https://h"',
  },
  'another kind under the name of the local backend': {
    argv: ['list'],
    code: 1,
    says: ['backends.local', 'local backend'],
    config: '[backends.local]\nurl = "https://h"',
  },
  'a bad duration in the configuration': {
    argv: ['list'],
    code: 1,
    says: ['backends.b.idle-timeout: "soon"', '"30m"'],
    config: '[backends.b]\nkind = "kubernetes"\nidle-timeout = "soon"',
  },
  'a bad quantity of a pod': {
    argv: ['types'],
    code: 1,
    says: ['hosts.h.kubernetes.memory: "much"', '"4Gi"'],
    config: '[hosts.h.kubernetes]\nimage = "i"\nmemory = "much"',
  },
  'a builder of an unknown host': {
    argv: ['types'],
    code: 1,
    says: ['builders.x.host: "nope"', 'host-local'],
    config: '[builders.x]\nhost = "nope"',
  },
  'a builder that is built in': {
    argv: ['types'],
    code: 1,
    says: ['builders.local', 'built in'],
    config: '[builders.local]\nhost = "host-local"',
  },
  'no token': {
    argv: ['run', 'x', 'true'],
    code: 125,
    says: ['no token for user "me" on backend "team"', 'user-me.token'],
    config: coordinator,
  },
  'a token that others can read': {
    argv: ['ping', 'x'],
    code: 1,
    says: ['user-me.token can be read by others (mode 0644)', 'chmod 600'],
    config: coordinator,
    files: { 'user-me.token': ['s3cret', 0o644] },
  },
  'an empty token': {
    argv: ['ping', 'x'],
    code: 1,
    says: ['user-me.token is empty'],
    config: coordinator,
    files: { 'user-me.token': ['\n', 0o600] },
  },
  'a coordinator that cannot be reached': {
    argv: ['create', 'local'],
    code: 1,
    says: ['cannot reach 127.0.0.1:1: ', '; check the address and the network'],
    config: coordinator,
    files: { 'user-me.token': ['s3cret', 0o600] },
  },
  'a builder environment that is unknown': {
    argv: ['run', '--builderenv', 'nope', 'linux@127.0.0.1:1', 'true'],
    code: 125,
    says: ['unknown builder type "nope"', 'gomote types'],
  },
  'a builder environment of another host type': {
    argv: ['run', '--builderenv', 'b', 'a@127.0.0.1:1', 'true'],
    code: 125,
    says: ['--builderenv b has host type two, but a@127.0.0.1:1 has one'],
    config: '[hosts.one]\n[hosts.two]\n[builders.a]\nhost = "one"\n[builders.b]\nhost = "two"\n',
  },
};

describe('bad input', () => {
  it.each(Object.entries(rows))('%s', async (_, row) => {
    const cli = testCli();
    const config = join(cli.directory, 'config', 'gomote');
    mkdirSync(config, { recursive: true });
    if (row.config !== undefined) writeFileSync(join(config, 'config.toml'), row.config);
    for (const [name, [content, mode]] of Object.entries(row.files ?? {})) {
      writeFileSync(join(config, name), content);
      chmodSync(join(config, name), mode);
    }
    const { code, stdout, stderr } = await cli(row.argv, {
      ...(row.environment === undefined ? {} : { environment: row.environment }),
      isTerminal: row.isTerminal === true,
    });
    expect({ code, stdout }).toEqual({ code: row.code, stdout: '' });
    expect(stderr).toMatch(/^gomote: [^\n]+\n$/);
    expect(stderr).not.toContain('s3cret');
    for (const part of row.says) {
      if (typeof part === 'string') expect(stderr).toContain(part);
      else expect(stderr).toMatch(part);
    }
  });

  it('is reported for a server that does not speak TLS, without the file names of OpenSSL', async () => {
    const server = createServer((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
      socket.on('error', () => undefined);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const cli = testCli();
    const config = join(cli.directory, 'config', 'gomote');
    mkdirSync(config, { recursive: true });
    const section = `[backends.team]\nurl = "https://127.0.0.1:${port}"\n`;
    writeFileSync(join(config, 'config.toml'), `default = "team"\n${section}`);
    writeFileSync(join(config, 'user-me.token'), 's3cret', { mode: 0o600 });
    const ways = [
      ['login', '--name', 'other', `https://127.0.0.1:${port}`],
      ['create', 'local'],
    ];
    try {
      for (const argv of ways) {
        const { code, stderr } = await cli(argv);
        expect(code).toBe(1);
        expect(stderr).toMatch(
          /^gomote: cannot reach [^ ]+: SSL: [a-z ]+; check the address and the network\n$/,
        );
      }
    } finally {
      server.close();
    }
  });

  it('shows a stack only with --verbose', async () => {
    const cli = testCli();
    const plain = await cli(['ping', 'nope']);
    const verbose = await cli(['ping', '--verbose', 'nope']);
    expect(plain.stderr).not.toContain('    at ');
    expect(verbose.stderr).toContain('    at ');
  });
});
