#!/usr/bin/env node
require('node:module').enableCompileCache?.();
const { run } = require('../dist/gomote.cjs');

// A program that stops before it is told how it ended has not succeeded, and its status is nobody's but its own.
let exitCode = 125;
process.on('exit', () => {
  process.exitCode = exitCode;
});

run(process.argv.slice(2)).then((code) => {
  exitCode = code;
  process.exitCode = code;
});
