// The program on a host that gomote reaches by ssh: its one request comes on standard input.
const { exports: program, keep } = require('./load.js')('ssh-host', 'host');
require('./start.js')(async () => {
  const code = await program.run();
  if (code === 0) keep();
  return code;
});
