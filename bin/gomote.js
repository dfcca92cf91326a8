#!/usr/bin/env node
const { writeSync } = require('node:fs');

const argv = process.argv.slice(2);
if (argv.length === 1 && /^--?version$/.test(argv[0])) printVersion();
else runProgram(argv);

/** Scripts ask for it to see that the program is there: nothing is loaded for that. */
function printVersion() {
  try {
    writeSync(1, `${require('../package.json').version}\n`);
  } catch {
    // The program says what is wrong.
    runProgram(['version']);
  }
}

function runProgram(args) {
  const [first = ''] = args;
  const command = /^[a-z]+$/.test(first) ? first : '';
  const { exports: program, keep } = require('./load.js')('gomote', command);
  // A program that stops before it is told how it ended has not succeeded, and its status is nobody's but its own.
  let exitCode = 125;
  process.on('exit', () => {
    process.exitCode = exitCode;
  });
  program.run(args).then((code) => {
    exitCode = code;
    process.exitCode = code;
    if (code === 0) keep();
  });
}
