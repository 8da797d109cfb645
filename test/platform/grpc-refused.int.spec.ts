import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { constants, createSecureServer, type Http2SecureServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FactServiceService } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { type GrpcChannel, grpcClient, openChannel } from '@posthorn/server/grpc-client.js';
import { makeCertificates } from '@posthorn/testing/certificates.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { FACTS, NO_FACTS, TIMES } from './server-rig.js';

const { NGHTTP2_REFUSED_STREAM, NGHTTP2_INTERNAL_ERROR, NGHTTP2_CANCEL, NGHTTP2_ENHANCE_YOUR_CALM } =
  constants;
/** Four calls of ours, each of which grpc-js repeats once. */
const SENT_MAX = 8;

let dir: string;
let server: Http2SecureServer;
let channel: GrpcChannel;
/** What the server does with each stream, one after the other; the last again and again. */
let answers: ((stream: ServerHttp2Stream) => void)[] = [];
let seen = 0;

const resetWith = (code: number) => (stream: ServerHttp2Stream) => void stream.close(code);

function answer(stream: ServerHttp2Stream): void {
  const message = FactServiceService.listFacts.responseSerialize(NO_FACTS);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(Buffer.concat([head, message]));
}

const call = () => grpcClient(FactServiceService, channel).listFacts(FACTS, TIMES);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'posthorn-refused-'));
  const certificates = await makeCertificates(dir, ['events', 'dispatcher']);
  const { certFile, keyFile } = certificates.of('events');
  server = createSecureServer({ cert: await readFile(certFile), key: await readFile(keyFile) });
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => {});
    answers[Math.min(seen, answers.length - 1)]!(stream);
    seen += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const tls = certificates.of('dispatcher');
  channel = openChannel(testProcess('dispatcher', { tls }), `127.0.0.1:${port}`, 'events');
});

beforeEach(() => {
  seen = 0;
});

afterAll(async () => {
  channel.onApplicationShutdown();
  await new Promise((resolve) => server.close(resolve));
  await rm(dir, { recursive: true });
});

test('I3 a call that was refused unseen is sent again, several times when several connections have aged', async () => {
  // Would break: with every connection that ends at its age some calls would fail that nobody has begun.
  answers = [...Array.from({ length: SENT_MAX - 1 }, () => resetWith(NGHTTP2_REFUSED_STREAM)), answer];
  await expect(call()).resolves.toEqual(NO_FACTS);
  expect(seen).toBe(SENT_MAX);
});

test('I3 a server that refuses everything is not asked for ever', async () => {
  answers = [resetWith(NGHTTP2_REFUSED_STREAM)];
  await expect(call()).rejects.toMatchObject({ code: 'service.unavailable' });
  expect(seen).toBe(SENT_MAX);
});

test.each([
  ['reset as an error', resetWith(NGHTTP2_INTERNAL_ERROR)],
  ['reset as cancelled', resetWith(NGHTTP2_CANCEL)],
  ['reset as too much', resetWith(NGHTTP2_ENHANCE_YOUR_CALM)],
  ['cut with its connection', (stream: ServerHttp2Stream) => void stream.session!.destroy()],
  [
    'answered as unavailable',
    (stream: ServerHttp2Stream) =>
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '14' },
        { endStream: true },
      ),
  ],
])('C1 a call that may have been begun is never sent again: %s', async (_name, end) => {
  // Would break: what must happen once, such as a send, could happen twice.
  answers = [end];
  await expect(call()).rejects.toMatchObject({ code: expect.stringMatching(/^(service|internal)\./) });
  expect(seen).toBe(1);
});
