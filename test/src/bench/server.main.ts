// Servers to compare with: `bare` answers 202; `mac` checks the signature first; `commit` then commits each
// event in a transaction of its own, in our schema, before it answers. Arguments: mode, secret, database URL.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import pg from 'pg';
import { isWebhookSigned, webhookKey } from '../wire/signatures.js';
import { serve } from './child.js';
import { insertOne } from './inserts.js';

const POOL_MAX = 64;
const [mode, secret, databaseUrl] = process.argv.slice(2);
const keys = [webhookKey(secret!)];
const pool = mode === 'commit' ? new pg.Pool({ connectionString: databaseUrl, max: POOL_MAX }) : undefined;
let n = 0;

function answer(request: IncomingMessage, body: Buffer, response: ServerResponse): void {
  if (mode !== 'bare' && !isWebhookSigned(keys, request.headers, body))
    return void response.writeHead(403).end();
  if (pool === undefined) return void response.writeHead(202, { 'content-length': '0' }).end();
  insertOne(pool, n++, body).then(
    () => response.writeHead(202, { 'content-length': '0' }).end(),
    () => response.writeHead(503).end(),
  );
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () =>
    answer(request, chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks), response),
  );
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  serve<object, { url: string }>(() => ({ url: `http://127.0.0.1:${port}` }));
});
