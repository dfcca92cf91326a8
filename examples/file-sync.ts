// Keeps a directory of a buildlet like one here, until Ctrl-C: node file-sync.js NAME [DIR]
import { open } from 'gomote';

const [name = '', dir = '.'] = process.argv.slice(2);
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());

await using gomote = await open();
await using buildlet = await gomote.get(name);
try {
  for await (const { files, removed, unsent } of buildlet.watch(dir, { signal: stop.signal })) {
    console.log(`${files} sent, ${removed} removed`);
    for (const [path, error] of unsent) console.error(`${path}: ${error.message}`);
  }
} catch (error) {
  if (!stop.signal.aborted) throw error;
}
