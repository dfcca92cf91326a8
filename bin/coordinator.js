#!/usr/bin/env node
require('node:module').enableCompileCache?.();
const { run } = require('../dist/coordinator.cjs');

run(process.argv.slice(2)).then((exitCode) => {
  process.exitCode = exitCode;
});
