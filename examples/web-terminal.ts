// A terminal in the browser: node web-terminal.js NAME. It listens on this machine only, and asks for the token in its URL.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { open } from 'gomote';

const page = `<!doctype html><pre id="screen" tabindex="0"></pre><script type="module">
  const query = location.search, screen = document.querySelector('#screen');
  screen.focus();
  const send = (body) => fetch('/keys' + query, { method: 'POST', body });
  screen.onkeydown = (event) => {
    const key = { Enter: '\\r', Backspace: '\\x7f', Tab: '\\t' }[event.key] ?? event.key;
    if (key.length > 1) return;
    event.preventDefault();
    send(event.ctrlKey ? String.fromCharCode(key.toUpperCase().charCodeAt(0) & 31) : key);
  };
  const reply = await fetch('/screen' + query);
  const text = reply.body.pipeThrough(new TextDecoderStream());
  for await (const part of text) screen.textContent += part;
</script>`;

await using gomote = await open();
await using buildlet = await gomote.get(process.argv[2] ?? '');
const token = randomUUID();
const keys = new PassThrough();
const shell = buildlet.shell({ columns: 100, rows: 30, term: 'dumb', stdin: keys });
const { stdout } = shell;
const server = createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://localhost');
  if (searchParams.get('token') !== token) return void response.writeHead(403).end();
  if (pathname === '/keys') {
    for await (const chunk of request) keys.write(chunk);
    response.writeHead(204).end();
  } else if (pathname === '/screen') {
    await pipeline(stdout, response).catch(() => undefined);
  } else response.setHeader('Content-Type', 'text/html').end(page);
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  console.log(`http://127.0.0.1:${port}/?token=${token}`);
});
await shell;
server.close();
server.closeIdleConnections();
