// Two or three examples of each command, for its help. NAME stands for a buildlet.

const examples: Readonly<Record<string, readonly string[]>> = {
  attach: [
    'gomote attach NAME 3f9c      # the beginning of an id will do',
    'gomote attach --new NAME 3f9c',
  ],
  ci: ['gomote ci gitlab config', 'gomote ci gitlab prepare --type linux-amd64'],
  completion: [
    'source <(gomote completion bash)      # in ~/.bashrc; zsh the same',
    'gomote completion fish | source       # in ~/.config/fish/config.fish',
  ],
  cp: [
    'gomote cp NAME:src/hello .',
    "gomote cp 'NAME:src/*.log' logs/      # quoted, for the buildlet",
    'gomote cp hello.c Makefile NAME:src/',
  ],
  create: [
    'name=$(gomote create local)',
    'gomote create --count 3 linux-amd64',
    'gomote create --setup prepare.sh linux-amd64',
  ],
  destroy: ['gomote destroy NAME', 'gomote destroy --all --yes'],
  diff: ['gomote diff NAME', 'gomote diff --json NAME'],
  doctor: ['gomote doctor', 'gomote doctor --backend ci --json'],
  'exec-wrapper': [
    "go test -exec 'gomote exec-wrapper --on NAME' ./...",
    'gomote exec-wrapper --no-push --on NAME build/hello --version',
  ],
  extend: ['gomote extend NAME 2h', 'gomote extend NAME 1h30m'],
  fork: ['gomote fork NAME', 'gomote fork --count 4 NAME'],
  forward: [
    'gomote forward NAME 8080:3000         # localhost:3000 there',
    'gomote forward NAME 5432:db:5432 unix:/tmp/here:unix:/tmp/there',
    'gomote forward NAME -R 9229:9229      # of this machine, there',
  ],
  get: ['gomote get NAME src/hello', 'gomote get NAME build.log - | less'],
  gettar: [
    'gomote gettar --dir src/reports NAME > reports.tar.gz',
    'gomote gettar NAME | tar -tzf -',
  ],
  group: ['gomote group create nightly', 'gomote group add --group nightly NAME NAME'],
  init: ['gomote init', 'gomote init && gomote job'],
  job: ['gomote job', 'gomote job test', 'gomote job --keep failure test'],
  kill: ['gomote kill NAME 3f9c', 'gomote kill -9 NAME 3f9c'],
  list: ['gomote list', 'gomote list --json'],
  login: [
    'gomote login https://coordinator.example.com',
    'gomote login --name ci --token-file token https://ci.example.com',
  ],
  logout: ['gomote logout', 'gomote logout ci'],
  logs: [
    'gomote logs --slow NAME 3f9c',
    'gomote logs --follow NAME 3f9c',
    'gomote logs --tail 100 NAME 3f9c',
  ],
  ls: ['gomote ls NAME src', 'gomote ls --recursive NAME'],
  mcp: [
    'gomote mcp --type linux-amd64 --machines 2',
    'gomote mcp --type local --isolation bubblewrap',
  ],
  once: [
    'gomote once -- make test',
    "gomote once --get 'reports/*.xml' --keep failure linux-amd64 -- make test",
    'gomote once --shard 4 linux-amd64 -- ./test {index}/{total}',
  ],
  ping: ['gomote ping NAME', 'gomote ping --status NAME'],
  proxy: ['gomote proxy NAME 6379', 'gomote proxy NAME unix:/run/app.sock < request'],
  ps: ['gomote ps NAME', 'gomote ps --json NAME'],
  pull: ['gomote pull NAME src .', 'gomote pull --changed NAME src .'],
  push: ['gomote push --dest src NAME', 'gomote push --watch --dest src NAME'],
  put: ['gomote put NAME hello.c src/', 'date | gomote put NAME - src/date'],
  puttar: [
    'gomote puttar --dir src NAME hello-2.12.tar.gz',
    'tar -cz . | gomote puttar --dir src NAME -',
  ],
  reap: ['gomote reap', 'gomote reap --backend docker'],
  rm: ['gomote rm NAME src/build', 'gomote rm NAME .'],
  run: [
    'gomote run --dir src --timeout 10m -e CI=true NAME make -j8 test',
    "gomote run --sh 'make && ./hello' --dir src NAME",
    'id=$(gomote run --detach NAME make)',
  ],
  'ssh-config': [
    'gomote ssh-config --write && ssh NAME.gomote',
    'gomote ssh-config --write && scp hello.c NAME.gomote:',
    'gomote ssh-config --remove',
  ],
  'ssh-proxy': [
    'ssh -o ProxyCommand="gomote ssh-proxy NAME" NAME',
    'gomote ssh-proxy NAME </dev/null | head -1',
  ],
  shell: ['gomote shell NAME', "gomote shell NAME 'cd src && make'"],
  ssh: ['gomote ssh NAME', 'gomote ssh NAME -- ls -l'],
  cache: [
    'gomote cache purge                    # all that no buildlet uses',
    'gomote cache list',
    'gomote cache purge npm',
  ],
  snapshot: [
    'gomote snapshot create NAME warm      # then: gomote create --from warm',
    'gomote snapshot create --exclude .npmrc NAME',
    'gomote snapshot list',
  ],
  types: ['gomote types', 'gomote types --backend ci'],
  use: ['gomote use NAME', 'gomote use --none'],
  version: ['gomote version', 'gomote --version'],
  wait: ['gomote wait NAME 3f9c && echo good', 'gomote wait NAME 3f9c 71ab'],
  watch: ['gomote watch NAME -- make test', 'gomote watch --interrupt NAME -- npm test'],
  whoami: ['gomote whoami', 'gomote whoami --backend ci'],
};

export const examplesOf = (command: string): string =>
  ['', 'Examples:', ...(examples[command] ?? []).map((line) => `  ${line}`)].join('\n');
