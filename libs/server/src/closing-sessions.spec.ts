import { once } from 'node:events';
import { connect, createServer, type Http2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { letClosingSessionsEnd } from './closing-sessions.js';

const PATIENCE_MS = 2_000;

/** What a keepalive sees: `false` = it is told at once that none is sent. */
const ping = (session: Http2Session): Promise<unknown> =>
  new Promise((resolve) => {
    const isSent = session.ping((error) => resolve(error ?? 'answered'));
    if (!isSent) resolve(false);
    setTimeout(() => resolve('silence'), PATIENCE_MS).unref();
  });

test('a session that closes while a stream is under way answers pings, on both sides, and others ask their peer', async () => {
  letClosingSessionsEnd();
  letClosingSessionsEnd();
  const server = createServer();
  server.on('stream', (stream) => stream.respond({ ':status': 200 }));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const serverSession = once(server, 'session') as Promise<[Http2Session]>;
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const stream = client.request({ ':path': '/' }, { endStream: false });
  await once(stream, 'response');
  const [served] = await serverSession;
  for (const session of [client, served]) expect(await ping(session)).toBe('answered');

  served.goaway();
  served.close();
  await once(client, 'goaway');
  for (const session of [client, served]) {
    expect(session.closed && !session.destroyed).toBe(true);
    expect(await ping(session)).toBe('answered');
  }
  expect(stream.destroyed).toBe(false);

  client.destroy();
  expect(() => client.ping(() => {})).toThrow(/destroyed/);
  server.close();
});
