import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import fc from 'fast-check';
import { waitFor } from '../wire/time.js';
import { CommitWatcher } from './postgres-commits.js';
import { bytesWatcher, patternWatcher, TcpProxy, type TcpProxyOptions, type Watcher } from './tcp-proxy.js';

interface Far {
  readonly server: Server;
  readonly received: () => string;
  readonly hasEnded: () => boolean;
}

async function withProxy(
  options: Omit<TcpProxyOptions, 'targetPort'>,
  work: (proxy: TcpProxy, far: Far) => Promise<void>,
): Promise<void> {
  let [received, hasEnded] = ['', false];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('data', (chunk) => {
      received += chunk.toString();
      socket.write(chunk);
    });
    socket.on('end', () => {
      hasEnded = true;
      socket.end();
    });
    socket.on('error', () => undefined);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const proxy = await TcpProxy.start({ ...options, targetPort: (server.address() as AddressInfo).port });
  try {
    await work(proxy, { server, received: () => received, hasEnded: () => hasEnded });
  } finally {
    await proxy.stop();
    server.close();
  }
}

function client(port: number): { socket: Socket; received: () => string; end: () => string | undefined } {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  let [received, end] = ['', undefined as string | undefined];
  socket.on('data', (chunk) => (received += chunk.toString()));
  socket.on('end', () => (end ??= 'end'));
  socket.on('error', (error: NodeJS.ErrnoException) => (end ??= error.code));
  return { socket, received: () => received, end: () => end };
}

const until = (check: () => boolean): Promise<true> =>
  waitFor('condition', () => (check() ? true : undefined), { timeoutMs: 3_000, pollMs: 2 });

test('passes bytes both ways, later when told so', async () => {
  await withProxy({}, async (proxy) => {
    const { socket, received } = client(proxy.port);
    socket.write('one');
    await until(() => received() === 'one');
    proxy.delayMs = 80;
    const before = performance.now();
    socket.write('two');
    await until(() => received() === 'onetwo');
    expect(performance.now() - before).toBeGreaterThanOrEqual(150);
    socket.destroy();
  });
});

test('cut at a pattern: forwarded bytes arrive, the answer does not', async () => {
  await withProxy({ watch: () => patternWatcher(Buffer.from('COMMIT')) }, async (proxy, far) => {
    const { socket, received, end } = client(proxy.port);
    proxy.armCuts('forwarded');
    socket.write('BEGIN;CO');
    await until(() => received() === 'BEGIN;CO');
    socket.write('MMIT;more');
    await until(() => far.hasEnded() && end() !== undefined);
    expect([far.received(), received(), end(), proxy.cuts]).toEqual([
      'BEGIN;COMMIT',
      'BEGIN;CO',
      'ECONNRESET',
      1,
    ]);
  });
});

test('cut after n bytes: withheld bytes do not arrive', async () => {
  await withProxy({ watch: () => bytesWatcher(10) }, async (proxy, far) => {
    const { socket, received, end } = client(proxy.port);
    proxy.armCuts('withheld');
    socket.write('12345');
    await until(() => received() === '12345');
    socket.write('67890');
    await until(() => end() === 'ECONNRESET');
    expect(far.received()).toBe('12345');
  });
});

test('cut all, half-close, refuse', async () => {
  await withProxy({}, async (proxy, far) => {
    const [a, b] = [client(proxy.port), client(proxy.port)];
    a.socket.write('a');
    b.socket.write('b');
    await until(() => a.received() === 'a' && b.received() === 'b');
    proxy.halfCloseAll();
    await until(() => a.end() === 'end' && b.end() === 'end');
    a.socket.write('late');
    await until(() => far.received().includes('late'));
    const [c, d] = [client(proxy.port), client(proxy.port)];
    c.socket.write('c');
    await until(() => c.received() === 'c' && proxy.connections === 4);
    proxy.cutAll();
    await until(() => c.end() === 'ECONNRESET' && d.end() === 'ECONNRESET' && proxy.connections === 0);
    proxy.isRefusing = true;
    const e = client(proxy.port);
    await until(() => e.end() === 'ECONNRESET');
    for (const { socket } of [a, b, c, d, e]) socket.destroy();
  });
});

const message = (type: string, ...parts: (string | Buffer)[]): Buffer => {
  const payload = Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(`${part}\0`) : part)),
  );
  const length = Buffer.alloc(4);
  length.writeUInt32BE(payload.length + 4);
  return Buffer.concat([Buffer.from(type), length, payload]);
};
const number = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const SYNC = message('S');
const ROWS = number(0);
const startup = message('', number(80_877_103));
const login = message('', number(196_608), 'user', 'x', '');
const PREPARE = message('P', 'ins', 'INSERT INTO events.event_log VALUES ($1)', Buffer.alloc(2));
const RUN = Buffer.concat([message('B', '', 'ins', Buffer.alloc(6)), message('E', '', ROWS)]);
const session: { bytes: Buffer; isMoment: boolean }[] = [
  { bytes: startup, isMoment: false },
  { bytes: login, isMoment: false },
  { bytes: message('Q', 'SELECT 1'), isMoment: false },
  { bytes: message('Q', 'BEGIN'), isMoment: false },
  { bytes: Buffer.concat([PREPARE, RUN, SYNC]), isMoment: false },
  { bytes: message('Q', 'COMMIT'), isMoment: true },
  { bytes: Buffer.concat([RUN, SYNC]), isMoment: true },
  { bytes: message('Q', 'BEGIN'), isMoment: false },
  { bytes: message('Q', 'UPDATE other SET x = 1'), isMoment: false },
  { bytes: message('Q', 'COMMIT'), isMoment: false },
  { bytes: message('Q', 'BEGIN'), isMoment: false },
  { bytes: Buffer.concat([RUN, SYNC]), isMoment: false },
  { bytes: message('Q', 'ROLLBACK'), isMoment: false },
  { bytes: Buffer.concat([message('P', '', 'COMMIT', Buffer.alloc(2)), SYNC]), isMoment: false },
];

test('commit moments of the Postgres protocol, however the bytes are cut into chunks', () => {
  const all = Buffer.concat(session.map(({ bytes }) => bytes));
  let end = 0;
  const expected: number[] = [];
  for (const { bytes, isMoment } of session) {
    end += bytes.length;
    if (isMoment) expected.push(end);
  }
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 40 }), (sizes) => {
      const watcher: Watcher = new CommitWatcher(/event_log/);
      const found: number[] = [];
      for (let at = 0, turn = 0; at < all.length; turn++) {
        const size = sizes[turn % sizes.length]!;
        found.push(...watcher.moments(all.subarray(at, at + size)).map((offset) => at + offset));
        at += size;
      }
      expect(found).toEqual(expected);
    }),
  );
});
