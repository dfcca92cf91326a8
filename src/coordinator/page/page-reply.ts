// Replies to browsers, with the headers that guard the page.
import type { ServerResponse } from 'node:http';

const contentTypes = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json; charset=utf-8',
} as const;

type PageContent = keyof typeof contentTypes;

/** The page loads its own files only, sends forms only here, and is shown in no frame. */
export const securityHeaders = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** Of streams of events: `no-transform` and the last header keep proxies from holding events back. */
export const eventHeaders = {
  ...securityHeaders,
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-store, no-transform',
  'X-Accel-Buffering': 'no',
};

export function send(
  response: ServerResponse,
  status: number,
  type: PageContent,
  text: string,
): void {
  const body = Buffer.from(text);
  response.writeHead(status, {
    ...securityHeaders,
    'Content-Type': contentTypes[type],
    'Content-Length': body.length,
    'Cache-Control': type === 'html' || type === 'json' ? 'no-store' : 'no-cache',
  });
  response.end(body);
}

export function goHome(response: ServerResponse, cookie: string): void {
  const headers = { Location: '/', 'Set-Cookie': cookie, 'Content-Length': 0 };
  response.writeHead(303, { ...securityHeaders, ...headers }).end();
}

export const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
