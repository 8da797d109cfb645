import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NatsLink, type NatsTls } from '@posthorn/jetstream/nats-link.js';
import { loadConfig, NATS_CONFIG, natsConnection } from '@posthorn/server/config.js';
import { makeCertificates } from '@posthorn/testing/certificates.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { type NatsServer, startNats } from '@posthorn/testing/nats-server.js';
import { type CertificateFiles } from '@posthorn/testing/test-certificates.js';

const REFUSED_MS = 1_000;

let dir: string;
let nats: NatsServer;
let broker: CertificateFiles;
let client: CertificateFiles;
const links: NatsLink[] = [];
const warnings: string[] = [];
const log = {
  info: () => {},
  error: () => {},
  warn: (_fields: object, words: string) => void warnings.push(words),
};

/** The certificates of an authority of its own: the broker's and a client's. */
async function authorityOf(name: string): Promise<[CertificateFiles, CertificateFiles]> {
  const made = await makeCertificates(join(dir, name), ['nats', 'events']);
  return [made.of('nats'), made.of('events')];
}

/** A link as a service makes it from its environment. */
function link(tls: NatsTls, url = nats.url): NatsLink {
  const config = loadConfig(NATS_CONFIG, {
    NATS_URL: url,
    NATS_CA_FILE: tls.caFile,
    NATS_CERT_FILE: tls.certFile,
    NATS_KEY_FILE: tls.keyFile,
  });
  const made = new NatsLink({ ...natsConnection(config), name: 'tls' }, log);
  links.push(made);
  made.onApplicationBootstrap();
  return made;
}

const refused = async (made: NatsLink): Promise<void> => {
  await new Promise((done) => setTimeout(done, REFUSED_MS));
  expect(made.isConnected).toBe(false);
};

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'posthorn-nats-tls-'));
  [broker, client] = await authorityOf('first');
  nats = await startNats({ storeDir: join(dir, 'nats'), endsWithParent: true, tls: broker });
});

afterEach(async () => {
  for (const made of links.splice(0)) await made.onApplicationShutdown();
  warnings.length = 0;
});

afterAll(async () => {
  await nats.stop();
  await rm(dir, { recursive: true, force: true });
});

test('B11 the broker is spoken to over TLS, with an authority and a certificate by path', async () => {
  const [sender, receiver] = [link(client), link(client, nats.url.replace('127.0.0.1', 'localhost'))];
  const heard: string[] = [];
  receiver.subscribe('told', (data) => heard.push(Buffer.from(data).toString()));
  await eventually(() => expect([sender.isConnected, receiver.isConnected]).toEqual([true, true]));
  await eventually(() => {
    sender.publish('told', Buffer.from('a word'));
    expect(heard).toContain('a word');
  });
});

test('B11 no word is exchanged with a broker of another authority, without our certificate, or in the clear', async () => {
  const [, foreign] = await authorityOf('foreign');
  const wrong = [
    link({ ...client, caFile: foreign.caFile }),
    link({ ...foreign, caFile: client.caFile }),
    link({ caFile: client.caFile }),
    link({}, nats.url.replace('tls://', 'nats://')),
  ];
  await Promise.all(wrong.map(refused));
  expect(warnings.filter((words) => words === 'NATS cannot be reached').length).toBeGreaterThan(0);
});

test('B11 files that are replaced count from the next connection on, without a restart', async () => {
  const mounted = ['caFile', 'certFile', 'keyFile'].map(
    (name) => [name, join(dir, `mounted-${name}`)] as const,
  );
  const mount = (from: CertificateFiles) =>
    Promise.all(mounted.map(([name, path]) => copyFile(from[name as keyof CertificateFiles], path)));
  await mount(client);
  const made = link(Object.fromEntries(mounted));
  await eventually(() => expect(made.isConnected).toBe(true));
  await nats.stop();
  const [nextBroker, nextClient] = await authorityOf('second');
  const storeDir = join(dir, 'nats');
  nats = await startNats({ storeDir, endsWithParent: true, tls: nextBroker, port: nats.port });
  await refused(made);
  await Promise.all(mounted.map(([, path]) => rm(path))); // gone for a moment, as in a mount that is swapped
  await refused(made);
  await mount(nextClient);
  await eventually(() => expect(made.isConnected).toBe(true));
});

test.each(['nats://nats:4222', 'nats://10.0.0.7:4222', 'tls://a:4222,nats://b:4222'])(
  'B11 %s, which is in the clear on a network, is refused unless the URL says so',
  (url) => {
    // Would break: facts would cross a network in the clear because nobody thought of it.
    expect(() => new NatsLink({ url, name: 'plain' }, log)).toThrow(/^config.invalid.*tls:/);
    const said = url
      .split(',')
      .map((each) => `${each}?tls=disable`)
      .join();
    expect(() => new NatsLink({ url: said, name: 'plain' }, log)).not.toThrow();
    expect(warnings).toEqual(['NATS is spoken to without TLS, as its URL says']);
    expect(() => new NatsLink({ url, name: 'files', tls: { caFile: client.caFile } }, log)).not.toThrow();
  },
);

test('B11 on this machine nothing needs to be said', () => {
  for (const host of ['localhost', '127.0.0.1', '[::1]'])
    expect(() => new NatsLink({ url: `nats://${host}:4222`, name: 'local' }, log)).not.toThrow();
  expect(warnings).toEqual([]);
});
