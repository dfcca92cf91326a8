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
  const [first = '', ...rest] = process.argv.slice(2);
  if (first === '?' && rest.length === 0) {
    // The shell asks whether Node starts with the options that the user has set.
    writeSync(1, 'ready');
    return end(0);
  }
  const [, output, mask] = /^:(open|closed):([0-9a-f]+)$/.exec(first) ?? [];
  const args = mask ? rest.map((argument) => argument.slice(1)) : process.argv.slice(2);
  run(args, { isOutputClosed: output === 'closed', ignoredSignals: ignoredSignals(mask) }).then(
    end,
  );
};

/** The names in a mask as /proc has it. Without one, what started this by nohup(1) from a shell is known at least. */
function ignoredSignals(mask) {
  if (!mask) return /(^|\/)nohup$/.test(process.env._ ?? '') ? ['SIGHUP'] : [];
  const bits = BigInt(`0x${mask}`);
  if (bits === 0n) return [];
  const { signals } = require('node:os').constants;
  return Object.keys(signals).filter((name) => (bits >> BigInt(signals[name] - 1)) & 1n);
}
