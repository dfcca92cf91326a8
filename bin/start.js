// What the programs of this directory have in common: their arguments, and the status of one that does not end as it should.
const { writeSync } = require('node:fs');

/** Runs the program `run` with the arguments that this process was given. */
module.exports = function start(run) {
  // A program that stops before it is told how it ended has not succeeded, and its status is nobody's but its own.
  let exitCode = 125;
  process.on('exit', () => {
    process.exitCode = exitCode;
  });
  const end = (code) => {
    exitCode = code;
    process.exitCode = code;
  };
  const [first, ...rest] = process.argv.slice(2);
  if (first === '?' && rest.length === 0) {
    // The shell asks whether Node starts with the options that the user has set.
    writeSync(1, 'ready');
    return end(0);
  }
  const args = first === ':' ? rest.map((argument) => argument.slice(1)) : process.argv.slice(2);
  run(args).then(end);
};
